//! Where the bytes of a file lie.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use crate::Error;

/// An archive that is held open, so that its contents can be read after the scan by any thread.
#[derive(Debug)]
pub struct ArchiveFile {
    path: PathBuf,
    file: File,
}

impl ArchiveFile {
    /// Takes an open archive and the path that errors shall name.
    #[must_use]
    pub fn new(path: PathBuf, file: File) -> Self {
        Self { path, file }
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
}

/// The place of a file of the host. The files of a directory share its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFile {
    directory: Arc<Path>,
    name: Box<OsStr>,
}

impl HostFile {
    /// The file `name` of `directory`.
    #[must_use]
    pub fn new(directory: Arc<Path>, name: &OsStr) -> Self {
        Self { directory, name: Box::from(name) }
    }

    /// The whole path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(&*self.name)
    }
}

impl From<&Path> for HostFile {
    fn from(path: &Path) -> Self {
        match (path.parent(), path.file_name()) {
            (Some(directory), Some(name)) => Self::new(Arc::from(directory), name),
            // No regular file is called `/` or `..`: opening it will say so.
            _ => Self::new(Arc::from(path), OsStr::new("")),
        }
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
}

impl Source {
    /// The size in bytes as the scan saw it.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } | Self::Range { size, .. } => *size,
        }
    }

    /// A reader of the content. It may give fewer or more bytes than [`Source::size`] when a file of
    /// the host has changed since the scan: the caller counts. A range of an archive that has become
    /// shorter gives an `UnexpectedEof` error.
    ///
    /// # Errors
    /// When a file of the host cannot be opened, or is no longer a regular file.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, Error> {
        match self {
            Self::Bytes(bytes) => Ok(Box::new(io::Cursor::new(Arc::clone(bytes)))),
            Self::File { file, .. } => Ok(Box::new(open_regular(&file.path())?)),
            Self::Range { archive, offset, size } => {
                Ok(Box::new(RangeReader { archive: Arc::clone(archive), offset: *offset, left: *size }))
            }
        }
    }

    /// The content, to be read by position. A file of the host is opened once.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn positioned(&self) -> Result<Positioned, Error> {
        Ok(Positioned(match self {
            Self::Bytes(bytes) => Held::Bytes(Arc::clone(bytes)),
            Self::File { file, size } => {
                let path = file.path();
                Held::File { file: open_regular(&path)?, path, size: *size }
            }
            Self::Range { archive, offset, size } => {
                Held::Range { archive: Arc::clone(archive), offset: *offset, size: *size }
            }
        }))
    }

    /// The whole content, which may have at most `limit` bytes.
    ///
    /// # Errors
    /// When it is larger, cannot be read, or has not the size that the scan saw.
    pub fn read(&self, limit: u64) -> Result<Vec<u8>, Error> {
        let size = self.size();
        if size > limit {
            return Err(Error::TooLarge { source_name: self.name(), size, limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        // One byte more than expected tells a file that has grown.
        let mut reader = self.open()?.take(size.saturating_add(1));
        reader.read_to_end(&mut bytes).map_err(|source| Error::io("read", Path::new(&self.name()))(source))?;
        let found = bytes.len() as u64;
        if found == size {
            Ok(bytes)
        } else {
            Err(Error::SourceChanged { source_name: self.name(), expected: size, found })
        }
    }

    /// The file of the host that holds the content, opened anew; none where it is in memory.
    pub(super) fn host_file(&self) -> Result<Option<File>, Error> {
        match self {
            Self::Bytes(_) => Ok(None),
            Self::File { file, .. } => open_regular(&file.path()).map(Some),
            Self::Range { archive, .. } => archive.file.try_clone().map(Some).map_err(Error::io("open", &archive.path)),
        }
    }

    /// What errors call this source.
    pub(super) fn name(&self) -> PathBuf {
        match self {
            Self::Bytes(_) => PathBuf::from("<memory>"),
            Self::File { file, .. } => file.path(),
            Self::Range { archive, .. } => archive.path.clone(),
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
        };
        let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(left)];
        if !bytes.is_empty() {
            file.read_exact_at(&mut bytes, start.saturating_add(offset)).map_err(Error::io("read", path))?;
        }
        Ok(bytes)
    }
}

/// Opens a file that was a regular one when it was scanned. A link or a pipe that has taken its
/// place is an error: neither may lead out of the tree nor hang the build.
fn open_regular(path: &Path) -> Result<File, Error> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let descriptor =
        rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| Error::io("open", path)(errno.into()))?;
    let file = File::from(descriptor);
    let is_file = file.metadata().map_err(Error::io("stat", path))?.is_file();
    if is_file { Ok(file) } else { Err(Error::NoLongerRegular { path: path.to_owned() }) }
}

/// Reads a range by position, so that readers of one archive do not disturb each other.
struct RangeReader {
    archive: Arc<ArchiveFile>,
    offset: u64,
    left: u64,
}

impl Read for RangeReader {
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
        let archive = Arc::new(ArchiveFile::new(path.clone(), File::open(&path).unwrap()));
        let range = |offset, size| Source::Range { archive: Arc::clone(&archive), offset, size };
        assert_eq!(range(2, 3).read(100).unwrap(), b"234");
        assert_eq!(range(0, 10).read(10).unwrap(), b"0123456789");
        assert!(matches!(range(0, 10).read(9), Err(Error::TooLarge { size: 10, limit: 9, .. })));
        assert!(matches!(range(8, 3).read(9), Err(Error::Io { .. })));
    }

    #[test]
    fn every_kind_of_source_is_read_by_position_and_never_past_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, b"0123456789").unwrap();
        let archive = Arc::new(ArchiveFile::new(path.clone(), File::open(&path).unwrap()));
        for (source, content) in [
            (Source::Bytes(b"0123456789"[..].into()), &b"0123456789"[..]),
            (Source::File { file: path.as_path().into(), size: 10 }, b"0123456789"),
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
        let shrunk = Source::File { file: path.as_path().into(), size: 20 };
        assert!(matches!(shrunk.positioned().unwrap().read_at(8, 9), Err(Error::Io { .. })));
    }

    #[test]
    fn a_file_of_the_host_has_the_path_that_it_was_given() {
        for path in ["/a/b", "a/b", "b", "/a/\u{fc}/b c"] {
            assert_eq!(HostFile::from(Path::new(path)).path(), Path::new(path));
        }
        for path in ["/", "..", "a/..", ""] {
            let file = Source::File { file: Path::new(path).into(), size: 1 };
            assert!(file.open().is_err(), "{path}");
        }
    }

    #[test]
    fn a_file_that_grew_shrank_or_became_something_else_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, b"1234").unwrap();
        let source = |size| Source::File { file: path.as_path().into(), size };
        assert_eq!(source(4).read(4).unwrap(), b"1234");
        assert!(matches!(source(3).read(9), Err(Error::SourceChanged { expected: 3, found: 4, .. })));
        assert!(matches!(source(5).read(9), Err(Error::SourceChanged { expected: 5, found: 4, .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(source(4).read(9), Err(Error::Io { .. })));
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(matches!(source(4).read(9), Err(Error::Io { .. })));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(source(4).read(9), Err(Error::NoLongerRegular { .. })));
    }
}
