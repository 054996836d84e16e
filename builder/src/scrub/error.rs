//! Why a tree cannot be scrubbed.

use std::io;

use model::ImagePath;
use model::explain::{Explain, Explanation, Kind};

/// Why a tree cannot be scrubbed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be opened or read whole.
    #[error(transparent)]
    Content(#[from] image::Error),
    /// A part of a file cannot be read.
    #[error("cannot read a file of the root file system")]
    Read(#[source] io::Error),
    /// What a package says of its files cannot be read.
    #[error(transparent)]
    Ownership(#[from] crate::ownership::Error),
    /// A file that is to be rewritten is not what it should be.
    #[error("cannot scrub {path}")]
    Rewrite {
        /// The file.
        path: ImagePath,
        /// What is wrong with it.
        #[source]
        fault: Fault,
    },
}

/// Why a file cannot be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line of `/etc/shadow` has not its nine fields.
    #[error("/etc/shadow, line {line}: it has not nine fields")]
    Shadow {
        /// Counted from 1.
        line: usize,
    },
    /// Java's trust store is not what it should be.
    #[error("Java's trust store is damaged: {what}")]
    TrustStore {
        /// What is wrong.
        what: &'static str,
    },
}

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        match self {
            Self::Content(error) => error.explain(),
            Self::Ownership(error) => error.explain(),
            Self::Read(_) => Explanation::new(Kind::Outside, self),
            Self::Rewrite { .. } => Explanation::new(Kind::Input, self),
        }
    }
}
