//! Writing a layout.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use host::{Dir, Links, Listing, Staged};
use model::Arch;

use super::extent::list;
use super::files::INDEX;
use super::{Artifact, Blob, Content, Store, Written};
use crate::content::{ContentStore as _, Descriptor, Index, Manifest};
use crate::error::Error;
use crate::media::{self, annotation};
use crate::reference::Tag;

/// Writes an image layout of `artifacts` to the directory `name` in `parent`, whole or not at all: an image manifest for
/// each, tagged `TAG-ARCH` (Debian's name of the architecture), and an image index at `TAG`.
///
/// The bytes depend on the arguments and the contents alone; the order of `artifacts` is of no
/// account. An existing layout is replaced, if it holds nothing but what its `index.json` leads to; any other
/// directory that is not empty is left alone.
///
/// # Errors
/// When the tag is no tag, there is no artifact, two are for one architecture or of two kinds, a file cannot be read or is
/// not what its digest says, something else is in the directory, or the disk refuses. What was there is then still there.
pub fn write(parent: &Dir, name: impl AsRef<OsStr>, tag: &str, artifacts: &[Artifact]) -> Result<Written, Error> {
    let name = name.as_ref();
    let tag: Tag = tag.parse()?;
    let kind = artifacts.first().ok_or(Error::NoArtifact)?.kind;
    let mut sorted = BTreeMap::new();
    for artifact in artifacts {
        let arch = artifact.arch;
        if artifact.kind != kind || sorted.insert(arch, (arch_tag(&tag, arch)?, artifact)).is_some() {
            return Err(Error::DuplicateArch { arch });
        }
    }
    check_replaceable(parent, name)?;
    let staged = Staged::new(parent, name)?;
    let store = Store::begin(staged.dir().try_clone()?)?;
    let (mut written, mut listed, mut tagged) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (arch, (tag, artifact)) in &sorted {
        let descriptor = put_artifact(&store, artifact)?;
        written.insert(*arch, descriptor.digest);
        tagged.push(with_tag(&descriptor, tag));
        listed.push(descriptor);
    }
    let artifact_type = media::parts(kind).artifact;
    let index = Index::new(Some(artifact_type), listed)?;
    let descriptor = put_document(&store, media::IMAGE_INDEX, artifact_type, &index.raw)?;
    tagged.insert(0, with_tag(&descriptor, &tag));
    store.write_index(&Index::new(None, tagged)?.raw)?;
    // What someone put there while the names were exchanged is kept beside it: nothing else to say of it.
    staged.commit(INDEX, |old| list_alone(old, parent, name))?;
    Ok(Written { index: descriptor.digest, manifests: written })
}

/// Only a layout or an empty directory is replaced: no other file is removed.
fn check_replaceable(parent: &Dir, name: &OsStr) -> Result<(), Error> {
    match parent.kind(name)? {
        None => Ok(()),
        Some(rustix::fs::FileType::Directory) => {
            list_alone(&parent.directory(name, Links::Refuse)?, parent, name).map(drop)
        }
        Some(_) => Err(Error::NotALayout { path: parent.join(name) }),
    }
}

fn list_alone(directory: &Dir, parent: &Dir, name: &OsStr) -> Result<Listing, Error> {
    let listing = list(directory)?;
    match listing.foreign() {
        [] => Ok(listing),
        _ => Err(Error::NotALayout { path: parent.join(name) }),
    }
}

/// The tag of one architecture's manifest.
fn arch_tag(tag: &Tag, arch: Arch) -> Result<Tag, Error> {
    Ok(format!("{tag}-{arch}").parse()?)
}

/// Puts the blobs and the image manifest of `artifact`; gives the manifest's descriptor in an index.
fn put_artifact(store: &Store, artifact: &Artifact) -> Result<Descriptor, Error> {
    let config = put_blob(store, &artifact.config)?;
    let layers = artifact.layers.iter().map(|layer| put_blob(store, layer)).collect::<Result<Vec<_>, _>>()?;
    let artifact_type = media::parts(artifact.kind).artifact;
    let manifest = Manifest::new(artifact_type, config, layers, artifact.annotations.clone())?;
    let descriptor = put_document(store, media::IMAGE_MANIFEST, artifact_type, &manifest.raw)?;
    Ok(Descriptor { annotations: artifact.annotations.clone(), ..descriptor.on(artifact.arch) })
}

/// Puts a document; gives a descriptor with its artifact type.
fn put_document(store: &Store, media_type: &str, artifact_type: &str, bytes: &[u8]) -> Result<Descriptor, Error> {
    let descriptor = Descriptor::of(media_type, bytes);
    store.put(&descriptor, &mut &bytes[..])?;
    Ok(Descriptor { artifact_type: Some(artifact_type.to_owned()), ..descriptor })
}

fn put_blob(store: &Store, Blob { media_type, title, content }: &Blob) -> Result<Descriptor, Error> {
    let descriptor = match content {
        Content::Bytes(bytes) => {
            let descriptor = Descriptor::of(media_type, bytes);
            store.put(&descriptor, &mut &bytes[..])?;
            descriptor
        }
        Content::File { directory, name, digest, size, is_moved } => {
            let descriptor = Descriptor::blob(media_type, *digest, *size);
            if *is_moved {
                store.adopt(&descriptor, directory, name)?;
            } else {
                store.put(&descriptor, &mut directory.file(name, Links::Refuse)?)?;
            }
            descriptor
        }
    };
    let annotations = title.iter().map(|title| (annotation::TITLE.to_owned(), title.clone())).collect();
    Ok(Descriptor { annotations, ..descriptor })
}

fn with_tag(descriptor: &Descriptor, tag: &Tag) -> Descriptor {
    let mut tagged = descriptor.clone();
    tagged.annotations.insert(annotation::REF_NAME.to_owned(), tag.to_string());
    tagged
}
