//! Temporary directories that do not stay: dropped they remove themselves, and what a killed run left the
//! next one removes.
//!
//! A name is no proof of who made a directory, so each holds a file, [`MARK`], that no user has reason to
//! make; a directory without it is never touched. A run holds a lock on each of its own as long as it
//! lives, and the kernel gives the lock back when it does not: a marked directory that no one has locked is
//! abandoned.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::dir::{Dir, Links, temporary_name};
use crate::error::{Error, Fault};
use crate::interrupt::{self, OnInterrupt};

/// The file that marks a directory as one of ours.
pub const MARK: &str = ".module-builder-scratch";

/// What the file holds.
const MARK_TEXT: &[u8] = b"A temporary directory of module-builder. It may be removed when no build runs.\n";

/// How often a run begins again when another takes its directory for abandoned.
const RACES: usize = 16;

/// A locked and marked temporary directory.
#[derive(Debug)]
pub struct Scratch {
    parent: Dir,
    name: OsString,
    directory: Dir,
    stays: bool,
    /// None once the directory is gone or stays.
    undo: Option<OnInterrupt>,
}

impl Scratch {
    /// Makes a private directory in `parent`, whose name begins with `prefix`, after removing the abandoned
    /// ones of this prefix. It holds [`MARK`] and nothing else.
    ///
    /// # Errors
    /// When none can be made there.
    pub fn new(parent: &Dir, prefix: &str) -> Result<Self, Error> {
        remove_abandoned(parent, prefix);
        for _ in 0..RACES {
            match Self::try_new(parent, prefix) {
                Ok(Some(scratch)) => return Ok(scratch),
                Ok(None) => {}
                Err(error) if error.is_not_found() => {}
                // Someone put something else in its place before it was open.
                Err(Error::Place { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Self::try_new(parent, prefix)?.ok_or_else(|| Error::Place { path: parent.join(prefix), fault: Fault::Replaced })
    }

    /// As [`Scratch::new`]; none, or not found, when another run took the directory for abandoned before it had
    /// its lock and its mark.
    fn try_new(parent: &Dir, prefix: &str) -> Result<Option<Self>, Error> {
        let name = temporary_name(prefix, OsStr::new(""));
        let _whole = interrupt::whole();
        let directory = parent.create_directory(&name, 0o700)?;
        // Where there are no locks nothing is ever taken for abandoned.
        if lock(&directory) == Err(Errno::WOULDBLOCK) {
            let _ = parent.remove_directory(&name);
            return Ok(None);
        }
        directory.write(MARK, MARK_TEXT, 0o600)?;
        let undo = undo(parent, &name, &directory)?;
        Ok(Some(Self { parent: parent.try_clone()?, name, directory, stays: false, undo: Some(undo) }))
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Dir {
        &self.directory
    }

    /// What the directory is called; for messages, and for what cannot be done by a descriptor.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }
}

impl Scratch {
    /// Leaves the directory where it is, without its mark, so that no run ever removes it; gives its name.
    pub fn keep(mut self) -> PathBuf {
        self.stays = true;
        self.undo = None;
        // With its mark it would go with the next run.
        let _ = self.directory.remove_file(MARK);
        self.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        // Until it is gone a signal has it removed. What cannot be removed now goes with the next run.
        let _ = remove(&self.parent, &self.name, &self.directory);
        self.undo = None;
    }
}

/// How often a directory is emptied once more in which a run that is interrupted still writes.
const UNDOINGS: usize = 100;

/// Has the directory removed when a signal ends the run.
fn undo(parent: &Dir, name: &OsStr, directory: &Dir) -> Result<OnInterrupt, Error> {
    let (parent, name, directory) = (parent.try_clone()?, name.to_owned(), directory.try_clone()?);
    Ok(interrupt::on_interrupt(move || remove_while_written(&parent, &name, &directory)))
}

/// As [`remove`], of a directory in which other threads may still write, or which they remove themselves.
fn remove_while_written(parent: &Dir, name: &OsStr, directory: &Dir) {
    for _ in 0..UNDOINGS {
        if remove(parent, name, directory).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Locks an open directory as long as it is open.
fn lock(directory: &Dir) -> Result<(), Errno> {
    rustix::fs::flock(directory, FlockOperation::NonBlockingLockExclusive)
}

/// Removes the directories in `parent` that killed runs left, whose names begin with `prefix`. What cannot
/// be removed, because it is another user's, stays: it is in no one's way.
pub fn remove_abandoned(parent: &Dir, prefix: &str) {
    for name in parent.names().unwrap_or_default() {
        if !name.as_bytes().starts_with(prefix.as_bytes()) {
            continue;
        }
        let Ok(directory) = parent.directory(&name, Links::Refuse) else { continue };
        if is_marked(&name, &directory) && lock(&directory).is_ok() {
            let _ = remove(parent, &name, &directory);
        } else if is_unborn(&name, &directory) && lock(&directory).is_ok() {
            // A run that was killed before it made the mark, or after it had removed it. Of a directory that
            // is not empty nothing goes.
            let _ = parent.remove_directory(&name);
        }
    }
}

/// Whether the directory is empty and has a name of a run's: a run that had no time for more.
pub(crate) fn is_unborn(name: &OsStr, directory: &Dir) -> bool {
    has_form(name) && directory.names().is_ok_and(|names| names.is_empty())
}

/// Whether the name is such as [`temporary_name`] makes, with a dot before it.
fn has_form(name: &OsStr) -> bool {
    const DIGITS: usize = 16;
    let bytes = name.as_bytes();
    let Some((rest, digits)) = bytes.len().checked_sub(DIGITS).map(|at| bytes.split_at(at)) else { return false };
    rest.starts_with(b".") && rest.ends_with(b".") && digits.iter().all(u8::is_ascii_hexdigit)
}

/// Whether the directory `name` carries the mark of a run. A run can be killed while it writes the mark, but
/// half of one, which may be an empty file, says nothing where the name is not a run's, too.
#[must_use]
pub fn is_marked(name: &OsStr, directory: &Dir) -> bool {
    let text = directory.read(MARK, Links::Refuse, MARK_TEXT.len() as u64);
    text.is_ok_and(|text| text == MARK_TEXT || has_form(name) && MARK_TEXT.starts_with(&text))
}

/// Gives a directory that is there already the mark, in one step, through `room` on the same file system.
pub(crate) fn mark(directory: &Dir, room: &Dir) -> Result<(), Error> {
    const READY: &str = "mark";
    room.write(READY, MARK_TEXT, 0o600)?;
    room.rename_to_new(READY, directory, MARK)
}

/// Removes the open directory, if `name` is still its name: its content first and the mark last, so that a
/// run that is killed meanwhile leaves something that the next one knows.
fn remove(parent: &Dir, name: &OsStr, directory: &Dir) -> Result<(), Error> {
    for entry in directory.names()? {
        if entry != MARK {
            directory.remove_tree(&entry)?;
        }
    }
    let is_the_same = match parent.stat(name)? {
        Some(stat) => (stat.st_dev, stat.st_ino) == directory.identity()?,
        None => false,
    };
    if is_the_same {
        match directory.remove_file(MARK) {
            // A call before this one came no further.
            Err(error) if error.is_not_found() => {}
            removed => removed?,
        }
        if let Err(error) = parent.remove_directory(name) {
            // Something came meanwhile: without its mark the directory would be known to no run.
            let _ = directory.write(MARK, MARK_TEXT, 0o600);
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const PREFIX: &str = ".x.partial-";

    fn names(folder: &Path) -> Vec<OsString> {
        Dir::open(folder).unwrap().names().unwrap()
    }

    #[test]
    fn the_abandoned_go_and_the_living_and_what_has_no_mark_stay() {
        let folder = tempfile::tempdir().unwrap();
        let parent = Dir::open(folder.path()).unwrap();
        let path = |name: &str| folder.path().join(name);
        let living = Scratch::new(&parent, PREFIX).unwrap();
        living.dir().write("half", b"half", 0o644).unwrap();
        fs::create_dir_all(path(".x.partial-killed/deep")).unwrap();
        fs::write(path(".x.partial-killed/deep/file"), "file").unwrap();
        fs::write(path(".x.partial-killed").join(MARK), MARK_TEXT).unwrap();
        // None of these is a directory of a run, whatever it is called.
        fs::create_dir(path(".x.partial-notes")).unwrap();
        fs::write(path(".x.partial-notes/thesis"), "years of work").unwrap();
        fs::create_dir(path(".x.partial-other")).unwrap();
        fs::write(path(".x.partial-other").join(MARK), "something else").unwrap();
        for (name, text) in [(".x.partial-photos", &b""[..]), (".x.partial-.photos", &MARK_TEXT[..5])] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join(MARK), text).unwrap();
        }
        fs::create_dir(path(".x.partial-empty")).unwrap();
        fs::write(path(".x.partial-file"), "").unwrap();
        std::os::unix::fs::symlink(".x.partial-notes", path(".x.partial-link")).unwrap();

        // Killed before there was a mark, while it was written, and after it was removed.
        let unborn = path(".x.partial-.0123456789abcdef");
        let half = path(".x.partial-.00000000000000ff");
        let theirs = path(".x.partial-.fedcba9876543210");
        for directory in [&unborn, &half, &theirs] {
            fs::create_dir(directory).unwrap();
        }
        fs::write(half.join(MARK), &MARK_TEXT[..5]).unwrap();
        fs::write(theirs.join("thesis"), "years of work").unwrap();

        let next = Scratch::new(&parent, PREFIX).unwrap();
        assert!(!unborn.exists() && !half.exists());
        assert!(theirs.join("thesis").is_file());
        fs::remove_dir_all(theirs).unwrap();
        assert!(living.path().join("half").is_file(), "another run is at work there");
        assert!(!path(".x.partial-killed").exists());
        assert!(path(".x.partial-notes/thesis").is_file());
        drop((living, next));
        let kept = [
            ".x.partial-empty",
            ".x.partial-file",
            ".x.partial-link",
            ".x.partial-notes",
            ".x.partial-other",
            ".x.partial-photos",
        ];
        let kept = [&[".x.partial-.photos"][..], &kept].concat();
        assert_eq!(names(folder.path()), kept);
    }

    #[test]
    fn a_directory_that_somebody_put_in_its_place_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(&Dir::open(folder.path()).unwrap(), PREFIX).unwrap();
        let path = scratch.path();
        fs::rename(&path, folder.path().join("aside")).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), "theirs").unwrap();
        drop(scratch);
        assert!(path.join("file").is_file());
    }

    #[test]
    fn a_directory_in_which_a_thread_still_writes_goes_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let parent = Dir::open(folder.path()).unwrap();
        let scratch = Scratch::new(&parent, PREFIX).unwrap();
        let (name, directory) = (&*scratch.name, &scratch.directory);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let until = std::time::Instant::now() + Duration::from_millis(100);
                while std::time::Instant::now() < until {
                    let _ = directory.write("file", b"content", 0o644);
                    let _ = directory.remove_file("file");
                }
            });
            // Removed and made again in turns; a run that comes between two of them must know it.
            while !writer.is_finished() {
                let removed = remove(&parent, name, directory);
                let left = parent.kind(name).unwrap().is_some();
                assert!(removed.is_ok() != left);
                if !left {
                    break;
                }
                assert!(is_marked(name, directory) || is_unborn(name, directory));
            }
        });
        remove_while_written(&parent, name, directory);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn runs_that_begin_at_once_never_take_each_others() {
        let folder = tempfile::tempdir().unwrap();
        let parent = Dir::open(folder.path()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let scratch = Scratch::new(&parent, PREFIX).unwrap();
                        scratch.dir().write("file", b"content", 0o644).unwrap();
                        assert_eq!(scratch.dir().read("file", Links::Refuse, 9).unwrap(), b"content");
                    }
                });
            }
        });
        assert!(names(folder.path()).is_empty());
    }
}
