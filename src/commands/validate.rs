//! `validate`: everything that is wrong with a module's files, at once.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use model::rules::{self, Conflict};
use model::{Diagnostic, Manifest, Severity};
use serde::Serialize;

use crate::cli::Context;
use crate::error::{Error, Findings, Kind};
use crate::settings;

/// The manifest's name in a module's repository.
pub(crate) const MANIFEST: &str = "manifest.yaml";
/// One byte more than a manifest may have, so that the parser sees that it is too long.
const READ_LIMIT: u64 = (1 << 20) + 1;

/// Check manifest.yaml and builder.toml and report every error at once
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ValidateArgs {
    /// A manifest, or a module's repository
    #[arg(value_name = "MANIFEST|DIR", default_value = ".")]
    path: PathBuf,
    /// A neighbour on the same node to look for conflicts with; may be repeated
    #[arg(long = "with", value_name = "MANIFEST|DIR")]
    neighbours: Vec<PathBuf>,
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
    errors: Vec<&'a Diagnostic>,
    warnings: Vec<&'a Diagnostic>,
    notes: Vec<&'a Diagnostic>,
    conflicts: &'a [Conflict],
}

/// A manifest that was read, and how the user named its file.
pub(crate) struct Read {
    /// The manifest, when nothing is wrong with it.
    pub(crate) manifest: Option<Manifest>,
    /// Its file as the user named it.
    pub(crate) file: String,
    /// The directory that holds it.
    pub(crate) directory: PathBuf,
}

/// Reads and parses the manifest at `path`, a file or a directory that holds `manifest.yaml`, and
/// adds what was found, with the file's text, to `findings`.
///
/// # Errors
/// When the file cannot be read. What is wrong *in* the file goes to `findings`.
pub(crate) fn read_manifest(path: &Path, findings: &mut Findings) -> Result<Read, Error> {
    use std::io::Read as _;
    let path = if path.is_dir() { settings::join(path, MANIFEST) } else { path.to_owned() };
    let file = path.display().to_string();
    let failed = |error: std::io::Error| {
        let hint = match error.kind() {
            std::io::ErrorKind::NotFound => "name the manifest or its directory, or make one by `module-builder init`",
            _ => "",
        };
        Error::io("read", &path, &error).hint(hint)
    };
    let metadata = std::fs::metadata(&path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::input(format!("{file} is not a regular file")));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(&path).map_err(failed)?.take(READ_LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    let parsed = Manifest::parse(&bytes);
    let named = |diagnostic| Diagnostic { file: Some(file.clone()), ..diagnostic };
    findings.diagnostics.extend(parsed.diagnostics.into_iter().map(named));
    findings.sources.insert(file.clone(), bytes);
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(Read { manifest: parsed.manifest, file, directory: directory.to_owned() })
}

/// Checks the files and shows what was found.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
pub(crate) fn run(args: ValidateArgs, context: &Context) -> Result<(), Error> {
    let mut findings = Findings::default();
    let own = read_manifest(&args.path, &mut findings)?;
    settings::check_module(&own.directory, &mut findings)?;
    let mut neighbours = Vec::new();
    for path in &args.neighbours {
        let read = read_manifest(path, &mut findings)?;
        neighbours.extend(read.manifest.map(|manifest| (manifest, read.file)));
    }
    // With a neighbour that cannot be read the list would be short, which is worse than none.
    let conflicts = match &own.manifest {
        Some(manifest) if neighbours.len() == args.neighbours.len() => {
            rules::conflicts((manifest, &own.file), &neighbours)
        }
        _ => Vec::new(),
    };
    let of = |severity| findings.diagnostics.iter().filter(|d| d.severity == severity).collect::<Vec<_>>();
    let (errors, warnings, notes) = (of(Severity::Error), of(Severity::Warning), of(Severity::Note));
    let valid = errors.is_empty() && conflicts.is_empty() && (warnings.is_empty() || !args.strict);
    let counts = counts(&[("error", errors.len()), ("conflict", conflicts.len()), ("warning", warnings.len())]);
    if context.ui.is_json() {
        context.ui.result("", &Report { valid, errors, warnings, notes, conflicts: &conflicts })?;
        return if valid { Ok(()) } else { Err(Error::shown(Kind::Input)) };
    }
    context.ui.findings(&findings);
    for conflict in &conflicts {
        context.ui.conflict(conflict);
    }
    match (valid, counts.as_str()) {
        (true, "") => context.ui.result(&format!("{} is valid", own.file), &()),
        (true, _) => context.ui.result(&format!("{} is valid ({counts})", own.file), &()),
        (false, _) => Err(Error::input(format!("{} is not valid: {counts}", own.file))),
    }
}

/// `2 errors, 1 warning`.
fn counts(counts: &[(&str, usize)]) -> String {
    let mut out = String::new();
    for (word, count) in counts.iter().filter(|(_, count)| *count > 0) {
        let (comma, plural) = (if out.is_empty() { "" } else { ", " }, if *count == 1 { "" } else { "s" });
        let _ = write!(out, "{comma}{count} {word}{plural}");
    }
    out
}
