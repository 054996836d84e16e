//! Builds that are killed, and builds that run at the same time, into one output directory.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[allow(dead_code, reason = "other tests use the rest")]
mod small;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use small::Small;

/// A build that takes a while: its module ships a file of 32 MiB.
fn long() -> Small {
    let small = Small::new();
    small.write("root/usr/share/web/large", "");
    fs::File::options().write(true).open(small.path("root/usr/share/web/large")).unwrap().set_len(32 << 20).unwrap();
    small
}

/// A run of the program, which ends with the test at the latest, stopped or not.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(small: &Small, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_module-builder"));
    command.env_clear().env("HOME", small.path("home")).env("SOURCE_DATE_EPOCH", "1700000000");
    command.current_dir(small.path("")).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    Run(command.spawn().unwrap())
}

const BUILD: [&str; 6] = ["build", "-C", "m", "--rootfs", "root", "--quiet"];
const REBUILD: [&str; 4] = ["rebuild", "m/dist", "--rootfs", "root"];

/// The temporary directories beside the output.
fn temporaries(small: &Small) -> Vec<String> {
    let names = fs::read_dir(small.path("m")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

/// Waits until the run has begun to write, and stops or kills it there and then.
fn interrupt(small: &Small, child: &Child, signal: Signal) {
    let began = Instant::now();
    let is_in_use =
        |name: &String| fs::read_dir(small.path("m").join(name)).is_ok_and(|mut inside| inside.next().is_some());
    while !temporaries(small).iter().any(is_in_use) {
        assert!(began.elapsed() < Duration::from_secs(60), "the run writes nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_and_the_output_before_is_whole() {
    let small = long();
    small.build("m/dist");
    let digest = fs::read(small.path("m/dist/composefs.digest")).unwrap();
    for arguments in [&BUILD[..], &REBUILD] {
        let mut child = start(&small, arguments);
        interrupt(&small, &child.0, Signal::KILL);
        assert_eq!(child.0.wait().unwrap().code(), None, "{arguments:?} was still running");
        assert_eq!(temporaries(&small).len(), 1, "{arguments:?} was killed in the middle");
        assert_eq!(small.run(&["inspect", "m/dist"]).0, 0, "the output before is whole");
        let (code, _, err) = small.run(arguments);
        assert_eq!(code, 0, "{err}");
        assert_eq!(temporaries(&small), [""; 0], "the next run of {arguments:?} left nothing");
        assert_eq!(fs::read(small.path("m/dist/composefs.digest")).unwrap(), digest);
    }
}

#[test]
fn a_run_that_lives_keeps_its_directory_while_another_builds() {
    let small = long();
    small.build("m/dist");
    for arguments in [&BUILD[..], &REBUILD] {
        let mut child = start(&small, arguments);
        interrupt(&small, &child.0, Signal::STOP);
        let living = temporaries(&small);
        assert_eq!(living.len(), 1);
        let (code, _, err) = small.run(arguments);
        assert_eq!((code, temporaries(&small)), (0, living), "{err}");
        kill_process(Pid::from_child(&child.0), Signal::CONT).unwrap();
        assert_eq!(child.0.wait().unwrap().code(), Some(0), "{arguments:?} ended well");
        assert_eq!(temporaries(&small), [""; 0]);
    }
}

#[test]
fn an_interrupted_run_leaves_nothing_and_the_output_before_is_whole() {
    let small = long();
    small.build("m/dist");
    let digest = fs::read(small.path("m/dist/composefs.digest")).unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        for arguments in [&BUILD[..], &REBUILD] {
            let mut child = start(&small, arguments);
            interrupt(&small, &child.0, signal);
            assert_eq!(child.0.wait().unwrap().signal(), Some(signal.as_raw()), "{arguments:?} is ended by the signal");
            assert_eq!(temporaries(&small), [""; 0], "{arguments:?}");
            assert_eq!(small.run(&["inspect", "m/dist"]).0, 0, "the output before is whole");
            assert_eq!(fs::read(small.path("m/dist/composefs.digest")).unwrap(), digest);
        }
    }
}
