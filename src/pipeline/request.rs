//! What a build was asked to do: arguments and settings, put together.

use std::collections::BTreeSet;
use std::path::PathBuf;

use builder::apt::{self, Resolution};
use builder::cache::Cache;
use clap::ValueEnum;
use model::{Arch, Epoch};

use crate::environment::Environment;
use crate::error::Error;
use crate::pipeline::remembered::Remembered;
use crate::settings::{self, Origin, Settings};

/// How the OCI layer that holds `module.tar` is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Compression {
    /// zstd, the same bytes for any number of threads
    #[default]
    Zstd,
    /// No compression
    None,
}

/// What a build was asked to do.
#[derive(Debug)]
pub(crate) struct Request {
    /// The module's repository.
    pub(crate) module: PathBuf,
    /// The neighbours' manifests or repositories.
    pub(crate) neighbours: Vec<PathBuf>,
    /// The directory to write.
    pub(crate) output: PathBuf,
    /// Where to write the object store as files.
    pub(crate) objects: Option<PathBuf>,
    /// Whether `module.tar` is wanted.
    pub(crate) emit_tar: bool,
    /// Whether the OCI layout is wanted.
    pub(crate) emit_oci: bool,
    /// How the OCI layer is compressed.
    pub(crate) compression: Compression,
    /// The tag in the layout.
    pub(crate) tag: String,
    /// The module's identifier on the platform.
    pub(crate) module_id: Option<String>,
    /// Whether warnings are errors.
    pub(crate) strict: bool,
    /// The findings that are let pass, by code.
    pub(crate) allowed: BTreeSet<String>,
    /// The architecture to build for.
    pub(crate) arch: Arch,
    /// The one time of the build, where the user gave it.
    pub(crate) epoch: Option<Epoch>,
    /// Where the root file system comes from.
    pub(crate) origin: RootOrigin,
    /// Where digests are remembered from build to build; without, every file is read.
    pub(crate) remembered: Option<Remembered>,
}

/// Where the root file system comes from.
#[derive(Debug)]
pub(crate) enum RootOrigin {
    /// A directory or tar that the user named.
    Given(PathBuf),
    /// Debian packages.
    Packages(Box<Packages>),
}

/// How to get from package names to a root file system.
#[derive(Debug)]
pub(crate) struct Packages {
    /// Suite, mirrors, variant. There may be no mirror: a lock needs none.
    pub(crate) settings: apt::Settings,
    /// The exact packages, where a build is repeated; nothing is resolved then, and no lock counts.
    pub(crate) recorded: Option<Resolution>,
    /// Whether the module or the user named the mirrors, and not the machine.
    pub(crate) named_mirrors: bool,
    /// The settings of builder.toml that a flag overrides, each with its flag.
    pub(crate) flags: Vec<(&'static str, &'static str)>,
    /// Where downloads and root file systems are kept.
    pub(crate) cache: Cache,
    /// How many downloads at once.
    pub(crate) jobs: usize,
    /// Whether a lock must be there and fit.
    pub(crate) locked: bool,
    /// Whether the network is off limits.
    pub(crate) offline: bool,
    /// Whether to build the root file system again although the cache has it.
    pub(crate) no_cache: bool,
    /// Whether to say which inputs changed since the cached root file system was built.
    pub(crate) explain_cache: bool,
}

impl Request {
    /// The module's overlay.
    pub(crate) fn overlay(&self) -> PathBuf {
        settings::join(&self.module, "rootfs")
    }

    /// The findings that are let pass, sorted, separated by commas; empty when there are none.
    pub(crate) fn allowed_lints(&self) -> String {
        self.allowed.iter().map(String::as_str).collect::<Vec<_>>().join(",")
    }

    /// The packages' part, for what cannot be done with a given root file system.
    pub(crate) fn packages(&self) -> Option<&Packages> {
        match &self.origin {
            RootOrigin::Packages(packages) => Some(packages),
            RootOrigin::Given(_) => None,
        }
    }
}

impl Packages {
    /// How to get packages by the settings alone: with network, cache and no need of a lock.
    ///
    /// # Errors
    /// When a setting is wrong, or one is missing that has no default.
    pub(crate) fn new(settings: &Settings, arch: Arch, environment: &Environment) -> Result<Self, Error> {
        let variant =
            settings.variant.value.parse().map_err(|error: apt::ParseVariantError| Error::input(error.to_string()))?;
        let origins = [
            ("suite", &settings.suite.origin),
            ("variant", &settings.variant.origin),
            ("mirrors", &settings.mirrors.origin),
        ];
        let flag = |(name, origin): (&'static str, &Origin)| match origin {
            Origin::Flag(flag) => Some((name, *flag)),
            _ => None,
        };
        Ok(Self {
            settings: apt::Settings {
                suite: settings.suite.value.clone(),
                mirrors: settings.mirrors.value.clone(),
                components: settings.components.value.clone(),
                keyring: settings.keyring.value.clone(),
                variant,
                arch,
                snapshot: None,
                snapshot_mirror: settings.snapshot_mirror.value.clone(),
                access: settings.access(false),
            },
            recorded: None,
            named_mirrors: settings.mirrors.is_named(),
            flags: origins.into_iter().filter_map(flag).collect(),
            cache: Cache::new(environment.absolute(settings.require_cache_dir()?)),
            jobs: settings.jobs.value,
            locked: false,
            offline: false,
            no_cache: false,
            explain_cache: false,
        })
    }

    /// The same, with or without the network.
    #[must_use]
    pub(crate) fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self.settings.access.offline = offline;
        self
    }
}

/// A module's identifier: a text of one line.
///
/// # Errors
/// When it is empty or holds a control character.
pub(crate) fn module_id(text: &str) -> Result<String, String> {
    match text.is_empty() || text.chars().any(char::is_control) {
        true => Err("an identifier is not empty and holds no control character".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Takes a tag as the OCI distribution specification defines it, short enough for `-ARCH`.
///
/// # Errors
/// What a tag is, when `text` is none.
pub(crate) fn tag(text: &str) -> Result<String, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_valid = text.starts_with(is_word) && text.chars().all(|c| is_word(c) || c == '.' || c == '-');
    if is_valid && text.len() <= 118 {
        Ok(text.to_owned())
    } else {
        Err("a tag is at most 118 letters, digits, `_`, `.` and `-`, and starts with none of the last two".to_owned())
    }
}
