//! What a module's artifact promises (`docs/artifact.md`) beyond what any artifact does: descriptors that
//! say what the manifest says, one image, one archive, every file under its own name and type.
//!
//! Whoever reads an index alone, as an ingest does, or pulls layers as files, as `oras` does, must see what
//! the manifest holds.

use std::collections::{BTreeMap, BTreeSet};

use model::manifest::Kind;
use model::{Arch, Digest};
use oci_spec::image::Os;

use super::{Layout, Listed, ListedIndex};
use crate::content::{Descriptor, Manifest};
use crate::media::{self, Parts, annotation};

/// The beginning of the names of the platform's own annotations.
const OWN: &str = "io.powernode.";

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

/// What a manifest of this kind holds.
pub(super) fn manifest(kind: Kind, manifest: &Manifest) -> Result<(), Broken> {
    let parts = media::parts(kind);
    if manifest.subject.is_some() {
        return Err(Broken::Subject);
    }
    let (config, (name, media_type)) = (&manifest.config, parts.config);
    if config.media_type != media_type || config.title().is_some_and(|title| title != name) {
        return Err(Broken::Config);
    }
    let mut titles = BTreeSet::new();
    for descriptor in &manifest.layers {
        layer(parts, descriptor)?;
        let title = descriptor.title().unwrap_or_default();
        if !titles.insert(title) {
            return Err(Broken::TwoTitles { title: title.to_owned() });
        }
    }
    bare(config)?;
    let is_archive = |media_type: &str| parts.archives.iter().any(|(_, known)| *known == media_type);
    let is_image = |media_type: &str| parts.image.1 == media_type;
    let types = || manifest.layers.iter().map(|layer| layer.media_type.as_str());
    for (what, count) in [
        ("the image", types().filter(|it| is_image(it)).count()),
        ("the archive", types().filter(|it| is_archive(it)).count()),
    ] {
        if count != 1 {
            return Err(Broken::Count { what, count });
        }
    }
    let mut types = types();
    let is_ordered = types.next().is_some_and(is_archive) && types.next().is_some_and(is_image);
    if is_ordered { Ok(()) } else { Err(Broken::Order) }
}

/// What a layer is called, and what is said of it.
fn layer(parts: &Parts, layer: &Descriptor) -> Result<(), Broken> {
    embedded(layer)?;
    let (title, media_type) = (layer.title().unwrap_or_default(), layer.media_type.as_str());
    if !is_plain(title) {
        return Err(Broken::Title { title: title.to_owned() });
    }
    let by_title = parts.media_type(title).is_none_or(|known| known == media_type);
    let fixed = parts.fixed().find(|(_, known)| *known == media_type);
    if fixed.is_some() {
        bare(layer)?;
    }
    let by_type = fixed.is_none_or(|(name, _)| name == title);
    if !by_title
        || !by_type
        || parts.reserved.contains(&title)
        || title == parts.config.0
        || media_type == parts.config.1
    {
        return Err(Broken::Layer { title: title.to_owned(), media_type: media_type.to_owned() });
    }
    Ok(())
}

/// What a descriptor says of the module's manifest that it leads to.
///
/// `index.json` is rewritten by every tool that copies a layout, and some leave out the annotations, the type
/// or the platform; what they say must be true. An index is bytes with a digest, and says all of it.
pub(super) fn descriptor(listed: &Listed, is_in_index: bool) -> Result<(), Broken> {
    let (descriptor, own) = (&listed.descriptor, &listed.manifest.annotations);
    let digest = descriptor.digest;
    embedded(descriptor)?;
    artifact_type(descriptor.artifact_type.as_deref(), is_in_index)?;
    let said = || descriptor.annotations.iter().filter(|(name, _)| *name != annotation::REF_NAME);
    if let Some((name, _)) = said().find(|(name, value)| own.get(*name) != Some(value)) {
        return Err(Broken::Annotation { digest, name: name.clone() });
    }
    let is_said = |name: &String| said().any(|(said, _)| said == name);
    let is_told = is_in_index || said().next().is_some();
    if let Some(name) = own.keys().find(|name| is_told && !is_said(name)) {
        return Err(Broken::MissingAnnotation { digest, name: name.clone() });
    }
    match &descriptor.platform {
        Some(platform) if *platform.os() == Os::Linux && descriptor.arch().is_some() => Ok(()),
        None if !is_in_index => Ok(()),
        _ => Err(Broken::Platform { digest }),
    }
}

