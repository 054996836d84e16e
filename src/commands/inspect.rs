//! `inspect`: what a build's results hold.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use crate::commands::build::DIST;
use crate::commands::explain::path_of;
use crate::commands::{self, Context, Verb};
use crate::error::Error;
use crate::recipes::results::artifact::{self, Form};
use crate::recipes::results::file;
use crate::recipes::results::inspect::{self, InspectedModule, Inspection, no_digest};
use crate::settings::{self, Flags};
use crate::ui::{clean, size};

/// Show what a dist directory, an OCI layout, a module.tar or a module.cfs holds
///
/// An image that C mkcomposefs made is read too, in either format version, and so is a dump, the text form
/// of an image: `composefs-info dump` and `inspect --dump` write one.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// A dist directory, an OCI image layout, a module.tar, a module.cfs or other image, or a dump
    #[arg(value_name = "DIST|LAYOUT|TAR|CFS|DUMP", default_value = DIST, conflicts_with = "directory")]
    pub(crate) path: PathBuf,
    /// The module's repository, to show what its dist/ holds
    #[arg(short = 'C', long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Print the image's dump, as `composefs-info dump` does, and nothing else
    #[arg(long)]
    pub(crate) dump: bool,
    /// Print the bytes of this file of the module, and nothing else
    ///
    /// Links are followed within the module. Nothing is printed before the whole file was checked against its digest.
    #[arg(long, value_name = "PATH", conflicts_with = "dump")]
    pub(crate) cat: Option<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  module-builder inspect
      Shows what dist/ holds, with its three digests under their three names.
  module-builder inspect dist/module.tar --format json
      The same of one file, for programs.
  module-builder inspect --dump dist > module.dump
      The image as text, a line a file, for `diff` or for other tools.
  module-builder inspect dist --cat /etc/nginx/nginx.conf > rootfs/etc/nginx/nginx.conf
      One file as it is shipped, to change a line of it in the overlay.";

impl Verb for InspectArgs {
    fn settings(&self) -> (commands::Module, Flags) {
        (commands::Module::None, Flags::default())
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Shows what the path holds.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: InspectArgs, context: &Context) -> Result<(), Error> {
    let path = args.directory.map_or(args.path, |module| settings::join(&module, DIST));
    if let Some(file) = &args.cat {
        let content = file::content(&path, &path_of(file)?, &context.environment.scratch())?;
        return context.ui.raw_file(content);
    }
    if args.dump {
        return context.ui.raw_result(&artifact::dump(&path)?);
    }
    let inspection = inspect::inspect(&path)?;
    context.ui.result(&describe(&inspection), &inspection)
}

fn describe(inspection: &Inspection) -> String {
    let mut text = String::new();
    for module in &inspection.modules {
        let alone = if inspection.kind == Form::Dump { "a dump" } else { "an image alone" };
        let name = module.name.as_deref().unwrap_or(alone);
        let title = module.arch.as_ref().map_or_else(|| name.to_owned(), |arch| format!("{name} ({arch})"));
        let _ = writeln!(text, "{}", clean(&title));
        let digest_of = if inspection.kind == Form::Dump { "its image in format version 1" } else { "module.cfs" };
        line(&mut text, "composefs digest", &format!("{}  fs-verity of {digest_of}", module.composefs_digest));
        describe_foreign(&mut text, module, inspection.kind);
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
        let counts =
            format!("{}, {} of content in {} objects", image.counts(), size(image.content_size), image.objects);
        line(&mut text, "contents", &counts);
        if let Some(warning) = no_digest(image.without_digest) {
            line(&mut text, "not vouched for", &warning);
        }
    }
    text
}

/// What only an image or a dump has that no build made.
fn describe_foreign(text: &mut String, module: &InspectedModule, kind: Form) {
    let Some(version) = module.foreign_version else { return };
    if let Some(digest) = &module.version_0_digest {
        line(text, "version 0 digest", &format!("{digest}  the same in format version 0, as mkcomposefs writes it"));
    }
    if kind != Form::Dump {
        let why = "as mkcomposefs writes it: not an image that a build writes, and never mounted";
        line(text, "format", &format!("version {version}, {why}"));
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {:<18}{value}", format!("{name}:"));
}
