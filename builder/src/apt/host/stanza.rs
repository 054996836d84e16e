//! The deb822 style: a paragraph of fields for archives that have all else in common.

use model::Position;

use super::{File, MALFORMED, Raw, Word, entries};
use crate::deb822::{Dialect, Fault, Paragraph, Reader};

/// The fields that are options, and their names in one-line style.
const OPTIONS: [(&str, &str); 11] = [
    ("Architectures", "arch"),
    ("Architectures-Add", "arch+"),
    ("Architectures-Remove", "arch-"),
    ("Signed-By", "signed-by"),
    ("Trusted", "trusted"),
    ("Allow-Insecure", "allow-insecure"),
    ("Allow-Weak", "allow-weak"),
    ("Allow-Downgrade-To-Insecure", "allow-downgrade-to-insecure"),
    ("Check-Valid-Until", "check-valid-until"),
    ("Check-Date", "check-date"),
    ("Snapshot", "snapshot"),
];

/// Adds the archives of `text` to `file`.
pub(super) fn read(text: &str, file: &mut File<'_>) {
    let lines: Vec<&str> = text.lines().collect();
    let mut reader = Reader::new(text.as_bytes(), Dialect::Sources);
    loop {
        let first = usize::try_from(reader.line()).unwrap_or(usize::MAX);
        let Some(paragraph) = reader.paragraph() else { return };
        if file.is_full() {
            return;
        }
        let places = Places { lines: lines.get(first..).unwrap_or_default(), first };
        match paragraph {
            Ok(paragraph) => match raw(paragraph, &places) {
                Ok(Some(raw)) => entries::add(&raw, file),
                Ok(None) => {}
                Err(missing) => {
                    let what = format!("the paragraph is no source of apt: it has no field {missing}");
                    file.warn(Some(places.start()), &what, MALFORMED);
                }
            },
            Err(fault) => {
                let line = match &fault {
                    Fault::Line { line, .. } => u32::try_from(*line).unwrap_or(u32::MAX),
                    Fault::Io(_) => 1,
                };
                let at = Position { line, column: 1 };
                file.warn(Some(at), &format!("the paragraph is no source of apt: {fault}"), MALFORMED);
            }
        }
    }
}

/// What a paragraph says, or the field that it lacks; none where it is disabled or for source packages.
fn raw(paragraph: &Paragraph, places: &Places<'_>) -> Result<Option<Raw>, &'static str> {
    let text = |name: &str| paragraph.text(name).map(|text| text.into_owned());
    let is_off = text("Enabled").is_some_and(|word| entries::boolean(word.trim()) == Some(false));
    let types = text("Types").ok_or("Types")?;
    if is_off || !types.split_whitespace().any(|word| word == "deb") {
        return Ok(None);
    }
    let words = |name: &str| places.words(name, &text(name).unwrap_or_default());
    let (uris, suites, components) = (words("URIs"), words("Suites"), words("Components"));
    if uris.is_empty() || suites.is_empty() {
        return Err(if uris.is_empty() { "URIs" } else { "Suites" });
    }
    let option = |(field, name): &(&str, &str)| {
        let value = text(field)?;
        Some(((*name).to_owned(), Word { at: places.of(field, ""), text: value }))
    };
    Ok(Some(Raw { uris, suites, components, options: OPTIONS.iter().filter_map(option).collect() }))
}

/// The lines of a text from the one at which a paragraph was looked for.
struct Places<'a> {
    lines: &'a [&'a str],
    first: usize,
}

impl Places<'_> {
    /// The words of the field `name`, whose value is `value`.
    fn words(&self, name: &str, value: &str) -> Vec<Word> {
        value.split_whitespace().map(|word| Word { text: word.to_owned(), at: self.of(name, word) }).collect()
    }

    /// Where the paragraph begins.
    fn start(&self) -> Position {
        let is_text = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
        self.position(self.lines.iter().position(is_text).unwrap_or(0), 0)
    }

    /// Where `word` stands in the field `name`; the field's name where it is empty or cannot be found.
    fn of(&self, name: &str, word: &str) -> Position {
        let is_field =
            |line: &str| line.split_once(':').is_some_and(|(field, _)| field.trim_end().eq_ignore_ascii_case(name));
        let Some(number) = self.lines.iter().position(|line| is_field(line)) else { return self.start() };
        let continues = |line: &&&str| line.starts_with([' ', '\t', '#']);
        let further = self.lines.get(number + 1..).unwrap_or_default().iter().take_while(continues).count();
        let value = self.lines.get(number..=number + further).unwrap_or_default();
        let found = value.iter().enumerate().filter(|(_, line)| !line.starts_with('#') && !word.is_empty());
        let mut found = found.filter_map(|(below, line)| Some((below, column(line, word)?)));
        found.next().map_or_else(|| self.position(number, 0), |(below, column)| self.position(number + below, column))
    }

    fn position(&self, number: usize, column: usize) -> Position {
        let number_of = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        Position { line: number_of(self.first.saturating_add(number)), column: number_of(column) }
    }
}

/// Where `word` stands in `line` as a whole, in characters.
fn column(line: &str, word: &str) -> Option<usize> {
    let is_end = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || c == ':');
    let mut places = line.match_indices(word).map(|(start, _)| start);
    let start = places.find(|start| {
        let (before, after) =
            (line.get(..*start).unwrap_or_default(), line.get(start + word.len()..).unwrap_or_default());
        is_end(before.chars().next_back()) && is_end(after.chars().next())
    })?;
    Some(line.get(..start)?.chars().count())
}
