//! A trial: modules over a base, started as on a node, and looked at.
//!
//! A [`Room`] is put together from layers; programs of the tree prepare it; then a [`Trial`] runs in it, whose first
//! process is the tree's systemd or one that only holds the room. What runs there is looked at from outside: by the
//! kernel's lists ([`sockets`]), by what systemd says ([`units`]), and by what services answer ([`health`]).
//! When a trial ends in any way, also by the death of this program, no process, mount or cgroup of it is left.

pub mod accounts;
pub mod agent;
mod cgroup;
pub mod diagnosis;
pub mod drop_in;
pub mod health;
pub mod own;
pub mod privilege;
mod room;
pub mod sockets;
pub mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use host::interrupt::{self, OnInterrupt};
use host::process::{self, Captured, Inside, Invocation, Running};
use host::{Dir, Links};
use model::path::escape;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

pub use room::{Form, Room};
use sockets::{Address, LISTS, Listening};

use crate::Error;

/// How long the set-up of a room may take, in steps of [`STEP`].
const SET_UP_STEPS: u32 = 1000;
const STEP: Duration = Duration::from_millis(10);

/// The most bytes of what the first process printed that are read.
const CONSOLE_LIMIT: u64 = 16 << 20;

/// A room in which something runs. Dropped it ends.
#[derive(Debug)]
pub struct Trial {
    running: Running,
    /// The first process as this program sees it, and what signals reach for certain.
    process: u32,
    handle: OwnedFd,
    cgroup: PathBuf,
    console: PathBuf,
    /// None once it has ended.
    undo: Option<OnInterrupt>,
}

/// How often at most, and after which time each, it is asked whether a trial that is to end has ended.
const MOMENT: Duration = Duration::from_millis(1);
const LOOKS: u32 = 5000;

/// Has a trial end first when a signal ends this program: what runs in it writes into directories that are removed then. What
/// started its first process sees its end, and takes the cgroup away.
fn end_on_interrupt(handle: &OwnedFd) -> std::io::Result<OnInterrupt> {
    let handle = handle.try_clone()?;
    Ok(interrupt::on_interrupt(move || {
        for _ in 0..LOOKS {
            if pidfd_send_signal(&handle, Signal::KILL).is_err() {
                return;
            }
            thread::sleep(MOMENT);
        }
    }))
}

impl Trial {
    /// Starts `program` as the first process of the room, or holds the room where there is none.
    ///
    /// # Errors
    /// [`Error::Machine`] where the machine does not allow it.
    pub fn start(room: &Room, program: Option<Invocation>) -> Result<Self, Error> {
        let directory = Dir::open(room.directory())?;
        let console: File = directory.create("console", 0o600)?;
        let (invocation, cgroup) = room.start(Path::new("process"), program)?;
        let mut running = Running::start(&invocation, &console)?;
        let console = directory.join("console");
        let process = wait_for(&mut running, &directory, &console)?;
        let handle = i32::try_from(process).ok().and_then(Pid::from_raw).ok_or(rustix::io::Errno::SRCH);
        let handle = handle.and_then(|process| pidfd_open(process, PidfdFlags::empty()));
        // It ends by itself in a moment where it has begun: its end is what its handle is for.
        let handle = handle.map_err(|errno| ended(&console, &errno.to_string()))?;
        let undo = Some(end_on_interrupt(&handle).map_err(|error| ended(&console, &error.to_string()))?);
        let trial = Self { running, process, handle, cgroup, console, undo };
        trial.wait_for_set_up()?;
        Ok(trial)
    }

    /// Waits until the first process has its own root: what it is started from is not there any more.
    fn wait_for_set_up(&self) -> Result<(), Error> {
        let exists = |path: &str| Path::new(path).exists();
        let own = format!("/proc/{}/root/etc/machine-id", self.process);
        let device = |path: &str| rustix::fs::stat(path).map(|stat| (stat.st_dev, stat.st_ino)).ok();
        let machine = device("/");
        let root = format!("/proc/{}/root", self.process);
        for _ in 0..SET_UP_STEPS {
            if !exists(&format!("/proc/{}/stat", self.process)) {
                break;
            }
            if device(&root).is_some_and(|root| Some(root) != machine) && exists(&own) {
                return Ok(());
            }
            thread::sleep(STEP);
        }
        // What it says comes with its end.
        thread::sleep(STEP);
        Err(ended(&self.console, "its first process did not begin"))
    }

