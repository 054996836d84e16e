//! OCI image layouts (OCI image specification 1.1, `image-layout.md`): written whole or not at all,
//! read as something hostile.

mod extent;
mod files;
mod promise;
mod read;
mod store;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use host::Dir;
use model::manifest::Kind;
use model::{Arch, Digest};

use crate::content::{Descriptor, Index, Manifest};

pub use extent::paths;
pub use files::digest;
pub use promise::Broken;
pub use read::{open, read};
pub use store::Store;
pub use write::write;

/// Where a blob's bytes are.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a file.
    File {
        /// The directory that holds it.
        directory: Arc<Dir>,
        /// Its name there.
        name: String,
        /// The sha256 of its bytes.
        digest: Digest,
        /// Their number.
        size: u64,
        /// Whether the file becomes the blob without another reading. No one else may have it, and it is on the
        /// layout's file system; it is gone afterwards, also when the layout could not be written. Else it is copied,
        /// and never shared: a layout must not change when someone writes to a file.
        is_moved: bool,
    },
}

/// A blob to be written.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Its media type, see [`crate::media`].
    pub media_type: String,
    /// `org.opencontainers.image.title` of its descriptor: a bare file name.
    pub title: Option<String>,
    /// Its bytes.
    pub content: Content,
}

/// The artifact of one architecture.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// What it was made from.
    pub kind: Kind,
    /// The architecture.
    pub arch: Arch,
    /// The config blob: `manifest.json`.
    pub config: Blob,
    /// The layers, in the order in which the manifest lists them.
    pub layers: Vec<Blob>,
    /// Annotations of the manifest, copied onto its descriptor in the index.
    pub annotations: BTreeMap<String, String>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The digest of the image index.
    pub index: Digest,
    /// The digest of each architecture's image manifest.
    pub manifests: BTreeMap<Arch, Digest>,
}

/// A layout that was read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The image indexes that `index.json` lists.
    pub indexes: Vec<ListedIndex>,
    /// The image manifests that `index.json` lists.
    pub manifests: Vec<Listed>,
    /// Whether `index.json` is written as we write JSON, with nothing in it that is not known.
    pub is_canonical: bool,
}

/// An image index, and the descriptor in `index.json` that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedIndex {
    /// The descriptor.
    pub descriptor: Descriptor,
    /// The index.
    pub index: Index,
    /// The manifests that it lists.
    pub manifests: Vec<Listed>,
}

/// An image manifest, and the descriptor that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The descriptor.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Manifest,
}
