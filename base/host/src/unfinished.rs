//! The mark of a directory whose files are being exchanged one by one.

use std::ffi::OsStr;

use crate::dir::{Dir, Links};

/// The file that is the mark.
pub const NAME: &str = ".module-builder-unfinished";

/// What the file holds.
pub(crate) const TEXT: &[u8] =
    b"module-builder was about to replace the files in this directory. Run the build again to finish it.\n";

/// Whether `name` in `directory` is the mark of a replacing that did not come to its end. It appears whole, so that an
/// empty file of this name, or another one, is none.
pub(crate) fn is_mark(directory: &Dir, name: &OsStr) -> bool {
    name == NAME && directory.read(name, Links::Refuse, TEXT.len() as u64).is_ok_and(|text| text == TEXT)
}

/// Whether the files of `directory` were being exchanged one by one when a run was killed.
#[must_use]
pub fn is_unfinished(directory: &Dir) -> bool {
    is_mark(directory, OsStr::new(NAME))
}
