//! What a module's artifact promises (`docs/artifact.md`) beyond what any artifact does: descriptors that
//! say what the manifest says, one image, one archive, every file under its own name and type.
//!
//! Whoever reads an index alone, as an ingest does, or pulls layers as files, as `oras` does, must see what
//! the manifest holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{Arch, Digest};
use oci_spec::image::{Descriptor, ImageIndex, ImageManifest};

use super::{Index, Manifest};
use crate::media::{self, annotation};

/// The beginning of the names of the platform's own annotations.
const OWN: &str = "io.powernode.";

/// Names that a pulled layer may not have, since something else of a module has it.
const RESERVED: [&str; 6] = ["manifest.json", "composefs.digest", "build.json", "oci", "objects", "dry-run"];

/// The layers that are known by their media type: it, and the one title that goes with it.
const FIXED: [(&str, &str); 3] =
    [(media::COMPOSEFS, "module.cfs"), (media::TAR, "module.tar"), (media::TAR_ZSTD, "module.tar.zst")];

/// How the documents of a module contradict each other, or what they promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A descriptor or document names another artifact type.
    #[error("names the artifactType {found:?} for a module")]
    ArtifactType {
        /// What it names; empty where it names none.
        found: String,
    },
    /// A descriptor of a manifest has an annotation that the manifest has not, or has otherwise.
    #[error("gives the manifest {digest} the annotation {name:?}, which the manifest itself does not have so")]
    Annotation {
        /// The manifest.
        digest: Digest,
        /// The annotation.
        name: String,
    },
    /// The descriptor of an index does not repeat an annotation of the manifest.
    #[error("does not repeat the annotation {name:?} of the manifest {digest}")]
    MissingAnnotation {
        /// The manifest.
        digest: Digest,
        /// The annotation.
        name: String,
    },
    /// A manifest is not given a platform that modules are made for.
    #[error("gives the manifest {digest} no platform that is known, of the system linux")]
    Platform {
        /// The manifest.
        digest: Digest,
    },
    /// A manifest has two platforms.
    #[error("gives the manifest {digest} another platform than another descriptor does")]
    TwoPlatforms {
        /// The manifest.
        digest: Digest,
    },
    /// An index lists two manifests of one architecture.
    #[error("lists two manifests for {arch}")]
    TwiceInIndex {
        /// The architecture.
        arch: Arch,
    },
    /// An index lists something else beside modules.
    #[error("lists the manifest {digest}, which is no module, beside modules")]
    NoModule {
        /// The manifest.
        digest: Digest,
    },
    /// The tag of one architecture leads elsewhere than the index does.
    #[error("leads the tag {tag:?} elsewhere than the index of {index:?} does")]
    Tag {
        /// The tag of one architecture.
        tag: String,
        /// The tag of the index.
        index: String,
    },
    /// A descriptor carries contents, or names other places for them.
    #[error("has a descriptor with contents or addresses of its own")]
    Embedded,
    /// The descriptor of a file says more of it than its name, type, digest and size.
    #[error("says of its file {title:?} what no build says")]
    Said {
        /// The file's title.
        title: String,
    },
    /// A module refers to another manifest, as a signature does.
    #[error("has a subject, which no module has")]
    Subject,
    /// The config is no manifest of a module.
    #[error("has a config that is no manifest.json of a module")]
    Config,
    /// A layer has no file name, or one that leads elsewhere.
    #[error("has a layer whose title {title:?} is no plain file name")]
    Title {
        /// The title; empty where there is none.
        title: String,
    },
    /// Two layers have one file name.
    #[error("has two layers with the title {title:?}")]
    TwoTitles {
        /// The title.
        title: String,
    },
    /// A file name and a media type do not go together.
    #[error("has a layer {title:?} of the media type {media_type:?}, which do not go together")]
    Layer {
        /// The title.
        title: String,
        /// The media type.
        media_type: String,
    },
    /// The layers stand in another order than a build writes.
    #[error("has layers in another order than the archive, the image and then the others")]
    Order,
    /// An image or archive is missing or comes twice.
    #[error("has {count} layers that are {what}; a module has one")]
    Count {
        /// `the image` or `the archive`.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
}

