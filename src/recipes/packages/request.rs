//! How to get packages: settings and arguments, put together.

use builder::apt::{self, Resolution};
use builder::cache::Cache;
use builder::rootfs;
use model::Arch;

use crate::environment::Environment;
use crate::error::Error;
use crate::settings::{HostApt, Origin, Settings};

/// How to get from package names to a root file system.
#[derive(Debug)]
pub(crate) struct Packages {
    /// Suite, mirrors, variant. There may be no mirror: a lock needs none.
    pub(crate) settings: apt::Settings,
    /// The exact packages, where a build is repeated; nothing is resolved then, and no lock counts.
    pub(crate) recorded: Option<Resolution>,
    /// The state of the archive that the user wants instead of the manifest's, or `none`.
    pub(crate) snapshot: Option<String>,
    /// Whether the module or the user named the mirrors, and not the machine.
    pub(crate) named_mirrors: bool,
    /// What the host's apt gives where no mirrors are named.
    pub(crate) host_apt: HostApt,
    /// All the architectures that the run is for.
    pub(crate) archs: Vec<Arch>,
    /// The settings of builder.toml that a flag overrides, each with its flag.
    pub(crate) flags: Vec<(&'static str, &'static str)>,
    /// Where downloads and root file systems are kept.
    pub(crate) cache: Cache,
    /// How many downloads at once.
    pub(crate) connections: usize,
    /// Whether a lock must be there and fit.
    pub(crate) locked: bool,
    /// Whether to build the root file system again although the cache has it.
    pub(crate) no_cache: bool,
    /// Whether to say which inputs changed since the cached root file system was built.
    pub(crate) explain_cache: bool,
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
                repositories: settings.repositories(),
                keyring: settings.keyring_file(),
                host_keyring: settings.host_keyring(),
                variant,
                base: settings.base_request(),
                lower: None,
                arch,
                snapshot: None,
                snapshot_mirror: settings.snapshot_mirror.value.clone(),
                access: settings.access(false),
            },
            recorded: None,
            snapshot: settings.snapshot.value.clone(),
            named_mirrors: settings.mirrors.is_named(),
            host_apt: settings.host_apt.clone(),
            archs: settings.arch.value.clone(),
            flags: origins.into_iter().filter_map(flag).collect(),
            cache: Cache::new(environment.absolute(settings.require_cache_dir()?)),
            connections: settings.connections(),
            locked: false,
            no_cache: false,
            explain_cache: false,
        })
    }

    /// Why no root file system was made. A record that names one package and the sha256 of another is refused: no
    /// build has written it.
    pub(crate) fn failed(&self, error: rootfs::Error) -> Error {
        match &error {
            rootfs::Error::OtherPackage { field, wanted, found, .. } if self.recorded.is_some() => {
                let mut refused = Error::refused("a package is not the one that the record names");
                refused.causes.push(format!("its field {field} is {found:?}, the record says {wanted:?}"));
                refused.hint("the record was changed after the build: take it from where the build left it")
            }
            _ => error.into(),
        }
    }

    /// The same, with or without the network.
    #[must_use]
    pub(crate) fn offline(mut self, offline: bool) -> Self {
        self.settings.access.offline = offline;
        self
    }
}
