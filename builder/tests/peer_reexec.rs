//! What this program does in a child ahead of another program: fresh namespaces, and an end with its parent.
//! Needs root.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use host::process::{self, Captured, Invocation};

const PROGRAM: &str = env!("CARGO_BIN_EXE_build-rootfs");

/// Runs what `invocation` says through a program that was replaced after it was opened.
fn run(invocation: Invocation) -> Captured {
    static OPENED: Once = Once::new();
    OPENED.call_once(|| {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("program");
        fs::copy(PROGRAM, &copy).unwrap();
        process::register(&copy).unwrap();
        fs::remove_file(&copy).unwrap();
        fs::write(&copy, "#!/bin/sh\necho replaced\n").unwrap();
        run_plain(Command::new("chmod").arg("755").arg(&copy));
        // It stays for what would be run by its path.
        std::mem::forget(folder);
    });
    process::capture(&invocation.variable("PATH", "/usr/bin:/bin")).unwrap()
}

fn run_plain(command: &mut Command) {
    assert!(command.status().unwrap().success());
}

fn text(captured: &Captured) -> String {
    assert!(captured.stderr.is_empty(), "{}", String::from_utf8_lossy(&captured.stderr));
    String::from_utf8(captured.stdout.clone()).unwrap()
}

fn shell(script: &str) -> Invocation {
    Invocation::new("sh").option("-ec").operand(script)
}

#[test]
fn a_program_in_namespaces_of_its_own_sees_nothing_of_the_host() {
    let shared = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    let script = "uname -n; echo shared $(ls -A /dev/shm); stat -c %a /dev/shm; echo process $$;
        echo processes $(ls /proc | grep -c '^[0-9]*$'); sed 1,2d /proc/net/dev | cut -d: -f1; cat /proc/net/route | wc -l;
        readlink /proc/$$/fd/0";
    let seen = text(&run(Invocation::isolated("fresh").runs(shell(script))));
    let lines: Vec<&str> = seen.lines().map(str::trim).collect();
    assert_eq!(lines[..4], ["fresh", "shared", "1777", "process 1"], "{seen}");
    // The shell and what it asks; the host has more.
    assert!(lines[4].strip_prefix("processes ").unwrap().parse::<u32>().unwrap() <= 4, "{seen}");
    assert_eq!(lines[5..], ["lo", "1", "/dev/null"], "{seen}");
    assert_ne!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim(), "fresh", "the host keeps its name");
    assert!(shared.path().exists(), "the host keeps its shared memory");
}

#[test]
fn a_directory_in_memory_holds_what_it_may_and_no_one_else_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("a: directory");
    fs::create_dir(&directory).unwrap();
    let script = "cd \"$1\"; stat -f -c %T .; stat -c %a .; mknod device c 1 3; : > device; : > kept;
        head -c 900000 /dev/zero > some && echo fits; head -c 2000000 /dev/zero 2>&1 > more | grep -o 'No space.*'; ls";
    let inside = |directory: &Path| shell(script).operand("sh").operand(directory);
    let seen = text(&run(Invocation::isolated_in_memory("fresh", &directory, 1 << 20).runs(inside(&directory))));
    assert_eq!(seen, "tmpfs\n755\nfits\nNo space left on device\ndevice\nkept\nmore\nsome\n");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0, "it is gone with the program");
    // Where none can be mounted, the program runs all the same.
    let gone = folder.path().join("gone");
    let seen = text(&run(Invocation::isolated_in_memory("fresh", &gone, 1 << 20).runs(shell("echo runs"))));
    assert_eq!(seen, "runs\n");
}

#[test]
fn a_program_sets_no_clock_and_loads_nothing_into_the_kernel() {
    // To the time that it is, so that a failure of this test does no harm.
    let script = "if date -s @$(date +%s) >/dev/null 2>&1; then echo clock; fi
        if dmesg -n 7 2>/dev/null; then echo log; fi; grep ^CapBnd: /proc/self/status | cut -f2";
    let seen = text(&run(Invocation::isolated("fresh").runs(shell(script))));
    let bounding = u64::from_str_radix(seen.trim(), 16).unwrap_or_else(|_| panic!("{seen}"));
    // The numbers of linux/capability.h: module, rawio, pacct, boot, time, syslog, wake_alarm.
    for number in [16, 17, 20, 22, 25, 34, 35] {
        assert_eq!(bounding >> number & 1, 0, "capability {number}");
    }
    // What mmdebstrap and the packages' scripts do need.
    for number in [0, 1, 18, 21, 27] {
        assert_eq!(bounding >> number & 1, 1, "capability {number}");
    }
}

#[test]
fn what_is_the_hosts_does_not_come_back_as_inheritable() {
    // Some container engines start programs so. The sets are those of a thread: here of one that ends with the test.
    let seen = std::thread::spawn(|| {
        let mut sets = rustix::thread::capabilities(None).unwrap();
        sets.inheritable = sets.permitted;
        rustix::thread::set_capabilities(None, sets).unwrap();
        let script = "grep -e ^CapPrm: -e ^CapEff: -e ^CapInh: /proc/self/status | cut -f2";
        text(&run(Invocation::isolated("fresh").runs(shell(script))))
    });
    let seen = seen.join().unwrap();
    assert_eq!(seen.lines().count(), 3, "{seen}");
    for set in seen.lines().map(|line| u64::from_str_radix(line, 16).unwrap()) {
        for number in [16, 17, 20, 22, 25, 34, 35] {
            assert_eq!(set >> number & 1, 0, "capability {number} in {seen}");
        }
        assert_eq!(set >> 21 & 1, 1, "{seen}");
    }
}

