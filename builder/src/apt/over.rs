//! That packages leave the base as it is over which they are laid.

use super::Error;
use super::index::Record;

/// Checks that `over`, a closure that was resolved over the packages of `base`, has each of them in its version.
///
/// # Errors
/// [`Error::BaseMoved`] where it needs another version of one, [`Error::BaseLost`] where it cannot be installed beside
/// one.
pub(super) fn check(base: &[&Record], over: &[&Record]) -> Result<(), Error> {
    for record in base {
        let name = &record.package.name;
        let Some(found) = over.iter().find(|other| other.package.name == *name) else {
            return Err(Error::BaseLost { name: name.clone() });
        };
        if found.package.version != record.package.version {
            let (needed, has) = (found.package.version.clone(), record.package.version.clone());
            return Err(Error::BaseMoved { name: name.clone(), needed, has });
        }
    }
    Ok(())
}
