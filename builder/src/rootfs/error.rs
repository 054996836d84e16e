//! Why a root file system cannot be made.

use std::io;
use std::path::PathBuf;

use host::process;

use super::deb;
use super::failure::Failure;
use crate::{cache, dpkg};

/// A package in a difference: name, architecture, version.
pub type Named = (String, String, String);

/// Why a root file system cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that makes root file systems is not installed.
    #[error("{tool} is not installed")]
    ToolMissing {
        /// The program, which is also its Debian package.
        tool: &'static str,
    },
    /// A program is too old.
    #[error("{tool} {version} is too old: {oldest} is the oldest that is known to work")]
    ToolTooOld {
        /// The program.
        tool: &'static str,
        /// The version that is installed.
        version: String,
        /// The oldest that will do.
        oldest: String,
    },
    /// A program is there and does not say its version, on which the root file system may depend.
    #[error("`{tool} --version` names no version")]
    ToolVersion {
        /// The program.
        tool: &'static str,
    },
    /// A program cannot be started.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// An argument of a program would be taken for an option.
    #[error(transparent)]
    Argument(process::Error),
    /// What should be a package's name is none.
    #[error("{text:?} is no package's name, and is given to no program")]
    NoName {
        /// The beginning of the text.
        text: String,
    },
    /// The namespaces of a build cannot be made.
    #[error("a build in the mode {tried} is not possible here: {what}")]
    NoPrivilege {
        /// The mode that was tried: `root` or `unshare`.
        tried: &'static str,
        /// What the system said.
        what: String,
    },
    /// mmdebstrap failed.
    #[error("mmdebstrap failed: {failure}")]
    Failed {
        /// What went wrong.
        failure: Failure,
        /// The last lines of its log, oldest first.
        log: Vec<String>,
    },
    /// What was installed is not what is locked.
    #[error(
        "what was installed is not what is locked: {} missing, {} unexpected, {} unfinished",
        missing.len(), unexpected.len(), unfinished.len()
    )]
    NotAsLocked {
        /// Locked and not installed.
        missing: Vec<Named>,
        /// Installed and not locked.
        unexpected: Vec<Named>,
        /// Packages that dpkg did not bring to an end.
        unfinished: Vec<String>,
    },
    /// There is not one .deb for each package.
    #[error("there are {debs} .debs for {packages} packages")]
    Count {
        /// How many packages.
        packages: usize,
        /// How many .debs.
        debs: usize,
    },
    /// A .deb is another package than the lock says.
    #[error("{}: the field {field} is {found:?}, the lock says {wanted:?}", path.display())]
    OtherPackage {
        /// The file.
        path: PathBuf,
        /// The control field.
        field: &'static str,
        /// What the lock says.
        wanted: String,
        /// What the file says.
        found: String,
    },
    /// A file that the build reads or writes cannot be read or written.
    #[error(transparent)]
    File(host::Error),
    /// The .deb of a package cannot be read, or is not the one that the lock names.
    #[error("cannot read the package {package}")]
    Package {
        /// The package's name.
        package: String,
        /// What is wrong with its .deb.
        source: deb::Error,
    },
    /// A .deb is damaged.
    #[error(transparent)]
    Deb(#[from] deb::Error),
    /// dpkg's database in the new tree is damaged.
    #[error(transparent)]
    Dpkg(#[from] dpkg::Error),
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] cache::Error),
}

impl From<process::Error> for Error {
    fn from(error: process::Error) -> Self {
        match error {
            process::Error::Io { program, source } => Self::Start { program, source },
            refused => Self::Argument(refused),
        }
    }
}

impl From<host::Error> for Error {
    /// What is opened without a word of its own is in the cache.
    fn from(error: host::Error) -> Self {
        Self::Cache(error.into())
    }
}
