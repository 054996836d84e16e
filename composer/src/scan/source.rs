//! Where the bytes of a file lie.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use host::{Dir, Links};
use image::Readable;
use image::identity::Identity;
use image::object::Origin;
use image::tree::Mtime;
use rustix::fs::Stat;

use super::sparse::Piece;
use crate::Error;

/// An archive that is held open, so that its contents can be read after the scan by any thread.
#[derive(Debug)]
pub struct ArchiveFile {
    path: PathBuf,
    file: File,
    /// What the file was when it was opened.
    seen: Identity,
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
    pub(super) fn length(&self) -> u64 {
        self.seen.file_size
    }

    /// Fails when someone has written to the file since it was opened.
    pub(super) fn check(&self) -> Result<(), image::Error> {
        if self.is_as_seen() { Ok(()) } else { Err(image::Error::ChangedMeanwhile { path: self.path.clone() }) }
    }

    fn is_as_seen(&self) -> bool {
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
pub(super) struct Folder {
    pub(super) root: Arc<Dir>,
    /// From the root; empty for the root itself.
    pub(super) path: PathBuf,
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Two scans of one directory look the same.
        self.root.path().join(&self.path).fmt(f)
    }
}

impl Folder {
    /// What the user calls `name` in it.
    pub(super) fn shown(&self, name: &OsStr) -> PathBuf {
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
    pub(super) fn new(folder: &Arc<Folder>, name: &OsStr, stat: &Stat) -> Option<Self> {
        Some(Self { folder: Arc::clone(folder), name: Box::from(name), seen: Seen::of(stat)? })
    }

    /// The whole path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.shown(&self.name)
    }

    fn open(&self) -> Result<File, image::Error> {
        let path = self.folder.path.join(&*self.name);
        // No link is followed and nothing waits: what has taken the file's place is not the file.
        let (file, stat) = self.folder.root.known_file(path, Links::Refuse).map_err(gone)?;
        if Seen::of(&stat) == Some(self.seen) { Ok(file) } else { Err(self.changed()) }
    }

    /// Fails when the open file is no longer what the scan saw.
    fn check(&self, file: &File) -> Result<(), image::Error> {
        let stat = rustix::fs::fstat(file).map_err(host::Error::io("stat", &self.path()))?;
        if Seen::of(&stat) == Some(self.seen) { Ok(()) } else { Err(self.changed()) }
    }

    /// What is at the path now, if it is what the scan saw.
    fn stat(&self) -> Option<Stat> {
        // Links on the way are followed here, which could show another file, but none that is this one.
        let found = self.folder.root.stat(self.folder.path.join(&*self.name)).ok()??;
        (Seen::of(&found) == Some(self.seen)).then_some(found)
    }

    fn changed(&self) -> image::Error {
        image::Error::ChangedMeanwhile { path: self.path() }
    }
}

/// What it means that something which a scan saw cannot be opened.
pub(super) fn gone(error: host::Error) -> image::Error {
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

/// Where to read the bytes of a regular file.
#[derive(Debug, Clone)]
pub enum Source {
    /// The bytes themselves.
    Bytes(Arc<[u8]>),
    /// A file of the host.
    File {
        /// Where it is.
        file: HostFile,
        /// Its size in bytes when it was scanned.
        size: u64,
    },
    /// A part of an archive.
    Range {
        /// The archive.
        archive: Arc<ArchiveFile>,
        /// Where the content begins, in bytes.
        offset: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// Parts of an archive with zeros between them.
    Sparse(SparseFile),
}

/// A sparse file of an archive.
#[derive(Debug, Clone)]
pub struct SparseFile {
    archive: Arc<ArchiveFile>,
    /// In order; none reaches beyond the size.
    pieces: Arc<[Piece]>,
    size: u64,
}

impl SparseFile {
    /// Fills `buffer` from `position` on, as far as the file goes.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(position)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left);
        // The first piece that ends behind the position.
        let next = self.pieces.partition_point(|piece| piece.start + piece.size <= position);
        let Some(piece) = self.pieces.get(next) else {
            buffer[..count].fill(0);
            return Ok(count);
        };
        if position < piece.start {
            let count = count.min(usize::try_from(piece.start - position).unwrap_or(usize::MAX));
            buffer[..count].fill(0);
            return Ok(count);
        }
        let inside = position - piece.start;
        let count = count.min(usize::try_from(piece.size - inside).unwrap_or(usize::MAX));
        self.archive.file.read_exact_at(&mut buffer[..count], piece.offset + inside)?;
        Ok(count)
    }
}

impl Source {
    /// A sparse file of `size` bytes.
    pub(super) fn sparse(archive: Arc<ArchiveFile>, pieces: Vec<Piece>, size: u64) -> Self {
        Self::Sparse(SparseFile { archive, pieces: pieces.into(), size })
    }

    /// The size in bytes as the scan saw it.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } | Self::Range { size, .. } => *size,
            Self::Sparse(file) => file.size,
        }
    }

