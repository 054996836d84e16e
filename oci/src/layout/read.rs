//! Reading a layout that anyone may have made.

use std::collections::BTreeSet;
use std::path::Path;

use host::Dir;
use model::manifest::Kind;

use super::files::{self, DOCUMENTS_LIMIT, INDEX};
use super::promise::{self, Broken};
use super::{Layout, Listed, ListedIndex, Store};
use crate::content::{ContentStore as _, DOCUMENT_LIMIT, Descriptor, Index, Manifest, unexpected};
use crate::error::Error;
use crate::media;
use crate::place::Place;

/// Reads the layout in `directory` and checks every size and digest in it.
///
/// # Errors
/// For the first thing that is not as the descriptors say, whose version or media type is not known, or
/// that contradicts what the documents of a module promise.
pub fn read(directory: &Path) -> Result<Layout, Error> {
    let (layout, store) = open(Dir::open(directory)?)?;
    let mut checked = BTreeSet::new();
    for blob in layout.documents().flat_map(Listed::blobs) {
        if checked.insert(blob.digest) {
            store.open(blob)?.finish()?;
        }
    }
    Ok(layout)
}

/// Reads the documents of the layout in `directory`. Its other blobs are there, of the size that is said,
/// and not read yet: the store reads them and checks their digests.
///
/// # Errors
/// As [`read`].
pub fn open(directory: Dir) -> Result<(Layout, Store), Error> {
    let place: Place = directory.join(INDEX).into();
    let index = files::document(&directory, INDEX)?;
    let store = Store::open(directory)?;
    let index = Index::parse(index, &place)?;
    let mut reader = Reader { store: &store, listed: 0 };
    let mut layout = Layout { indexes: Vec::new(), manifests: Vec::new(), is_canonical: index.is_canonical() };
    let mut tags = BTreeSet::new();
    for descriptor in index.manifests {
        if let Some(tag) = descriptor.tag()
            && !tags.insert(tag.to_owned())
        {
            return Err(Error::DuplicateTag { place, tag: tag.to_owned() });
        }
        match descriptor.media_type.as_str() {
            media::IMAGE_INDEX => layout.indexes.push(reader.index(descriptor)?),
            media::IMAGE_MANIFEST => layout.manifests.push(reader.manifest((&place, false), descriptor)?),
            other => return Err(unexpected(&place, other, "an image index or image manifest")),
        }
    }
    promise::together(&layout).map_err(broken(&place))?;
    Ok((layout, store))
}

struct Reader<'a> {
    store: &'a Store,
    /// The bytes of the documents that were listed so far.
    listed: u64,
}

impl Reader<'_> {
    fn index(&mut self, descriptor: Descriptor) -> Result<ListedIndex, Error> {
        let (place, bytes) = self.document(&descriptor)?;
        let index = Index::parse(bytes, &place)?;
        let mut manifests = Vec::new();
        for descriptor in &index.manifests {
            // An index in an index could go on for ever, and no module has one.
            match descriptor.media_type.as_str() {
                media::IMAGE_MANIFEST => manifests.push(self.manifest((&place, true), descriptor.clone())?),
                other => return Err(unexpected(&place, other, media::IMAGE_MANIFEST)),
            }
        }
        let listed = ListedIndex { descriptor, index, manifests };
        promise::index(&listed).map_err(broken(&place))?;
        Ok(listed)
    }

    /// The manifest that a descriptor in `from`, an index or `index.json`, leads to.
    fn manifest(&mut self, (from, is_in_index): (&Place, bool), descriptor: Descriptor) -> Result<Listed, Error> {
        let (place, bytes) = self.document(&descriptor)?;
        let listed = Listed { manifest: Manifest::parse(bytes, &place)?, descriptor };
        for blob in listed.blobs() {
            self.store.check_size(blob)?;
        }
        match listed.kind() {
            Some(kind) => {
                promise::manifest(kind, &listed.manifest).map_err(broken(&place))?;
                promise::descriptor(&listed, is_in_index).map_err(broken(from))?;
            }
            None if listed.descriptor.artifact_type.as_deref().and_then(media::kind).is_some() => {
                let found = listed.manifest.artifact_type.unwrap_or_default();
                return Err(broken(&place)(Broken::ArtifactType { found }));
            }
            None => {}
        }
        Ok(listed)
    }

    /// The bytes of a document, and where they are.
    fn document(&mut self, descriptor: &Descriptor) -> Result<(Place, Vec<u8>), Error> {
        self.listed = self.listed.saturating_add(descriptor.size);
        if self.listed > DOCUMENTS_LIMIT {
            return Err(Error::TooManyDocuments { place: self.store.place(), limit: DOCUMENTS_LIMIT });
        }
        let place = self.store.path(&descriptor.digest).into();
        Ok((place, self.store.open(descriptor)?.bytes(DOCUMENT_LIMIT)?))
    }
}

fn broken(place: &Place) -> impl FnOnce(Broken) -> Error {
    let place = place.clone();
    move |broken| Error::Broken { place, broken }
}

impl Layout {
    /// Every manifest, as often as it is listed: those of the indexes first.
    pub fn documents(&self) -> impl Iterator<Item = &Listed> {
        self.indexes.iter().flat_map(|index| &index.manifests).chain(&self.manifests)
    }
}

impl ListedIndex {
    /// Whether it lists a module, or an artifact of another kind that is ours.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.manifests.iter().any(|manifest| manifest.kind().is_some())
    }
}

impl Listed {
    /// The kind of manifest that the artifact was made from; none when it is none of ours.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.manifest.artifact_type.as_deref().and_then(media::kind)
    }

    /// Its layers, and its config.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifest.layers.iter().chain([&self.manifest.config])
    }
}
