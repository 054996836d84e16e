//! `requirements.json`: what a module was laid over, what it brings, and what it leaves to others.
//!
//! It travels with a module, as a layer of its artifact, so it comes from anywhere: a [`Requirements`] is checked where it
//! gets its type, and [`Requirements::parse`] takes no bytes but those that a build would have written.

mod check;
mod keys;
mod path_text;

use serde::{Deserialize, Serialize};

use crate::checked::Checked;
use crate::closure::{AccountName, ModuleRef};
use crate::resolution::Variant;
use crate::{Arch, Digest, ImagePath, canonical};

pub use check::{Fault, is_need, is_unit};
pub use keys::json_schema;
pub use path_text::PathText;

/// The name of the file.
pub const FILE: &str = "requirements.json";
/// The version of the form that is written and read.
pub const VERSION: u32 = 1;
/// The largest file that is written and read, in bytes.
pub const LIMIT: u64 = 4 << 20;
/// The most files that are named for one need; there is a count of all.
pub const MOST_NAMED: usize = 3;

/// What a module asks of its node, and what it brings.
pub type Requirements = Checked<RequirementsFields>;

/// What [`Requirements`] are made of; only the check makes some of it. Every list is in order, and nothing is in it twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequirementsFields {
    /// The version of this form: [`VERSION`].
    pub schema_version: u32,
    /// The module's name.
    pub name: String,
    /// Its version, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The architecture.
    pub arch: Arch,
    /// What it was laid over.
    pub base: Base,
    /// The modules that it requires and whose contents it does not bring itself, by name.
    pub requires: Vec<ModuleRef>,
    /// The packages that it was made from and that neither the base nor a required module has, by name.
    pub packages: Vec<PackageVersion>,
    /// Users and groups of the base and of the module, by name.
    pub accounts: Vec<Account>,
    /// Secrets that maintainer scripts made and that are not shipped, by path.
    pub secrets: Vec<LeftOut>,
    /// Directories of data that maintainer scripts filled and that are shipped empty, by path.
    pub data: Vec<LeftOut>,
    /// Units of systemd.
    pub units: Units,
    /// What neither the module nor its base has, by kind and name.
    pub needs: Vec<OpenNeed>,
    /// Packages that those of the module recommend and that were not installed, by name.
    pub recommends: Vec<String>,
}

/// What a module was laid over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The digest over suite, variant, architecture and every package with its version and sha256.
    pub digest: Digest,
    /// The code name of the suite.
    pub suite: String,
    /// The variant, in mmdebstrap's sense.
    pub variant: Variant,
    /// The module that it is, with all that this one was laid over; none where it is packages alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleRef>,
    /// Its packages, by name.
    pub packages: Vec<PackageVersion>,
}

/// A package in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, which may be `all`.
    pub arch: String,
}

/// A user, a group, or both by one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The name.
    pub name: AccountName,
    /// The number of the user; none where there is a group only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The number of the group of this name; none where there is a user only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Who brings it.
    pub from: Origin,
}

/// Who brings an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The base.
    Base,
    /// The module.
    Module,
}

/// What maintainer scripts made and no module ships.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "path_text::Line", into = "path_text::Line")]
pub struct LeftOut {
    /// Where it was made.
    pub path: ImagePath,
    /// What it is.
    pub kind: LeftOutKind,
    /// What makes it on the node; none where the module brings nothing that does.
    pub made_by: Option<FirstStartUnit>,
}

/// What something is that is not shipped. It is known by content, so there are few kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOutKind {
    /// A private key of OpenSSH.
    OpensshKey,
    /// A private key of Dropbear.
    DropbearKey,
    /// A private key in PEM with a certificate.
    PemKey,
    /// A key of BIND's control channel.
    TsigKey,
    /// A UUID, alone in its file.
    Uuid,
    /// Random bytes, and nothing else.
    RandomBytes,
    /// What is made along with a key: its public key, or its certificate.
    Companion,
    /// A cluster of PostgreSQL.
    PostgresCluster,
    /// A data directory of MySQL or MariaDB.
    Innodb,
    /// Another secret, or other data.
    Unknown,
}

/// A unit that makes something once on each node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstStartUnit {
    /// Its name.
    pub unit: String,
    /// The recipe: the program by its absolute path, and its arguments.
    pub command: Vec<String>,
    /// Who runs it; root where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<AccountName>,
}

/// The names of a module's units.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Units {
    /// Those that are started with the node.
    pub enabled: Vec<String>,
    /// All that are shipped.
    pub shipped: Vec<String>,
    /// Those that maintainer scripts enabled and the module does not.
    pub not_enabled: Vec<String>,
}

/// Something that shipped files, units or services need, and that nothing brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenNeed {
    /// What it is.
    pub kind: NeedKind,
    /// Its name, as the file has it.
    pub name: String,
    /// Whether whoever needs it can do without, or a required module may bring it.
    pub optional: bool,
    /// How many files need it; 0 where the manifest does.
    pub count: u64,
    /// The first of these files.
    pub by: Vec<PathText>,
}

/// A kind of need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeedKind {
    /// A shared library.
    Library,
    /// A program, a loader or an interpreter.
    Program,
    /// A file that a unit asks for.
    File,
    /// A unit.
    Unit,
    /// A user.
    User,
    /// A group.
    Group,
}

/// Why bytes are no requirements that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There are too many.
    #[error("it has more than {LIMIT} bytes")]
    Size,
    /// It has another form.
    #[error("it has the version {found}, and {VERSION} is known")]
    Version {
        /// The version of its form.
        found: u32,
    },
    /// It is damaged, or says what no build would have written.
    #[error(transparent)]
    Damaged(#[from] serde_json::Error),
    /// It says the same in other bytes than a build would have.
    #[error("it is not written as a build writes it")]
    Form,
}

impl Requirements {
    /// Reads the bytes of the file.
    ///
    /// # Errors
    /// When they are not what a build would have written, whatever they say.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Version {
            schema_version: u32,
        }
        if bytes.len() as u64 > LIMIT {
            return Err(ReadError::Size);
        }
        let Version { schema_version: found } = serde_json::from_slice(bytes)?;
        if found != VERSION {
            return Err(ReadError::Version { found });
        }
        let read: Self = serde_json::from_slice(bytes)?;
        if read.to_json()? == bytes { Ok(read) } else { Err(ReadError::Form) }
    }

    /// The bytes of the file: canonical JSON.
    ///
    /// # Errors
    /// Never, as far as anyone knows: every part has a form in JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        canonical::json(self)
    }
}

#[cfg(test)]
mod tests;
