//! Why files from addresses cannot be used.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use model::Digest;
use model::explain::{Explain, Explanation, Kind};
use model::file_input::FileInput;
use model::words;
use net::url::redact;

use crate::{apt, cache};

/// Why a file from an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Some could not be brought into the cache.
    #[error("{}", unfetched(failures))]
    Fetch {
        /// Each of them, in the order of the tables.
        failures: Vec<FileFailure>,
    },
    /// It is no archive of the form that is named.
    #[error("{} cannot be unpacked: {message}", redact(&input.url))]
    OtherForm {
        /// What was asked for.
        input: Box<FileInput>,
        /// What was found.
        message: String,
    },
    /// It is an archive that is damaged, or holds what no tree can have.
    #[error("{} cannot be unpacked: {message}", redact(&input.url))]
    Damaged {
        /// What was asked for.
        input: Box<FileInput>,
        /// What was found.
        message: String,
    },
    /// It is an archive that unpacks to more than is taken.
    #[error("{} cannot be unpacked: {message}", redact(&input.url))]
    TooMuch {
        /// What was asked for.
        input: Box<FileInput>,
        /// What was found.
        message: String,
    },
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] cache::Error),
    /// A file cannot be made or written.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// The proxy or another setting of the network is wrong.
    #[error(transparent)]
    Settings(Box<apt::Error>),
}

/// One file that could not be brought into the cache.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {fault}", redact(&input.url))]
pub struct FileFailure {
    /// What was asked for.
    pub input: FileInput,
    /// Why there is none.
    pub fault: Fault,
}

/// Why a file could not be brought into the cache.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Other bytes came than were promised.
    #[error("its sha256 is {found}, and {expected} is wanted")]
    WrongDigest {
        /// What is wanted.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// More bytes came than a file may have, or another number than the file has.
    #[error("{}", wrong_size(*expected, *found))]
    WrongSize {
        /// How many it may have.
        expected: u64,
        /// How many there are, as far as they were counted.
        found: u64,
    },
    /// A file of this machine is not the one that is wanted. How it differs is not shown.
    #[error("the file there is not the one whose sha256 is wanted")]
    OtherFile,
    /// Offline, and the cache does not hold it.
    #[error("offline, and the cache does not hold it")]
    Offline,
    /// The disk is full.
    #[error("{message}")]
    Full {
        /// The file, and what the system said.
        message: String,
    },
    /// The network or the server.
    #[error("{message}")]
    Refused {
        /// What happened.
        message: String,
    },
    /// A file of this machine cannot be read.
    #[error("{message}")]
    Local {
        /// What happened.
        message: String,
    },
}

/// Every file that failed: one in a line, more below each other.
fn unfetched(failures: &[FileFailure]) -> String {
    const MOST: usize = 20;
    if failures.len() > 1 && failures.iter().all(|failure| failure.fault == Fault::Offline) {
        let addresses: Vec<String> = failures.iter().map(|failure| redact(&failure.input.url)).collect();
        let names: Vec<&str> = addresses.iter().map(|address| last_part(address)).collect();
        return format!("offline, and the cache does not hold {}", words::listed(&names));
    }
    let [failure] = failures else {
        let mut text = format!("{} files could not be fetched:", failures.len());
        for failure in failures.iter().take(MOST) {
            let _ = write!(text, "\n  {failure}");
        }
        if let more @ 1.. = failures.len().saturating_sub(MOST) {
            let _ = write!(text, "\n  and {more} more");
        }
        return text;
    };
    failure.to_string()
}

/// The name of the file at `address`; all of it where it ends in no name.
fn last_part(address: &str) -> &str {
    let path = address.split(['?', '#']).next().unwrap_or(address);
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(address)
}

fn wrong_size(expected: u64, found: u64) -> String {
    match found > expected {
        true => format!("it has more than {expected} bytes"),
        false => format!("it has {found} bytes, and {expected} are wanted"),
    }
}

