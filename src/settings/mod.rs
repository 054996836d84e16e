//! The effective settings of a run, each with the place it came from.
//!
//! Order: default, `/etc/module-builder/config.toml`, the user's configuration, `builder.toml` in
//! the module, `MODULE_BUILDER_*`, flag. What changes bytes is taken from `builder.toml` and from
//! flags alone: a module must not come out differently because of the machine or the user that
//! builds it; only accounts, which a fleet shares, are given elsewhere, too, and `module.lock` keeps what a build took of them.
//! What changes speed and place only is never taken from `builder.toml`: what comes with the
//! sources names no cache and no proxy (decision 11).

mod accounts;
mod closure;
mod file;
mod file_inputs;
mod flags;
mod host;
mod layers;
mod list;
mod module;
pub(crate) mod naming;
mod origin;
mod overlay;
mod parse;
mod repository;
mod rows;
mod setting;
mod show;
mod table;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use builder::apt::KeyringFile;
use model::closure::{BaseRequest, Ship};
use model::{Arch, FileName};

use crate::environment::Environment;
use crate::error::Error;
use module::keyring_of;
use repository::Repository;
use rows::ROWS;

pub(crate) use accounts::AccountTables;
pub(crate) use closure::ClosureSettings;
pub(crate) use flags::{Flags, Global};
pub(crate) use host::{HostApt, named_arch};
pub(crate) use layers::Layers;
pub(crate) use list::help;
pub(crate) use module::{BUILDER_TOML, ModuleSettings, join};
pub(crate) use origin::Origin;
pub(crate) use parse::{MOST_JOBS, NO_SNAPSHOT};
pub(crate) use rows::Settings;
pub(crate) use show::Entry;

impl Settings {
    /// Merges `layers`, the flags and the defaults.
    ///
    /// # Errors
    /// Everything that is wrong in any layer.
    pub(crate) fn new(
        mut layers: Layers,
        flags: &Flags,
        global: &Global,
        environment: &Environment,
    ) -> Result<Self, Error> {
        if let Some(failure) = layers.failure {
            return Err(failure);
        }
        layers.read_named(flags, environment)?;
        let conflicts = ROWS.iter().flat_map(|row| row.conflicts(&mut layers.slots));
        layers.findings.diagnostics.extend(conflicts);
        if !layers.findings.diagnostics.is_empty() {
            return Err(Error::input("the settings are wrong")
                .findings(layers.findings)
                .hint("`module-builder env --help` lists every setting"));
        }
        for row in ROWS {
            row.take_flag(flags, global, &mut layers.slots)?;
        }
        let mut settings = layers.slots.settle(layers.own, layers.warnings, environment)?;
        if !settings.mirrors.is_named() {
            settings.host_apt = HostApt::of(environment, &settings.suite.value);
            settings.mirrors = settings.host_apt.mirrors(&settings.suite.value, &settings.components);
            settings.host_apt.add_to(&mut settings.repository);
        }
        Ok(settings)
    }

    /// What the settings file of the module in `directory` says, as it was read for these settings.
    ///
    /// # Errors
    /// When they are not those of that module, so that the file is read now, and cannot be, or holds an error.
    pub(crate) fn of_module(&self, directory: &Path) -> Result<Arc<ModuleSettings>, Error> {
        match &self.own {
            Some(own) if own.directory == directory => Ok(Arc::clone(own)),
            Some(_) | None => ModuleSettings::read(directory).map(Arc::new),
        }
    }

    /// The numbers that others than the module give to accounts: the machine's and the user's files, and that of the flag.
    pub(crate) fn fleet(&self) -> AccountTables {
        match &self.own {
            Some(own) => self.accounts.value.without(&FileName::from(own.path().as_path())),
            None => self.accounts.value.clone(),
        }
    }

    /// The keyring that the host checks its Debian archives with; none where it is Debian's own, or the archives are not
    /// the host's.
    pub(crate) fn host_keyring(&self) -> Option<KeyringFile> {
        self.host_apt.choice.keyring.clone()
    }

