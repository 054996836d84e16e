//! Advisory locks (`flock`) between processes and threads.
//!
//! Whoever can open a file can hold a lock on it, so a lock's file is private. No one waits in silence: after a
//! moment a line says what is waited for, and for whom.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::observe::Observer;
use rustix::fs::OFlags;

use crate::dir::Dir;
use crate::error::Error;
use crate::open;
use crate::patience::{self, Moments};

/// When a wait is reported.
const MOMENTS: Moments = Moments { first: Duration::from_secs(1), again: Duration::from_secs(60) };

/// The most of `/proc/locks` that is read.
const LOCKS_LIMIT: u64 = 16 << 20;

/// With whom a lock is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// With others that share it.
    Shared,
    /// With no other.
    Alone,
}

/// The file of a lock, not held yet.
#[derive(Debug)]
pub struct LockFile {
    file: File,
    path: PathBuf,
}

/// A lock that is held until this is dropped, or the process dies.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    file: File,
}

impl LockGuard {
    /// The locked file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The locked file, to be read and written.
    pub fn file_mut(&mut self) -> &mut File {
        &mut self.file
    }
}

impl LockFile {
    /// Opens the file `name` in the own directory `directory` for a lock, and makes it if it is missing. It is
    /// for its owner alone, also where an earlier version made it for all.
    ///
    /// # Errors
    /// When it cannot be opened, is no regular file, or is someone else's.
    pub fn open(directory: &Dir, name: impl AsRef<OsStr>) -> Result<Self, Error> {
        let path = directory.join(name.as_ref());
        Ok(Self { file: directory.writable_own(name, OFlags::RDWR)?, path })
    }

    /// Holds the lock, unless someone else does: then `None`, at once.
    ///
    /// # Errors
    /// When the file system has no locks.
    pub fn try_hold(self, hold: Hold) -> Result<Option<LockGuard>, Error> {
        match self.attempt(hold) {
            Ok(()) => Ok(Some(LockGuard { file: self.file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &self.path)(error)),
        }
    }

    /// Holds the lock, and waits until no one else does. A wait of more than a moment is reported to `observer`.
    ///
    /// # Errors
    /// When the file system has no locks.
    pub fn hold(self, hold: Hold, observer: &dyn Observer) -> Result<LockGuard, Error> {
        match self.attempt(hold) {
            Ok(()) => return Ok(LockGuard { file: self.file }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &self.path)(error)),
        }
        let report = |_| {
            if let Some(text) = self.waiting() {
                observer.note(&text);
            }
        };
        let held = patience::reporting(MOMENTS, &report, || match hold {
            Hold::Shared => self.file.lock_shared(),
            Hold::Alone => self.file.lock(),
        });
        held.map_err(Error::io("lock", &self.path))?;
        Ok(LockGuard { file: self.file })
    }

    fn attempt(&self, hold: Hold) -> Result<(), TryLockError> {
        match hold {
            Hold::Shared => self.file.try_lock_shared(),
            Hold::Alone => self.file.try_lock(),
        }
    }

    /// What is waited for, and for whom, where the system says; nothing where that is another thread of this process, whose work has
    /// a progress of its own.
    fn waiting(&self) -> Option<String> {
        let mut text = format!("waiting for the lock {}", self.path.display());
        let locks = open::proc("/proc/locks", LOCKS_LIMIT).unwrap_or_default();
        let identity = rustix::fs::fstat(&self.file).map(|stat| (stat.st_dev, stat.st_ino));
        let holders = identity.map(|identity| holders(&String::from_utf8_lossy(&locks), identity)).unwrap_or_default();
        if !holders.is_empty() && holders.iter().all(|holder| *holder == std::process::id()) {
            return None;
        }
        for (number, process) in holders.iter().enumerate() {
            text += if number == 0 { ", which is held by " } else { ", " };
            let name = open::proc(&format!("/proc/{process}/comm"), 64).unwrap_or_default();
            let name = model::path::escape(name.trim_ascii());
            let _ = write!(text, "process {process}");
            if !name.is_empty() {
                let _ = write!(text, " ({name})");
            }
        }
        Some(text)
    }
}

