//! The file of certificate authorities that a user names, in PEM.
//!
//! Neither apt nor an HTTP library says clearly when it is no good: apt reports an archive without a Release file, the library
//! an unknown issuer.

use std::path::{Path, PathBuf};

use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The largest file of certificate authorities that is read, in bytes.
const LIMIT: u64 = 64 << 20;

/// Why a file of certificate authorities cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate authorities of {} cannot be read: {message}", path.display())]
pub struct Unusable {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

/// Fails unless the file at `path` can be read and holds at least one certificate.
///
/// # Errors
/// When it is not there, is no file, is no PEM, or holds no certificate.
pub fn check(path: &Path) -> Result<(), Unusable> {
    read(path).map(drop)
}

/// The certificates of the file at `path` that are any. One that cannot be understood among others is passed over, as it is
/// in the host's store.
pub(crate) fn read(path: &Path) -> Result<Vec<Certificate>, Unusable> {
    let wrong = |message: String| Unusable { path: path.to_owned(), message };
    let bytes = host::open::read(path, LIMIT).map_err(|error| match error {
        host::Error::Io { source, .. } => wrong(source.to_string()),
        host::Error::Place { fault, .. } => wrong(format!("it {fault}")),
    })?;
    let found: Vec<CertificateDer<'_>> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| wrong("it is no PEM".to_owned()))?;
    if found.is_empty() {
        return Err(wrong("it holds no certificate in PEM".to_owned()));
    }
    let is_understood = |found: &CertificateDer<'_>| RootCertStore::empty().add(found.clone().into_owned()).is_ok();
    Ok(found
        .iter()
        .filter(|found| is_understood(found))
        .filter_map(|found| Certificate::from_der(found).ok())
        .collect())
}
