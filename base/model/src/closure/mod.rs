//! What a module ships of its packages, and what it is laid over: what `builder.toml` says of it, and what a lock and a
//! record hold.

mod accounts;
mod base;
mod first_start;
mod module_ref;
mod text_path;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use accounts::{AccountName, Accounts, Ids, LARGEST_ID, PROPOSED, ParseAccountError};
pub use base::BaseRequest;
pub use first_start::{FirstStart, FirstStartError};
pub use module_ref::{ModuleRef, ModuleRefFault, ModuleRefFields, is_module_version};
pub use text_path::{ParseTextPathError, TextPath};

/// Which files of the packages are shipped without being named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ship {
    /// Where the manifest has no `file_spec`, those that the packages of `package_spec` own.
    #[default]
    Owned,
    /// All that the module needs to run over its base: the files of every package that the base lacks, and what
    /// maintainer scripts made.
    Closure,
}

/// What of a closure a module's bytes depend on beside its packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosureInput {
    /// Whether documentation is shipped.
    pub documentation: bool,
    /// What the author decided.
    #[serde(default, skip_serializing_if = "ClosureRules::is_empty")]
    pub rules: ClosureRules,
    /// The numbers of the accounts that packages made.
    #[serde(default, skip_serializing_if = "Accounts::is_empty")]
    pub accounts: Accounts,
}

impl ClosureRules {
    /// Whether the author decided nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replaces.is_empty() && self.secrets.is_empty() && self.data.is_empty()
    }
}

/// What the author decided about a closure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosureRules {
    /// Paths of the base that the module replaces, on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<TextPath>,
    /// How secrets are made when the service starts first, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<TextPath, FirstStart>,
    /// How directories of data are made when the service starts first, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<TextPath, FirstStart>,
}
