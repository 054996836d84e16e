//! Where a module's settings name something that turned out later to be of no use: in the text as it was read.

use std::path::Path;

use model::Diagnostic;
use model::file_input::FileInput;
use toml::de::DeTable;

use super::file::{File, places};
use super::file_inputs;
use super::module::{ModuleSettings, join};
use super::parse::{Input, Table};
use super::rows::ROWS;
use crate::error::Findings;

/// The places in the settings of `module` at which `path` is named, shown as ones that name no keyring; none where it is not
/// named there.
pub(crate) fn keyring(module: &ModuleSettings, path: &Path) -> Findings {
    found(module, |file, table| keyrings(file, table, &module.directory, path))
}

/// The place in the settings of `module` where the file `input` is asked for, at `key` of its table where it has that.
pub(crate) fn file(module: &ModuleSettings, input: &FileInput, key: &str) -> Findings {
    found(module, |file, table| file_table(file, table, input, key).into_iter().collect())
}

/// The place in the settings of `module` at which `[[repository]]` names the archive at `uri` with `suite`, at `key` of its table where
/// it has that.
pub(crate) fn repository(
    module: &ModuleSettings,
    code: &'static str,
    (uri, suite): (&str, &str),
    key: &str,
) -> Findings {
    found(module, |file, table| repository_table(file, table, code, (uri, suite), key).into_iter().collect())
}

/// The place in the settings of `module` of the entry below the tables of `keys` under the last of them, for a finding of
/// `code`; none where there is no such entry.
pub(crate) fn entry(module: &ModuleSettings, code: &'static str, keys: &[&str]) -> Findings {
    found(module, |file, table| entry_of(file, table, code, keys).into_iter().collect())
}

/// What `find` finds in the settings of `module`, with their text.
fn found(module: &ModuleSettings, find: impl FnOnce(&File<'_>, &DeTable<'_>) -> Vec<Diagnostic>) -> Findings {
    let mut findings = Findings::default();
    let Some(Ok(text)) = module.text.as_deref().map(std::str::from_utf8) else { return findings };
    let path = module.path();
    let (table, _) = DeTable::parse_recoverable(text);
    findings.diagnostics = find(&File::of_module(&path, text), table.get_ref());
    if !findings.diagnostics.is_empty() {
        module.show_in(&mut findings);
    }
    findings
}

/// Each place at which a setting names the keyring at `path`.
fn keyrings(file: &File<'_>, table: &DeTable<'_>, directory: &Path, path: &Path) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, value) in table {
        let Some(row) = ROWS.iter().find(|row| row.name() == name.get_ref()) else { continue };
        let message = format!("`{}` names no keyring that can be used", row.name());
        let named = places(*row, &file.input(value), value.span()).into_iter();
        let named = named.filter(|(text, _)| join(directory, text) == path);
        found.extend(named.map(|(_, span)| file.wrong("bad-value", row.name(), span, message.clone(), String::new())));
    }
    found
}

/// The table of `[[file]]` that is `wanted`, as one that cannot be used: at `key` where it has that.
fn file_table(file: &File<'_>, table: &DeTable<'_>, wanted: &FileInput, key: &str) -> Option<Diagnostic> {
    let Input::Tables(tables) = file.input(table.get(file_inputs::NAME)?) else { return None };
    let is_wanted =
        |(number, table): &(usize, &Table<'_>)| file_inputs::one(table, *number).is_ok_and(|found| found == *wanted);
    let (number, table) = tables.iter().enumerate().find(is_wanted)?;
    let is_key = |name: &str| name == key || key == "destination" && name == "dest";
    let entry = table.entries.iter().find(|entry| is_key(entry.name));
    let (field, span) = match entry {
        Some(entry) => (format!("file[{number}].{}", entry.name), entry.span.clone()),
        None => (format!("file[{number}]"), table.span.clone()),
    };
    let message = format!("`file[{number}]` cannot be used");
    Some(file.wrong("file-unusable", &field, span, message, String::new()))
}

/// The table of `[[repository]]` with `uri` and `suite`: at `key` where it has that.
fn repository_table(
    file: &File<'_>,
    table: &DeTable<'_>,
    code: &'static str,
    (uri, suite): (&str, &str),
    key: &str,
) -> Option<Diagnostic> {
    let Input::Tables(tables) = file.input(table.get("repository")?) else { return None };
    let is = |table: &Table<'_>, name: &str, wanted: &str| {
        let named = table.entries.iter().find(|entry| entry.name == name).map(|entry| &entry.value);
        matches!(named, Some(Input::Text(text)) if text.trim_end_matches('/') == wanted.trim_end_matches('/'))
    };
    let (number, table) =
        tables.iter().enumerate().find(|(_, table)| is(table, "uri", uri) && is(table, "suite", suite))?;
    let span =
        table.entries.iter().find(|entry| entry.name == key).map_or(table.span.clone(), |entry| entry.span.clone());
    Some(file.wrong(code, &format!("repository[{number}].{key}"), span, String::new(), String::new()))
}

/// The entry below the tables of `keys` under the last of them.
fn entry_of(file: &File<'_>, table: &DeTable<'_>, code: &'static str, keys: &[&str]) -> Option<Diagnostic> {
    let (last, above) = keys.split_last()?;
    let mut at = table;
    for key in above {
        at = at.get(*key)?.get_ref().as_table()?;
    }
    let (name, _) = at.get_key_value(*last)?;
    Some(file.wrong(code, &keys.join("."), name.span(), String::new(), String::new()))
}
