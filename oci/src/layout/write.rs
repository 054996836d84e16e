//! Writing a layout.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use host::{Dir, Links, Staged};
use model::{Arch, Digest};
use oci_spec::image::{
    Descriptor, DescriptorBuilder, ImageIndex, ImageIndexBuilder, ImageManifestBuilder, MediaType, OciLayoutBuilder,
    Platform, PlatformBuilder, Sha256Digest,
};
use sha2::{Digest as _, Sha256};

use super::extent::{INDEX, LAYOUT, list};
use super::{Artifact, Blob, Content, VERSION, Written};
use crate::error::Error;
use crate::json;
use crate::media::{self, annotation};
use crate::reference::Tag;

/// How many bytes of a file are copied at once.
const CHUNK: usize = 1 << 20;

/// Writes an image layout of `artifacts` to the directory `name` in `parent`, whole or not at all: an image manifest for
/// each, tagged `TAG-ARCH` (Debian's name of the architecture), and an image index at `TAG`.
///
/// The bytes depend on the arguments and the contents alone; the order of `artifacts` is of no
/// account. An existing layout is replaced, if it holds nothing but what its `index.json` leads to; any other
/// directory that is not empty is left alone.
///
/// # Errors
/// When the tag is no tag, two artifacts are for one architecture, a file cannot be read, something else is
/// in the directory, or the disk refuses. What was there is then still there.
pub fn write(
    parent: &Dir,
    name: impl AsRef<std::ffi::OsStr>,
    tag: &str,
    artifacts: &[Artifact],
) -> Result<Written, Error> {
    let name = name.as_ref();
    let mut sorted = BTreeMap::new();
    let _: Tag = tag.parse()?;
    for artifact in artifacts {
        let _: Tag = arch_tag(tag, artifact.arch).parse()?;
        if sorted.insert(artifact.arch, artifact).is_some() {
            return Err(Error::DuplicateArch { arch: artifact.arch });
        }
    }
    if sorted.is_empty() {
        return Err(Error::NoArtifact);
    }
    check_replaceable(parent, name)?;
    let staged = Staged::new(parent, name)?;
    let mut writer = Writer::begin(staged.dir())?;
    let mut manifests = BTreeMap::new();
    let mut descriptors = Vec::new();
    for (arch, artifact) in sorted {
        let descriptor = writer.manifest(artifact)?;
        manifests.insert(arch, digest_of(&descriptor)?);
        descriptors.push((arch, descriptor));
    }
    let index = writer.index(&descriptors)?;
    let written = Written { index: digest_of(&index)?, manifests };
    writer.entries(tag, index, descriptors)?;
    writer.finish()?;
    // What somebody put there while the names were exchanged is kept beside it: nothing else to say of it.
    staged.commit(INDEX, |old| list_alone(old, parent, name))?;
    Ok(written)
}

/// Only a layout or an empty directory is replaced: nobody's other files are removed.
fn check_replaceable(parent: &Dir, name: &std::ffi::OsStr) -> Result<(), Error> {
    match parent.kind(name)? {
        None => Ok(()),
        Some(rustix::fs::FileType::Directory) => {
            list_alone(&parent.directory(name, Links::Refuse)?, parent, name).map(drop)
        }
        Some(_) => Err(Error::NotALayout { path: parent.join(name) }),
    }
}

fn list_alone(directory: &Dir, parent: &Dir, name: &std::ffi::OsStr) -> Result<host::Listing, Error> {
    let listing = list(directory)?;
    match listing.foreign() {
        [] => Ok(listing),
        _ => Err(Error::NotALayout { path: parent.join(name) }),
    }
}

/// The tag of one architecture's manifest.
fn arch_tag(tag: &str, arch: Arch) -> String {
    format!("{tag}-{arch}")
}

/// Writes into the directory that will become the layout.
struct Writer<'a> {
    root: &'a Dir,
    all_blobs: Dir,
    blobs: Dir,
    next: u32,
}

