//! Looking at an object that exists.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use model::VerityDigest;

use crate::error::Error;
use crate::verity::Hasher;

/// How many bytes are read at once.
const CHUNK: usize = 1 << 18;

/// The fs-verity digest of the file at `path`.
pub(super) fn digest_of(path: &Path) -> Result<VerityDigest, Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path)(error)),
        }
    }
}
