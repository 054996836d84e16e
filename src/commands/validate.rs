//! `validate`: everything that is wrong with a module's files, at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use model::rules::{self, Conflict};
use model::words::count;
use model::{Arch, Diagnostic, Severity};
use serde::Serialize;

use crate::commands::{Context, Module, RequiredModules, Verb};
use crate::error::group::{self, Finding};
use crate::error::{Error, Findings, Kind};
use crate::recipes::build::closure::manager;
use crate::recipes::build::downloads::Downloads;
use crate::recipes::build::inputs::{compare, lists, read_manifest, read_neighbours};
use crate::recipes::build::lower;
use crate::recipes::build::request::ModuleSource;
use crate::recipes::build::shared_numbers::Known;
use crate::recipes::build::{self, untaken};
use crate::recipes::packages::{keyrings, lock};
use crate::recipes::results::differ;
use crate::settings::{Flags, ModuleSettings, named_arch};
use crate::ui::clean;

/// Check manifest.yaml and builder.toml and report every error at once
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ValidateArgs {
    /// A manifest, or a module's repository
    #[arg(value_name = "MANIFEST|DIR", default_value = ".")]
    path: PathBuf,
    /// The module's repository, as the other verbs take it
    #[arg(short = 'C', long = "directory", value_name = "DIR", conflicts_with = "path")]
    directory: Option<PathBuf>,
    /// A neighbour on the same node to look for conflicts with; may be repeated
    #[arg(long = "with", value_name = "MANIFEST|DIR")]
    neighbours: Vec<PathBuf>,
    /// A table [accounts] that a fleet shares, with which the numbers of the modules must agree
    #[arg(long, value_name = "FILE.toml")]
    accounts: Option<PathBuf>,
    #[command(flatten)]
    required: RequiredModules,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
}

const EXAMPLES: &str = "\
Examples:
  module-builder validate
  module-builder validate web --with traefik/manifest.yaml
      Also reports every path that both modules protect or own.
  module-builder validate --format json
      {\"valid\", \"errors\", \"warnings\", \"notes\", \"conflicts\"} on standard output; the exit code
      is 1 when `valid` is false.";

#[derive(Serialize)]
struct Report<'a> {
    valid: bool,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    notes: Vec<Finding>,
    conflicts: &'a [Conflict],
}

impl Verb for ValidateArgs {
    fn settings(&self) -> (Module, Flags) {
        // It reports what is wrong with `builder.toml` itself, among the other findings.
        (Module::None, Flags { accounts: self.accounts.clone(), ..Flags::default() })
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Checks the files and shows what was found.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: ValidateArgs, context: &Context) -> Result<(), Error> {
    let mut findings = Findings::default();
    let own = read_manifest(args.directory.as_ref().unwrap_or(&args.path), &mut findings)?;
    let settings = ModuleSettings::checked(&own.directory, &mut findings)?.map(Arc::new);
    let fleet = context.settings.fleet();
    if let Some(settings) = &settings {
        keyrings::check(settings, &mut findings);
        let downloads = Downloads::new(&context.settings, &context.environment, true);
        build::files::check_cached(settings, &downloads, &mut findings);
        if let Some(manifest) = &own.manifest {
            lock::check_snapshot(settings, manifest, &own.file, &mut findings);
            let module = ModuleSource {
                neighbours: Vec::new(),
                fleet: fleet.clone(),
                lower: Default::default(),
                settings: Arc::clone(settings),
            };
            untaken::check(&module, manifest, &own.file, &mut findings)?;
            findings.diagnostics.extend(manager::declared(settings, manifest, &own.file)?);
        }
        findings.diagnostics.extend(fleet.clone().and(settings.accounts.clone()).conflicts());
    }
    let neighbours = read_neighbours(&args.neighbours, &mut findings)?;
    let known = Known { fleet: &fleet, counts_build: true };
    compare(&own, settings.as_deref(), &neighbours, known, &mut findings)?;
    if findings.diagnostics.iter().all(|found| found.severity != Severity::Error) {
        let directories: Vec<&Path> = neighbours.iter().map(|one| one.settings.directory.as_path()).collect();
        findings.diagnostics.extend(differ::of_modules((&own.directory, &own.file), &directories)?);
    }
    let whole = own.manifest.as_ref().zip(settings.as_deref());
    if let Some((manifest, settings)) = whole.filter(|_| !args.required.modules.is_empty()) {
        let archs: Vec<Arch> = named_arch(context.environment.machine).into_iter().collect();
        let source = args.required.source(&archs, &context.environment);
        lower::check(settings, (manifest, &own.file), &source, &mut findings)?;
    }
    // With a neighbour that cannot be read the list would be short, which is worse than none.
    findings.conflicts = match &own.manifest {
        Some(manifest) if neighbours.len() == args.neighbours.len() => {
            rules::conflicts(manifest.lists(&own.file), &lists(&neighbours))
        }
        _ => Vec::new(),
    };
    let of = |severity| -> Vec<Diagnostic> {
        findings.diagnostics.iter().filter(|found| found.severity == severity).cloned().collect()
    };
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let valid = errors.is_empty() && findings.conflicts.is_empty() && (warnings.is_empty() || !args.strict);
    let counts =
        counts(&[("error", errors.len()), ("conflict", findings.conflicts.len()), ("warning", warnings.len())]);
    if context.ui.is_json() {
        let of = |severity| group::of(&of(severity));
        let (errors, warnings, notes) = (of(Severity::Error), of(Severity::Warning), of(Severity::Note));
        context.ui.result("", &Report { valid, errors, warnings, notes, conflicts: &findings.conflicts })?;
        return if valid { Ok(()) } else { Err(Error::shown(Kind::Input)) };
    }
    context.ui.findings(&findings);
    match (valid, counts.as_str()) {
        (true, "") => context.ui.result(&format!("{} is valid", clean(&own.file)), &()),
        (true, _) => context.ui.result(&format!("{} is valid ({counts})", clean(&own.file)), &()),
        (false, _) => {
            let files: BTreeSet<&str> = errors.iter().filter_map(|error| error.file.as_deref()).collect();
            let files: Vec<&str> = if files.is_empty() { vec![&own.file] } else { files.into_iter().collect() };
            let verb = if files.len() == 1 { "is" } else { "are" };
            Err(Error::input(format!("{} {verb} not valid: {counts}", files.join(" and "))))
        }
    }
}

/// `2 errors, 1 warning`.
fn counts(counts: &[(&str, usize)]) -> String {
    let all = counts.iter().filter(|(_, number)| *number > 0).map(|(word, number)| count(*number, word));
    all.collect::<Vec<_>>().join(", ")
}
