//! Modules are tried over a real base with the suite's own systemd: what is up, what is not and why, and that nothing is
//! left however a trial ends.
//!
//! Needs root, mmdebstrap, the archive, and a cgroup file system of version 2.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::run;

/// What listens, as perl in the base writes it: an address, a port, and after how many seconds it ends.
const LISTEN: &str = r#"use IO::Socket::INET;
my ($address, $port, $ends) = @ARGV;
my $socket = IO::Socket::INET->new(LocalAddr => $address, LocalPort => $port, Listen => 5) or die "$address: $!";
if ($ends) { sleep $ends; exit 0 }
while (my $peer = $socket->accept) { sysread $peer, my $line, 4096; print $peer "HTTP/1.0 200 OK\r\n\r\nwell\n"; close $peer }
"#;

/// Where trees are written: in memory where there is room, since they are written and removed again and again.
fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let free = rustix::fs::statvfs(memory).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    if free > 2 << 30 { memory.to_owned() } else { env::temp_dir() }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_module-builder"));
    command
        .env_remove("SOURCE_DATE_EPOCH")
        .env("MODULE_BUILDER_CACHE_DIR", testkit::warm_cache())
        .env("TMPDIR", scratch());
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}

/// minbase with systemd, as a tar in the cache.
fn base() -> &'static Path {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    BASE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let manifest = "schema_version: 1\nname: base\npackage_spec: [systemd]\nfile_spec: [/usr/lib/os-release]\n";
        write(&folder.path().join("manifest.yaml"), manifest);
        let output = program().args(["build", "--format", "json", "-C"]).arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let built: Value = serde_json::from_slice(&output.stdout).unwrap();
        PathBuf::from(built["rootfs"]["archive"].as_str().unwrap())
    })
}

/// A module's repository that is made here.
struct Made {
    folder: tempfile::TempDir,
    services: String,
}

