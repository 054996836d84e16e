//! A built module that another one was laid over.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::checked::{Checked, Rules};
use crate::manifest::is_module_name;
use crate::words::beginning;

/// A module by its name, its version where it has one, and its digest.
pub type ModuleRef = Checked<ModuleRefFields>;

/// What a [`ModuleRef`] is made of; only the check makes one of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleRefFields {
    /// Its name.
    pub name: String,
    /// Its version, by semantic versioning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The sha256 of what `sha256sum manifest.json module.cfs requirements.json` prints, without the last where it has none.
    pub digest: Digest,
}

/// Why it names no module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleRefFault {
    /// The name is none.
    #[error("{text:?} is no name of a module")]
    Name {
        /// The beginning of the text.
        text: String,
    },
    /// The version is none.
    #[error("{text:?} is no version, such as 1.2.3")]
    Version {
        /// The beginning of the text.
        text: String,
    },
}

impl Rules for ModuleRefFields {
    type Fault = ModuleRefFault;

    fn check(&self) -> Result<(), ModuleRefFault> {
        let Self { name, version, digest: _ } = self;
        if !is_module_name(name) {
            return Err(ModuleRefFault::Name { text: beginning(name) });
        }
        match version.as_ref().filter(|version| !is_module_version(version)) {
            Some(version) => Err(ModuleRefFault::Version { text: beginning(version) }),
            None => Ok(()),
        }
    }
}

/// The longest version of a module, in bytes.
const LONGEST_VERSION: usize = 128;

/// Whether `text` is a version of a module: one of semantic versioning.
#[must_use]
pub fn is_module_version(text: &str) -> bool {
    text.len() <= LONGEST_VERSION && semver::Version::parse(text).is_ok()
}

impl ModuleRefFields {
    /// That of the module with these files; `requirements` where it has some.
    #[must_use]
    pub fn digest_of(manifest: &Digest, image: &Digest, requirements: Option<&Digest>) -> Digest {
        let files =
            [("manifest.json", Some(manifest)), ("module.cfs", Some(image)), ("requirements.json", requirements)];
        let line = |(name, digest): (&str, Option<&Digest>)| Some(format!("{}  {name}\n", digest?.hex()));
        let text: String = files.into_iter().filter_map(line).collect();
        Digest::of(text.as_bytes())
    }
}

impl fmt::Display for ModuleRefFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.version.iter().try_for_each(|version| write!(f, " {version}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn the_digest_is_that_of_what_sha256sum_prints() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let text = format!("{}  manifest.json\n{}  module.cfs\n", one.hex(), two.hex());
        assert_eq!(ModuleRefFields::digest_of(&one, &two, None), Digest::of(text.as_bytes()));
        let text = text + &format!("{}  requirements.json\n", one.hex());
        assert_eq!(ModuleRefFields::digest_of(&one, &two, Some(&one)), Digest::of(text.as_bytes()));
    }

    #[test]
    fn names_and_versions_are_checked() {
        let one = |name: &str, version: Option<&str>| {
            let version = version.map(str::to_owned);
            ModuleRef::new(ModuleRefFields { name: name.to_owned(), version, digest: Digest::of(b"") })
        };
        assert_eq!(one("redis", Some("1.2.3-rc.1")).unwrap().to_string(), "redis 1.2.3-rc.1");
        assert_eq!(one("redis", None).unwrap().to_string(), "redis");
        for (name, version) in [("Redis", None), ("", None), ("redis", Some("1")), ("redis", Some("1.2.3\n"))] {
            assert!(one(name, version).is_err(), "{name:?} {version:?}");
        }
        assert!(one("redis", Some(&format!("1.2.3-{}", "a".repeat(128)))).is_err());
    }
}
