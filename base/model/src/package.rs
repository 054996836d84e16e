//! Debian packages: what a manifest may ask for, and what is installed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One entry of `package_spec`: `name`, `name:arch`, `name=version` or `name/suite`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageRequest {
    /// The package's name.
    pub name: String,
    /// The part after a colon: a Debian architecture, `any` or `native`.
    pub arch: Option<String>,
    /// The part after `=`.
    pub version: Option<String>,
    /// The part after `/`.
    pub suite: Option<String>,
}

/// Why a text is no package request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParsePackageError {
    /// The name breaks Debian policy 5.6.1.
    #[error("{name:?} is not a Debian package name")]
    Name {
        /// The name.
        name: String,
    },
    /// The part after the colon is no architecture name.
    #[error("{arch:?} is not a Debian architecture")]
    Arch {
        /// The architecture.
        arch: String,
    },
    /// The version breaks Debian policy 5.6.12.
    #[error("{version:?} is not a Debian version")]
    Version {
        /// The version.
        version: String,
    },
    /// The part after the slash is no suite name.
    #[error("{suite:?} is not a suite")]
    Suite {
        /// The suite.
        suite: String,
    },
    /// Both a version and a suite were given; apt takes one of them.
    #[error("a package takes a version or a suite, not both")]
    VersionAndSuite,
}

impl PackageRequest {
    /// Parses `name[:arch][=version|/suite]`.
    ///
    /// # Errors
    /// When a part breaks Debian policy's rules for it. Nothing that passes can be read as an
    /// option or a regular expression by apt.
    pub fn parse(text: &str) -> Result<Self, ParsePackageError> {
        let (head, version, suite) = split_choice(text)?;
        let (name, arch) = head.split_once(':').map_or((head, None), |(name, arch)| (name, Some(arch)));
        if !is_package_name(name) {
            return Err(ParsePackageError::Name { name: name.to_owned() });
        }
        if let Some(arch) = arch.filter(|arch| !is_word(arch, b"-")) {
            return Err(ParsePackageError::Arch { arch: arch.to_owned() });
        }
        if let Some(version) = version.filter(|version| !is_version(version)) {
            return Err(ParsePackageError::Version { version: version.to_owned() });
        }
        if let Some(suite) = suite.filter(|suite| !is_word(suite, b"-./_")) {
            return Err(ParsePackageError::Suite { suite: suite.to_owned() });
        }
        let owned = |part: Option<&str>| part.map(str::to_owned);
        Ok(Self { name: name.to_owned(), arch: owned(arch), version: owned(version), suite: owned(suite) })
    }
}

type Choice<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

fn split_choice(text: &str) -> Result<Choice<'_>, ParsePackageError> {
    match (text.split_once('='), text.split_once('/')) {
        (Some(_), Some(_)) => Err(ParsePackageError::VersionAndSuite),
        (Some((head, version)), None) => Ok((head, Some(version), None)),
        (None, Some((head, suite))) => Ok((head, None, Some(suite))),
        (None, None) => Ok((text, None, None)),
    }
}

/// Debian policy 5.6.1: at least two characters of `a-z0-9+-.`, the first a letter or digit.
///
/// A trailing `-` is refused although policy allows it: apt would read it as "remove", and Debian
/// has no such package.
#[must_use]
pub fn is_package_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    name.len() >= 2
        && name.len() <= 128
        && name.bytes().all(allowed)
        && !name.ends_with('-')
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

/// Debian policy 5.6.12: `[epoch:]upstream[-revision]` of `A-Za-z0-9.+-~`, the epoch a number.
#[must_use]
pub fn is_version(version: &str) -> bool {
    let (epoch, rest) = version.split_once(':').map_or((None, version), |(epoch, rest)| (Some(epoch), rest));
    epoch.is_none_or(|epoch| !epoch.is_empty() && epoch.len() < 10 && epoch.bytes().all(|b| b.is_ascii_digit()))
        && rest.len() <= 128
        && rest.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-~:".contains(&b))
}

fn is_word(text: &str, also: &[u8]) -> bool {
    text.len() <= 64
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
}

impl fmt::Display for PackageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(arch) = &self.arch {
            write!(f, ":{arch}")?;
        }
        if let Some(version) = &self.version {
            write!(f, "={version}")?;
        }
        if let Some(suite) = &self.suite {
            write!(f, "/{suite}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for PackageRequest {
    type Error = ParsePackageError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<PackageRequest> for String {
    fn from(request: PackageRequest) -> Self {
        request.to_string()
    }
}

/// A package of a root file system: which name, version and architecture, and its source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Package {
    /// The binary package's name.
    pub name: String,
    /// Its architecture as dpkg names it: `amd64`, `all`.
    pub arch: String,
    /// Its full version, with epoch and revision.
    pub version: String,
    /// The source package's name.
    pub source: String,
    /// The source package's version.
    pub source_version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms_are_read_and_written_alike() {
        for text in [
            "nginx",
            "libc6:arm64",
            "nginx=1.26.3-3+deb13u1",
            "0ad=1:0.0.26-3~bpo12+1",
            "nginx/trixie-backports",
            "g++:amd64=4:14.2.0-1",
        ] {
            assert_eq!(PackageRequest::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn nothing_that_apt_could_read_otherwise_passes() {
        for text in [
            "",
            "a",
            "Nginx",
            "-o",
            "--allow",
            "nginx-",
            "ng inx",
            "nginx;id",
            "nginx=",
            "nginx=-1",
            "nginx/",
            "nginx=1/sid",
            "nginx:",
            "~nfoo",
            "^nginx$",
            "?essential",
            "nginx/../x\n",
        ] {
            assert!(PackageRequest::parse(text).is_err(), "{text:?}");
        }
    }
}
