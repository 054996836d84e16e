//! Reading a layout that anybody may have made.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use host::{Dir, Fault, Links};
use model::{Arch, Digest};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::blobs::Blobs;
use super::promise::{self, Broken};
use super::{Index, Layout, Manifest, StoredBlob, VERSION};
use crate::error::Error;
use crate::json;
use crate::media::{self, annotation};

/// The largest JSON document that is read, in bytes; what registries agree on.
const DOCUMENT_LIMIT: u64 = 4 << 20;

/// The most bytes of indexes and manifests in one layout, each counted as often as it is listed: few
/// documents that list each other many times would come out far larger than the layout.
const DOCUMENTS_LIMIT: u64 = 64 << 20;

/// Where blobs lie.
pub(super) const BLOBS: &str = "blobs/sha256";

/// Reads the layout in `directory` and checks every size and digest in it.
///
/// # Errors
/// For the first thing that is not as the descriptors say, whose version or media type is not known, or
/// that contradicts what the documents of a module promise.
pub fn read(directory: &Path) -> Result<Layout, Error> {
    let (layout, blobs) = open(&Dir::open(directory)?)?;
    let mut checked = BTreeSet::new();
    let manifests = layout.indexes.iter().flat_map(|index| &index.manifests).chain(&layout.manifests);
    for blob in manifests.flat_map(|manifest| manifest.layers.iter().chain([&manifest.config])) {
        if checked.insert(blob.digest) {
            blobs.check(blob)?;
        }
    }
    Ok(layout)
}

/// Reads the documents of the layout in `directory`. Its other blobs are there, of the size that is said,
/// and not read yet: [`Blobs`] reads them and checks their digests.
///
/// # Errors
/// As [`read`].
pub fn open(directory: &Dir) -> Result<(Layout, Blobs), Error> {
    let blobs = directory.directory(BLOBS, Links::Refuse).map_err(misplaced)?;
    let mut reader = Reader { directory, blobs, listed: 0 };
    version(directory)?;
    let path = directory.join("index.json");
    let bytes = document(directory, "index.json", &path, None)?;
    let index: ImageIndex = parse("index.json", &path, &bytes)?;
    check_index(&path, &index)?;
    let is_canonical = json::canonical("index.json", &index)? == bytes;
    let mut layout = Layout { indexes: Vec::new(), manifests: Vec::new(), is_canonical };
    let mut tags = BTreeSet::new();
    for descriptor in index.manifests() {
        let tag = descriptor.annotations().as_ref().and_then(|map| map.get(annotation::REF_NAME)).cloned();
        if let Some(tag) = &tag
            && !tags.insert(tag.clone())
        {
            return Err(Error::DuplicateTag { place: path.into(), tag: tag.clone() });
        }
        match descriptor.media_type().as_ref() {
            media::IMAGE_INDEX => layout.indexes.push(reader.index(&path, descriptor, tag)?),
            media::IMAGE_MANIFEST => layout.manifests.push(reader.manifest((&path, false), descriptor, tag)?),
            other => return Err(unexpected(&path, other, "an image index or image manifest")),
        }
    }
    promise::together(&layout.indexes, &layout.manifests).map_err(broken(&path))?;
    Ok((layout, Blobs::new(reader.blobs)))
}

struct Reader<'a> {
    directory: &'a Dir,
    blobs: Dir,
    /// The bytes of the documents that were listed so far.
    listed: u64,
}