/// What an index over a module's architectures says.
pub(super) fn index(listed: &ListedIndex) -> Result<(), Broken> {
    let ListedIndex { descriptor, index, manifests } = listed;
    if index.artifact_type.as_deref().and_then(media::kind).is_none() && !listed.is_ours() {
        return Ok(());
    }
    artifact_type(index.artifact_type.as_deref(), true)?;
    artifact_type(descriptor.artifact_type.as_deref(), false)?;
    embedded(descriptor)?;
    if index.subject.is_some() {
        return Err(Broken::Subject);
    }
    if let Some(other) = manifests.iter().find(|manifest| manifest.kind().is_none()) {
        return Err(Broken::NoModule { digest: other.descriptor.digest });
    }
    for (name, value) in &descriptor.annotations {
        if name.starts_with(OWN) && index.annotations.get(name) != Some(value) {
            return Err(Broken::Annotation { digest: descriptor.digest, name: name.clone() });
        }
    }
    let mut seen = BTreeSet::new();
    match manifests.iter().filter_map(|manifest| manifest.descriptor.arch()).find(|arch| !seen.insert(*arch)) {
        Some(arch) => Err(Broken::TwiceInIndex { arch }),
        None => Ok(()),
    }
}

/// What the tags of a layout, and several descriptors of one manifest, say together.
pub(super) fn together(layout: &Layout) -> Result<(), Broken> {
    let ours = |listed: &&Listed| listed.kind().is_some();
    let mut platforms: BTreeMap<Digest, Arch> = BTreeMap::new();
    for Listed { descriptor, .. } in layout.documents().filter(ours) {
        let Some(arch) = descriptor.arch() else { continue };
        let digest = descriptor.digest;
        if *platforms.entry(digest).or_insert(arch) != arch {
            return Err(Broken::TwoPlatforms { digest });
        }
    }
    let tagged: BTreeMap<&str, Digest> = (layout.manifests.iter().filter(ours))
        .filter_map(|Listed { descriptor, .. }| Some((descriptor.tag()?, descriptor.digest)))
        .collect();
    // An index that lists no module says nothing of modules.
    for index in layout.indexes.iter().filter(|index| index.is_ours()) {
        let Some(tag) = index.descriptor.tag() else { continue };
        for arch in Arch::all() {
            let name = format!("{tag}-{arch}");
            let Some(digest) = tagged.get(name.as_str()) else { continue };
            let mut listed = index.manifests.iter().filter(ours).map(|listed| &listed.descriptor);
            if listed.find(|listed| listed.arch() == Some(arch)).is_none_or(|listed| listed.digest != *digest) {
                return Err(Broken::Tag { tag: name, index: tag.to_owned() });
            }
        }
    }
    Ok(())
}

fn artifact_type(found: Option<&str>, is_needed: bool) -> Result<(), Broken> {
    match found {
        Some(found) if media::kind(found).is_some() => Ok(()),
        None if !is_needed => Ok(()),
        found => Err(Broken::ArtifactType { found: found.unwrap_or_default().to_owned() }),
    }
}

fn embedded(descriptor: &Descriptor) -> Result<(), Broken> {
    if descriptor.data.0 || descriptor.urls.0 { Err(Broken::Embedded) } else { Ok(()) }
}

/// A file that is known has a title, and nothing else is said of it.
fn bare(descriptor: &Descriptor) -> Result<(), Broken> {
    embedded(descriptor)?;
    let is_more = descriptor.annotations.keys().any(|name| name != annotation::TITLE);
    match is_more || descriptor.platform.is_some() || descriptor.artifact_type.is_some() {
        true => Err(Broken::Said { title: descriptor.title().unwrap_or_default().to_owned() }),
        false => Ok(()),
    }
}

/// Whether a pulled layer can be under this name, and nowhere else.
fn is_plain(title: &str) -> bool {
    !title.is_empty()
        && title.len() <= 255
        && !title.starts_with(['.', '-'])
        && title.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\'))
}
