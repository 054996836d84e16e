//! What a module needs and gives: `owner/module@constraint`, `capability:tag` and tags.

use std::fmt;

use serde::{Serialize, Serializer};

/// A capability tag: dotted words, and optionally a colon and a value, such as `http.port:80`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Capability(String);

/// A version constraint in semantic-versioning terms, with the text as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    text: String,
    requirement: semver::VersionReq,
}

/// One entry of `dependencies.requires`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// `owner/module@constraint`.
    Module {
        /// Who publishes the module.
        owner: String,
        /// The module's name.
        module: String,
        /// Which of its versions will do.
        constraint: Constraint,
    },
    /// `capability:tag`: any module that provides the tag will do.
    Capability(Capability),
}

/// Why a text is no requirement or capability tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseRequirementError {
    /// The tag is not dotted lowercase words with an optional `:value`.
    #[error("{tag:?} is not a capability tag")]
    Tag {
        /// The tag.
        tag: String,
    },
    /// There is no `/` between owner and module.
    #[error("a requirement is `owner/module@constraint` or `capability:tag`")]
    Form,
    /// The owner is no name.
    #[error("{owner:?} is not an owner's name")]
    Owner {
        /// The owner.
        owner: String,
    },
    /// The module is no module name.
    #[error("{module:?} is not a module name")]
    Module {
        /// The module.
        module: String,
    },
    /// There is no `@constraint`.
    #[error("a required module needs a version constraint")]
    NoConstraint,
    /// The constraint is not one of the known forms.
    #[error("{constraint:?} is not a version constraint")]
    Constraint {
        /// The constraint.
        constraint: String,
    },
}

impl Capability {
    /// Checks a tag.
    ///
    /// # Errors
    /// When it is not dotted words of `a-z0-9-_` with an optional `:value` of `A-Za-z0-9._-`, at
    /// most 128 characters in all.
    pub fn parse(text: &str) -> Result<Self, ParseRequirementError> {
        let error = || ParseRequirementError::Tag { tag: text.to_owned() };
        let (words, value) = text.split_once(':').map_or((text, None), |(words, value)| (words, Some(value)));
        let word = |word: &str| {
            word.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
        };
        let good_value = value.is_none_or(|value| {
            !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        });
        if text.len() <= 128 && words.split('.').all(word) && good_value {
            Ok(Self(text.to_owned()))
        } else {
            Err(error())
        }
    }

    /// The tag as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Constraint {
    /// Checks a constraint: `*`, or up to 32 of `^1.0`, `~1.2`, `=1.2.3`, `>=1`, `>1`, `<2`, `<=2`
    /// between commas.
    ///
    /// # Errors
    /// When it is anything else. A bare version is refused, since it is read as `=` by some and as
    /// `^` by others.
    pub fn parse(text: &str) -> Result<Self, ParseRequirementError> {
        let error = || ParseRequirementError::Constraint { constraint: text.to_owned() };
        let operator = |part: &str| part.trim().starts_with(['^', '~', '=', '>', '<']);
        if text.len() > 256 || !(text == "*" || text.split(',').all(operator)) {
            return Err(error());
        }
        let requirement = semver::VersionReq::parse(text).map_err(|_| error())?;
        Ok(Self { text: text.to_owned(), requirement })
    }

    /// Whether `version`, a full semantic version, meets the constraint; no version that cannot be
    /// parsed does.
    #[must_use]
    pub fn admits(&self, version: &str) -> bool {
        semver::Version::parse(version).is_ok_and(|version| self.requirement.matches(&version))
    }
}

impl Requirement {
    /// Parses `owner/module@constraint` or `capability:tag`.
    ///
    /// # Errors
    /// Names the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, ParseRequirementError> {
        if let Some(tag) = text.strip_prefix("capability:") {
            return Capability::parse(tag).map(Self::Capability);
        }
        let (owner, rest) = text.split_once('/').ok_or(ParseRequirementError::Form)?;
        let (module, constraint) = rest.split_once('@').map_or((rest, None), |(m, c)| (m, Some(c)));
        if !is_owner(owner) {
            return Err(ParseRequirementError::Owner { owner: owner.to_owned() });
        }
        if !is_module_name(module) {
            return Err(ParseRequirementError::Module { module: module.to_owned() });
        }
        let constraint = Constraint::parse(constraint.ok_or(ParseRequirementError::NoConstraint)?)?;
        Ok(Self::Module { owner: owner.to_owned(), module: module.to_owned(), constraint })
    }
}

/// Whether `text` is a module's name: `^[a-z](?:[a-z0-9-]{0,62}[a-z0-9])?$`.
#[must_use]
pub fn is_module_name(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.ends_with('-')
}

fn is_owner(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module { owner, module, constraint } => write!(f, "{owner}/{module}@{constraint}"),
            Self::Capability(tag) => write!(f, "capability:{tag}"),
        }
    }
}

impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn constraints_admit_what_they_say() {
        for (constraint, inside, outside) in [
            ("^1.0", "1.9.3", "2.0.0"),
            ("~1.2", "1.2.9", "1.3.0"),
            ("=1.2.3", "1.2.3", "1.2.4"),
            (">=1,<2", "1.0.0", "2.0.0"),
            ("*", "7.1.0", "not a version"),
        ] {
            let parsed = Constraint::parse(constraint).unwrap();
            assert!(parsed.admits(inside), "{constraint} {inside}");
            assert!(!parsed.admits(outside), "{constraint} {outside}");
            assert_eq!(parsed.to_string(), constraint);
        }
        for wrong in ["", "1.2", "latest", "^", "^x", ">=1,,<2", "=>1", "^1 ^2"] {
            assert!(Constraint::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn requirements_name_the_part_that_is_wrong() {
        use ParseRequirementError as E;
        let error = |text| Requirement::parse(text).unwrap_err();
        assert!(matches!(error("base"), E::Form));
        assert!(matches!(error("/base@*"), E::Owner { .. }));
        assert!(matches!(error("acme/Base@*"), E::Module { .. }));
        assert!(matches!(error("acme/base"), E::NoConstraint));
        assert!(matches!(error("acme/base@1"), E::Constraint { .. }));
        assert!(matches!(error("capability:"), E::Tag { .. }));
        for text in ["acme/base@^1.0", "acme/base@>=1,<2", "capability:http.port:80"] {
            assert_eq!(Requirement::parse(text).unwrap().to_string(), text);
        }
    }
}
