//! The blobs of a layout, read and checked in one pass.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use host::Dir;
use host::hash::Hashing;
use model::Digest;

use super::StoredBlob;
use super::read::open_blob;
use crate::error::Error;

/// The blobs of a layout that is open.
#[derive(Debug)]
pub struct Blobs(Dir);

impl Blobs {
    pub(super) fn new(directory: Dir) -> Self {
        Self(directory)
    }

    /// Reads the blob and checks its digest.
    ///
    /// # Errors
    /// When it cannot be read, or is not what its descriptor says.
    pub fn check(&self, blob: &StoredBlob) -> Result<(), Error> {
        self.reader(blob)?.finish()
    }

    /// The blob's bytes, whose digest is checked.
    ///
    /// # Errors
    /// As [`Blobs::check`], and when it is larger than `limit`.
    pub fn read(&self, blob: &StoredBlob, limit: u64) -> Result<Vec<u8>, Error> {
        if blob.size > limit {
            return Err(Error::TooLarge { place: (&blob.path).into(), size: blob.size, limit });
        }
        let mut bytes = Vec::new();
        let length = usize::try_from(blob.size).unwrap_or(usize::MAX);
        let memory = |_| io::Error::from(io::ErrorKind::OutOfMemory);
        bytes.try_reserve_exact(length).map_err(memory).map_err(Error::io("read", &blob.path))?;
        let mut reader = self.reader(blob)?;
        reader.by_ref().take(blob.size).read_to_end(&mut bytes).map_err(Error::io("read", &blob.path))?;
        reader.finish()?;
        Ok(bytes)
    }

    /// The file that holds the blob.
    ///
    /// # Errors
    /// When it cannot be opened, or has another size than its descriptor says.
    pub fn file(&self, blob: &StoredBlob) -> Result<File, Error> {
        open_blob(&self.0, &blob.digest.hex(), &blob.path, Some(blob.size))
    }

    /// Reads the blob from its beginning. What comes out is believed only when [`BlobReader::finish`] says
    /// that it was the blob.
    ///
    /// # Errors
    /// As [`Blobs::file`].
    pub fn reader(&self, blob: &StoredBlob) -> Result<BlobReader, Error> {
        let file = Hashing::new(self.file(blob)?);
        Ok(BlobReader { file, path: blob.path.clone(), expected: blob.digest })
    }
}

/// A blob that is hashed as it is read.
#[derive(Debug)]
pub struct BlobReader {
    file: Hashing<File>,
    path: PathBuf,
    expected: Digest,
}

impl BlobReader {
    /// Reads what is left, and checks the digest.
    ///
    /// # Errors
    /// When it cannot be read, or has another digest than its descriptor says.
    pub fn finish(self) -> Result<(), Error> {
        let Self { file, path, expected } = self;
        match file.finish().map_err(Error::io("read", &path))? {
            (found, _) if found == expected => Ok(()),
            (found, _) => Err(Error::DigestMismatch { place: path.into(), expected, found }),
        }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}
