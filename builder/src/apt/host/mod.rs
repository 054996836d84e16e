//! Which archives the host itself takes packages from, read from its apt sources in both notations.
//!
//! Source of both: sources.list(5). What is wrong in them is a finding, never an error: they are not the module's.

mod choice;
mod entries;
mod mirror_list;
mod one_line;
mod stanza;

use std::path::{Path, PathBuf};

use model::{Arch, Diagnostic, FileName, Position, Severity};

use super::KeyringFile;

pub use choice::{HostArchive, HostChoice};

/// A file of the host's apt: its path, and its text or why it cannot be read.
pub type HostFile = (PathBuf, Result<String, String>);

/// What the host's apt sources say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSources {
    /// The archives of binary packages that are enabled and can be used, in the order of apt.
    entries: Vec<Entry>,
    /// What is wrong in the files, or not taken.
    pub findings: Vec<Diagnostic>,
}

/// One archive of the host: a URI with one suite.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// Its base URI without a trailing slash.
    uri: String,
    /// The suite below it, or the path of a flat archive.
    suite: String,
    /// The components that the host takes from it.
    components: Vec<String>,
    /// The architectures that it is asked for; empty for the host's own.
    architectures: Vec<String>,
    /// The architectures that it is not asked for.
    without: Vec<String>,
    signer: Signer,
}

/// Whose keys vouch for an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Signer {
    /// Debian's, by name or, at such an address, because the host names none.
    Debian,
    /// One that the host trusts for every archive: it is not known which.
    Unnamed,
    /// Those of these keyrings.
    Own(Vec<KeyringFile>),
}

impl Entry {
    fn name(&self) -> String {
        let words = [self.uri.as_str(), self.suite.as_str()];
        words.into_iter().chain(self.components.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }

    /// Whether the host, if this is its architecture, takes packages from it.
    fn serves(&self, arch: Option<Arch>) -> bool {
        let Some(arch) = arch else { return true };
        let has = |list: &[String]| list.iter().any(|name| name == arch.debian());
        (self.architectures.is_empty() || has(&self.architectures)) && !has(&self.without)
    }
}

/// The most archives that are read from one file; further ones do not count.
const ENTRY_LIMIT: usize = 1000;

/// Reads the files of apt's sources, in the order in which apt reads them.
///
/// A name that ends in `.sources` is read as deb822, any other as one-line style. What is disabled or not for binary
/// packages is passed over. `read` gives the text of a list of mirrors that a `mirror+file:` names.
#[must_use]
pub fn host_sources(files: &[HostFile], read: &dyn Fn(&Path) -> Option<String>) -> HostSources {
    let mut sources = HostSources::default();
    for (path, text) in files {
        let mut file = File { path, read, entries: Vec::new(), findings: Vec::new() };
        match text {
            Err(why) => file.warn(None, &format!("the host's apt sources are not read: {why}"), UNREADABLE),
            Ok(text) if path.extension().is_some_and(|end| end == "sources") => stanza::read(text, &mut file),
            Ok(text) => one_line::read(text, &mut file),
        }
        sources.entries.append(&mut file.entries);
        sources.findings.append(&mut file.findings);
    }
    sources
}

const UNREADABLE: &str = "archives in it are not known here: name them as `mirrors` or [[repository]] in builder.toml";
const MALFORMED: &str = "correct the file, or name the archives as `mirrors` in builder.toml";

/// What one file says, as it is read.
struct File<'a> {
    path: &'a Path,
    read: &'a dyn Fn(&Path) -> Option<String>,
    entries: Vec<Entry>,
    findings: Vec<Diagnostic>,
}

impl File<'_> {
    /// Says that something is wrong.
    fn warn(&mut self, at: Option<Position>, message: &str, hint: &str) {
        self.find(Severity::Warning, at, message, hint);
    }

    /// Says that something does not count here.
    fn note(&mut self, at: Option<Position>, message: &str, hint: &str) {
        self.find(Severity::Note, at, message, hint);
    }

    fn find(&mut self, severity: Severity, at: Option<Position>, message: &str, hint: &str) {
        let finding = Diagnostic::new(severity, "host-apt", message, hint);
        self.findings.push(finding.in_file(FileName::from(self.path)).at(at));
    }

    /// Whether no more archives are taken from the file, which is said once.
    fn is_full(&mut self) -> bool {
        let is_full = self.entries.len() >= ENTRY_LIMIT;
        if is_full {
            self.warn(None, &format!("only the first {ENTRY_LIMIT} archives of the file count"), MALFORMED);
        }
        is_full
    }
}

/// A word of a file with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    at: Position,
}

/// The archives of a line or a paragraph, as they are written.
#[derive(Debug, Default)]
struct Raw {
    uris: Vec<Word>,
    suites: Vec<Word>,
    components: Vec<Word>,
    /// Options by their names in one-line style, in lower case.
    options: Vec<(String, Word)>,
}

#[cfg(test)]
mod tests;
