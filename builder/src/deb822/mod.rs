//! Paragraphs of fields, as Debian's files have them: Packages, Release, dpkg's status, control files, apt's sources.
//!
//! Read as a stream, a paragraph at a time, in the bytes that are there: old files are not always UTF-8. Sources of
//! the format: `deb822(5)`, Debian policy 5.1, and what dpkg and apt do where these are silent (decision 20).

use std::borrow::Cow;
use std::io::{self, BufRead, Read as _};
use std::ops::Range;

/// The most bytes of one paragraph: no more than of a package's whole control archive. Debian's largest has 75 KiB.
pub const PARAGRAPH_LIMIT: usize = 64 << 20;

/// The most fields of one paragraph. Debian's have about thirty.
pub const FIELD_LIMIT: usize = 1000;

/// How strict a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// What tools write: Packages, Release, dpkg's status. As apt reads it: of a field that comes twice the last
    /// counts, and a line of blanks belongs to the value before it.
    Index,
    /// What people write: as [`Dialect::Index`], and a line that begins with `#` is a comment.
    Sources,
    /// What dpkg takes from a package: names of printable ASCII that come once, no line of blanks.
    Control,
}

/// Why a paragraph cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The input cannot be read.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
    /// A line is not as it must be.
    #[error("line {line} {what}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// One paragraph: fields in their order.
#[derive(Debug, Default)]
pub struct Paragraph {
    /// The lines that count, without their ends and with a line break before each.
    text: Vec<u8>,
    fields: Vec<Span>,
}

#[derive(Debug)]
struct Span {
    name: Range<usize>,
    value: Range<usize>,
}

impl Paragraph {
    /// Every field in its order, the name as it is written. A value has no blanks around its first line; each further
    /// line follows a line break and keeps its leading blank.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (&self.text[field.name.clone()], &self.text[field.value.clone()]))
    }

    /// The value of a field, its case ignored; of the last where it comes twice.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let is = |field: &&Span| self.text[field.name.clone()].eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().rev().find(is).map(|field| &self.text[field.value.clone()])
    }

    /// As [`Paragraph::get`], with a mark in the place of what is not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(String::from_utf8_lossy)
    }

    fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
    }
}

/// Reads paragraphs. It holds one at a time, in one buffer.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    dialect: Dialect,
    paragraph: Paragraph,
    line: u64,
    ended: bool,
}

/// What a line is for the paragraph.
enum Line {
    Taken,
    Empty,
    End,
}

impl<R: BufRead> Reader<R> {
    /// A reader from the beginning of `input`.
    pub fn new(input: R, dialect: Dialect) -> Self {
        Self { input, dialect, paragraph: Paragraph::default(), line: 0, ended: false }
    }

    /// The next paragraph; none at the end. After a damaged one reading goes on with the next, unless the input cannot
    /// be read or has no end.
    ///
    /// # Errors
    /// The first [`Fault`] of the paragraph.
    pub fn paragraph(&mut self) -> Option<Result<&Paragraph, Fault>> {
        self.paragraph.clear();
        let mut fault = None;
        while !self.ended {
            match self.take_line() {
                Ok(Line::Taken) if fault.is_none() => {}
                Ok(Line::Empty) if fault.is_none() && self.paragraph.fields.is_empty() => {}
                Ok(Line::Empty | Line::End) => break,
                // Nothing of a damaged paragraph is kept.
                Ok(Line::Taken) => self.paragraph.clear(),
                Err(found) => {
                    self.paragraph.clear();
                    fault.get_or_insert(found);
                }
            }
        }
        match fault {
            Some(fault) => Some(Err(fault)),
            None => (!self.paragraph.fields.is_empty()).then_some(Ok(&self.paragraph)),
        }
    }

    fn take_line(&mut self) -> Result<Line, Fault> {
        let start = self.paragraph.text.len();
        if !self.append_line()? {
            return Ok(Line::End);
        }
        let fault = |what| Fault::Line { line: self.line, what };
        let Paragraph { text, fields } = &mut self.paragraph;
        let line = &text[start + 1..];
        let is_strict = self.dialect == Dialect::Control;
        let is_blank = || line.trim_ascii().is_empty();
        if line.is_empty() || line[0] == b'\r' && line.iter().all(|byte| *byte == b'\r') {
            text.truncate(start);
            return Ok(Line::Empty);
        }
        if line[0] == b'#' && self.dialect == Dialect::Sources {
            text.truncate(start);
        } else if is_strict && is_blank() {
            return Err(fault("holds nothing but blanks"));
        } else if line[0] == b' ' || line[0] == b'\t' {
            match fields.last_mut() {
                Some(field) => field.value.end = text.len(),
                // Before a paragraph it is as good as an empty one.
                None if is_blank() => text.truncate(start),
                None => return Err(fault("continues no field")),
            }
        } else {
            let field = field(text, start + 1, is_strict).map_err(fault)?;
            let name = &text[field.name.clone()];
            let is_known = |other: &Span| text[other.name.clone()].eq_ignore_ascii_case(name);
            if is_strict && fields.iter().any(is_known) {
                return Err(fault("has a field that comes twice"));
            }
            if fields.len() >= FIELD_LIMIT {
                return Err(fault("is in a paragraph of more than 1000 fields"));
            }
            text.truncate(field.value.end);
            fields.push(field);
        }
        Ok(Line::Taken)
    }

    /// Appends a line break and the next line without its own to the text; false at the end.
    fn append_line(&mut self) -> Result<bool, Fault> {
        let text = &mut self.paragraph.text;
        let start = text.len();
        text.push(b'\n');
        self.line += 1;
        // One byte more shows a paragraph that is too large.
        let room = PARAGRAPH_LIMIT.saturating_sub(start) + 1;
        let read = self.input.by_ref().take(room as u64).read_until(b'\n', text);
        let count = text.len() - start - 1;
        let is_whole = count > 0 && text.last() == Some(&b'\n');
        // What follows a cut is no line.
        let is_cut = !is_whole && count == room;
        self.ended = read.is_err() || is_cut || count == 0;
        read?;
        if is_cut {
            return Err(Fault::Line { line: self.line, what: "is in a paragraph of more than 64 MiB" });
        }
        text.truncate(if count == 0 { start } else { text.len() - usize::from(is_whole) });
        Ok(count > 0)
    }
}

/// The field on the line that begins at `start`.
fn field(text: &[u8], start: usize, is_strict: bool) -> Result<Span, &'static str> {
    let line = text[start..].trim_ascii_end();
    let colon = line.iter().position(|byte| *byte == b':').ok_or("has no colon")?;
    let (name, value) = (line[..colon].trim_ascii_end(), line[colon + 1..].trim_ascii_start());
    let is_sound = || line[0] != b'-' && line[..colon].iter().all(u8::is_ascii_graphic);
    if name.is_empty() || is_strict && !is_sound() {
        return Err("has no usable name of a field");
    }
    let end = start + line.len();
    Ok(Span { name: start..start + name.len(), value: end - value.len()..end })
}

#[cfg(test)]
mod tests;
