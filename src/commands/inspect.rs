//! `inspect`: what a build's results hold.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use model::words::count;

use model::requirements::{Account, LeftOut, NeedKind, OpenNeed, Origin, PackageVersion, RequirementsFields};

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
        let counts = format!(
            "{}, {} of content in {}",
            image.counts(),
            size(image.content_size),
            count(image.objects, "object")
        );
        line(&mut text, "contents", &counts);
        module.requirements.iter().for_each(|requirements| describe_requirements(&mut text, requirements));
        if let Some(warning) = no_digest(image.without_digest) {
            line(&mut text, "not vouched for", &warning);
        }
    }
    text
}

/// What a module was laid over, what it brings besides files, and what it leaves to others.
fn describe_requirements(text: &mut String, requirements: &RequirementsFields) {
    let RequirementsFields { base, requires, packages, accounts, secrets, data, units, needs, recommends, .. } =
        requirements;
    let count = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let of_base = count(base.packages.len(), "package");
    line(text, "base", &format!("{} of {}, {of_base}, {}", base.variant, base.suite, base.digest));
    let modules = base.module.iter().chain(requires).map(|module| format!("{} {}", **module, module.digest)).collect();
    list(text, "laid over", modules);
    let package = |package: &PackageVersion| format!("{} {}", package.name, package.version);
    list(text, "packages", packages.iter().map(package).collect());
    let own = accounts.iter().filter(|account| account.from == Origin::Module);
    list(text, "accounts", own.map(account).collect());
    list(text, "secrets", secrets.iter().map(left_out).collect());
    list(text, "data", data.iter().map(left_out).collect());
    list(text, "units enabled", units.enabled.clone());
    list(text, "not enabled", units.not_enabled.clone());
    list(text, "open needs", needs.iter().filter(|need| !need.optional).map(need).collect());
    list(text, "can do without", needs.iter().filter(|need| need.optional).map(need).collect());
    list(text, "not installed", recommends.iter().map(|name| format!("{name} (recommended)")).collect());
}

/// The most entries of a list that are shown; `--format json` has all.
const MOST: usize = 12;

fn list(text: &mut String, name: &str, entries: Vec<String>) {
    let more = entries.len().saturating_sub(MOST);
    let mut shown: Vec<String> = entries.into_iter().take(MOST).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    if !shown.is_empty() {
        line(text, name, &clean(&shown.join(", ")));
    }
}

fn account(account: &Account) -> String {
    match (account.uid, account.gid) {
        (Some(uid), Some(gid)) if uid != gid => format!("{} (user {uid}, group {gid})", account.name),
        (Some(id), Some(_)) => format!("{} ({id})", account.name),
        (Some(uid), None) => format!("{} (user {uid})", account.name),
        (None, gid) => format!("{} (group {})", account.name, gid.unwrap_or_default()),
    }
}

fn left_out(left_out: &LeftOut) -> String {
    match &left_out.made_by {
        Some(made_by) => format!("{} (made by {})", left_out.path, made_by.unit),
        None => format!("{} (made by no one)", left_out.path),
    }
}

fn need(need: &OpenNeed) -> String {
    let kind = match need.kind {
        NeedKind::Library => "library",
        NeedKind::Program => "program",
        NeedKind::File => "file",
        NeedKind::Unit => "unit",
        NeedKind::User => "user",
        NeedKind::Group => "group",
    };
    format!("{kind} {}", need.name)
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