    /// What distinguishes the file of the host that holds the content from every other one; none for other sources.
    #[must_use]
    pub fn file_key(&self) -> Option<FileKey> {
        match self {
            Self::File { file, .. } => Some(FileKey { device: file.seen.device, inode: file.seen.inode }),
            Self::Bytes(_) | Self::Range { .. } | Self::Sparse(_) => None,
        }
    }

    /// A reader of the content. It may give fewer or more bytes than [`Source::size`] when a file of
    /// the host changes meanwhile: the caller counts, and asks [`Content::check`] at the end. A range of an
    /// archive that has become shorter gives an `UnexpectedEof` error.
    ///
    /// # Errors
    /// When a file of the host cannot be opened, or is no longer what the scan saw.
    pub fn open(&self) -> Result<Content<'_>, image::Error> {
        Ok(Content(match self {
            Self::Bytes(bytes) => Stream::Bytes(bytes),
            Self::File { file, .. } => Stream::File { open: file.open()?, file },
            Self::Range { archive, offset, size } => {
                archive.check()?;
                Stream::Range(RangeReader { archive, offset: *offset, left: *size })
            }
            Self::Sparse(file) => {
                file.archive.check()?;
                Stream::Sparse { file, position: 0 }
            }
        }))
    }

    /// The content, to be read by position. A file of the host is opened once.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn positioned(&self) -> Result<Positioned, Error> {
        Ok(Positioned(match self {
            Self::Bytes(bytes) => Held::Bytes(Arc::clone(bytes)),
            Self::File { file, size } => Held::File { file: file.open()?, path: file.path(), size: *size },
            Self::Range { archive, offset, size } => {
                archive.check()?;
                Held::Range { archive: Arc::clone(archive), offset: *offset, size: *size }
            }
            Self::Sparse(file) => {
                file.archive.check()?;
                Held::Sparse(file.clone())
            }
        }))
    }

    /// All that `archive` holds, as one file.
    #[must_use]
    pub fn whole(archive: ArchiveFile) -> Self {
        let size = archive.length();
        Self::Range { archive: Arc::new(archive), offset: 0, size }
    }

    /// The whole content, which may have at most `limit` bytes.
    ///
    /// # Errors
    /// When it is larger, cannot be read, or is not what the scan saw.
    pub fn read(&self, limit: u64) -> Result<Vec<u8>, image::Error> {
        let size = self.size();
        if size > limit {
            return Err(image::Error::TooLarge { source_name: self.name(), size, limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let mut reader = self.open()?;
        // One byte more than expected shows a file that has grown.
        let read = reader.by_ref().take(size.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|source| host::Error::io("read", Path::new(&self.name()))(source))?;
        reader.check()?;
        let found = bytes.len() as u64;
        if found == size {
            Ok(bytes)
        } else {
            Err(image::Error::SourceChanged { source_name: self.name(), expected: size, found })
        }
    }

    /// The regular file at `path` as it is now.
    #[cfg(test)]
    pub(crate) fn of_file(path: &Path) -> Self {
        let (root, name) = Dir::parent_of(path).expect("a test's directory can be opened");
        let stat = root.stat(&name).expect("a test's file can be looked at").expect("a test's file is there");
        let folder = Arc::new(Folder { root: Arc::new(root), path: PathBuf::new() });
        let file = HostFile::new(&folder, &name, &stat).expect("a test's file has a time");
        Self::File { file, size: stat.st_size.unsigned_abs() }
    }

    /// What errors call this source.
    fn name(&self) -> PathBuf {
        match self {
            Self::Bytes(_) => PathBuf::from("<memory>"),
            Self::File { file, .. } => file.path(),
            Self::Range { archive, .. } | Self::Sparse(SparseFile { archive, .. }) => archive.path.clone(),
        }
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl Readable for Source {
    fn size(&self) -> u64 {
        self.size()
    }

    fn open(&self) -> Result<impl Read, image::Error> {
        self.open()
    }

    fn read(&self, limit: u64) -> Result<Vec<u8>, image::Error> {
        self.read(limit)
    }
}

impl Origin for Source {
    fn identity(&self) -> Option<Identity> {
        match self {
            // No one part of the archive holds what is in it.
            Self::Bytes(_) | Self::Sparse(_) => None,
            Self::File { file, size } => Identity::of(&file.stat()?, 0, *size),
            Self::Range { archive, offset, size } => {
                archive.is_as_seen().then_some(Identity { offset: *offset, size: *size, ..archive.seen })
            }
        }
    }

    fn reopen(&self, identity: &Identity) -> Result<File, image::Error> {
        let (file, now) = match self {
            Self::Bytes(_) | Self::Sparse(_) => return Err(self.changed()),
            Self::File { file, size } => {
                let open = file.open()?;
                let now = Identity::of_open(&open, 0, *size);
                (open, now)
            }
            Self::Range { archive, .. } => {
                (archive.file.try_clone().map_err(host::Error::io("open", &archive.path))?, self.identity())
            }
        };
        if now == Some(*identity) { Ok(file) } else { Err(self.changed()) }
    }

    fn changed(&self) -> image::Error {
        image::Error::ChangedMeanwhile { path: self.name() }
    }

    fn shared(&self) -> Arc<dyn Origin> {
        Arc::new(self.clone())
    }
}

/// The content of a [`Source`], open for reading from its beginning.
#[derive(Debug)]
pub struct Content<'a>(Stream<'a>);

#[derive(Debug)]
enum Stream<'a> {
    Bytes(&'a [u8]),
    File { open: File, file: &'a HostFile },
    Range(RangeReader<'a>),
    Sparse { file: &'a SparseFile, position: u64 },
}

impl Content<'_> {
    /// Fails when the file that holds the content is no longer what the scan saw: what was read is then
    /// neither the old content nor the new one.
    ///
    /// # Errors
    /// [`image::Error::ChangedMeanwhile`].
    pub fn check(&self) -> Result<(), image::Error> {
        match &self.0 {
            Stream::Bytes(_) => Ok(()),
            Stream::File { open, file } => file.check(open),
            Stream::Range(range) => range.archive.check(),
            Stream::Sparse { file, .. } => file.archive.check(),
        }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Stream::Bytes(bytes) => bytes.read(buffer),
            Stream::File { open, .. } => open.read(buffer),
            Stream::Range(range) => range.read(buffer),
            Stream::Sparse { file, position } => {
                let count = file.read_at(buffer, *position)?;
                *position += count as u64;
                Ok(count)
            }
        }
    }
}

/// The content of a [`Source`], open for reads at any place.
#[derive(Debug)]
pub struct Positioned(Held);

#[derive(Debug)]
enum Held {
    Bytes(Arc<[u8]>),
    File { path: PathBuf, file: File, size: u64 },
    Range { archive: Arc<ArchiveFile>, offset: u64, size: u64 },
    Sparse(SparseFile),
}

impl Positioned {
    /// Up to `length` bytes from `offset` on: fewer where the content ends, none past its end.
    ///
    /// # Errors
    /// When the host cannot read, or its file has become shorter than the scan saw it.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        let (file, path, start, size) = match &self.0 {
            Held::Bytes(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
                return Ok(rest[..length.min(rest.len())].to_vec());
            }
            Held::File { path, file, size } => (file, path, 0, *size),
            Held::Range { archive, offset, size } => (&archive.file, &archive.path, *offset, *size),
            Held::Sparse(file) => {
                let left = usize::try_from(file.size.saturating_sub(offset)).unwrap_or(usize::MAX);
                let mut bytes = vec![0; length.min(left)];
                let mut done = 0;
                while done < bytes.len() {
                    let read = file.read_at(&mut bytes[done..], offset.saturating_add(done as u64));
                    done += read.map_err(Error::io("read", &file.archive.path))?;
                }
                return Ok(bytes);
            }
        };
        let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(left)];
        if !bytes.is_empty() {
            file.read_exact_at(&mut bytes, start.saturating_add(offset)).map_err(Error::io("read", path))?;
        }
        Ok(bytes)
    }
}

/// Reads a range by position, so that readers of one archive do not disturb each other.
#[derive(Debug)]
struct RangeReader<'a> {
    archive: &'a ArchiveFile,
    offset: u64,
    left: u64,
}

