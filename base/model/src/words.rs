//! Texts from outside in messages: how much of them, and which can be shown at all.

/// The longest text of one line that is recorded as someone's own words, in bytes.
pub const LINE_LIMIT: usize = 256;

/// Whether `text` has one line, is short, and holds nothing that acts on a terminal or changes the order in
/// which a reader sees it.
#[must_use]
pub fn is_showable(text: &str) -> bool {
    text.len() <= LINE_LIMIT && !text.chars().any(acts)
}

/// Whether a terminal would act on `c`, show what follows it in another order, or show nothing at all.
///
/// The two joiners U+200C and U+200D are left: words of several languages are written with them.
#[must_use]
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Marks, embeddings, overrides and isolates of direction, and the forms that they replaced.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            // Breaks of lines and paragraphs.
            | '\u{2028}' | '\u{2029}'
            // What is not seen.
            | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}')
}

/// As much of a name or another word as a message has room for.
pub(crate) fn beginning(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A message that quotes a file, cut where it is longer than a reader's patience.
#[must_use]
pub fn shortened(text: &str) -> String {
    const MOST: usize = 400;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// A number of bytes for people: `999 B`, `3.4 MiB`.
#[allow(clippy::cast_precision_loss, reason = "a size for people to read")]
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// How many of something there are: `1 package`, `2 packages`, `0 directories`.
#[must_use]
pub fn count<N: Copy + PartialEq + From<u8> + std::fmt::Display>(number: N, one: &str) -> String {
    if number == N::from(1) {
        return format!("1 {one}");
    }
    match one.strip_suffix('y') {
        // As in directory; a word with a vowel before it, such as key, only gets the letter.
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{number} {stem}ies"),
        Some(_) | None => format!("{number} {one}s"),
    }
}

/// Names in a line: all of them, or the first of more than eight and how many follow.
#[must_use]
pub fn listed(names: &[&str]) -> String {
    const MOST: usize = 8;
    let (shown, rest) = if names.len() > MOST { names.split_at(MOST - 1) } else { (names, [].as_slice()) };
    let more = (!rest.is_empty()).then(|| format!("{} more", rest.len()));
    match (shown, more) {
        (shown, Some(more)) => format!("{} and {more}", shown.join(", ")),
        ([], None) => String::new(),
        ([one], None) => (*one).to_owned(),
        ([first @ .., last], None) => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_act_are_told_from_those_that_do_not() {
        for fine in ["", "Debian", "Débian – stable (13)", "数字"] {
            assert!(is_showable(fine), "{fine}");
        }
        for odd in ["a\nb", "a\tb", "\u{1b}[2J", "a\u{9b}b", "a\u{202e}b", "a\u{200b}b", "\u{feff}a"] {
            assert!(!is_showable(odd), "{odd:?}");
        }
        assert!(!is_showable(&"a".repeat(LINE_LIMIT + 1)));
    }

    #[test]
    fn sizes_are_for_people() {
        for (bytes, text) in [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3_565_158, "3.4 MiB")] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_count_has_the_form_of_its_number() {
        assert_eq!(
            ["package", "directory", "key"].map(|word| count(1_u64, word)),
            ["1 package", "1 directory", "1 key"]
        );
        assert_eq!(
            ["package", "directory", "key"].map(|word| count(0_u64, word)),
            ["0 packages", "0 directories", "0 keys"]
        );
        assert_eq!(count(u64::MAX, "file"), format!("{} files", u64::MAX));
    }

    #[test]
    fn of_many_names_the_first_are_listed() {
        let names: Vec<String> = (1..=9).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for (count, text) in [
            (0, ""),
            (1, "1"),
            (2, "1 and 2"),
            (3, "1, 2 and 3"),
            (8, "1, 2, 3, 4, 5, 6, 7 and 8"),
            (9, "1, 2, 3, 4, 5, 6, 7 and 2 more"),
        ] {
            assert_eq!(listed(&names[..count]), text);
        }
    }

    #[test]
    fn what_is_long_is_cut_between_two_characters() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"ä".repeat(1 << 20)).chars().count(), 403);
    }

    #[test]
    fn a_line_has_at_most_its_limit() {
        assert!(is_showable(&"a".repeat(256)) && !is_showable(&"a".repeat(257)));
        assert_eq!(beginning(&"ä".repeat(81)), "ä".repeat(80));
        let long = "a".repeat(400);
        assert_eq!(shortened(&long), long);
        assert_eq!(shortened(&format!("{long}b")), format!("{long}..."));
    }
}