impl Reader<'_> {
    fn index(&mut self, from: &Path, descriptor: &Descriptor, tag: Option<String>) -> Result<Index, Error> {
        let (digest, path, bytes) = self.listed(from, descriptor)?;
        let document: ImageIndex = parse("image index", &path, &bytes)?;
        check_index(&path, &document)?;
        let mut manifests = Vec::new();
        for descriptor in document.manifests() {
            // An index in an index could go on for ever, and no module has one.
            match descriptor.media_type().as_ref() {
                media::IMAGE_MANIFEST => manifests.push(self.manifest((&path, true), descriptor, None)?),
                other => return Err(unexpected(&path, other, media::IMAGE_MANIFEST)),
            }
        }
        let is_canonical = json::canonical("image index", &document)? == bytes;
        let index = Index { tag, digest, annotations: ordered(document.annotations()), manifests, is_canonical };
        promise::index(&document, descriptor, &index).map_err(broken(&path))?;
        Ok(index)
    }

    /// The manifest that a descriptor in `from`, an index or `index.json`, leads to.
    fn manifest(
        &mut self,
        (from, is_in_index): (&Path, bool),
        descriptor: &Descriptor,
        tag: Option<String>,
    ) -> Result<Manifest, Error> {
        let (digest, path, bytes) = self.listed(from, descriptor)?;
        let document: ImageManifest = parse("image manifest", &path, &bytes)?;
        check_schema(&path, document.schema_version())?;
        check_media_type(&path, document.media_type().as_ref().map(AsRef::as_ref), media::IMAGE_MANIFEST)?;
        let layers = document.layers().iter().map(|layer| self.blob(&path, layer)).collect::<Result<_, _>>()?;
        let arch = descriptor.platform().as_ref().and_then(|platform| {
            let (name, variant) = (platform.architecture().to_string(), platform.variant().as_deref());
            Arch::all().find(|arch| arch.oci() == name && (variant.is_none() || arch.oci_variant() == variant))
        });
        let manifest = Manifest {
            tag,
            digest,
            arch,
            artifact_type: document.artifact_type().as_ref().map(ToString::to_string),
            annotations: ordered(document.annotations()),
            descriptor_annotations: ordered(descriptor.annotations()),
            config: self.blob(&path, document.config())?,
            layers,
            is_canonical: json::canonical("image manifest", &document)? == bytes,
        };
        if manifest.artifact_type.as_deref() == Some(media::ARTIFACT) {
            promise::manifest(&document).map_err(broken(&path))?;
            promise::descriptor(descriptor, &manifest, is_in_index).map_err(broken(from))?;
        } else if descriptor.artifact_type().as_ref().is_some_and(|found| found.as_ref() == media::ARTIFACT) {
            let found = manifest.artifact_type.unwrap_or_default();
            return Err(broken(&path)(Broken::ArtifactType { found }));
        }
        Ok(manifest)
    }

    /// A document that `from` lists: its digest, path and bytes.
    fn listed(&mut self, from: &Path, descriptor: &Descriptor) -> Result<(Digest, PathBuf, Vec<u8>), Error> {
        let (digest, path) = self.locate(from, descriptor)?;
        self.listed = self.listed.saturating_add(descriptor.size());
        if self.listed > DOCUMENTS_LIMIT {
            let path = self.directory.path().to_owned();
            return Err(Error::TooManyDocuments { place: path.into(), limit: DOCUMENTS_LIMIT });
        }
        let bytes = document(&self.blobs, &digest.hex(), &path, Some((digest, descriptor.size())))?;
        Ok((digest, path, bytes))
    }

    /// A blob that is there and has the size that is said.
    fn blob(&mut self, from: &Path, descriptor: &Descriptor) -> Result<StoredBlob, Error> {
        let (digest, path) = self.locate(from, descriptor)?;
        open_blob(&self.blobs, &digest.hex(), &path, Some(descriptor.size()))?;
        Ok(StoredBlob {
            media_type: descriptor.media_type().to_string(),
            title: descriptor.annotations().as_ref().and_then(|map| map.get(annotation::TITLE)).cloned(),
            digest,
            size: descriptor.size(),
            path,
        })
    }

    /// The blob's digest and path. The path is made of 64 hexadecimal digits, so it stays inside.
    fn locate(&self, from: &Path, descriptor: &Descriptor) -> Result<(Digest, PathBuf), Error> {
        let text = descriptor.digest().to_string();
        let digest: Digest = text.parse().map_err(|_| Error::DigestText { place: from.into(), found: text.clone() })?;
        Ok((digest, self.blobs.join(digest.hex())))
    }
}

