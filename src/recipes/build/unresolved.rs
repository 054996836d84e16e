//! Why packages could not be resolved, at the places that ask for them.

use std::collections::BTreeSet;

use builder::apt;
use model::document::nearest;
use model::words::count;
use model::{Diagnostic, FileName, Manifest, Severity};

use crate::error::{Error, Findings};
use crate::settings::{self, ModuleSettings};

/// Why resolving failed; missing packages are shown at their places in the manifest of `module`, keyrings at those in its
/// settings.
pub(crate) fn unresolved(
    error: apt::Error,
    module: &ModuleSettings,
    manifest: &Manifest,
    file: &FileName,
    settings: &apt::Settings,
) -> Error {
    match error {
        apt::Error::Missing { missing } => missing_packages(&missing, manifest, file, settings),
        // Of a moment of the archive the moment may be what is not there.
        apt::Error::SuiteMissing { missing, log } if settings.snapshot.is_none() => {
            let places = suite(module, missing.as_ref(), settings);
            Error::from(apt::Error::SuiteMissing { missing, log }).findings(places)
        }
        other => {
            let named = other.keyring().map(|path| settings::naming::keyring(module, path)).unwrap_or_default();
            Error::from(other).findings(named)
        }
    }
}

/// Where the module's settings name what an archive does not have: in the table of an added archive, among the mirrors with suites of
/// their own, or as the suite of all others; with a near name that Debian has, which was most likely meant.
fn suite(module: &ModuleSettings, missing: Option<&apt::MissingSuite>, asked: &apt::Settings) -> Findings {
    const CODE: &str = "suite-missing";
    let component = missing.and_then(|missing| missing.component.as_deref());
    let key = if component.is_some() { "components" } else { "suite" };
    let in_table =
        |missing: &apt::MissingSuite| settings::naming::repository(module, CODE, (&missing.uri, &missing.suite), key);
    let mut found = missing.map(in_table).unwrap_or_default();
    if found.diagnostics.is_empty() {
        let is_own = |missing: &apt::MissingSuite| missing.suite == asked.suite;
        // Where apt does not say which archive it is, nothing is to blame but for the one suite that there is.
        let keys: &[&str] = match missing {
            Some(missing) if !is_own(missing) => &["mirrors"],
            Some(_) => &[key, "suite"],
            None if asked.repositories.is_empty() => &["suite"],
            None => &[],
        };
        let named = keys.iter().map(|key| settings::naming::entry(module, CODE, &[key]));
        found = named.into_iter().find(|found| !found.diagnostics.is_empty()).unwrap_or_default();
    }
    let (message, meant) = match (missing, component) {
        (Some(missing), Some(component)) => (
            format!("{} {} has no component {component} for {}", missing.uri, missing.suite, asked.arch),
            nearest(component, &apt::COMPONENTS).filter(|near| *near != component),
        ),
        (Some(missing), None) => (
            format!("{} has no suite {}", missing.uri, missing.suite),
            nearest(&missing.suite, &SUITES).filter(|near| *near != missing.suite),
        ),
        (None, _) => (
            format!("the archives have no suite {} with these components", asked.suite),
            nearest(&asked.suite, &SUITES).filter(|near| *near != asked.suite),
        ),
    };
    let what = if component.is_some() { "component" } else { "suite" };
    let hint = match meant {
        Some(near) => format!("did you mean {near}?"),
        None => format!("write the name of a {what} that it has"),
    };
    for place in &mut found.diagnostics {
        (place.severity, place.message, place.hint) = (Severity::Error, message.clone(), hint.clone());
    }
    found
}

/// The names that Debian's suites have had for some years and will have.
const SUITES: [&str; 13] = [
    "bookworm",
    "bullseye",
    "buster",
    "duke",
    "experimental",
    "forky",
    "oldoldstable",
    "oldstable",
    "sid",
    "stable",
    "testing",
    "trixie",
    "unstable",
];

/// Every package that the archive does not have, each at its place in the manifest.
fn missing_packages(missing: &[apt::Missing], manifest: &Manifest, file: &FileName, asked: &apt::Settings) -> Error {
    let own = manifest.requests();
    let diagnostics = missing.iter().map(|missing| {
        let found = Diagnostic::new(Severity::Error, "package-missing", missing.fault(), missing.hint());
        let found = found.quoting(missing.request.to_string());
        // The others are those of the base.
        match own.contains(&missing.request) {
            true => found.in_file(file.clone()).at(manifest.position_of(&missing.request)).in_field("package_spec"),
            false => found.in_file(file.beside(settings::BUILDER_TOML)).in_field("base.packages"),
        }
    });
    let findings = Findings { diagnostics: diagnostics.collect(), ..Findings::default() };
    let (number, is) = (count(missing.len(), "package"), if missing.len() == 1 { "is" } else { "are" });
    let archs: BTreeSet<&str> = missing.iter().flat_map(|missing| &missing.archs).map(|arch| arch.debian()).collect();
    let archs = archs.into_iter().collect::<Vec<_>>().join(", ");
    Error::input(format!("{number} {is} not available from {} ({archs})", asked.suite))
        .hint(correction(missing))
        .findings(findings)
}

/// What helps with all that is missing: what each needs stands with it.
fn correction(missing: &[apt::Missing]) -> String {
    let mut ways = vec!["correct the names in package_spec"];
    let has = |is: &dyn Fn(&apt::Missing) -> bool| missing.iter().any(is);
    if has(&|one| !one.versions.is_empty()) {
        ways.push("ask for a version that the suite has, or take another `suite` or build.apt_snapshot");
    }
    // The archive of another component, suite or repository may have what this one does not know at all.
    if has(&|one| one.versions.is_empty()) {
        ways.push("enable the component that has them in builder.toml");
    }
    ways.join(", or ")
}
