//! What can be wrong with a resolution.

use super::DEB_LIMIT;
use crate::Arch;

/// What is wrong with a resolution or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A name, an architecture or a version is none.
    #[error("the package {name:?} has the {field} {text:?}, which Debian does not allow")]
    Package {
        /// The beginning of the name.
        name: String,
        /// Which of its fields: `name`, `architecture`, `version`, `source` or `source version`.
        field: &'static str,
        /// The beginning of the field's text.
        text: String,
    },
    /// A package is for another architecture.
    #[error("the package {name} is for {found:?}, not for {arch}")]
    Arch {
        /// The package.
        name: String,
        /// Its architecture.
        found: String,
        /// The closure's.
        arch: Arch,
    },
    /// A path does not stay in its archive.
    #[error("the path of {name} leaves its archive")]
    Outside {
        /// The package.
        name: String,
    },
    /// A path names something else than a package.
    #[error("the path of {name} names no .deb: {path:?}")]
    Path {
        /// The package.
        name: String,
        /// The beginning of the path.
        path: String,
    },
    /// A URL is not that of the path below one of the archives.
    #[error("the URL of {name} is not that of its path below one of the archives")]
    Url {
        /// The package.
        name: String,
    },
    /// A package is larger than any.
    #[error("the package {name} is over {DEB_LIMIT} bytes")]
    Size {
        /// The package.
        name: String,
    },
    /// A module is none, or brings what is no part of what this one is laid over.
    #[error("the package {name} comes with a module that is none, or not with what this one is laid over")]
    Module {
        /// The package.
        name: String,
    },
    /// A reason is none.
    #[error("the package {name} is there for a reason that is none")]
    Reason {
        /// The package.
        name: String,
    },
    /// A package is listed twice.
    #[error("the package {name} is there twice for {arch}")]
    Twice {
        /// The package.
        name: String,
        /// The architecture.
        arch: Arch,
    },
    /// Something is asked for, and no archive is named that it would come from.
    #[error("no archive is listed for {arch}")]
    NoArchive {
        /// The architecture.
        arch: Arch,
    },
    /// The packages are in another order than that of their names.
    #[error("the packages for {arch} are not sorted by name: {name} comes too late")]
    Order {
        /// The package that stands behind one that sorts after it.
        name: String,
        /// The architecture.
        arch: Arch,
    },
    /// Too many of something.
    #[error("there are more than {limit} {what}")]
    Many {
        /// Of what.
        what: &'static str,
        /// The most that are taken.
        limit: u64,
    },
    /// A text about an archive is none of its kind.
    #[error("{text:?} cannot be the {field} of an archive")]
    Archive {
        /// The field.
        field: &'static str,
        /// The beginning of the text.
        text: String,
    },
    /// An archive's address is none, or not in its one form. It may hold a password, and is not repeated.
    #[error("the address of an archive is not usable: {what}")]
    Uri {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The suite is none.
    #[error("{text:?} is no suite")]
    Suite {
        /// The beginning of the text.
        text: String,
    },
    /// A request is none.
    #[error("{text:?} is no request for a package")]
    Request {
        /// The beginning of the text.
        text: String,
    },
}
