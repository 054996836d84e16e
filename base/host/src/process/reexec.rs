//! This program started again, ahead of another one.
//!
//! Some things can only be done in the child itself, before it becomes the program that is meant: to die with its
//! parent, or to set up its namespaces. Rust runs nothing of ours there without `unsafe`; so the child is this
//! program first, which finds in its arguments what to do ([`enter`], at the head of `main`), does it while it
//! has one thread only, and becomes the other program.
//!
//! Which program that is, [`this_program`] holds.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getpid, getppid, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::CapabilitySet;

use super::confinement::{self, Inside, Isolation};
use super::failed::{FAILED, Failed, failed};
use super::invocation::Invocation;
use super::this_program::{self, register};
use super::{Error, namespaces};

/// What a child does ahead of its program. The option's value is the process that started it.
const ATTACHED: &str = "--attached-to";
const ISOLATED: &str = "--isolated-by";
const REMOVING: &str = "--removing-for";
/// A file system in memory for the first process in the namespaces.
const IN_MEMORY: &str = "--in-memory";
/// The most bytes of a file that the program may write.
const FILE_SIZE: &str = "--file-size";
const CONFINED: &str = "--confined-by";
const INSIDE: &str = "--inside-by";
/// The first process in the namespaces, started by the one that made them.
const ISOLATED_FIRST: &str = "--isolated-first-by";
const CONFINED_FIRST: &str = "--confined-first-by";

/// The exit code where the program is not there, as shells have it.
pub const NO_SUCH_PROGRAM: u8 = 127;

/// How often is looked whether a process is still there.
const WATCH: Duration = Duration::from_millis(10);

/// How the part of a child ended: with an exit code, and with a message where it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code.
    pub code: u8,
    /// What went wrong; empty where nothing did.
    pub message: String,
}

/// Does what `arguments`, all that this process was started with, ask of a child of this program; then they are
/// no command line of a user, and the program ends with what is given. Nothing for every other command line: this
/// program may then be [started again](Invocation::attached).
///
/// A program calls it before it does anything else.
#[must_use]
pub fn enter(arguments: &[OsString]) -> Option<Ended> {
    let asked = arguments.get(1).and_then(|asked| asked.to_str()?.split_once('='));
    let rest = arguments.get(2..).unwrap_or_default();
    let done = match asked {
        Some((ATTACHED, parent)) => attach(parent).and_then(|()| become_limited(rest)),
        Some((ISOLATED, parent)) => attach(parent).and_then(|()| isolate(rest)),
        Some((ISOLATED_FIRST, _)) => first(rest),
        Some((CONFINED, parent)) => confine(parent, rest),
        Some((CONFINED_FIRST, _)) => first_confined(rest),
        Some((INSIDE, parent)) => attach(parent).and_then(|()| inside(rest)),
        Some((REMOVING, parent)) => attach(parent).and_then(|()| remove(rest)),
        _ => {
            // Without /proc nothing can be started through this program, and each attempt says so.
            let _ = register(Path::new("/proc/self/exe"));
            return None;
        }
    };
    Some(match done {
        Ok(code) => Ended { code, message: String::new() },
        Err(Failed { what, why, code }) => Ended { code, message: format!("cannot {what}: {why}") },
    })
}

impl Invocation {
    /// This program, which becomes the one that it [runs](Self::runs), and is killed when the thread that started
    /// it ends in any way.
    #[must_use]
    pub fn attached() -> Self {
        Self::reexec(ATTACHED)
    }

    /// As [`attached`](Self::attached), for a program that writes what comes from others: it, and whatever it starts, ends by the signal
    /// `SIGXFSZ` where a file would have more than `size` bytes.
    #[must_use]
    pub fn attached_with_files(size: u64) -> Self {
        Self::attached().assign(FILE_SIZE, size.to_string())
    }

    /// This program with the arguments of a user, killed when the thread that started it ends in any way.
    #[must_use]
    pub fn again<T: Into<OsString>>(arguments: impl IntoIterator<Item = T>) -> Self {
        // The child is this program by then.
        Self::attached().runs(Self::new("/proc/self/exe").verbatim(arguments))
    }

    /// As [`attached`](Self::attached), in fresh namespaces: no network but a loopback that is up, no other
    /// processes, no shared memory, mounts that no one else sees, and the host name `host_name`. What is still
    /// running there when the program ends is killed. To run nothing is to try whether it can be done.
    #[must_use]
    pub fn isolated(host_name: &'static str) -> Self {
        Self::reexec(ISOLATED).operand(host_name)
    }

