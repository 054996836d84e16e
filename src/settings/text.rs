//! The bytes of a settings file, and why there are none.

use std::io::Read as _;
use std::path::Path;

use host::{Dir, Links};

use crate::error::Error;

/// The largest settings file in bytes; one is a handful of lines.
pub(super) const LIMIT: u64 = 1 << 20;
const HINT: &str = "fix or remove this settings file";

/// Whether there is no such file: then it matters to no one who owns the way to it.
pub(super) fn is_absent(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// The file's bytes, one more than the limit at most; none when there is no such file.
///
/// The user's and the machine's may be links, as people keep them who keep their settings elsewhere. The
/// module's may not lead out of the module: what is wrong in it is shown.
pub(super) fn read(path: &Path, is_module: bool) -> Result<Option<Vec<u8>>, host::Error> {
    if is_absent(path) {
        return Ok(None);
    }
    let opened = if is_module {
        Dir::parent_of(path).and_then(|(directory, name)| directory.file(name, Links::Below))
    } else {
        host::open::file(path)
    };
    let is_missing = |source: &std::io::Error| {
        matches!(source.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
    };
    let file = match opened {
        Err(host::Error::Io { source, .. }) if is_missing(&source) => return Ok(None),
        // The verb will say that the module is a file.
        Err(host::Error::Place { fault: host::Fault::NotADirectory(_), .. }) => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(host::Error::io("read", path))?;
    Ok(Some(bytes))
}

/// Why the settings file at `path` could not be read.
pub(super) fn failure(path: &Path, failed: &host::Error) -> Error {
    match failed {
        // Not the file's fault.
        host::Error::Io { source, .. } if host::explain::limit(source).is_some() => Error::from(failed),
        // What the file says is not what is in the way.
        host::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Error::io("read", path, source)
        }
        host::Error::Io { source, .. } => Error::io("read", path, source).hint(HINT),
        host::Error::Place { fault: host::Fault::NotAFile(_), .. } => Error::from(failed).hint(HINT),
        host::Error::Place { .. } => Error::from(failed),
    }
}
