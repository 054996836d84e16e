//! Which of the host's archives are Debian's, for a suite that a module is built from.

use std::path::PathBuf;

use model::Arch;

use super::super::Repository;
use super::{Entry, HostSources, KeyringFile, Signer};

/// A Debian archive of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostArchive {
    /// Its base URI.
    pub uri: String,
    /// The suite, for the one that was asked for.
    pub suite: String,
    /// The components that the host takes from it.
    pub components: Vec<String>,
}

/// What a module takes from the host's apt where it names no archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostChoice {
    /// Debian's archives, that of the suite itself first.
    pub archives: Vec<HostArchive>,
    /// The keyring that the host checks these with; none where it is Debian's own.
    pub keyring: Option<KeyringFile>,
    /// The host's further archives, each with the keyring that the host's sources name for it.
    pub repositories: Vec<Repository>,
    /// The archives of the host that are not taken, each as URI, suite and components.
    pub others: Vec<String>,
}

/// Suites that have neither updates nor security updates.
const UNSTABLE: [&str; 3] = ["sid", "unstable", "experimental"];

/// Debian's keyring, as its package has it.
const DEBIANS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What a suite holds beside the suite that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Itself,
    Updates,
    Security,
    Other,
}

impl HostSources {
    /// Debian's archives as a whole: that of `suite`, and those of its updates, security and whatever else belongs to it,
    /// as the host has them and checks them by the same keys. Where the host uses another suite, its archives of
    /// updates and of security stand for those of `suite`, and its others are not taken: they are made for the host's.
    /// Nor are those whose keys the sources do not name. `native` is the host's architecture.
    #[must_use]
    pub fn debian(&self, suite: &str, native: Option<Arch>) -> HostChoice {
        let entries = self.merged(native);
        let name = |entry: &Entry| entry.name();
        let Some(base) = base(&entries, suite) else {
            return HostChoice { others: entries.iter().map(name).collect(), ..HostChoice::default() };
        };
        let mut choice = HostChoice { keyring: keyring(&base.signer), ..HostChoice::default() };
        for entry in &entries {
            match belonging(entry, base, suite) {
                Some(archive) if choice.archives.iter().any(|other| is_same(other, &archive)) => {}
                Some(archive) if entry == base => choice.archives.insert(0, archive),
                Some(archive) => choice.archives.push(archive),
                None => match further(entry, base).filter(|_| base.suite == suite) {
                    Some(repository) => choice.repositories.push(repository),
                    None => choice.others.push(name(entry)),
                },
            }
        }
        choice
    }

    /// The archives that the host asks for its own packages, each once with all components.
    fn merged(&self, native: Option<Arch>) -> Vec<Entry> {
        let mut merged: Vec<Entry> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.serves(native)) {
            let is = |other: &&mut Entry| (&other.uri, &other.suite) == (&entry.uri, &entry.suite);
            match merged.iter_mut().find(is) {
                Some(other) => {
                    let new = entry.components.iter().filter(|component| !other.components.contains(component));
                    let new: Vec<String> = new.cloned().collect();
                    other.components.extend(new);
                }
                None => merged.push(entry.clone()),
            }
        }
        merged
    }
}

fn is_same(one: &HostArchive, other: &HostArchive) -> bool {
    (&one.uri, &one.suite) == (&other.uri, &other.suite)
}

/// The keyring of an archive's own; none where Debian's counts.
fn keyring(signer: &Signer) -> Option<KeyringFile> {
    match signer {
        Signer::Debian | Signer::Unnamed => None,
        Signer::Own(files) => match files.as_slice() {
            [one] => Some(one.clone()),
            _ => Some(KeyringFile::Together(files.clone())),
        },
    }
}

/// An archive with other keys than `base`; none where these are not known.
fn further(entry: &Entry, base: &Entry) -> Option<Repository> {
    // A company's mirror beside Debian's own security updates.
    let is_debians = entry.signer == Signer::Debian && base.signer != Signer::Debian;
    let is_part = is_debians && part(&entry.suite, &base.suite).is_some();
    let debians = || is_part.then(|| KeyringFile::At(PathBuf::from(DEBIANS)));
    let keyring = Some(keyring(&entry.signer).or_else(debians)?);
    let (uri, suite, components) = (entry.uri.clone(), entry.suite.clone(), entry.components.clone());
    Some(Repository { uri, suite, components, architectures: Vec::new(), keyring, is_hosts: true })
}

/// The archive of the suite itself, else that of the suite which the host uses. Of several, one at an address of Debian's
/// counts before others, and one that is signed by Debian.
fn base<'a>(entries: &'a [Entry], suite: &str) -> Option<&'a Entry> {
    let rank = |entry: &&Entry| {
        let is_stable = !UNSTABLE.contains(&entry.suite.as_str());
        (is_debian_address(&entry.uri), entry.signer == Signer::Debian, is_stable)
    };
    // Of equals the first one counts.
    let best = |fits: &dyn Fn(&&Entry) -> bool| entries.iter().filter(fits).rev().max_by_key(rank);
    let has_main = |entry: &Entry| entry.components.iter().any(|component| component == "main");
    best(&|entry| entry.suite == suite && has_main(entry)).or_else(|| {
        best(&|entry| !entry.suite.contains(['-', '/']) && has_main(entry) && is_debian_address(&entry.uri))
    })
}

/// What `entry` is for `suite`, given that `base` is the archive of the suite; none where it does not belong to it.
fn belonging(entry: &Entry, base: &Entry, suite: &str) -> Option<HostArchive> {
    // What Debian's keys vouch for is Debian's, wherever it lies.
    let by_debian = entry.signer == Signer::Debian;
    let is_debian = by_debian || is_debian_address(&entry.uri) || !is_debian_address(&base.uri);
    let has_main = entry.components.iter().any(|component| component == "main");
    if !is_debian || !has_main || entry.signer != base.signer {
        return None;
    }
    let part = part(&entry.suite, &base.suite)?;
    let own = match part {
        _ if base.suite == suite => entry.suite.clone(),
        Part::Itself => suite.to_owned(),
        Part::Updates if !UNSTABLE.contains(&suite) => format!("{suite}-updates"),
        Part::Security if !UNSTABLE.contains(&suite) => format!("{suite}-security"),
        // Which of these another suite has is not known.
        Part::Updates | Part::Security | Part::Other => return None,
    };
    Some(HostArchive { uri: entry.uri.clone(), suite: own, components: entry.components.clone() })
}

/// Which part of `base` the suite `text` is.
fn part(text: &str, base: &str) -> Option<Part> {
    match text.strip_prefix(base)? {
        "" => Some(Part::Itself),
        "-updates" => Some(Part::Updates),
        "-security" | "/updates" => Some(Part::Security),
        "-backports" | "-backports-sloppy" | "-proposed-updates" => Some(Part::Other),
        _ => None,
    }
}

/// Whether an address is such as mirrors of Debian's archives have.
pub(super) fn is_debian_address(uri: &str) -> bool {
    let (_, place) = uri.split_once("://").unwrap_or(("", uri));
    let host = place.split('/').next().unwrap_or_default();
    let last = uri.rsplit('/').next().unwrap_or_default();
    last == "debian" || last.starts_with("debian-security") || host.starts_with("security.debian.")
}
