//! Files that the user named: links are followed, since the user may point where they like, and what is no
//! regular file is refused before it is opened, since opening a pipe can wait for ever and opening a device
//! can do something.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags};

use crate::error::{Error, Fault};

/// Opens the regular file that `path` leads to, for reading.
///
/// # Errors
/// When there is none, it cannot be opened, or something else than a regular file is there.
pub fn file(path: &Path) -> Result<File, Error> {
    let opened = |flags| rustix::fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty());
    let found = opened(OFlags::PATH).map_err(Error::io("read", path))?;
    check_regular(&found, path)?;
    let file = opened(READ).map_err(Error::io("read", path))?;
    // Between the two calls something else may have come there.
    check_regular(&file, path)?;
    Ok(file.into())
}

/// Checks what another program is about to read: that `path` leads to a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`file()`], and when it has more than `limit` bytes.
pub fn check(path: &Path, limit: u64) -> Result<(), Error> {
    match file(path)?.metadata().map_err(Error::io("read", path))?.len() {
        size if size > limit => Err(Error::place(path, Fault::TooLarge { limit })),
        _ => Ok(()),
    }
}

/// The content of the regular file that `path` leads to.
///
/// # Errors
/// As [`file()`], and when it has more than `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    read_all(file(path)?, path, limit)
}

/// As [`read`]; none when there is nothing at `path`.
///
/// # Errors
/// As [`read`].
pub fn read_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    match read(path, limit) {
        Err(error) if error.is_not_found() => Ok(None),
        read => read.map(Some),
    }
}

/// The terminal of whoever started this program, for reading and writing.
///
/// # Errors
/// When there is none.
pub fn terminal() -> std::io::Result<File> {
    Ok(rustix::fs::openat(CWD, "/dev/tty", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// The first `limit` bytes of a file that the kernel makes up.
#[allow(clippy::disallowed_methods, reason = "a fixed name below /proc is no user's place")]
pub(crate) fn proc(path: &str, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How a file from outside is opened: never waiting, never as this process' terminal.
pub(crate) const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

pub(crate) fn check_regular(file: impl std::os::fd::AsFd, path: &Path) -> Result<(), Error> {
    let stat = rustix::fs::fstat(file).map_err(Error::io("read", path))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        kind => Err(Error::place(path, Fault::NotAFile(kind.into()))),
    }
}

/// Reads `file` to its end, `limit` bytes at most.
pub(crate) fn read_all(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    // Before any of it is read: a file of holes costs its owner nothing.
    if file.metadata().map_err(Error::io("read", path))?.len() > limit {
        return Err(Error::place(path, Fault::TooLarge { limit }));
    }
    let mut bytes = Vec::new();
    // One byte more shows a file that is larger: half of it would be another one.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::place(path, Fault::TooLarge { limit }));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::error::Kind;

    fn fault(result: Result<Vec<u8>, Error>) -> Fault {
        match result {
            Err(Error::Place { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all_and_links_to_it_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&path, "12345").unwrap();
        symlink("file", &link).unwrap();
        assert_eq!(read(&link, 5).unwrap(), b"12345");
        assert_eq!(fault(read(&path, 4)), Fault::TooLarge { limit: 4 });
        assert!(read_if_there(&folder.path().join("none"), 5).unwrap().is_none());
        assert!(read(&folder.path().join("none"), 5).unwrap_err().is_not_found());
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_being_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(fault(read(&pipe, 5)), Fault::NotAFile(Kind::Pipe));
        let socket = folder.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert_eq!(fault(read(&socket, 5)), Fault::NotAFile(Kind::Socket));
        assert_eq!(fault(read(folder.path(), 5)), Fault::NotAFile(Kind::Directory));
        assert_eq!(fault(read(Path::new("/dev/zero"), 5)), Fault::NotAFile(Kind::Device));
    }
}
