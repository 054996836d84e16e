//! A table of a list in `builder.toml`, read key by key, with everything that is wrong in it.

use std::ops::Range;

use net::url::redact;

use super::parse::{Entry, Input, Part, Table, meant};

/// What other tools call the opposite of `include`.
const EXCLUDES: [&str; 5] = ["exclude", "excludes", "except", "mask", "without"];
/// What to do where someone asks for it.
const NO_EXCLUDE: &str =
    "name what is taken by `include`, or leave out what is not by `mask` in manifest.yaml, where it is in the image";

/// One table as it is read.
pub(super) struct Reading<'a> {
    /// The table.
    pub(super) table: &'a Table<'a>,
    /// What messages call it.
    name: String,
    /// What is wrong in it.
    pub(super) wrong: Vec<Part>,
}

impl<'a> Reading<'a> {
    /// Begins with `table`, which messages call `name` and whose keys may be `keys`; some have other names elsewhere, by
    /// `synonyms`.
    pub(super) fn new(table: &'a Table<'a>, name: String, keys: &[&str], synonyms: &[(&str, &str)]) -> Self {
        let mut reading = Self { table, name, wrong: Vec::new() };
        for entry in &table.entries {
            if !keys.contains(&entry.name) {
                let hint = match meant(entry.name, keys, synonyms) {
                    _ if keys.contains(&"include") && EXCLUDES.contains(&entry.name) => NO_EXCLUDE.to_owned(),
                    Some(key) => format!("did you mean `{key}`?"),
                    None => format!("the keys are {}", keys.join(", ")),
                };
                let message = format!("has no setting `{}`", entry.name);
                reading.report(entry.name_span.clone(), "unknown-setting", entry.name, &message, &hint);
            }
        }
        reading
    }

    /// Reports those of `keys` that are not there.
    pub(super) fn require(&mut self, keys: &[&'static str]) {
        for key in keys {
            if self.entry(key).is_none() {
                let (message, hint) = (format!("has no `{key}`"), format!("add `{key}`"));
                self.report(self.table.span.clone(), "bad-value", "", &message, &hint);
            }
        }
    }

    /// The entry of a key.
    pub(super) fn entry(&self, key: &str) -> Option<&'a Entry<'a>> {
        self.table.entries.iter().find(|entry| entry.name == key)
    }

    /// The value of a key that is a string, by its parser, which gives a hint; none where it is not there or is wrong.
    pub(super) fn word<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let entry = self.entry(key)?;
        let (span, value) = (entry.span.clone(), entry.value.clone());
        match value {
            Input::Text(text) => self.parsed(key, span, text, parse),
            Input::Number(Some(number)) => {
                let hint = format!("write {key} = \"{number}\"");
                self.report(span, "wrong-type", key, &format!("must have a string as `{key}`"), &hint);
                None
            }
            Input::List(_)
            | Input::Tables(_)
            | Input::Table(_)
            | Input::Number(None)
            | Input::Bool(_)
            | Input::Other => {
                self.report(span, "wrong-type", key, &format!("must have a string as `{key}`"), "");
                None
            }
        }
    }

    /// The values of a key that is a list of strings.
    pub(super) fn words<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let (span, value) = (entry.span.clone(), entry.value.clone());
        match value {
            Input::List(words) if words.is_empty() && key != "components" => {
                self.report(
                    span,
                    "bad-value",
                    key,
                    &format!("has an empty list as `{key}`"),
                    "name at least one, or remove the key",
                );
                Vec::new()
            }
            Input::List(words) => {
                words.into_iter().filter_map(|word| self.parsed(key, span.clone(), word, &parse)).collect()
            }
            Input::Text(_) | Input::Tables(_) | Input::Table(_) | Input::Number(_) | Input::Bool(_) | Input::Other => {
                self.report(span, "wrong-type", key, &format!("must have a list of strings as `{key}`"), "");
                Vec::new()
            }
        }
    }

    /// The value of a key that is a number up to `most`; none where it is not there or is wrong.
    pub(super) fn number(&mut self, key: &'static str, most: u32) -> Option<u32> {
        let entry = self.entry(key)?;
        let number = match entry.value {
            Input::Number(number) => {
                number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number <= most)
            }
            Input::Text(_) | Input::List(_) | Input::Tables(_) | Input::Table(_) | Input::Bool(_) | Input::Other => {
                None
            }
        };
        if number.is_none() {
            let hint = format!("give a whole number from 0 to {most}");
            self.report(entry.span.clone(), "bad-value", key, &format!("cannot have this {key}"), &hint);
        }
        number
    }

    fn parsed<T>(
        &mut self,
        key: &'static str,
        span: Range<usize>,
        text: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        parse(text)
            .map_err(|hint| {
                self.report(span, "bad-value", key, &format!("cannot have the {key} `{}`", redact(text)), &hint)
            })
            .ok()
    }

    /// Adds something that is wrong.
    pub(super) fn report(&mut self, span: Range<usize>, code: &'static str, key: &str, message: &str, hint: &str) {
        let field = if key.is_empty() { self.name.clone() } else { format!("{}.{key}", self.name) };
        let (message, hint) = (format!("`{}` {message}", self.name), hint.to_owned());
        self.wrong.push(Part { span, field, code, message, hint });
    }
}
