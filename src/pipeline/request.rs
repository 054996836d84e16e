//! What a build was asked to do: arguments and settings, put together and checked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use builder::apt::{self, Resolution};
use builder::cache::Cache;
use model::{Arch, Epoch};

use crate::cli::Context;
use crate::commands::build::{BuildArgs, Compression, Emit};
use crate::error::Error;
use crate::settings;

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
    /// Puts arguments and settings together.
    ///
    /// # Errors
    /// When they contradict each other, or a setting is missing that has no default.
    pub(crate) fn new(args: BuildArgs, context: &Context) -> Result<Self, Error> {
        let arch = context.settings.require_arch()?;
        let origin = match args.rootfs.clone() {
            Some(path) => RootOrigin::Given(path),
            None => RootOrigin::Packages(Box::new(packages(&args, arch, context)?)),
        };
        let emits = |what| args.emit.contains(&what);
        Ok(Self {
            output: settings::join(&args.directory, &args.output),
            module: args.directory.clone(),
            emit_tar: emits(Emit::Tar),
            emit_oci: emits(Emit::Oci),
            neighbours: args.neighbours,
            objects: args.objects,
            compression: args.compression,
            tag: args.tag,
            module_id: args.module_id,
            strict: args.strict,
            allowed: args.allowed.into_iter().collect(),
            arch,
            epoch: context.settings.epoch.value,
            origin,
        })
    }

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

fn packages(args: &BuildArgs, arch: Arch, context: &Context) -> Result<Packages, Error> {
    let settings = &context.settings;
    let variant =
        settings.variant.value.parse().map_err(|error: apt::ParseVariantError| Error::input(error.to_string()))?;
    let offline = args.offline || args.frozen;
    Ok(Packages {
        settings: apt::Settings {
            suite: settings.suite.value.clone(),
            mirrors: settings.mirrors.value.clone(),
            components: settings.components.value.clone(),
            keyring: settings.keyring.value.clone(),
            variant,
            arch,
            snapshot: None,
            snapshot_mirror: settings.snapshot_mirror.value.clone(),
            access: apt::Access { offline, proxy: settings.proxy.value.clone() },
        },
        recorded: None,
        named_mirrors: settings.mirrors.is_named(),
        cache: Cache::new(absolute(settings.require_cache_dir()?, context)),
        jobs: settings.jobs.value,
        locked: args.locked || args.frozen,
        offline,
        no_cache: args.no_cache,
        explain_cache: args.explain_cache,
    })
}

/// `path` below the current directory, unless it is absolute.
pub(crate) fn absolute(path: &Path, context: &Context) -> PathBuf {
    context.environment.current_dir.join(path)
}