impl Made {
    fn new() -> Self {
        let made = Self { folder: tempfile::tempdir().unwrap(), services: String::new() };
        made.put("usr/lib/trial/listen.pl", LISTEN);
        made
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn put(&self, path: &str, text: impl AsRef<[u8]>) {
        write(&self.path().join("rootfs").join(path), text);
    }

    /// A unit that is enabled.
    fn unit(&self, name: &str, service: &str) {
        let text = format!("[Unit]\nDescription={name}\nStartLimitIntervalSec=0\n[Service]\n{service}\n");
        self.put(&format!("usr/lib/systemd/system/{name}.service"), text);
        let wants = self.path().join("rootfs/usr/lib/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        symlink(format!("../{name}.service"), wants.join(format!("{name}.service"))).unwrap();
    }

    fn build(&self, name: &str) {
        let services = &self.services;
        write(
            &self.path().join("manifest.yaml"),
            format!("schema_version: 1\nname: {name}\nfile_spec: [/usr/***, /etc/***]\n{services}"),
        );
        fs::create_dir_all(self.path().join("root/usr/lib/systemd/system")).unwrap();
        let mut command = program();
        command.args(["build", "--arch", "amd64", "--quiet", "--rootfs"]).arg(self.path().join("root"));
        let output = command.arg("-C").arg(self.path()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
}

/// The full tree: the base, with the files of the module's own `rootfs` over it.
fn full(made: &Made, folder: &Path) -> PathBuf {
    let full = folder.join("full");
    fs::create_dir(&full).unwrap();
    run(Command::new("tar").arg("-xf").arg(base()).arg("-C").arg(&full));
    run(Command::new("cp").args(["-a", "--no-preserve=ownership"]).arg(made.path().join("rootfs/.")).arg(&full));
    // What a maintainer script wrote there, and packages brought, and the module does not ship.
    write(&full.join("etc/wide.conf"), "ADDRESS=127.0.0.1\n");
    write(&full.join("etc/again.conf"), "ENDS=0\n");
    run(Command::new("cp").arg(full.join("usr/bin/sleep")).arg(full.join("usr/lib/trial/lacking")));
    let accounts = fs::read_to_string(full.join("etc/passwd")).unwrap();
    let more = "nobody-has-this-name:x:350:65534::/:/bin/false\nmade-here:x:345:65534::/:/bin/false\n";
    write(&full.join("etc/passwd"), accounts + more);
    full
}

/// A program of the base that needs a library which is nowhere.
fn lacking() -> Vec<u8> {
    let mut program = run(Command::new("tar").arg("-xOf").arg(base()).arg("./usr/bin/sleep")).stdout;
    let (from, to) = (b"libc.so.6\0", b"libq.so.6\0");
    let at = program.windows(from.len()).position(|window| window == from).unwrap();
    program[at..at + from.len()].copy_from_slice(to);
    program
}

/// What is left of the trial that `process` ran, whose service has `mark` among its arguments: processes, cgroups, mounts.
fn left(process: u32, mark: &str) -> Vec<String> {
    let own = format!("module-builder-{process}-");
    let mut found: Vec<String> = Vec::new();
    for place in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        found.extend(
            entries.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| name.starts_with(&own)),
        );
    }
    let confined = format!("--confined-by={process} ");
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&confined) || line.contains("listen.pl") && line.contains(mark) {
            found.push(line);
        }
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    found.extend(mounts.lines().filter(|line| line.contains("module-builder-trial")).map(str::to_owned));
    found
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < Duration::from_secs(180), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn each_service_is_judged_by_what_it_does_and_nothing_is_left() {
    let made = trial_of_every_kind();
    made.build("kinds");
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let full = full(&made, folder.path());
    let mut command = program();
    command.args(["test", "--format", "json", "--settle", "1.5", "--base"]).arg(base());
    command.arg("--control").arg(&full).arg(made.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let process = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(left(process, " 7001"), [""; 0]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problem = |it: &Value| format!("{} {}", it["state"].as_str().unwrap(), it["problem"].as_str().unwrap_or("-"));
    let services = report["services"].as_array().unwrap();
    let states: BTreeMap<_, _> = services.iter().map(|it| (it["name"].as_str().unwrap(), problem(it))).collect();
    let expected = [
        ("again.service", "up again.service was started again"),
        (
            "both.service",
            "down both.service is down: the program /usr/bin/nowhere, or what interprets it, is missing; it fails in the full tree too (down): not the module's fault",
        ),
        ("fine.service", "up -"),
        (
            "library.service",
            "down library.service is down: the library libq.so.6 is missing, which /usr/lib/trial/lacking needs",
        ),
        ("plain", "up -"),
        ("stranger", "down stranger is down: the user nobody-either is missing"),
        ("user.service", "down user.service is down: the user nobody-has-this-name is missing"),
        (
            "wide.service",
            "up wide.service listens on tcp 0.0.0.0:7002, and in the full tree on tcp 127.0.0.1:7002 only",
        ),
    ];
    assert_eq!(states.len(), expected.len(), "{states:#?}");
    for (name, text) in expected {
        let exact = name != "again.service";
        let found = &states[name];
        assert!(if exact { found == text } else { found.starts_with(text) }, "{name}: {found}\n{}", said(&output));
    }
    let of = |name: &str| services.iter().find(|it| it["name"] == name).unwrap().clone();
    assert_eq!(of("fine.service")["listening"][0], "tcp 127.0.0.1:7001");
    assert_eq!(of("plain")["health"], "well");
    assert_eq!(of("plain")["listening"][0], "tcp 127.0.0.1:7004");
    assert!(of("library.service")["log"].to_string().contains("error while loading shared libraries"));
    assert_eq!(of("wide.service")["control"]["listening"][0], "tcp 127.0.0.1:7002");
    assert_eq!((&report["up"], &report["privilege"]), (&Value::Bool(false), &"root".into()));
}

/// A module with a service of every kind.
fn trial_of_every_kind() -> Made {
    let mut made = Made::new();
    let listen = |rest: &str| format!("ExecStart=/usr/bin/perl /usr/lib/trial/listen.pl {rest}");
    made.unit("fine", &format!("User=made-here\n{}", listen("127.0.0.1 7001")));
    made.put("usr/lib/sysusers.d/made-here.conf", "g made-here 345\nu made-here 345:345\n");
    made.put("usr/lib/trial/lacking", lacking());
    let lacking = made.path().join("rootfs/usr/lib/trial/lacking");
    fs::set_permissions(lacking, fs::Permissions::from_mode(0o755)).unwrap();
    made.unit("library", "ExecStart=/usr/lib/trial/lacking infinity");
    made.unit("user", &format!("User=nobody-has-this-name\n{}", listen("127.0.0.1 7005")));
    made.unit(
        "wide",
        &format!("Environment=ADDRESS=0.0.0.0\nEnvironmentFile=-/etc/wide.conf\n{}", listen("${ADDRESS} 7002")),
    );
    let again = "Environment=ENDS=1\nEnvironmentFile=-/etc/again.conf\nRestart=always\nRestartSec=50ms";
    made.unit("again", &format!("{again}\n{}", listen("127.0.0.1 7003 ${ENDS}")));
    made.unit("both", "ExecStart=/usr/bin/nowhere");
    made.services =
        "services:\n  - name: plain\n    start_command: /usr/bin/perl /usr/lib/trial/listen.pl 127.0.0.1 7004\n    \
                     user: made-here\n    working_directory: /tmp\n    exposed_ports: [{port: 7004}]\n    \
                     health: {endpoint: \"http://localhost:7004/\", method: GET}\n  - name: stranger\n    \
                     start_command: /usr/bin/perl\n    user: nobody-either\n"
            .to_owned();
    made
}

#[test]
fn accounts_are_checked_and_modules_that_contradict_each_other_are_refused() {
    let made = Made::new();
    made.put("usr/lib/sysusers.d/a.conf", "u lost 346:347\nu taken 0:0\n");
    made.build("accounts");
    let mut command = program();
    let output = command.args(["test", "--settle", "0.3", "--base"]).arg(base()).arg(made.path()).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("error[account-missing]: the account lost was not made"), "{text}");
    assert!(
        text.contains("error[account-id]: the account taken has the id ") && text.contains(", and 0 was asked for"),
        "{text}"
    );
    let mut command = program();
    let output = command.args(["test", "--base"]).arg(base()).args([made.path(), made.path()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("is the module accounts once more"), "{}", said(&output));
    let other = Made::new();
    other.put("usr/lib/trial/listen.pl", "another text");
    other.build("other");
    let mut command = program();
    let output = command.args(["test", "--base"]).arg(base()).args([made.path(), other.path()]).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("error[modules-differ]: accounts and other ship different /usr/lib/trial/listen.pl"),
        "{text}"
    );
}

#[test]
fn whoever_ends_a_trial_nothing_of_it_is_left() {
    let made = Made::new();
    made.unit("fine", "ExecStart=/usr/bin/perl /usr/lib/trial/listen.pl 127.0.0.1 7011");
    made.build("ended");
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut child = started(&made, folder.path());
        let process = child.id();
        wait_until("the service runs", || left(process, " 7011").iter().any(|line| line.contains("listen.pl")));
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()));
        wait_until("all has ended", || left(process, " 7011").is_empty());
    }
    // The next run takes away what they left on disk.
    let mut child = started(&made, folder.path());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The first entry of `directory` whose name begins so.
fn beginning(directory: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name))
}

