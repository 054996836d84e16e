#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use super::*;

fn program(name: &'static str) -> Invocation {
    Invocation::new(name).variable("PATH", "/usr/bin:/bin")
}

fn perl(script: &str) -> Invocation {
    program("perl").option("-e").operand(script)
}

#[test]
fn no_operand_is_taken_for_an_option_whatever_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    for odd in ["-oDPkg::Pre-Invoke::=id", "--simulate", "-", "--", "-\n", ""] {
        let touch = program("touch").operand(&mark).operand(odd);
        // Also where the program is run by another one, behind a mark that ends the options.
        for invocation in [touch.clone(), touch.clone().option("--").operand(odd), program("env").runs(touch)] {
            let Err(Error::Argument { program, .. }) = capture(&invocation) else { panic!("{odd:?}") };
            assert_eq!(program, "touch");
            let streamed = stream(&invocation, &folder.path().join("out"), &mut |_| Flow::Continue);
            assert!(matches!(streamed, Err(Error::Argument { .. })));
        }
    }
    assert!(!mark.exists() && !folder.path().join("out").exists(), "nothing was started");
    assert!(matches!(capture(&program("env").option("no-option")), Err(Error::Argument { .. })));
    let long = format!("-{}", "a".repeat(1 << 20));
    assert!(capture(&program("touch").operand(long)).unwrap_err().to_string().len() < 300);
}

#[test]
fn options_operands_and_programs_stand_as_they_were_added() {
    let inner = Invocation::new("b").option("--").operands(["x", "y"]).variable("B", "2").within(Path::new("/"));
    let whole = Invocation::new("a").options(["-v", "-q"]).assign("--name", "-value").variable("A", "1").runs(inner);
    assert_eq!(whole.argv().collect::<Vec<_>>(), ["a", "-v", "-q", "--name=-value", "b", "--", "x", "y"]);
    let [a, one, b, two] = ["A", "1", "B", "2"].map(OsStr::new);
    assert_eq!(whole.environment().collect::<Vec<_>>(), [(a, one), (b, two)]);
    assert!(whole.check().is_ok());
    assert_eq!(capture(&program("pwd").within(Path::new("/"))).unwrap().stdout, b"/\n");
}

#[test]
fn both_outputs_are_drained_however_large_they_are() {
    // Each is many times the 64 KiB of a pipe: a reader that took one after the other would hang.
    let both = capture(&perl(r#"for (1..2000) { print STDERR "e" x 1000; print STDOUT "o" x 1000 } exit 3"#)).unwrap();
    assert_eq!((both.stdout.len(), both.stderr.len(), both.truncated), (2_000_000, 2_000_000, false));
    assert_eq!(both.status.code(), Some(3));
}

#[test]
fn what_is_kept_is_bounded() {
    assert_eq!(read_bounded(&b"abcdef"[..], 4).unwrap(), (b"abcd".to_vec(), true));
    assert_eq!(read_bounded(&b"abcd"[..], 4).unwrap(), (b"abcd".to_vec(), false));
}

#[test]
fn the_child_sees_the_given_environment_only() {
    let seen = capture(&program("env")).unwrap();
    assert_eq!(seen.stdout, b"PATH=/usr/bin:/bin\n");
}

#[test]
fn a_missing_program_is_an_error_that_says_so() {
    let Err(Error::Io { program, source }) = capture(&program("no-such-program-here")) else { panic!() };
    assert_eq!((program.as_str(), source.kind()), ("no-such-program-here", io::ErrorKind::NotFound));
}

#[test]
fn lines_come_one_by_one_and_standard_output_goes_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out");
    let mut lines = Vec::new();
    let script = r#"print "data"; print STDERR "one\ntwo\r\nthree\rlast""#;
    let status = stream(&perl(script), &file, &mut |line| {
        lines.push(String::from_utf8_lossy(line).into_owned());
        Flow::Continue
    });
    assert!(status.unwrap().success());
    assert_eq!(lines, ["one", "two", "three", "last"]);
    assert_eq!(std::fs::read(file).unwrap(), b"data");
}

#[test]
fn a_long_line_is_cut() {
    let mut length = 0;
    let long = vec![b'x'; LINE_LIMIT * 3];
    read_lines(&long[..], &mut |line| {
        length = line.len();
        Flow::Continue
    })
    .unwrap();
    assert_eq!(length, LINE_LIMIT);
}

#[test]
fn abort_kills_the_grandchildren_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut grandchild = None;
    let script = r#"my $pid = fork(); if (!$pid) { sleep 1000; exit } $| = 1; print STDERR "$pid\n"; sleep 1000"#;
    let started = Instant::now();
    let error = stream(&perl(script), &folder.path().join("out"), &mut |line| {
        grandchild = String::from_utf8_lossy(line).parse::<u32>().ok();
        Flow::Abort
    });
    let Err(Error::Io { source, .. }) = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::Interrupted);
    assert!(started.elapsed() < Duration::from_secs(100));
    let stat = format!("/proc/{}/stat", grandchild.unwrap());
    // Init (or a subreaper) may need a moment to collect it; a zombie counts as dead.
    let alive = || std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z "));
    for _ in 0..500 {
        if !alive() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the grandchild still runs");
}

#[test]
fn a_tail_keeps_the_last_lines() {
    let mut tail = Tail::new(2);
    for line in [&b"a"[..], b"b", b"c\x1b"] {
        tail.push(line);
    }
    assert_eq!(tail.into_lines(), ["b", "c\\x1b"]);
}
