//! The content of a source, open for reading.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{ArchiveFile, HostFile, Source, SparseFile};
use crate::Error;

impl Source {
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