/// Refuses a layout whose version is not known.
pub(super) fn version(directory: &Dir) -> Result<(), Error> {
    /// The whole file: what else stands in it no reader looks at.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct OciLayout {
        image_layout_version: String,
    }
    let path = directory.join("oci-layout");
    let bytes = document(directory, "oci-layout", &path, None)?;
    let OciLayout { image_layout_version: found } = parse("oci-layout file", &path, &bytes)?;
    if found != VERSION {
        return Err(Error::UnknownVersion { place: path.into(), field: "imageLayoutVersion", found, known: VERSION });
    }
    Ok(())
}

/// Opens a regular file of the expected size, following no symbolic link.
pub(super) fn open_blob(directory: &Dir, name: &str, path: &Path, expected: Option<u64>) -> Result<File, Error> {
    let file = directory.file(name, Links::Refuse).map_err(misplaced)?;
    let found = file.metadata().map_err(Error::io("read", path))?.len();
    match expected {
        Some(expected) if expected != found => Err(Error::SizeMismatch { place: path.into(), expected, found }),
        _ => Ok(file),
    }
}

/// A file or directory that a layout must have is missing, or something else is there: that is damage of the
/// layout. What the system refuses is none.
pub(super) fn misplaced(error: host::Error) -> Error {
    match error {
        host::Error::Place { path, fault: Fault::NotAFile(_) } => Error::NotAFile { path },
        host::Error::Place { .. } => Error::Misplaced(error),
        error if error.is_not_found() => Error::Missing { path: error.path().to_owned() },
        error => Error::Host(error),
    }
}

fn broken(path: &Path) -> impl FnOnce(Broken) -> Error {
    let path = path.to_owned();
    move |broken| Error::Broken { place: path.into(), broken }
}

/// A whole JSON document, with the digest and size that its descriptor gives.
pub(super) fn document(
    directory: &Dir,
    name: &str,
    path: &Path,
    expected: Option<(Digest, u64)>,
) -> Result<Vec<u8>, Error> {
    let file = open_blob(directory, name, path, expected.map(|(_, size)| size))?;
    let size = file.metadata().map_err(Error::io("read", path))?.len();
    let mut bytes = Vec::new();
    file.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    let size = size.max(bytes.len() as u64);
    if size > DOCUMENT_LIMIT {
        return Err(Error::TooLarge { place: path.into(), size, limit: DOCUMENT_LIMIT });
    }
    if let Some((expected, _)) = expected {
        let found = Digest::of(&bytes);
        if found != expected {
            return Err(Error::DigestMismatch { place: path.into(), expected, found });
        }
    }
    Ok(bytes)
}

/// The sha256 and the length in bytes of the regular file at `path`, which may be of any size.
///
/// # Errors
/// When it cannot be read, or is no regular file.
pub fn digest(path: &Path) -> Result<(Digest, u64), Error> {
    let (directory, name) = Dir::parent_of(path)?;
    let file = directory.file(&name, Links::Refuse).map_err(misplaced)?;
    host::hash::sha256(file).map_err(Error::io("read", path))
}

fn parse<T: DeserializeOwned>(what: &'static str, path: &Path, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Json { what, place: path.into(), source })
}

fn check_index(path: &Path, index: &ImageIndex) -> Result<(), Error> {
    check_schema(path, index.schema_version())?;
    check_media_type(path, index.media_type().as_ref().map(AsRef::as_ref), media::IMAGE_INDEX)
}

fn check_schema(path: &Path, found: u32) -> Result<(), Error> {
    if found == 2 {
        return Ok(());
    }
    let found = found.to_string();
    Err(Error::UnknownVersion { place: path.into(), field: "schemaVersion", found, known: "2" })
}

/// The document's own media type may be absent, but not another one.
fn check_media_type(path: &Path, found: Option<&str>, expected: &'static str) -> Result<(), Error> {
    match found {
        Some(found) if found != expected => Err(unexpected(path, found, expected)),
        _ => Ok(()),
    }
}

fn unexpected(path: &Path, found: &str, expected: &'static str) -> Error {
    Error::MediaType { place: path.into(), found: found.to_owned(), expected }
}

fn ordered(map: &Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    map.iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}
