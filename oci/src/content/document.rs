//! Documents that list other content: image manifests and image indexes, with the bytes that they were read from.

use std::collections::BTreeMap;

use model::Digest;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{DOCUMENT_LIMIT, Descriptor};
use crate::error::Error;
use crate::media;
use crate::place::Place;

/// A document that lists other content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// An image manifest.
    Manifest(Box<Manifest>),
    /// An image index.
    Index(Box<Index>),
}

/// An image manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The bytes that it was read from: the digest is theirs.
    pub raw: Vec<u8>,
    /// What the artifact is, where it says so.
    pub artifact_type: Option<String>,
    /// The config.
    pub config: Descriptor,
    /// The layers.
    pub layers: Vec<Descriptor>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// What else is said of it.
    pub annotations: BTreeMap<String, String>,
}

/// An image index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The bytes that it was read from: the digest is theirs.
    pub raw: Vec<u8>,
    /// What the artifact is, where it says so.
    pub artifact_type: Option<String>,
    /// The documents that it lists.
    pub manifests: Vec<Descriptor>,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// What else is said of it.
    pub annotations: BTreeMap<String, String>,
}

/// Both kinds at once. A document that could be read as either is neither: what one reader takes for a manifest and
/// another for an index would be two artifacts of one digest (CVE-2021-41190).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u32,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
    // Of the manifests before OCI.
    fs_layers: Option<IgnoredAny>,
    history: Option<IgnoredAny>,
}

impl Document {
    /// Parses the bytes of a document of this media type; `place` is where they lie.
    ///
    /// # Errors
    /// When the media type is not known or the document has another one, its version is not known, there are too many
    /// bytes, or they are no such document.
    pub fn parse(media_type: &str, raw: Vec<u8>, place: &Place) -> Result<Self, Error> {
        let unexpected =
            |found: &str, expected| Error::MediaType { place: place.clone(), found: found.to_owned(), expected };
        let what = match media_type {
            media::IMAGE_MANIFEST => "image manifest",
            media::IMAGE_INDEX => "image index",
            other => return Err(unexpected(other, "an image index or image manifest")),
        };
        let size = raw.len() as u64;
        if size > DOCUMENT_LIMIT {
            return Err(Error::TooLarge { place: place.clone(), size, limit: DOCUMENT_LIMIT });
        }
        let read: Raw =
            serde_json::from_slice(&raw).map_err(|source| Error::Json { what, place: place.clone(), source })?;
        if read.schema_version != 2 {
            let found = read.schema_version.to_string();
            return Err(Error::UnknownVersion { place: place.clone(), field: "schemaVersion", found, known: "2" });
        }
        if let Some(found) = read.media_type.as_deref().filter(|found| *found != media_type) {
            return Err(unexpected(found, what));
        }
        let (artifact_type, subject) = (read.artifact_type, read.subject);
        let annotations = read.annotations.unwrap_or_default();
        let is_older = read.fs_layers.is_some() || read.history.is_some();
        match (what, read.config, read.layers, read.manifests) {
            ("image manifest", Some(config), Some(layers), None) if !is_older => {
                Ok(Self::Manifest(Box::new(Manifest { raw, artifact_type, config, layers, subject, annotations })))
            }
            ("image index", None, None, Some(manifests)) if !is_older => {
                Ok(Self::Index(Box::new(Index { raw, artifact_type, manifests, subject, annotations })))
            }
            _ => Err(Error::Ambiguous { place: place.clone(), what }),
        }
    }

    /// The bytes that it was read from.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        match self {
            Self::Manifest(manifest) => &manifest.raw,
            Self::Index(index) => &index.raw,
        }
    }

    /// What it refers to.
    #[must_use]
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Manifest(manifest) => manifest.subject.as_ref(),
            Self::Index(index) => index.subject.as_ref(),
        }
    }

    /// What it is made of, in the order in which it lists it; not its subject.
    #[must_use]
    pub fn children(&self) -> Vec<&Descriptor> {
        match self {
            Self::Manifest(manifest) => std::iter::once(&manifest.config).chain(&manifest.layers).collect(),
            Self::Index(index) => index.manifests.iter().collect(),
        }
    }

    /// The descriptor by which a list of referrers names it: with the artifact type, or else the config's media type, and
    /// the annotations that it has itself.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        let (media_type, artifact_type, annotations) = match self {
            Self::Manifest(manifest) => {
                let kind = manifest.artifact_type.as_ref().unwrap_or(&manifest.config.media_type);
                (media::IMAGE_MANIFEST, Some(kind.clone()), &manifest.annotations)
            }
            Self::Index(index) => (media::IMAGE_INDEX, index.artifact_type.clone(), &index.annotations),
        };
        Descriptor { artifact_type, annotations: annotations.clone(), ..Descriptor::of(media_type, self.raw()) }
    }

    /// Whether its subject is the content of this digest.
    #[must_use]
    pub fn refers_to(&self, digest: &Digest) -> bool {
        self.subject().is_some_and(|subject| subject.digest == *digest)
    }
}
