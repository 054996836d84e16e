//! Debian packages: what a manifest may ask for, and what is installed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::checked::{Checked, Rules};
use crate::words::beginning;

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
            return Err(ParsePackageError::Name { name: beginning(name) });
        }
        if let Some(arch) = arch.filter(|arch| !is_word(arch, b"-")) {
            return Err(ParsePackageError::Arch { arch: beginning(arch) });
        }
        if let Some(version) = version.filter(|version| !is_version(version)) {
            return Err(ParsePackageError::Version { version: beginning(version) });
        }
        if let Some(suite) = suite.filter(|suite| !is_word(suite, b"-./_")) {
            return Err(ParsePackageError::Suite { suite: beginning(suite) });
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

/// A package of a root file system: which name, version and architecture, and its source. Every part is a
/// plain word as dpkg takes it.
pub type Package = Checked<PackageFields>;

/// What a [`Package`] is made of; only the check makes one of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFields {
    /// The binary package's name.
    pub name: String,
    /// Its architecture as dpkg names it: `amd64`, `all`; empty where dpkg's database has none.
    pub arch: String,
    /// Its full version, with epoch and revision; empty where dpkg's database has none.
    pub version: String,
    /// The source package's name.
    pub source: String,
    /// The source package's version.
    pub source_version: String,
}

/// Which part of a package is no word that dpkg would take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {part} of a package")]
pub struct PackageFault {
    /// The part: `name`, `architecture`, `version`, `source` or `source version`.
    pub part: &'static str,
    /// The beginning of the text.
    pub text: String,
}

impl Rules for PackageFields {
    type Fault = PackageFault;

    fn check(&self) -> Result<(), PackageFault> {
        let Self { name, arch, version, source, source_version } = self;
        let wrong = [
            ("name", name, is_dpkg_name(name)),
            ("architecture", arch, arch.is_empty() || is_word(arch, b"-")),
            ("version", version, version.is_empty() || is_version(version)),
            ("source", source, is_dpkg_name(source)),
            ("source version", source_version, source_version.is_empty() || is_version(source_version)),
        ];
        let wrong = wrong.into_iter().find(|(_, _, fine)| !fine);
        wrong.map_or(Ok(()), |(part, text, _)| Err(PackageFault { part, text: beginning(text) }))
    }
}

impl PackageFields {
    /// Whether every part is there and as Debian policy has it: then it can be named to apt and mmdebstrap.
    #[must_use]
    pub fn is_debian(&self) -> bool {
        self.odd_part().is_none()
    }

    /// The first part that is not as Debian policy has it, and its text.
    #[must_use]
    pub fn odd_part(&self) -> Option<(&'static str, &str)> {
        let Self { name, arch, version, source, source_version } = self;
        let parts = [
            ("name", name, is_package_name(name)),
            ("architecture", arch, !arch.is_empty()),
            ("version", version, is_version(version)),
            ("source", source, is_package_name(source)),
            ("source version", source_version, is_version(source_version)),
        ];
        parts.into_iter().find(|(_, _, fine)| !fine).map(|(part, text, _)| (part, text.as_str()))
    }
}

