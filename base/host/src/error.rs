//! What can go wrong with a file or directory of the host.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// What can go wrong with a file or directory of the host.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb: `read`, `write`, `create`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Something is there, but nothing that this program takes or touches.
    #[error("{} {fault}", path.display())]
    Place {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with something that is there. The text is the predicate of a sentence about the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A symbolic link stands where none is followed.
    #[error("is, or is reached by, a symbolic link, and none is followed here")]
    Link,
    /// A link or `..` leads out of the directory that it must stay in.
    #[error("leads out of its directory")]
    Outside,
    /// A link leads to the directory itself that it is in.
    #[error("leads to the directory itself that it is in")]
    Around,
    /// It is a link to what is not there.
    #[error("is a symbolic link to nothing")]
    Dangling,
    /// It is no regular file.
    #[error("is {0}, not a regular file")]
    NotAFile(Kind),
    /// It is no directory.
    #[error("is {0}, not a directory")]
    NotADirectory(Kind),
    /// It has more bytes than are read.
    #[error("is larger than the {limit} bytes that are read")]
    TooLarge {
        /// The most bytes that are read.
        limit: u64,
    },
    /// It was made by this run, and is not what was made: someone else put something in its place.
    #[error("was replaced by another process while this run used it")]
    Replaced,
    /// It is neither the caller's nor root's, so that someone else may have written it.
    #[error("belongs to another user (id {uid}), and what others wrote is not trusted")]
    Foreign {
        /// Whose it is.
        uid: u32,
    },
    /// It is the caller's or root's, but others may write to it.
    #[error("may be written to by others (mode {mode:04o}), and what others wrote is not trusted")]
    Writable {
        /// Its permissions.
        mode: u32,
    },
    /// The name is empty, `.`, `..` or holds a slash or a NUL.
    #[error("is no name of a file in a directory")]
    Name,
}

/// What a path names, as messages say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
    /// Something that this program does not know.
    Unknown,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Link => "a symbolic link",
            Self::Pipe => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Unknown => "something unknown",
        })
    }
}

impl From<rustix::fs::FileType> for Kind {
    fn from(kind: rustix::fs::FileType) -> Self {
        use rustix::fs::FileType;
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            FileType::Fifo => Self::Pipe,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice | FileType::BlockDevice => Self::Device,
            FileType::Unknown => Self::Unknown,
        }
    }
}

impl Error {
    /// Gives an error of the operating system its place, for use with `map_err`.
    pub fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: source.into() }
    }

    pub(crate) fn place(path: &Path, fault: Fault) -> Self {
        Self::Place { path: path.to_owned(), fault }
    }

    /// What a system call that resolves a path under restrictions said of it.
    pub(crate) fn resolved(action: &'static str, path: &Path, errno: Errno) -> Self {
        match errno {
            Errno::XDEV => Self::place(path, Fault::Outside),
            Errno::LOOP => Self::place(path, Fault::Link),
            errno => Self::io(action, path)(errno),
        }
    }

    /// Whether there is nothing at the path.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// The file or directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. } | Self::Place { path, .. } => path,
        }
    }
}
