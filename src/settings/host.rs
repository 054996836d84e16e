//! Values that no one named: what the environment and the host give.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use builder::apt::{HostArchive, HostChoice, KeyringFile, host_sources};
use model::{Arch, Diagnostic, Epoch};

use super::origin::{Origin, Value};
use super::repository::Repository;
use crate::environment::Environment;
use crate::error::Error;

/// The time in `SOURCE_DATE_EPOCH`.
pub(super) fn epoch(text: &OsStr) -> Result<Epoch, Error> {
    Epoch::parse(&text.to_string_lossy()).map_err(|error| {
        Error::input("the environment variable SOURCE_DATE_EPOCH is wrong")
            .because(&error)
            .hint("unset it, or set it to the seconds that `date +%s` prints")
    })
}

/// Rust's names differ from `uname -m`'s for some machines.
pub(crate) fn named_arch(machine: &str) -> Option<Arch> {
    match machine {
        "x86" => Some(Arch::I386),
        "arm" => Some(Arch::Armhf),
        // Rust does not distinguish the two byte orders by this name; the compiler does.
        "powerpc64" if cfg!(target_endian = "little") => Some(Arch::Ppc64el),
        other => other.parse().ok(),
    }
}

pub(super) fn cache_dir(environment: &Environment) -> Value<Option<PathBuf>> {
    let path = directory(environment, "XDG_CACHE_HOME", ".cache").map(|path| path.join("module-builder"));
    let origin = match environment.variable("XDG_CACHE_HOME") {
        Some(value) if Path::new(value).is_absolute() => Origin::Environment("XDG_CACHE_HOME".to_owned()),
        _ => Origin::Default,
    };
    Value::new(path, origin)
}

/// What a module takes from the host's apt where it names no mirrors, and what there is to say about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostApt {
    /// The archives and their keys, and what else the host has.
    pub(crate) choice: HostChoice,
    /// What is wrong in its files.
    pub(crate) findings: Vec<Diagnostic>,
}

impl HostApt {
    /// Debian's archives as the host's apt has them, so that a machine inside a closed network works as it is.
    pub(super) fn of(environment: &Environment, suite: &str) -> Self {
        let sources = host_sources(&(environment.apt_sources)(), &environment.apt_mirrors);
        let choice = sources.debian(suite, named_arch(environment.machine));
        Self { choice, findings: sources.findings }
    }

    /// The archives as the setting `mirrors` writes them. Where `components` are named, each is asked for these.
    pub(super) fn mirrors(&self, suite: &str, components: &Value<Vec<String>>) -> Value<Vec<String>> {
        let line = |archive: &HostArchive| {
            let own = if components.is_named() { &components.value } else { &archive.components };
            match archive.suite == suite && *own == components.value {
                true => archive.uri.clone(),
                false => format!("{} {} {}", archive.uri, archive.suite, own.join(" ")),
            }
        };
        let lines: Vec<String> = self.choice.archives.iter().map(line).collect();
        let origin = if lines.is_empty() { Origin::Default } else { Origin::Host(HOSTS.to_owned()) };
        Value::new(lines, origin)
    }

    /// Adds the host's further archives to those that the module adds, of which each counts as the module has it.
    pub(super) fn add_to(&mut self, repository: &mut Value<Vec<Repository>>) {
        let named = &repository.value;
        self.choice
            .repositories
            .retain(|found| !named.iter().any(|own| (&own.uri, &own.suite) == (&found.uri, &found.suite)));
        if self.choice.repositories.is_empty() {
            return;
        }
        if !repository.is_named() {
            repository.origin = Origin::Host(HOSTS.to_owned());
        }
        repository.value.extend(self.choice.repositories.iter().map(|found| Repository {
            uri: found.uri.clone(),
            suite: found.suite.clone(),
            components: found.components.clone(),
            architectures: found.architectures.clone(),
            keyring: found.keyring.as_ref().map(KeyringFile::path),
            is_hosts: true,
        }));
    }
}

/// Where a value is from that the host's apt gives.
const HOSTS: &str = "the host's apt";

/// `$variable`, or `$HOME/below`. A relative path in the variable is void by the XDG specification.
pub(super) fn directory(environment: &Environment, variable: &str, below: &str) -> Option<PathBuf> {
    let absolute = |name| environment.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below)))
}
