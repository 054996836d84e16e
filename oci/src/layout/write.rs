//! Writing a layout.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use model::{Arch, Digest};
use oci_spec::image::{
    Descriptor, DescriptorBuilder, ImageIndex, ImageIndexBuilder, ImageManifestBuilder, MediaType, OciLayoutBuilder,
    Platform, PlatformBuilder, Sha256Digest,
};
use sha2::{Digest as _, Sha256};

use super::replace::Staging;
use super::{Artifact, Blob, Content, VERSION, Written};
use crate::error::Error;
use crate::json;
use crate::media::{self, annotation};

/// How many bytes of a file are copied at once.
const CHUNK: usize = 1 << 20;

/// Writes an image layout of `artifacts` to `directory`, whole or not at all: an image manifest for
/// each, tagged `TAG-ARCH` (Debian's name of the architecture), and an image index at `TAG`.
///
/// The bytes depend on the arguments and the contents alone; the order of `artifacts` is of no
/// account. An existing layout is replaced; any other directory that is not empty is left alone.
///
/// # Errors
/// When the tag is no tag, two artifacts are for one architecture, a file cannot be read, or the
/// disk refuses. What was in `directory` is then still there.
pub fn write(directory: &Path, tag: &str, artifacts: &[Artifact]) -> Result<Written, Error> {
    let mut sorted = BTreeMap::new();
    check_tag(tag)?;
    for artifact in artifacts {
        check_tag(&arch_tag(tag, artifact.arch))?;
        if sorted.insert(artifact.arch, artifact).is_some() {
            return Err(Error::DuplicateArch { arch: artifact.arch });
        }
    }
    if sorted.is_empty() {
        return Err(Error::NoArtifact);
    }
    let staging = Staging::begin(directory)?;
    let mut writer = Writer::begin(staging.path())?;
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
    staging.replace()?;
    Ok(written)
}

/// The tag of one architecture's manifest.
fn arch_tag(tag: &str, arch: Arch) -> String {
    format!("{tag}-{arch}")
}

/// OCI distribution specification 1.1: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(super) fn check_tag(tag: &str) -> Result<(), Error> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = tag.bytes();
    let begins = bytes.next().is_some_and(word);
    if begins && tag.len() <= 128 && bytes.all(|byte| word(byte) || matches!(byte, b'.' | b'-')) {
        Ok(())
    } else {
        Err(Error::Tag { tag: tag.to_owned() })
    }
}

/// Writes into the directory that will become the layout.
struct Writer {
    root: PathBuf,
    blobs: PathBuf,
    next: u32,
}

impl Writer {
    fn begin(root: &Path) -> Result<Self, Error> {
        let blobs = root.join("blobs/sha256");
        for directory in [&root.join("blobs"), &blobs] {
            fs::create_dir(directory).map_err(Error::io("create", directory))?;
            set_mode(directory, 0o755)?;
        }
        Ok(Self { root: root.to_owned(), blobs, next: 0 })
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
        write_file(&self.root.join("index.json"), &json::canonical("index.json", &index)?)?;
        let layout = OciLayoutBuilder::default().image_layout_version(VERSION).build().map_err(spec("oci-layout"))?;
        write_file(&self.root.join("oci-layout"), &json::canonical("oci-layout", &layout)?)
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
            Content::File(path) => self.file(path)?,
            Content::Moved { path, digest, size } => self.moved(path, *digest, *size)?,
        };
        let mut descriptor = describe(MediaType::from(blob.media_type.as_str()), digest, size);
        if let Some(title) = &blob.title {
            descriptor = descriptor.annotations([(annotation::TITLE.to_owned(), title.clone())]);
        }
        descriptor.build().map_err(spec("blob"))
    }

    fn bytes(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        let path = self.blobs.join(digest.hex());
        if !path.exists() {
            write_file(&path, bytes)?;
        }
        Ok(digest)
    }

    /// Copies a file and hashes it from the same buffers. A copy, not a link: the layout must not
    /// change when somebody writes to the file.
    fn file(&mut self, source: &Path) -> Result<(Digest, u64), Error> {
        let mut input = File::open(source).map_err(Error::io("open", source))?;
        if !input.metadata().map_err(Error::io("read", source))?.is_file() {
            return Err(Error::NotAFile { path: source.to_owned() });
        }
        self.next += 1;
        let temporary = self.root.join(format!("incoming-{}", self.next));
        let mut output = File::create_new(&temporary).map_err(Error::io("create", &temporary))?;
        let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; CHUNK]);
        loop {
            let count = match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("read", source)(error)),
            };
            hash.update(&buffer[..count]);
            output.write_all(&buffer[..count]).map_err(Error::io("write", &temporary))?;
            size += count as u64;
        }
        finish_file(&output, &temporary)?;
        let digest = Digest::new(hash.finalize().into());
        let path = self.blobs.join(digest.hex());
        fs::rename(&temporary, &path).map_err(Error::io("create", &path))?;
        Ok((digest, size))
    }

    /// Takes over a file whose digest is known.
    fn moved(&self, source: &Path, digest: Digest, size: u64) -> Result<(Digest, u64), Error> {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
        let file = rustix::fs::open(source, flags, rustix::fs::Mode::empty())
            .map_err(|errno| Error::io("open", source)(errno.into()))?;
        let file = File::from(file);
        let found = file.metadata().map_err(Error::io("read", source))?;
        if !found.is_file() {
            return Err(Error::NotAFile { path: source.to_owned() });
        }
        if found.len() != size {
            return Err(Error::Changed { path: source.to_owned(), expected: size, found: found.len() });
        }
        finish_file(&file, source)?;
        let path = self.blobs.join(digest.hex());
        fs::rename(source, &path).map_err(Error::io("create", &path))?;
        Ok((digest, size))
    }

    /// Makes the directories durable; the files are already.
    fn finish(self) -> Result<(), Error> {
        for directory in [&self.blobs, &self.root.join("blobs"), &self.root] {
            super::replace::sync_directory(directory)?;
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
    text.parse().map_err(|_| Error::DigestText { path: PathBuf::from("index.json"), found: text })
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

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = File::create_new(path).map_err(Error::io("create", path))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    finish_file(&file, path)
}

fn finish_file(file: &File, path: &Path) -> Result<(), Error> {
    file.set_permissions(Permissions::from_mode(0o644)).map_err(Error::io("change the mode of", path))?;
    file.sync_all().map_err(Error::io("sync", path))
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Error::io("change the mode of", path))
}
