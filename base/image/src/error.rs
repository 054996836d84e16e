//! What can go wrong with a tree and its forms.

use std::io;
use std::path::{Path, PathBuf};

use model::VerityDigest;
use model::explain::{Explain, Explanation, Kind};

use crate::archive::error::Problem;
use crate::composefs::ImageError;
use crate::tree::TreeError;

/// What can go wrong with a tree and its forms.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory of the host cannot be opened, read or written.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// What is at a path of the host is no longer what was seen there: written to, replaced, or gone.
    #[error("{} changed while the module was made from it", path.display())]
    ChangedMeanwhile {
        /// The file of the host.
        path: PathBuf,
    },
    /// A source of content is larger than the reader wants to hold in memory.
    #[error("{} holds {size} bytes where at most {limit} are expected", source_name.display())]
    TooLarge {
        /// The file or archive of the host.
        source_name: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The largest size that is read.
        limit: u64,
    },
    /// A file of the host has changed since the scan.
    #[error("{} changed since it was scanned: {expected} bytes expected, {found} found", source_name.display())]
    SourceChanged {
        /// The file or archive of the host.
        source_name: PathBuf,
        /// The size the scan saw.
        expected: u64,
        /// The size that was read, at most one more than expected.
        found: u64,
    },
    /// An object that an archive needs was not kept, or has another size.
    #[error("the object {digest} of {size} bytes was not kept")]
    MissingObject {
        /// The object.
        digest: VerityDigest,
        /// The size that is needed, in bytes.
        size: u64,
    },
    /// A file is not a module's archive.
    #[error("{} is not a module's archive: {problem}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A tree that cannot become an image, or bytes that are none.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The tree cannot be built as asked.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        match self {
            Self::Host(error) => error.explain(),
            Self::Image(error) => error.explain(),
            Self::Tree(error) => error.explain(),
            Self::ChangedMeanwhile { .. } | Self::SourceChanged { .. } => changed(self),
            Self::Archive { .. } => Explanation::new(Kind::Refused, self)
                .hint("the archive was damaged or changed after the build: fetch or build it again"),
            Self::MissingObject { .. } | Self::TooLarge { .. } => Explanation::new(Kind::Input, self),
        }
    }
}

/// What it means that a file is not any more what a build saw.
pub fn changed<'a>(error: &'a (dyn std::error::Error + 'static)) -> Explanation<'a> {
    Explanation::under("a file changed during the build", Kind::Outside, error)
        .hint("let nothing write to the root file system or the overlay while a build runs")
}

impl Error {
    /// Gives an I/O error its place, for use with `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let placed = host::Error::io(action, path);
        move |source| placed(source).into()
    }

    /// Gives what is wrong with an archive its place.
    pub(crate) fn archive(path: &Path) -> impl Fn(Problem) -> Self {
        let path = path.to_owned();
        move |problem| Self::Archive { path: path.clone(), problem }
    }
}
