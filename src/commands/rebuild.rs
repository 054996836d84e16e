//! `rebuild`: whether a build comes out of its recorded inputs again, byte for byte.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::commands::build::DIST;
use crate::commands::{Context, Module, RequiredModules, Verb};
use crate::error::{Error, Kind};
use crate::recipes::rebuild::{self, Bytes, Difference, Layer, Rebuilt, Wanted};
use crate::settings::{self, Flags};
use crate::ui::{clean, size};

/// Build again from the recorded inputs, and compare byte for byte
///
/// The root file system is made anew from exactly the recorded packages; nothing is resolved. When an
/// input is not what was recorded, it is named and nothing is compared (exit code 1). When a file comes
/// out differently, it is named with the bytes and the step that made it (exit code 5). Other versions of
/// the host's apt, dpkg, mmdebstrap and tar are warned of; the results must be the same all the same.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RebuildArgs {
    /// A dist directory, or an OCI image layout [default: dist/ in the module's repository]
    #[arg(value_name = "DIST|LAYOUT")]
    pub(crate) path: Option<PathBuf>,
    /// The module's repository [default: the directory that holds the dist directory]
    #[arg(short = 'C', long = "directory", value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// The record of the build [default: build.json in the dist directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// The root file system of a build that took one by --rootfs
    #[arg(long, value_name = "PATH")]
    pub(crate) rootfs: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) required: RequiredModules,
    /// Leave the second build in DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Use no network: every package must be in the cache
    #[arg(long)]
    pub(crate) offline: bool,
    /// Where downloads and root file systems are kept
    #[arg(long, value_name = "DIR", help_heading = "Speed and place")]
    pub(crate) cache_dir: Option<PathBuf>,
}

impl RebuildArgs {
    fn into_wanted(self) -> Wanted {
        let Self { path, directory, record, rootfs, required, keep, offline, cache_dir: _ } = self;
        let path = path.unwrap_or_else(|| settings::join(directory.as_deref().unwrap_or(Path::new(".")), DIST));
        Wanted { path, directory, record, rootfs, modules: required.modules, keep, offline }
    }
}

const EXAMPLES: &str = "\
Examples:
  module-builder rebuild
      Builds again what dist/ was made from, and compares.
  module-builder rebuild --offline nginx/dist --keep /tmp/again
      Takes packages from the cache only, and leaves the second build for `diff`.
  module-builder rebuild -C nginx /srv/layouts/nginx
      Compares a layout elsewhere with what nginx/dist/build.json gives.";

impl Verb for RebuildArgs {
    fn settings(&self) -> (Module, Flags) {
        (
            self.directory.clone().map_or(Module::None, Module::At),
            Flags { cache_dir: self.cache_dir.clone(), ..Flags::default() },
        )
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Builds again and compares.
fn run(args: RebuildArgs, context: &Context) -> Result<(), Error> {
    let Context { ui, settings, environment, .. } = context;
    let rebuilt = ui.reported(rebuild::rebuild(&args.into_wanted(), settings, environment, ui)?);
    ui.result(&describe(&rebuilt), &rebuilt)?;
    if rebuilt.same {
        return Ok(());
    }
    if !rebuilt.kept && rebuilt.differences.iter().any(|difference| difference.layer != Layer::AfterTheBuild) {
        ui.note("`rebuild --keep DIR` leaves the second build, and `diff` says by path what differs from it");
    }
    Err(Error::shown(Kind::Differences))
}

fn describe(rebuilt: &Rebuilt) -> String {
    let path = clean(&rebuilt.path.display().to_string());
    if rebuilt.same {
        return format!("{path} came out again, byte for byte: {} files\n", rebuilt.files);
    }
    let mut text =
        format!("{path} did not come out again: {} of {} files differ\n", rebuilt.differences.len(), rebuilt.files);
    for difference in &rebuilt.differences {
        describe_file(&mut text, difference);
    }
    text
}

fn describe_file(text: &mut String, difference: &Difference) {
    let file = clean(&difference.file.display().to_string());
    let layer = difference.layer.describe();
    let after_the_build = difference.layer == Layer::AfterTheBuild;
    let _ = match (difference.size_before, difference.size_after) {
        (Some(before), Some(after)) if before != after => {
            let (old, new) = (size(before), size(after));
            match old == new {
                // Rounded they are the same, which would be a riddle.
                true => writeln!(text, "  {file} ({before} -> {after} bytes): {layer}"),
                false => writeln!(text, "  {file} ({old} -> {new}): {layer}"),
            }
        }
        (Some(_), None) if after_the_build => writeln!(text, "  {file}: it was added after the build"),
        (None, Some(_)) if after_the_build => writeln!(text, "  {file}: it was taken away after the build"),
        (Some(_), None) => writeln!(text, "  {file}: only the first build has it; {layer}"),
        (None, Some(_)) => writeln!(text, "  {file}: only the second build has it; {layer}"),
        _ => writeln!(text, "  {file}: {layer}"),
    };
    if let Some(bytes) = &difference.bytes {
        describe_bytes(text, bytes);
    }
}

fn describe_bytes(text: &mut String, bytes: &Bytes) {
    for range in &bytes.ranges {
        let dots = if range.length * 2 > range.before.len().max(range.after.len()) as u64 { "..." } else { "" };
        let side = |hex: &str| if hex.is_empty() { "the end".to_owned() } else { format!("{hex}{dots}") };
        let plural = if range.length == 1 { "byte" } else { "bytes" };
        let _ = writeln!(
            text,
            "    at {:#x}, {} {plural}: {} -> {}",
            range.offset,
            range.length,
            side(&range.before),
            side(&range.after)
        );
    }
    if bytes.ranges.iter().map(|range| range.length).sum::<u64>() != bytes.differing {
        let _ = writeln!(text, "    {} bytes differ in all", bytes.differing);
    }
}
