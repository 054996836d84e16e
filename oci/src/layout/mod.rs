//! OCI image layouts (OCI image specification 1.1, `image-layout.md`): written whole or not at all,
//! read as something hostile.

mod blobs;
mod extent;
mod promise;
mod read;
mod store;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use host::Dir;
use model::{Arch, Digest};

pub use blobs::{BlobReader, Blobs};
pub use extent::paths;
pub use promise::Broken;
pub use read::{digest, open, read};
pub use store::Store;
pub use write::write;

/// The version of the layout's format that is written and read: `imageLayoutVersion`.
const VERSION: &str = "1.0.0";

/// Where a blob's bytes are.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a file, which is copied and hashed in one pass and never shared.
    File {
        /// The directory that holds it.
        directory: Arc<Dir>,
        /// Its name there.
        name: String,
    },
    /// In a file on the layout's file system that nobody else has, which becomes the blob without another
    /// reading.
    Moved {
        /// The directory that holds it.
        directory: Arc<Dir>,
        /// Its name there; it is gone afterwards, also when the layout could not be written.
        name: String,
        /// The sha256 of its bytes, computed while they were written.
        digest: Digest,
        /// Their number.
        size: u64,
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
    pub indexes: Vec<Index>,
    /// The image manifests that `index.json` lists.
    pub manifests: Vec<Manifest>,
    /// Whether `index.json` is written as we write JSON, with nothing in it that is not known.
    pub is_canonical: bool,
}

/// An image index of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The tag, where it has one.
    pub tag: Option<String>,
    /// The sha256 of its bytes.
    pub digest: Digest,
    /// Its own annotations.
    pub annotations: BTreeMap<String, String>,
    /// The manifests it lists.
    pub manifests: Vec<Manifest>,
    /// Whether it is written as we write JSON, with nothing in it that is not known.
    pub is_canonical: bool,
}

/// An image manifest of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The tag, where `index.json` gives it one.
    pub tag: Option<String>,
    /// The sha256 of its bytes.
    pub digest: Digest,
    /// The architecture that its descriptor names, where it names one that is known.
    pub arch: Option<Arch>,
    /// Its `artifactType`.
    pub artifact_type: Option<String>,
    /// Its own annotations.
    pub annotations: BTreeMap<String, String>,
    /// The annotations of the descriptor that led to it.
    pub descriptor_annotations: BTreeMap<String, String>,
    /// The config blob.
    pub config: StoredBlob,
    /// The layers.
    pub layers: Vec<StoredBlob>,
    /// Whether it is written as we write JSON, with nothing in it that is not known.
    pub is_canonical: bool,
}

/// A blob of a layout, whose size was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its media type.
    pub media_type: String,
    /// Its bare file name, where its descriptor gives one.
    pub title: Option<String>,
    /// The sha256 of its bytes.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where it lies.
    pub path: PathBuf,
}