    /// As [`isolated`](Self::isolated), with a file system in memory of at most `size` bytes at `directory`, which is
    /// the caller's own and empty. What is written there no one else sees, and it is gone when the program ends. Where
    /// the kernel mounts none, the directory is what it was.
    #[must_use]
    pub fn isolated_in_memory(host_name: &'static str, directory: &Path, size: u64) -> Self {
        let mut memory = OsString::from(format!("{size}:"));
        memory.push(directory);
        Self::isolated(host_name).assign(IN_MEMORY, memory)
    }

    /// This program, which removes the directory `path` with all that is in it: for files that belong to ids
    /// which only the child has.
    #[must_use]
    pub fn removing(path: &Path) -> Self {
        Self::reexec(REMOVING).operand(path)
    }

    /// This program, which runs the one that it [runs](Self::runs) as the first process of the namespaces that
    /// `isolation` describes; to run nothing is to hold them. It ends when that process does, and that process when
    /// this program does; then nothing of it is left, and no cgroup either.
    ///
    /// # Errors
    /// When a path in the plan cannot be written down.
    pub fn confined(isolation: &Isolation) -> Result<Self, Error> {
        let mut confined = Self::reexec(CONFINED).operand(isolation.argument()?);
        confined.outlives = true;
        Ok(confined)
    }

    /// This program, which runs the one that it [runs](Self::runs) among the processes of a
    /// [confined](Self::confined) one.
    ///
    /// # Errors
    /// When a path in the plan cannot be written down.
    pub fn inside(inside: &Inside) -> Result<Self, Error> {
        Ok(Self::reexec(INSIDE).operand(inside.argument()?))
    }

    fn reexec(what: &'static str) -> Self {
        Self::new(this_program::PATH).assign(what, getpid().as_raw_nonzero().to_string())
    }
}

/// Has this process killed when `parent` ends, or fails if it did.
fn attach(parent: &str) -> Result<(), Failed> {
    let attached = || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        let parent = parent.parse().ok().and_then(Pid::from_raw);
        if getppid() == parent { Ok(()) } else { Err(Errno::SRCH) }
    };
    attached().map_err(failed("attach to the program that started this one"))
}

/// Makes the namespaces, and runs this program in them as their first process.
fn isolate(arguments: &[OsString]) -> Result<u8, Failed> {
    namespaces::enter()?;
    // While the child can see that the other end is open, this process is there.
    let (alive, _held) = io::pipe().map_err(failed("make a pipe"))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(format!("{ISOLATED_FIRST}=")).args(arguments).stdin(alive);
    let status = command.status().map_err(failed("start a process in the namespaces"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED))
}

/// Has the first process in the namespaces killed when the one that made them ends, or fails if it did.
fn attach_first() -> Result<(), Failed> {
    let attached = || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        let alive = io::stdin();
        rustix::fs::fcntl_setfl(&alive, OFlags::NONBLOCK)?;
        match rustix::io::read(&alive, &mut [0]) {
            Err(Errno::AGAIN) => Ok(()),
            _ => Err(Errno::SRCH),
        }
    };
    attached().map_err(failed("attach to the program that started this one"))
}

/// The size and the directory that [`Invocation::isolated_in_memory`] wrote.
fn parse_memory(text: &[u8]) -> Option<(u64, &Path)> {
    let at = text.iter().position(|byte| *byte == b':')?;
    let size = std::str::from_utf8(&text[..at]).ok()?.parse().ok()?;
    Some((size, Path::new(OsStr::from_bytes(&text[at + 1..]))))
}

fn first(arguments: &[OsString]) -> Result<u8, Failed> {
    attach_first()?;
    let (host_name, program) = arguments.split_first().unwrap_or((const { &OsString::new() }, &[]));
    namespaces::furnish(host_name.as_bytes())?;
    let memory = program.first().and_then(|word| word.as_bytes().strip_prefix(format!("{IN_MEMORY}=").as_bytes()));
    let program = if memory.is_some() { &program[1..] } else { program };
    if let Some((size, directory)) = memory.and_then(parse_memory) {
        namespaces::mount_memory(directory, size);
    }
    namespaces::give_up(CapabilitySet::empty())?;
    if program.is_empty() { Ok(0) } else { become_program(program) }
}

