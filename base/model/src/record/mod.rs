//! `build.json`: what a build was made from, every input with its digest, and what it made.
//!
//! A record comes from anywhere, and everything in it leads somewhere: to a build's options, to files beside it, to
//! annotations, to messages. So a [`BuildRecord`] is checked where it gets its type, whoever made it.

mod check;
mod digests;
mod neighbours;
mod root;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checked::Checked;
use crate::closure::{AccountName, ClosureInput, ModuleRef};
use crate::file_input::FileInput;
use crate::resolution::Resolution;
use crate::{Arch, Digest, Epoch};

pub use check::Fault;
pub use digests::{Closure, RootfsInputs, rules};
pub use root::RootInput;
pub use words::{Compression, LINTS, LintCode, ModuleId, ModuleVersion, ParseWordError, Tag};

/// The name of the file.
pub const FILE: &str = "build.json";

/// The version of the form that is written and read.
pub const FORMAT: u32 = 1;

/// The largest record, in bytes.
pub const LIMIT: u64 = 16 << 20;

/// The files whose digests are recorded, where they are written.
pub const OUTPUTS: [&str; 10] = [
    "composefs.digest",
    "file-list.json",
    "file-list.txt",
    "manifest.json",
    "module.cfs",
    "module.tar",
    "oci/index.json",
    "oci/oci-layout",
    "package-list.txt",
    "requirements.json",
];

/// A build's record: nothing that no build would have written.
pub type BuildRecord = Checked<RecordFields>;

/// What a [`BuildRecord`] is made of; only the check makes one of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordFields {
    /// The version of this form: [`FORMAT`].
    pub format: u32,
    /// Everything that the bytes depend on.
    pub inputs: Inputs,
    /// A digest after each step that makes no output of its own.
    pub stages: Stages,
    /// The files of the dist directory but this one, and the two of the layout; blobs are named by their digests.
    pub outputs: BTreeMap<String, Output>,
    /// The accounts to which shipped files belong by numbers that were given out while the root file system was made.
    #[serde(default, skip_serializing_if = "Owners::is_empty")]
    pub owners: Owners,
}

/// Names with the numbers that they have in files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owners {
    /// Of users.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<AccountName, u32>,
    /// Of groups.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<AccountName, u32>,
}

impl Owners {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }
}

/// Everything that the bytes of a build depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// The program and its version.
    pub tool: String,
    /// The module's name.
    pub name: String,
    /// The architecture.
    pub arch: Arch,
    /// The one time of the build.
    pub epoch: Epoch,
    /// The sha256 of the canonical manifest.
    pub manifest: Digest,
    /// The digest over the overlay's names, contents and execute bits.
    pub overlay: Digest,
    /// The files from addresses, for this architecture, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileInput>,
    /// What is shipped of the closure of the packages; absent where only what they own is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closure: Option<ClosureInput>,
    /// The modules that it was laid over, the lowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lower: Vec<ModuleRef>,
    /// The digest over every pattern in order: [`rules`].
    pub rules: Digest,
    /// The digest over the scrub rules.
    pub scrub: Digest,
    /// The neighbours' canonical manifests.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "neighbours::read")]
    pub neighbours: Vec<Value>,
    /// The root file system.
    pub rootfs: RootInput,
    /// The arguments that change bytes.
    pub options: Options,
}

/// The packages of a root file system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// The key over everything that can reach the bytes of the root file system: [`RootfsInputs::key`].
    pub key: Digest,
    /// The versions of the programs that made it.
    pub tools: BTreeMap<String, String>,
    /// The components that were searched.
    pub components: Vec<String>,
    /// Suite, variant, archives, and every package with version, architecture, path and sha256.
    pub resolution: Resolution,
}

/// The arguments that change bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Whether `module.tar` was written.
    pub emit_tar: bool,
    /// Whether the OCI layout was written.
    pub emit_oci: bool,
    /// How the layer is compressed.
    pub compression: Compression,
    /// The tag in the layout.
    pub tag: Tag,
    /// The module's identifier on the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module_id: Option<ModuleId>,
    /// The module's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ModuleVersion>,
    /// The lints that were allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<LintCode>,
}

/// A digest after each step between the inputs and the image. Contents count by size here; those of packages are held
/// by the sha256 of the root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stages {
    /// The sha256 of the root file system's tar, or the listing of a given one.
    pub rootfs: Digest,
    /// The tree after scrubbing.
    pub scrub: Digest,
    /// The tree with the overlay, times clamped.
    pub overlay: Digest,
    /// What is shipped.
    pub filter: Digest,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The sha256 of its bytes.
    pub sha256: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// Why a text is no record that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It has another form.
    #[error("it has the format {found}, and {FORMAT} is known")]
    Format {
        /// The version of its form.
        found: u32,
    },
    /// It is damaged, or says what no build would have written.
    #[error(transparent)]
    Damaged(#[from] serde_json::Error),
}

impl BuildRecord {
    /// Reads a record. The text takes about forty times its length in memory at the worst.
    ///
    /// # Errors
    /// When it is damaged, of another version of the form, or says what no build can have written.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format: found } = serde_json::from_slice(bytes)?;
        if found == FORMAT { Ok(serde_json::from_slice(bytes)?) } else { Err(ReadError::Format { found }) }
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// Never, as far as anyone knows: every part of a record has a form in JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
