//! Everything that is wrong with a module's files, and between it and its neighbours, at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::rules;
use model::{FileName, Manifest, Severity};

use crate::error::{Error, Findings};
use crate::recipes::build::closure::manager;
use crate::recipes::build::downloads::Downloads;
use crate::recipes::build::inputs::{Neighbour, Read, compare, lists, read_manifest, read_neighbours};
use crate::recipes::build::lower::{self, LowerSource};
use crate::recipes::build::request::ModuleSource;
use crate::recipes::build::shared_numbers::Known;
use crate::recipes::build::{files, untaken};
use crate::recipes::packages::{keyrings, lock};
use crate::recipes::results::differ;
use crate::settings::{AccountTables, ModuleSettings};

/// What is to be checked.
#[derive(Debug)]
pub(crate) struct ValidateRequest {
    /// A manifest, or a module's repository.
    pub(crate) path: PathBuf,
    /// The neighbours' manifests or repositories.
    pub(crate) neighbours: Vec<PathBuf>,
    /// The numbers of accounts that a fleet shares.
    pub(crate) fleet: AccountTables,
    /// Where the modules are that it requires, as far as someone says so.
    pub(crate) lower: LowerSource,
    /// Where files from addresses are kept.
    pub(crate) downloads: Downloads,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Validated {
    /// The manifest's file as the user named it.
    pub(crate) file: FileName,
    /// Everything that is wrong, and the paths that the module and its neighbours claim both.
    pub(crate) findings: Findings,
}

impl Validated {
    /// How many findings there are of a severity.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.findings.diagnostics.iter().filter(|found| found.severity == severity).count()
    }

    /// Whether nothing is wrong; under `strict` a warning is.
    pub(crate) fn is_valid(&self, strict: bool) -> bool {
        let is_clean = self.count(Severity::Error) == 0 && self.findings.conflicts.is_empty();
        is_clean && (!strict || self.count(Severity::Warning) == 0)
    }
}

/// Checks the files.
///
/// # Errors
/// When one cannot be read; what is wrong *in* it is a finding.
pub(crate) fn validate(request: &ValidateRequest) -> Result<Validated, Error> {
    let mut findings = Findings::default();
    let own = read_manifest(&request.path, &mut findings)?;
    let settings = ModuleSettings::checked(&own.directory, &mut findings)?.map(Arc::new);
    if let Some(settings) = &settings {
        check_own(&own, settings, request, &mut findings)?;
    }
    let neighbours = read_neighbours(&request.neighbours, &mut findings)?;
    let known = Known { fleet: &request.fleet, counts_build: true };
    compare(&own, settings.as_deref(), &neighbours, known, &mut findings)?;
    if findings.diagnostics.iter().all(|found| found.severity != Severity::Error) {
        let directories: Vec<&Path> = neighbours.iter().map(|one| one.settings.directory.as_path()).collect();
        findings.diagnostics.extend(differ::of_modules((&own.directory, &own.file), &directories)?);
    }
    let whole = own.manifest.as_ref().zip(settings.as_deref());
    if let Some((manifest, settings)) = whole.filter(|_| !request.lower.modules.is_empty()) {
        lower::check(settings, (manifest, &own.file), &request.lower, &mut findings)?;
    }
    // With a neighbour that cannot be read the list would be short, which is worse than none.
    let are_whole = neighbours.len() == request.neighbours.len();
    if let Some(manifest) = own.manifest.as_ref().filter(|_| are_whole) {
        findings.conflicts = conflicts(manifest, &own.file, &neighbours);
    }
    Ok(Validated { file: own.file, findings })
}

fn conflicts(manifest: &Manifest, file: &FileName, neighbours: &[Neighbour]) -> Vec<rules::Conflict> {
    rules::conflicts(manifest.lists(file), &lists(neighbours))
}

/// What is wrong with the module's own files, of which the settings can be read.
fn check_own(
    own: &Read,
    settings: &Arc<ModuleSettings>,
    request: &ValidateRequest,
    findings: &mut Findings,
) -> Result<(), Error> {
    keyrings::check(settings, findings);
    files::check_cached(settings, &request.downloads, findings);
    if let Some(manifest) = &own.manifest {
        lock::check_snapshot(settings, manifest, &own.file, findings);
        let module = ModuleSource {
            neighbours: Vec::new(),
            fleet: AccountTables::default(),
            lower: LowerSource::default(),
            settings: Arc::clone(settings),
        };
        untaken::check(&module, manifest, &own.file, findings)?;
        findings.diagnostics.extend(manager::declared(settings, manifest, &own.file)?);
    }
    findings.diagnostics.extend(request.fleet.clone().and(settings.accounts.clone()).conflicts());
    Ok(())
}
