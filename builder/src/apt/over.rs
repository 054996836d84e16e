//! That packages leave the base as it is over which they are laid.

use model::package::PackageRequest;

use super::Error;
use super::index::Record;

/// The most packages that a message names.
const MAX_NAMED: usize = 3;

/// Checks that `over`, a closure of `requests` that was resolved over the packages of `base`, has each of them in its version.
///
/// # Errors
/// [`Error::BaseMoved`] where it needs another version of one, [`Error::BaseLost`] where it cannot be installed beside
/// one.
pub(super) fn check(base: &[&Record], over: &[&Record], requests: &[PackageRequest]) -> Result<(), Error> {
    for record in base {
        let name = &record.package.name;
        let Some(found) = over.iter().find(|other| other.package.name == *name) else {
            return Err(lost(name, requests));
        };
        if found.package.version != record.package.version {
            let (needed, has) = (found.package.version.clone(), record.package.version.clone());
            return Err(Error::BaseMoved { name: name.clone(), needed, has });
        }
    }
    Ok(())
}

/// `requests` cannot be installed beside the package `name` of the base.
pub(super) fn lost(name: &str, requests: &[PackageRequest]) -> Error {
    let names: Vec<&str> = requests.iter().map(|request| request.name.as_str()).collect();
    let by = match names.len() {
        1..=MAX_NAMED => names.join(", "),
        _ => "the packages".to_owned(),
    };
    Error::BaseLost { name: name.to_owned(), by }
}
