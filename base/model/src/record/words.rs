//! The words among a build's options. Each is checked where it gets its type.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::closure::is_module_version;
use crate::words::is_showable;

/// How the OCI layer that holds `module.tar` is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// zstd, the same bytes for any number of threads.
    #[default]
    Zstd,
    /// No compression.
    None,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zstd => "zstd",
            Self::None => "none",
        })
    }
}

impl FromStr for Compression {
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<Self, ParseWordError> {
        let found = [Self::Zstd, Self::None].into_iter().find(|compression| compression.to_string() == text);
        found.ok_or(ParseWordError("a compression is zstd or none"))
    }
}

/// Why a text is not the word that it should be: what such a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseWordError(&'static str);

macro_rules! word {
    ($(#[$doc:meta])* $name:ident: $is:expr, $otherwise:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = ParseWordError;

            fn try_from(text: String) -> Result<Self, ParseWordError> {
                let is: fn(&str) -> bool = $is;
                if is(&text) { Ok(Self(text)) } else { Err(ParseWordError($otherwise)) }
            }
        }

        impl FromStr for $name {
            type Err = ParseWordError;

            fn from_str(text: &str) -> Result<Self, ParseWordError> {
                text.to_owned().try_into()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }
    };
}

word! {
    /// A tag as the OCI distribution specification defines it, short enough for `-ARCH`.
    Tag: |text| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let begins = text.bytes().next().is_some_and(is_word);
        begins && text.len() <= 118 && text.bytes().all(|byte| is_word(byte) || b".-".contains(&byte))
    },
    "a tag is at most 118 letters, digits, `_`, `.` and `-`, and starts with none of the last two"
}

word! {
    /// The module's identifier on the platform, which stands in an annotation and in the record.
    ModuleId: |text| !text.is_empty() && is_showable(text),
    "an identifier is one line of 1 to 256 bytes, without control characters"
}

word! {
    /// A module's version, which stands in an annotation, in the requirements and in the record.
    ModuleVersion: is_module_version,
    "a version is as in semantic versioning, such as 1.2.3"
}

word! {
    /// The code of a finding, such as `needs-library`.
    LintCode: |text| {
        LINTS.contains(&text)
    },
    "it is no lint that can be allowed"
}

/// The code of every finding about a build that can be allowed.
pub const LINTS: [&str; 40] = [
    "bare-directory",
    "base-without-systemd",
    "dangling-link",
    "data-not-shipped",
    "device-node",
    "directory-alone",
    "file-attributes",
    "file-closed",
    "file-mode",
    "file-owner",
    "file-packed",
    "first-start-shipped",
    "floating-owner",
    "generated-masked",
    "generator-not-run",
    "large-closure",
    "machine-file",
    "needs-command",
    "needs-file",
    "needs-interpreter",
    "needs-library",
    "needs-unit",
    "needs-user",
    "not-in-var",
    "overlay-attributes",
    "overlay-closed",
    "overlay-not-shipped",
    "overlay-rule",
    "overlay-writable",
    "pattern-shadowed",
    "pattern-takes-nothing",
    "pattern-through-link",
    "port-conflict",
    "possible-secret",
    "scripts-not-run",
    "secret-not-shipped",
    "ships-node-program",
    "special-rights",
    "unit-not-enabled",
    "units-not-enabled",
];
