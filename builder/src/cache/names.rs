//! The names of what is in the cache.

use std::path::Path;

/// Whether `text` is `length` lowercase hexadecimal digits.
pub(super) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Whether a name is one of those that entries have.
pub(super) fn is_entry(name: &Path) -> bool {
    name.to_str().is_some_and(|name| is_hex(name, 64))
}
