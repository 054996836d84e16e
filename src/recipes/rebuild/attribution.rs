//! Which step of the pipeline a difference comes from.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use image::diff;
use oci::layout;
use serde::Serialize;

use super::files::Pair;
use crate::error::Error;
use crate::recipes::build::record::{self, BuildRecord, RootInput};
use crate::recipes::results::artifact;

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
    /// The text for people.
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

/// What is known of two builds of one module.
pub(super) struct Evidence<'a> {
    /// The record of the first build.
    pub(super) old: &'a BuildRecord,
    /// The record of the second.
    pub(super) new: &'a BuildRecord,
    /// Whether the first build's layout is compared, and not its whole dist directory.
    pub(super) is_layout: bool,
    /// The files of both.
    pub(super) pairs: &'a [Pair],
}

/// Who is to blame for a difference between two builds.
pub(super) struct Attribution<'a> {
    evidence: Evidence<'a>,
    /// The first step whose outcome differs; none when the two builds recorded the same.
    first: Option<Layer>,
}

impl<'a> Attribution<'a> {
    pub(super) fn new(evidence: Evidence<'a>) -> Result<Self, Error> {
        let first = evidence.first()?;
        Ok(Self { evidence, first })
    }

    /// Where the difference of `pair` comes from.
    pub(super) fn layer(&self, pair: &Pair) -> Result<Layer, Error> {
        let Some(first) = self.first else { return Ok(Layer::AfterTheBuild) };
        if self.evidence.is_damaged(pair)? {
            return Ok(Layer::AfterTheBuild);
        }
        Ok(match home(&pair.name) {
            home if first <= home => first,
            // A blob of an earlier step than the first that differs: the layout took another one.
            _ if pair.is_blob => Layer::Layout,
            home => home,
        })
    }
}

impl Evidence<'_> {
    /// Whether the first build's side is not what that build wrote, by its recorded digest or, for a
    /// blob, by its own name.
    fn is_damaged(&self, pair: &Pair) -> Result<bool, Error> {
        let Some(before) = &pair.before else {
            return Ok(self.old.outputs.contains_key(&self.recorded_name(&pair.name)));
        };
        let (found, _) = layout::digest(before)?;
        if pair.is_blob {
            return Ok(before.file_name().is_none_or(|name| name.to_string_lossy() != found.hex()));
        }
        let name = self.recorded_name(&pair.name);
        Ok(match self.old.outputs.get(&name) {
            Some(output) => output.sha256 != found,
            // The record itself is recorded nowhere, and other files are none of the build's.
            None => name != record::FILE,
        })
    }

    fn recorded_name(&self, name: &str) -> String {
        if self.is_layout { format!("oci/{name}") } else { name.to_owned() }
    }

    /// The first step whose outcome differs.
    fn first(&self) -> Result<Option<Layer>, Error> {
        let (a, b) = (&self.old.stages, &self.new.stages);
        let stages = [
            (a.rootfs != b.rootfs, Layer::Rootfs),
            (a.scrub != b.scrub, Layer::Scrub),
            (a.overlay != b.overlay, Layer::Overlay),
            (a.filter != b.filter, Layer::Filter),
        ];
        if let Some((_, layer)) = stages.into_iter().find(|(differs, _)| *differs) {
            return Ok(Some(layer));
        }
        let (old, new) = (&self.old.outputs, &self.new.outputs);
        let names = old.keys().chain(new.keys()).filter(|name| old.get(*name) != new.get(*name));
        let outputs = names.map(|name| home(name)).min();
        // Of the compressed layer there is no digest in the record: the blobs themselves show it.
        let has_other_layer =
            || self.pairs.iter().any(|pair| home(&pair.name) == Layer::Tar && self.is_other_blob(pair));
        Ok(match outputs {
            Some(Layer::Image) => Some(self.image()?),
            Some(Layer::Layout) if has_other_layer() => Some(Layer::Tar),
            first => first,
        })
    }

    fn is_other_blob(&self, pair: &Pair) -> bool {
        let name = |path: &Option<PathBuf>| path.as_deref().and_then(Path::file_name).map(OsStr::to_owned);
        pair.is_blob && name(&pair.before) != name(&pair.after)
    }

    /// Why the image differs although the steps before it say the same.
    ///
    /// Of a given root file system only sizes were recorded, so its contents show in the image first.
    fn image(&self) -> Result<Layer, Error> {
        if matches!(self.old.inputs.rootfs, RootInput::Packages(_)) {
            return Ok(Layer::Image);
        }
        let is_image = |pair: &&Pair| pair.name.split(' ').next().is_some_and(|name| name.ends_with("module.cfs"));
        for pair in self.pairs.iter().filter(is_image) {
            if let (Some(before), Some(after)) = (&pair.before, &pair.after)
                && !self.is_damaged(pair)?
                && diff::compare(&artifact::image(before)?, &artifact::image(after)?).is_empty()
            {
                return Ok(Layer::Image);
            }
        }
        Ok(Layer::Rootfs)
    }
}

/// The step that writes the file.
fn home(name: &str) -> Layer {
    let name = name.strip_prefix("oci/").unwrap_or(name);
    match name.split(' ').next().unwrap_or(name) {
        "package-list.txt" => Layer::Rootfs,
        "file-list.txt" | "requirements.json" => Layer::Filter,
        "module.cfs" | "composefs.digest" | "file-list.json" => Layer::Image,
        "module.tar" | "module.tar.zst" => Layer::Tar,
        _ => Layer::Layout,
    }
}
