//! One settings file in TOML: every error of it at once, each with its place.

use std::ops::Range;
use std::path::{Component, Path};

use host::{Dir, Fault, Links};
use model::file_input::FileInput;
use model::{Diagnostic, FileName, Position, Severity};
use net::url::redact;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::accounts::{self, AccountTables};
use super::file_inputs;
use super::origin::Origin;
use super::parse::{Entry, Input, Place, Table, Wrong, meant};
use super::rows::{ROWS, Row, Slots};
use super::setting::{Owner, own_variable};
use crate::error::Findings;

/// The largest settings file in bytes; one is a handful of lines.
pub(super) const LIMIT: u64 = 1 << 20;

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

struct File<'a> {
    name: FileName,
    text: &'a str,
    /// Where its lines begin.
    lines: Vec<usize>,
    directory: &'a Path,
    is_module: bool,
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

/// What a file gives that holds a table of accounts and nothing else; what is wrong with it goes to `findings`.
pub(super) fn accounts(path: &Path, bytes: Vec<u8>, findings: &mut Findings) -> AccountTables {
    let mut slots = Slots::default();
    let before = findings.diagnostics.len();
    parse(path, bytes, false, &mut slots, findings);
    let others = slots.others(accounts::NAME);
    let name = FileName::from(path);
    let finding = |other: &&str| {
        let message = format!("`{other}` is no part of a table of accounts");
        whole(&name, "misplaced-setting", &message, "leave [accounts] alone in the file")
    };
    findings.diagnostics.extend(others.iter().map(finding));
    if findings.diagnostics.len() > before { AccountTables::default() } else { slots.tables }
}

/// Each place at which the text of the settings file `file` names `path`, and what is `wrong` with the setting there.
pub(super) fn naming(file: &Path, text: &str, path: &Path, wrong: &dyn Fn(&str) -> String) -> Vec<Diagnostic> {
    let directory = file.parent().unwrap_or(Path::new(""));
    let this = File::new(FileName::from(file), text, directory, true);
    let (table, _) = DeTable::parse_recoverable(text);
    let mut found = Vec::new();
    for (name, value) in table.get_ref() {
        let Some(row) = ROWS.iter().find(|row| row.name() == name.get_ref()) else { continue };
        let named = places(*row, &input(value), value.span()).into_iter();
        let named = named.filter(|(text, _)| directory.join(text) == path);
        found
            .extend(named.map(|(_, span)| this.wrong("bad-value", row.name(), span, wrong(row.name()), String::new())));
    }
    found
}

/// The table of `[[file]]` in the text of the settings file `file` that is `wanted`, as one that cannot be used: at `key`
/// where it has that.
pub(super) fn file_table(file: &Path, text: &str, wanted: &FileInput, key: &str) -> Option<Diagnostic> {
    let directory = file.parent().unwrap_or(Path::new(""));
    let this = File::new(FileName::from(file), text, directory, true);
    let (table, _) = DeTable::parse_recoverable(text);
    let Input::Tables(tables) = input(table.get_ref().get(file_inputs::NAME)?) else { return None };
    let is_wanted =
        |(number, table): &(usize, &Table<'_>)| file_inputs::one(table, *number).is_ok_and(|found| found == *wanted);
    let (number, table) = tables.iter().enumerate().find(is_wanted)?;
    let entry = table.entries.iter().find(|entry| entry.name == key);
    let (field, span) = match entry {
        Some(entry) => (format!("file[{number}].{key}"), entry.span.clone()),
        None => (format!("file[{number}]"), table.span.clone()),
    };
    let message = format!("`file[{number}]` cannot be used");
    Some(this.wrong("file-unusable", &field, span, message, String::new()))
}

/// The entry of the text of the settings file `file` that stands below the tables of `keys` under the last of them, as the place
/// of a finding of `code`.
pub(super) fn entry(file: &Path, text: &str, code: &'static str, keys: &[&str]) -> Option<Diagnostic> {
    let directory = file.parent().unwrap_or(Path::new(""));
    let this = File::new(FileName::from(file), text, directory, true);
    let (table, _) = DeTable::parse_recoverable(text);
    let (last, above) = keys.split_last()?;
    let mut at = table.get_ref();
    for key in above {
        at = at.get(*key)?.get_ref().as_table()?;
    }
    let (name, _) = at.get_key_value(*last)?;
    Some(this.wrong(code, &keys.join("."), name.span(), String::new(), String::new()))
}

fn whole(name: &FileName, code: &'static str, message: &str, hint: &str) -> Diagnostic {
    Diagnostic::new(Severity::Error, code, message, hint).in_file(name.clone())
}

/// What the value is.
fn input<'a>(value: &'a Spanned<DeValue<'_>>) -> Input<'a> {
    match value.get_ref() {
        DeValue::String(text) => Input::Text(text),
        DeValue::Integer(number) => Input::Number(u64::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Array(items) => {
            let words: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            let tables = || {
                items
                    .iter()
                    .map(|item| Some(table(item.get_ref().as_table()?, item.span())))
                    .collect::<Option<Vec<_>>>()
            };
            words.map(Input::List).or_else(|| tables().map(Input::Tables)).unwrap_or(Input::Other)
        }
        DeValue::Table(entries) => Input::Table(table(entries, value.span())),
        DeValue::Boolean(is) => Input::Bool(*is),
        DeValue::Float(_) | DeValue::Datetime(_) => Input::Other,
    }
}

/// A table, its keys from top to bottom: the parser gives them by name.
fn table<'a>(table: &'a DeTable<'_>, span: Range<usize>) -> Table<'a> {
    let mut entries: Vec<Entry<'a>> = table
        .iter()
        .map(|(name, value)| Entry {
            name: name.get_ref(),
            name_span: name.span(),
            value: input(value),
            span: value.span(),
        })
        .collect();
    entries.sort_by_key(|entry| entry.name_span.start);
    Table { span, entries }
}

/// Every path that a value gives, with its place.
fn places<'a>(row: &Row, input: &Input<'a>, span: Range<usize>) -> Vec<(&'a str, Range<usize>)> {
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
}

impl File<'_> {
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
            (Owner::Module, true) | (Owner::User, false) => self.value(row, value, slots),
            (Owner::Either, _) => {
                self.value(row, value, slots)?;
                if let (accounts::NAME, Input::Table(table)) = (row.name(), input(value)) {
                    slots.tables.add(&table, &self.name, &|offset| self.position(offset));
                }
                Ok(())
            }
        }
    }

    fn value(&self, row: &Row, value: &Spanned<DeValue<'_>>, slots: &mut Slots) -> Result<(), Vec<Diagnostic>> {
        let input = input(value);
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

    fn wrong(&self, code: &'static str, field: &str, span: Range<usize>, message: String, hint: String) -> Diagnostic {
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
