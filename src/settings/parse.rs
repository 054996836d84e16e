//! What a value may be: how it is written, and the checks of its words.

use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use model::{FileName, Position, Secret, archive};
use net::url::redact;

/// The most work at once that can be asked for: more would only wait for each other.
pub(crate) const MOST_JOBS: u64 = 1024;
/// The word of `--snapshot` for none.
pub(crate) const NO_SNAPSHOT: &str = "none";
pub(super) const VARIANTS: [&str; 7] = ["extract", "custom", "essential", "apt", "minbase", "important", "standard"];

/// How a value of type `T` is written in files and variables. Every one ends in a `T`, so a setting that is
/// written otherwise than its type wants does not compile.
pub(super) enum Syntax<T> {
    /// One word, and its parser, which gives a hint where it is wrong.
    Word(fn(&str) -> Result<T, String>),
    /// Words, of which there is at least one: the check of each, and what they make.
    Words(fn(&str) -> Result<(), String>, fn(Vec<String>) -> T),
    /// A file or directory of the host.
    Path(fn(PathBuf) -> T),
    /// Tables, of which there is at least one: what they make of those of a file below a directory.
    Tables {
        /// The key of each table that names a file of the host.
        path: Option<&'static str>,
        /// What they make, or everything that is wrong.
        make: fn(&[Table<'_>], &Path) -> Result<T, Vec<Part>>,
    },
    /// A table, which has any keys: what it makes, or everything that is wrong.
    Table(fn(&Table<'_>) -> Result<T, Vec<Part>>),
    /// Yes or no, and what it makes.
    Bool(fn(bool) -> T),
    /// A number from 1 to `most`.
    Number {
        /// The highest number.
        most: u64,
        /// What it makes.
        make: fn(u64) -> T,
    },
}

/// What stands in a file.
#[derive(Debug, Clone)]
pub(super) enum Input<'a> {
    Text(&'a str),
    List(Vec<&'a str>),
    Tables(Vec<Table<'a>>),
    Table(Table<'a>),
    /// A number; none when it is no u64.
    Number(Option<u64>),
    Bool(bool),
    /// What no setting is.
    Other,
}

/// A table, with its place in the file.
#[derive(Debug, Clone)]
pub(super) struct Table<'a> {
    pub(super) file: &'a FileName,
    pub(super) span: Range<usize>,
    pub(super) entries: Vec<Entry<'a>>,
}

/// A key of a table and its value, each with its place in the file.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) name_span: Range<usize>,
    /// Where its name begins.
    pub(super) position: Position,
    pub(super) value: Input<'a>,
    pub(super) span: Range<usize>,
}

/// What is wrong with a part of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) span: Range<usize>,
    pub(super) field: String,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
}

/// What is wrong with a value of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Another type is wanted, named here.
    Type(String),
    /// A list without a word.
    Empty,
    /// The word of this number, and a hint.
    Word(usize, String),
    /// A number out of its range, and a hint.
    Number(String),
    /// Everything that is wrong in the tables.
    Parts(Vec<Part>),
}

impl<T> Syntax<T> {
    /// The value that a file below `base` gives.
    pub(super) fn input(&self, input: &Input<'_>, base: &Path) -> Result<T, Wrong> {
        match (self, input) {
            (Self::Word(parse), Input::Text(text)) => parse(text).map_err(|hint| Wrong::Word(0, hint)),
            (Self::Words(..) | Self::Tables { .. }, Input::List(words)) if words.is_empty() => Err(Wrong::Empty),
            (Self::Tables { make, .. }, Input::Tables(tables)) => make(tables, base).map_err(Wrong::Parts),
            (Self::Words(check, make), Input::List(words)) => {
                for (number, word) in words.iter().enumerate() {
                    check(word).map_err(|hint| Wrong::Word(number, hint))?;
                }
                Ok(make(words.iter().map(|word| (*word).to_owned()).collect()))
            }
            (Self::Path(make), Input::Text(text)) => {
                path(text).map_err(|hint| Wrong::Word(0, hint))?;
                // A relative path means the same from whatever directory the program is run.
                Ok(make(base.join(text)))
            }
            (Self::Number { most, make }, Input::Number(number)) => match number {
                Some(number) if (1..=*most).contains(number) => Ok(make(*number)),
                Some(_) | None => Err(Wrong::Number(format!("give {}", self.wanted()))),
            },
            (Self::Table(make), Input::Table(table)) => make(table).map_err(Wrong::Parts),
            (Self::Bool(make), Input::Bool(is)) => Ok(make(*is)),
            (
                Self::Word(_)
                | Self::Words(..)
                | Self::Path(_)
                | Self::Tables { .. }
                | Self::Table(_)
                | Self::Bool(_)
                | Self::Number { .. },
                _,
            ) => Err(Wrong::Type(self.wanted())),
        }
    }

    /// The value that a variable gives; words stand between commas, as after a flag.
    ///
    /// # Errors
    /// A hint.
    pub(super) fn variable(&self, text: &str, base: &Path) -> Result<T, String> {
        let input = match self {
            Self::Word(_) | Self::Path(_) => Input::Text(text),
            Self::Words(..) => Input::List(text.split(',').collect()),
            Self::Number { .. } => Input::Number(text.parse().ok()),
            Self::Bool(_) => text.parse().map_or(Input::Other, Input::Bool),
            // No variable gives tables.
            Self::Tables { .. } | Self::Table(_) => Input::Other,
        };
        self.input(&input, base).map_err(|wrong| match wrong {
            Wrong::Type(wanted) => format!("give {wanted}"),
            Wrong::Empty => "name at least one".to_owned(),
            Wrong::Word(_, hint) | Wrong::Number(hint) => hint,
            Wrong::Parts(parts) => parts.into_iter().map(|part| part.message).collect::<Vec<_>>().join(", "),
        })
    }

    fn wanted(&self) -> String {
        match self {
            Self::Word(_) | Self::Path(_) => "a string".to_owned(),
            Self::Words(..) => "a list of strings".to_owned(),
            Self::Tables { .. } => "a list of tables".to_owned(),
            Self::Table(_) => "a table".to_owned(),
            Self::Bool(_) => "true or false".to_owned(),
            Self::Number { most, .. } => format!("a whole number from 1 to {most}"),
        }
    }

    /// Whether the value is a path, or the key of each of its tables that gives one.
    pub(super) fn place(&self) -> Option<Place> {
        match self {
            Self::Path(_) => Some(Place::Value),
            Self::Tables { path, .. } => path.map(Place::Key),
            Self::Word(_) | Self::Words(..) | Self::Table(_) | Self::Bool(_) | Self::Number { .. } => None,
        }
    }
}

/// Where a value names a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is one.
    Value,
    /// The key of each of its tables.
    Key(&'static str),
}

pub(super) fn path(text: &str) -> Result<(), String> {
    if text.is_empty() || text.contains('\0') { Err("give a path".to_owned()) } else { Ok(()) }
}

/// A Debian suite or component.
pub(super) fn name(text: &str) -> Result<(), String> {
    match archive::is_suite(text) {
        true => Ok(()),
        false => Err("give a name of letters, digits, `-`, `.`, `+` and `/` that starts with a letter or digit".into()),
    }
}

/// An address that apt can fetch from.
pub(super) fn url(text: &str) -> Result<(), String> {
    archive::uri(text).map(|_| ()).map_err(|fault| fault.hint(text).to_owned())
}

/// A moment of the archive, or none of them.
pub(super) fn snapshot(text: &str) -> Result<(), String> {
    match text == NO_SNAPSHOT || archive::is_snapshot(text) {
        true => Ok(()),
        false => Err(format!("give a moment such as 20260101T000000Z, or {NO_SNAPSHOT} for the archives as they are")),
    }
}

/// `URL [SUITE [COMPONENT...]]`, as `builder::apt::Settings` takes it.
pub(super) fn archive(text: &str) -> Result<(), String> {
    let mut words = text.split(' ');
    let uri = words.next().unwrap_or_default();
    // What has no scheme may be meant as anything.
    if let Err(fault) = archive::uri(uri)
        && uri.contains(':')
    {
        return Err(fault.hint(uri).to_owned());
    }
    let is_uri = archive::uri(uri).is_ok();
    let suite = words.next();
    let is_flat = suite.is_some_and(archive::is_flat);
    if is_flat && words.next().is_some() {
        return Err("remove the components: a suite that ends in a slash is an exact path, which has none".to_owned());
    }
    match is_uri && (is_flat || suite.is_none_or(archive::is_suite)) && words.all(archive::is_component) {
        true => Ok(()),
        false => Err("give an address such as http://mirror.example.org/debian, alone or with a suite and components \
                      after it, or with the path of a flat archive such as `./`, and without a password; an archive with \
                      keys of its own is a [[repository]] in builder.toml"
            .to_owned()),
    }
}

/// A proxy for apt and for downloads alike. It may hold a password: it reaches neither the lock nor a record.
pub(super) fn proxy(text: &str) -> Result<Secret, String> {
    match is_proxy(text) {
        true => Ok(Secret::shown_as(text.to_owned(), redact(text))),
        false => {
            Err("give an address such as http://proxy.example.org:3128, with USER:PASSWORD@ before the host where it \
             asks for them; what an address cannot hold is written as in %40"
                .to_owned())
        }
    }
}

/// One of the names of `T`.
pub(super) fn choice<T: ValueEnum>(text: &str) -> Result<T, String> {
    let values = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let names: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
    T::from_str(text, false).map_err(|_| one_of(text, &names.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// One of mmdebstrap's variants.
pub(super) fn variant(text: &str) -> Result<String, String> {
    if VARIANTS.contains(&text) { Ok(text.to_owned()) } else { Err(one_of(text, &VARIANTS)) }
}

pub(super) fn one_of(text: &str, words: &[&str]) -> String {
    let near = near(text, words.iter().copied()).map(|word| format!("did you mean `{word}`? "));
    format!("{}it is one of {}", near.unwrap_or_default(), words.join(", "))
}

/// The known word that `name` was probably meant to be.
pub(super) fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The shortest beginning of a key that stands for it.
const SHORTEST: usize = 3;

/// The key that `name` was probably meant to be: one that other tools call so, by `synonyms`, one that is written almost so,
/// or the only one of which it is the beginning, or that is its beginning.
pub(super) fn meant<'a>(name: &str, keys: &[&'a str], synonyms: &[(&str, &'a str)]) -> Option<&'a str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    if let Some((_, key)) = synonyms.iter().find(|(word, _)| *word == name) {
        return Some(key);
    }
    near(&name, keys.iter().copied()).or_else(|| {
        let is_short = |text: &str| text.len() < SHORTEST;
        let begins =
            |key: &&&str| key.starts_with(&name) && !is_short(&name) || name.starts_with(**key) && !is_short(key);
        let mut found = keys.iter().filter(begins);
        found.next().copied().filter(|_| found.next().is_none())
    })
}

fn is_proxy(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    ["http", "https"].contains(&scheme)
        && !authority.contains(['/', '?', '#'])
        && !name.is_empty()
        && !name.contains(':')
        && port.parse::<u16>().is_ok_and(|port| port > 0)
        && is_plain(text)
}

/// Whether `text` is not too long and cannot mean anything else where addresses are written.
fn is_plain(text: &str) -> bool {
    text.len() <= 2048 && text.chars().all(|c| c.is_ascii_graphic() && !"\"'<>[]{}\\^`|".contains(c))
}
