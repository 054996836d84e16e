//! `diff`: what differs between two builds, and which difference explains which digest.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use image::diff::{Aspect, Change, Facts};
use model::path::escape;
use serde_json::Value;

use crate::commands::build::DIST;
use crate::commands::{Context, Module, Verb};
use crate::error::{Error, Kind};
use crate::recipes::results::compare::{
    self, Comparison, DigestChange, Direction, FileDifference, ModuleComparison, PackageChange, ValueChange,
};
use crate::recipes::results::inspect::no_digest;
use crate::settings::{self, Flags};
use crate::ui::{clean, size};

/// How many lines of a section are shown without `--all`.
const LINES: usize = 40;

/// Show what differs between two builds: files, packages, manifest, digests
///
/// A build is a dist directory, an OCI image layout, a module.tar or a module.cfs; an image that C
/// mkcomposefs made and a dump, the text form of an image, will do as well. Nothing is mounted and no
/// rights are needed. Files are compared by content, mode, owner, time, extended attributes,
/// link target and hard links.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffArgs {
    /// The first build
    #[arg(value_name = "A")]
    pub(crate) before: PathBuf,
    /// The second build
    #[arg(value_name = "B", default_value = DIST, conflicts_with = "directory")]
    pub(crate) after: PathBuf,
    /// The module's repository, to take what its dist/ holds as B
    #[arg(short = 'C', long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Show what changed inside small text files, where the contents are at hand
    #[arg(long)]
    pub(crate) content: bool,
    /// Show every line, however many there are
    #[arg(long)]
    pub(crate) all: bool,
}

const EXAMPLES: &str = "\
Examples:
  module-builder diff old/dist dist
      Shows what differs, and why each digest does. Ends with 5 when anything differs.
  module-builder diff --content old/dist/oci dist/module.tar
      Two forms of a build; text files line by line.
  module-builder diff old.cfs dist/module.cfs --format json
      Two images alone, with every fact of both sides.
  module-builder diff other.dump dist
      An image of another tool, by what `composefs-info dump` prints of it, and a build.";

impl Verb for DiffArgs {
    fn settings(&self) -> (Module, Flags) {
        (Module::None, Flags::default())
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Shows what differs.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: DiffArgs, context: &Context) -> Result<(), Error> {
    let options = compare::Options { content: args.content, scratch: context.environment.scratch() };
    let after = args.directory.map_or(args.after, |module| settings::join(&module, DIST));
    let comparison = compare::compare(&args.before, &after, &options)?;
    let lines = if args.all { usize::MAX } else { LINES };
    context.ui.result(&describe(&comparison, lines), &comparison)?;
    if comparison.same { Ok(()) } else { Err(Error::shown(Kind::Differences)) }
}

fn describe(comparison: &Comparison, lines: usize) -> String {
    let mut text = String::new();
    if comparison.same {
        text.push_str("the builds are the same\n");
    }
    for module in &comparison.unpaired {
        let side = if module.added { "second" } else { "first" };
        let arch = module.arch.map_or_else(|| "an unknown architecture".to_owned(), |arch| arch.to_string());
        let _ =
            writeln!(text, "only the {side} has {} for {arch}", clean(module.name.as_deref().unwrap_or("a module")));
    }
    for module in &comparison.modules {
        if comparison.modules.len() > 1 && !comparison.same {
            let arch = module.arch.map_or_else(String::new, |arch| format!(" ({arch})"));
            let _ = writeln!(text, "{}{arch}:", clean(module.name.as_deref().unwrap_or("an image")));
        }
        describe_module(&mut text, module, lines);
    }
    for module in &comparison.modules {
        let counts = [("first", module.files.without_digest_before), ("second", module.files.without_digest_after)];
        for (side, warning) in counts.into_iter().filter_map(|(side, count)| Some((side, no_digest(count)?))) {
            let _ = writeln!(text, "of the {side}, {warning}");
        }
    }
    let last: Vec<String> = comparison.indexes.iter().flat_map(digest).collect();
    section(&mut text, "digests of indexes", &last, usize::MAX);
    text
}

fn describe_module(text: &mut String, module: &ModuleComparison, lines: usize) {
    let inputs: Vec<String> = module.inputs.iter().map(value).collect();
    section(text, "recorded inputs", &inputs, lines);
    let manifest: Vec<String> = module.manifest.iter().map(value).collect();
    section(text, "manifest.json", &manifest, lines);
    let packages: Vec<String> = module.packages.iter().map(package).collect();
    section(text, "packages", &packages, lines);
    let files = &module.files;
    if !files.differences.is_empty() {
        let sizes = sizes(Some(files.size_before), Some(files.size_after)).unwrap_or_default();
        let title = format!("files: {}{}", files.describe(), comma(&sizes));
        let all: Vec<String> = files.differences.iter().map(file).collect();
        section(text, &title, &all, lines);
    }
    let digests: Vec<String> = module.digests.iter().flat_map(digest).collect();
    section(text, "digests", &digests, usize::MAX);
}

/// A title and its entries, at most `lines` of them; an entry may have lines of its own.
fn section(text: &mut String, title: &str, entries: &[String], lines: usize) {
    if entries.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}");
    for entry in entries.iter().take(lines) {
        let _ = writeln!(text, "  {}", entry.replace('\n', "\n  "));
    }
    if entries.len() > lines {
        let _ = writeln!(text, "  ... and {} more: --all shows them", entries.len() - lines);
    }
}

fn comma(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(", {text}") }
}

/// `1.2 kB -> 1.3 kB`; none when there is nothing to show.
fn sizes(before: Option<u64>, after: Option<u64>) -> Option<String> {
    match (before, after) {
        (Some(before), Some(after)) if before == after => None,
        (Some(before), Some(after)) => {
            let (old, new) = (size(before), size(after));
            // Rounded, two sizes may look the same.
            if old == new { Some(format!("{before} -> {after} bytes")) } else { Some(format!("{old} -> {new}")) }
        }
        _ => None,
    }
}

