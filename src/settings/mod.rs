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
pub(crate) mod naming;
mod origin;
mod overlay;
mod parse;
mod repository;
mod rows;
mod setting;
mod show;
mod table;

use std::path::{Path, PathBuf};

use builder::apt::KeyringFile;
use model::Arch;
use model::closure::{BaseRequest, Ship};

use crate::environment::Environment;
use crate::error::Error;
use repository::Repository;
use rows::ROWS;

pub(crate) use accounts::AccountTables;
pub(crate) use closure::ClosureSettings;
pub(crate) use flags::{Flags, Global};
pub(crate) use host::{HostApt, named_arch};
pub(crate) use layers::{
    BUILDER_TOML, Layers, ModuleFile, check_module, module_accounts, module_closure, module_files, module_keyrings,
    module_snapshot_mirror, overlay_rules,
};
pub(crate) use list::help;
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
        if let Some(path) = &flags.accounts {
            let given = accounts::read(&environment.absolute(path), &mut layers.findings)?;
            layers.slots.tables = layers.slots.tables.and(&given);
        }
        layers.findings.diagnostics.extend(layers.slots.tables.conflicts());
        if !layers.findings.diagnostics.is_empty() {
            return Err(Error::input("the settings are wrong")
                .findings(layers.findings)
                .hint("`module-builder env --help` lists every setting"));
        }
        for row in ROWS {
            row.take_flag(flags, global, &mut layers.slots)?;
        }
        let mut settings = layers.slots.settle(layers.module, layers.warnings, environment)?;
        settings.module_file = layers.module_file;
        settings.accounts.value = settings.tables.numbers();
        if !settings.mirrors.is_named() {
            settings.host_apt = HostApt::of(environment, &settings.suite.value);
            settings.mirrors = settings.host_apt.mirrors(&settings.suite.value, &settings.components);
            settings.host_apt.add_to(&mut settings.repository);
        }
        Ok(settings)
    }

    /// The numbers that others than the module give to accounts: the machine's and the user's files, and that of the flag.
    pub(crate) fn fleet(&self) -> AccountTables {
        match &self.module {
            Some(module) => self.tables.without(&join(module, BUILDER_TOML)),
            None => self.tables.clone(),
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

    /// The file that a setting names. A path that builder.toml gives relative to itself, or below the
    /// module, stays in the module; one that leads elsewhere by itself is written for all to see.
    fn file(&self, path: PathBuf, origin: &Origin) -> KeyringFile {
        let module = self.module.as_deref().filter(|_| matches!(origin, Origin::File { .. }));
        keyring_of(module, path)
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

/// The file at `path`, which the `builder.toml` of `module` names.
fn keyring_of(module: Option<&Path>, path: PathBuf) -> KeyringFile {
    let base = module.map(|module| join(module, layers::BUILDER_TOML));
    let base = base.as_deref().and_then(Path::parent);
    match base.and_then(|base| Some((base, path.strip_prefix(base).ok()?))) {
        Some((base, below)) if base.is_absolute() || path.is_relative() => {
            KeyringFile::Below { directory: base.to_owned(), path: below.to_owned() }
        }
        _ => KeyringFile::At(path),
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

/// `directory/name`, without a `./` in front that would only be noise in messages.
pub(crate) fn join(directory: &Path, name: impl AsRef<Path>) -> PathBuf {
    if directory == Path::new(".") { name.as_ref().to_owned() } else { directory.join(name) }
}

#[cfg(test)]
mod tests;
