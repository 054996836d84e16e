//! What is said of extended attributes that are not kept.

use std::collections::BTreeSet;

use model::{ImagePath, Severity};

use crate::recipes::results::path_list;

/// The finding's code.
pub(crate) const CODE: &str = "file-attributes";
/// The most attributes that one finding names.
pub(crate) const MAX_NAMES: usize = 8;
/// The most files that it names.
const MAX_PATHS: usize = 3;

/// Extended attributes of a file, by their names.
pub(crate) type Attributes = (ImagePath, Vec<Box<[u8]>>);

/// What is said of the extended attributes of `of`, such as an archive of `[[file]]`; a note where they are no one's rights.
pub(crate) fn dropped(of: &str, attributes: &[Attributes]) -> Option<(Severity, String)> {
    let is_right = |name: &&[u8]| name.starts_with(b"security.") || name.starts_with(b"system.");
    let names: BTreeSet<&[u8]> = attributes.iter().flat_map(|(_, names)| names).map(|name| &**name).collect();
    let severity = if names.iter().any(is_right) { Severity::Warning } else { Severity::Note };
    let paths: Vec<ImagePath> = attributes.iter().map(|(path, _)| path.clone()).collect();
    let shown: Vec<String> = names.iter().take(MAX_NAMES).map(|name| model::path::escape(name)).collect();
    let message = format!(
        "the extended attributes of {} in {of} are not kept: {}",
        path_list::some(&paths, MAX_PATHS),
        shown.join(", ")
    );
    (!paths.is_empty()).then_some((severity, message))
}
