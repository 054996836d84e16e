//! Words for messages: excerpts, lists, and the nearest known word.

/// The first line of `text` with control characters escaped, at most 80 characters.
#[must_use]
pub fn excerpt(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let mut out = String::new();
    for c in first.chars() {
        let next = if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() };
        if out.chars().count() + next.chars().count() > 80 {
            break;
        }
        out.push_str(&next);
    }
    out
}

/// Characters that a terminal would act on or would not show: controls, marks that reverse the
/// direction of text, and characters of no width.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// At most `most` characters of `text`.
pub(super) fn shorten(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// "`a`, `b` and `c`".
pub(super) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// The known word that `word` was most likely meant to be, if any is near enough.
#[must_use]
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.chars().count() > 64 {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    let score = |near: &&str| strsim::jaro_winkler(&word, &near.to_lowercase().replace('-', "_"));
    known
        .iter()
        .map(|near| (*near, score(near)))
        .filter(|(_, score)| *score >= 0.85)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(near, _)| near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_cannot_write_to_a_terminal() {
        assert_eq!(excerpt("a\x1b[31m\nb"), "a\\u{1b}[31m");
        assert_eq!(excerpt("\u{202e}x"), "\\u{202e}x");
        assert_eq!(excerpt(&"ä".repeat(100)).chars().count(), 80);
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["file_spec", "mask", "protected_spec"];
        assert_eq!(nearest("filespec", &known), Some("file_spec"));
        assert_eq!(nearest("File-Spec", &known), Some("file_spec"));
        assert_eq!(nearest("colour", &known), None);
    }
}