    /// Whether its first process is still there; where it is not, what it printed last.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<String>, Error> {
        Ok(self.running.ended()?.map(|status| format!("{status}: {}", tail(&self.console, 5).join(" / "))))
    }

    /// The first process, as this program sees it.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process
    }

    /// What the first process printed, its last `count` lines.
    #[must_use]
    pub fn console(&self, count: usize) -> Vec<String> {
        tail(&self.console, count)
    }

    /// Runs a program of the tree among the trial's processes, as root.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, program: Invocation) -> Result<Captured, Error> {
        Ok(process::capture(&room::environment(Invocation::inside(&self.inside())?.runs(program)))?)
    }

    /// Gives the terminal of this program to a shell of the tree, until the shell ends.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn shell(&self) -> Result<(), Error> {
        let inside = Inside { terminal: true, ..self.inside() };
        // It makes a terminal of its own in the room, in which the shell's jobs can be controlled.
        let program = Invocation::new("script").option("--quiet").option("--command").operand("/bin/bash");
        let program = program.operand("/dev/null");
        let invocation = room::environment(Invocation::inside(&inside)?.runs(program));
        let status = process::attend(&invocation)?;
        tracing::debug!("the shell ended: {status}");
        Ok(())
    }

    fn inside(&self) -> Inside {
        let environment = BTreeMap::new();
        Inside { process: self.process, user: None, directory: None, cgroup: None, environment, terminal: false }
    }

    /// Everything that listens.
    ///
    /// # Errors
    /// When a list cannot be read.
    pub fn listening(&self) -> Result<Vec<Listening>, Error> {
        let mut all = Vec::new();
        for (name, list) in LISTS {
            let path = PathBuf::from(format!("/proc/{}/net/{name}", self.process));
            // A kernel without version 6 of the protocol has no such list.
            let Some(bytes) = host::open::read_if_there(&path, sockets::LIMIT)? else { continue };
            let found = sockets::parse(list, &String::from_utf8_lossy(&bytes));
            all.extend(found.map_err(|what| Error::Words { program: "/proc/net", what })?);
        }
        Ok(all)
    }

    /// What of `listening` the processes of a cgroup hold, which is named from the root of the trial's.
    #[must_use]
    pub fn held_by(&self, cgroup: &str, listening: &[Listening]) -> BTreeSet<Address> {
        let mut held = BTreeSet::new();
        for process in self.processes(cgroup) {
            held.extend(inodes(process));
        }
        listening.iter().filter(|found| held.contains(&found.inode)).map(|found| found.address.clone()).collect()
    }

    /// The processes of a cgroup, as this program sees them.
    #[must_use]
    pub fn processes(&self, cgroup: &str) -> Vec<u32> {
        let below = cgroup.trim_start_matches('/');
        let is_safe =
            !below.is_empty() && Path::new(below).components().all(|it| matches!(it, std::path::Component::Normal(_)));
        if is_safe { cgroup::processes(&self.cgroup.join(below)) } else { Vec::new() }
    }

    /// The cgroup of a service that has no unit, and what this program calls it.
    fn service_cgroup(&self, name: &str) -> (String, PathBuf) {
        (format!("/services/{name}"), self.cgroup.join("services").join(name))
    }

    /// A text of the running tree; none where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<String>, Error> {
        let root = Dir::open(Path::new(&format!("/proc/{}/root", self.process)))?;
        let bytes = root.read_if_there(path, Links::Below, limit)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// What systemd says of `units`, by the names that were asked for; none while it does not answer yet.
    ///
    /// # Errors
    /// When its answer cannot be read.
    pub fn units(&self, names: &[String]) -> Result<Option<BTreeMap<String, units::Unit>>, Error> {
        let ask =
            Invocation::new("systemctl").operand("show").option("--no-pager").assign("--property", units::PROPERTIES);
        let captured = self.run(ask.option("--").operands(names))?;
        if !captured.status.success() {
            tracing::debug!("systemctl: {}", String::from_utf8_lossy(&captured.stderr).trim());
            return Ok(None);
        }
        let wrong = |what| Error::Words { program: "systemctl", what };
        let units = units::parse(&String::from_utf8_lossy(&captured.stdout)).map_err(wrong)?;
        if units.len() != names.len() {
            return Err(wrong(format!("{} units where {} were asked for", units.len(), names.len())));
        }
        Ok(Some(names.iter().cloned().zip(units).collect()))
    }

    /// The last `count` lines of a unit's journal.
    #[must_use]
    pub fn journal(&self, unit: &str, count: usize) -> Vec<String> {
        let ask = Invocation::new("journalctl").options(["--no-pager", "--quiet", "--output=cat"]);
        // What systemd says in a child ahead of a program has the unit's name, but no more a cgroup when it is read.
        let matches = [format!("_SYSTEMD_UNIT={unit}"), "+".to_owned(), format!("UNIT={unit}")];
        let ask = ask.assign("--lines", count.to_string()).option("--").operands(matches);
        let said = self.run(ask).map(|captured| captured.stdout).unwrap_or_default();
        let lines = said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(escape).collect()
    }

    /// The last `count` lines of each file below `/var/log` that has the first word of a service's name in its path: many
    /// services say there what they say nowhere else.
    #[must_use]
    pub fn log_files(&self, service: &str, count: usize) -> Vec<String> {
        let word = service.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let root = Dir::open(Path::new(&format!("/proc/{}/root", self.process)));
        let logs = root.and_then(|root| root.directory("var/log", Links::Refuse));
        let mut lines = Vec::new();
        if let Some(logs) = logs.ok().filter(|_| !word.is_empty()) {
            log_files(&logs, Path::new("/var/log"), word, count, &mut lines);
        }
        lines
    }

    fn end(&mut self) {
        // It may have ended by itself. The kernel ends all others of its namespace with it; what started it takes the
        // cgroup away, and ends then.
        let _ = pidfd_send_signal(&self.handle, Signal::KILL);
        let _ = self.running.wait();
        self.undo = None;
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether this program has a terminal, which a shell could get.
#[must_use]
pub fn has_terminal() -> bool {
    host::open::terminal().is_ok()
}

/// Waits until the number of the first process is written down.
fn wait_for(running: &mut Running, directory: &Dir, console: &Path) -> Result<u32, Error> {
    for _ in 0..SET_UP_STEPS {
        let said = directory.read_if_there("process", Links::Refuse, 32)?;
        if let Some(number) = said.and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok()) {
            return Ok(number);
        }
        if let Some(status) = running.ended()? {
            return Err(ended(console, &status.to_string()));
        }
        thread::sleep(STEP);
    }
    Err(ended(console, "its first process was not started"))
}

