//! The texts that a build starts from: the module's manifest and its neighbours'.

use model::rules::{self, Rules};
use model::{Manifest, Severity};

use crate::commands::validate::read_manifest;
use crate::error::{Error, Findings};
use crate::pipeline::request::Request;
use crate::settings;
use crate::ui::Ui;

/// The manifests of a build.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// The module's own manifest.
    pub(crate) manifest: Manifest,
    /// Its file as the user named it.
    pub(crate) file: String,
    /// What ships, from all of them.
    pub(crate) rules: Rules,
    /// The neighbours' manifests with their files.
    pub(crate) neighbours: Vec<(Manifest, String)>,
}

impl Inputs {
    /// Reads every manifest; shows warnings and conflicts.
    ///
    /// # Errors
    /// When a file cannot be read, or with everything that is wrong in any of them.
    pub(crate) fn read(request: &Request, ui: &Ui) -> Result<Self, Error> {
        let mut findings = Findings::default();
        let own = read_manifest(&request.module, &mut findings)?;
        settings::check_module(&own.directory, &mut findings)?;
        let mut neighbours = Vec::new();
        for path in &request.neighbours {
            let read = read_manifest(path, &mut findings)?;
            neighbours.extend(read.manifest.map(|manifest| (manifest, read.file)));
        }
        let count = |severity| findings.diagnostics.iter().filter(|found| found.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let Some(manifest) = own.manifest.filter(|_| errors == 0) else {
            return Err(Error::input("the module cannot be built: its files hold errors").findings(findings));
        };
        if request.strict && warnings > 0 {
            return Err(
                Error::input("the module's files hold warnings, and --strict makes them errors").findings(findings)
            );
        }
        ui.findings(&findings);
        report_conflicts(&manifest, &own.file, &neighbours, request.strict, ui)?;
        let rules = Rules::new((&manifest, &own.file), &neighbours);
        Ok(Self { manifest, file: own.file, rules, neighbours })
    }
}

fn report_conflicts(
    own: &Manifest,
    file: &str,
    neighbours: &[(Manifest, String)],
    strict: bool,
    ui: &Ui,
) -> Result<(), Error> {
    let conflicts = rules::conflicts((own, file), neighbours);
    for conflict in &conflicts {
        ui.conflict(conflict);
    }
    if strict && !conflicts.is_empty() {
        return Err(Error::input("the module conflicts with its neighbours, and --strict makes that an error"));
    }
    Ok(())
}
