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

impl Request {
    /// Where the module's overlay is, or would be; for what does not read it.
    pub(crate) fn overlay_path(&self) -> PathBuf {
        crate::settings::join(&self.module, OVERLAY)
    }

    /// The module's overlay as it is now.
    ///
    /// # Errors
    /// When it cannot be read, or is a link.
    pub(crate) fn overlay(&self) -> Result<Overlay, Error> {
        let rules = crate::settings::overlay_rules(&self.module)?;
        Ok(Overlay::scan(&Dir::open(&self.module)?, OVERLAY)?.with_rules(rules))
    }

    /// Fails where the overlay is a link or no directory, before anything is fetched for a build.
    ///
    /// # Errors
    /// As [`Request::overlay`].
    pub(crate) fn check_overlay(&self) -> Result<(), Error> {
        Ok(Overlay::check(&Dir::open(&self.module)?, OVERLAY)?)
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
