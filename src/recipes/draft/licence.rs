//! The licence in a package's machine-readable copyright file ("DEP-5").

use builder::deb822::{Dialect, Reader};
use model::licence::spdx;

use super::choice::Read;

/// The SPDX expression for the licence of `Files: *`; none where the file does not say it so that a program understands it.
pub(super) fn of(package: &Read) -> Option<String> {
    let path = format!("/usr/share/doc/{}/copyright", package.name);
    let (_, bytes) = package.texts.files.iter().find(|(file, _)| file.as_bytes() == path.as_bytes())?;
    let mut reader = Reader::new(bytes.as_slice(), Dialect::Sources);
    let mut licence = None;
    let mut is_first = true;
    while let Some(paragraph) = reader.paragraph() {
        let Ok(paragraph) = paragraph else { continue };
        if std::mem::take(&mut is_first) && paragraph.get("Format").is_none() {
            return None;
        }
        let files = paragraph.text("Files");
        if files.is_some_and(|files| files.split_ascii_whitespace().any(|pattern| pattern == "*")) {
            let text = paragraph.text("License")?;
            licence = text.lines().next().and_then(|short| spdx(short.trim()));
        }
    }
    licence
}
