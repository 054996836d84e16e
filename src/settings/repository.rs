//! `[[repository]]`: archives that a module adds to Debian's, as `builder.toml` has them.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use model::path::json::Alone;
use model::{Arch, archive};
use net::url::redact;
use serde::Serialize;

use super::parse::{self, Input, Part, Table, near};

/// The keys of an entry, in the order of the documentation.
const KEYS: [&str; 5] = ["uri", "suite", "components", "architectures", KEYRING];
/// The key that names a file.
pub(super) const KEYRING: &str = "keyring";

/// An archive that is added to Debian's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Repository {
    /// Its address in its one form.
    pub(crate) uri: String,
    /// The suite, or the path of a flat archive.
    pub(crate) suite: String,
    /// The components; none of a flat archive.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) components: Vec<String>,
    /// The architectures; none where it has packages for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) architectures: Vec<Arch>,
    /// The file of the keys that vouch for it, and for nothing else.
    #[serde(serialize_with = "path", skip_serializing_if = "Option::is_none")]
    pub(crate) keyring: Option<PathBuf>,
    /// Whether the host's apt has it, and not the module.
    #[serde(skip)]
    pub(crate) is_hosts: bool,
}

fn path<S: serde::Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    Alone(path).serialize(serializer)
}

/// The archives of the tables of a file below `base`.
///
/// # Errors
/// Everything that is wrong with any of them.
pub(super) fn all(tables: &[Table<'_>], base: &Path) -> Result<Vec<Repository>, Vec<Part>> {
    let (mut repositories, mut wrong, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (number, table) in tables.iter().enumerate() {
        let mut reading = Reading { table, name: format!("repository[{number}]"), wrong: Vec::new() };
        let repository = reading.repository(base);
        match repository.filter(|_| reading.wrong.is_empty()) {
            Some(repository) if seen.insert((repository.uri.clone(), repository.suite.clone())) => {
                repositories.push(repository);
            }
            Some(_) => {
                reading.report(
                    table.span.clone(),
                    "bad-value",
                    "",
                    "is the archive of an earlier one",
                    "give it once, with all components",
                );
            }
            None => {}
        }
        wrong.append(&mut reading.wrong);
    }
    if wrong.is_empty() { Ok(repositories) } else { Err(wrong) }
}

/// One table as it is read.
struct Reading<'a> {
    table: &'a Table<'a>,
    name: String,
    wrong: Vec<Part>,
}

impl<'a> Reading<'a> {
    /// The archive; none where a part of it is missing or wrong, which is reported then.
    fn repository(&mut self, base: &Path) -> Option<Repository> {
        self.check_keys();
        let uri = self.word("uri", |text| {
            let hint = "give an address such as https://packages.example.org/apt, without blanks or a password";
            archive::uri(text).map_err(|_| hint.to_owned())
        });
        let suite = self.word("suite", |text| {
            let hint = "give the name of a suite, or the path of a flat archive, which ends in a slash, such as \"./\"";
            if archive::is_place(text) { Ok(text.to_owned()) } else { Err(hint.to_owned()) }
        });
        let components = self.words("components", |text| parse::name(text).map(|()| text.to_owned()));
        let architectures = self.words("architectures", |text| {
            text.parse::<Arch>().map_err(|_| "give architectures by Debian's names, such as amd64".to_owned())
        });
        let keyring = self.word(KEYRING, |text| parse::path(text).map(|()| base.join(text)));
        for key in ["uri", "suite"] {
            if self.entry(key).is_none() {
                self.report(
                    self.table.span.clone(),
                    "bad-value",
                    "",
                    &format!("has no `{key}`"),
                    &format!("add `{key}`"),
                );
            }
        }
        let (uri, suite) = (uri?, suite?);
        self.check_components(&suite);
        Some(Repository { uri, suite, components, architectures, keyring, is_hosts: false })
    }

    fn check_keys(&mut self) {
        for entry in &self.table.entries {
            if !KEYS.contains(&entry.name) {
                let hint = match near(entry.name, KEYS.into_iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the keys are {}", KEYS.join(", ")),
                };
                let message = format!("has no setting `{}`", entry.name);
                self.report(entry.name_span.clone(), "unknown-setting", entry.name, &message, &hint);
            }
        }
    }

    /// A flat archive has no components, any other has some.
    fn check_components(&mut self, suite: &str) {
        let entry = self.entry("components");
        let is_empty = entry.is_none_or(|entry| matches!(&entry.value, Input::List(words) if words.is_empty()));
        let span = entry.map_or_else(|| self.table.span.clone(), |entry| entry.span.clone());
        if archive::is_flat(suite) && !is_empty {
            let message = "has components, and its suite is an exact path";
            let hint = "remove them: a suite that ends in a slash has none";
            self.report(span, "bad-value", "components", message, hint);
        } else if !archive::is_flat(suite) && is_empty {
            let hint = "add them, such as components = [\"main\"]; a flat archive has the suite \"./\" and none";
            self.report(span, "bad-value", "components", "has no `components`", hint);
        }
    }

    fn entry(&self, key: &str) -> Option<&'a parse::Entry<'a>> {
        self.table.entries.iter().find(|entry| entry.name == key)
    }

    fn word<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let entry = self.entry(key)?;
        let (span, value) = (entry.span.clone(), entry.value.clone());
        match value {
            Input::Text(text) => self.parsed(key, span, text, parse),
            Input::List(_) | Input::Tables(_) | Input::Table(_) | Input::Number(_) | Input::Other => {
                self.report(span, "wrong-type", key, &format!("must have a string as `{key}`"), "");
                None
            }
        }
    }

    fn words<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
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
            Input::Text(_) | Input::Tables(_) | Input::Table(_) | Input::Number(_) | Input::Other => {
                self.report(span, "wrong-type", key, &format!("must have a list of strings as `{key}`"), "");
                Vec::new()
            }
        }
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

    fn report(&mut self, span: Range<usize>, code: &'static str, key: &str, message: &str, hint: &str) {
        let field = if key.is_empty() { self.name.clone() } else { format!("{}.{key}", self.name) };
        let (message, hint) = (format!("`{}` {message}", self.name), hint.to_owned());
        self.wrong.push(Part { span, field, code, message, hint });
    }
}
