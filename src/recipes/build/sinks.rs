//! Where a module goes besides its image and its lists. Each sink says which form of the archive it needs, and what it
//! makes of it; a new one is a variant, and the compiler asks for the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use host::Dir;
use image::archive::{self, Parts, Place, Plan, Targets};
use model::manifest::Kind;
use model::record::{Compression, LintCode, ModuleId, ModuleVersion, Tag};
use model::{Arch, Digest, Epoch, Manifest, VerityDigest};
use oci::layout::{Artifact, Blob, Content};
use oci::media;

use crate::error::Error;

const MODULE_TAR: &str = "module.tar";
const LAYER: &str = ".layer";

/// Where a module goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sink {
    /// `module.tar` in the output directory.
    Tar,
    /// The OCI image layout `oci/` in the output directory.
    Layout,
    /// The object store in a directory of its own, as files.
    Objects(PathBuf),
}

/// What a build writes.
#[derive(Debug, Clone)]
pub(crate) struct Outputs {
    /// The directory that is written, with the image and the lists.
    pub(crate) directory: PathBuf,
    /// Where else the module goes.
    pub(crate) sinks: Vec<Sink>,
    /// What is asked of the artifact.
    pub(crate) artifact: ArtifactOptions,
}

/// What is asked of the OCI artifact.
#[derive(Debug, Clone)]
pub(crate) struct ArtifactOptions {
    /// How its layer is compressed.
    pub(crate) compression: Compression,
    /// Its tag.
    pub(crate) tag: Tag,
    /// The module's identifier on the platform.
    pub(crate) module_id: Option<ModuleId>,
    /// The module's version.
    pub(crate) version: Option<ModuleVersion>,
}

/// A form of the archive, and the file in the output directory that it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it is.
    Plain(&'static str),
    /// Compressed.
    Packed(&'static str),
}

impl Sink {
    /// Whether one is written for all architectures of a build together, in the output directory.
    pub(crate) fn is_common(&self) -> bool {
        match self {
            Self::Layout => true,
            Self::Tar | Self::Objects(_) => false,
        }
    }

    /// The archive that it needs.
    fn form(&self, compression: Compression) -> Option<Form> {
        match (self, compression) {
            (Self::Tar, _) => Some(Form::Plain(MODULE_TAR)),
            (Self::Layout, Compression::Zstd) => Some(Form::Packed(LAYER)),
            (Self::Layout, Compression::None) => Some(Form::Plain(LAYER)),
            (Self::Objects(_), _) => None,
        }
    }
}

impl Outputs {
    /// Whether `module.tar` is wanted.
    pub(crate) fn has_tar(&self) -> bool {
        self.sinks.contains(&Sink::Tar)
    }

    /// Whether the OCI layout is wanted.
    pub(crate) fn has_layout(&self) -> bool {
        self.sinks.contains(&Sink::Layout)
    }

    /// Where the object store is wanted as files.
    pub(crate) fn objects(&self) -> Option<&Path> {
        self.sinks.iter().find_map(|sink| match sink {
            Sink::Objects(path) => Some(path.as_path()),
            Sink::Tar | Sink::Layout => None,
        })
    }

    /// Whether the archive is written as it is, to a file.
    pub(crate) fn is_plain_written(&self) -> bool {
        self.plain().is_some()
    }

    /// The file of the archive as it is: the one that stays, where both are wanted.
    fn plain(&self) -> Option<&'static str> {
        let plain = |sink: &Sink| match sink.form(self.artifact.compression)? {
            Form::Plain(name) => Some(name),
            Form::Packed(_) => None,
        };
        self.sinks.iter().filter_map(plain).max()
    }

    /// The file of the compressed archive.
    fn packed(&self) -> Option<&'static str> {
        self.sinks.iter().find_map(|sink| match sink.form(self.artifact.compression)? {
            Form::Packed(name) => Some(name),
            Form::Plain(_) => None,
        })
    }

    /// Writes the archive in every form that a sink needs.
    pub(crate) fn write_archives(&self, plan: &Plan<'_>, directory: &Dir) -> Result<archive::Written, Error> {
        let place = |name| Place { directory, name };
        let packed = self.packed().map(|name| (place(name), archive::LEVEL));
        Ok(archive::write(plan, Targets { tar: self.plain().map(place), packed })?)
    }
}

/// What the annotations of an artifact say.
pub(crate) struct About<'a> {
    /// The architecture.
    pub(crate) arch: Arch,
    /// The lints that were allowed.
    pub(crate) allowed: &'a BTreeSet<LintCode>,
    /// The manifest.
    pub(crate) manifest: &'a Manifest,
    /// The one time of the build.
    pub(crate) epoch: Epoch,
    /// The digest over every input.
    pub(crate) fingerprint: Digest,
}

/// The artifact of the files in `directory`, for a layout.
pub(crate) fn artifact(
    outputs: &Outputs,
    directory: &Arc<Dir>,
    (archives, parts, requirements): (&archive::Written, &Parts<'_>, Option<Vec<u8>>),
    about: &About<'_>,
) -> Artifact {
    let blob = |media_type: &str, title: &str, content| Blob {
        media_type: media_type.to_owned(),
        title: Some(title.to_owned()),
        content,
    };
    let file = |name: &str, archive::Blob { sha256, size }| Content::File {
        directory: Arc::clone(directory),
        name: name.to_owned(),
        digest: sha256,
        size,
        is_moved: name == LAYER,
    };
    let tar = match archives.packed {
        Some(packed) => blob(media::TAR_ZSTD, "module.tar.zst", file(LAYER, packed)),
        None => blob(media::TAR, MODULE_TAR, file(outputs.plain().unwrap_or(LAYER), archives.tar)),
    };
    let requirements =
        requirements.map(|bytes| blob(media::REQUIREMENTS, model::requirements::FILE, Content::Bytes(bytes)));
    let image = archive::Blob { sha256: Digest::of(parts.image), size: parts.image.len() as u64 };
    Artifact {
        kind: Kind::Module,
        arch: about.arch,
        config: blob(media::CONFIG, "manifest.json", Content::Bytes(parts.manifest.to_vec())),
        layers: [tar, blob(media::COMPOSEFS, "module.cfs", file("module.cfs", image))]
            .into_iter()
            .chain(requirements)
            .collect(),
        annotations: annotations(outputs, about, parts.image_digest),
    }
}

fn annotations(outputs: &Outputs, about: &About<'_>, composefs: &VerityDigest) -> BTreeMap<String, String> {
    use media::annotation as name;
    let (metadata, time) = (about.manifest.metadata(), about.epoch.rfc3339());
    let allowed: Vec<&str> = about.allowed.iter().map(|code| &**code).collect();
    let entries = [
        (name::FSVERITY, Some(composefs.hex())),
        (name::FINGERPRINT, Some(about.fingerprint.to_string())),
        (name::MODULE_ID, outputs.artifact.module_id.as_deref().map(str::to_owned)),
        (name::VERSION, outputs.artifact.version.as_deref().map(str::to_owned)),
        (name::BUILT_AT, Some(time.clone())),
        (name::ALLOWED_LINTS, Some(allowed.join(",")).filter(|lints| !lints.is_empty())),
        (name::CREATED, Some(time)),
        (name::DISPLAY_NAME, Some(metadata.title.to_owned())),
        (name::DESCRIPTION, metadata.description.map(str::to_owned)),
        (name::LICENSES, metadata.license.map(str::to_owned)),
    ];
    entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
