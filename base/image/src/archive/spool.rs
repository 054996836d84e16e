//! Where objects wait until the order of the archive is known.
//!
//! An object whose digest is known from an earlier build waits where it is: in its [`Origin`].

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use host::Dir;
use model::VerityDigest;

use crate::error::Error;
use crate::identity::Identity;
use crate::object::{Extent, LargeObject, ObjectSink, Objects, Origin};

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

#[derive(Debug, Clone)]
enum Place {
    /// In the file.
    Here { offset: u64, size: u64 },
    /// Where it came from, which had this identity when it was adopted.
    There { origin: Arc<dyn Origin>, identity: Identity },
}

impl Spool {
    /// Makes an empty spool in `directory`, best the one that the archive goes to.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn create(directory: &Dir) -> Result<Self, Error> {
        Ok(Self {
            file: Arc::new(directory.unnamed()?),
            directory: directory.path().to_owned(),
            end: AtomicU64::new(0),
            objects: Mutex::default(),
        })
    }

    fn place(&self, digest: &VerityDigest) -> Option<Place> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    /// Looks whether every object that waits in its source is still what it was. To be called when the
    /// archive was written: before, a source might still change.
    ///
    /// # Errors
    /// When one has changed, so that the archive cannot be relied on.
    pub fn check_sources(&self) -> Result<(), Error> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.values().try_for_each(|place| match place {
            Place::There { origin, identity } if origin.identity() != Some(*identity) => Err(origin.changed()),
            _ => Ok(()),
        })
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
        self.keep(digest, Place::Here { offset, size });
        Ok(())
    }

    fn adopt(&self, digest: &VerityDigest, origin: &dyn Origin, identity: &Identity) -> bool {
        self.keep(digest, Place::There { origin: origin.shared(), identity: *identity });
        true
    }

    fn large(&self, size: u64) -> Result<Box<dyn LargeObject + '_>, Error> {
        let offset = self.end.fetch_add(size, Ordering::Relaxed);
        Ok(Box::new(Reserved { spool: self, offset, written: 0 }))
    }
}

/// A large object that is written into the room reserved for it.
struct Reserved<'a> {
    spool: &'a Spool,
    offset: u64,
    written: u64,
}

impl LargeObject for Reserved<'_> {
    fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.spool.write_at(chunk, self.offset + self.written)?;
        self.written += chunk.len() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>, digest: &VerityDigest) -> Result<(), Error> {
        self.spool.keep(digest, Place::Here { offset: self.offset, size: self.written });
        Ok(())
    }
}

impl Objects for Spool {
    fn locate(&self, digest: &VerityDigest, size: u64) -> Result<Extent, Error> {
        match self.place(digest) {
            Some(Place::Here { offset, size: found }) if found == size => {
                Ok(Extent { file: Arc::clone(&self.file), offset })
            }
            Some(Place::There { origin, identity }) if identity.size == size => {
                Ok(Extent { file: Arc::new(origin.reopen(&identity)?), offset: identity.offset })
            }
            _ => Err(Error::MissingObject { digest: *digest, size }),
        }
    }
}
