//! What an image that was read says of a file's content.

use model::VerityDigest;

use super::{Backing, Stored};

/// The content of a regular file in an image that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Nothing.
    Empty,
    /// These bytes, at least one.
    Inline(Box<[u8]>),
    /// What the object of this digest holds.
    Object {
        /// The size in bytes, at least one.
        size: u64,
        /// The object's name.
        digest: VerityDigest,
    },
    /// What is elsewhere, in an image that others made.
    Backing(Box<Backing>),
}

impl Entry {
    /// A file whose content is `backing`: an object where the name is that of the digest.
    pub(super) fn of_backing(backing: Backing) -> Self {
        let Backing { size, digest, path } = &backing;
        match digest {
            Some(digest) if path.as_deref() == Some(digest.object_path().as_bytes()) => {
                Self::Object { size: *size, digest: *digest }
            }
            _ => Self::Backing(Box::new(backing)),
        }
    }
}

impl Stored for Entry {
    fn size(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Object { size, .. } => *size,
            Self::Backing(backing) => backing.size,
        }
    }

    fn inline(&self) -> Option<&[u8]> {
        match self {
            Self::Inline(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn verity(&self) -> Option<&VerityDigest> {
        match self {
            Self::Object { digest, .. } => Some(digest),
            Self::Backing(backing) => backing.digest.as_ref(),
            Self::Empty | Self::Inline(_) => None,
        }
    }

    fn backing(&self) -> Option<&Backing> {
        match self {
            Self::Backing(backing) => Some(backing),
            Self::Empty | Self::Inline(_) | Self::Object { .. } => None,
        }
    }
}