/// What a manifest of a module holds.
pub(super) fn manifest(manifest: &ImageManifest) -> Result<(), Broken> {
    if manifest.subject().is_some() {
        return Err(Broken::Subject);
    }
    let config = manifest.config();
    if config.media_type().as_ref() != media::CONFIG || title(config).is_some_and(|title| title != "manifest.json") {
        return Err(Broken::Config);
    }
    let mut titles = BTreeSet::new();
    for layer in manifest.layers() {
        embedded(layer)?;
        let title = self::title(layer).unwrap_or_default();
        if !is_plain(title) {
            return Err(Broken::Title { title: title.to_owned() });
        }
        if !titles.insert(title) {
            return Err(Broken::TwoTitles { title: title.to_owned() });
        }
        let media_type = layer.media_type().as_ref();
        let by_title = media::of_file(title).is_none_or(|known| known == media_type);
        let by_type = FIXED.iter().all(|(known, name)| *known != media_type || *name == title);
        if FIXED.iter().any(|(known, _)| *known == media_type) {
            bare(layer)?;
        }
        if !by_title || !by_type || RESERVED.contains(&title) || media_type == media::CONFIG {
            return Err(Broken::Layer { title: title.to_owned(), media_type: media_type.to_owned() });
        }
    }
    bare(config)?;
    let count =
        |types: &[&str]| manifest.layers().iter().filter(|layer| types.contains(&layer.media_type().as_ref())).count();
    for (what, types) in [("the image", &[media::COMPOSEFS][..]), ("the archive", &[media::TAR, media::TAR_ZSTD])] {
        match count(types) {
            1 => {}
            count => return Err(Broken::Count { what, count }),
        }
    }
    let mut types = manifest.layers().iter().map(|layer| layer.media_type().as_ref());
    let is_ordered =
        types.next().is_some_and(|first| first != media::COMPOSEFS && FIXED.iter().any(|(known, _)| *known == first))
            && types.next() == Some(media::COMPOSEFS);
    if is_ordered { Ok(()) } else { Err(Broken::Order) }
}

/// What a descriptor says of the module's manifest that it leads to.
///
/// `index.json` is rewritten by every tool that copies a layout, and some leave out the annotations, the type
/// or the platform; what they say must be true. An index is bytes with a digest, and says all of it.
pub(super) fn descriptor(descriptor: &Descriptor, manifest: &Manifest, is_in_index: bool) -> Result<(), Broken> {
    let digest = manifest.digest;
    embedded(descriptor)?;
    artifact_type(descriptor.artifact_type().as_ref().map(AsRef::as_ref), is_in_index)?;
    let said = || descriptor.annotations().iter().flatten().filter(|(name, _)| *name != annotation::REF_NAME);
    if let Some((name, _)) = said().find(|(name, value)| manifest.annotations.get(*name) != Some(value)) {
        return Err(Broken::Annotation { digest, name: name.clone() });
    }
    let is_said = |name: &String| said().any(|(said, _)| said == name);
    let is_told = is_in_index || said().next().is_some();
    if let Some(name) = manifest.annotations.keys().find(|name| is_told && !is_said(name)) {
        return Err(Broken::MissingAnnotation { digest, name: name.clone() });
    }
    let platform = descriptor.platform().as_ref();
    let is_known = |os: &str| os == "linux" && manifest.arch.is_some();
    match platform {
        Some(platform) if is_known(&platform.os().to_string()) => Ok(()),
        None if !is_in_index => Ok(()),
        _ => Err(Broken::Platform { digest }),
    }
}

