//! The only place of this crate that starts processes.
//!
//! Every child gets an argument list (never a shell), an environment that the caller wrote in full,
//! no standard input, and a process group of its own, so that the child and what it started can be
//! ended together. Nothing that a child prints can exhaust memory: [`capture`] keeps a bounded part
//! of it, [`stream`] hands it on line by line and keeps none.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{Pid, Signal};

/// How much of each of a child's two outputs [`capture`] keeps, in bytes. apt's listing of a closure
/// of ten thousand packages has about 2 MiB.
pub const CAPTURE_LIMIT: usize = 64 << 20;

/// The longest line that [`stream`] hands on, in bytes; the rest of a longer line is dropped.
pub const LINE_LIMIT: usize = 16 << 10;

/// What a child said and how it ended.
#[derive(Debug, Clone)]
pub struct Captured {
    /// How it ended.
    pub status: ExitStatus,
    /// The first [`CAPTURE_LIMIT`] bytes of its standard output.
    pub stdout: Vec<u8>,
    /// The first [`CAPTURE_LIMIT`] bytes of its standard error.
    pub stderr: Vec<u8>,
    /// Whether one of the two had more, which was read and dropped.
    pub truncated: bool,
}

/// A program with its arguments and its whole environment, as data: what is run can be shown,
/// compared in a test and hashed into a cache key before anything is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program (looked up in the caller's `PATH` when it holds no slash) and its arguments.
    pub argv: Vec<OsString>,
    /// Every environment variable that the child sees.
    pub environment: Vec<(OsString, OsString)>,
}

impl Invocation {
    /// The command, its environment cleared first. `None` when there is no program.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        let (program, arguments) = self.argv.split_first()?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        Some(command)
    }
}

/// Kills a child's process group when it is dropped before the child was waited for.
struct Group {
    child: Child,
    ended: bool,
}

impl Group {
    /// Starts `command` in a process group of its own, so that a signal never reaches ours.
    fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        Ok(Self { child, ended: false })
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.ended = true;
        Ok(status)
    }

    fn kill(&mut self) {
        // The child has not been waited for, so its id cannot have been given to another process.
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // It may have ended by itself; then there is nothing to do.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
        self.ended = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
        }
    }
}

/// Runs `command` to its end and gives back what it printed, each output bounded by
/// [`CAPTURE_LIMIT`]. Both outputs are read at once, so that no child blocks on a full pipe.
///
/// The caller sets arguments and environment; standard input is empty.
///
/// # Errors
/// When the program cannot be started (the error's kind says why: not found, not permitted), or its
/// outputs cannot be read. A program that fails is no error: look at the status.
pub fn capture(mut command: Command) -> io::Result<Captured> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(&mut command)?;
    let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
    let (stdout, stderr) = thread::scope(|scope| {
        let reader = scope.spawn(|| stderr.map_or(Ok((Vec::new(), false)), |pipe| read_bounded(pipe, CAPTURE_LIMIT)));
        let stdout = stdout.map_or(Ok((Vec::new(), false)), |pipe| read_bounded(pipe, CAPTURE_LIMIT));
        let stderr = reader.join().unwrap_or_else(|_| Err(io::Error::other("a reader of a child's output panicked")));
        (stdout, stderr)
    });
    let ((stdout, cut_out), (stderr, cut_err)) = (stdout?, stderr?);
    Ok(Captured { status: group.wait()?, stdout, stderr, truncated: cut_out || cut_err })
}

/// Reads all of `input`, keeps the first `limit` bytes, and says whether there were more.
fn read_bounded(mut input: impl Read, limit: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut kept = Vec::new();
    let mut buffer = [0; 16 << 10];
    let mut truncated = false;
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => return Ok((kept, truncated)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let fits = count.min(limit - kept.len());
        truncated |= fits < count;
        kept.extend_from_slice(&buffer[..fits]);
    }
}