/// A moment before services run, by what the trial of a process has by then in its directory.
type Moment = fn(&Path, u32) -> bool;

#[test]
fn a_trial_that_is_ended_before_its_services_run_leaves_nothing() {
    let made = Made::new();
    made.unit("fine", "ExecStart=/usr/bin/perl /usr/lib/trial/listen.pl 127.0.0.1 7071");
    made.build("early");
    let (folder, other) = (tempfile::tempdir_in(scratch()).unwrap(), tempfile::tempdir_in(scratch()).unwrap());
    let full = full(&made, other.path());
    let start = |control: bool| {
        let mut command = program();
        command.args(["test", "--quiet", "--settle", "0.3", "--base"]).arg(base()).arg(made.path());
        if control {
            command.arg("--control").arg(&full);
        }
        command.env("TMPDIR", folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let moments: [(&str, Moment); 5] = [
        ("its directory is there", |run, _| run.exists()),
        ("the full tree is written", |run, _| {
            beginning(run, "control-").is_some_and(|control| control.join("tree/usr").exists())
        }),
        ("the full tree has its cgroup", |run, process| {
            !run.join("trial").exists() && !left(process, " 7071").is_empty()
        }),
        ("the base is written", |run, _| run.join("trial/base/usr").exists()),
        ("the modules have their cgroup", |run, process| {
            run.join("trial/base").exists() && !left(process, " 7071").is_empty()
        }),
    ];
    for (what, is_there) in moments {
        for signal in [Signal::INT, Signal::KILL] {
            let mut child = start(true);
            let process = child.id();
            wait_until(what, || {
                beginning(folder.path(), ".module-builder-trial-").is_some_and(|run| is_there(&run, process))
            });
            kill_process(Pid::from_child(&child), signal).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()), "{what}");
            wait_until(&format!("all has ended: {what}"), || left(process, " 7071").is_empty());
            if signal == Signal::INT {
                fs::remove_dir_all(folder.path()).unwrap();
                fs::create_dir(folder.path()).unwrap();
                continue;
            }
            // The next run takes away what it left on disk, and leaves none itself.
            assert_eq!(start(false).wait().unwrap().code(), Some(0), "{what}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{what}");
        }
    }
}

