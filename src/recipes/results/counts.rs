//! How many files, links and directories a tree holds, in the words in which every verb says it.

use std::fmt;

use image::tree::{Kind, Tree};
use model::words::count;

/// What a tree holds, by name: a file of two names counts twice, and the top is a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Regular files.
    pub(crate) files: u64,
    /// Symbolic links.
    pub(crate) symlinks: u64,
    /// Directories.
    pub(crate) directories: u64,
    /// Devices, pipes, sockets.
    pub(crate) special: u64,
}

impl Counts {
    /// Those of `tree`.
    pub(crate) fn of<C>(tree: &Tree<C>) -> Self {
        let mut counts = Self::default();
        for (_, _, node) in tree.walk() {
            match &node.kind {
                Kind::Regular(_) => counts.files += 1,
                Kind::Symlink(_) => counts.symlinks += 1,
                Kind::Directory(_) => counts.directories += 1,
                Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => counts.special += 1,
            }
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, symlinks, directories, special } = *self;
        write!(f, "{}, {}, ", count(files, "file"), count(symlinks, "symbolic link"))?;
        f.write_str(&count(directories, "directory"))?;
        if special > 0 { write!(f, ", {}", count(special, "special file")) } else { Ok(()) }
    }
}
