//! Objects: contents that are outside of an image, each under the fs-verity digest by which the image knows it.

use std::fmt;
use std::fs::File;
use std::sync::Arc;

use model::VerityDigest;

use crate::error::Error;
use crate::identity::Identity;

/// Where an object's bytes lie: in a file, from an offset on.
#[derive(Debug, Clone)]
pub struct Extent {
    /// The file.
    pub file: Arc<File>,
    /// The offset of the first byte.
    pub offset: u64,
}

/// Gives the objects that an archive is made of.
pub trait Objects: Sync {
    /// Where the object of this name and size is.
    ///
    /// # Errors
    /// When it is not there, or has another size.
    fn locate(&self, digest: &VerityDigest, size: u64) -> Result<Extent, Error>;
}

/// Where a content came from, and may be had again.
pub trait Origin: fmt::Debug + Send + Sync {
    /// The identity of the content now; none where it is in memory, or where it is no longer what it was.
    fn identity(&self) -> Option<Identity>;

    /// The file of the host that holds the content, if it still has this identity.
    ///
    /// # Errors
    /// When it has another, or cannot be opened.
    fn reopen(&self, identity: &Identity) -> Result<File, Error>;

    /// Says that the content is no longer what it was.
    fn changed(&self) -> Error;

    /// The same, to be kept.
    fn shared(&self) -> Arc<dyn Origin>;
}

/// Takes the content of files that are too large to be inline. Called from many threads at once.
///
/// The same content may come more than once; a sink keeps one copy.
pub trait ObjectSink: Sync {
    /// Takes a whole object.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn small(&self, digest: &VerityDigest, content: &[u8]) -> Result<(), Error>;

    /// Whether the sink can do without the content, since it can get it later from `origin`, which has
    /// `identity` now.
    fn adopt(&self, digest: &VerityDigest, origin: &dyn Origin, identity: &Identity) -> bool {
        let _ = (digest, origin, identity);
        false
    }

    /// The identity of what the sink has as this object, in a file of its own that outlasts the build:
    /// whoever knows that identity from an earlier build knows whether it is the object.
    ///
    /// # Errors
    /// When the sink cannot look for it.
    fn kept(&self, digest: &VerityDigest, size: u64) -> Result<Option<Identity>, Error> {
        let _ = (digest, size);
        Ok(None)
    }

    /// Begins an object that comes in chunks; its digest is known only at the end.
    ///
    /// # Errors
    /// When there is no room for `size` bytes.
    fn large(&self, size: u64) -> Result<Box<dyn LargeObject + '_>, Error>;
}

/// An object that comes in chunks. Dropped without [`LargeObject::finish`], it leaves nothing.
pub trait LargeObject: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn write(&mut self, chunk: &[u8]) -> Result<(), Error>;

    /// Ends the object and gives it its name.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn finish(self: Box<Self>, digest: &VerityDigest) -> Result<(), Error>;
}
