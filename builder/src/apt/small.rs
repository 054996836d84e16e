//! Small files, read whole.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::Error;

/// The largest keyring and Release file that is read, in bytes.
const LIMIT: u64 = 64 << 20;

/// The content of the file at `path`.
pub(super) fn read_small(path: &Path) -> Result<Vec<u8>, Error> {
    read(path, LIMIT).map_err(|source| Error::Io { action: "read", path: path.to_owned(), source })
}

fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more tells a file that is larger: half a keyring would be another one.
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().to_string(), "it has more than 4 bytes");
    }
}