#[test]
fn the_trees_of_a_trial_are_kept_where_that_is_asked() {
    let made = Made::new();
    made.unit("fine", "ExecStart=/usr/bin/perl /usr/lib/trial/listen.pl 127.0.0.1 7081");
    made.build("kept");
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let run = |more: &[&str]| {
        let mut command = program();
        command.args(["test", "--format", "json", "--settle", "0.3", "--base"]).arg(base()).arg(made.path());
        let child = command.args(more).env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        let process = child.id();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), left(process, " 7081")), (Some(0), Vec::new()), "{}", said(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let report = run(&["--keep"]);
    let kept = PathBuf::from(report["directory"].as_str().unwrap());
    let is_whole = || {
        let room = kept.join("trial");
        room.join("module-0/usr/lib/trial/listen.pl").exists() && room.join("base/usr/bin/perl").exists()
    };
    assert!(kept.starts_with(folder.path()) && is_whole(), "{report}");
    // The next run removes what others left, and nothing that was to stay.
    assert_eq!(run(&[]).get("directory"), None);
    assert!(is_whole());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// In a user namespace, in which root is the machine's root by number alone.
#[test]
fn a_trial_runs_in_a_user_namespace() {
    let made = Made::new();
    made.unit("fine", "User=made-here\nExecStart=/usr/bin/perl /usr/lib/trial/listen.pl 127.0.0.1 7061");
    made.put("usr/lib/sysusers.d/made-here.conf", "g made-here 345\nu made-here 345:345\n");
    made.build("user");
    let mut command = Command::new("unshare");
    command.args(["--user", "--", "sh", "-c", "read go; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_module-builder")]);
    command.args(["test", "--format", "json", "--settle", "0.5", "--base"]).arg(base()).arg(made.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let process = child.id();
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/user")).unwrap();
    wait_until("the namespace is there", || namespace(&process.to_string()) != namespace("self"));
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{process}/{map}"), "0 0 65536").unwrap();
    }
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["privilege"], "user-namespace");
    assert_eq!(report["services"][0]["listening"][0], "tcp 127.0.0.1:7061");
    assert_eq!(left(process, " 7061"), [""; 0]);
}

fn started(made: &Made, scratch: &Path) -> Child {
    let mut command = program();
    command.args(["test", "--quiet", "--settle", "2", "--base"]).arg(base()).arg(made.path());
    command.env("TMPDIR", scratch).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_port_that_two_modules_take_is_one_finding_and_another_port_mends_it() {
    let lower = Made::new();
    lower.unit("lower", "ExecStart=/usr/bin/perl /usr/lib/trial/listen.pl 127.0.0.1 7021");
    lower.build("lower");
    let upper = Made::new();
    let unit = |port: u16| {
        let start = "ExecStartPre=/usr/bin/sleep 1\nExecStart=/usr/bin/perl /usr/lib/trial/listen.pl";
        format!("[Unit]\nStartLimitIntervalSec=0\n[Service]\n{start} 127.0.0.1 {port}\n")
    };
    upper.unit("upper", "");
    let tried = |port| {
        upper.put("usr/lib/systemd/system/upper.service", unit(port));
        upper.build("upper");
        let mut command = program();
        command.args(["test", "--settle", "1.5", "--base"]).arg(base()).args([lower.path(), upper.path()]);
        command.output().unwrap()
    };
    let output = tried(7021);
    let text = said(&output);
    assert_eq!((output.status.code(), text.matches("error[").count()), (Some(3), 1), "{text}");
    assert!(text.contains("error[service-down]: upper.service is down: an address is in use: 127.0.0.1"), "{text}");
    assert!(text.contains("let one of the two services listen elsewhere"), "{text}");
    let output = tried(7022);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}
