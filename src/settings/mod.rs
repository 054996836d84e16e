//! The effective settings of a run, each with the place it came from.
//!
//! Order: default, `/etc/module-builder/config.toml`, the user's configuration, `builder.toml` in
//! the module, `MODULE_BUILDER_*`, flag. What changes bytes is taken from `builder.toml` and from
//! flags alone: a module must not come out differently because of the machine or the user that
//! builds it. What changes speed and place only is never taken from `builder.toml`: what comes with the
//! sources names no cache and no proxy (decision 11).

mod file;
mod flags;
mod host;
mod keys;
mod layers;
mod origin;
mod show;

use std::path::{Path, PathBuf};

use builder::apt::KeyringFile;
use model::{Arch, Epoch};

use crate::environment::Environment;
use crate::error::Error;
use crate::ui::{Color, Progress};
use layers::Warning;

pub(crate) use flags::{Flags, Global};
pub(crate) use keys::MOST_JOBS;
pub(crate) use layers::{Layers, check_module};
pub(crate) use origin::{Origin, Value};
pub(crate) use show::Entry;

/// The effective settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The Debian suite. Changes bytes.
    pub(crate) suite: Value<String>,
    /// The mirrors; empty when none is known. Changes bytes: see [`require_mirrors`].
    pub(crate) mirrors: Value<Vec<String>>,
    /// The archive's components. Changes bytes.
    pub(crate) components: Value<Vec<String>>,
    /// The keyring that the archive is checked with; apt's own when absent. Changes bytes.
    pub(crate) keyring: Value<Option<PathBuf>>,
    /// What mmdebstrap installs besides the requested packages. Changes bytes.
    pub(crate) variant: Value<String>,
    /// The archive of old states that `build.apt_snapshot` selects from. Changes bytes.
    pub(crate) snapshot_mirror: Value<Option<String>>,
    /// The architecture to build for. Changes bytes; a flag or the machine's own.
    pub(crate) arch: Value<Option<Arch>>,
    /// The one time of the build, where it is given.
    pub(crate) epoch: Value<Option<Epoch>>,
    /// Where downloads and root file systems are kept; none when there is no home either.
    pub(crate) cache_dir: Value<Option<PathBuf>>,
    /// How many things to do at once.
    pub(crate) jobs: Value<usize>,
    /// The certificate authorities that https is held to; the host's when absent.
    pub(crate) certificates: Value<Option<PathBuf>>,
    /// The proxy for apt and for downloads; it may hold a password.
    pub(crate) proxy: Value<Option<String>>,
    /// When to use colours.
    pub(crate) color: Value<Color>,
    /// How to show progress.
    pub(crate) progress: Value<Progress>,
    /// The directory of the module's own settings file.
    module: Option<PathBuf>,
    /// What looks like a setting and is none.
    pub(crate) warnings: Vec<Warning>,
}

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
        if !layers.findings.diagnostics.is_empty() {
            return Err(Error::input("the settings are wrong")
                .findings(layers.findings)
                .hint("`module-builder env --help` lists every setting"));
        }
        keys::flags(flags, &mut layers.values)?;
        let mut merged = keys::Merged::new(layers.values);
        let epoch = host::epoch(environment)?;
        Ok(Self {
            suite: merged.text("suite").unwrap_or_else(|| Value::new("trixie".to_owned(), Origin::Default)),
            mirrors: merged.list("mirrors").unwrap_or_else(|| host::mirrors(environment)),
            components: merged
                .list("components")
                .unwrap_or_else(|| Value::new(vec!["main".to_owned()], Origin::Default)),
            keyring: optional(merged.path("keyring")),
            variant: merged.text("variant").unwrap_or_else(|| Value::new("minbase".to_owned(), Origin::Default)),
            snapshot_mirror: optional(merged.text("snapshot_mirror")),
            arch: host::arch(flags, environment),
            epoch,
            cache_dir: merged.path("cache_dir").map_or_else(|| host::cache_dir(environment), some),
            jobs: merged
                .number("jobs")
                .unwrap_or(Value::new(environment.processors, Origin::Host("processors".to_owned()))),
            certificates: host::certificates(environment),
            proxy: optional(merged.text("proxy")),
            color: choice(global.color, "--color", merged.text("color")),
            progress: choice(global.progress, "--progress", merged.text("progress")),
            module: layers.module,
            warnings: layers.warnings,
        })
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

    /// The keyring's file, if one is named. A path that builder.toml gives relative to itself, or below the
    /// module, stays in the module; one that leads elsewhere by itself is written for all to see.
    pub(crate) fn keyring_file(&self) -> Option<KeyringFile> {
        let path = self.keyring.value.clone()?;
        let module = self.module.as_ref().filter(|_| matches!(self.keyring.origin, Origin::File { .. }));
        let base = module.map(|module| join(module, layers::BUILDER_TOML));
        let base = base.as_deref().and_then(Path::parent);
        Some(match base.and_then(|base| Some((base, path.strip_prefix(base).ok()?))) {
            Some((base, below)) if base.is_absolute() || path.is_relative() => {
                KeyringFile::Below { directory: base.to_owned(), path: below.to_owned() }
            }
            _ => KeyringFile::At(path),
        })
    }

    /// How many downloads at once: `jobs`, where somebody gives it. Else more than there may be processors, since
    /// downloads wait for the network.
    pub(crate) fn connections(&self) -> usize {
        let is_given = !matches!(self.jobs.origin, Origin::Default | Origin::Host(_));
        if is_given { self.jobs.value } else { builder::apt::FetchOptions::default().jobs }
    }

    /// How archives are reached.
    pub(crate) fn access(&self, offline: bool) -> builder::apt::Access {
        let (proxy, certificates) = (self.proxy.value.clone(), self.certificates.value.clone());
        builder::apt::Access { offline, proxy, certificates }
    }

    /// The architecture to build for.
    ///
    /// # Errors
    /// When no flag names one and this machine's is not one that Debian releases.
    pub(crate) fn require_arch(&self) -> Result<Arch, Error> {
        self.arch.value.ok_or_else(|| {
            Error::usage("this machine's architecture is not one that can be built").hint("name one by `--arch ARCH`")
        })
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

fn some<T>(value: Value<T>) -> Value<Option<T>> {
    Value::new(Some(value.value), value.origin)
}

fn optional<T>(value: Option<Value<T>>) -> Value<Option<T>> {
    value.map_or(Value::new(None, Origin::Default), some)
}

/// The names were checked when the value was read.
fn choice<T: clap::ValueEnum + Default>(
    flag: Option<T>,
    name: &'static str,
    merged: Option<Value<String>>,
) -> Value<T> {
    if let Some(value) = flag {
        return Value::new(value, Origin::Flag(name));
    }
    merged
        .and_then(|text| Some(Value::new(T::from_str(&text.value, false).ok()?, text.origin)))
        .unwrap_or(Value::new(T::default(), Origin::Default))
}

#[cfg(test)]
mod tests;
