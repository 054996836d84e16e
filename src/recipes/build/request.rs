//! What a build was asked to do: arguments and settings, put together.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::ValueEnum;
use composer::overlay::Overlay;
use host::Dir;
use model::words::{LINE_LIMIT, is_showable, shortened};
use model::{Arch, Epoch};

use crate::error::Error;
use crate::recipes::build::remembered::Remembered;
use crate::recipes::build::sinks::Sink;
use crate::recipes::packages::request::Packages;

/// The name of a module's own files in its repository.
const OVERLAY: &str = "rootfs";

/// How the OCI layer that holds `module.tar` is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Compression {
    /// zstd, the same bytes for any number of threads
    #[default]
    Zstd,
    /// No compression
    None,
}

impl Compression {
    /// The word that is recorded, whatever the flag's value or the variant are called.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::None => "none",
        }
    }

    /// What is recorded as `word`.
    ///
    /// # Errors
    /// When no compression is.
    pub(crate) fn from_word(word: &str) -> Result<Self, String> {
        let all = [Self::Zstd, Self::None];
        let found = all.into_iter().find(|compression| compression.word() == word);
        found.ok_or_else(|| shortened(&format!("invalid variant: {word}")))
    }
}

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
    /// Where digests are remembered from build to build; without, every file is read.
    pub(crate) reuse: Option<Remembered>,
}

/// The files of a module, and those of its neighbours that count.
#[derive(Debug, Clone)]
pub(crate) struct ModuleSource {
    /// The module's repository.
    pub(crate) directory: PathBuf,
    /// The neighbours' manifests or repositories.
    pub(crate) neighbours: Vec<PathBuf>,
}

/// Where the root file system comes from.
#[derive(Debug)]
pub(crate) enum RootSource {
    /// A directory or tar that the user named.
    Given(PathBuf),
    /// Debian packages.
    Packages(Box<Packages>),
}

/// What a build writes.
#[derive(Debug, Clone)]
pub(crate) struct Outputs {
    /// The directory that is written, with the image and the lists.
    pub(crate) directory: PathBuf,
    /// Where else the module goes.
    pub(crate) sinks: Vec<Sink>,
    /// What is asked of the artifact.
    pub(crate) artifact: ArtifactOptions,
}

/// What is asked of the OCI artifact.
#[derive(Debug, Clone)]
pub(crate) struct ArtifactOptions {
    /// How its layer is compressed.
    pub(crate) compression: Compression,
    /// Its tag.
    pub(crate) tag: String,
    /// The module's identifier on the platform.
    pub(crate) module_id: Option<String>,
}

/// What the user makes of findings.
#[derive(Debug, Clone)]
pub(crate) struct Checks {
    /// Whether warnings are errors.
    pub(crate) strict: bool,
    /// The findings that are let pass, by code.
    pub(crate) allowed: BTreeSet<String>,
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
    /// Where the module's overlay is, or would be; for what does not read it.
    pub(crate) fn overlay_path(&self) -> PathBuf {
        crate::settings::join(&self.directory, OVERLAY)
    }

    /// The module's overlay as it is now.
    ///
    /// # Errors
    /// When it cannot be read, or is a link.
    pub(crate) fn overlay(&self) -> Result<Overlay, Error> {
        Ok(Overlay::scan(&Dir::open(&self.directory)?, OVERLAY)?)
    }

    /// Fails where the overlay is a link or no directory, before anything is fetched for a build.
    ///
    /// # Errors
    /// As [`ModuleSource::overlay`].
    pub(crate) fn check_overlay(&self) -> Result<(), Error> {
        Ok(Overlay::check(&Dir::open(&self.directory)?, OVERLAY)?)
    }
}

/// Takes a tag as the OCI distribution specification defines it, short enough for `-ARCH`.
///
/// # Errors
/// What a tag is, when `text` is none.
pub(crate) fn tag(text: &str) -> Result<String, String> {
    if text.len() <= 118 && text.parse::<oci::Tag>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err("a tag is at most 118 letters, digits, `_`, `.` and `-`, and starts with none of the last two".to_owned())
    }
}

/// Takes the module's identifier on the platform, which stands in an annotation and in the record.
///
/// # Errors
/// What an identifier is, when `text` is none.
pub(crate) fn module_id(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("the module's identifier is empty".to_owned());
    }
    if is_showable(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("an identifier is one line of at most {LINE_LIMIT} bytes, without control characters"))
    }
}
