//! From bytes to a tree: what must hold before a single key is looked at, and what holds for keys
//! at every level.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::check::{Check, whole_file};
use super::cursor::{Cursor, join};
use super::format::Format;
use super::text;
use super::yaml::{self, Fault, Node, Place};
use crate::diagnostic::{Diagnostic, Position};

/// The text of a document without its byte order mark, and the mark's length.
pub(super) fn decode<'t>(bytes: &'t [u8], format: &Format) -> Result<(&'t str, usize), Box<Diagnostic>> {
    if bytes.len() > yaml::MAX_BYTES {
        let (length, most) = (bytes.len(), yaml::MAX_BYTES);
        let message = format!("the file has {length} bytes, more than the {most} of a {}", format.noun);
        return Err(Box::new(whole_file("file-too-large", message, format.smaller)));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Box::new(whole_file("not-utf8", "the file is UTF-16", "save it as UTF-8")));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(Box::new(undecodable(bytes, error.valid_up_to()))),
    };
    let offset = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    if let Some(at) = text.bytes().position(|b| b < 0x20 && !b"\t\n\r".contains(&b)) {
        let message = format!("the file holds the control character U+{:04X}", bytes[at]);
        let escape = "in double quotes such a character is an escape like `\\x07`";
        let hint = format!("write the {} as plain text; {escape}", format.noun);
        return Err(Box::new(at_byte("control-character", bytes, at, message, &hint)));
    }
    Ok((text.get(offset..).unwrap_or_default(), offset))
}

fn undecodable(bytes: &[u8], at: usize) -> Diagnostic {
    let message = format!("the file is not UTF-8: byte {at} is {:#04x}", bytes.get(at).copied().unwrap_or_default());
    at_byte("not-utf8", bytes, at, message, "save it as UTF-8")
}

/// A finding at a byte of a file that no parser has seen. `bytes` is UTF-8 up to there.
fn at_byte(code: &'static str, bytes: &[u8], at: usize, message: String, hint: &str) -> Diagnostic {
    let before = String::from_utf8_lossy(&bytes[..at]);
    let before = before.strip_prefix('\u{feff}').unwrap_or(&before);
    let (mut line, mut column, mut last) = (1, 1, '\0');
    for c in before.chars() {
        match c {
            '\n' if last == '\r' => {}
            '\n' | '\r' => (line, column) = (line + 1, 1),
            _ => column += 1,
        }
        last = c;
    }
    let found = whole_file(code, message, hint).at(Position { line, column }).spanning(at, at + 1);
    found.quoting(crate::path::escape(&bytes[at..=at]))
}

/// Reads the text and reports what is wrong with it as YAML.
pub(super) fn read(check: &mut Check<'_>, text: &str) -> Option<Rc<Node>> {
    let document = yaml::read(text);
    for fault in document.faults {
        report(check, fault);
    }
    let root = document.root?;
    keys(check, &Cursor::root(&root), &mut HashSet::new());
    Some(root)
}

fn report(check: &mut Check<'_>, fault: Fault) {
    let (code, place, message, hint) = match fault {
        Fault::Syntax { place, is_tab, message } => {
            let hint = syntax_hint(&check.excerpt(place), is_tab);
            ("syntax", place, format!("this is not YAML: {message}"), hint.to_owned())
        }
        Fault::TooDeep { place } => (
            "too-deep",
            place,
            format!("lists and mappings are nested more than {} deep", yaml::MAX_DEPTH),
            "write flatter values".to_owned(),
        ),
        Fault::TooManyNodes { place, by_alias: true } => (
            "alias-expansion",
            place,
            format!("written out, the aliases give more than {} values", yaml::MAX_NODES),
            "write the values out instead of nesting aliases".to_owned(),
        ),
        Fault::TooManyNodes { place, by_alias: false } => (
            "too-many-values",
            place,
            format!("the file has more than {} keys and values", yaml::MAX_NODES),
            check.format().fewer.to_owned(),
        ),
        Fault::RecursiveAlias { place } => (
            "recursive-alias",
            place,
            "the alias stands inside the value that it repeats".to_owned(),
            "write the value out".to_owned(),
        ),
        Fault::UnknownAlias { place } => (
            "unknown-alias",
            place,
            "no anchor of this name comes before the alias".to_owned(),
            "define the anchor with `&` first, or put the text in quotes if it is no alias".to_owned(),
        ),
        Fault::SecondDocument { place } => (
            "several-documents",
            place,
            "a second document begins here".to_owned(),
            "keep one document: remove the `---` and what follows, or put it into a file of its own".to_owned(),
        ),
        Fault::Tag { place, tag } => (
            "unsupported-tag",
            place,
            format!("the tag `{}` does not fit here", text::excerpt(&tag)),
            "remove the tag".to_owned(),
        ),
        Fault::ComplexKey { place } => (
            "complex-key",
            place,
            format!("a key is a single word of at most {} characters", yaml::MAX_KEY),
            "write a short, plain key".to_owned(),
        ),
    };
    check.error_at(place, "", code, message, hint);
}

fn syntax_hint(line: &str, is_tab: bool) -> &'static str {
    if is_tab || line.starts_with('\t') {
        "indent with blanks; YAML allows no tabs there"
    } else if line.starts_with(['@', '`', '%']) {
        "put the value in quotes; no plain value starts with this character"
    } else if line.starts_with(['*', '&', '!']) {
        "put the value in quotes; a plain `*`, `&` or `!` at the start is YAML's own"
    } else if line.contains(": ") {
        "compare the indentation with the lines above, and put values that hold `: ` in quotes"
    } else {
        "compare the indentation and quotes with the lines above"
    }
}

/// Repeated keys and merge keys, at every level. A node that aliases lead to again is not walked
/// again: what is wrong with it was said.
fn keys(check: &mut Check<'_>, at: &Cursor<'_>, walked: &mut HashSet<*const Node>) {
    if !walked.insert(std::ptr::from_ref(at.node)) {
        return;
    }
    for item in at.items().filter(|item| item.scalar().is_none()) {
        keys(check, &item, walked);
    }
    let mut first: HashMap<&str, Place> = HashMap::new();
    for (key, child) in at.entries() {
        if key.plain && key.text == "<<" {
            let message = "YAML 1.2 has no merge key";
            check.error_at(key.place, child.field(), "merge-key", message, "write the merged keys out");
        } else if let Some(place) = first.get(key.text.as_str()) {
            let line = place.position.line;
            let message = format!("the key `{}` stands in line {line} already", text::excerpt(&key.text));
            let field = join(at.field(), &key.text);
            check.error_at(key.place, &field, "duplicate-key", message, "keep one of the two");
        } else {
            first.insert(&key.text, key.place);
        }
        keys(check, &child, walked);
    }
}
