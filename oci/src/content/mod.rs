//! Content by its digest: descriptors, documents that list others, a trait for what keeps them, and the copy of a graph.
//!
//! Nothing here knows what an artifact is for. A store, whether a layout on disk or a registry, is a [`ContentStore`];
//! whatever moves between two of them goes through [`copy`].

mod copy;
mod document;
mod verified;

use std::collections::BTreeMap;
use std::io::Read;

use model::{Arch, Digest};
use oci_spec::image::{Os, Platform};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::Error;
use crate::media::{self, annotation};
use crate::place::Place;
use crate::reference::Tag;

pub use copy::{Copied, Options, copy};
pub(crate) use document::unexpected;
pub use document::{Document, Index, Manifest};
pub use verified::Verified;

/// The largest document that is read, in bytes; what registries agree on.
pub const DOCUMENT_LIMIT: u64 = 4 << 20;

/// What some content is and which bytes it has (`descriptor.md` of the OCI image specification 1.1).
///
/// Contents and addresses that a descriptor can carry by itself (`data`, `urls`) are not taken over, only whether there
/// are any: bytes come from the store, by their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// The sha256 of its bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// What the artifact is, where the descriptor leads to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What else is said of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_null")]
    pub annotations: BTreeMap<String, String>,
    /// The system it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Whether it has contents of its own.
    #[serde(default, skip_serializing)]
    pub data: Present,
    /// Whether it names addresses.
    #[serde(default, skip_serializing)]
    pub urls: Present,
}

/// Programs in Go write a map without entries as null.
fn or_null<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<String, String>, D::Error> {
    Option::deserialize(input).map(Option::unwrap_or_default)
}

/// Whether a field is there, whatever it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Present(pub bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Option::<IgnoredAny>::deserialize(input).map(|found| Self(found.is_some()))
    }
}

impl Descriptor {
    /// A descriptor of these bytes that says nothing else of them.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::blob(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A descriptor of content whose digest is known, that says nothing else of it.
    #[must_use]
    pub fn blob(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
            platform: None,
            data: Present(false),
            urls: Present(false),
        }
    }

    /// The bare file name that it gives, where it gives one.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.annotations.get(annotation::TITLE).map(String::as_str)
    }

    /// The tag that a layout's `index.json` gives it.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.annotations.get(annotation::REF_NAME).map(String::as_str)
    }

    /// The architecture that it names, where that is one of Debian's.
    #[must_use]
    pub fn arch(&self) -> Option<Arch> {
        let platform = self.platform.as_ref()?;
        let (name, variant) = (platform.architecture().to_string(), platform.variant().as_deref());
        Arch::all().find(|arch| arch.oci() == name && (variant.is_none() || arch.oci_variant() == variant))
    }

    /// The same for Linux on `arch`.
    #[must_use]
    pub fn on(self, arch: Arch) -> Self {
        let mut platform = Platform::default();
        platform.set_os(Os::Linux).set_architecture(arch.oci().into());
        platform.set_variant(arch.oci_variant().map(str::to_owned));
        Self { platform: Some(platform), ..self }
    }

    /// Whether it leads to a document that lists other content.
    #[must_use]
    pub fn is_document(&self) -> bool {
        [media::IMAGE_INDEX, media::IMAGE_MANIFEST].contains(&self.media_type.as_str())
    }
}

/// What keeps content by its digest, and tags that lead to some of it.
pub trait ContentStore {
    /// Where the store is, for messages.
    fn place(&self) -> Place;

    /// Whether the content is there. Its bytes are not read.
    ///
    /// # Errors
    /// When the store does not answer, or has the content in another size.
    fn stat(&self, descriptor: &Descriptor) -> Result<bool, Error>;

    /// The content's bytes, which are checked while they are read.
    ///
    /// # Errors
    /// When the content is not there, or has another size.
    fn open(&self, descriptor: &Descriptor) -> Result<Verified<Box<dyn Read + '_>>, Error>;

    /// Takes in content: it is there when this returns, and was what the descriptor says. A document that has a subject
    /// is one of the subject's referrers from then on.
    ///
    /// # Errors
    /// When the bytes are not those of the descriptor, or the store does not take them. Nothing is there then.
    fn put(&self, descriptor: &Descriptor, content: &mut dyn Read) -> Result<(), Error>;

    /// What the tag leads to; none when there is no such tag.
    ///
    /// # Errors
    /// When the store does not answer.
    fn resolve(&self, tag: &Tag) -> Result<Option<Descriptor>, Error>;

    /// Leads the tag to a document that is there.
    ///
    /// # Errors
    /// When the document is not there, or the store refuses.
    fn tag(&self, descriptor: &Descriptor, tag: &Tag) -> Result<(), Error>;

    /// Every tag, sorted.
    ///
    /// # Errors
    /// When the store does not answer.
    fn tags(&self) -> Result<Vec<Tag>, Error>;

    /// The documents whose subject is `subject`, each once, with the artifact type and the annotations that they have
    /// themselves. `artifact_type` selects among them by these.
    ///
    /// # Errors
    /// When the store does not answer: an error is never an empty list.
    fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, Error>;

    /// A document, read whole and parsed.
    ///
    /// # Errors
    /// As [`ContentStore::open`], when its bytes are not those of the descriptor, and when it is no document.
    fn document(&self, descriptor: &Descriptor) -> Result<Document, Error> {
        let bytes = self.open(descriptor)?.bytes(DOCUMENT_LIMIT)?;
        Document::parse(&descriptor.media_type, bytes, &self.place())
    }
}
