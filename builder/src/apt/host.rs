//! Which archives the host itself takes packages from, read from the texts of its apt sources.
//!
//! Source of both formats: sources.list(5).

use std::path::PathBuf;

use model::archive;

use crate::deb822::{Dialect, Paragraph, Reader};

/// An archive that the host uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostMirror {
    /// Its base URI without a trailing slash.
    pub uri: String,
    /// The suites that the host takes from it.
    pub suites: Vec<String>,
    /// The components that the host takes from it.
    pub components: Vec<String>,
    /// The keyring files that it is checked with, where the sources name them.
    pub keyrings: Vec<PathBuf>,
}

/// The Debian archives among the host's sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostMirrors {
    /// The first with Debian's main archive: a suite without `-security`, from a path that ends in
    /// `/debian`.
    pub archive: Option<HostMirror>,
    /// The first with Debian's security archive: a suite that ends in `-security` (or `/updates`).
    pub security: Option<HostMirror>,
}

/// The most sources that are read from one text; further ones do not count.
const ENTRY_LIMIT: usize = 1000;

/// Reads the texts of apt sources, given with their file names, in order.
///
/// A name that ends in `.sources` is read as deb822, any other as one-line style. What cannot be
/// read, is disabled, or is not for binary packages is passed over, as are archives of others than
/// Debian; only URIs of http, https, file and copy without credentials count. Suites are not added
/// to a build by this: the caller decides what it takes from the mirror.
#[must_use]
pub fn host_mirrors<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> HostMirrors {
    let mut mirrors = HostMirrors::default();
    for (name, text) in texts {
        let entries = if name.ends_with(".sources") { deb822(text) } else { one_line(text) };
        for entry in entries {
            let is_security = |suite: &String| suite.ends_with("-security") || suite.ends_with("/updates");
            let security = entry.suites.iter().any(is_security);
            let slot = if security { &mut mirrors.security } else { &mut mirrors.archive };
            let debian = if security { entry.uri.contains("debian") } else { entry.uri.ends_with("/debian") };
            if slot.is_none() && debian {
                *slot = Some(entry);
            }
        }
    }
    mirrors
}

fn deb822(text: &str) -> Vec<HostMirror> {
    let mut reader = Reader::new(text.as_bytes(), Dialect::Sources);
    let mut entries = Vec::new();
    while entries.len() < ENTRY_LIMIT
        && let Some(paragraph) = reader.paragraph()
    {
        entries.extend(paragraph.ok().into_iter().flat_map(mirrors));
    }
    entries
}

fn mirrors(paragraph: &Paragraph) -> Vec<HostMirror> {
    let field = |name: &str| paragraph.text(name).unwrap_or_default();
    let words = |name: &str| field(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let off =
        ["no", "false", "0", "off", "without", "disable"].contains(&field("Enabled").to_ascii_lowercase().as_str());
    if off || !words("Types").contains(&"deb".to_owned()) {
        return Vec::new();
    }
    // A key can also be written into the field itself; then there is no file to name.
    let signed = field("Signed-By");
    let keyrings = if signed.contains("-----BEGIN") { Vec::new() } else { keyring_files(&signed) };
    let (suites, components) = (words("Suites"), words("Components"));
    let mirror = |uri: String| {
        let uri = archive::uri(&uri).ok()?;
        Some(HostMirror { uri, suites: suites.clone(), components: components.clone(), keyrings: keyrings.clone() })
    };
    words("URIs").into_iter().filter_map(mirror).collect()
}

fn one_line(text: &str) -> Vec<HostMirror> {
    text.lines().take(ENTRY_LIMIT).filter_map(line_entry).collect()
}

fn line_entry(line: &str) -> Option<HostMirror> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    let rest = rest.starts_with([' ', '\t']).then(|| rest.trim_start())?;
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let uri = archive::uri(words.next()?).ok()?;
    let suites = vec![words.next()?.to_owned()];
    let signed = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    let keyrings = keyring_files(&signed.unwrap_or_default().replace(',', " "));
    Some(HostMirror { uri, suites, components: words.map(str::to_owned).collect(), keyrings })
}

/// Absolute paths only: a fingerprint names a key in the host's own keyring, which does not count here.
fn keyring_files(text: &str) -> Vec<PathBuf> {
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    const SOURCES: &str = "Types: deb deb-src\n# a comment\nURIs: http://mirror.example.org/debian/\nSuites: trixie\n trixie-updates\nComponents: main contrib\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\nEnabled: no\nTypes: deb\nURIs: http://off.example.org/debian-security\nSuites: trixie-security\n\nTypes: deb\nURIs: https://mirror.example.org/debian-security\nSuites: trixie-security\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n";

    #[test]
    fn deb822_sources_are_read() {
        let found = host_mirrors([("debian.sources", SOURCES)]);
        let archive = found.archive.unwrap();
        assert_eq!(archive.uri, "http://mirror.example.org/debian");
        assert_eq!(archive.suites, ["trixie", "trixie-updates"]);
        assert_eq!(archive.components, ["main", "contrib"]);
        assert_eq!(archive.keyrings, [PathBuf::from("/usr/share/keyrings/debian-archive-keyring.gpg")]);
        let security = found.security.unwrap();
        assert_eq!(security.uri, "https://mirror.example.org/debian-security");
        assert!(security.keyrings.is_empty());
    }

    #[test]
    fn one_line_sources_are_read_and_those_of_others_passed_over() {
        let list = "# deb http://off.example.org/debian trixie main\ndeb https://tools.example.org/apt stable main\ndeb-src http://src.example.org/debian trixie main\ndeb [arch=amd64 signed-by=/k/a.gpg,/k/b.gpg] http://mirror.example.org/debian trixie main # note\ndeb http://user:word@mirror.example.org/debian trixie main\ndeb http://security.example.org/debian-security trixie-security main\n";
        let found = host_mirrors([("sources.list", list)]);
        let archive = found.archive.unwrap();
        assert_eq!((archive.uri.as_str(), archive.keyrings.len()), ("http://mirror.example.org/debian", 2));
        assert_eq!(found.security.unwrap().uri, "http://security.example.org/debian-security");
        assert_eq!(
            host_mirrors([("x.list", "deb\ndeb [\ndeb cdrom:[x]/ trixie main\n\0"), ("", "")]),
            HostMirrors::default()
        );
    }
}
