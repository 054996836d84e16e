//! `build.json`: what a build was made from, every input with its digest, and what it made.
//!
//! It lies in the dist directory and not in the OCI artifact: it names archives and their Release
//! files, and the same module can come from other ones (docs/decisions/0004-build-record.md).

mod check;
mod fingerprint;
mod neighbours;
mod rootfs;
mod several;

use std::collections::BTreeMap;
use std::path::Path;

use builder::apt::Resolution;
use composer::scan::Source;
use image::tree::{Kind, Mtime, NodeId, Stat, Tree};
use model::path::escape;
use model::rules::Rules;
use model::words::shortened;
use model::{Arch, Digest, Epoch};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::recipes::build::inputs;
use crate::recipes::build::request::BuildRequest;
use crate::recipes::results::opened;
pub(crate) use several::{COMMON, Several};

pub(crate) use crate::recipes::results::whose::{OUTPUTS, RECORD as FILE, RECORD_LIMIT as LIMIT};

/// The version of the form that is written and read.
const FORMAT: u32 = 1;

/// From how many bytes on a record takes memory that is asked for first.
const LARGE: usize = 1 << 20;
/// How many bytes of memory one byte of a record can take, at the worst.
const MEMORY: usize = 40;

/// A build's record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// The version of this form.
    pub(crate) format: u32,
    /// Everything that the bytes depend on.
    pub(crate) inputs: Inputs,
    /// A digest after each step that makes no output of its own.
    pub(crate) stages: Stages,
    /// The files of the dist directory but this one, and the two of the layout; blobs are named by their
    /// digests.
    pub(crate) outputs: BTreeMap<String, Output>,
}

/// Everything that the bytes of a build depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inputs {
    /// This program and its version.
    pub(crate) tool: String,
    /// The module's name.
    pub(crate) name: String,
    /// The architecture.
    pub(crate) arch: Arch,
    /// The one time of the build.
    pub(crate) epoch: Epoch,
    /// The sha256 of the canonical manifest.
    pub(crate) manifest: Digest,
    /// The digest over the overlay's names, contents and execute bits.
    pub(crate) overlay: Digest,
    /// The digest over every pattern in order.
    pub(crate) rules: Digest,
    /// The digest over the scrub rules.
    pub(crate) scrub: Digest,
    /// The neighbours' canonical manifests.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "neighbours::read")]
    pub(crate) neighbours: Vec<Value>,
    /// The root file system.
    pub(crate) rootfs: RootInput,
    /// The arguments that change bytes.
    pub(crate) options: Options,
}

/// Where the root file system came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub(crate) enum RootInput {
    /// The user named it: a path of the host, which is not recorded.
    Given {
        /// The digest over names, sizes, modes, owners and times of everything in it.
        listing: Digest,
    },
    /// Debian packages.
    Packages(Box<Packages>),
}

/// The packages of a root file system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Packages {
    /// The key over everything that can reach the bytes of the root file system.
    pub(crate) key: Digest,
    /// The versions of the programs that made it.
    pub(crate) tools: BTreeMap<String, String>,
    /// The components that were searched.
    pub(crate) components: Vec<String>,
    /// Suite, variant, archives, and every package with version, architecture, path and sha256.
    pub(crate) resolution: Resolution,
}

/// The arguments that change bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Whether `module.tar` was written.
    pub(crate) emit_tar: bool,
    /// Whether the OCI layout was written.
    pub(crate) emit_oci: bool,
    /// How the layer is compressed.
    pub(crate) compression: String,
    /// The tag in the layout.
    pub(crate) tag: String,
    /// The module's identifier on the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) module_id: Option<String>,
    /// The lints that were allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) allow: Vec<String>,
}

/// A digest after each step between the inputs and the image. Contents count by size here; those of
/// packages are held by the sha256 of the root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stages {
    /// The sha256 of the root file system's tar, or the listing of a given one.
    pub(crate) rootfs: Digest,
    /// The tree after scrubbing.
    pub(crate) scrub: Digest,
    /// The tree with the overlay, times clamped.
    pub(crate) overlay: Digest,
    /// What is shipped.
    pub(crate) filter: Digest,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Output {
    /// The sha256 of its bytes.
    pub(crate) sha256: Digest,
    /// Its length in bytes.
    pub(crate) size: u64,
}

impl Record {
    /// A record of the form that is written now.
    pub(crate) fn new(inputs: Inputs, stages: Stages, outputs: BTreeMap<String, Output>) -> Self {
        Self { format: FORMAT, inputs, stages, outputs }
    }

