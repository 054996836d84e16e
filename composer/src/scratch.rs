//! Temporary directories that do not stay: dropped they remove themselves, and what a killed run left
//! the next one removes.
//!
//! A run holds a lock on each of its own as long as it lives, and the kernel gives the lock back when it
//! does not. A directory of the same prefix that nobody has locked is therefore abandoned.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::error::Error;

/// A locked temporary directory.
#[derive(Debug)]
pub struct Scratch {
    directory: TempDir,
    /// None on a file system without locks: there nothing is ever taken for abandoned.
    _lock: Option<File>,
}

impl Scratch {
    /// Makes an empty private directory in `parent`, whose name begins with `prefix`, after removing
    /// the abandoned ones of this prefix.
    ///
    /// # Errors
    /// When none can be made there.
    pub fn new(parent: &Path, prefix: &str) -> Result<Self, Error> {
        remove_abandoned(parent, prefix);
        loop {
            let directory = tempfile::Builder::new()
                .prefix(prefix)
                .tempdir_in(parent)
                .map_err(Error::io("create a directory in", parent))?;
            match lock(directory.path()) {
                Ok(Some(lock)) => return Ok(Self { directory, _lock: Some(lock) }),
                // Another run took it for abandoned before it was locked.
                Ok(None) | Err(Errno::NOENT) => {}
                Err(_) => return Ok(Self { directory, _lock: None }),
            }
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// A lock on the directory at `path`; none when another run has it, or has removed the directory.
fn lock(path: &Path) -> Result<Option<File>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = File::from(rustix::fs::openat(CWD, path, flags, Mode::empty())?);
    match rustix::fs::flock(&open, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(is_the_same(&open, path).then_some(open)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_the_same(open: &File, path: &Path) -> bool {
    match (open.metadata(), fs::symlink_metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Removes what killed runs left. What cannot be removed, because it is another user's, stays: it is in
/// nobody's way.
fn remove_abandoned(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes());
        if is_ours && let Ok(Some(_lock)) = lock(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    const PREFIX: &str = ".x.partial-";

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }

    #[test]
    fn the_abandoned_go_and_the_living_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let living = Scratch::new(folder.path(), PREFIX).unwrap();
        fs::write(living.path().join("half"), "half").unwrap();
        fs::create_dir_all(path(".x.partial-killed/deep")).unwrap();
        fs::write(path(".x.partial-killed/deep/file"), "file").unwrap();
        // None of these is a directory of a run.
        fs::create_dir(path(".x.other-1")).unwrap();
        fs::create_dir(path("kept")).unwrap();
        fs::write(path(".x.partial-file"), "").unwrap();
        std::os::unix::fs::symlink("kept", path(".x.partial-link")).unwrap();

        let next = Scratch::new(folder.path(), PREFIX).unwrap();
        assert!(living.path().join("half").is_file(), "another run is at work there");
        assert!(!path(".x.partial-killed").exists());
        drop((living, next));
        assert_eq!(names(folder.path()), [".x.other-1", ".x.partial-file", ".x.partial-link", "kept"]);
    }

    #[test]
    fn runs_that_begin_at_once_never_take_each_others() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let scratch = Scratch::new(folder.path(), PREFIX).unwrap();
                        fs::write(scratch.path().join("file"), "content").unwrap();
                        assert_eq!(fs::read_to_string(scratch.path().join("file")).unwrap(), "content");
                    }
                });
            }
        });
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
