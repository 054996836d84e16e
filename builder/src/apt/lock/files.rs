//! The files in a lock that a module takes from addresses.

use std::fmt;

use model::file_input::{FileInput, check_url};
use model::{Arch, Digest};
use net::url::redact;
use serde::{Deserialize, Serialize};

/// A file that the module takes from an address: what is fetched, and not where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// The address.
    pub url: String,
    /// The sha256 of its bytes.
    pub sha256: Digest,
    /// The architectures; none where it is for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<Arch>,
}

impl LockedFile {
    /// What the lock holds of `inputs`.
    #[must_use]
    pub fn all(inputs: &[FileInput]) -> Vec<Self> {
        let of = |input: &FileInput| Self {
            url: input.url.clone(),
            sha256: input.sha256,
            architectures: input.architectures.clone(),
        };
        inputs.iter().map(of).collect()
    }

    /// Checks what stands in a lock, which may come from anyone.
    pub(super) fn check(&self) -> Result<(), String> {
        check_url(&self.url).map_err(|hint| format!("the address of a file is wrong: {hint}"))
    }
}

impl fmt::Display for LockedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, sha256, architectures } = self;
        write!(f, "{} with {sha256}", redact(url))?;
        if architectures.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = architectures.iter().map(|arch| arch.debian()).collect();
        write!(f, " for {}", names.join(", "))
    }
}
