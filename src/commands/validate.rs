//! `validate`: everything that is wrong with a module's files, at once.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use model::rules::Conflict;
use model::words::count;
use model::{Arch, Severity};
use serde::Serialize;

use crate::commands::{Context, Module, RequiredModules, Verb};
use crate::error::group::{self, Finding};
use crate::error::{Error, Kind};
use crate::recipes::build::downloads::Downloads;
use crate::recipes::validate::{self, ValidateRequest, Validated};
use crate::settings::{Flags, named_arch};
use crate::ui::{Ui, clean};

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
fn run(args: ValidateArgs, context: &Context) -> Result<(), Error> {
    let Context { ui, settings, environment, .. } = context;
    let archs: Vec<Arch> = named_arch(environment.machine).into_iter().collect();
    let validated = validate::validate(&ValidateRequest {
        path: args.directory.unwrap_or(args.path),
        neighbours: args.neighbours,
        fleet: settings.fleet(),
        lower: args.required.source(&archs, environment),
        downloads: Downloads::new(settings, environment, true),
    })?;
    show(&validated, args.strict, ui)
}

/// Shows what was found, and fails where something is wrong.
fn show(validated: &Validated, strict: bool, ui: &Ui) -> Result<(), Error> {
    let Validated { file, findings } = validated;
    let valid = validated.is_valid(strict);
    if ui.is_json() {
        let of = |severity| {
            let found = findings.diagnostics.iter().filter(|found| found.severity == severity);
            group::of(&found.cloned().collect::<Vec<_>>())
        };
        let (errors, warnings, notes) = (of(Severity::Error), of(Severity::Warning), of(Severity::Note));
        ui.result("", &Report { valid, errors, warnings, notes, conflicts: &findings.conflicts })?;
        return if valid { Ok(()) } else { Err(Error::shown(Kind::Input)) };
    }
    ui.findings(findings);
    let counts = counts(&[
        ("error", validated.count(Severity::Error)),
        ("conflict", findings.conflicts.len()),
        ("warning", validated.count(Severity::Warning)),
    ]);
    match (valid, counts.as_str()) {
        (true, "") => ui.result(&format!("{} is valid", clean(file)), &()),
        (true, _) => ui.result(&format!("{} is valid ({counts})", clean(file)), &()),
        (false, _) => {
            let errors = findings.diagnostics.iter().filter(|found| found.severity == Severity::Error);
            let files: BTreeSet<&str> = errors.filter_map(|error| error.file.as_deref()).collect();
            let files: Vec<&str> = if files.is_empty() { vec![file] } else { files.into_iter().collect() };
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