/// What a line callback wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Kill the child and all that it started.
    Abort,
}

/// Runs `command` to its end; its standard output goes to the file `stdout`, and each line of its
/// standard error to `line`, without the line break, as it comes. A carriage return ends a line too,
/// since progress bars use it. A line longer than [`LINE_LIMIT`] is cut.
///
/// # Errors
/// When the program cannot be started, its standard error cannot be read, or `stdout` cannot be
/// made. On every error and every [`Flow::Abort`] the child's whole process group is killed.
#[allow(clippy::disallowed_methods, reason = "the caller names a file in a directory of its own")]
pub fn stream(mut command: Command, stdout: &Path, line: &mut dyn FnMut(&[u8]) -> Flow) -> io::Result<ExitStatus> {
    command.stdout(File::create(stdout)?).stderr(Stdio::piped());
    let mut group = Group::spawn(&mut command)?;
    // Our copies of the child's ends of the pipe go with the command.
    drop(command);
    if let Some(pipe) = group.child.stderr.take()
        && read_lines(pipe, line)? == Flow::Abort
    {
        group.kill();
        return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped as asked"));
    }
    group.wait()
}

fn read_lines(mut input: impl Read, line: &mut dyn FnMut(&[u8]) -> Flow) -> io::Result<Flow> {
    let mut current = Vec::new();
    let mut buffer = [0; 8 << 10];
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for byte in &buffer[..count] {
            match byte {
                b'\n' | b'\r' => {
                    if !current.is_empty() && line(&current) == Flow::Abort {
                        return Ok(Flow::Abort);
                    }
                    current.clear();
                }
                byte if current.len() < LINE_LIMIT => current.push(*byte),
                _ => {}
            }
        }
    }
    Ok(if current.is_empty() { Flow::Continue } else { line(&current) })
}

/// The last lines of a log, for an error message: at most `capacity` of them.
#[derive(Debug, Clone)]
pub struct Tail {
    lines: VecDeque<String>,
    capacity: usize,
}

impl Tail {
    /// Keeps the last `capacity` lines.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { lines: VecDeque::new(), capacity }
    }

    /// Takes one more line; what is no printable text is escaped.
    pub fn push(&mut self, line: &[u8]) {
        if self.capacity == 0 {
            return;
        }
        if self.lines.len() == self.capacity {
            self.lines.pop_front();
        }
        self.lines.push_back(model::path::escape(line));
    }

    /// The lines, oldest first.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use std::time::{Duration, Instant};

    use super::*;

    fn command(argv: &[&str]) -> Command {
        let environment = vec![("PATH".into(), "/usr/bin:/bin".into())];
        Invocation { argv: argv.iter().map(Into::into).collect(), environment }.command().unwrap()
    }

    fn perl(script: &str) -> Command {
        command(&["perl", "-e", script])
    }

    #[test]
    fn both_outputs_are_drained_however_large_they_are() {
        // Each is many times the 64 KiB of a pipe: a reader that took one after the other would hang.
        let both =
            capture(perl(r#"for (1..2000) { print STDERR "e" x 1000; print STDOUT "o" x 1000 } exit 3"#)).unwrap();
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
        let seen = capture(command(&["env"])).unwrap();
        assert_eq!(seen.stdout, b"PATH=/usr/bin:/bin\n");
    }

    #[test]
    fn a_missing_program_is_an_error_that_says_so() {
        let error = capture(command(&["no-such-program-here"])).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn lines_come_one_by_one_and_standard_output_goes_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        let mut lines = Vec::new();
        let script = r#"print "data"; print STDERR "one\ntwo\r\nthree\rlast""#;
        let status = stream(perl(script), &file, &mut |line| {
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
        let error = stream(perl(script), &folder.path().join("out"), &mut |line| {
            grandchild = String::from_utf8_lossy(line).parse::<u32>().ok();
            Flow::Abort
        });
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::Interrupted);
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
}
