//! Patterns of paths: `*` is any part of one component, `**` is any number of components.

use model::ImagePath;

/// Whether `path` is what `pattern` says; see [`super::Rule::paths`].
pub(crate) fn matches(pattern: &str, path: &ImagePath) -> bool {
    // What stands before the first and after the last star must stand in the path. This settles
    // almost every path of a tree, of which each meets each pattern.
    let (bytes, text) = (path.as_bytes(), pattern.as_bytes());
    let start = text.split(|b| *b == b'*').next().unwrap_or_default();
    let end = text.rsplit(|b| *b == b'*').next().unwrap_or_default();
    // `**/` may stand for nothing, so that the slash after it need not be there.
    let end = end.strip_prefix(b"/").filter(|_| end.len() < text.len()).unwrap_or(end);
    if !bytes.starts_with(start) || !bytes.ends_with(end) {
        return false;
    }
    let wanted: Vec<&[u8]> = pattern.as_bytes()[1..].split(|b| *b == b'/').collect();
    let components: Vec<&[u8]> = path.components().collect();
    matches_components(&wanted, &components)
}

fn matches_components(wanted: &[&[u8]], components: &[&[u8]]) -> bool {
    match wanted.split_first() {
        None => components.is_empty(),
        // At the end `**` is one component or more: `/tmp/**` is not `/tmp`.
        Some((&b"**", [])) => !components.is_empty(),
        Some((&b"**", rest)) => (0..=components.len()).any(|skip| matches_components(rest, &components[skip..])),
        Some((first, rest)) => components
            .split_first()
            .is_some_and(|(name, below)| matches_name(first, name) && matches_components(rest, below)),
    }
}

fn matches_name(wanted: &[u8], name: &[u8]) -> bool {
    match wanted.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| matches_name(rest, &name[skip..])),
        Some((first, rest)) => name.split_first().is_some_and(|(b, below)| b == first && matches_name(rest, below)),
    }
}
