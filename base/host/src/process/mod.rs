//! The only place of this program that starts others.
//!
//! Every child gets an argument list (never a shell), an environment that the caller wrote in full,
//! nothing on its standard input, and a process group of its own, so that the child and what it started can be
//! ended together. An [`Invocation`] distinguishes options from operands, and nothing is started when an operand
//! could be read as an option: that is the last look at what came from a lock, a record or a package. Nothing that a child prints can exhaust memory: [`capture`] keeps a bounded part
//! of it, [`stream`] hands it on line by line and keeps none.

mod confinement;
mod failed;
mod ids;
mod invocation;
mod namespaces;
mod reexec;
mod running;
mod tail;
mod this_program;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::interrupt::{self, OnInterrupt};

pub use confinement::{Inside, Isolation, Step, User, in_user_namespace};
pub use ids::too_few_ids;
pub use invocation::Invocation;
pub use reexec::{Ended, NO_SUCH_PROGRAM, enter};
pub use running::Running;
pub use tail::Tail;
pub use this_program::register;

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

/// Why a program was not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument could be taken for an option, and is none: nothing was started.
    #[error("{program} is not started: its argument {argument:?} is no option, and begins like one or is empty")]
    Argument {
        /// The program that the argument is for.
        program: String,
        /// The beginning of the argument.
        argument: String,
    },
    /// The operating system refused to start it, or to give what it prints.
    #[error("cannot run {program}")]
    Io {
        /// The program.
        program: String,
        /// The reason.
        source: io::Error,
    },
}

/// Kills a child's process group when it is dropped before the child was waited for.
struct Group {
    child: Child,
    ended: bool,
    /// An interrupt reaches only the process group of this program. None for one that sees the end of this program itself.
    undo: Option<OnInterrupt>,
}

/// How long, and how often at most, the end of a process group is waited for when this program is interrupted.
const MOMENT: Duration = Duration::from_millis(1);
const LOOKS: u32 = 5000;

impl Group {
    /// Starts `command` in a process group of its own, so that a signal never reaches ours.
    /// One that outlives this program is not ended by an interrupt.
    fn spawn(command: &mut Command, outlives: bool) -> io::Result<Self> {
        let _whole = interrupt::whole();
        let child = command.process_group(0).spawn()?;
        let mut group = Self { child, ended: false, undo: None };
        group.undo = group.id().filter(|_| !outlives).map(|id| interrupt::on_interrupt(move || end(id)));
        Ok(group)
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.ended = true;
        self.undo = None;
        Ok(status)
    }

    fn kill(&mut self) {
        // The child has not been waited for, so its id cannot have been given to another process.
        if let Some(group) = self.id() {
            // It may have ended by itself; then there is nothing to do.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
        self.ended = true;
        self.undo = None;
    }
}

/// Ends a process group and waits until nothing of it is left. Who waits for the child reaps it.
fn end(group: Pid) {
    let _ = rustix::process::kill_process_group(group, Signal::KILL);
    for _ in 0..LOOKS {
        if rustix::process::test_kill_process_group(group).is_err() {
            return;
        }
        thread::sleep(MOMENT);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
        }
    }
}

/// Runs a program to its end and gives back what it printed, each output bounded by
/// [`CAPTURE_LIMIT`]. Both outputs are read at once, so that no child blocks on a full pipe.
///
/// # Errors
/// When an argument is refused, the program cannot be started (the kind of the system's error says why: not
/// found, not permitted), or its outputs cannot be read. A program that fails is no error: look at the status.
pub fn capture(invocation: &Invocation) -> Result<Captured, Error> {
    let command = invocation.command()?;
    let span = invocation.span();
    let captured = run_captured(command).map_err(invocation.failed())?;
    span.record("status", tracing::field::display(captured.status));
    Ok(captured)
}

fn run_captured(mut command: Command) -> io::Result<Captured> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(&mut command, false)?;
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

/// Runs a program to its end that has the terminal of this one, and is in its process group: what the user types
/// reaches it.
///
/// # Errors
/// When an argument is refused, or the program cannot be started.
pub fn attend(invocation: &Invocation) -> Result<ExitStatus, Error> {
    let mut command = invocation.command()?;
    invocation.span();
    command.status().map_err(invocation.failed())
}

/// What a line callback wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Kill the child and all that it started.
    Abort,
}

/// Runs a program to its end; its standard output goes to the file `stdout`, and each line of its
/// standard error to `line`, without the line break, as it comes. A carriage return ends a line too,
/// since progress bars use it. A line longer than [`LINE_LIMIT`] is cut.
///
/// # Errors
/// When an argument is refused, the program cannot be started, its standard error cannot be read, or `stdout`
/// cannot be made. On every error and every [`Flow::Abort`] the child's whole process group is killed.
pub fn stream(
    invocation: &Invocation,
    stdout: &Path,
    line: &mut dyn FnMut(&[u8]) -> Flow,
) -> Result<ExitStatus, Error> {
    let command = invocation.command()?;
    let span = invocation.span();
    let status = run_streamed(command, stdout, line).map_err(invocation.failed())?;
    span.record("status", tracing::field::display(status));
    Ok(status)
}

#[allow(clippy::disallowed_methods, reason = "the caller names a file in a directory of its own")]
fn run_streamed(mut command: Command, stdout: &Path, line: &mut dyn FnMut(&[u8]) -> Flow) -> io::Result<ExitStatus> {
    command.stdout(File::create(stdout)?).stderr(Stdio::piped());
    let mut group = Group::spawn(&mut command, false)?;
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

#[cfg(test)]
mod tests;
