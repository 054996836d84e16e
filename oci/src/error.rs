//! What can go wrong with OCI artifacts.

use std::io;
use std::path::{Path, PathBuf};

use model::explain::{Explain, Explanation, Kind};
use model::{Arch, Digest};

use crate::place::Place;
use crate::reference::Malformed;

/// What can go wrong with OCI artifacts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory of the host cannot be opened or written.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// The operating system refused something about a file of the host.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`, `create`.
        action: &'static str,
        /// The file of the host.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A text is no tag, or no reference.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Nothing was given to write.
    #[error("an image layout needs at least one artifact")]
    NoArtifact,
    /// Two artifacts are for one architecture, or one is of another kind than the others.
    #[error("there are two artifacts for {arch}, or artifacts of two kinds")]
    DuplicateArch {
        /// The architecture.
        arch: Arch,
    },
    /// The directory that was to be replaced holds something else than an image layout.
    #[error("{} is not empty and is not an OCI image layout, so it is not replaced", path.display())]
    NotALayout {
        /// The directory.
        path: PathBuf,
    },
    /// A file is not the JSON that it should be.
    #[error("{place} is not a valid {what}")]
    Json {
        /// What it should be, such as `image index`.
        what: &'static str,
        /// The file.
        place: Place,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A value could not be written as JSON.
    #[error("cannot write the {what} as JSON")]
    Serialize {
        /// What it is, such as `image index`.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The version of the layout or of a document is not known.
    #[error("{place} has {field} {found}; only {known} is known")]
    UnknownVersion {
        /// The file.
        place: Place,
        /// The field that holds the version.
        field: &'static str,
        /// What it says.
        found: String,
        /// What is known.
        known: &'static str,
    },
    /// A media type stands where only certain others may.
    #[error("{place} names the media type {found:?} where {expected:?} is expected")]
    MediaType {
        /// The file that names it.
        place: Place,
        /// What it names.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A blob is not a regular file, or its path leads out of the layout.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A file or directory of a layout is, or is reached by, something that a layout does not hold.
    #[error(transparent)]
    Misplaced(host::Error),
    /// A file or directory of a layout is not there.
    #[error("there is no {}", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The documents of a module contradict each other, or what they promise.
    #[error("{place} {broken}")]
    Broken {
        /// The document.
        place: Place,
        /// How.
        broken: crate::layout::Broken,
    },
    /// A file that is to become a blob has changed since its digest was computed.
    #[error("{} has {found} bytes where {expected} were written", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// The size in bytes that went into the digest.
        expected: u64,
        /// The size in bytes that it has.
        found: u64,
    },
    /// A document is larger than any that is read.
    #[error("{place} has {size} bytes; at most {limit} are read")]
    TooLarge {
        /// The file.
        place: Place,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The indexes and manifests of a layout are larger than any that are read.
    #[error("the indexes and manifests that {place} lists have more than {limit} bytes")]
    TooManyDocuments {
        /// The layout.
        place: Place,
        /// The limit in bytes.
        limit: u64,
    },
    /// A blob has another size than its descriptor says.
    #[error("{place} has {found} bytes, its descriptor says {expected}")]
    SizeMismatch {
        /// The blob.
        place: Place,
        /// What the descriptor says.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// More bytes follow than a descriptor says.
    #[error("{place} has more than the {expected} bytes that its descriptor says")]
    TooLong {
        /// The content.
        place: Place,
        /// What the descriptor says.
        expected: u64,
    },
    /// A document has parts of another kind, or lacks its own.
    #[error("{place} does not hold what an {what} holds, and nothing else")]
    Ambiguous {
        /// The document.
        place: Place,
        /// What it should be, such as `image index`.
        what: &'static str,
    },
    /// A graph of content is larger than allowed.
    #[error("what is to be copied from {place} has more than {limit} {what}")]
    Graph {
        /// The store.
        place: Place,
        /// What there is too much of, such as `bytes`.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Content cannot be read from its store or written to another.
    #[error("cannot transfer {place}")]
    Transfer {
        /// The content.
        place: Place,
        /// The reason.
        source: io::Error,
    },
    /// A blob's content is not what its name says.
    #[error("{place} holds {found}, not {expected}")]
    DigestMismatch {
        /// The blob.
        place: Place,
        /// What its descriptor says.
        expected: Digest,
        /// What its content gives.
        found: Digest,
    },
    /// A tag stands at two entries of `index.json`.
    #[error("{place} names the tag {tag:?} twice")]
    DuplicateTag {
        /// `index.json`.
        place: Place,
        /// The tag.
        tag: String,
    },
}

const DAMAGED: &str = "the layout was damaged or changed after it was written: build or fetch it again";

const TOO_MUCH: &str = "copy parts of it, each by its own digest: no graph of one module is as large";

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        match self {
            Self::Host(error) if error.is_not_found() => error.explain().hint(DAMAGED),
            Self::Host(error) => error.explain(),
            Self::Io { action, path, source } => {
                let is_missing = source.kind() == io::ErrorKind::NotFound;
                host::explain::io(action, path, source).hint(if is_missing { DAMAGED } else { "" })
            }
            Self::Malformed(_) => Explanation::new(Kind::Usage, self),
            Self::Transfer { source, .. } => {
                Explanation::new(Kind::Outside, self).hint(host::explain::limit(source).unwrap_or_default())
            }
            // Nothing is damaged: the graph is larger than any that is copied.
            Self::Graph { .. } => Explanation::new(Kind::Refused, self).hint(TOO_MUCH),
            Self::NoArtifact | Self::DuplicateArch { .. } | Self::Serialize { .. } => Explanation::new(Kind::Bug, self),
            // A layout that contradicts itself.
            Self::NotALayout { .. }
            | Self::Json { .. }
            | Self::UnknownVersion { .. }
            | Self::MediaType { .. }
            | Self::NotAFile { .. }
            | Self::Misplaced(_)
            | Self::Missing { .. }
            | Self::Broken { .. }
            | Self::Changed { .. }
            | Self::TooLarge { .. }
            | Self::TooManyDocuments { .. }
            | Self::SizeMismatch { .. }
            | Self::TooLong { .. }
            | Self::Ambiguous { .. }
            | Self::DigestMismatch { .. }
            | Self::DuplicateTag { .. } => Explanation::new(Kind::Refused, self).hint(DAMAGED),
        }
    }
}

impl Error {
    /// Gives an I/O error its place, for use with `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// What a reader or writer of content said: our own error where it was one.
    pub(crate) fn read(error: io::Error, place: &Place) -> Self {
        match error.downcast() {
            Ok(error) => error,
            Err(source) => Self::Transfer { place: place.clone(), source },
        }
    }
}
