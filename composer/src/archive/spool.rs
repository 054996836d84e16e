//! Where objects wait until the order of the archive is known.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use model::VerityDigest;

use super::{Extent, Objects};
use crate::error::Error;
use crate::seal::{LargeObject, ObjectSink};

/// Collects objects in one unlinked file, in the order in which they come.
///
/// The file has no name, so that a killed build leaves nothing.
#[derive(Debug)]
pub struct Spool {
    file: Arc<File>,
    directory: PathBuf,
    /// The first offset that nobody has reserved.
    end: AtomicU64,
    objects: Mutex<HashMap<VerityDigest, Place>>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    size: u64,
}

impl Spool {
    /// Makes an empty spool in `directory`, best the one that the archive goes to.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn create(directory: &Path) -> Result<Self, Error> {
        let file = tempfile::tempfile_in(directory).map_err(Error::io("create a file in", directory))?;
        Ok(Self {
            file: Arc::new(file),
            directory: directory.to_owned(),
            end: AtomicU64::new(0),
            objects: Mutex::default(),
        })
    }

    fn place(&self, digest: &VerityDigest) -> Option<Place> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).get(digest).copied()
    }

    fn keep(&self, digest: &VerityDigest, place: Place) {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).entry(*digest).or_insert(place);
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        self.file.write_all_at(bytes, offset).map_err(Error::io("write a temporary file in", &self.directory))
    }
}

impl ObjectSink for Spool {
    fn small(&self, digest: &VerityDigest, content: &[u8]) -> Result<(), Error> {
        if self.place(digest).is_some() {
            return Ok(());
        }
        let size = content.len() as u64;
        let offset = self.end.fetch_add(size, Ordering::Relaxed);
        self.write_at(content, offset)?;
        self.keep(digest, Place { offset, size });
        Ok(())
    }

    fn large(&self, size: u64) -> Result<Box<dyn LargeObject + '_>, Error> {
        let offset = self.end.fetch_add(size, Ordering::Relaxed);
        Ok(Box::new(Reserved { spool: self, place: Place { offset, size }, written: 0 }))
    }
}

/// A large object that is written into the room reserved for it.
struct Reserved<'a> {
    spool: &'a Spool,
    place: Place,
    written: u64,
}

impl LargeObject for Reserved<'_> {
    fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.spool.write_at(chunk, self.place.offset + self.written)?;
        self.written += chunk.len() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>, digest: &VerityDigest) -> Result<(), Error> {
        self.spool.keep(digest, Place { size: self.written, ..self.place });
        Ok(())
    }
}

impl Objects for Spool {
    fn locate(&self, digest: &VerityDigest, size: u64) -> Result<Extent, Error> {
        match self.place(digest) {
            Some(place) if place.size == size => Ok(Extent { file: Arc::clone(&self.file), offset: place.offset }),
            _ => Err(Error::MissingObject { digest: *digest, size }),
        }
    }
}
