//! The files of the host that a scan saw, and the archives that it holds open: read as what they were, or not at all.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use host::{Dir, Links};
use image::identity::Identity;
use image::tree::Mtime;
use rustix::fs::Stat;

use crate::Error;

/// An archive that is held open, so that its contents can be read after the scan by any thread.
#[derive(Debug)]
pub struct ArchiveFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// What the file was when it was opened.
    pub(super) seen: Identity,
}

impl ArchiveFile {
    /// Takes an open archive and the path that errors must name.
    ///
    /// # Errors
    /// [`Error::NotARootfs`] when it is no regular file.
    pub fn new(path: PathBuf, file: File) -> Result<Self, Error> {
        match Identity::of_open(&file, 0, 0) {
            Some(seen) => Ok(Self { path, file, seen }),
            None => Err(Error::NotARootfs { path }),
        }
    }

    /// The path on the host.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The file's length in bytes, as it was when it was opened.
    pub(in crate::scan) fn length(&self) -> u64 {
        self.seen.file_size
    }

    /// Fails when someone has written to the file since it was opened.
    pub(in crate::scan) fn check(&self) -> Result<(), image::Error> {
        if self.is_as_seen() { Ok(()) } else { Err(image::Error::ChangedMeanwhile { path: self.path.clone() }) }
    }

    pub(super) fn is_as_seen(&self) -> bool {
        let Ok(stat) = rustix::fs::fstat(&self.file) else { return false };
        let Some(now) = Identity::of(&stat, 0, 0) else { return false };
        // A cache entry that another build replaces loses its name, which is a change of the inode and
        // none of the content: this process holds it open, and no one else comes to it any more.
        let changed = if stat.st_nlink == 0 { self.seen.changed } else { now.changed };
        Identity { changed, ..now } == self.seen
    }
}

/// A directory of the host, below one whose descriptor is held: whatever is renamed or linked around it,
/// the way to its files begins there and leads through no link.
pub(in crate::scan) struct Folder {
    pub(in crate::scan) root: Arc<Dir>,
    /// From the root; empty for the root itself.
    pub(in crate::scan) path: PathBuf,
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Two scans of one directory look the same.
        self.root.path().join(&self.path).fmt(f)
    }
}

impl Folder {
    /// What the user calls `name` in it.
    pub(in crate::scan) fn shown(&self, name: &OsStr) -> PathBuf {
        self.root.join(self.path.join(name))
    }
}

/// What distinguishes a file from every other, and from itself after a change of content or attributes: whoever
/// sets the time of writing back changes the time of the last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    changed: Mtime,
}

impl Seen {
    fn of(stat: &Stat) -> Option<Self> {
        Some(Self { device: stat.st_dev, inode: stat.st_ino, changed: Mtime::new(stat.st_ctime, stat.st_ctime_nsec)? })
    }
}

/// What distinguishes a file of the host from every other one that is there at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileKey {
    device: u64,
    inode: u64,
}

/// A file of the host as a scan saw it. It is opened as that file or not at all.
#[derive(Debug, Clone)]
pub struct HostFile {
    folder: Arc<Folder>,
    name: Box<OsStr>,
    seen: Seen,
}

impl HostFile {
    /// The file `name` of `folder`, which is what `stat` says; none when the system's numbers make no sense.
    pub(in crate::scan) fn new(folder: &Arc<Folder>, name: &OsStr, stat: &Stat) -> Option<Self> {
        Some(Self { folder: Arc::clone(folder), name: Box::from(name), seen: Seen::of(stat)? })
    }

    /// What distinguishes it from every other one.
    pub(super) fn key(&self) -> FileKey {
        FileKey { device: self.seen.device, inode: self.seen.inode }
    }

    /// The whole path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.shown(&self.name)
    }

    pub(super) fn open(&self) -> Result<File, image::Error> {
        let path = self.folder.path.join(&*self.name);
        // No link is followed and nothing waits: what has taken the file's place is not the file.
        let (file, stat) = self.folder.root.known_file(path, Links::Refuse).map_err(gone)?;
        if Seen::of(&stat) == Some(self.seen) { Ok(file) } else { Err(self.changed()) }
    }

    /// Fails when the open file is no longer what the scan saw.
    pub(super) fn check(&self, file: &File) -> Result<(), image::Error> {
        let stat = rustix::fs::fstat(file).map_err(host::Error::io("stat", &self.path()))?;
        if Seen::of(&stat) == Some(self.seen) { Ok(()) } else { Err(self.changed()) }
    }

    /// What is at the path now, if it is what the scan saw.
    pub(super) fn stat(&self) -> Option<Stat> {
        // Links on the way are followed here, which could show another file, but none that is this one.
        let found = self.folder.root.stat(self.folder.path.join(&*self.name)).ok()??;
        (Seen::of(&found) == Some(self.seen)).then_some(found)
    }

    fn changed(&self) -> image::Error {
        image::Error::ChangedMeanwhile { path: self.path() }
    }
}

/// What it means that something which a scan saw cannot be opened.
pub(in crate::scan) fn gone(error: host::Error) -> image::Error {
    match &error {
        host::Error::Place { path, .. } => image::Error::ChangedMeanwhile { path: path.clone() },
        // The second is what opening a socket gives.
        host::Error::Io { path, source, .. }
            if error.is_not_found() || source.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) =>
        {
            image::Error::ChangedMeanwhile { path: path.clone() }
        }
        _ => error.into(),
    }
}
