//! What the errors of the host mean for whoever runs the program.

use std::io::{self, ErrorKind};
use std::path::Path;

use model::explain::{Explain, Explanation, Kind};
use rustix::io::Errno;

use crate::process;
use crate::{Error, Fault};

/// What to do where memory ran out.
pub const MEMORY: &str =
    "there is not enough memory: end other programs, or raise the limit (`ulimit -v`, the container's)";

/// What to do about an argument that could be taken for an option.
pub const FORGED: &str =
    "do not build from what names such a thing: a lock, a record or an archive was made to do harm";

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        match self {
            Self::Io { action, path, source } => io(action, path, source),
            Self::Place { fault, .. } => Explanation::new(Kind::Input, self).hint(fault.hint()),
        }
    }
}

impl Fault {
    fn hint(self) -> &'static str {
        match self {
            Self::Link | Self::Outside => "put the file or directory itself there: a link could lead to anything",
            Self::Around => "put a directory of its own there, or a link to one: all that is here would be meant",
            Self::Dangling => "fix the link, or remove it",
            Self::NotAFile(_) => "put a regular file there, or name another one",
            Self::NotADirectory(_) => "name a directory",
            Self::TooLarge { .. } => "name another file: no file of this kind is as large",
            Self::Replaced => "let no other process write into this directory while a build runs",
            Self::Foreign { .. } => "let it belong to the user who runs this, or remove it",
            Self::Writable { .. } => "let no other user write to it: `chmod go-w`",
            Self::Name => "name a file or directory by its name",
        }
    }
}

impl Explain for process::Error {
    fn explain(&self) -> Explanation<'_> {
        match self {
            Self::Argument { .. } => Explanation::new(Kind::Refused, self).hint(FORGED),
            Self::Io { source, .. } => Explanation::new(Kind::Outside, self).hint(limit(source).unwrap_or_default()),
        }
    }
}

/// What it means that the system refused to `action` what is at `path`. A path that leads nowhere is the user's to
/// fix; whatever else the system says is the machine's, also what it may say one day.
pub fn io<'a>(action: &str, path: &Path, source: &'a io::Error) -> Explanation<'a> {
    let is_loop = Errno::from_io_error(source) == Some(Errno::LOOP);
    // Threads and processes are not made at a path.
    let is_no_file = Errno::from_io_error(source) == Some(Errno::AGAIN);
    let (kind, hint) = match source.kind() {
        _ if is_loop => (Kind::Input, "a link in this path leads to itself: name another path"),
        _ if is_no_file => (Kind::Input, "nothing can be read there without waiting for it: name an ordinary file"),
        ErrorKind::NotFound => (Kind::Input, ""),
        ErrorKind::NotADirectory => (Kind::Input, "a part of this path is a file: name another path"),
        ErrorKind::IsADirectory => {
            (Kind::Input, "a directory is there, where a file is needed: remove it, or name another path")
        }
        ErrorKind::AlreadyExists => (Kind::Input, "something else is there: remove it, or name another path"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            (Kind::Outside, "make room on the file system and run the command again")
        }
        ErrorKind::PermissionDenied => (
            Kind::Outside,
            "this user may not: change the rights of the file or its directory, or run the command as another user",
        ),
        ErrorKind::ReadOnlyFilesystem => (Kind::Outside, "the file system is read-only: name a path elsewhere"),
        _ => (Kind::Outside, limit(source).unwrap_or_default()),
    };
    Explanation::under(format!("cannot {action} {}", path.display()), kind, source).hint(hint)
}

/// What to raise where a limit of the process or of the machine was met.
#[must_use]
pub fn limit(source: &io::Error) -> Option<&'static str> {
    if source.kind() == ErrorKind::OutOfMemory {
        return Some(MEMORY);
    }
    match Errno::from_io_error(source)? {
        Errno::MFILE => Some("this process may not open more files at once: raise the limit, `ulimit -n`"),
        Errno::NFILE => {
            Some("the machine has no more open files to give: raise `sysctl fs.file-max`, or end what opens them")
        }
        Errno::NOMEM => Some(MEMORY),
        Errno::FBIG => Some("this process may not write larger files: raise the limit, `ulimit -f`"),
        Errno::AGAIN => Some("this user may not start more processes or threads: raise the limit, `ulimit -u`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_the_users_and_a_full_disk_the_worlds_fault() {
        let kind = |kind: ErrorKind| io("read", Path::new("x"), &kind.into()).kind;
        assert_eq!(kind(ErrorKind::NotFound), Kind::Input);
        assert_eq!(kind(ErrorKind::StorageFull), Kind::Outside);
        assert_eq!(kind(ErrorKind::Other), Kind::Outside);
    }

    #[test]
    fn a_limit_is_named_where_one_was_met() {
        let hint = |errno: Errno| io("read", Path::new("x"), &errno.into()).hint.unwrap_or_default().into_owned();
        assert!(hint(Errno::MFILE).contains("ulimit -n"));
        assert!(hint(Errno::NOMEM).contains("ulimit -v"));
        assert!(hint(Errno::LOOP).contains("leads to itself"));
        assert!(hint(Errno::AGAIN).contains("an ordinary file") && limit(&Errno::AGAIN.into()).is_some());
        assert_eq!(hint(Errno::IO), "");
    }
}