impl Fault {
    /// The key of its table that is most to blame.
    fn key(&self) -> Option<&'static str> {
        match self {
            Self::WrongDigest { .. } | Self::OtherFile => Some("sha256"),
            Self::Refused { .. } | Self::Local { .. } | Self::WrongSize { .. } => Some("url"),
            // Nothing in the table is wrong.
            Self::Offline | Self::Full { .. } => None,
        }
    }

    /// Whether other bytes came than were promised.
    fn is_forged(&self) -> bool {
        match self {
            Self::WrongDigest { .. } | Self::OtherFile => true,
            Self::WrongSize { .. } | Self::Offline | Self::Full { .. } | Self::Refused { .. } | Self::Local { .. } => {
                false
            }
        }
    }

    fn explain(&self) -> (Kind, &'static str) {
        match self {
            Self::WrongDigest { .. } | Self::OtherFile => (
                Kind::Refused,
                "compare the sha256 with what the file's publisher says: where the file was meant to change, write the new one into builder.toml",
            ),
            Self::Offline => (
                Kind::Outside,
                "run `module-builder fetch` where there is a network, or this command without `--offline` or `--frozen`",
            ),
            Self::Full { .. } => (Kind::Outside, cache::NO_SPACE),
            Self::WrongSize { .. } => (
                Kind::Outside,
                "check that the address is the file's own: another file answers there, or one without end",
            ),
            Self::Refused { .. } => {
                (Kind::Outside, "check the address, the network and the setting `proxy`, and run again")
            }
            Self::Local { .. } => (
                Kind::Outside,
                "check the path behind `file:`, which is one of this machine: put the file there, or give the address of a server",
            ),
        }
    }
}

impl Error {
    /// The file of `input` is no archive of the form that it says.
    #[must_use]
    pub fn other_form(input: &FileInput, message: String) -> Self {
        Self::OtherForm { input: Box::new(input.clone()), message }
    }

    pub(super) fn damaged(input: &FileInput, error: io::Error) -> Self {
        // What the system says is not the archive's fault, but for a place that it has and no file can.
        if error.raw_os_error().is_some() && error.kind() != io::ErrorKind::InvalidInput {
            return Self::Host(host::Error::io("read", Path::new(&redact(&input.url)))(error));
        }
        let (input, message) = (Box::new(input.clone()), error.to_string());
        if error.kind() == io::ErrorKind::FileTooLarge {
            Self::TooMuch { input, message }
        } else {
            Self::Damaged { input, message }
        }
    }

    /// The files that cannot be used, each with the key of its table that is most to blame; none where it is not about one.
    #[must_use]
    pub fn inputs(&self) -> Vec<(&FileInput, &'static str)> {
        match self {
            Self::Fetch { failures } => {
                failures.iter().filter_map(|failure| Some((&failure.input, failure.fault.key()?))).collect()
            }
            Self::OtherForm { input, .. } | Self::Damaged { input, .. } | Self::TooMuch { input, .. } => {
                vec![(input, "unpack")]
            }
            Self::Cache(_) | Self::Host(_) | Self::Settings(_) => Vec::new(),
        }
    }
}

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        let (kind, hint) = match self {
            Self::Cache(error) => return error.explain(),
            Self::Host(error) => return Explanation { kind: Kind::Outside, ..error.explain() },
            Self::Settings(error) => return error.explain(),
            Self::Damaged { .. } => (
                Kind::Input,
                "take another archive of its publisher: what is in this one cannot be unpacked as it stands; without `unpack` it is taken as it is",
            ),
            Self::OtherForm { .. } => (
                Kind::Input,
                "check that `unpack` names its form, \"tar\" (plain, or compressed by gzip, bzip2, xz or zstd) or \"zip\"; without `unpack` the file is taken as it is",
            ),
            Self::TooMuch { .. } => (
                Kind::Input,
                "take another archive, of which less is empty or repeated; without `unpack` the file is taken as it is",
            ),
            Self::Fetch { failures } => {
                // What may be an attack is said before what may pass.
                let worst = failures.iter().find(|failure| failure.fault.is_forged()).or(failures.first());
                worst.map_or((Kind::Outside, ""), |failure| failure.fault.explain())
            }
        };
        let message = match self {
            Self::Fetch { failures } if failures.len() > 1 => "files of [[file]] cannot be used",
            Self::Fetch { .. }
            | Self::OtherForm { .. }
            | Self::Damaged { .. }
            | Self::TooMuch { .. }
            | Self::Cache(_)
            | Self::Host(_)
            | Self::Settings(_) => "a file of [[file]] cannot be used",
        };
        Explanation::under(message, kind, self).hint(hint)
    }
}
