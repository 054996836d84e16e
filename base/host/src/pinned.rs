//! A directory that the user named, fixed when a run begins.
//!
//! A path that is looked at when a run begins and opened when it has something to write can lead to two
//! places. So the way is walked once, as far as it is there, and what is missing is made from there.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::dir::{Dir, Links};
use crate::error::Error;

/// The mode of directories that are made on the way.
const MODE: u32 = 0o755;

/// A directory that need not be there yet.
#[derive(Debug)]
pub struct Pinned {
    base: Dir,
    /// The names below `base` that were not there, outermost first.
    missing: Vec<OsString>,
    path: PathBuf,
}

impl Pinned {
    /// Walks to `path` as far as it is there. Links are followed: the user named it.
    ///
    /// # Errors
    /// When a directory on the way cannot be opened, is none, or what is missing is not made of plain names.
    pub fn new(path: &Path) -> Result<Self, Error> {
        let (mut there, mut missing) = (path.to_owned(), Vec::new());
        let base = loop {
            match Dir::open(&there) {
                Ok(base) => break base,
                Err(error) if error.is_not_found() => match there.components().next_back() {
                    Some(Component::Normal(name)) => missing.push(name.to_owned()),
                    _ => return Err(error),
                },
                Err(error) => return Err(error),
            }
            there.pop();
        };
        missing.reverse();
        Ok(Self { base, missing, path: path.to_owned() })
    }

    /// What the user calls it; for messages only.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory itself, or the nearest around it that was there: what can be written to it decides what can be made.
    #[must_use]
    pub fn base(&self) -> &Dir {
        &self.base
    }

    /// Opens it; none when it is not there.
    ///
    /// # Errors
    /// When something else is there, or it cannot be opened.
    pub fn open(&self) -> Result<Option<Dir>, Error> {
        let mut at = self.base.try_clone()?;
        for name in &self.missing {
            at = match at.directory(name, Links::Refuse) {
                Err(error) if error.is_not_found() => return Ok(None),
                opened => opened?,
            };
        }
        Ok(Some(at))
    }

    /// Opens it, and makes what is missing.
    ///
    /// # Errors
    /// As [`Pinned::open`], and when it cannot be made.
    pub fn create(&self) -> Result<Dir, Error> {
        let mut at = self.base.try_clone()?;
        for name in &self.missing {
            at = at.directory_or_new(name, MODE)?;
        }
        Ok(at)
    }
}

impl From<Dir> for Pinned {
    fn from(base: Dir) -> Self {
        Self { path: base.path().to_owned(), base, missing: Vec::new() }
    }
}

impl Dir {
    /// Opens the directory `name`, which is made with exactly `mode` if it is not there. No link is followed.
    ///
    /// # Errors
    /// When something else is there, or it can neither be opened nor made.
    pub fn directory_or_new(&self, name: impl AsRef<std::ffi::OsStr>, mode: u32) -> Result<Self, Error> {
        let name = name.as_ref();
        match self.directory(name, Links::Refuse) {
            Err(error) if error.is_not_found() => {}
            opened => return opened,
        }
        match self.create_directory(name, mode) {
            // Another run was faster.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                self.directory(name, Links::Refuse)
            }
            made => made,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_missing_is_made_where_the_way_led_at_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        fs::create_dir(path("elsewhere")).unwrap();
        let pinned = Pinned::new(&path("a/b/c/d")).unwrap();
        assert!(pinned.open().unwrap().is_none());
        // The owner of `a` leads the way elsewhere.
        fs::rename(path("a"), path("moved")).unwrap();
        symlink("elsewhere", path("a")).unwrap();
        fs::create_dir(path("elsewhere/b")).unwrap();
        pinned.create().unwrap().write("file", b"x", 0o644).unwrap();
        assert!(path("moved/b/c/d/file").is_file());
        assert_eq!(fs::read_dir(path("elsewhere/b")).unwrap().count(), 0);
        // What was missing is never a link.
        fs::remove_dir_all(path("moved/b/c")).unwrap();
        symlink(path("elsewhere"), path("moved/b/c")).unwrap();
        assert!(pinned.create().is_err() && pinned.open().is_err());
    }

    #[test]
    fn a_link_that_leads_nowhere_and_a_file_on_the_way_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        symlink("nowhere", folder.path().join("link")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(Pinned::new(&folder.path().join("file/x")).is_err());
        assert!(Pinned::new(&folder.path().join("none/../x")).is_err());
        assert!(Pinned::new(&folder.path().join("link/x")).unwrap().create().is_err());
        assert!(!folder.path().join("nowhere").exists());
    }
}
