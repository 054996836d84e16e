//! Where the module's settings name a file that turned out later to be of no use.

use std::path::Path;

use model::Diagnostic;
use model::file_input::FileInput;

use super::{file, join, layers};
use crate::error::Findings;

/// The places in the `builder.toml` of `module` at which `path` is named, shown as ones that name no keyring; none where
/// it is not named there, or the file cannot be read any more.
pub(crate) fn keyring(module: &Path, path: &Path) -> Findings {
    let wrong = |name: &str| format!("`{name}` names no keyring that can be used");
    found(module, |settings, text| file::naming(settings, text, path, &wrong))
}

/// The place in the `builder.toml` of `module` where the file `input` is asked for, at `key` of its table where it has that;
/// none where it is not there any more.
pub(crate) fn file(module: &Path, input: &FileInput, key: &str) -> Findings {
    found(module, |settings, text| file::file_table(settings, text, input, key).into_iter().collect())
}

/// The place in the `builder.toml` of `module` of the entry below the tables of `keys` under the last of them, for a finding of
/// `code`; none where it is not there any more.
pub(crate) fn entry(module: &Path, code: &'static str, keys: &[&str]) -> Findings {
    found(module, |settings, text| file::entry(settings, text, code, keys).into_iter().collect())
}

/// What `find` finds in the `builder.toml` of `module`, with its text.
fn found(module: &Path, find: impl FnOnce(&Path, &str) -> Vec<Diagnostic>) -> Findings {
    let settings = join(module, layers::BUILDER_TOML);
    let mut findings = Findings::default();
    let Ok(Some(bytes)) = layers::read(&settings, true) else { return findings };
    findings.diagnostics = std::str::from_utf8(&bytes).map(|text| find(&settings, text)).unwrap_or_default();
    if let Some(name) = findings.diagnostics.first().and_then(|found| found.file.clone()) {
        findings.sources.insert(name.to_string(), bytes);
    }
    findings
}
