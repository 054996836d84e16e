//! `[[repository]]`: archives that a module adds to Debian's, as `builder.toml` has them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use model::path::json::Alone;
use model::{Arch, archive};
use serde::Serialize;

use super::parse::{self, Input, Part, Table};
use super::table::Reading;

/// The keys of an entry, in the order of the documentation.
const KEYS: [&str; 5] = ["uri", "suite", "components", "architectures", KEYRING];
/// What other tools call them.
const SYNONYMS: [(&str, &str); 11] = [
    ("address", "uri"),
    ("mirror", "uri"),
    ("codename", "suite"),
    ("dist", "suite"),
    ("distribution", "suite"),
    ("release", "suite"),
    ("sections", "components"),
    ("gpg", KEYRING),
    ("gpg_key", KEYRING),
    ("pubkey", KEYRING),
    ("signed_by", KEYRING),
];
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
        let mut reading = Reading::new(table, format!("repository[{number}]"), &KEYS, &SYNONYMS);
        let repository = repository(&mut reading, base);
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

/// The archive; none where a part of it is missing or wrong, which is reported then.
fn repository(reading: &mut Reading<'_>, base: &Path) -> Option<Repository> {
    let uri = reading.word("uri", |text| archive::uri(text).map_err(|fault| fault.hint(text).to_owned()));
    let suite = reading.word("suite", |text| {
        let hint = "give the name of a suite, or the path of a flat archive, which ends in a slash, such as \"./\"";
        if archive::is_place(text) { Ok(text.to_owned()) } else { Err(hint.to_owned()) }
    });
    let components = reading.words("components", |text| parse::name(text).map(|()| text.to_owned()));
    let architectures = reading.words("architectures", |text| {
        text.parse::<Arch>().map_err(|_| "give architectures by Debian's names, such as amd64".to_owned())
    });
    let keyring = reading.word(KEYRING, |text| parse::path(text).map(|()| base.join(text)));
    reading.require(&["uri", "suite"]);
    let (uri, suite) = (uri?, suite?);
    check_components(reading, &suite);
    Some(Repository { uri, suite, components, architectures, keyring, is_hosts: false })
}

/// A flat archive has no components, any other has some.
fn check_components(reading: &mut Reading<'_>, suite: &str) {
    let entry = reading.entry("components");
    let is_empty = entry.is_none_or(|entry| matches!(&entry.value, Input::List(words) if words.is_empty()));
    let span = entry.map_or_else(|| reading.table.span.clone(), |entry| entry.span.clone());
    if archive::is_flat(suite) && !is_empty {
        let message = "has components, and its suite is an exact path";
        let hint = "remove them: a suite that ends in a slash has none";
        reading.report(span, "bad-value", "components", message, hint);
    } else if !archive::is_flat(suite) && is_empty {
        let hint = "add them, such as components = [\"main\"]; a flat archive has the suite \"./\" and none";
        reading.report(span, "bad-value", "components", "has no `components`", hint);
    }
}