/// Runs this program as the first process of a plan's namespaces, and takes away what the kernel keeps of it when
/// it ends, or when the program that started this one does. So this process does not end with its parent: it outlives it
/// for as long as that takes.
fn confine(parent: &str, arguments: &[OsString]) -> Result<u8, Failed> {
    let isolation = Isolation::of_argument(arguments)?;
    let parent = parent.parse().ok().and_then(Pid::from_raw);
    confinement::unshare_processes()?;
    let (alive, _held) = io::pipe().map_err(failed("make a pipe"))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(format!("{CONFINED_FIRST}=")).args(arguments).stdin(alive);
    let mut child = command.spawn().map_err(failed("start a process in the namespaces"))?;
    let status = isolation.report_process(child.id()).and_then(|()| {
        loop {
            let ended = child.try_wait().map_err(failed("wait for the process in the namespaces"))?;
            match ended {
                Some(status) => return Ok(status),
                None if getppid() != parent => break,
                None => thread::sleep(WATCH),
            }
        }
        Err(failed("attach to the program that started this one")(Errno::SRCH))
    });
    // Where it has ended, there is nothing to kill; the kernel ends all others of its namespace before it.
    let _ = child.kill();
    let _ = child.wait();
    isolation.remove_cgroup();
    Ok(status?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED))
}

fn first_confined(arguments: &[OsString]) -> Result<u8, Failed> {
    attach_first()?;
    Isolation::of_argument(arguments)?.set_up()?;
    let program = arguments.get(1..).unwrap_or_default();
    if program.is_empty() { reap() } else { become_program(program) }
}

/// Takes in what ends, as the first process of a namespace has to, until it is killed itself.
fn reap() -> Result<u8, Failed> {
    loop {
        // Without a child the call says so at once.
        if rustix::process::wait(WaitOptions::empty()).is_err() {
            thread::sleep(WATCH);
        }
    }
}

/// Runs a program in the namespaces of another process.
fn inside(arguments: &[OsString]) -> Result<u8, Failed> {
    let inside = Inside::of_argument(arguments)?;
    let (name, arguments) = arguments[1..].split_first().unwrap_or((const { &OsString::new() }, &[]));
    let mut command = Command::new(name);
    command.args(arguments).envs(&inside.environment).stdin(Stdio::null());
    if let Some(terminal) = inside.enter()? {
        let copy = || terminal.try_clone().map_err(failed("open the terminal"));
        command.stdin(copy()?).stdout(copy()?).stderr(copy()?);
    }
    if let Some(directory) = &inside.directory {
        rustix::process::chdir(directory).map_err(|why| Failed {
            what: format!("change to the directory {}", directory.display()),
            why: why.into(),
            code: FAILED,
        })?;
    }
    let status = command.status().map_err(|why| {
        let code = if why.kind() == io::ErrorKind::NotFound { NO_SUCH_PROGRAM } else { FAILED };
        Failed { what: format!("run {}", name.display()), why, code }
    })?;
    let by_signal = || status.signal().and_then(|signal| u8::try_from(128 + signal).ok());
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).or_else(by_signal).unwrap_or(FAILED))
}

/// Becomes the program, with the limit that [`Invocation::attached_with_files`] wrote.
fn become_limited(program: &[OsString]) -> Result<u8, Failed> {
    let size = program.first().and_then(|word| word.to_str()?.strip_prefix(FILE_SIZE)?.strip_prefix('=')?.parse().ok());
    let Some(size) = size else { return become_program(program) };
    let limit = Rlimit { current: Some(size), maximum: Some(size) };
    setrlimit(Resource::Fsize, limit).map_err(failed("limit the size of files"))?;
    become_program(program.get(1..).unwrap_or_default())
}

fn become_program(program: &[OsString]) -> Result<u8, Failed> {
    let (name, arguments) = program.split_first().unwrap_or((const { &OsString::new() }, &[]));
    let why = Command::new(name).args(arguments).stdin(Stdio::null()).exec();
    let code = if why.kind() == io::ErrorKind::NotFound { NO_SUCH_PROGRAM } else { FAILED };
    Err(Failed { what: format!("run {}", name.display()), why, code })
}

#[allow(clippy::disallowed_methods, reason = "the caller names a directory of its own")]
fn remove(arguments: &[OsString]) -> Result<u8, Failed> {
    let path = arguments.first().map_or(OsStr::new(""), OsString::as_os_str);
    std::fs::remove_dir_all(path).map_err(failed("remove the directory"))?;
    Ok(0)
}
