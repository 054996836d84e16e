//! The one-line style: `deb [OPTION=VALUE ...] URI SUITE [COMPONENT...]`.

use model::Position;

use super::{File, MALFORMED, Raw, Word, entries};

/// Adds the archives of `text` to `file`.
pub(super) fn read(text: &str, file: &mut File<'_>) {
    for (number, line) in text.lines().enumerate() {
        let Some(words) = words(line, number) else { continue };
        if file.is_full() {
            return;
        }
        match raw(words) {
            Ok(Some(raw)) => entries::add(&raw, file),
            Ok(None) => {}
            Err((at, what)) => file.warn(Some(at), &format!("the line is no source of apt: {what}"), MALFORMED),
        }
    }
}

/// The words before a comment; none where there is none.
fn words(line: &str, number: usize) -> Option<Vec<Word>> {
    let line_number = u32::try_from(number + 1).unwrap_or(u32::MAX);
    let before = line.split('#').next().unwrap_or_default();
    // The brackets of options stand for themselves, also where no blank is beside them; those of a URI do not.
    let mut found: Vec<Word> = Vec::new();
    let mut text = String::new();
    let mut start = 0;
    let mut is_option = false;
    for (column, c) in before.chars().chain([' ']).enumerate() {
        let opens = c == '[' && text.is_empty() && found.len() == 1;
        let closes = c == ']' && is_option;
        if (c.is_whitespace() || opens || closes) && !text.is_empty() {
            found.push(Word { text: std::mem::take(&mut text), at: at(line_number, start) });
        }
        if opens || closes {
            found.push(Word { text: c.to_string(), at: at(line_number, column) });
            is_option = opens;
        } else if !c.is_whitespace() {
            if text.is_empty() {
                start = column;
            }
            text.push(c);
        }
    }
    (!found.is_empty()).then_some(found)
}

fn at(line: u32, column: usize) -> Position {
    Position { line, column: u32::try_from(column + 1).unwrap_or(u32::MAX) }
}

type Wrong = (Position, &'static str);

/// What the words of a line say; none where it is for source packages.
fn raw(words: Vec<Word>) -> Result<Option<Raw>, Wrong> {
    let mut words = words.into_iter().peekable();
    let Some(kind) = words.next() else { return Ok(None) };
    match kind.text.as_str() {
        "deb" => {}
        "deb-src" => return Ok(None),
        _ => return Err((kind.at, "it begins with neither `deb` nor `deb-src`")),
    }
    let mut raw = Raw::default();
    if let Some(opening) = words.next_if(|word| word.text == "[") {
        loop {
            let word = words.next().ok_or((opening.at, "its options have no end"))?;
            if word.text == "]" {
                break;
            }
            let (name, value) = word.text.split_once('=').ok_or((word.at, "an option has no value"))?;
            raw.options.push((name.to_ascii_lowercase(), Word { text: value.to_owned(), at: word.at }));
        }
    }
    let uri = words.next().ok_or((kind.at, "it has no URI"))?;
    if uri.text.starts_with("cdrom:") {
        // The name of the disc, which may hold blanks, says nothing here.
        raw.uris = vec![uri];
        return Ok(Some(raw));
    }
    let suite = words.next().ok_or((uri.at, "it has no suite"))?;
    raw.components = words.collect();
    (raw.uris, raw.suites) = (vec![uri], vec![suite]);
    Ok(Some(raw))
}
