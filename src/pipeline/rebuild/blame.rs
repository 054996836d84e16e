//! Which step of the pipeline a difference comes from.

use std::path::Path;

use oci::layout;
use serde::Serialize;

use super::files::Pair;
use crate::error::Error;
use crate::pipeline::record::{self, Record, RootInput};

/// Where a difference comes from: a step of the pipeline, or what came after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Layer {
    /// The packages, or the root file system that the user named.
    Rootfs,
    /// Scrubbing.
    Scrub,
    /// The overlay.
    Overlay,
    /// The choice of what is shipped.
    Filter,
    /// The composefs image.
    Image,
    /// `module.tar` or its compression.
    Tar,
    /// The OCI layout.
    Layout,
    /// Nothing: the file was changed after it was built.
    AfterTheBuild,
}

impl Layer {
    /// What people are told.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Rootfs => "the root file system came out differently (packages/rootfs)",
            Self::Scrub => "scrubbing came out differently (scrub)",
            Self::Overlay => "the overlay came out differently (overlay)",
            Self::Filter => "other files are shipped (filter)",
            Self::Image => "the image came out differently (image)",
            Self::Tar => "module.tar or its compression came out differently (tar)",
            Self::Layout => "the layout came out differently (layout)",
            Self::AfterTheBuild => "it was changed after the build: it is not what the build recorded",
        }
    }
}

/// The two records of one module.
pub(super) struct Blame<'a> {
    old: &'a Record,
    directory: &'a Path,
    is_layout: bool,
    /// The first step whose outcome differs, by what the builds recorded.
    first: Option<Layer>,
}

impl<'a> Blame<'a> {
    pub(super) fn new(old: &'a Record, new: &'a Record, directory: &'a Path, is_layout: bool) -> Self {
        Self { old, directory, is_layout, first: first(old, new) }
    }

    /// Where the difference of `pair` comes from.
    pub(super) fn layer(&mut self, pair: &Pair) -> Result<Layer, Error> {
        if let Some(before) = &pair.before
            && self.was_changed(pair, before)?
        {
            return Ok(Layer::AfterTheBuild);
        }
        let home = home(&pair.name);
        match self.first {
            Some(first) if first <= home => Ok(first),
            // What the builds recorded is the same, so a file that is gone was taken away.
            _ if pair.before.is_none() || pair.after.is_none() => Ok(Layer::AfterTheBuild),
            _ => Ok(home),
        }
    }

    /// Whether the file is not what the first build wrote, by its recorded digest or its own name.
    fn was_changed(&self, pair: &Pair, before: &Path) -> Result<bool, Error> {
        let (found, _) = layout::digest(before)?;
        if pair.is_blob {
            return Ok(before.file_name().is_none_or(|name| name.to_string_lossy() != found.hex()));
        }
        let relative = before.strip_prefix(self.directory).unwrap_or(before).to_string_lossy().into_owned();
        let name = if self.is_layout { format!("oci/{relative}") } else { relative };
        Ok(match self.old.outputs.get(&name) {
            Some(output) => output.sha256 != found,
            // The record itself is recorded nowhere, and other files are none of the build's.
            None => name != record::FILE && name != "oci/oci-layout",
        })
    }
}

/// The first step whose recorded outcomes differ.
fn first(old: &Record, new: &Record) -> Option<Layer> {
    let (a, b) = (&old.stages, &new.stages);
    let differs = |name: &str| old.outputs.get(name) != new.outputs.get(name);
    // Of a given root file system only sizes were recorded: contents show in the image first.
    let image = match old.inputs.rootfs {
        RootInput::Given { .. } => Layer::Rootfs,
        RootInput::Packages(_) => Layer::Image,
    };
    let steps = [
        (a.rootfs != b.rootfs, Layer::Rootfs),
        (a.scrub != b.scrub, Layer::Scrub),
        (a.overlay != b.overlay, Layer::Overlay),
        (a.filter != b.filter, Layer::Filter),
        (differs("module.cfs"), image),
        (differs("module.tar"), Layer::Tar),
        (differs("oci/index.json"), Layer::Layout),
    ];
    steps.into_iter().find(|(differs, _)| *differs).map(|(_, layer)| layer)
}

/// The step that writes the file.
fn home(name: &str) -> Layer {
    let name = name.strip_prefix("oci/").unwrap_or(name);
    match name.split(' ').next().unwrap_or(name) {
        "package-list.txt" => Layer::Rootfs,
        "file-list.txt" => Layer::Filter,
        "module.cfs" | "composefs.digest" => Layer::Image,
        "module.tar" | "module.tar.zst" => Layer::Tar,
        _ => Layer::Layout,
    }
}
