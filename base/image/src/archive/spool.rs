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
    /// The first offset that no one has reserved.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;
    use crate::tree::Mtime;

    /// A content that is in no file, and may be another one by now.
    #[derive(Debug, Clone)]
    struct Far(Option<Identity>);

    impl Origin for Far {
        fn identity(&self) -> Option<Identity> {
            self.0
        }

        fn reopen(&self, _: &Identity) -> Result<File, Error> {
            Ok(tempfile::tempfile().unwrap())
        }

        fn changed(&self) -> Error {
            Error::ChangedMeanwhile { path: PathBuf::from("far") }
        }

        fn shared(&self) -> Arc<dyn Origin> {
            Arc::new(self.clone())
        }
    }

    fn identity(offset: u64, size: u64) -> Identity {
        let time = Mtime::default();
        Identity { device: 1, inode: 2, file_size: 3, modified: time, changed: time, offset, size }
    }

    #[test]
    fn what_is_adopted_waits_in_its_source_and_must_stay_what_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let spool = |now| {
            let spool = Spool::create(&Dir::open(directory.path()).unwrap()).unwrap();
            assert!(spool.adopt(&VerityDigest::new([1; 32]), &Far(now), &identity(512, 7)));
            spool
        };
        let same = spool(Some(identity(512, 7)));
        assert_eq!(same.locate(&VerityDigest::new([1; 32]), 7).unwrap().offset, 512);
        for (digest, size) in [([1; 32], 8), ([2; 32], 7)] {
            let missing = same.locate(&VerityDigest::new(digest), size);
            assert!(matches!(missing, Err(Error::MissingObject { size: found, .. }) if found == size));
        }
        assert!(same.check_sources().is_ok());
        for now in [None, Some(identity(512, 8)), Some(identity(0, 7))] {
            assert!(matches!(spool(now).check_sources(), Err(Error::ChangedMeanwhile { .. })));
        }
    }

    #[test]
    fn the_first_copy_of_an_object_stays_and_others_follow_it() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::create(&Dir::open(directory.path()).unwrap()).unwrap();
        let digest = |byte| VerityDigest::new([byte; 32]);
        spool.small(&digest(1), b"first").unwrap();
        spool.small(&digest(1), b"again").unwrap();
        let mut large = spool.large(6).unwrap();
        large.write(b"sec").unwrap();
        large.write(b"ond").unwrap();
        large.finish(&digest(2)).unwrap();
        spool.small(&digest(3), b"third").unwrap();
        let content = |byte, size: usize| {
            let extent = spool.locate(&digest(byte), size as u64).unwrap();
            let mut content = vec![0; size];
            extent.file.read_exact_at(&mut content, extent.offset).unwrap();
            content
        };
        assert_eq!((content(1, 5), content(2, 6), content(3, 5)), (b"first".into(), b"second".into(), b"third".into()));
    }
}
