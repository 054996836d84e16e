#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use super::*;

const FAILED: &str = "installed demo package post-installation script subprocess returned error exit status 1";

/// Why a script failed that printed `lines`, by the verdict that it ended with the status 1.
fn reason(lines: &[&str]) -> Option<Reason> {
    reason_of(lines, FAILED)
}

fn reason_of(lines: &[&str], verdict: &str) -> Option<Reason> {
    let mut output = Output::default();
    lines.iter().for_each(|line| output.line(line));
    output.reason(verdict)
}

#[track_caller]
fn assert_lack(lack: &Lack, lines: &[&str]) {
    for line in lines {
        let found = reason(&["Something is done first.", line, "demo: giving up"]);
        assert_eq!(found, Some(Reason { lack: lack.clone(), line: (*line).to_owned() }), "{line}");
    }
}

#[test]
fn a_script_that_needs_an_interface() {
    assert_lack(
        &Lack::Interface,
        &[
            "newaliases: fatal: could not find any active network interfaces",
            "Device \"eth0\" does not exist.",
            "Cannot find device \"wlan0\"",
            "ip: can't find device 'eth0'",
            "eth0: error fetching interface information: Device not found",
            "cat: /sys/class/net/eth0/address: No such file or directory",
            "SIOCSIFADDR: No such device",
            "demod: no network interface is up",
        ],
    );
}

#[test]
fn a_script_that_needs_the_network() {
    assert_lack(
        &Lack::Network,
        &[
            "wget: unable to resolve host address \u{2018}github.com\u{2019}",
            "Resolving github.com (github.com)... failed: Temporary failure in name resolution.",
            "curl: (6) Could not resolve host: example.org",
            "curl: (7) Failed to connect to 192.0.2.1 port 80 after 0 ms: Couldn't connect to server",
            "fatal: unable to access 'https://example.org/x/': Could not resolve host: example.org",
            "wget: bad address 'example.org'",
            "ping: sendto: Network is unreachable",
            "bash: line 1: /dev/tcp/192.0.2.1/80: Network is unreachable",
            "W: Failed to fetch http://m/InRelease  Temporary failure resolving 'm'",
            "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
            "npm error code EAI_AGAIN",
            "java.net.UnknownHostException: example.org",
            "dial tcp: lookup example.org on [::1]:53: read udp [::1]:5->[::1]:53: read: connection refused",
            "gpg: keyserver receive failed: No keyserver available",
        ],
    );
}

#[test]
fn a_script_that_needs_systemd_or_a_service() {
    assert_lack(
        &Lack::Systemd,
        &[
            "System has not been booted with systemd as init system (PID 1). Can't operate.",
            "Failed to connect to bus: Host is down",
            "Failed to connect to bus: No such file or directory",
            "Failed to connect to system scope bus via local transport: No such file or directory",
            "Failed to connect system bus: No such file or directory",
            "Failed to get D-Bus connection: Operation not permitted",
            "Failed to connect to /run/systemd/journal/io.systemd.journal: No such file or directory",
            "Failed to open connection to \"system\" message bus: Failed to connect to socket /run/dbus/system_bus_socket: No such file or directory",
            "Failed to open connection to session bus: Unable to autolaunch a dbus-daemon without a $DISPLAY for X11",
            "Error connecting: Could not connect: No such file or directory",
            "dbus.exceptions.DBusException: org.freedesktop.DBus.Error.FileNotFound: Failed to connect to socket",
        ],
    );
    assert_lack(
        &Lack::Service,
        &[
            "bash: connect: Connection refused",
            "curl: (7) Failed to connect to 127.0.0.1 port 80 after 0 ms: Couldn't connect to server",
            "ERROR 2002 (HY000): Can't connect to local MySQL server through socket '/run/mysqld/mysqld.sock' (2)",
            "psql: error: connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed: No such file or directory",
            "ldap_sasl_bind(SIMPLE): Can't contact LDAP server (-1)",
        ],
    );
}

