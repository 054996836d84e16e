//! What it means that the files of a build are not what a build wrote.

use crate::error::Error;

/// What to do about it.
pub(crate) const REBUILD: &str = "they were damaged or changed after the build: fetch or build them again";

/// Of files that a build wrote: one that is missing, or something else in its place, is damage.
pub(crate) fn misplaced(error: host::Error) -> Error {
    match &error {
        host::Error::Place { .. } => Error::refused(error.to_string()).hint(REBUILD),
        host::Error::Io { .. } => error.into(),
    }
}
