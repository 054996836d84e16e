//! `ship`, `[base]` and `[closure]`, as settings files have them.

use std::collections::BTreeMap;

use model::closure::{AccountName, Accounts, BaseRequest, ClosureRules, FirstStart, Ship, TextPath, is_module_version};
use model::package::PackageRequest;

use super::parse::{self, Entry, Input, Part, Table};
use super::table::Reading;

/// What a module says of the closure of its packages.
#[derive(Debug, Clone)]
pub(crate) struct ClosureSettings {
    /// Which files are shipped without being named.
    pub(crate) ship: Ship,
    /// Whether documentation is among them.
    pub(crate) documentation: bool,
    /// What the author decided.
    pub(crate) rules: ClosureRules,
    /// The numbers that the author gives.
    pub(crate) accounts: Accounts,
    /// What the module is laid over.
    pub(crate) base: BaseRequest,
}

/// `ship`.
pub(super) fn ship(text: &str) -> Result<Ship, String> {
    match text {
        "owned" => Ok(Ship::Owned),
        "closure" => Ok(Ship::Closure),
        _ => Err(parse::one_of(text, &["owned", "closure"])),
    }
}

/// `version`.
pub(super) fn version(text: &str) -> Result<Option<String>, String> {
    match is_module_version(text) {
        true => Ok(Some(text.to_owned())),
        false => Err("write it by semantic versioning, as in version = \"1.2.3\"".to_owned()),
    }
}

/// `[base]`.
///
/// # Errors
/// Everything that is wrong in the table.
pub(super) fn base(table: &Table<'_>) -> Result<BaseRequest, Vec<Part>> {
    let mut reading = Reading::new(table, "base".to_owned(), &["variant", "packages", "module"], &[]);
    let variant = reading.word("variant", |text| match text {
        "extract" | "custom" => {
            Err("give what a node has at least: essential, apt, minbase, important or standard".to_owned())
        }
        _ => parse::variant(text)?.parse().map_err(|error: model::resolution::ParseVariantError| error.to_string()),
    });
    let mut packages = reading.words("packages", |text| PackageRequest::parse(text).map_err(|error| error.to_string()));
    packages.sort();
    let is_same = |one: &PackageRequest, other: &PackageRequest| one.name == other.name && one.arch == other.arch;
    if let Some([_, twice]) = packages.array_windows().find(|[one, other]| is_same(one, other)) {
        let span = reading.entry("packages").map_or_else(|| table.span.clone(), |entry| entry.span.clone());
        let message = format!("has the package `{}` more than once in `packages`", twice.name);
        reading.report(span, "bad-value", "packages", &message, "name each package once");
    }
    let module = reading.word("module", module_path);
    if let Some(other) = ["variant", "packages"].iter().find_map(|key| reading.entry(key)).filter(|_| module.is_some())
    {
        let message = format!("has a `module` and `{}`", other.name);
        reading.report(
            other.span.clone(),
            "bad-value",
            other.name,
            &message,
            "a module has a base of its own: leave it out",
        );
    }
    finish(reading, BaseRequest { variant: variant.unwrap_or_default(), packages, module })
}

/// Where a built module is, or its name in a registry: one line.
fn module_path(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.trim() == text && model::words::is_showable(text) {
        true => Ok(text.to_owned()),
        false => Err("give the path of a dist directory or an OCI layout".to_owned()),
    }
}

/// `[closure]`.
///
/// # Errors
/// Everything that is wrong in the table.
pub(super) fn rules(table: &Table<'_>) -> Result<ClosureRules, Vec<Part>> {
    let mut reading = Reading::new(table, "closure".to_owned(), &["replaces", "secrets", "data"], &[]);
    let mut replaces = reading.words("replaces", path);
    replaces.sort();
    replaces.dedup();
    let mut wrong = std::mem::take(&mut reading.wrong);
    let mut commands = |key: &'static str| match first_starts(&reading, key) {
        Ok(commands) => commands,
        Err(mut parts) => {
            wrong.append(&mut parts);
            BTreeMap::new()
        }
    };
    let (secrets, data) = (commands("secrets"), commands("data"));
    if wrong.is_empty() { Ok(ClosureRules { replaces, secrets, data }) } else { Err(wrong) }
}

fn path(text: &str) -> Result<TextPath, String> {
    TextPath::parse(text).map_err(|error| error.to_string())
}

fn first_starts(reading: &Reading<'_>, key: &'static str) -> Result<BTreeMap<TextPath, FirstStart>, Vec<Part>> {
    let Some(entry) = reading.entry(key) else { return Ok(BTreeMap::new()) };
    let part = |at: &Entry<'_>, name: &str, message: String, hint: &str| Part {
        span: at.span.clone(),
        field: format!("closure.{key}{name}"),
        code: "bad-value",
        message,
        hint: hint.to_owned(),
    };
    const HINT: &str = "write { command = [\"/usr/bin/PROGRAM\", \"ARGUMENT\"], user = \"NAME\" } for each path";
    let Input::Table(table) = &entry.value else {
        return Err(vec![part(entry, "", format!("`closure.{key}` must be a table of paths"), HINT)]);
    };
    let (mut all, mut wrong) = (BTreeMap::new(), Vec::new());
    for entry in &table.entries {
        let Input::Table(inner) = &entry.value else {
            let message = format!("`closure.{key}` must have a table for `{}`", entry.name);
            wrong.push(part(entry, "", message, HINT));
            continue;
        };
        let mut inner = Reading::new(inner, format!("closure.{key}.\"{}\"", entry.name), &["command", "user"], &[]);
        let made = first_start(&mut inner);
        match (path(entry.name), made) {
            (Err(hint), _) => {
                let message = format!("`closure.{key}` has the path `{}`", entry.name);
                wrong.push(Part { span: entry.name_span.clone(), ..part(entry, "", message, &hint) });
            }
            (Ok(path), Some(_)) if all.contains_key(&path) => {
                let message = format!("`closure.{key}` has `{}`, which is `{path}` again", entry.name);
                let hint = "say once who makes it";
                wrong.push(Part { span: entry.name_span.clone(), ..part(entry, "", message, hint) });
            }
            (Ok(path), Some(made)) => drop(all.insert(path, made)),
            (Ok(_), None) => {}
        }
        wrong.append(&mut inner.wrong);
    }
    if wrong.is_empty() { Ok(all) } else { Err(wrong) }
}

fn first_start(reading: &mut Reading<'_>) -> Option<FirstStart> {
    reading.require(&["command"]);
    let command = reading.words("command", |text| Ok(text.to_owned()));
    let user = reading.word("user", |text| AccountName::parse(text).map_err(|error| error.to_string()));
    if !reading.wrong.is_empty() {
        return None;
    }
    if let Err(error) = FirstStart::check(&command) {
        let span = reading.entry("command").map_or_else(|| reading.table.span.clone(), |entry| entry.span.clone());
        reading.report(span, "bad-value", "command", "has a wrong command", &error.to_string());
        return None;
    }
    Some(FirstStart { command, user })
}

fn finish<T>(reading: Reading<'_>, value: T) -> Result<T, Vec<Part>> {
    if reading.wrong.is_empty() { Ok(value) } else { Err(reading.wrong) }
}
