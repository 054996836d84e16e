//! `cache`: what is kept to be used again, and how to get rid of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use builder::cache::{Cache, GcOptions, GcReport, Kind, Usage};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use model::path::json::keys;
use serde::Serialize;

use crate::commands::{Context, Module, Verb};
use crate::error::Error;
use crate::settings::Flags;
use crate::ui::{clean, size};

/// Show or clear what is kept to be used again
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    action: Action,
    /// Where downloads and root file systems are kept
    #[arg(long, global = true, value_name = "DIR", help_heading = "Speed and place")]
    cache_dir: Option<std::path::PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the cache's directory
    Dir,
    /// List what the cache holds, by purpose
    List,
    /// Remove what was not used for a while
    Gc(GcArgs),
}

#[derive(Debug, Args)]
struct GcArgs {
    /// Remove what was not used for this long: a number and s, m, h, d or w
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = duration)]
    older_than: Duration,
    /// Remove what is for this purpose alone; `apt` are the package lists, of which each set of archives has its own
    #[arg(long, value_name = "KIND", value_parser = kind())]
    only: Option<Kind>,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
}

const EXAMPLES: &str = "\
Everything in the cache can be made again. It does not run while another process uses the cache.

Examples:
  module-builder cache list
  module-builder cache gc --older-than 2w --dry-run
  module-builder cache gc --older-than 0s
      Removes everything.
  module-builder cache gc --only apt --older-than 1d
      Removes the package lists that no run of today used, and no package.";

/// The kinds of what the cache holds, by their names.
fn kind() -> impl TypedValueParser<Value = Kind> {
    let values = Kind::ALL.map(|kind| PossibleValue::new(kind.name()).help(kind.describe()));
    PossibleValuesParser::new(values).try_map(|name| {
        Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| format!("{name} is no kind"))
    })
}

/// A number and a unit.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "give a whole number and a unit: 90s, 30m, 12h, 30d or 2w".to_owned();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[derive(Serialize)]
struct Place<'a> {
    #[serde(flatten, serialize_with = "keys::directory")]
    directory: &'a std::path::Path,
}

#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten, serialize_with = "keys::directory")]
    directory: &'a std::path::Path,
    purposes: &'a [Usage],
    bytes: u64,
}

#[derive(Serialize)]
struct Collected<'a> {
    dry_run: bool,
    #[serde(flatten)]
    report: &'a GcReport,
    removed_bytes: u64,
}

impl Verb for CacheArgs {
    fn settings(&self) -> (Module, Flags) {
        (Module::None, Flags { cache_dir: self.cache_dir.clone(), ..Flags::default() })
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Does what the second verb says.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: CacheArgs, context: &Context) -> Result<(), Error> {
    let cache = Cache::new(context.environment.absolute(context.settings.require_cache_dir()?));
    match args.action {
        Action::Dir => {
            context.ui.result(&clean(&cache.root().display().to_string()), &Place { directory: cache.root() })
        }
        Action::List => list(&cache, context),
        Action::Gc(gc) => collect(&cache, &gc, context),
    }
}

fn list(cache: &Cache, context: &Context) -> Result<(), Error> {
    let purposes = cache.usage()?;
    let bytes = purposes.iter().map(|usage| usage.bytes).sum();
    let mut text = String::new();
    for usage in &purposes {
        let (name, what) = (usage.kind.name(), usage.kind.describe());
        let _ = writeln!(text, "{:>10}  {:>6}  {name:<9}  {what}", size(usage.bytes), usage.entries);
    }
    let entries: u64 = purposes.iter().map(|usage| usage.entries).sum();
    let _ = writeln!(text, "{:>10}  {entries:>6}  in {}", size(bytes), clean(&cache.root().display().to_string()));
    context.ui.result(&text, &Listed { directory: cache.root(), purposes: &purposes, bytes })
}

fn collect(cache: &Cache, args: &GcArgs, context: &Context) -> Result<(), Error> {
    let now = (context.environment.now)();
    let report = cache.gc(GcOptions { now, unused_for: args.older_than, dry_run: args.dry_run, only: args.only })?;
    let removed_bytes = report.removed.iter().map(|removed| removed.bytes).sum();
    let mut purposes: BTreeMap<Kind, (u64, u64)> = BTreeMap::new();
    for removed in &report.removed {
        tracing::info!("{}, {}", removed.path.display(), size(removed.bytes));
        let (entries, bytes) = purposes.entry(removed.kind).or_default();
        (*entries, *bytes) = (*entries + 1, *bytes + removed.bytes);
    }
    let mut text = String::new();
    for (kind, (entries, bytes)) in purposes {
        let _ = writeln!(text, "{:>10}  {entries:>6}  {:<9}  {}", size(bytes), kind.name(), kind.describe());
    }
    let kept: u64 = report.kept.values().sum();
    let (verb, count) = (if args.dry_run { "would remove" } else { "removed" }, report.removed.len());
    let _ = writeln!(
        text,
        "{verb} {count} with {}; {kept} with {} {}",
        size(removed_bytes),
        size(report.kept_bytes),
        if args.dry_run { "would stay" } else { "stay" }
    );
    context.ui.result(&text, &Collected { dry_run: args.dry_run, report: &report, removed_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("0s"), Ok(0));
        assert_eq!(seconds("90m"), Ok(5400));
        assert_eq!(seconds("2w"), Ok(1_209_600));
        for wrong in
            ["", "30", "d", "1.5d", "-1d", "1 d", "1d2h", "1y", "99999999999999999999s", "18446744073709551615w"]
        {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
    }
}
