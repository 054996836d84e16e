//! The errors of `host`.

use std::io;
use std::path::PathBuf;

use host::error::Kind;
use host::{Error, Fault, process};
use rustix::io::Errno;

use crate::rows;

fn place(fault: Fault) -> Error {
    Error::Place { path: PathBuf::from("x"), fault }
}

pub(crate) fn system(errno: Errno) -> Error {
    Error::io("read", "x".as_ref())(errno)
}

const SYSTEM: [(&str, Errno); 15] = [
    ("NOENT", Errno::NOENT),
    ("NOTDIR", Errno::NOTDIR),
    ("ISDIR", Errno::ISDIR),
    ("EXIST", Errno::EXIST),
    ("LOOP", Errno::LOOP),
    ("NOSPC", Errno::NOSPC),
    ("DQUOT", Errno::DQUOT),
    ("ACCESS", Errno::ACCESS),
    ("ROFS", Errno::ROFS),
    ("MFILE", Errno::MFILE),
    ("NFILE", Errno::NFILE),
    ("NOMEM", Errno::NOMEM),
    ("FBIG", Errno::FBIG),
    ("AGAIN", Errno::AGAIN),
    ("IO", Errno::IO),
];

pub(crate) fn rows() -> Vec<String> {
    let mut rows = Vec::from(SYSTEM.map(|(name, errno)| crate::shown(&format!("host::Io {name}"), &system(errno))));
    rows.extend(rows!("host", Error:
        Error::Io { .. } => system(Errno::IO),
        Error::Place { fault: Fault::Link, .. } => place(Fault::Link),
        Error::Place { fault: Fault::Outside, .. } => place(Fault::Outside),
        Error::Place { fault: Fault::Around, .. } => place(Fault::Around),
        Error::Place { fault: Fault::Dangling, .. } => place(Fault::Dangling),
        Error::Place { fault: Fault::NotAFile(_), .. } => place(Fault::NotAFile(Kind::Pipe)),
        Error::Place { fault: Fault::NotADirectory(_), .. } => place(Fault::NotADirectory(Kind::File)),
        Error::Place { fault: Fault::TooLarge { .. }, .. } => place(Fault::TooLarge { limit: 1 }),
        Error::Place { fault: Fault::Replaced, .. } => place(Fault::Replaced),
        Error::Place { fault: Fault::Foreign { .. }, .. } => place(Fault::Foreign { uid: 1 }),
        Error::Place { fault: Fault::Writable { .. }, .. } => place(Fault::Writable { mode: 0o777 }),
        Error::Place { fault: Fault::Name, .. } => place(Fault::Name),
    ));
    rows.extend(rows!("process", process::Error:
        process::Error::Argument { .. } => process::Error::Argument { program: "apt".to_owned(), argument: "-x".to_owned() },
        process::Error::Io { .. } => process::Error::Io { program: "apt".to_owned(), source: io::ErrorKind::NotFound.into() },
    ));
    rows
}
