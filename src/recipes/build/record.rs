//! `build.json`: what a build was made from, every input with its digest, and what it made.
//!
//! It is in the dist directory and not in the OCI artifact: it names archives and their Release
//! files, and the same module can come from other ones (docs/decisions/0004-build-record.md).

use std::collections::BTreeMap;

use composer::scan::Source;
use image::tree::{Kind, Mtime, NodeId, Stat, Tree};
use model::closure::ClosureInput;
use model::file_input::FileInput;
use model::path::escape;
use model::record::{FORMAT, Owners, RecordFields};
use model::{Digest, Epoch};

use crate::error::Error;
use crate::recipes::build::inputs::{self, Neighbour};
use crate::recipes::build::request::BuildRequest;

pub(crate) use model::record::rules;

pub(crate) use crate::recipes::results::record::{
    BuildRecord, COMMON, FILE, Inputs, LIMIT, OUTPUTS, Options, Output, Packages, RootInput, Several, Stages, parse,
    read, tool,
};

/// The bytes of the record of a build.
///
/// # Errors
/// When it would not be read again: a bug.
pub(crate) fn to_json(
    inputs: Inputs,
    stages: Stages,
    outputs: BTreeMap<String, Output>,
    owners: Owners,
) -> Result<Vec<u8>, Error> {
    let bug = || Error::bug("cannot write the record of the build");
    let record = BuildRecord::new(RecordFields { format: FORMAT, inputs, stages, outputs, owners });
    record.map_err(|fault| bug().because(&fault))?.to_json().map_err(|error| bug().because(&error))
}

/// `record` as it were, had the programs of `other` made the root file system; unchanged where these are the same.
///
/// # Errors
/// When that is no record: a bug.
pub(crate) fn with_tools_of(record: &BuildRecord, other: &BuildRecord) -> Result<BuildRecord, Error> {
    let changed = record.changed(|record| {
        if let (RootInput::Packages(own), RootInput::Packages(theirs)) =
            (&mut record.inputs.rootfs, &other.inputs.rootfs)
            && own.tools != theirs.tools
        {
            // Programs write the same tree into a tar in their own ways.
            (own.tools, own.key) = (theirs.tools.clone(), theirs.key);
            record.stages.rootfs = other.stages.rootfs;
        }
    });
    changed.map_err(|fault| Error::bug("two records do not make one").because(&fault))
}

/// What is known of a build before its outputs, and no manifest says.
pub(crate) struct Known {
    /// The digest over the overlay.
    pub(crate) overlay: Digest,
    /// The files from addresses.
    pub(crate) files: Vec<FileInput>,
    /// What is shipped of the closure.
    pub(crate) closure: Option<ClosureInput>,
    /// The one time of the build.
    pub(crate) epoch: Epoch,
    /// The root file system.
    pub(crate) rootfs: RootInput,
}

/// Every input of the build of `request`.
///
/// # Errors
/// When a neighbour's canonical form is no JSON.
pub(crate) fn inputs(request: &BuildRequest, inputs: &inputs::Inputs, known: Known) -> Result<Inputs, Error> {
    let Known { overlay, files, closure, epoch, rootfs } = known;
    let value = |Neighbour { manifest, file, .. }: &Neighbour| {
        serde_json::from_slice(&manifest.canonical_json())
            .map_err(|error| Error::bug(format!("the canonical form of {file} is no JSON")).because(&error))
    };
    Ok(Inputs {
        tool: tool(),
        name: inputs.manifest.name.clone(),
        arch: request.arch,
        epoch,
        manifest: Digest::of(&inputs.manifest.canonical_json()),
        overlay,
        files,
        closure,
        lower: inputs.lower(request.arch).iter().map(|module| module.reference.clone()).collect(),
        rules: rules(&inputs.rules),
        scrub: builder::scrub::version(),
        neighbours: inputs.neighbours.iter().map(value).collect::<Result<_, _>>()?,
        rootfs,
        options: Options {
            emit_tar: request.outputs.has_tar(),
            emit_oci: request.outputs.has_layout(),
            compression: request.outputs.artifact.compression,
            tag: request.outputs.artifact.tag.clone(),
            module_id: request.outputs.artifact.module_id.clone(),
            version: request.outputs.artifact.version.clone(),
            allow: request.checks.allowed.iter().cloned().collect(),
        },
    })
}

/// The digest over everything of `tree` but contents, which count by size unless they are in memory.
/// Times after `epoch` count as `epoch`, as in the image.
pub(crate) fn tree_digest(tree: &Tree<Source>, epoch: Epoch) -> Digest {
    let latest = Mtime { seconds: epoch.seconds(), nanoseconds: 0 };
    let mut text = String::new();
    let mut numbers: BTreeMap<NodeId, usize> = BTreeMap::new();
    for (index, (path, id, node)) in tree.walk().enumerate() {
        let Stat { mode, uid, gid, mtime, xattrs } = &node.stat;
        let mtime = (*mtime).min(latest);
        let first = *numbers.entry(id).or_insert(index);
        let body = match &node.kind {
            Kind::Directory(_) => "d".to_owned(),
            Kind::Regular(Source::Bytes(bytes)) => format!("f {} {}", bytes.len(), Digest::of(bytes)),
            Kind::Regular(source) => format!("f {}", source.size()),
            Kind::Symlink(target) => format!("l {}", escape(target)),
            Kind::CharDevice(number) => format!("c {number}"),
            Kind::BlockDevice(number) => format!("b {number}"),
            Kind::Fifo => "p".to_owned(),
            Kind::Socket => "s".to_owned(),
        };
        text += &format!("{path}\t{first} {mode:o} {uid} {gid} {}.{} {body}", mtime.seconds, mtime.nanoseconds);
        for (name, value) in xattrs {
            text += &format!("\t{}={}", escape(name), escape(value));
        }
        text.push('\n');
    }
    Digest::of(text.as_bytes())
}
