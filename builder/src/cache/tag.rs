//! The mark of a directory that is a cache and nothing else.
//!
//! The user can name any directory as the cache, also one with things of their own in it. It gets the mark
//! only if nothing was there before.

use host::{Dir, Links};

use super::Error;

/// The file's name, from the Cache Directory Tagging Specification: programs that make backups leave such a
/// directory out.
pub(super) const NAME: &str = "CACHEDIR.TAG";

/// How the file begins, from the specification.
const SIGNATURE: &str = "Signature: 8a477f597d28d172789f06886806bc55";

/// What distinguishes this program's caches from others'.
const OWNER: &str = "# The cache of module-builder. Everything in it can be made again.";

/// The most bytes of the file that are read.
const LIMIT: u64 = 4096;

/// Marks the directory.
pub(super) fn write(root: &Dir) -> Result<(), Error> {
    Ok(root.replace(NAME, format!("{SIGNATURE}\n{OWNER}\n").as_bytes(), 0o644)?)
}

/// Whether this program made the directory as a cache. Others make such ones, too.
pub(super) fn is_own(root: &Dir) -> bool {
    root.read(NAME, Links::Refuse, LIMIT)
        .is_ok_and(|text| text.starts_with(format!("{SIGNATURE}\n{OWNER}\n").as_bytes()))
}
