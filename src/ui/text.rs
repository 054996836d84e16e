//! What may reach a terminal.
//!
//! Text from outside (file names, package names, a child's log, an argument) may hold what a terminal
//! acts on: control characters of both sets, marks that turn the direction of writing, and
//! characters that are not seen. Here they are escaped, in text and in JSON, whose values stay the same.

pub(super) use model::words::acts as is_dangerous;
use serde::Serialize;

/// `text` in one line, with its control characters escaped.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            c => push(&mut out, c),
        }
    }
    out
}

/// As [`clean`], line by line.
pub(super) fn clean_lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join("\n")
}

/// The last gate before a stream: `text` with nothing in it that a terminal acts on but line breaks,
/// tabs and, where `color` says that this program wrote them, colours.
pub(super) fn gate(text: &str, color: bool) -> String {
    if !text.chars().any(|c| is_dangerous(c) && c != '\n' && c != '\t') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let own = if color { style(rest) } else { None };
        if let Some(length) = own {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        match c {
            '\n' | '\t' => out.push(c),
            c => push(&mut out, c),
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// The length of the sequence that sets a colour or a weight with which `text` begins, if it does.
fn style(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(end + "\x1b[m".len())
}

fn push(out: &mut String, c: char) {
    match is_dangerous(c) {
        true => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        false => out.push(c),
    }
}

/// `value` as JSON on several lines or in one, with nothing in it that a terminal acts on.
pub(super) fn json(value: &impl Serialize, pretty: bool) -> serde_json::Result<String> {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }?;
    // What is left of control characters stands in strings but for the line breaks between values:
    // serde_json has escaped those below U+0020.
    let mut out = String::with_capacity(text.len());
    let mut units = [0; 2];
    for c in text.chars() {
        if is_dangerous(c) && c != '\n' {
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    /// What a terminal acts on, or does not show.
    const HOSTILE: &str =
        "\0\x07\x08\x1b[31m\x7f\u{85}\u{9b}31m\u{61c}\u{200e}\u{202e}\u{2066}\u{2028}\u{feff}\u{e0041}";

    #[test]
    fn json_is_the_same_value_and_holds_nothing_that_a_terminal_acts_upon() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, "Gr\u{fc}\u{df}e \u{200d}\n\t\"\\"] });
        for pretty in [true, false] {
            let text = json(&value, pretty).unwrap();
            assert!(!text.chars().any(|c| is_dangerous(c) && c != '\n'), "{text}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
        assert!(json(&"\u{e0041}", false).unwrap().contains("\\udb40\\udc41"));
    }

    #[test]
    fn the_gate_lets_own_colours_pass_and_nothing_else() {
        assert_eq!(gate("a\n\tb", false), "a\n\tb");
        assert_eq!(gate("\x1b[1;31mred\x1b[0m", true), "\x1b[1;31mred\x1b[0m");
        assert_eq!(gate("\x1b[1;31mred", false), "\\u{1b}[1;31mred");
        for sequence in ["\x1b]0;title\x07", "\x1b[2J", "\x1b[", "\x1b[31", "\x1bc", "\u{9b}31m", "\r"] {
            assert!(!gate(sequence, true).chars().any(is_dangerous), "{sequence:?}");
        }
    }

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(clean("a\nb\tc\u{202e}"), "a\\u{a}b c\\u{202e}");
        assert!(!clean(HOSTILE).chars().any(is_dangerous));
    }
}