impl<'a> Writer<'a> {
    fn begin(root: &'a Dir) -> Result<Self, Error> {
        let all_blobs = root.create_directory("blobs", 0o755)?;
        let blobs = all_blobs.create_directory("sha256", 0o755)?;
        Ok(Self { root, all_blobs, blobs, next: 0 })
    }

    /// Writes the blobs and the image manifest of `artifact`; gives the manifest's descriptor.
    fn manifest(&mut self, artifact: &Artifact) -> Result<Descriptor, Error> {
        let config = self.blob(&artifact.config)?;
        let layers = artifact.layers.iter().map(|layer| self.blob(layer)).collect::<Result<Vec<_>, _>>()?;
        let mut manifest = ImageManifestBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageManifest)
            .artifact_type(MediaType::from(media::ARTIFACT))
            .config(config)
            .layers(layers);
        let annotations: HashMap<String, String> = artifact.annotations.clone().into_iter().collect();
        if !annotations.is_empty() {
            manifest = manifest.annotations(annotations.clone());
        }
        let manifest = manifest.build().map_err(spec("image manifest"))?;
        let mut descriptor = self.document("image manifest", MediaType::ImageManifest, &manifest)?;
        descriptor.set_platform(Some(platform(artifact.arch)?));
        if !annotations.is_empty() {
            descriptor.set_annotations(Some(annotations));
        }
        Ok(descriptor)
    }

    /// Writes the index over all architectures; gives its descriptor.
    fn index(&mut self, manifests: &[(Arch, Descriptor)]) -> Result<Descriptor, Error> {
        let manifests: Vec<Descriptor> = manifests.iter().map(|(_, descriptor)| descriptor.clone()).collect();
        let index = image_index(manifests).artifact_type(MediaType::from(media::ARTIFACT));
        let index = index.build().map_err(spec("image index"))?;
        self.document("image index", MediaType::ImageIndex, &index)
    }

    /// Writes `index.json` and `oci-layout`.
    fn entries(&self, tag: &str, index: Descriptor, manifests: Vec<(Arch, Descriptor)>) -> Result<(), Error> {
        let mut entries = vec![tagged(index, tag)];
        entries.extend(manifests.into_iter().map(|(arch, descriptor)| tagged(descriptor, &arch_tag(tag, arch))));
        let index: ImageIndex = image_index(entries).build().map_err(spec("index.json"))?;
        write_file(self.root, INDEX, &json::canonical("index.json", &index)?)?;
        let layout = OciLayoutBuilder::default().image_layout_version(VERSION).build().map_err(spec("oci-layout"))?;
        write_file(self.root, LAYOUT, &json::canonical("oci-layout", &layout)?)
    }

    /// Writes a JSON document as a blob; gives a descriptor with the artifact type of a module.
    fn document(
        &mut self,
        what: &'static str,
        media_type: MediaType,
        value: &impl serde::Serialize,
    ) -> Result<Descriptor, Error> {
        let bytes = json::canonical(what, value)?;
        let size = bytes.len() as u64;
        let digest = self.bytes(&bytes)?;
        describe(media_type, digest, size).artifact_type(media::ARTIFACT).build().map_err(spec(what))
    }

    fn blob(&mut self, blob: &Blob) -> Result<Descriptor, Error> {
        let (digest, size) = match &blob.content {
            Content::Bytes(bytes) => (self.bytes(bytes)?, bytes.len() as u64),
            Content::File { directory, name } => self.file(directory, name)?,
            Content::Moved { directory, name, digest, size } => self.moved((directory, name), *digest, *size)?,
        };
        let mut descriptor = describe(MediaType::from(blob.media_type.as_str()), digest, size);
        if let Some(title) = &blob.title {
            descriptor = descriptor.annotations([(annotation::TITLE.to_owned(), title.clone())]);
        }
        descriptor.build().map_err(spec("blob"))
    }

    fn bytes(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        if self.blobs.kind(digest.hex())?.is_none() {
            write_file(&self.blobs, &digest.hex(), bytes)?;
        }
        Ok(digest)
    }

    /// Copies a file and hashes it from the same buffers. A copy, not a link: the layout must not
    /// change when somebody writes to the file.
    fn file(&mut self, directory: &Dir, name: &str) -> Result<(Digest, u64), Error> {
        let source = directory.join(name);
        let mut input = directory.file(name, Links::Refuse)?;
        self.next += 1;
        let temporary = format!("incoming-{}", self.next);
        let mut output = self.root.create(&temporary, MODE)?;
        let failed = |error| Error::io("write", &self.root.join(&temporary))(error);
        let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; CHUNK]);
        loop {
            let count = match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("read", &source)(error)),
            };
            hash.update(&buffer[..count]);
            output.write_all(&buffer[..count]).map_err(failed)?;
            size += count as u64;
        }
        sync_file(&output, &self.root.join(&temporary))?;
        let digest = Digest::new(hash.finalize().into());
        self.root.rename(&temporary, &self.blobs, digest.hex())?;
        Ok((digest, size))
    }

    /// Takes over a file whose digest is known.
    fn moved(&self, (directory, name): (&Dir, &str), digest: Digest, size: u64) -> Result<(Digest, u64), Error> {
        let source = directory.join(name);
        let file = directory.file(name, Links::Refuse)?;
        let found = file.metadata().map_err(Error::io("read", &source))?.len();
        if found != size {
            return Err(Error::Changed { path: source, expected: size, found });
        }
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(MODE))
            .map_err(|errno| Error::io("change the mode of", &source)(errno.into()))?;
        sync_file(&file, &source)?;
        directory.rename(name, &self.blobs, digest.hex())?;
        Ok((digest, size))
    }

    /// Makes the directories durable; the files are already.
    fn finish(self) -> Result<(), Error> {
        for directory in [&self.blobs, &self.all_blobs, self.root] {
            directory.sync()?;
        }
        Ok(())
    }
}

