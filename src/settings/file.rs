//! One settings file in TOML: every error of it at once, each with its place.

use std::ops::Range;
use std::path::{Component, Path};

use host::{Dir, Fault, Links};
use model::{Diagnostic, FileName, Position, Severity};
use net::url::redact;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file_inputs;
use super::origin::Origin;
use super::parse::{Entry, Input, Place, Table, Wrong, meant};
use super::rows::{ROWS, Row, Slots};
use super::setting::{Owner, own_variable};
use super::text::LIMIT;
use crate::error::Findings;

/// What other tools call some settings.
const SYNONYMS: [(&str, &str); 7] = [
    ("archives", "repository"),
    ("distribution", "suite"),
    ("download", file_inputs::NAME),
    ("release", "suite"),
    ("source", "repository"),
    ("sources", "repository"),
    ("url", file_inputs::NAME),
];

/// A settings file by its name and its text.
pub(super) struct File<'a> {
    name: FileName,
    text: &'a str,
    /// Where its lines begin.
    lines: Vec<usize>,
    directory: &'a Path,
    is_module: bool,
}

/// Adds to `findings` what a file gives besides `row`, which holds that setting and nothing else.
pub(super) fn check_alone(path: &Path, row: &Row, slots: &Slots, findings: &mut Findings) {
    let name = FileName::from(path);
    let finding = |other: &str| {
        let message = format!("`{other}` is no part of a table of {}", row.name());
        whole(&name, "misplaced-setting", &message, &format!("leave [{}] alone in the file", row.name()))
    };
    findings.diagnostics.extend(slots.others(row.name()).into_iter().map(finding));
}

/// Adds what the file says to `slots`, and what is wrong with it to `findings`.
pub(super) fn parse(path: &Path, bytes: Vec<u8>, is_module: bool, slots: &mut Slots, findings: &mut Findings) {
    let name = FileName::from(path);
    let before = findings.diagnostics.len();
    if bytes.len() as u64 > LIMIT {
        let whole = whole(&name, "too-large", "the file is over 1 MiB", "a settings file is a handful of lines");
        findings.diagnostics.push(whole);
        return;
    }
    match std::str::from_utf8(&bytes) {
        Err(_) => {
            let whole = whole(&name, "not-utf8", "the file is not UTF-8 text", "write it in UTF-8");
            findings.diagnostics.push(whole);
        }
        Ok(text) => {
            let directory = path.parent().unwrap_or(Path::new(""));
            File::new(name.clone(), text, directory, is_module).read(slots, findings);
        }
    }
    // Later findings point into the module's own, too.
    if is_module || findings.diagnostics.len() > before {
        findings.sources.insert(name.to_string(), bytes);
    }
}

fn whole(name: &FileName, code: &'static str, message: &str, hint: &str) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, message, hint).in_file(name.clone())
}

/// Every path that a value gives, with its place.
pub(super) fn places<'a>(row: &Row, input: &Input<'a>, span: Range<usize>) -> Vec<(&'a str, Range<usize>)> {
    match (row.place(), input) {
        (Some(Place::Value), Input::Text(text)) => vec![(*text, span)],
        (Some(Place::Key(key)), Input::Tables(tables)) => {
            let entries = tables.iter().flat_map(|table| &table.entries).filter(|entry| entry.name == key);
            let place = |entry: &Entry<'a>| match entry.value {
                Input::Text(text) => Some((text, entry.span.clone())),
                Input::List(_)
                | Input::Tables(_)
                | Input::Table(_)
                | Input::Number(_)
                | Input::Bool(_)
                | Input::Other => None,
            };
            entries.filter_map(place).collect()
        }
        // Of another type, which is said elsewhere.
        (Some(_) | None, _) => Vec::new(),
    }
}

/// Where a setting belongs that the module's file may not hold.
fn user_places(row: &Row) -> String {
    let flag = row.flag().map_or_else(String::new, |flag| format!(" or give `{flag}`"));
    let (variable, comma) = (own_variable(row.name()), if flag.is_empty() { " or" } else { "," });
    format!("move it into the user's ~/.config/module-builder/config.toml{comma} set {variable}{flag}")
}

/// What users call the state of the archive that packages are taken from.
const SNAPSHOTS: [&str; 4] = ["snapshot", "apt_snapshot", "apt-snapshot", "snapshots"];

