//! Documents that list other content: image manifests and image indexes, with the bytes that they were read from.

use std::collections::BTreeMap;

use model::Digest;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

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

/// Both kinds at once, as JSON has them. A document that could be read as either is neither: what one reader takes for a
/// manifest and another for an index would be two artifacts of one digest (CVE-2021-41190).
#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<Descriptor>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifests: Option<Vec<Descriptor>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
    // Of the manifests before OCI.
    #[serde(skip_serializing)]
    fs_layers: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    history: Option<IgnoredAny>,
}

impl Manifest {
    /// The manifest of an artifact, in canonical JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn new(
        artifact_type: &str,
        config: Descriptor,
        layers: Vec<Descriptor>,
        annotations: BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let artifact_type = Some(artifact_type.to_owned());
        let new = Self { raw: Vec::new(), artifact_type, config, layers, subject: None, annotations };
        Ok(Self { raw: new.canonical()?, ..new })
    }

    /// Whether its bytes are as [`Manifest::new`] writes them, with nothing in them that is not known.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.canonical().is_ok_and(|bytes| bytes == self.raw)
    }

    fn canonical(&self) -> Result<Vec<u8>, Error> {
        let json = Json {
            config: Some(self.config.clone()),
            layers: Some(self.layers.clone()),
            ..Json::new(&self.artifact_type, &self.subject, &self.annotations)
        };
        json.canonical(media::IMAGE_MANIFEST)
    }
}

impl Index {
    /// An index over documents, in canonical JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn new(artifact_type: Option<&str>, manifests: Vec<Descriptor>) -> Result<Self, Error> {
        let artifact_type = artifact_type.map(str::to_owned);
        let new = Self { raw: Vec::new(), artifact_type, manifests, subject: None, annotations: BTreeMap::new() };
        Ok(Self { raw: new.canonical()?, ..new })
    }

    /// Whether its bytes are as [`Index::new`] writes them, with nothing in them that is not known.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.canonical().is_ok_and(|bytes| bytes == self.raw)
    }

    fn canonical(&self) -> Result<Vec<u8>, Error> {
        let manifests = Some(self.manifests.clone());
        let json = Json { manifests, ..Json::new(&self.artifact_type, &self.subject, &self.annotations) };
        json.canonical(media::IMAGE_INDEX)
    }
}

impl Json {
    fn new(
        artifact_type: &Option<String>,
        subject: &Option<Descriptor>,
        annotations: &BTreeMap<String, String>,
    ) -> Self {
        Self {
            schema_version: 2,
            artifact_type: artifact_type.clone(),
            subject: subject.clone(),
            annotations: Some(annotations.clone()).filter(|annotations| !annotations.is_empty()),
            ..Self::default()
        }
    }

    fn canonical(self, media_type: &'static str) -> Result<Vec<u8>, Error> {
        let json = Self { media_type: Some(media_type.to_owned()), ..self };
        model::canonical::json(&json).map_err(|source| Error::Serialize { what: name(media_type), source })
    }
}

/// What a document of this media type is called.
fn name(media_type: &str) -> &'static str {
    if media_type == media::IMAGE_INDEX { "image index" } else { "image manifest" }
}

impl Document {
    /// Parses the bytes of a document of this media type; `place` is where they are.
    ///
    /// # Errors
    /// When the media type is not known or the document has another one, its version is not known, there are too many
    /// bytes, or they are no such document.
    pub fn parse(media_type: &str, raw: Vec<u8>, place: &Place) -> Result<Self, Error> {
        match media_type {
            media::IMAGE_MANIFEST => Ok(Self::Manifest(Box::new(Manifest::parse(raw, place)?))),
            media::IMAGE_INDEX => Ok(Self::Index(Box::new(Index::parse(raw, place)?))),
            other => Err(unexpected(place, other, "an image index or image manifest")),
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

impl Manifest {
    /// Parses an image manifest, as [`Document::parse`].
    pub(crate) fn parse(raw: Vec<u8>, place: &Place) -> Result<Self, Error> {
        let Json { artifact_type, config, layers, manifests, subject, annotations, .. } =
            parse(&raw, media::IMAGE_MANIFEST, place)?;
        match (config, layers, manifests) {
            (Some(config), Some(layers), None) => {
                let annotations = annotations.unwrap_or_default();
                Ok(Self { raw, artifact_type, config, layers, subject, annotations })
            }
            _ => Err(Error::Ambiguous { place: place.clone(), what: name(media::IMAGE_MANIFEST) }),
        }
    }
}

impl Index {
    /// Parses an image index, as [`Document::parse`].
    pub(crate) fn parse(raw: Vec<u8>, place: &Place) -> Result<Self, Error> {
        let Json { artifact_type, config, layers, manifests, subject, annotations, .. } =
            parse(&raw, media::IMAGE_INDEX, place)?;
        match (config, layers, manifests) {
            (None, None, Some(manifests)) => {
                let annotations = annotations.unwrap_or_default();
                Ok(Self { raw, artifact_type, manifests, subject, annotations })
            }
            _ => Err(Error::Ambiguous { place: place.clone(), what: name(media::IMAGE_INDEX) }),
        }
    }
}

fn parse(raw: &[u8], media_type: &'static str, place: &Place) -> Result<Json, Error> {
    let (what, size) = (name(media_type), raw.len() as u64);
    if size > DOCUMENT_LIMIT {
        return Err(Error::TooLarge { place: place.clone(), size, limit: DOCUMENT_LIMIT });
    }
    let json: Json =
        serde_json::from_slice(raw).map_err(|source| Error::Json { what, place: place.clone(), source })?;
    if json.schema_version != 2 {
        let found = json.schema_version.to_string();
        return Err(Error::UnknownVersion { place: place.clone(), field: "schemaVersion", found, known: "2" });
    }
    if let Some(found) = json.media_type.as_deref().filter(|found| *found != media_type) {
        return Err(unexpected(place, found, media_type));
    }
    if json.fs_layers.is_some() || json.history.is_some() {
        return Err(Error::Ambiguous { place: place.clone(), what });
    }
    Ok(json)
}

/// A media type that stands where only others may.
pub(crate) fn unexpected(place: &Place, found: &str, expected: &'static str) -> Error {
    Error::MediaType { place: place.clone(), found: found.to_owned(), expected }
}
