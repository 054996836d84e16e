//! What a build's results hold, read back and recomputed, in numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use image::composefs::{self, Entry};
use image::tree::{Kind, Tree};
use model::{Digest, VerityDigest};
use serde::Serialize;

use crate::error::Error;
use crate::recipes::results::artifact::{self, Blob, Form};

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Inspection {
    /// In which form.
    pub(crate) kind: Form,
    /// The modules in it: one, but for layouts of several architectures.
    pub(crate) modules: Vec<InspectedModule>,
    /// The image indexes of the layout by tag.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) index_digests: BTreeMap<String, Digest>,
}

/// One module.
#[derive(Debug, Serialize)]
pub(crate) struct InspectedModule {
    /// Its name; an image alone does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Its architecture, where the results say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arch: Option<String>,
    /// The fs-verity digest of `module.cfs`, computed now.
    pub(crate) composefs_digest: VerityDigest,
    /// The sha256 of the OCI manifest's bytes, where there is a layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) manifest_digest: Option<Digest>,
    /// The blobs: sha256 and size by name.
    pub(crate) blobs: BTreeMap<String, Blob>,
    /// What the image holds.
    pub(crate) image: ImageSummary,
}

/// What an image holds.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ImageSummary {
    /// Names of regular files.
    pub(crate) files: u64,
    /// Directories.
    pub(crate) directories: u64,
    /// Symbolic links.
    pub(crate) symlinks: u64,
    /// Devices, pipes, sockets.
    pub(crate) special: u64,
    /// Bytes of all files, each inode once.
    pub(crate) content_size: u64,
    /// How many objects the image needs.
    pub(crate) objects: u64,
}

/// Examines a `dist/` directory, an OCI layout, a `module.tar` or a `module.cfs`.
pub(crate) fn inspect(path: &Path) -> Result<Inspection, Error> {
    let opened = artifact::open(path)?;
    let index_digests = opened.indexes.iter().map(|(tag, index)| (tag.clone(), index.descriptor.digest)).collect();
    Ok(Inspection { kind: opened.form, modules: opened.modules.into_iter().map(module).collect(), index_digests })
}

fn module(opened: artifact::Module) -> InspectedModule {
    InspectedModule {
        image: summarise(&opened.tree),
        name: opened.name,
        arch: opened.arch.map(|arch| arch.to_string()),
        composefs_digest: opened.composefs,
        manifest_digest: opened.oci.map(|listed| listed.descriptor.digest),
        blobs: opened.blobs,
    }
}

/// Counts what `tree` holds.
pub(crate) fn summarise(tree: &Tree<Entry>) -> ImageSummary {
    let mut summary = ImageSummary::default();
    let mut seen = vec![false; tree.node_count()];
    let mut objects: BTreeSet<&VerityDigest> = BTreeSet::new();
    for (_, id, node) in tree.walk() {
        let first = !std::mem::replace(&mut seen[id.index()], true);
        match &node.kind {
            Kind::Directory(_) => summary.directories += 1,
            Kind::Symlink(_) => summary.symlinks += 1,
            Kind::Regular(entry) => {
                summary.files += 1;
                summary.content_size += if first { composefs::Stored::size(entry) } else { 0 };
                objects.extend(composefs::Stored::verity(entry));
            }
            _ => summary.special += 1,
        }
    }
    summary.objects = objects.len() as u64;
    summary
}