const SNAPSHOT_PLACE: &str = "the state of the archive is the module's: name it as `build.apt_snapshot` in manifest.yaml, or for one run by `--snapshot TIME`";

/// Where a setting is that no file names.
fn elsewhere(name: &str) -> String {
    let row = ROWS.iter().find(|row| row.name() == name && row.owner().is_none());
    match row.and_then(|row| row.flag()) {
        Some(flag) => format!("remove it, and give `{flag}` to the run"),
        None => "remove it; `module-builder env` lists every setting".to_owned(),
    }
}

impl<'a> File<'a> {
    fn new(name: FileName, text: &'a str, directory: &'a Path, is_module: bool) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name, text, lines, directory, is_module }
    }

    /// A module's own, at `path`.
    pub(super) fn of_module(path: &'a Path, text: &'a str) -> Self {
        Self::new(FileName::from(path), text, path.parent().unwrap_or(Path::new("")), true)
    }
}

impl File<'_> {
    /// What the value is.
    pub(super) fn input<'a>(&'a self, value: &'a Spanned<DeValue<'_>>) -> Input<'a> {
        match value.get_ref() {
            DeValue::String(text) => Input::Text(text),
            DeValue::Integer(number) => Input::Number(u64::from_str_radix(number.as_str(), number.radix()).ok()),
            DeValue::Array(items) => {
                let words: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
                let tables = || {
                    items
                        .iter()
                        .map(|item| Some(self.table(item.get_ref().as_table()?, item.span())))
                        .collect::<Option<Vec<_>>>()
                };
                words.map(Input::List).or_else(|| tables().map(Input::Tables)).unwrap_or(Input::Other)
            }
            DeValue::Table(entries) => Input::Table(self.table(entries, value.span())),
            DeValue::Boolean(is) => Input::Bool(*is),
            DeValue::Float(_) | DeValue::Datetime(_) => Input::Other,
        }
    }

    /// A table, its keys from top to bottom: the parser gives them by name.
    fn table<'a>(&'a self, table: &'a DeTable<'_>, span: Range<usize>) -> Table<'a> {
        let mut entries: Vec<Entry<'a>> = table
            .iter()
            .map(|(name, value)| Entry {
                name: name.get_ref(),
                name_span: name.span(),
                position: self.position(name.span().start),
                value: self.input(value),
                span: value.span(),
            })
            .collect();
        entries.sort_by_key(|entry| entry.name_span.start);
        Table { file: &self.name, span, entries }
    }

    fn read(&self, slots: &mut Slots, findings: &mut Findings) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let is_broken = !errors.is_empty();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let message = format!("this is not TOML: {}", error.message().replace('\n', ", "));
            let hint = self.hint_of(&span);
            findings.diagnostics.push(self.wrong("bad-toml", "", span, message, hint));
        }
        if is_broken {
            // What the parser guessed after an error would only give errors of its own.
            return;
        }
        // The parser gives the entries by name; people read files from top to bottom.
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            if let Err(diagnostics) = self.entry(name, value, slots) {
                findings.diagnostics.extend(diagnostics);
            }
        }
    }

    /// What helps at a place that is not TOML, by what stands there.
    fn hint_of(&self, span: &Range<usize>) -> String {
        let rest = self.text.get(span.start..).unwrap_or_default();
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        match rest.starts_with('0') && digits > 1 {
            true => format!("a mode is a string: write \"{}\"", &rest[..digits]),
            false => String::new(),
        }
    }

    fn entry(
        &self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        slots: &mut Slots,
    ) -> Result<(), Vec<Diagnostic>> {
        let known = ROWS.iter().filter_map(|row| Some((*row, row.owner()?)));
        let Some((row, owner)) = known.clone().find(|(row, _)| row.name() == name.get_ref()) else {
            let names: Vec<&str> = known.map(|(row, _)| row.name()).collect();
            let hint = match meant(name.get_ref(), &names, &SYNONYMS) {
                _ if SNAPSHOTS.contains(&name.get_ref().as_ref()) => SNAPSHOT_PLACE.to_owned(),
                Some(name) => format!("did you mean `{name}`?"),
                None => elsewhere(name.get_ref()),
            };
            let message = format!("unknown setting `{}`", name.get_ref());
            return Err(vec![self.wrong("unknown-setting", name.get_ref(), name.span(), message, hint)]);
        };
        let misplaced =
            |message, hint| Err(vec![self.wrong("misplaced-setting", row.name(), name.span(), message, hint)]);
        match (owner, self.is_module) {
            (Owner::Module, false) => misplaced(
                format!("`{}` changes the bytes of modules and is not taken from here", row.name()),
                "move it into the module's builder.toml, or give the flag".to_owned(),
            ),
            (Owner::User, true) => misplaced(format!("`{}` is not for a module to say", row.name()), user_places(row)),
            (Owner::Module, true) | (Owner::User, false) | (Owner::Either, _) => self.value(row, value, slots),
        }
    }

    fn value(&self, row: &Row, value: &Spanned<DeValue<'_>>, slots: &mut Slots) -> Result<(), Vec<Diagnostic>> {
        let input = self.input(value);
        let mut outside = Vec::new();
        for (text, span) in places(row, &input, value.span()) {
            if self.is_module && Path::new(text).is_relative() {
                outside.extend(self.stays_inside(row, Path::new(text), span).err().map(|found| *found));
            }
        }
        if !outside.is_empty() {
            return Err(outside);
        }
        let origin = Origin::File { file: self.name.to_string(), position: self.position(value.span().start) };
        let taken = row.take_input(&input, self.directory, origin, slots);
        taken.map_err(|wrong| self.wrong_value(row.name(), value, wrong))
    }

    fn wrong_value(&self, name: &str, value: &Spanned<DeValue<'_>>, wrong: Wrong) -> Vec<Diagnostic> {
        let found = value.get_ref();
        vec![match wrong {
            Wrong::Type(wanted) => {
                let message = format!("`{name}` must be {wanted}, not {}", found.type_str());
                let hint = match ROWS.iter().find(|row| row.name() == name).map(|row| row.is_tables()) {
                    Some(true) => format!("write each as a table of its own, which begins with [[{name}]]"),
                    Some(false) | None => String::new(),
                };
                self.wrong("wrong-type", name, value.span(), message, hint)
            }
            Wrong::Empty => {
                let hint = "name at least one, or remove the key".to_owned();
                self.wrong("bad-value", name, value.span(), format!("`{name}` is empty"), hint)
            }
            Wrong::Number(hint) => {
                let number = found.as_integer().map_or_else(String::new, ToString::to_string);
                self.wrong("bad-value", name, value.span(), format!("`{name}` cannot be {number}"), hint)
            }
            Wrong::Word(number, hint) => {
                let word = found.as_array().and_then(|items| items.get(number)).unwrap_or(value);
                let text = word.get_ref().as_str().unwrap_or_default();
                let message = format!("`{name}` cannot be `{}`", redact(text));
                self.wrong("bad-value", name, word.span(), message, hint)
            }
            Wrong::Parts(parts) => {
                let found = parts.into_iter();
                return found
                    .map(|part| self.wrong(part.code, &part.field, part.span, part.message, part.hint))
                    .collect();
            }
        }]
    }

    /// Checks that a relative path of the module's file leads to nothing outside of the module, be it by
    /// `..` or by a link: it would be another file on every machine. An absolute path names a file of the
    /// host, and says so.
    fn stays_inside(&self, row: &Row, path: &Path, span: Range<usize>) -> Result<(), Box<Diagnostic>> {
        let leads_up = path.components().any(|component| component == Component::ParentDir);
        let leads_out = || {
            let found = Dir::open(self.directory).and_then(|module| module.file(path, Links::Below));
            matches!(found, Err(host::Error::Place { fault: Fault::Outside | Fault::Link, .. }))
        };
        if !leads_up && !leads_out() {
            return Ok(());
        }
        let message = format!("`{}` leads out of the module", row.name());
        let hint = "put the file itself into the module, or give the absolute path of a file of the host".to_owned();
        Err(Box::new(self.wrong("bad-value", row.name(), span, message, hint)))
    }

    /// What is wrong at a place of it.
    pub(super) fn wrong(
        &self,
        code: &'static str,
        field: &str,
        span: Range<usize>,
        message: String,
        hint: String,
    ) -> Diagnostic {
        let text = self.text.get(span.clone()).unwrap_or_default();
        Diagnostic::new(Severity::Error, code, message, hint)
            .in_file(self.name.clone())
            .at(self.position(span.start))
            .spanning(span.start, span.end)
            .in_field(field)
            .quoting(redact(text.lines().next().unwrap_or_default()).chars().take(80).collect::<String>())
    }

    fn position(&self, offset: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Position { line: number(line + 1), column: number(before.chars().count() + 1) }
    }
}
