//! The names of what is in the cache.

use std::path::Path;

use super::tag;

/// What is in a cache's directory.
pub(super) const NAMES: [&str; 12] = [
    tag::NAME,
    "apt",
    "computed",
    "controls",
    "debs",
    "digests",
    "files",
    "listings",
    "locks",
    "records",
    "rootfs",
    "tmp",
];

/// Whether `text` is `length` lowercase hexadecimal digits.
pub(super) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Whether a name is one of those that entries have.
pub(super) fn is_entry(name: &Path) -> bool {
    name.to_str().is_some_and(|name| is_hex(name, 64))
}

/// Whether `name` is that of a root file system in the making, or of an entry that was put aside: its subdirectory,
/// its key, and an `x` for each that had the name already.
pub(super) fn is_aside(name: &str) -> bool {
    let key = name.split_once('-').filter(|(subdir, _)| NAMES.contains(subdir)).map(|(_, key)| key);
    key.is_some_and(|key| is_hex(key.trim_end_matches('x'), 64))
}
