//! Where the bytes of a file lie.

mod held;
mod reading;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::Readable;
use image::identity::Identity;
use image::object::Origin;

pub use held::{ArchiveFile, FileKey, HostFile};
pub(super) use held::{Folder, gone};
pub use reading::{Content, Positioned};

use super::sparse::Piece;

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
    pub(in crate::scan) fn sparse(archive: Arc<ArchiveFile>, pieces: Vec<Piece>, size: u64) -> Self {
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
            Self::File { file, .. } => Some(file.key()),
            Self::Bytes(_) | Self::Range { .. } | Self::Sparse(_) => None,
        }
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
        let (root, name) = host::Dir::parent_of(path).expect("a test's directory can be opened");
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

#[cfg(test)]
mod tests;