    /// Where to keep what can be used again.
    ///
    /// # Errors
    /// When neither the settings nor the environment name a place.
    pub(crate) fn require_cache_dir(&self) -> Result<&Path, Error> {
        self.cache_dir.value.as_deref().ok_or_else(|| {
            Error::input("there is no place for the cache: neither XDG_CACHE_HOME nor HOME is set")
                .hint("name one by `--cache-dir DIR`")
        })
    }

    /// What the packages are laid over; none where the module ships what its packages own, which asks for no base.
    pub(crate) fn base_request(&self) -> Option<BaseRequest> {
        (self.ship.value == Ship::Closure).then(|| self.base.value.clone())
    }

    /// The keyring's file, if one is named.
    pub(crate) fn keyring_file(&self) -> Option<KeyringFile> {
        Some(self.file(self.keyring.value.clone()?, &self.keyring.origin))
    }

    /// The archives that are added to Debian's.
    pub(crate) fn repositories(&self) -> Vec<builder::apt::Repository> {
        let repository = |added: &Repository| builder::apt::Repository {
            uri: added.uri.clone(),
            suite: added.suite.clone(),
            components: added.components.clone(),
            architectures: added.architectures.clone(),
            keyring: added.keyring.clone().map(|path| self.file(path, &self.repository.origin)),
            is_hosts: false,
        };
        let named = self.repository.value.iter().filter(|added| !added.is_hosts).map(repository);
        named.chain(self.host_apt.choice.repositories.iter().cloned()).collect()
    }

    /// The file that a setting names.
    fn file(&self, path: PathBuf, origin: &Origin) -> KeyringFile {
        let own = self.own.as_deref().filter(|_| matches!(origin, Origin::File { .. }));
        keyring_of(own.map(|own| own.directory.as_path()), path)
    }

    /// How many downloads at once: `jobs`, where someone gives it. Else more than there may be processors, since
    /// downloads wait for the network.
    pub(crate) fn connections(&self) -> usize {
        let is_given = !matches!(self.jobs.origin, Origin::Default | Origin::Host(_));
        if is_given { self.jobs.value } else { builder::apt::FetchOptions::default().jobs }
    }

    /// How archives are reached.
    pub(crate) fn access(&self, offline: bool) -> builder::apt::Access {
        let proxy = self.proxy.value.as_ref().map(|proxy| proxy.expose().to_owned());
        let certificates = self.certificates.value.clone();
        builder::apt::Access { offline, proxy, certificates }
    }

    /// The architectures to build for: one or more, each once.
    ///
    /// # Errors
    /// When no flag names one and this machine's is not one that Debian releases.
    pub(crate) fn require_archs(&self) -> Result<&[Arch], Error> {
        match self.arch.value.as_slice() {
            [] => Err(Error::usage("this machine's architecture is not one that can be built")
                .hint("name one by `--arch ARCH`")),
            archs => Ok(archs),
        }
    }

    /// The architecture, for what is done for one.
    ///
    /// # Errors
    /// As [`Settings::require_archs`], and when there are several.
    pub(crate) fn require_arch(&self) -> Result<Arch, Error> {
        match self.require_archs()? {
            [arch] => Ok(*arch),
            archs => Err(Error::usage(format!("{} architectures are named where one is asked for", archs.len()))
                .hint(format!("name one, as in `--arch {}`", archs[0]))),
        }
    }
}

/// Checks that there is a mirror to resolve packages from.
///
/// # Errors
/// When neither the settings nor the host name one.
pub(crate) fn require_mirrors(mirrors: &[String]) -> Result<(), Error> {
    if mirrors.is_empty() {
        return Err(Error::input("no Debian mirror is known")
            .hint("name one by `--mirror URL`, or by `mirrors = [\"URL\"]` in builder.toml"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