#[test]
fn a_script_that_needs_what_is_not_installed() {
    for (line, what) in [
        ("/var/lib/dpkg/info/demo.postinst: 5: setfacl: not found", "the program `setfacl`"),
        ("/var/lib/dpkg/info/demo.postinst: line 5: setfacl: command not found", "the program `setfacl`"),
        ("sh: 1: exec: nosuch: not found", "the program `nosuch`"),
        ("sh: 1: /usr/sbin/nosuch: not found", "the program `/usr/sbin/nosuch`"),
        ("/bin/sh: nosuch: not found", "the program `nosuch`"),
        ("env: \u{2018}python\u{2019}: No such file or directory", "the program `python`"),
        ("/usr/bin/env: 'ruby': No such file or directory", "the program `ruby`"),
        ("nohup: failed to run command 'nosuch': No such file or directory", "the program `nosuch`"),
        ("Can't exec \"nosuch\": No such file or directory at -e line 1.", "the program `nosuch`"),
        ("bash: ./x: /usr/bin/tclsh: bad interpreter: No such file or directory", "the program `/usr/bin/tclsh`"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'nosuch'", "the program `nosuch`"),
        ("sudo: dbus-send: command not found", "the program `dbus-send`"),
        ("ModuleNotFoundError: No module named 'yaml'", "the module `yaml`"),
        (
            "Can't locate Foo/Bar.pm in @INC (you may need to install the Foo::Bar module) (@INC contains: /etc/perl) at -e line 1.",
            "the module `Foo/Bar.pm`",
        ),
        (
            "x: error while loading shared libraries: libx.so.1: cannot open shared object file: No such file or directory",
            "the library `libx.so.1`",
        ),
    ] {
        assert_lack(&Lack::Missing { what: what.to_owned() }, &[line]);
    }
}

#[test]
fn a_script_that_needs_space_a_device_a_right_or_an_answer() {
    assert_lack(
        &Lack::Space,
        &[
            "cp: error writing '/dev/full': No space left on device",
            "tar: ./x: Cannot write: Disk quota exceeded",
            "OSError: [Errno 28] No space left on device: '/var/lib/x'",
        ],
    );
    assert_lack(
        &Lack::Device,
        &[
            "cat: /dev/kvm: No such file or directory",
            "mknod: /dev/demo: Operation not permitted",
            "modprobe: FATAL: Module loop not found in directory /lib/modules/6.12.0",
            "depmod: ERROR: could not open directory /lib/modules/6.12.0: No such file or directory",
            "sysctl: cannot stat /proc/sys/net/demo: No such file or directory",
            "hwclock: Cannot access the Hardware Clock via any known method.",
            "cat: /tmp/sda: No such device or address",
        ],
    );
    assert_lack(
        &Lack::Right,
        &[
            "chmod: changing permissions of '/proc/1': Operation not permitted",
            "mount: /mnt: permission denied.",
            "touch: cannot touch '/etc/x': Read-only file system",
            "chown: changing ownership of '/srv/x': Invalid argument",
            "demo: this must be run as root",
        ],
    );
    assert_lack(
        &Lack::Answer,
        &[
            "EOFError: EOF when reading a line",
            "sh: 1: cannot open /dev/tty: No such device or address",
            "stty: 'standard input': Inappropriate ioctl for device",
            "error: the EULA was declined",
            "demo license must be accepted first",
            "try 'dpkg-reconfigure debconf' to select a frontend other than noninteractive",
            "debconf: DbDriver \"config\": could not write /var/cache/debconf/config.dat-new",
        ],
    );
}

#[test]
fn lines_that_are_printed_where_nothing_fails_are_no_reason() {
    for line in [
        "debconf: delaying package configuration, since apt-utils is not installed",
        "debconf: unable to initialize frontend: Dialog",
        "debconf: (Can't locate Term/ReadLine.pm in @INC (you may need to install the Term::ReadLine module))",
        "debconf: falling back to frontend: Noninteractive",
        "invoke-rc.d: could not determine current runlevel",
        "invoke-rc.d: policy-rc.d denied execution of start.",
        "Running in chroot, ignoring command 'daemon-reload'",
        "sudo: unable to resolve host localhost: Name or service not known",
        "perl: warning: Setting locale failed.",
        "update-alternatives: warning: skip creation of /usr/share/man/man1/x.1.gz because associated file /usr/share/man/man1/y.1.gz (of link group x) doesn't exist",
        "Created symlink /etc/systemd/system/multi-user.target.wants/x.service -> /usr/lib/systemd/system/x.service.",
        "Adding new user `x' (UID 101) with group `nogroup' ...",
        "make -C /usr/src/sys/dev/ failed to be quiet",
        "the package: list: not found",
        "",
    ] {
        assert_eq!(reason(&[line]), None, "{line}");
    }
}

#[test]
fn the_last_line_counts_and_a_vague_one_where_there_is_no_other() {
    let lines = ["Failed to connect to bus: No such file or directory", "curl: (6) Could not resolve host: x"];
    assert_eq!(reason(&lines).unwrap().line, lines[1]);
    let own = "demo.postinst: please check your internet connection";
    assert_eq!(reason(&[lines[1], own]).unwrap().line, lines[1]);
    assert_eq!(reason(&[own]), Some(Reason { lack: Lack::Network, line: own.to_owned() }));
    let denied = "rm: cannot remove '/x': Permission denied";
    let missing = "demo.postinst: 3: nosuch: not found";
    assert_eq!(reason(&[missing, denied]).unwrap().lack, Lack::Right);
    let verdict = FAILED.replace("status 1", "status 127");
    assert_eq!(reason_of(&[missing, denied], &verdict).unwrap().line, missing);
    assert_eq!(reason_of(&[denied], &verdict).unwrap().line, denied);
}

#[test]
fn what_dpkg_says_counts_where_the_script_said_nothing() {
    assert_eq!(reason(&["nothing to see"]), None);
    // A package's name is not what its script lacks.
    assert_eq!(reason_of(&[], &FAILED.replace("demo", "dbus")), None);
    let unseen = FAILED.replace("status 1", "status 30");
    assert_eq!(reason_of(&[], &unseen), Some(Reason { lack: Lack::Answer, line: unseen.clone() }));
}

#[test]
fn a_script_that_dpkg_cannot_run() {
    let refused = "dpkg (subprocess): unable to execute installed demo package post-installation script \
                   (/var/lib/dpkg/info/demo.postinst): No such file or directory";
    let verdict = FAILED.replace("status 1", "status 2");
    let missing = Lack::Missing { what: "the script's interpreter".to_owned() };
    assert_eq!(reason_of(&[refused], &verdict), Some(Reason { lack: missing, line: refused.to_owned() }));
    let denied = refused.replace("No such file or directory", "Permission denied");
    assert_eq!(reason_of(&[&denied], &verdict).unwrap().lack, Lack::Right);
}

#[test]
fn dpkg_names_the_script() {
    for (text, script) in [
        (FAILED, Some(Script::Postinst)),
        ("new demo package pre-installation script subprocess returned error exit status 3", Some(Script::Preinst)),
        ("installed demo package pre-removal script subprocess was killed by signal (Terminated)", Some(Script::Prerm)),
        ("installed demo package post-removal script subprocess returned error exit status 1", Some(Script::Postrm)),
        ("subprocess installed post-installation script returned error exit status 2", Some(Script::Postinst)),
        ("trying to overwrite '/usr/bin/tar', which is also in package tar 1.35", None),
        ("dependency problems - leaving unconfigured", None),
    ] {
        assert_eq!(Script::of(text), script, "{text}");
    }
}

#[test]
fn a_line_without_end_is_cut() {
    let line = format!("curl: (6) Could not resolve host: {}", "x".repeat(1 << 20));
    assert!(reason(&[&line]).unwrap().line.len() < 500);
}
