//! What is in a directory, and whose it is.
//!
//! A directory that is replaced is never removed whole: what a listing knew as ours goes, file by file and
//! only while it is the very same file, and whatever else is there stays.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};

use crate::dir::{Dir, Links};
use crate::error::{Error, Kind};
use crate::scratch::{is_marked, is_unborn};
use crate::unfinished;

/// Whose a file or directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A run wrote it: it may go.
    Ours,
    /// It is someone's, and stays.
    Foreign,
}

/// Device and inode.
type Identity = (u64, u64);

/// What is in a directory. What runs need themselves meanwhile, marked directories and the mark of a
/// replacing that is under way, is in no listing, nor is [`LOST_AND_FOUND`] of a file system that is mounted
/// there: it is neither in anyone's way nor anyone's to take away.
#[derive(Debug, Default)]
pub struct Listing {
    files: Vec<(PathBuf, Identity)>,
    /// Those around others first.
    directories: Vec<(PathBuf, Identity)>,
    foreign: Vec<PathBuf>,
}

impl Listing {
    /// Lists `directory`, asking `judge` for each relative path. Only a regular file or a directory can be
    /// ours, whatever `judge` says, and only directories of ours are looked into.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn new(directory: &Dir, judge: &dyn Fn(&Path, Kind) -> Whose) -> Result<Self, Error> {
        let mut listing = Self::default();
        listing.add(directory, Path::new(""), judge)?;
        Ok(listing)
    }

    fn add(&mut self, directory: &Dir, below: &Path, judge: &dyn Fn(&Path, Kind) -> Whose) -> Result<(), Error> {
        for name in directory.names()? {
            // What is gone meanwhile belongs to no one.
            let Some(stat) = directory.stat(&name)? else { continue };
            let (path, identity) = (below.join(&name), (stat.st_dev, stat.st_ino));
            let kind = FileType::from_raw_mode(stat.st_mode);
            match kind {
                FileType::RegularFile if unfinished::is_mark(directory, &name) => {}
                FileType::RegularFile if judge(&path, kind.into()) == Whose::Ours => self.files.push((path, identity)),
                FileType::Directory if below.as_os_str().is_empty() && is_lost_and_found(directory, &name, &stat) => {}
                FileType::Directory => match directory.directory(&name, Links::Refuse) {
                    Ok(inner) if is_marked(&name, &inner) || is_unborn(&name, &inner) => {}
                    Ok(inner) if judge(&path, kind.into()) == Whose::Ours => {
                        self.directories.push((path.clone(), identity));
                        self.add(&inner, &path, judge)?;
                    }
                    _ => self.foreign.push(path),
                },
                _ => self.foreign.push(path),
            }
        }
        Ok(())
    }

    /// What is not ours, sorted.
    #[must_use]
    pub fn foreign(&self) -> &[PathBuf] {
        &self.foreign
    }

    /// Whether nothing is in the directory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.directories.is_empty() && self.foreign.is_empty()
    }

    /// Removes what is ours from `directory`, as far as the same files and directories are still there; what
    /// cannot be removed stays.
    pub fn remove(&self, directory: &Dir) {
        self.remove_where(directory, |_| true);
    }

    /// As [`Listing::remove`], but only what is in the directory `name`, and not that itself.
    pub(crate) fn remove_below(&self, directory: &Dir, name: &OsStr) {
        self.remove_where(directory, |path| path.starts_with(name) && path != Path::new(name));
    }

    fn remove_where(&self, directory: &Dir, wanted: impl Fn(&Path) -> bool) {
        for (path, identity) in self.files.iter().filter(|(path, _)| wanted(path)) {
            let _ = with_parent(directory, path, identity, |parent, name| parent.remove_file(name));
        }
        for (path, identity) in self.directories.iter().rev().filter(|(path, _)| wanted(path)) {
            let _ = with_parent(directory, path, identity, |parent, name| parent.remove_directory(name));
        }
    }

    /// What is ours of the directory itself, none of what is below, and is still there.
    pub(crate) fn names_still_in<'a>(&'a self, directory: &'a Dir) -> impl Iterator<Item = &'a OsStr> {
        let is_still = |path: &Path, identity: &Identity| {
            let found = directory.stat(path).ok().flatten();
            found.is_some_and(|stat| (stat.st_dev, stat.st_ino) == *identity)
        };
        let here = self.files.iter().chain(&self.directories).filter(|(path, _)| path.components().count() == 1);
        here.filter(move |(path, identity)| is_still(path, identity)).map(|(path, _)| path.as_os_str())
    }
}

/// What a file system keeps in its topmost directory for repairs.
pub const LOST_AND_FOUND: &str = "lost+found";

/// Whether `name` in `directory` came with the file system that is mounted there: root's, as its tools make it.
fn is_lost_and_found(directory: &Dir, name: &OsStr, stat: &Stat) -> bool {
    name == LOST_AND_FOUND && stat.st_uid == 0 && directory.is_itself_mounted().unwrap_or(false)
}

fn with_parent(
    directory: &Dir,
    path: &Path,
    identity: &Identity,
    remove: impl FnOnce(&Dir, &Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(name) = path.file_name() else { return Ok(()) };
    let around = path.parent().filter(|around| !around.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = directory.directory(around, Links::Refuse)?;
    match parent.stat(name)? {
        Some(stat) if (stat.st_dev, stat.st_ino) == *identity => remove(&parent, Path::new(name)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_ours_goes_and_what_took_its_place_or_came_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("oci/blobs")).unwrap();
        fs::create_dir(path("deep")).unwrap();
        for name in ["module.cfs", "list", "oci/index", "oci/blobs/one", "thesis", "deep/file"] {
            fs::write(path(name), name).unwrap();
        }
        symlink("thesis", path("oci/link")).unwrap();
        let dir = Dir::open(folder.path()).unwrap();
        let judge = |path: &Path, _| match path.to_str() {
            Some("thesis" | "deep") => Whose::Foreign,
            _ => Whose::Ours,
        };
        let listing = Listing::new(&dir, &judge).unwrap();
        assert_eq!(listing.foreign(), [Path::new("deep"), Path::new("oci/link"), Path::new("thesis")]);
        // Others put files in the place of ours, and beside them.
        fs::write(path("list.new"), "other").unwrap();
        fs::rename(path("list.new"), path("list")).unwrap();
        fs::write(path("oci/blobs/two"), "two").unwrap();
        listing.remove(&dir);
        let mut left: Vec<_> = dir.names().unwrap();
        assert_eq!(left, ["deep", "list", "oci", "thesis"]);
        left = Dir::open(&path("oci")).unwrap().names().unwrap();
        assert_eq!(left, ["blobs", "link"]);
        assert!(path("oci/blobs/two").is_file() && !path("oci/blobs/one").exists() && path("deep/file").is_file());
    }
}