fn image_index(manifests: Vec<Descriptor>) -> ImageIndexBuilder {
    ImageIndexBuilder::default().schema_version(2_u32).media_type(MediaType::ImageIndex).manifests(manifests)
}

fn describe(media_type: MediaType, digest: Digest, size: u64) -> DescriptorBuilder {
    // 64 hexadecimal digits always parse; should the crate change its mind, `build` says what is missing.
    let builder = DescriptorBuilder::default().media_type(media_type).size(size);
    match digest.hex().parse::<Sha256Digest>() {
        Ok(digest) => builder.digest(digest),
        Err(_) => builder,
    }
}

fn digest_of(descriptor: &Descriptor) -> Result<Digest, Error> {
    let text = descriptor.digest().to_string();
    text.parse().map_err(|_| Error::DigestText { place: PathBuf::from("index.json").into(), found: text })
}

fn platform(arch: Arch) -> Result<Platform, Error> {
    let mut platform = PlatformBuilder::default().os("linux").architecture(arch.oci());
    if let Some(variant) = arch.oci_variant() {
        platform = platform.variant(variant);
    }
    platform.build().map_err(spec("platform"))
}

fn tagged(mut descriptor: Descriptor, tag: &str) -> Descriptor {
    let mut annotations = descriptor.annotations().clone().unwrap_or_default();
    annotations.insert(annotation::REF_NAME.to_owned(), tag.to_owned());
    descriptor.set_annotations(Some(annotations));
    descriptor
}

fn spec(what: &'static str) -> impl FnOnce(oci_spec::OciSpecError) -> Error {
    move |source| Error::Spec { what, source }
}

/// The mode of every file of a layout.
const MODE: u32 = 0o644;

fn write_file(directory: &Dir, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = directory.join(name);
    let mut file = directory.create(name, MODE)?;
    file.write_all(bytes).map_err(Error::io("write", &path))?;
    sync_file(&file, &path)
}

fn sync_file(file: &File, path: &Path) -> Result<(), Error> {
    file.sync_all().map_err(Error::io("sync", path))
}