impl Read for RangeReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.archive.file.read_at(&mut buffer[..wanted], self.offset)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive has become shorter"));
        }
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;
    use std::fs;

    #[test]
    fn ranges_are_read_by_position_and_end_where_they_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, b"0123456789").unwrap();
        let archive = Arc::new(ArchiveFile::new(path.clone(), File::open(&path).unwrap()).unwrap());
        let range = |offset, size| Source::Range { archive: Arc::clone(&archive), offset, size };
        assert_eq!(range(2, 3).read(100).unwrap(), b"234");
        assert_eq!(range(0, 10).read(10).unwrap(), b"0123456789");
        assert!(matches!(range(0, 10).read(9), Err(image::Error::TooLarge { size: 10, limit: 9, .. })));
        assert!(matches!(range(8, 3).read(9), Err(image::Error::Host(host::Error::Io { .. }))));
    }

    #[test]
    fn every_kind_of_source_is_read_by_position_and_never_past_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, b"0123456789").unwrap();
        let archive = Arc::new(ArchiveFile::new(path.clone(), File::open(&path).unwrap()).unwrap());
        for (source, content) in [
            (Source::Bytes(b"0123456789"[..].into()), &b"0123456789"[..]),
            (Source::of_file(&path), b"0123456789"),
            (Source::Range { archive: Arc::clone(&archive), offset: 2, size: 3 }, b"234"),
        ] {
            let open = source.positioned().unwrap();
            for (offset, length) in [(0, 1), (1, 2), (0, 99), (2, 99), (content.len(), 5), (99, 5)] {
                let end = content.len().min(offset + length);
                let wanted = content.get(offset.min(end)..end).unwrap();
                assert_eq!(open.read_at(offset as u64, length).unwrap(), wanted, "{offset} {length}");
            }
            assert_eq!(open.read_at(u64::MAX, 5).unwrap(), b"");
        }
        let Source::File { file, .. } = Source::of_file(&path) else { panic!("it is a file") };
        let shrunk = Source::File { file, size: 20 };
        assert!(matches!(shrunk.positioned().unwrap().read_at(8, 9), Err(Error::Host(host::Error::Io { .. }))));
    }

    #[test]
    fn an_archive_that_is_written_to_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, b"0123456789").unwrap();
        let archive = Arc::new(ArchiveFile::new(path.clone(), File::open(&path).unwrap()).unwrap());
        let range = Source::Range { archive, offset: 2, size: 3 };
        let mut open = range.open().unwrap();
        assert!(range.identity().is_some() && open.check().is_ok());
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&path, b"0123456789").unwrap();
        assert!(range.identity().is_none());
        assert!(matches!(range.read(9), Err(image::Error::ChangedMeanwhile { .. })));
        assert_eq!(open.read(&mut [0; 9]).unwrap(), 3);
        assert!(matches!(open.check(), Err(image::Error::ChangedMeanwhile { .. })));
    }

    #[test]
    fn an_archive_that_lost_its_name_is_still_the_one_that_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, b"0123456789").unwrap();
        let archive = Arc::new(ArchiveFile::new(path.clone(), File::open(&path).unwrap()).unwrap());
        let range = Source::Range { archive, offset: 2, size: 3 };
        let identity = range.identity().unwrap();
        let writer = File::options().write(true).open(&path).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::remove_file(&path).unwrap();
        assert_eq!(range.read(9).unwrap(), b"234");
        assert_eq!(range.identity(), Some(identity));
        range.reopen(&identity).unwrap();
        writer.write_all_at(b"x", 3).unwrap();
        assert!(range.identity().is_none() && range.read(9).is_err() && range.reopen(&identity).is_err());
    }

    #[test]
    fn a_file_that_grew_shrank_or_became_something_else_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let change = |change: &dyn Fn()| {
            let _ = fs::remove_file(&path);
            fs::write(&path, b"1234").unwrap();
            let source = Source::of_file(&path);
            assert_eq!(source.read(4).unwrap(), b"1234");
            assert!(source.identity().is_some());
            std::thread::sleep(std::time::Duration::from_millis(20));
            change();
            assert!(matches!(source.read(9), Err(image::Error::ChangedMeanwhile { .. })));
            assert!(source.positioned().is_err() && source.identity().is_none());
        };
        change(&|| fs::write(&path, b"123").unwrap());
        change(&|| fs::write(&path, b"12345").unwrap());
        change(&|| fs::remove_file(&path).unwrap());
        let replaced = |by: &dyn Fn()| {
            change(&|| {
                fs::remove_file(&path).unwrap();
                by();
            });
        };
        replaced(&|| std::os::unix::fs::symlink("/etc/passwd", &path).unwrap());
        replaced(&|| drop(std::os::unix::net::UnixListener::bind(&path).unwrap()));
        replaced(&|| {
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        });
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"1234").unwrap();
        let source = Source::of_file(&path);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(source.read(9), Err(image::Error::ChangedMeanwhile { .. })));
    }
}
