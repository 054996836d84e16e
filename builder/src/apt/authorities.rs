//! The file of certificate authorities that a user names.
//!
//! apt and the HTTP library read such a file themselves. Neither says clearly when it is no good:
//! apt reports an archive without a Release file, the library an unknown issuer.

use std::path::Path;

use reqwest::Certificate;

use super::Error;
use super::small::read_small;

/// Fails unless the file at `path` can be read and holds at least one certificate.
///
/// # Errors
/// [`Error::Authorities`].
pub(super) fn check(path: &Path) -> Result<(), Error> {
    let wrong = |message: String| Error::Authorities { path: path.to_owned(), message };
    let bytes = read_small(path).map_err(|error| match error {
        Error::Host(host::Error::Io { source, .. }) => wrong(source.to_string()),
        Error::Host(host::Error::Place { fault, .. }) => wrong(format!("it {fault}")),
        other => other,
    })?;
    match Certificate::from_pem_bundle(&bytes) {
        Ok(found) if !found.is_empty() => Ok(()),
        Ok(_) => Err(wrong("it holds no certificate in PEM".to_owned())),
        Err(_) => Err(wrong("it is no PEM".to_owned())),
    }
}