/// The processes that hold a lock on the file of this device and inode, by proc(5): `1: FLOCK ADVISORY WRITE
/// 123 fd:01:456 0 EOF`. Those that wait have `->` after the number.
fn holders(locks: &str, (device, inode): (u64, u64)) -> Vec<u32> {
    let place = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device));
    let holder = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let is_lock = words.next() == Some("FLOCK");
        let process = words.nth(2)?.parse().ok()?;
        // Another process namespace has no number for its processes here.
        (is_lock && words.next() == Some(place.as_str()) && process != 0).then_some(process)
    };
    let mut holders: Vec<u32> = locks.lines().filter_map(holder).collect();
    holders.sort_unstable();
    holders.dedup();
    holders.truncate(8);
    holders
}

/// As [`LockFile::open`], by a path.
///
/// # Errors
/// As there.
pub fn open(path: &Path) -> Result<LockFile, Error> {
    let (directory, name) = Dir::parent_of(path)?;
    LockFile::open(&directory, name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command};

    use rustix::fs::{CWD, FileType, Mode};

    use model::observe::Collected;

    use super::*;

    /// Ends a program with what it started.
    fn end_all(program: &mut Child) {
        let group = i32::try_from(program.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        program.wait().unwrap();
    }

    #[test]
    fn a_thread_that_waits_for_another_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let held = open(&path).unwrap().hold(Hold::Alone, &Collected::default()).unwrap();
        let notes = Collected::default();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| open(&path).unwrap().hold(Hold::Shared, &notes).map(drop));
            std::thread::sleep(Duration::from_millis(1500));
            drop(held);
            waits.join().unwrap().unwrap();
        });
        // Where the system does not say who holds it, a wait is told all the same.
        assert!(notes.texts().iter().all(|note| !note.contains("held by")), "{:?}", notes.texts());
    }

    #[test]
    fn a_wait_is_told_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let held = open(&path).unwrap().hold(Hold::Alone, &Collected::default()).unwrap();
        assert!(open(&path).unwrap().try_hold(Hold::Shared).unwrap().is_none());
        drop(held);
        // Another process, since of this one's own threads nothing is said.
        let mut holder = Command::new("flock").arg(&path).args(["sleep", "60"]).process_group(0).spawn().unwrap();
        while open(&path).unwrap().try_hold(Hold::Shared).unwrap().is_some() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let notes = Collected::default();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| open(&path).unwrap().hold(Hold::Shared, &notes).map(drop));
            while notes.texts().is_empty() {
                std::thread::sleep(Duration::from_millis(20));
            }
            // Its child has the lock, too: both are in a group of the test's own.
            end_all(&mut holder);
            waits.join().unwrap().unwrap();
        });
        let notes = notes.texts();
        assert!(notes[0].starts_with("waiting for the lock ") && notes[0].contains("x.lock"), "{notes:?}");
        // Not every file system of a test machine shows in /proc/locks by the device that stat gives.
        if notes[0].contains("held by") {
            assert!(notes[0].contains(&format!("process {} (", holder.id())), "{notes:?}");
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn what_is_no_lock_file_of_ours_is_refused_and_an_old_one_made_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("old"), "").unwrap();
        fs::set_permissions(path("old"), fs::Permissions::from_mode(0o666)).unwrap();
        open(&path("old")).unwrap();
        assert_eq!(fs::metadata(path("old")).unwrap().permissions().mode() & 0o7777, 0o600);
        rustix::fs::mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(open(&path("pipe")).unwrap_err().to_string().contains("a named pipe"));
        std::os::unix::fs::symlink("old", path("link")).unwrap();
        assert!(open(&path("link")).unwrap_err().to_string().contains("symbolic link"));
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(path("old"), Some(65534), None).unwrap();
            assert!(open(&path("old")).unwrap_err().to_string().contains("belongs to another user"));
        }
    }

    #[test]
    fn the_holders_are_read_from_the_kernels_table() {
        let table = "1: FLOCK  ADVISORY  WRITE 12 fd:01:77 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 13 fd:01:77 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 14 fd:01:77 0 EOF\n3: FLOCK  ADVISORY  READ 15 fd:01:78 0 EOF\n\
                     4: FLOCK  ADVISORY  READ 16 fd:01:77 0 EOF\n5: FLOCK  ADVISORY  READ 0 fd:01:77 0 EOF\n6:\n";
        let device = rustix::fs::makedev(0xfd, 1);
        assert_eq!(holders(table, (device, 77)), [12, 16]);
        assert_eq!(holders("nonsense", (device, 77)), Vec::<u32>::new());
    }
}