/// Why there is no trial, by what was printed, or else by `what`.
fn ended(console: &Path, what: &str) -> Error {
    let said = tail(console, 3);
    room::refused(if said.is_empty() { what.to_owned() } else { said.join(" / ") }.as_str())
}

/// How many lines of files below `/var/log` are taken at most.
const LOG_LINES: usize = 200;

/// Adds the last lines of the files in `directory`, which the service calls `path`, and in its subdirectories.
fn log_files(directory: &Dir, path: &Path, word: &str, count: usize, lines: &mut Vec<String>) {
    for name in directory.names().unwrap_or_default() {
        let shown = path.join(&name);
        if lines.len() >= LOG_LINES {
            return;
        }
        if let Ok(below) = directory.directory(&name, Links::Refuse) {
            // A directory of logs has files, and no further ones of interest.
            if path == Path::new("/var/log") && name != "journal" {
                log_files(&below, &shown, word, count, lines);
            }
        } else if shown.to_string_lossy().contains(word)
            && let Ok(bytes) = directory.read(&name, Links::Refuse, CONSOLE_LIMIT)
        {
            lines.extend(last_lines(&bytes, count));
        }
    }
}

/// The last lines of a file; none where it cannot be read.
fn tail(path: &Path, count: usize) -> Vec<String> {
    last_lines(&host::open::read(path, CONSOLE_LIMIT).unwrap_or_default(), count)
}

fn last_lines(bytes: &[u8], count: usize) -> Vec<String> {
    let mut tail = process::Tail::new(count);
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).for_each(|line| tail.push(line));
    tail.into_lines()
}

/// The sockets that a process holds.
fn inodes(process: u32) -> Vec<u64> {
    let Ok(directory) = Dir::open(Path::new(&format!("/proc/{process}/fd"))) else { return Vec::new() };
    let target = |name: std::ffi::OsString| {
        let target = rustix::fs::readlinkat(&directory, &name, Vec::new()).ok()?;
        target.to_str().ok()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    directory.names().unwrap_or_default().into_iter().filter_map(target).collect()
}
