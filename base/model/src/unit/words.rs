//! Words of a value: blanks separate, quotes join (`systemd.syntax(7)`, "Quoting").

use super::MAX_WORDS;
use super::lines::is_blank;

/// A word of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// The word without its quotes, escapes replaced.
    pub(super) text: String,
    /// Whether it is a `;` that separates commands.
    pub(super) separates: bool,
}

/// The words of a command line. None where quotes do not end or there are too many words: systemd passes over
/// such a line.
pub(super) fn command(value: &str) -> Option<Vec<Word>> {
    split(value, true)
}

/// The words of a list of names, in which a backslash is a character as any other (`dev-disk\x2d1.mount`).
pub(super) fn names(value: &str) -> Vec<String> {
    split(value, false).unwrap_or_default().into_iter().map(|word| word.text).collect()
}

/// The words of a variable's value: blanks separate, quotes join, a backslash takes the next character as it is. Quotes need
/// not end.
pub(super) fn unquoted(value: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\\', _) => word.get_or_insert_default().extend(rest.next()),
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if is_blank(c) || c == '\n' => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words.truncate(MAX_WORDS);
    words
}

fn split(value: &str, escapes: bool) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = value.trim_start_matches(is_blank);
    while !rest.is_empty() {
        if words.len() == MAX_WORDS {
            return None;
        }
        let (text, after) = word(rest, escapes)?;
        let raw = &rest[..rest.len() - after.len()];
        // `\;` is the word that is no separator.
        let is_plain = escapes && raw == "\\;";
        let text = if is_plain { ";".to_owned() } else { text };
        words.push(Word { text, separates: raw == ";" });
        rest = after.trim_start_matches(is_blank);
    }
    Some(words)
}

/// The word that `text` begins with, and what follows it.
fn word(text: &str, escapes: bool) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut quote = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match (c, quote) {
            (c, None) if is_blank(c) => return Some((word, rest)),
            ('\\', _) if escapes => {
                let (c, after) = escaped(after);
                word.push(c);
                rest = after;
                continue;
            }
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, _) => word.push(c),
        }
        rest = after;
    }
    quote.is_none().then_some((word, rest))
}

/// What the escape after a backslash means, and what follows it. One that means nothing leaves the backslash.
fn escaped(text: &str) -> (char, &str) {
    let Some(kind) = text.chars().next() else { return ('\\', text) };
    let simple = match kind {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        's' => ' ',
        '\\' | '"' | '\'' => kind,
        'x' => return numbered(text, 1, 2, 16),
        'u' => return numbered(text, 1, 4, 16),
        'U' => return numbered(text, 1, 8, 16),
        '0'..='7' => return numbered(text, 0, 3, 8),
        _ => return ('\\', text),
    };
    (simple, &text[1..])
}

/// A character by its number: `digits` of them from byte `at`. A byte over 127 is no character of its own and is
/// left as it is written.
fn numbered(text: &str, at: usize, digits: usize, radix: u32) -> (char, &str) {
    let number = text.get(at..at + digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let number = number.and_then(|digits| u32::from_str_radix(digits, radix).ok());
    let wide = matches!(text.as_bytes().first(), Some(b'u' | b'U'));
    match number.filter(|number| *number != 0 && (wide || *number < 128)).and_then(char::from_u32) {
        Some(c) => (c, &text[at + digits..]),
        None => ('\\', text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        command(line).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_joined_by_quotes() {
        for (line, wanted) in [
            (" a  b\tc ", &["a", "b", "c"][..]),
            ("'a b' \"c d\"", &["a b", "c d"]),
            ("a'b'c", &["abc"]),
            ("'' x", &["", "x"]),
            ("\"a\\\"b\"", &["a\"b"]),
            ("\"a'b\" 'c\"d'", &["a'b", "c\"d"]),
            ("", &[]),
        ] {
            assert_eq!(texts(line), wanted, "{line}");
        }
        for open in ["'open x", "\"", "a b\"c"] {
            assert_eq!(command(open), None, "{open}");
        }
    }

    #[test]
    fn escapes_are_those_of_c_and_others_stay() {
        for (line, wanted) in [
            ("a\\sb\\tc", "a b\tc"),
            ("\\x41\\101\\u00e9\\U0001F600", "AA\u{e9}\u{1f600}"),
            ("\\q\\", "\\q\\"),
            ("\\x4\\x00\\xff\\400\\ud800", "\\x4\\x00\\xff\\400\\ud800"),
            ("\\x\u{e9}", "\\x\u{e9}"),
            ("\\x+1", "\\x+1"),
        ] {
            assert_eq!(texts(line), [wanted], "{line}");
        }
        assert_eq!(names("a\\x2db.mount 'c\\d'"), ["a\\x2db.mount", "c\\d"]);
    }

    #[test]
    fn a_semicolon_of_its_own_separates() {
        let read = command("a ; b \\; \";\" c;").unwrap();
        let separates: Vec<_> = read.iter().map(|word| (word.text.as_str(), word.separates)).collect();
        let wanted = [("a", false), (";", true), ("b", false), (";", false), (";", false), ("c;", false)];
        assert_eq!(separates, wanted);
    }

    #[test]
    fn a_line_of_too_many_words_says_nothing() {
        assert_eq!(command(&"a ".repeat(MAX_WORDS)).map(|words| words.len()), Some(MAX_WORDS));
        assert_eq!(command(&"a ".repeat(MAX_WORDS + 1)), None);
    }
}
