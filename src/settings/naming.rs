//! Where the module's settings name a file that turned out later to be of no use.

use std::path::Path;

use super::{file, join, layers};
use crate::error::Findings;

/// The places in the `builder.toml` of `module` at which `path` is named, shown as ones that name no keyring; none where
/// it is not named there, or the file cannot be read any more.
pub(crate) fn keyring(module: &Path, path: &Path) -> Findings {
    let settings = join(module, layers::BUILDER_TOML);
    let mut findings = Findings::default();
    let Ok(Some(bytes)) = layers::read(&settings, true) else { return findings };
    let wrong = |name: &str| format!("`{name}` names no keyring that can be used");
    let found = std::str::from_utf8(&bytes).map(|text| file::naming(&settings, text, path, &wrong));
    findings.diagnostics = found.unwrap_or_default();
    if let Some(name) = findings.diagnostics.first().and_then(|found| found.file.clone()) {
        findings.sources.insert(name.to_string(), bytes);
    }
    findings
}