fn value(change: &ValueChange) -> String {
    let pointer = clean(&change.pointer);
    let short = |value: &Value| {
        let text = clean(&value.to_string());
        if text.chars().count() <= 100 { text } else { text.chars().take(100).chain("...".chars()).collect() }
    };
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("~ {pointer}: {} -> {}", short(before), short(after)),
        (None, Some(after)) => format!("+ {pointer}: {}", short(after)),
        (Some(before), None) => format!("- {pointer}: {}", short(before)),
        (None, None) => pointer,
    }
}

fn package(change: &PackageChange) -> String {
    let version = |version: &Option<String>| clean(version.as_deref().unwrap_or_default());
    let (before, after) = (version(&change.before), version(&change.after));
    let name = clean(&format!("{}:{}", change.name, change.arch));
    match change.direction {
        Direction::Up => format!("~ {name} {before} -> {after} (up)"),
        Direction::Down => format!("~ {name} {before} -> {after} (down)"),
        Direction::Added => format!("+ {name} {after}"),
        Direction::Removed => format!("- {name} {before}"),
    }
}

fn file(file: &FileDifference) -> String {
    let path = clean(&file.difference.path.to_string());
    let line = match &file.difference.change {
        Change::Added { after } => format!("+ {path}  {}", facts(after)),
        Change::Removed { before } => format!("- {path}  {}", facts(before)),
        Change::Changed { before, after, aspects } => {
            let aspects: Vec<String> = aspects.iter().map(|it| aspect(*it, before, after)).collect();
            format!("~ {path}  {}", aspects.join(", "))
        }
    };
    let diff = file.diff.as_deref().unwrap_or_default();
    diff.lines().fold(line, |text, line| text + "\n    " + &clean(line))
}

fn facts(facts: &Facts) -> String {
    let mut text = format!("{} {:04o}", facts.kind.name(), facts.mode);
    if (facts.uid, facts.gid) != (0, 0) {
        let _ = write!(text, " {}:{}", facts.uid, facts.gid);
    }
    if let Some(bytes) = facts.size {
        let _ = write!(text, ", {}", size(bytes));
    }
    if let Some(target) = &facts.target {
        let _ = write!(text, " to {}", clean(&escape(target)));
    }
    if let Some(other) = &facts.hard_link {
        let _ = write!(text, ", the same file as {}", clean(&other.to_string()));
    }
    text
}

fn aspect(aspect: Aspect, before: &Facts, after: &Facts) -> String {
    let arrow = |old: String, new: String| format!("{} {old} -> {new}", aspect.name());
    match aspect {
        Aspect::Content => {
            let sizes = sizes(before.size, after.size);
            sizes.map_or_else(|| "content".to_owned(), |sizes| format!("content {sizes}"))
        }
        Aspect::BackingFile => {
            let path = |facts: &Facts| clean(facts.backing_file.as_deref().unwrap_or("-"));
            arrow(path(before), path(after))
        }
        Aspect::Kind => arrow(before.kind.name().to_owned(), after.kind.name().to_owned()),
        Aspect::Mode => arrow(format!("{:04o}", before.mode), format!("{:04o}", after.mode)),
        Aspect::Owner => arrow(format!("{}:{}", before.uid, before.gid), format!("{}:{}", after.uid, after.gid)),
        Aspect::Mtime => arrow(time(before), time(after)),
        Aspect::Target => {
            let target = |facts: &Facts| clean(&escape(facts.target.as_deref().unwrap_or_default()));
            arrow(target(before), target(after))
        }
        Aspect::Device => {
            let number = |facts: &Facts| facts.device.unwrap_or_default().to_string();
            arrow(number(before), number(after))
        }
        Aspect::Xattrs => xattrs(before, after),
        Aspect::HardLink => {
            let other = |facts: &Facts| {
                facts.hard_link.as_ref().map_or_else(|| "none".to_owned(), |path| clean(&path.to_string()))
            };
            arrow(other(before), other(after))
        }
    }
}

/// Seconds, and the nanoseconds where there are any.
fn time(facts: &Facts) -> String {
    let time = facts.mtime;
    match time.nanoseconds {
        0 => time.seconds.to_string(),
        nanoseconds => format!("{}.{nanoseconds:09}", time.seconds),
    }
}

fn xattrs(before: &Facts, after: &Facts) -> String {
    let mut names: Vec<&String> = before.xattrs.keys().chain(after.xattrs.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let changed = names.into_iter().filter(|name| before.xattrs.get(*name) != after.xattrs.get(*name));
    let marked = changed.map(|name| {
        let sign = match (before.xattrs.contains_key(name), after.xattrs.contains_key(name)) {
            (false, _) => "+",
            (_, false) => "-",
            _ => "~",
        };
        format!("{sign}{}", clean(name))
    });
    format!("xattrs {}", marked.collect::<Vec<_>>().join(" "))
}

/// What differs and why, and below it the two digests.
fn digest(change: &DigestChange) -> Vec<String> {
    let because: Vec<String> = change.because.iter().map(|reason| clean(reason)).collect();
    let sizes = sizes(change.size_before, change.size_after).map_or_else(String::new, |sizes| format!(" ({sizes})"));
    let mut lines = format!("{} differs{sizes}: {}", clean(&change.what), because.join("; "));
    for (sign, digest) in [("-", &change.before), ("+", &change.after)] {
        if let Some(digest) = digest {
            let _ = write!(lines, "\n  {sign} {digest}");
        }
    }
    vec![lines]
}
