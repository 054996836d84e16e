//! Every setting: its name, its shape, where it may be written, and its variable.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::archive;

use super::layers::Warning;
use super::{Flags, Layers, Origin, Value};
use crate::environment::Environment;
use crate::error::Error;

/// Where a setting may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It changes bytes: `builder.toml` and flags only.
    Module,
    /// It changes speed and place only: the user's and the machine's files, variables and flags, never the
    /// module's files. What comes with the sources could bring a cache with contents of its own, or lead
    /// every download through somebody else's machine.
    User,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A Debian suite or component name.
    Name,
    /// Several of these.
    Names,
    /// An address that apt can fetch from.
    Url,
    /// An HTTP proxy, perhaps with a user and a password.
    Proxy,
    /// Archives: each an address, alone or with a suite and components after it.
    Archives,
    /// A file or directory of the host.
    Path,
    /// A number from 1 to [`MOST_JOBS`].
    Number,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// One setting.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) reach: Reach,
    pub(super) shape: Shape,
    pub(super) variable: &'static str,
}

const PREFIX: &str = "MODULE_BUILDER_";
/// More would only wait for each other.
pub(crate) const MOST_JOBS: u64 = 1024;
pub(super) const VARIANTS: [&str; 7] = ["extract", "custom", "essential", "apt", "minbase", "important", "standard"];

pub(super) static KEYS: [Key; 11] = [
    Key { name: "suite", reach: Reach::Module, shape: Shape::Name, variable: "MODULE_BUILDER_SUITE" },
    Key { name: "mirrors", reach: Reach::Module, shape: Shape::Archives, variable: "MODULE_BUILDER_MIRRORS" },
    Key { name: "components", reach: Reach::Module, shape: Shape::Names, variable: "MODULE_BUILDER_COMPONENTS" },
    Key { name: "keyring", reach: Reach::Module, shape: Shape::Path, variable: "MODULE_BUILDER_KEYRING" },
    Key { name: "variant", reach: Reach::Module, shape: Shape::Choice(&VARIANTS), variable: "MODULE_BUILDER_VARIANT" },
    Key {
        name: "snapshot_mirror",
        reach: Reach::Module,
        shape: Shape::Url,
        variable: "MODULE_BUILDER_SNAPSHOT_MIRROR",
    },
    Key { name: "cache_dir", reach: Reach::User, shape: Shape::Path, variable: "MODULE_BUILDER_CACHE_DIR" },
    Key { name: "jobs", reach: Reach::User, shape: Shape::Number, variable: "MODULE_BUILDER_JOBS" },
    Key { name: "proxy", reach: Reach::User, shape: Shape::Proxy, variable: "MODULE_BUILDER_PROXY" },
    Key {
        name: "color",
        reach: Reach::User,
        shape: Shape::Choice(&["auto", "always", "never"]),
        variable: "MODULE_BUILDER_COLOR",
    },
    Key {
        name: "progress",
        reach: Reach::User,
        shape: Shape::Choice(&["auto", "plain", "json", "none"]),
        variable: "MODULE_BUILDER_PROGRESS",
    },
];

/// A value whose shape is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    Text(String),
    List(Vec<String>),
    Path(PathBuf),
    Number(u64),
}

impl Key {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The known key that `name` was probably meant to be.
    pub(super) fn near(name: &str) -> Option<&'static str> {
        near(name, KEYS.iter().map(|key| key.name))
    }

    /// Checks one word of the value.
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        match self.shape {
            Shape::Name | Shape::Names if !archive::is_suite(text) => {
                Err("give a name of letters, digits, `-`, `.`, `+` and `/` that starts with a letter or digit"
                    .to_owned())
            }
            Shape::Url if archive::uri(text).is_err() => {
                Err("give an address such as http://mirror.example.org/debian, without blanks or a password".to_owned())
            }
            Shape::Proxy if !is_proxy(text) => Err(
                "give an address such as http://proxy.example.org:3128, with USER:PASSWORD@ before the host where it \
                     asks for them; what an address cannot hold is written as in %40"
                    .to_owned(),
            ),
            Shape::Archives if !is_archive(text) => {
                Err("give an address such as http://mirror.example.org/debian, alone or with a suite and components \
                     after it, and without a password"
                    .to_owned())
            }
            Shape::Choice(words) if !words.contains(&text) => {
                let near = near(text, words.iter().copied()).map(|word| format!("did you mean `{word}`? "));
                Err(format!("{}it is one of {}", near.unwrap_or_default(), words.join(", ")))
            }
            Shape::Path if text.is_empty() || text.contains('\0') => Err("give a path".to_owned()),
            _ => Ok(()),
        }
    }

    /// Where a setting belongs that the module's file may not hold.
    pub(super) fn user_places(&self) -> String {
        let flag = match self.name {
            "cache_dir" => " or give `--cache-dir`",
            "jobs" => " or give `--jobs`",
            "color" => " or give `--color`",
            "progress" => " or give `--progress`",
            _ => "",
        };
        let (variable, comma) = (self.variable, if flag.is_empty() { " or" } else { "," });
        format!("move it into the user's ~/.config/module-builder/config.toml{comma} set {variable}{flag}")
    }

    pub(super) fn wanted(&self) -> &'static str {
        match self.shape {
            Shape::Name | Shape::Url | Shape::Proxy | Shape::Path | Shape::Choice(_) => "a string",
            Shape::Names | Shape::Archives => "a list of strings",
            Shape::Number => "a whole number from 1 to 1024",
        }
    }
}

fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Whether `text` is not too long and cannot mean anything else where addresses are written.
fn is_plain(text: &str) -> bool {
    text.len() <= 2048 && text.chars().all(|c| c.is_ascii_graphic() && !"\"'<>[]{}\\^`|".contains(c))
}

/// Whether `text` is a proxy for apt and for downloads alike. It may hold a password: it reaches
/// neither the lock nor a record.
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

/// `URL [SUITE [COMPONENT...]]`, as `builder::apt::Settings` takes it.
fn is_archive(text: &str) -> bool {
    let mut words = text.split(' ');
    words.next().is_some_and(|uri| archive::uri(uri).is_ok()) && words.all(archive::is_suite)
}

/// The layer of `MODULE_BUILDER_*`.
pub(super) fn environment(environment: &Environment, layers: &mut Layers) {
    for key in &KEYS {
        let Some(value) = environment.variable(key.variable) else { continue };
        if let Err(error) = variable(key, value.to_str(), environment).map(|raw| {
            layers.values.push((key, raw, Origin::Environment(key.variable)));
        }) {
            layers.failure = layers.failure.take().or(Some(error));
        }
    }
    for name in environment.variables.keys().filter_map(|name| name.to_str()) {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let known = || KEYS.iter().filter_map(|key| key.variable.strip_prefix(PREFIX));
        if let Some(near) = near(rest, known()).filter(|near| *near != rest) {
            layers.warnings.push(Warning {
                message: format!("the environment variable {name} is no setting"),
                cure: format!("did you mean {PREFIX}{near}?"),
            });
        }
    }
}

fn variable(key: &'static Key, value: Option<&str>, environment: &Environment) -> Result<Raw, Error> {
    let name = key.variable;
    if key.reach == Reach::Module {
        return Err(Error::input(format!("the environment variable {name} would change the bytes of the module"))
            .hint(format!("unset it, and write `{}` into builder.toml or give the flag", key.name)));
    }
    let wrong = |cure: String| Error::input(format!("the environment variable {name} is wrong")).hint(cure);
    let text = value.ok_or_else(|| wrong("give text in UTF-8".to_owned()))?;
    key.check(text).map_err(wrong)?;
    match key.shape {
        Shape::Number => match text.parse() {
            Ok(number) if (1..=MOST_JOBS).contains(&number) => Ok(Raw::Number(number)),
            _ => Err(wrong(format!("give {}", key.wanted()))),
        },
        Shape::Path => Ok(Raw::Path(environment.current_dir.join(text))),
        _ => Ok(Raw::Text(text.to_owned())),
    }
}

/// The layer of the flags.
pub(super) fn flags(flags: &Flags, values: &mut Vec<(&'static Key, Raw, Origin)>) -> Result<(), Error> {
    let mut push = |name: &str, flag: &'static str, raw: Raw| {
        let Some(key) = Key::find(name) else { return Err(Error::bug(format!("no setting is named {name}"))) };
        let words: &[String] = match &raw {
            Raw::Text(text) => std::slice::from_ref(text),
            Raw::List(list) => list,
            Raw::Path(_) | Raw::Number(_) => &[],
        };
        for word in words {
            key.check(word)
                .map_err(|cure| Error::usage(format!("the value `{word}` of {flag} is wrong")).hint(cure))?;
        }
        values.push((key, raw, Origin::Flag(flag)));
        Ok(())
    };
    if let Some(suite) = &flags.suite {
        push("suite", "--suite", Raw::Text(suite.clone()))?;
    }
    if !flags.mirrors.is_empty() {
        push("mirrors", "--mirror", Raw::List(flags.mirrors.clone()))?;
    }
    if let Some(variant) = &flags.variant {
        push("variant", "--variant", Raw::Text(variant.clone()))?;
    }
    if let Some(path) = &flags.cache_dir {
        push("cache_dir", "--cache-dir", Raw::Path(path.clone()))?;
    }
    if let Some(jobs) = flags.jobs {
        push("jobs", "--jobs", Raw::Number(jobs))?;
    }
    Ok(())
}

/// The strongest value of each key.
pub(super) struct Merged(BTreeMap<&'static str, (Raw, Origin)>);

impl Merged {
    /// Merges layers that are given from the weakest to the strongest.
    pub(super) fn new(values: Vec<(&'static Key, Raw, Origin)>) -> Self {
        Self(values.into_iter().map(|(key, raw, origin)| (key.name, (raw, origin))).collect())
    }

    pub(super) fn text(&mut self, name: &str) -> Option<Value<String>> {
        match self.0.remove(name)? {
            (Raw::Text(value), origin) => Some(Value { value, origin }),
            _ => None,
        }
    }

    pub(super) fn list(&mut self, name: &str) -> Option<Value<Vec<String>>> {
        match self.0.remove(name)? {
            (Raw::List(value), origin) => Some(Value { value, origin }),
            _ => None,
        }
    }

    pub(super) fn path(&mut self, name: &str) -> Option<Value<PathBuf>> {
        match self.0.remove(name)? {
            (Raw::Path(value), origin) => Some(Value { value, origin }),
            _ => None,
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Option<Value<usize>> {
        match self.0.remove(name)? {
            (Raw::Number(value), origin) => Some(Value { value: usize::try_from(value).ok()?, origin }),
            _ => None,
        }
    }
}
