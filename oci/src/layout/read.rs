//! Reading a layout that anybody may have made.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use model::{Arch, Digest};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, OciLayout};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{Index, Layout, Manifest, StoredBlob, VERSION};
use crate::error::Error;
use crate::media::{self, annotation};

/// The largest JSON document that is read, in bytes; what registries agree on.
const DOCUMENT_LIMIT: u64 = 4 << 20;

/// The most bytes of indexes and manifests in one layout, each counted as often as it is listed: few
/// documents that list each other many times would come out far larger than the layout.
const DOCUMENTS_LIMIT: u64 = 64 << 20;

/// Reads the layout in `directory` and checks every size and digest in it.
///
/// # Errors
/// For the first thing that is not as the descriptors say, or whose version or media type is not
/// known.
pub fn read(directory: &Path) -> Result<Layout, Error> {
    let mut reader = Reader { directory, checked: BTreeSet::new(), listed: 0 };
    reader.version()?;
    let path = directory.join("index.json");
    let bytes = document(&path, None)?;
    let index: ImageIndex = parse("index.json", &path, &bytes)?;
    check_index(&path, &index)?;
    let mut layout = Layout { indexes: Vec::new(), manifests: Vec::new() };
    let mut tags = BTreeSet::new();
    for descriptor in index.manifests() {
        let tag = descriptor.annotations().as_ref().and_then(|map| map.get(annotation::REF_NAME)).cloned();
        if let Some(tag) = &tag
            && !tags.insert(tag.clone())
        {
            return Err(Error::DuplicateTag { path, tag: tag.clone() });
        }
        match descriptor.media_type().as_ref() {
            media::IMAGE_INDEX => layout.indexes.push(reader.index(&path, descriptor, tag)?),
            media::IMAGE_MANIFEST => layout.manifests.push(reader.manifest(&path, descriptor, tag)?),
            other => return Err(unexpected(&path, other, "an image index or image manifest")),
        }
    }
    Ok(layout)
}

struct Reader<'a> {
    directory: &'a Path,
    /// Blobs whose content was hashed already.
    checked: BTreeSet<Digest>,
    /// The bytes of the documents that were listed so far.
    listed: u64,
}

impl Reader<'_> {
    fn version(&self) -> Result<(), Error> {
        let path = self.directory.join("oci-layout");
        let layout: OciLayout = parse("oci-layout file", &path, &document(&path, None)?)?;
        let found = layout.image_layout_version();
        if found != VERSION {
            let found = found.clone();
            return Err(Error::UnknownVersion { path, field: "imageLayoutVersion", found, known: VERSION });
        }
        Ok(())
    }

    fn index(&mut self, from: &Path, descriptor: &Descriptor, tag: Option<String>) -> Result<Index, Error> {
        let (digest, path, bytes) = self.listed(from, descriptor)?;
        let index: ImageIndex = parse("image index", &path, &bytes)?;
        check_index(&path, &index)?;
        let mut manifests = Vec::new();
        for descriptor in index.manifests() {
            // An index in an index could go on for ever, and no module has one.
            match descriptor.media_type().as_ref() {
                media::IMAGE_MANIFEST => manifests.push(self.manifest(&path, descriptor, None)?),
                other => return Err(unexpected(&path, other, media::IMAGE_MANIFEST)),
            }
        }
        Ok(Index { tag, digest, annotations: ordered(index.annotations()), manifests })
    }

    fn manifest(&mut self, from: &Path, descriptor: &Descriptor, tag: Option<String>) -> Result<Manifest, Error> {
        let (digest, path, bytes) = self.listed(from, descriptor)?;
        let manifest: ImageManifest = parse("image manifest", &path, &bytes)?;
        check_schema(&path, manifest.schema_version())?;
        check_media_type(&path, manifest.media_type().as_ref().map(AsRef::as_ref), media::IMAGE_MANIFEST)?;
        let layers = manifest.layers().iter().map(|layer| self.blob(&path, layer)).collect::<Result<_, _>>()?;
        let arch = descriptor.platform().as_ref().and_then(|platform| {
            let (name, variant) = (platform.architecture().to_string(), platform.variant().as_deref());
            Arch::all().find(|arch| arch.oci() == name && (variant.is_none() || arch.oci_variant() == variant))
        });
        Ok(Manifest {
            tag,
            digest,
            arch,
            artifact_type: manifest.artifact_type().as_ref().map(ToString::to_string),
            annotations: ordered(manifest.annotations()),
            descriptor_annotations: ordered(descriptor.annotations()),
            config: self.blob(&path, manifest.config())?,
            layers,
        })
    }

    /// A document that `from` lists: its digest, path and bytes.
    fn listed(&mut self, from: &Path, descriptor: &Descriptor) -> Result<(Digest, PathBuf, Vec<u8>), Error> {
        let (digest, path) = self.locate(from, descriptor)?;
        self.listed = self.listed.saturating_add(descriptor.size());
        if self.listed > DOCUMENTS_LIMIT {
            return Err(Error::TooManyDocuments { path: self.directory.to_owned(), limit: DOCUMENTS_LIMIT });
        }
        let bytes = document(&path, Some((digest, descriptor.size())))?;
        Ok((digest, path, bytes))
    }

    /// Checks the blob's size and, once for each blob, its digest.
    fn blob(&mut self, from: &Path, descriptor: &Descriptor) -> Result<StoredBlob, Error> {
        let (digest, path) = self.locate(from, descriptor)?;
        let mut file = open(&path, Some(descriptor.size()))?;
        if self.checked.insert(digest) {
            let found = hash(&mut file, &path)?;
            if found != digest {
                return Err(Error::DigestMismatch { path, expected: digest, found });
            }
        }
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
        let digest: Digest =
            text.parse().map_err(|_| Error::DigestText { path: from.to_owned(), found: text.clone() })?;
        Ok((digest, self.directory.join("blobs/sha256").join(digest.hex())))
    }
}

