//! From the bytes of a file to a checked value.

use serde::Serialize;

use super::check::{Check, whole_file};
use super::cursor::Cursor;
use super::format::Format;
use super::{structure, yaml};
use crate::canonical;
use crate::diagnostic::{Diagnostic, Severity};

/// What reading a document gave.
#[derive(Debug, Clone)]
pub struct Read<T> {
    /// The value; `Some` exactly when no diagnostic is an error.
    pub value: Option<T>,
    /// Everything there is to say about the file, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads the bytes of a file, which may be anything, as a document of the kind `format`; `walk` makes a value of
/// its root and reports whatever is wrong below it.
///
/// The bytes are limited to [`MAX_BYTES`](super::MAX_BYTES), the tree to [`MAX_DEPTH`](super::MAX_DEPTH) levels and
/// [`MAX_NODES`](super::MAX_NODES) values with aliases written out, the value to as many bytes of canonical JSON as
/// the file may have.
pub fn read<T: Serialize>(
    bytes: &[u8],
    format: &Format,
    walk: impl FnOnce(&mut Check<'_>, &Cursor<'_>) -> Option<T>,
) -> Read<T> {
    let (text, offset) = match structure::decode(bytes, format) {
        Ok(decoded) => decoded,
        Err(diagnostic) => return Read { value: None, diagnostics: vec![*diagnostic] },
    };
    let mut check = Check::new(text, offset, format);
    let root = structure::read(&mut check, text);
    let root = root.as_ref().map(|node| Cursor::root(node)).filter(|root| !root.is_null());
    let value = root.and_then(|root| walk(&mut check, &root));
    let mut diagnostics = check.into_diagnostics();
    if value.is_none() && diagnostics.is_empty() {
        let hint = format!("write a {}; it begins with {}", format.noun, format.begins);
        diagnostics.push(whole_file("empty-file", format!("the file holds no {}", format.noun), hint));
    }
    // Findings without a place are about the rest of the file, and come last.
    diagnostics.sort_by_key(|found| (found.position.is_none(), found.position, found.severity));
    let usable = diagnostics.iter().all(|found| found.severity != Severity::Error);
    let value = value.filter(|_| usable);
    let is_large = |value| canonical::json(value).map_or(true, |json| json.len() > yaml::MAX_BYTES);
    if value.as_ref().is_some_and(is_large) {
        let message = format!("written out as JSON the {} has more than {} bytes", format.noun, yaml::MAX_BYTES);
        diagnostics.push(whole_file("file-too-large", message, format.smaller));
        return Read { value: None, diagnostics };
    }
    Read { value, diagnostics }
}
