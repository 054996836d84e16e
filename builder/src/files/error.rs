//! Why a file from an address cannot be used.

use std::io;

use model::Digest;
use model::explain::{Explain, Explanation, Kind};
use model::file_input::FileInput;
use net::url::redact;

use crate::{apt, cache};

/// Why a file from an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be brought into the cache.
    #[error("{}: {fault}", redact(&input.url))]
    Fetch {
        /// What was asked for.
        input: Box<FileInput>,
        /// Why not.
        fault: Fault,
    },
    /// It is no archive of the form that is named, or is damaged.
    #[error("{} cannot be unpacked: {message}", redact(&input.url))]
    Damaged {
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
    /// The network, the server or a file of this machine.
    #[error("{message}")]
    Refused {
        /// What happened.
        message: String,
    },
}

impl Error {
    pub(super) fn fetch(input: &FileInput, fault: Fault) -> Self {
        Self::Fetch { input: Box::new(input.clone()), fault }
    }

    pub(super) fn damaged(input: &FileInput, error: &io::Error) -> Self {
        Self::Damaged { input: Box::new(input.clone()), message: error.to_string() }
    }

    /// The file that cannot be used, and the key of its table that is most to blame; none where it is not about one.
    #[must_use]
    pub fn input(&self) -> Option<(&FileInput, &'static str)> {
        match self {
            Self::Fetch { input, fault: Fault::WrongDigest { .. } | Fault::OtherFile } => Some((input, "sha256")),
            Self::Fetch { input, fault: Fault::Offline | Fault::Refused { .. } } => Some((input, "url")),
            Self::Damaged { input, .. } => Some((input, "unpack")),
            Self::Fetch { fault: Fault::Full { .. }, .. } | Self::Cache(_) | Self::Host(_) | Self::Settings(_) => None,
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
                "check that `unpack` names its form, \"tar\" (of any compression) or \"zip\"; without `unpack` the file is taken as it is",
            ),
            Self::Fetch { fault, .. } => match fault {
                Fault::WrongDigest { .. } | Fault::OtherFile => (
                    Kind::Refused,
                    "compare the sha256 with what the file's publisher says: where the file was meant to change, write the new one into builder.toml",
                ),
                Fault::Offline => (
                    Kind::Outside,
                    "run `module-builder fetch` where there is a network, or this command without `--offline` or `--frozen`",
                ),
                Fault::Full { .. } => (Kind::Outside, cache::NO_SPACE),
                Fault::Refused { .. } => {
                    (Kind::Outside, "check the address, the network and the setting `proxy`, and run again")
                }
            },
        };
        Explanation::under("a file of [[file]] cannot be used", kind, self).hint(hint)
    }
}
