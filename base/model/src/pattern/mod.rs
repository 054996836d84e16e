//! rsync filter patterns: the checked text, and what it means.
//!
//! This is the only reader of rsync's pattern language. `composer` makes its automaton from
//! [`Glob`]'s tokens, and [`crate::rules`] searches conflicts over the same tokens.

mod glob;
mod set;

use std::fmt;

pub use glob::{Glob, Test, Token};
pub use set::ByteSet;

use serde::{Serialize, Serializer};

/// An anchored rsync filter pattern: starts with `/`, holds no `..` component and no line break.
///
/// Its meaning is rsync's (`man rsync`, "PATTERN MATCHING RULES"): `*` stops at `/`, `**` does not,
/// `?` is one byte but `/`, `[...]` a set (never `/`), `\` escapes when the pattern has a wildcard, a
/// trailing `/` restricts to directories, a trailing `/***` means the directory and all below it.
/// This type holds the checked text; [`Self::glob`] reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

/// Why a text is no pattern. Each variant is one rule of docs/formats/manifest.md, "Patterns".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text is empty.
    #[error("the pattern is empty")]
    Empty,
    /// The text begins with rsync's own filter syntax.
    #[error("a pattern holds no rule prefix such as `+ `, `- `, `#` or `;`")]
    RulePrefix,
    /// The text does not begin with `/`.
    #[error("a pattern starts with `/`")]
    NotAnchored,
    /// A component is `..`.
    #[error("a pattern holds no `..`")]
    ParentComponent,
    /// The text holds a line break or a NUL.
    #[error("a pattern holds no line break and no NUL")]
    LineBreak,
    /// The text ends in a blank.
    #[error("a pattern does not end in a blank")]
    TrailingBlank,
    /// The text is longer than [`Pattern::MAX_LEN`].
    #[error("a pattern has at most 4096 bytes")]
    TooLong,
}

impl Pattern {
    /// The longest pattern, in bytes: Linux's PATH_MAX.
    pub const MAX_LEN: usize = 4096;

    /// Checks `text`.
    ///
    /// # Errors
    /// When the text breaks one of the rules of [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(PatternError::TooLong);
        }
        if text.contains(['\n', '\r', '\0']) {
            return Err(PatternError::LineBreak);
        }
        if text.starts_with("+ ") || text.starts_with("- ") || text.starts_with(['#', ';']) {
            return Err(PatternError::RulePrefix);
        }
        if !text.starts_with('/') {
            return Err(PatternError::NotAnchored);
        }
        if text.split('/').any(|component| component == "..") {
            return Err(PatternError::ParentComponent);
        }
        if text.ends_with([' ', '\t']) {
            return Err(PatternError::TrailingBlank);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the pattern matches.
    #[must_use]
    pub fn glob(&self) -> Glob {
        Glob::parse(self.0.as_bytes())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_of_the_format_has_its_error() {
        for (text, error) in [
            ("", PatternError::Empty),
            ("etc/nginx", PatternError::NotAnchored),
            ("*", PatternError::NotAnchored),
            ("/etc/../shadow", PatternError::ParentComponent),
            ("/etc/..", PatternError::ParentComponent),
            ("/etc\n/x", PatternError::LineBreak),
            ("/etc\r", PatternError::LineBreak),
            ("+ /etc", PatternError::RulePrefix),
            ("- /etc", PatternError::RulePrefix),
            ("#/etc", PatternError::RulePrefix),
            (";/etc", PatternError::RulePrefix),
            ("/etc ", PatternError::TrailingBlank),
        ] {
            assert_eq!(Pattern::parse(text), Err(error), "{text:?}");
        }
        for text in ["/", "/etc/nginx/**", "/etc/...", "/a..b", "/usr/bin/\\[", "/with space/x"] {
            assert_eq!(Pattern::parse(text).unwrap().as_str(), text);
        }
    }
}
