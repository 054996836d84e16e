//! The answer of a resolution: an exact closure of packages and where it came from.

use std::fmt;

use model::package::{Package, PackageRequest};
use model::{Arch, Digest, Epoch};
use serde::{Deserialize, Serialize};

use super::Variant;

/// The exact closure of a list of requests for one architecture. It is also the body of
/// `module.lock` for that architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolution {
    /// The architecture.
    pub arch: Arch,
    /// The suite that was asked for; it may be an alias such as `stable`.
    pub suite: String,
    /// Which packages are there without being asked for.
    pub variant: Variant,
    /// What was requested, sorted, without repetitions.
    pub requests: Vec<PackageRequest>,
    /// The archive of the suite itself.
    pub release: ReleaseInfo,
    /// Further archives, in the order of the settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_releases: Vec<ReleaseInfo>,
    /// Every package, sorted by name, then architecture; no package twice.
    pub packages: Vec<Resolved>,
}

impl Resolution {
    /// The newest date of the archives that it came from: the default epoch of a build.
    #[must_use]
    pub fn newest(&self) -> Epoch {
        self.more_releases.iter().map(|release| release.date).fold(self.release.date, Epoch::max)
    }
}

/// What a signed Release file says about its archive. The signature was checked by apt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseInfo {
    /// The archive's base URI, without a trailing slash.
    pub uri: String,
    /// The suite that was asked for below it.
    pub path: String,
    /// The sha256 of the `InRelease` file (of `Release`, where the archive has no `InRelease`).
    pub inrelease: Digest,
    /// The field `Date`.
    pub date: Epoch,
    /// The field `Valid-Until`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Epoch>,
    /// The field `Suite`; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suite: String,
    /// The field `Codename`; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub codename: String,
    /// The field `Origin`; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// The field `Label`; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
}

/// One package of the closure and its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// Name, architecture, version and source.
    #[serde(flatten)]
    pub package: Package,
    /// The whole URL of the .deb.
    pub url: String,
    /// The path of the .deb below its archive's URI; relative, without `..`.
    pub path: String,
    /// The size of the .deb in bytes.
    pub size: u64,
    /// The sha256 of the .deb.
    pub sha256: Digest,
    /// Why it is there.
    pub reason: Reason,
}

/// Why a package is in a closure. Its text is `requested`, `base: essential` or `required by NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reason {
    /// The manifest names it.
    Requested,
    /// The variant has it: it is `essential`, or has the named priority, or is `apt` itself.
    Base(String),
    /// The named package of the closure depends on it. The chain of these ends at a requested or a
    /// base package.
    RequiredBy(String),
}

/// Why a text is no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no reason: expected `requested`, `base: WORD` or `required by PACKAGE`")]
pub struct ParseReasonError {
    /// What was given.
    pub text: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("requested"),
            Self::Base(word) => write!(f, "base: {word}"),
            Self::RequiredBy(name) => write!(f, "required by {name}"),
        }
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.to_string()
    }
}

impl TryFrom<String> for Reason {
    type Error = ParseReasonError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        if text == "requested" {
            Ok(Self::Requested)
        } else if let Some(rest) = text.strip_prefix("base: ").filter(|rest| word(rest)) {
            Ok(Self::Base(rest.to_owned()))
        } else if let Some(rest) =
            text.strip_prefix("required by ").filter(|rest| model::package::is_package_name(rest))
        {
            Ok(Self::RequiredBy(rest.to_owned()))
        } else {
            Err(ParseReasonError { text: text.chars().take(80).collect() })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn reasons_are_their_texts() {
        for reason in
            [Reason::Requested, Reason::Base("essential".to_owned()), Reason::RequiredBy("nginx-common".to_owned())]
        {
            assert_eq!(Reason::try_from(reason.to_string()), Ok(reason));
        }
        for text in ["", "base: ", "base: a b", "required by ", "required by A;b", "Requested"] {
            assert!(Reason::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
