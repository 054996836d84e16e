//! Paths in a sentence.

use model::ImagePath;

/// `/a, /b, /c and 4 others`: at most `most` of `paths` by name.
pub(crate) fn some(paths: &[ImagePath], most: usize) -> String {
    let named: Vec<String> = paths.iter().take(most).map(ToString::to_string).collect();
    match paths.len().saturating_sub(most) {
        0 => named.join(", "),
        1 => format!("{} and 1 other", named.join(", ")),
        more => format!("{} and {more} others", named.join(", ")),
    }
}