#[test]
fn a_program_reaches_itself_by_the_loopback_and_nobody_else() {
    let script = r#"use IO::Socket::IP;
        for my $address ("127.0.0.1", "127.1.2.3") {
            my $server = IO::Socket::IP->new(LocalHost => $address, LocalPort => 0, Listen => 1) or die "bind: $@";
            my $client = IO::Socket::IP->new(PeerHost => $address, PeerPort => $server->sockport) or die "connect: $@";
            print $client "to $address\n"; close $client;
            print $server->accept->getline;
        }
        print "outside: $!\n" unless IO::Socket::IP->new(PeerHost => "192.0.2.1", PeerPort => 80);"#;
    let seen = text(&run(Invocation::isolated("fresh").runs(Invocation::new("perl").option("-e").operand(script))));
    assert_eq!(seen, "to 127.0.0.1\nto 127.1.2.3\noutside: Network is unreachable\n");
}

#[test]
fn exit_codes_and_what_is_missing_come_through() {
    for by in [Invocation::attached(), Invocation::isolated("fresh")] {
        assert_eq!(run(by.clone().runs(shell("exit 7"))).status.code(), Some(7));
        let missing = run(by.clone().runs(Invocation::new("no-such-program-here")));
        assert_eq!(missing.status.code(), Some(i32::from(process::NO_SUCH_PROGRAM)));
        let said = String::from_utf8_lossy(&missing.stderr).into_owned();
        assert!(said.starts_with("cannot run no-such-program-here: "), "{said}");
        let own = by.runs(Invocation::new("readlink").operand("/proc/self/fd/0"));
        assert_eq!(text(&run(own)), "/dev/null\n", "the executable is not left to the program");
    }
    assert!(run(Invocation::isolated("fresh")).status.success(), "nothing is run");
}

#[test]
fn a_directory_is_removed_and_what_its_links_lead_to_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("gone/below")).unwrap();
    fs::write(path("kept"), "kept").unwrap();
    std::os::unix::fs::symlink(folder.path(), path("gone/below/link")).unwrap();
    assert!(run(Invocation::removing(&path("gone"))).status.success());
    assert!(!path("gone").exists() && path("kept").exists());
    assert!(!run(Invocation::removing(&path("gone"))).status.success(), "what is not there cannot be removed");
}

/// A shell starts a program through `script`; then it is killed, and the program must end.
fn ends_with_its_parent(script: &str) {
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("started");
    let program = "open my $file, \">\", shift; close $file; sleep 100";
    let script = format!("{script} perl -e '{program}' {} & wait", started.display());
    let mut parent = Command::new("sh").args(["-c", &script, PROGRAM]).stdin(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while !started.exists() {
        assert!(Instant::now() < until, "it does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    while is_used(&started) {
        assert!(Instant::now() < until, "{script}: it outlives its parent");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a program runs that was started with `path` among its arguments.
fn is_used(path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| line.windows(path.len()).any(|window| window == path))
}

#[test]
fn what_was_started_ends_with_what_started_it() {
    ends_with_its_parent("\"$0\" --attached-to=$$");
    ends_with_its_parent("\"$0\" --isolated-by=$$ fresh");
}

#[test]
fn what_lost_its_parent_before_it_could_attach_does_nothing() {
    for option in ["--attached-to=1", "--isolated-by=1", "--removing-for=1", "--attached-to=x", "--attached-to="] {
        let output = Command::new(PROGRAM).args([option, "touch", "/"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(126) && said.starts_with("cannot attach to the program"), "{said}");
    }
    // The first process in the namespaces knows by its standard input.
    let output = Command::new(PROGRAM).args(["--isolated-first-by=", "fresh"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(126));
    assert_ne!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim(), "fresh");
}

#[test]
fn what_the_system_refuses_is_said_and_no_program_runs_without_it() {
    for (lacking, said) in [
        ("sys_admin", "cannot make namespaces: Operation not permitted (os error 1)"),
        ("net_admin", "cannot bring up the loopback interface: Operation not permitted (os error 1)"),
    ] {
        let script = "\"$0\" --isolated-by=$$ fresh echo it ran; exit $?";
        let mut setpriv = Command::new("setpriv");
        setpriv.arg(format!("--bounding-set=-{lacking}")).args(["sh", "-c", script, PROGRAM]);
        let output = setpriv.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), said);
        assert!(output.stdout.is_empty() && output.status.code() == Some(126), "{output:?}");
    }
}

#[test]
fn a_file_that_would_be_too_long_ends_the_program_that_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let write = |size: u32| {
        // As apt does: the program that writes is not the one that is started.
        let script = format!("head -c {size} /dev/zero > '{}'; echo $?", path.display());
        let captured = run(Invocation::attached_with_files(100_000).runs(shell(&script)));
        let said = String::from_utf8_lossy(&captured.stdout).trim().to_owned();
        (captured.status.success(), said, fs::metadata(&path).unwrap().len())
    };
    assert_eq!(write(100_000), (true, "0".to_owned(), 100_000));
    // 128 and 25, SIGXFSZ, is what a shell says of it; `-e` ends the shell before that.
    assert_eq!(write(100_001), (false, String::new(), 100_000));
}