    /// The bytes of the file.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Error> {
        pretty(self)
    }

    /// This record as it were, had the programs of `other` made the root file system; unchanged where
    /// these are the same.
    pub(crate) fn as_made_by(&self, other: &Self) -> Self {
        let mut record = self.clone();
        if let (RootInput::Packages(own), RootInput::Packages(theirs)) =
            (&mut record.inputs.rootfs, &other.inputs.rootfs)
            && own.tools != theirs.tools
        {
            // Programs write the same tree into a tar in their own ways.
            (own.tools, own.key) = (theirs.tools.clone(), theirs.key);
            record.stages.rootfs = other.stages.rootfs;
        }
        record
    }

    /// Reads the record at `path`; none when there is no such file.
    ///
    /// # Errors
    /// When it is damaged, or of a version that this program does not know.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let bytes = host::open::read_if_there(path, LIMIT).map_err(opened::misplaced)?;
        bytes.map(|bytes| Self::parse(&bytes, path)).transpose()
    }

    /// The record in `bytes`, which were read from `path`.
    ///
    /// # Errors
    /// As [`Record::read`].
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |error: serde_json::Error| damaged(&error, path);
        if bytes.len() > LARGE {
            host::memory::ask(bytes.len().saturating_mul(MEMORY)).map_err(|error| Error::io("read", path, &error))?;
        }
        let Version { format } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format != FORMAT {
            return Err(unknown_format(format, path));
        }
        let record: Self = serde_json::from_slice(bytes).map_err(damaged)?;
        record.check().map_err(impossible)?;
        Ok(record)
    }
}

/// A record as the file has it.
fn pretty(record: &impl Serialize) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::bug("cannot write the record of the build").because(&error);
    let mut text = serde_json::to_vec_pretty(record).map_err(failed)?;
    text.push(b'\n');
    Ok(text)
}

/// The refusal of a record that is none.
fn damaged(error: &serde_json::Error, path: &Path) -> Error {
    let mut refused = Error::refused(format!("{} is no record of a build", path.display()));
    refused.causes.push(shortened(&error.to_string()));
    refused.hint("name the build.json that `build` left in its dist directory, unchanged")
}

/// The refusal of a record of another version.
fn unknown_format(format: u32, path: &Path) -> Error {
    Error::refused(format!("{} has the format {format}, and {FORMAT} is known", path.display()))
        .hint("use the version of module-builder that wrote it")
}

/// The refusal of a record for something that no build can have written.
fn impossible(cause: String) -> Error {
    let mut error = Error::refused("the record asks for a build that cannot be asked for");
    error.causes.push(cause);
    error.hint("the record was changed after the build: take it from where the build left it")
}

/// This program's name and version.
pub(crate) fn tool() -> String {
    format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}

/// What is known of a build before its outputs, and no manifest says.
pub(crate) struct Known {
    /// The digest over the overlay.
    pub(crate) overlay: Digest,
    /// The one time of the build.
    pub(crate) epoch: Epoch,
    /// The root file system.
    pub(crate) rootfs: RootInput,
}

impl Inputs {
    /// What is known before the root file system is read.
    ///
    /// # Errors
    /// When a neighbour's canonical form is no JSON.
    pub(crate) fn new(request: &BuildRequest, inputs: &inputs::Inputs, known: Known) -> Result<Self, Error> {
        let Known { overlay, epoch, rootfs } = known;
        let value = |(manifest, file): &(model::Manifest, model::FileName)| {
            serde_json::from_slice(&manifest.canonical_json())
                .map_err(|error| Error::bug(format!("the canonical form of {file} is no JSON")).because(&error))
        };
        Ok(Self {
            tool: tool(),
            name: inputs.manifest.name.clone(),
            arch: request.arch,
            epoch,
            manifest: Digest::of(&inputs.manifest.canonical_json()),
            overlay,
            rules: rules(&inputs.rules),
            scrub: builder::scrub::version(),
            neighbours: inputs.neighbours.iter().map(value).collect::<Result<_, _>>()?,
            rootfs,
            options: Options::of(request),
        })
    }
}

impl Options {
    fn of(request: &BuildRequest) -> Self {
        Self {
            emit_tar: request.outputs.has_tar(),
            emit_oci: request.outputs.has_layout(),
            compression: request.outputs.artifact.compression.word().to_owned(),
            tag: request.outputs.artifact.tag.clone(),
            module_id: request.outputs.artifact.module_id.clone(),
            allow: request.checks.allowed.iter().cloned().collect(),
        }
    }
}

/// The digest over every pattern in order, with its list and module, not where it was written.
pub(crate) fn rules(rules: &Rules) -> Digest {
    let mut text = String::new();
    for (sign, list) in [('-', &rules.excludes), ('+', &rules.includes)] {
        for rule in list {
            text += &format!("{sign} {} {} {}\n", rule.origin.module, rule.origin.field.key(), rule.pattern);
        }
    }
    Digest::of(text.as_bytes())
}

/// The digest over everything of `tree` but contents, which count by size unless they are in memory.
/// Times after `epoch` count as `epoch`, as in the image.
pub(crate) fn listing(tree: &Tree<Source>, epoch: Epoch) -> Digest {
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