/// What dpkg takes for a name: policy's characters, and capital letters and `_`.
fn is_dpkg_name(name: &str) -> bool {
    name.len() <= 128
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-+._".contains(&b))
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

    fn fields() -> PackageFields {
        let text = |text: &str| text.to_owned();
        PackageFields {
            name: text("nginx"),
            arch: text("amd64"),
            version: text("1:2-3"),
            source: text("nginx"),
            source_version: text("2-3"),
        }
    }

    #[test]
    fn a_package_is_made_of_plain_words_or_not_at_all() {
        assert!(Package::new(fields()).unwrap().is_debian());
        // dpkg's database of a system that was made by other means.
        let odd = PackageFields { name: "Some_Thing".to_owned(), version: String::new(), ..fields() };
        assert!(!Package::new(odd).unwrap().is_debian());
        let long = "a".repeat(1 << 20);
        for text in
            ["", "-o", "a b", "a\tb", "a\nVersion: 2", "a,b", "a=1", "a/sid", "~n", "?x", "\u{202e}a", "ä", &long]
        {
            for change in [
                |fields: &mut PackageFields, text: String| fields.name = text,
                |fields: &mut PackageFields, text: String| fields.source = text,
                |fields: &mut PackageFields, text: String| fields.arch = text,
                |fields: &mut PackageFields, text: String| fields.version = text,
                |fields: &mut PackageFields, text: String| fields.source_version = text,
            ] {
                let mut fields = fields();
                change(&mut fields, text.to_owned());
                let json = serde_json::to_string(&fields).unwrap();
                match Package::new(fields) {
                    Ok(package) => assert!(text.is_empty() && !package.is_debian(), "{text:?}"),
                    Err(fault) => {
                        assert!(fault.to_string().len() < 200);
                        assert!(serde_json::from_str::<Package>(&json).is_err(), "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_longest_words_are_taken_and_longer_ones_are_not() {
        let long = |length: usize| "1".repeat(length);
        for (text, fits) in [
            (long(128), true),
            (long(129), false),
            (format!("123456789:{}", long(128)), true),
            ("1234567890:1".to_owned(), false),
            (":1".to_owned(), false),
            ("a:1".to_owned(), false),
            ("1:".to_owned(), false),
            ("1:2:3".to_owned(), true),
            ("a1".to_owned(), true),
            ("0:1+-.~:a".to_owned(), true),
            ("1_".to_owned(), false),
            ("~1".to_owned(), false),
        ] {
            assert_eq!(is_version(&text), fits, "{text}");
        }
        for (text, fits) in
            [(long(2), true), (long(1), false), (long(128), true), (long(129), false), ("a-".to_owned(), false)]
        {
            assert_eq!(is_package_name(&text), fits, "{text}");
        }
        for (text, fits) in [("g+", true), ("g.1", true), ("a-b", true), ("+g", false), (".g", false), ("aB", false)] {
            assert_eq!(is_package_name(text), fits, "{text}");
        }
        let request = |text: String| PackageRequest::parse(&text).is_ok();
        assert!(request(format!("ab/{}", long(64))) && !request(format!("ab/{}", long(65))));
        assert!(request("ab:kfreebsd-amd64".to_owned()) && !request("ab:a_b".to_owned()));
        assert!(!request("ab:-a".to_owned()) && !request("ab:.".to_owned()) && !request("ab/-sid".to_owned()));
        assert!(request("ab/a-./_".to_owned()) && !request("ab/a+".to_owned()));
    }

    #[test]
    fn each_part_that_is_wrong_is_named() {
        let text = |text: &str| text.to_owned();
        for (change, part) in [
            (PackageFields { name: text("-a"), ..fields() }, "name"),
            (PackageFields { arch: text("a b"), ..fields() }, "architecture"),
            (PackageFields { version: text("-1"), ..fields() }, "version"),
            (PackageFields { source: text("-a"), ..fields() }, "source"),
            (PackageFields { source_version: text("-1"), ..fields() }, "source version"),
        ] {
            assert_eq!(Package::new(change).unwrap_err().part, part);
        }
        for (change, part) in [
            (PackageFields { name: text("A_"), ..fields() }, "name"),
            (PackageFields { arch: text(""), ..fields() }, "architecture"),
            (PackageFields { version: text(""), ..fields() }, "version"),
            (PackageFields { source: text("A_"), ..fields() }, "source"),
            (PackageFields { source_version: text(""), ..fields() }, "source version"),
        ] {
            let package = Package::new(change).unwrap();
            assert_eq!((package.odd_part().map(|(part, _)| part), package.is_debian()), (Some(part), false));
        }
        let name = |length: usize| Package::new(PackageFields { name: "a".repeat(length), ..fields() }).is_ok();
        assert!(name(1) && name(128) && !name(129));
        assert_eq!(PackageRequest::parse("a").unwrap_err(), ParsePackageError::Name { name: text("a") });
        assert_eq!(PackageRequest::parse("ab:_").unwrap_err(), ParsePackageError::Arch { arch: text("_") });
        assert_eq!(PackageRequest::parse("ab=_").unwrap_err(), ParsePackageError::Version { version: text("_") });
        assert_eq!(PackageRequest::parse("ab/_").unwrap_err(), ParsePackageError::Suite { suite: text("_") });
        assert_eq!(PackageRequest::parse("ab=1/x").unwrap_err(), ParsePackageError::VersionAndSuite);
    }

    #[test]
    fn a_request_is_its_text_in_json() {
        let request: PackageRequest = serde_json::from_str("\"g++:amd64=1\"").unwrap();
        let part = |text: &str| Some(text.to_owned());
        assert_eq!((request.arch.clone(), request.version.clone(), &request.suite), (part("amd64"), part("1"), &None));
        assert_eq!(serde_json::to_string(&request).unwrap(), "\"g++:amd64=1\"");
        assert!(serde_json::from_str::<PackageRequest>("\"-o\"").is_err());
    }
}
