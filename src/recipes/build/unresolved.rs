//! Why packages could not be resolved, at the places that ask for them.

use std::collections::BTreeSet;
use std::path::Path;

use builder::apt;
use model::words::count;
use model::{Diagnostic, FileName, Manifest, Severity};

use crate::error::{Error, Findings};
use crate::settings;

/// Why resolving failed; missing packages are shown at their places in the manifest of `module`, keyrings at those in its
/// settings.
pub(crate) fn unresolved(
    error: apt::Error,
    module: &Path,
    manifest: &Manifest,
    file: &FileName,
    settings: &apt::Settings,
) -> Error {
    match error {
        apt::Error::Missing { missing } => missing_packages(&missing, manifest, file, settings),
        other => {
            let named = other.keyring().map(|path| settings::naming::keyring(module, path)).unwrap_or_default();
            Error::from(other).findings(named)
        }
    }
}

/// Every package that the archive does not have, each at its place in the manifest.
fn missing_packages(missing: &[apt::Missing], manifest: &Manifest, file: &FileName, settings: &apt::Settings) -> Error {
    let diagnostics = missing.iter().map(|missing| {
        Diagnostic::new(Severity::Error, "package-missing", missing.fault(), missing.hint())
            .in_file(file.clone())
            .at(manifest.position_of(&missing.request))
            .in_field("package_spec")
            .quoting(missing.request.to_string())
    });
    let findings = Findings { diagnostics: diagnostics.collect(), ..Findings::default() };
    let (number, is) = (count(missing.len(), "package"), if missing.len() == 1 { "is" } else { "are" });
    let archs: BTreeSet<&str> = missing.iter().flat_map(|missing| &missing.archs).map(|arch| arch.debian()).collect();
    let archs = archs.into_iter().collect::<Vec<_>>().join(", ");
    Error::input(format!("{number} {is} not available from {} ({archs})", settings.suite))
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
