//! What a build was asked to do: arguments and settings, put together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use composer::overlay::Overlay;
use host::Dir;
use model::record::{Compression, LINTS, LintCode};
use model::{Arch, Epoch};

use crate::error::Error;
use crate::recipes::build::downloads::Downloads;
use crate::recipes::build::lower::LowerSource;
use crate::recipes::build::remembered::DigestCacheHandle;
use crate::recipes::build::sinks::Outputs;
use crate::recipes::packages::request::Packages;
use crate::settings::{AccountTables, ModuleSettings};

/// The name of a module's own files in its repository.
const OVERLAY: &str = "rootfs";

/// What a build was asked to do.
#[derive(Debug)]
pub(crate) struct BuildRequest {
    /// The module.
    pub(crate) module: ModuleSource,
    /// The architecture to build for.
    pub(crate) arch: Arch,
    /// The one time of the build, where the user gave it.
    pub(crate) epoch: Option<Epoch>,
    /// Where the root file system comes from.
    pub(crate) root: RootSource,
    /// What is written.
    pub(crate) outputs: Outputs,
    /// What the user makes of findings.
    pub(crate) checks: Checks,
    /// Where files from addresses are kept, and how they are fetched.
    pub(crate) downloads: Downloads,
    /// Where digests are remembered from build to build; without, every file is read.
    pub(crate) reuse: Option<DigestCacheHandle>,
}

/// The files of a module, and those of its neighbours that count.
#[derive(Debug, Clone)]
pub(crate) struct ModuleSource {
    /// The neighbours' manifests or repositories.
    pub(crate) neighbours: Vec<PathBuf>,
    /// The numbers of accounts that a fleet shares, besides those of the module.
    pub(crate) fleet: AccountTables,
    /// Where the modules are that it requires.
    pub(crate) lower: LowerSource,
    /// The module's repository, and what its builder.toml says, read once for all that is done.
    pub(crate) settings: Arc<ModuleSettings>,
}

/// Where the root file system comes from.
#[derive(Debug)]
pub(crate) enum RootSource {
    /// A directory or tar that the user named.
    Given(PathBuf),
    /// Debian packages.
    Packages(Box<Packages>),
}

/// What the user makes of findings.
#[derive(Debug, Clone)]
pub(crate) struct Checks {
    /// Whether warnings are errors.
    pub(crate) strict: bool,
    /// The findings that are let pass, by code.
    pub(crate) allowed: BTreeSet<LintCode>,
}

impl BuildRequest {
    /// The packages, where the root file system is made from such.
    pub(crate) fn packages(&self) -> Option<&Packages> {
        match &self.root {
            RootSource::Packages(packages) => Some(packages),
            RootSource::Given(_) => None,
        }
    }

    /// Whether nothing is to be taken from what is remembered of packages.
    pub(crate) fn is_wary_of(&self, packages: &Packages) -> bool {
        packages.no_cache || self.reuse.as_ref().is_some_and(|reuse| reuse.paranoid)
    }
}

impl ModuleSource {
    /// The module's repository.
    pub(crate) fn directory(&self) -> &Path {
        &self.settings.directory
    }

    /// Where the module's overlay is, or would be; for what does not read it.
    pub(crate) fn overlay_path(&self) -> PathBuf {
        crate::settings::join(self.directory(), OVERLAY)
    }

    /// The module's overlay as it is now.
    ///
    /// # Errors
    /// When it cannot be read, or is a link.
    pub(crate) fn overlay(&self) -> Result<Overlay, Error> {
        Ok(Overlay::scan(&Dir::open(self.directory())?, OVERLAY)?.with_rules(self.settings.overlay.clone()))
    }

    /// Fails where the overlay is a link or no directory, before anything is fetched for a build.
    ///
    /// # Errors
    /// As [`ModuleSource::overlay`].
    pub(crate) fn check_overlay(&self) -> Result<(), Error> {
        Ok(Overlay::check(&Dir::open(self.directory())?, OVERLAY)?)
    }
}

/// The codes of the findings that can be let pass.
pub(crate) fn lint() -> impl TypedValueParser<Value = LintCode> {
    PossibleValuesParser::new(LINTS).try_map(|code| code.parse::<LintCode>())
}

/// The words for a compression.
pub(crate) fn compression() -> impl TypedValueParser<Value = Compression> {
    let words = [
        PossibleValue::new("zstd").help("zstd, the same bytes for any number of threads"),
        PossibleValue::new("none").help("No compression"),
    ];
    PossibleValuesParser::new(words).try_map(|word| word.parse::<Compression>())
}