/// What an index over a module's architectures says.
pub(super) fn index(document: &ImageIndex, from: &Descriptor, index: &Index) -> Result<(), Broken> {
    let is_module = |manifest: &Manifest| manifest.artifact_type.as_deref() == Some(media::ARTIFACT);
    let own = document.artifact_type().as_ref().map(AsRef::as_ref);
    if own != Some(media::ARTIFACT) && !index.manifests.iter().any(is_module) {
        return Ok(());
    }
    artifact_type(own, true)?;
    artifact_type(from.artifact_type().as_ref().map(AsRef::as_ref), false)?;
    embedded(from)?;
    if document.subject().is_some() {
        return Err(Broken::Subject);
    }
    if let Some(other) = index.manifests.iter().find(|manifest| !is_module(manifest)) {
        return Err(Broken::NoModule { digest: other.digest });
    }
    for (name, value) in from.annotations().iter().flatten() {
        if name.starts_with(OWN) && index.annotations.get(name) != Some(value) {
            return Err(Broken::Annotation { digest: index.digest, name: name.clone() });
        }
    }
    let mut seen = BTreeSet::new();
    match index.manifests.iter().filter_map(|manifest| manifest.arch).find(|arch| !seen.insert(*arch)) {
        Some(arch) => Err(Broken::TwiceInIndex { arch }),
        None => Ok(()),
    }
}

/// What the tags of a layout, and several descriptors of one manifest, say together.
pub(super) fn together(indexes: &[Index], manifests: &[Manifest]) -> Result<(), Broken> {
    let is_module = |manifest: &&Manifest| manifest.artifact_type.as_deref() == Some(media::ARTIFACT);
    let all = indexes.iter().flat_map(|index| &index.manifests).chain(manifests).filter(is_module);
    let mut platforms: HashMap<Digest, Arch> = HashMap::new();
    for manifest in all {
        let Some(arch) = manifest.arch else { continue };
        if *platforms.entry(manifest.digest).or_insert(arch) != arch {
            return Err(Broken::TwoPlatforms { digest: manifest.digest });
        }
    }
    let tagged: BTreeMap<&str, &Manifest> =
        manifests.iter().filter(is_module).filter_map(|manifest| Some((manifest.tag.as_deref()?, manifest))).collect();
    for index in indexes {
        let Some(tag) = &index.tag else { continue };
        for arch in Arch::all() {
            let name = format!("{tag}-{arch}");
            let Some(manifest) = tagged.get(name.as_str()) else { continue };
            let listed = index.manifests.iter().filter(is_module).find(|listed| listed.arch == Some(arch));
            // An index that lists no module says nothing of modules.
            if index.manifests.iter().any(|listed| is_module(&listed))
                && listed.is_none_or(|listed| listed.digest != manifest.digest)
            {
                return Err(Broken::Tag { tag: name, index: tag.clone() });
            }
        }
    }
    Ok(())
}

fn artifact_type(found: Option<&str>, is_needed: bool) -> Result<(), Broken> {
    match found {
        Some(media::ARTIFACT) => Ok(()),
        None if !is_needed => Ok(()),
        found => Err(Broken::ArtifactType { found: found.unwrap_or_default().to_owned() }),
    }
}

fn embedded(descriptor: &Descriptor) -> Result<(), Broken> {
    match (descriptor.data(), descriptor.urls()) {
        (None, None) => Ok(()),
        _ => Err(Broken::Embedded),
    }
}

/// A file that is known has a title, and nothing else is said of it.
fn bare(descriptor: &Descriptor) -> Result<(), Broken> {
    embedded(descriptor)?;
    let is_more = descriptor.annotations().iter().flatten().any(|(name, _)| name != annotation::TITLE);
    match is_more || descriptor.platform().is_some() || descriptor.artifact_type().is_some() {
        true => Err(Broken::Said { title: title(descriptor).unwrap_or_default().to_owned() }),
        false => Ok(()),
    }
}

fn title(descriptor: &Descriptor) -> Option<&str> {
    descriptor.annotations().as_ref()?.get(annotation::TITLE).map(String::as_str)
}

/// Whether a pulled layer can lie under this name, and nowhere else.
fn is_plain(title: &str) -> bool {
    !title.is_empty()
        && title.len() <= 255
        && !title.starts_with(['.', '-'])
        && title.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\'))
}
