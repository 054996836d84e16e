//! Why a package is in a closure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::package::is_package_name;
use crate::words::beginning;

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
        let reason = if text == "requested" {
            Some(Self::Requested)
        } else if let Some(word) = text.strip_prefix("base: ") {
            Some(Self::Base(word.to_owned()))
        } else {
            text.strip_prefix("required by ").map(|name| Self::RequiredBy(name.to_owned()))
        };
        reason.filter(Self::is_plain).ok_or_else(|| ParseReasonError { text: beginning(&text) })
    }
}

impl Reason {
    /// Whether its text leads back to it.
    pub(super) fn is_plain(&self) -> bool {
        match self {
            Self::Requested => true,
            Self::Base(word) => (1..=32).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase()),
            Self::RequiredBy(name) => is_package_name(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_their_texts() {
        for reason in
            [Reason::Requested, Reason::Base("essential".to_owned()), Reason::RequiredBy("nginx-common".to_owned())]
        {
            assert_eq!(Reason::try_from(reason.to_string()), Ok(reason));
        }
        let long = format!("base: {}", "a".repeat(1 << 20));
        for text in [
            "",
            "base: ",
            "base: a b",
            "base: A",
            "required by ",
            "required by A;b",
            "required by -o",
            "Requested",
            &long,
        ] {
            let error = Reason::try_from(text.to_owned()).unwrap_err();
            assert!(error.text.len() <= 80);
        }
    }

    #[test]
    fn the_word_of_a_base_package_is_short() {
        let base = |length: usize| Reason::try_from(format!("base: {}", "a".repeat(length))).is_ok();
        assert!(base(1) && base(32) && !base(33) && !base(0));
        assert_eq!(serde_json::to_string(&Reason::RequiredBy("g++".to_owned())).unwrap(), "\"required by g++\"");
    }
}
