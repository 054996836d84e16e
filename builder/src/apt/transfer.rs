//! What a download is asked for, and how it fails.

use std::path::PathBuf;
use std::time::Duration;

use model::Digest;

use super::error::FetchFault;

/// How packages are fetched. It changes speed and place only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchOptions {
    /// Take nothing but what the cache holds.
    pub offline: bool,
    /// How many files are checked and downloaded at once, at least one.
    pub jobs: usize,
    /// How often a file is tried again after an error that may pass.
    pub retries: u32,
    /// How long to wait before the first further attempt; it doubles with each one.
    pub backoff: Duration,
    /// How long connecting may take, how long a server may send nothing, and the time in which it must send
    /// a thousand bytes a second.
    pub patience: Duration,
    /// What HTTP servers learn about this program.
    pub user_agent: String,
    /// An HTTP proxy for http and https, such as `http://proxy.example.org:3128`.
    pub proxy: Option<String>,
    /// The file that `SSL_CERT_FILE` names, for a clear error when it is no good.
    pub certificates: Option<PathBuf>,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            offline: false,
            jobs: 8,
            retries: 4,
            backoff: Duration::from_millis(500),
            patience: Duration::from_secs(30),
            user_agent: concat!("module-builder/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: None,
            certificates: None,
        }
    }
}

/// What is to be fetched.
pub(crate) struct Wanted<'a> {
    pub(crate) url: &'a str,
    pub(crate) length: Length,
    pub(crate) sha256: Digest,
}

impl Wanted<'_> {
    /// Whether it is a file of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.url.starts_with("file:") || self.url.starts_with("copy:")
    }
}

/// What is known of the length of a file before it comes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Exactly(u64),
    AtMost(u64),
}

impl Length {
    pub(super) fn most(self) -> u64 {
        match self {
            Self::Exactly(size) | Self::AtMost(size) => size,
        }
    }

    /// Fails when a server or a file has another length.
    pub(super) fn check(self, found: u64) -> Result<(), Failure> {
        let (is_right, expected) = match self {
            Self::Exactly(size) => (found == size, size),
            Self::AtMost(limit) => (found <= limit, limit),
        };
        if is_right { Ok(()) } else { Err(Failure::Final(FetchFault::WrongSize { expected, found })) }
    }
}

/// What a transfer reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// It begins.
    Start {
        /// How many bytes are there from an earlier attempt.
        at: u64,
        /// How many there will be, where that is known.
        total: Option<u64>,
    },
    /// So many more bytes came.
    Bytes(u64),
}

/// Why one attempt failed, and whether another one may help.
pub(crate) enum Failure {
    Transient {
        message: String,
        /// How long the server wants to be left alone.
        retry_after: Option<Duration>,
    },
    Final(FetchFault),
}

impl Failure {
    pub(super) fn transient(message: impl Into<String>) -> Self {
        Self::Transient { message: message.into(), retry_after: None }
    }
}

impl From<net::Error> for Failure {
    fn from(error: net::Error) -> Self {
        use net::Error as E;
        if error.is_transient() {
            return Self::Transient { message: error.to_string(), retry_after: error.retry_after() };
        }
        Self::Final(match error {
            E::Url => FetchFault::Scheme,
            E::CaBundle(_) => FetchFault::CaBundle { message: error.to_string() },
            E::Certificate { message } => FetchFault::Certificate { message },
            E::Redirect(fault) => FetchFault::Redirect { message: fault.to_string() },
            E::Status { status, .. } => FetchFault::Status(status),
            // The limit of each request is the length that is wanted.
            E::TooLarge { limit, found } => FetchFault::WrongSize { expected: limit, found },
            E::Proxy | E::Connection { .. } | E::Setup { .. } => {
                FetchFault::Io { message: error.to_string(), full: false }
            }
        })
    }
}

/// What is said of a further attempt after as many `attempts`, of which there are `retries` more in all. Where the server asks
/// for a wait, its length is shown.
pub(crate) fn retry_line(url: &str, message: &str, asked: Option<Duration>, (attempts, retries): (u32, u32)) -> String {
    let moment = match asked.map_or(0, |wait| wait.as_secs()) {
        0 => String::new(),
        1 => " in 1 second".to_owned(),
        seconds => format!(" in {seconds} seconds"),
    };
    let line = format!("{}: {message}; trying again{moment} ({attempts} of {retries})", net::url::host(url));
    tracing::debug!("{line}: {}", net::url::place(url));
    line
}
