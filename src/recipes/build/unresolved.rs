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
        other @ apt::Error::SuiteMissing { .. } if settings.snapshot.is_none() => {
            Error::from(other).findings(suite(module, &settings.suite))
        }
        other => {
            let named = other.keyring().map(|path| settings::naming::keyring(module, path)).unwrap_or_default();
            Error::from(other).findings(named)
        }
    }
}

/// The suite that the archives do not have, where the module's settings name it; with a near name that Debian has, which was most
/// likely meant.
fn suite(module: &ModuleSettings, suite: &str) -> Findings {
    let mut found = settings::naming::entry(module, "suite-missing", &["suite"]);
    let message = format!("the archives have no suite {suite} with these components");
    let hint = match nearest(suite, &SUITES).filter(|near| *near != suite) {
        Some(near) => format!("did you mean {near}?"),
        None => "write the name of a suite that they have".to_owned(),
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
