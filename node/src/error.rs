//! What can go wrong on a node.

use std::io;
use std::path::Path;

use model::ImagePath;
use model::explain::{Explain, Explanation, Kind};

/// What can go wrong on a node.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory of the machine cannot be opened, read or written.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// A content cannot be read, or is not what its digest says.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// A program cannot be started.
    #[error(transparent)]
    Process(#[from] host::process::Error),
    /// A directory of a tree is deeper than any that is written.
    #[error("{path} is nested deeper than the {limit} directories that are written")]
    TooDeep {
        /// The directory.
        path: ImagePath,
        /// How deep the ones are that are written.
        limit: u32,
    },
    /// A file is not what its image says.
    #[error("{path} is not what its image says: its content has another digest")]
    Digest {
        /// The file.
        path: ImagePath,
    },
    /// The machine does not let a trial run.
    #[error("this machine cannot run a trial: {what}")]
    Machine {
        /// What it lacks or refuses.
        what: String,
        /// What would help.
        hint: &'static str,
    },
    /// A program of the tree said something that its version of this program does not know.
    #[error("cannot read what {program} says: {what}")]
    Words {
        /// The program or file.
        program: &'static str,
        /// What is wrong.
        what: String,
    },
}

impl Error {
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let placed = host::Error::io(action, path);
        move |source| placed(source).into()
    }
}

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        match self {
            Self::Host(error) => error.explain(),
            Self::Image(error) => error.explain(),
            Self::Process(error) => error.explain(),
            Self::TooDeep { .. } => Explanation::new(Kind::Input, self).hint("no module needs such directories"),
            Self::Digest { .. } => {
                Explanation::new(Kind::Refused, self).hint("fetch or build the module again: what is there was damaged")
            }
            Self::Machine { hint, .. } => Explanation::new(Kind::Outside, self).hint(*hint),
            Self::Words { .. } => Explanation::new(Kind::Outside, self)
                .hint("the base's systemd is newer or older than those that are known: name another base"),
        }
    }
}
