//! `inspect`: what a build's results hold.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use crate::commands::{Context, Module, Verb};
use crate::error::Error;
use crate::recipes::results::inspect::{self, Inspection};
use crate::settings::Flags;
use crate::ui::{clean, size};

/// Show what a dist directory, an OCI layout, a module.tar or a module.cfs holds
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// A dist directory, an OCI image layout, a module.tar or a module.cfs
    #[arg(value_name = "DIST|LAYOUT|TAR|CFS", default_value = "dist")]
    pub(crate) path: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  module-builder inspect
      Shows what dist/ holds, with its three digests under their three names.
  module-builder inspect dist/module.tar --format json
      The same of one file, for programs.";

impl Verb for InspectArgs {
    fn settings(&self) -> (Module, Flags) {
        (Module::None, Flags::default())
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Shows what the path holds.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: InspectArgs, context: &Context) -> Result<(), Error> {
    let inspection = inspect::inspect(&args.path)?;
    context.ui.result(&describe(&inspection), &inspection)
}

fn describe(inspection: &Inspection) -> String {
    let mut text = String::new();
    for module in &inspection.modules {
        let name = module.name.as_deref().unwrap_or("an image alone");
        let title = module.arch.as_ref().map_or_else(|| name.to_owned(), |arch| format!("{name} ({arch})"));
        let _ = writeln!(text, "{}", clean(&title));
        line(&mut text, "composefs digest", &format!("{}  fs-verity of module.cfs", module.composefs_digest));
        if let Some(digest) = &module.manifest_digest {
            line(&mut text, "manifest digest", &format!("{digest}  sha256 of the OCI manifest"));
        }
        for (tag, digest) in &inspection.index_digests {
            line(&mut text, "index digest", &format!("{digest}  sha256 of the OCI index, tag {}", clean(tag)));
        }
        for (name, blob) in &module.blobs {
            line(&mut text, "blob digest", &format!("{}  sha256 of {}, {}", blob.digest, clean(name), size(blob.size)));
        }
        let image = &module.image;
        let counts = format!(
            "{} files, {} symbolic links, {} directories, {} of content in {} objects",
            image.files,
            image.symlinks,
            image.directories,
            size(image.content_size),
            image.objects
        );
        line(&mut text, "contents", &counts);
    }
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {:<18}{value}", format!("{name}:"));
}