/// Opens a regular file of the expected size, following no symbolic link.
fn open(path: &Path, expected: Option<u64>) -> Result<File, Error> {
    let metadata = fs::symlink_metadata(path).map_err(Error::io("read", path))?;
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: path.to_owned() });
    }
    match expected {
        Some(expected) if expected != metadata.len() => {
            Err(Error::SizeMismatch { path: path.to_owned(), expected, found: metadata.len() })
        }
        _ => File::open(path).map_err(Error::io("open", path)),
    }
}

/// A whole JSON document, with the digest and size that its descriptor gives.
fn document(path: &Path, expected: Option<(Digest, u64)>) -> Result<Vec<u8>, Error> {
    let file = open(path, expected.map(|(_, size)| size))?;
    let mut bytes = Vec::new();
    file.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    let size = bytes.len() as u64;
    if size > DOCUMENT_LIMIT {
        return Err(Error::TooLarge { path: path.to_owned(), size, limit: DOCUMENT_LIMIT });
    }
    if let Some((expected, _)) = expected {
        let found = Digest::of(&bytes);
        if found != expected {
            return Err(Error::DigestMismatch { path: path.to_owned(), expected, found });
        }
    }
    Ok(bytes)
}

/// The sha256 and the length in bytes of the regular file at `path`, which may be of any size.
///
/// # Errors
/// When it cannot be read, or is no regular file.
pub fn digest(path: &Path) -> Result<(Digest, u64), Error> {
    let mut file = open(path, None)?;
    let digest = hash(&mut file, path)?;
    let size = file.metadata().map_err(Error::io("read", path))?.len();
    Ok((digest, size))
}

fn hash(file: &mut File, path: &Path) -> Result<Digest, Error> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest::new(hash.finalize().into())),
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path)(error)),
        }
    }
}

fn parse<T: DeserializeOwned>(what: &'static str, path: &Path, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Json { what, path: path.to_owned(), source })
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
    Err(Error::UnknownVersion { path: path.to_owned(), field: "schemaVersion", found, known: "2" })
}

/// The document's own media type may be absent, but not another one.
fn check_media_type(path: &Path, found: Option<&str>, expected: &'static str) -> Result<(), Error> {
    match found {
        Some(found) if found != expected => Err(unexpected(path, found, expected)),
        _ => Ok(()),
    }
}

fn unexpected(path: &Path, found: &str, expected: &'static str) -> Error {
    Error::MediaType { path: path.to_owned(), found: found.to_owned(), expected }
}

fn ordered(map: &Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    map.iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}
