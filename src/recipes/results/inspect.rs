//! What a build's results hold, read back and recomputed, in numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use image::composefs::{self, Entry};
use image::tree::{Kind, Tree};
use model::requirements::Requirements;
use model::{Digest, VerityDigest};
use serde::Serialize;

use crate::error::Error;
use crate::recipes::results::artifact::{self, Blob, Form};
use crate::recipes::results::counts::Counts;

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
    /// The fs-verity digest of `module.cfs`, computed now; of a dump that of its image in format version 1.
    pub(crate) composefs_digest: VerityDigest,
    /// Of a dump the digest of its image in format version 0, where `mkcomposefs` writes that by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version_0_digest: Option<VerityDigest>,
    /// The format version of an image that no build made, and of a dump that by which `mkcomposefs` writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) foreign_version: Option<u32>,
    /// The sha256 of the OCI manifest's bytes, where there is a layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) manifest_digest: Option<Digest>,
    /// The blobs: sha256 and size by name.
    pub(crate) blobs: BTreeMap<String, Blob>,
    /// What the image holds.
    pub(crate) image: ImageSummary,
    /// What it asks of its node, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) requirements: Option<Requirements>,
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
    /// How many files, each inode once, have a content of which no digest says what it is: only others make such.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) without_digest: u64,
}

impl ImageSummary {
    /// The files, links and directories.
    pub(crate) fn counts(&self) -> Counts {
        let Self { files, symlinks, directories, special, .. } = *self;
        Counts { files, symlinks, directories, special }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
pub(crate) fn is_none(count: &u64) -> bool {
    *count == 0
}

/// `2 files have no digest: nothing can vouch for them`; none where all have one.
pub(crate) fn no_digest(count: u64) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 file has no digest: nothing can vouch for it".to_owned()),
        count => Some(format!("{count} files have no digest: nothing can vouch for them")),
    }
}

/// Examines a `dist/` directory, an OCI layout, a `module.tar`, an image or a dump.
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
        version_0_digest: opened.others.as_ref().and_then(|others| others.version_zero),
        foreign_version: opened.others.map(|others| others.form.version()),
        manifest_digest: opened.oci.map(|listed| listed.descriptor.digest),
        blobs: opened.blobs,
        requirements: opened.requirements,
    }
}

/// Counts what `tree` holds.
pub(crate) fn summarise(tree: &Tree<Entry>) -> ImageSummary {
    let Counts { files, symlinks, directories, special } = Counts::of(tree);
    let mut summary = ImageSummary { files, symlinks, directories, special, ..ImageSummary::default() };
    let mut seen = vec![false; tree.node_count()];
    let mut objects: BTreeSet<&VerityDigest> = BTreeSet::new();
    for (_, id, node) in tree.walk() {
        let first = !std::mem::replace(&mut seen[id.index()], true);
        if let Kind::Regular(entry) = &node.kind {
            // Others make files of petabytes, of which a few thousand are more than a number holds.
            let size = if first { composefs::Stored::size(entry) } else { 0 };
            summary.content_size = summary.content_size.saturating_add(size);
            objects.extend(composefs::Stored::verity(entry));
        }
    }
    summary.objects = objects.len() as u64;
    summary.without_digest = composefs::without_digest(tree);
    summary
}
