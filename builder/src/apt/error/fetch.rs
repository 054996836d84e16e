//! How packages fail to come into the cache.

use std::fmt;

use model::{Digest, words};

use super::{first, packages};

/// One package that could not be put into the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchFailure {
    /// The package's name.
    pub package: String,
    /// Where it should come from.
    pub url: String,
    /// What happened.
    pub fault: FetchFault,
}

/// How fetching one package fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchFault {
    /// The server answered with this status.
    Status(u16),
    /// The bytes are not those that were locked.
    WrongDigest {
        /// The locked sha256.
        expected: Digest,
        /// The sha256 of what came.
        found: Digest,
    },
    /// The length is not the locked one.
    WrongSize {
        /// The locked size in bytes.
        expected: u64,
        /// The size that the server announced or sent, in bytes.
        found: u64,
    },
    /// A file of this machine is not the one that is locked. How it differs is not shown.
    OtherFile,
    /// Where a file of this machine should be, there is something else.
    NoFile {
        /// The path, and what is there.
        message: String,
    },
    /// The server sends on to where nothing is fetched from.
    Redirect {
        /// What is wrong with it.
        message: String,
    },
    /// The connection failed, every time that it was tried.
    Network {
        /// What the last attempt said.
        message: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The server's certificate is not one to trust.
    Certificate {
        /// What is wrong with it.
        message: String,
    },
    /// The file of certificate authorities cannot be used.
    CaBundle {
        /// The file, and what is wrong with it.
        message: String,
    },
    /// Offline, and the cache does not hold it.
    Offline,
    /// The scheme of the URL cannot be fetched.
    Scheme,
    /// A file could not be read or written.
    Io {
        /// The file and what the system said.
        message: String,
        /// Whether the disk is full.
        full: bool,
    },
}

impl FetchFailure {
    /// Whether other bytes came than were promised.
    pub(super) fn is_forged(&self) -> bool {
        use FetchFault as F;
        matches!(self.fault, F::WrongDigest { .. } | F::WrongSize { .. } | F::OtherFile | F::NoFile { .. })
    }
}

/// Whether nothing was fetched, since that was not allowed.
pub(super) fn are_offline(failures: &[FetchFailure]) -> bool {
    !failures.is_empty() && failures.iter().all(|failure| failure.fault == FetchFault::Offline)
}

/// What failed. The same reason for hundreds of packages is said once.
pub(super) fn unfetched(failures: &[FetchFailure]) -> String {
    if !are_offline(failures) {
        return format!("{} could not be fetched:{}", packages(failures.len()), first(failures));
    }
    let names: Vec<&str> = failures.iter().map(|failure| failure.package.as_str()).collect();
    format!("offline, and the cache does not hold {}", words::listed(&names))
}

impl fmt::Display for FetchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}: ", self.package, self.url)?;
        match &self.fault {
            FetchFault::Status(404 | 410) => f.write_str("the mirror does not have it (any more)"),
            FetchFault::Status(status @ (401 | 403 | 407)) => {
                write!(f, "the mirror or the proxy refuses access (status {status})")
            }
            FetchFault::Status(status) => write!(f, "the server answered with status {status}"),
            FetchFault::WrongDigest { expected, found } => write!(f, "expected {expected}, found {found}"),
            FetchFault::WrongSize { expected, found } => write!(f, "expected {expected} bytes, found {found}"),
            FetchFault::OtherFile => f.write_str("the file there is not the one that is locked"),
            FetchFault::Redirect { message } => write!(f, "the server sends on {message}"),
            FetchFault::Network { message, attempts } => write!(f, "{message} (tried {attempts} times)"),
            FetchFault::Certificate { message } => write!(f, "the server's certificate is refused: {message}"),
            FetchFault::Offline => f.write_str("offline, and the cache does not hold it"),
            FetchFault::Scheme => f.write_str("only http, https, file and copy can be fetched"),
            FetchFault::Io { message, .. } | FetchFault::NoFile { message } | FetchFault::CaBundle { message } => {
                f.write_str(message)
            }
        }
    }
}

/// What to do when a server's certificate is refused.
pub(super) const CERTIFICATE: &str = "check the mirror's host name and this machine's clock; an authority of your own must be in the host's store \
     (`update-ca-certificates`), or in the file that SSL_CERT_FILE names";

/// What to do when the authorities that the user names cannot be read.
pub(super) const CA_BUNDLE: &str =
    "name a file of certificates in PEM by SSL_CERT_FILE, or unset it: then the host's store counts";

/// What to do when a server or a proxy wants to know who asks.
pub(super) const DENIED: &str =
    "check the user and the password in the setting `proxy`, and whether the mirror is open to this machine";

/// What to do about it, by the first failure.
pub(super) fn hint(failures: &[FetchFailure]) -> &'static str {
    match failures.first().map(|failure| &failure.fault) {
        Some(FetchFault::Status(404 | 410)) => {
            "the archive moved on since the lock was written: run `lock --update`, or pin a snapshot"
        }
        Some(FetchFault::Status(401 | 403 | 407)) => DENIED,
        Some(FetchFault::CaBundle { .. }) => CA_BUNDLE,
        Some(FetchFault::Certificate { .. }) => CERTIFICATE,
        Some(
            FetchFault::WrongDigest { .. }
            | FetchFault::WrongSize { .. }
            | FetchFault::OtherFile
            | FetchFault::NoFile { .. },
        ) => "the mirror serves other bytes than were locked: choose another mirror; never edit the digest",
        Some(FetchFault::Network { .. } | FetchFault::Status(_)) => {
            "check the network, the mirror and the setting `proxy`, and run again"
        }
        Some(FetchFault::Offline) => {
            "run `module-builder fetch` where there is a network, or this command without `--offline` or `--frozen`"
        }
        Some(FetchFault::Io { full: true, .. }) => crate::cache::NO_SPACE,
        Some(FetchFault::Redirect { .. }) => "name the archive by the address that it has now, or choose another",
        Some(FetchFault::Scheme | FetchFault::Io { .. }) | None => "",
    }
}
