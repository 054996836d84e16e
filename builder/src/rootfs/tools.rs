//! The programs of the host that make a root file system, and their versions.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::Error;
use super::installed::STATUS_LIMIT;
use super::plan::PATH;
use crate::deb822::{Dialect, Reader};
use crate::dpkg;
use host::process::{self, Invocation};

/// The host's programs whose version can reach the bytes, by the package that brings them.
pub(super) const TOOLS: [&str; 4] = ["apt", "dpkg", "mmdebstrap", "tar"];

/// The oldest mmdebstrap that is known to work: Debian 12's.
pub(super) const OLDEST: [u64; 3] = [1, 3, 5];

/// A program and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tool {
    /// The program.
    pub(super) name: &'static str,
    /// Its version; empty where it is not there.
    pub(super) version: String,
}

/// The versions of [`TOOLS`], and a check that mmdebstrap is there and new enough.
///
/// They are read from the host's dpkg database, which takes milliseconds where starting mmdebstrap
/// takes a fifth of a second. A tool that dpkg does not know is asked itself.
///
/// # Errors
/// When dpkg's database is there and cannot be read, or a tool does not say its version: what is not known cannot be
/// the same as before.
pub(super) fn versions() -> Result<Vec<Tool>, Error> {
    let status = host::open::read_if_there(&Path::new(dpkg::BASE).join("status"), STATUS_LIMIT).map_err(Error::File)?;
    // A host without dpkg's database has no packages; its tools are asked.
    let mut packaged = status.map_or_else(BTreeMap::new, |status| packaged(&status));
    let mut tools = Vec::new();
    for name in TOOLS {
        let version = match packaged.remove(name) {
            Some(version) if Path::new("/usr/bin").join(name).exists() || Path::new("/bin").join(name).exists() => {
                version
            }
            _ => ask(name)?,
        };
        tools.push(Tool { name, version });
    }
    Ok(tools)
}

/// Fails unless `tools` hold an mmdebstrap that is new enough.
pub(super) fn check(tools: &[Tool]) -> Result<(), Error> {
    let version = tools.iter().find(|tool| tool.name == "mmdebstrap").map_or("", |tool| tool.version.as_str());
    if version.is_empty() {
        return Err(Error::ToolMissing { tool: "mmdebstrap" });
    }
    if numbers(version) < OLDEST.to_vec() {
        let oldest = OLDEST.map(|part| part.to_string()).join(".");
        return Err(Error::ToolTooOld { tool: "mmdebstrap", version: version.to_owned(), oldest });
    }
    Ok(())
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map_while(|part| part.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).collect()
}

/// The versions of those of [`TOOLS`] that are installed.
fn packaged(status: &[u8]) -> BTreeMap<&'static str, String> {
    let mut reader = Reader::new(status, Dialect::Index);
    let mut found = BTreeMap::new();
    while found.len() < TOOLS.len()
        && let Some(paragraph) = reader.paragraph()
    {
        // What is damaged is no proof; its tool is asked.
        let Ok(paragraph) = paragraph else { continue };
        let name = paragraph.get("Package").unwrap_or_default();
        let Some(tool) = TOOLS.into_iter().find(|tool| tool.as_bytes() == name) else { continue };
        let is_installed = paragraph.get("Status").is_some_and(|status| status.ends_with(b" installed"));
        if let Some(version) = paragraph.text("Version").filter(|_| is_installed) {
            found.entry(tool).or_insert_with(|| version.into_owned());
        }
    }
    found
}

fn ask(name: &'static str) -> Result<String, Error> {
    let invocation = Invocation::new(name).option("--version").variable("PATH", PATH).variable("LC_ALL", "C.UTF-8");
    match process::capture(&invocation) {
        Ok(captured) => {
            let text = String::from_utf8_lossy(&captured.stdout);
            let mut words = text.lines().next().unwrap_or_default().split(' ');
            let version = words.find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            version.filter(|_| captured.status.success()).map(str::to_owned).ok_or(Error::ToolVersion { tool: name })
        }
        Err(process::Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn the_version_of_an_installed_package_is_found() {
        let status = b"Package: apt\nStatus: install ok installed\nVersion: 2.6.1\n\nPackage: apt-utils\nStatus: install ok installed\nVersion: 9\n\nPackage: tar\nStatus: deinstall ok config-files\nVersion: 1\nDescription: x\n Package: dpkg\n\n";
        assert_eq!(packaged(status), BTreeMap::from([("apt", "2.6.1".to_owned())]), "tar was removed");
        let others =
            b"Package: x\nMaintainer: J\xf6rg\n\nno field\n\nPackage: tar\nStatus: install ok installed\nVersion: 3";
        assert_eq!(packaged(others), BTreeMap::from([("tar", "3".to_owned())]));
        assert_eq!(packaged(b"\xff"), BTreeMap::new());
    }

    #[test]
    fn an_old_or_missing_mmdebstrap_is_refused() {
        let outcome = |version: &str| check(&[Tool { name: "mmdebstrap", version: version.to_owned() }]);
        for version in ["1.3.5-7", "1.5.7", "1.10.0-1~bpo", "2.0"] {
            assert!(outcome(version).is_ok(), "{version}");
        }
        assert!(matches!(outcome("1.3.1-2"), Err(Error::ToolTooOld { .. })));
        assert!(matches!(outcome("0.7.5"), Err(Error::ToolTooOld { .. })));
        assert!(matches!(outcome(""), Err(Error::ToolMissing { tool: "mmdebstrap" })));
    }

    #[test]
    fn a_tool_that_is_not_there_has_no_version() {
        assert_eq!(ask("no-such-program-here").unwrap(), "");
    }

    #[test]
    fn a_tool_that_does_not_say_its_version_is_not_one_that_is_not_there() {
        assert!(matches!(ask("false"), Err(Error::ToolVersion { tool: "false" })), "it fails");
        assert!(matches!(ask("test"), Err(Error::ToolVersion { tool: "test" })), "it says nothing");
    }
}
