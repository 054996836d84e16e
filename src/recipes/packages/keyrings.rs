//! The keyrings that a module names, looked at before anything needs them.

use builder::apt;
use model::Explain as _;

use crate::error::{Error, Findings};
use crate::settings::{self, ModuleSettings};

/// Adds to `findings` each place in the settings of `module` that names no keyring which a build could use.
pub(crate) fn check(module: &ModuleSettings, findings: &mut Findings) {
    let mut keyrings = module.keyrings.clone();
    keyrings.sort_by_key(apt::KeyringFile::path);
    keyrings.dedup();
    for keyring in keyrings {
        let Err(error) = apt::check_keyring(&keyring) else { continue };
        let mut named = settings::naming::keyring(module, &keyring.path());
        for diagnostic in &mut named.diagnostics {
            let explanation = error.explain();
            diagnostic.message = format!("{}: {}", diagnostic.message, Error::from(&error));
            diagnostic.hint = explanation.hint.map(Into::into).unwrap_or_default();
        }
        findings.extend(named);
    }
}
