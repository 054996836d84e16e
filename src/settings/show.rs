//! A setting as `env` shows it.

use std::path::PathBuf;

use clap::ValueEnum as _;
use composer::overlay::Rule;
use model::closure::{BaseRequest, ClosureRules, Ship};
use model::file_input::FileInput;
use model::path::json::keys;
use model::{Arch, Epoch, Secret};
use serde::Serialize;

use super::accounts::AccountTables;
use super::origin::Origin;
use super::repository::Repository;
use crate::ui::{Color, Progress, clean};

/// How `env` shows a value. A [`Secret`] shows what may be seen of it and nothing else.
pub(super) trait Show {
    fn show(&self) -> Shown;
}

/// Shows a value as JSON has it.
fn json(value: &impl Serialize) -> Shown {
    Shown::Value(serde_json::to_value(value).unwrap_or(serde_json::Value::Null))
}

/// Shows these types as JSON has them.
macro_rules! as_json {
    ($($type:ty),+) => { $(impl Show for $type { fn show(&self) -> Shown { json(self) } })+ };
}
as_json!(
    String,
    usize,
    bool,
    Ship,
    BaseRequest,
    ClosureRules,
    Vec<String>,
    Vec<Repository>,
    Vec<FileInput>,
    Option<String>,
    Vec<Arch>,
    Option<Epoch>,
    Option<Secret>
);

impl Show for Option<PathBuf> {
    fn show(&self) -> Shown {
        self.clone().map_or(Shown::Value(serde_json::Value::Null), Shown::Path)
    }
}

impl Show for Vec<Rule> {
    fn show(&self) -> Shown {
        json(&self.iter().map(ToString::to_string).collect::<Vec<_>>())
    }
}

impl Show for AccountTables {
    fn show(&self) -> Shown {
        json(&self.numbers())
    }
}

impl Show for Color {
    fn show(&self) -> Shown {
        json(&self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()))
    }
}

impl Show for Progress {
    fn show(&self) -> Shown {
        json(&self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()))
    }
}

/// A setting as JSON.
#[derive(Serialize)]
struct Json {
    origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<serde_json::Value>,
    #[serde(flatten, serialize_with = "keys::value")]
    path: Option<PathBuf>,
}

/// A setting's value, for showing it.
#[derive(Debug, Clone)]
pub(crate) enum Shown {
    /// As JSON has it.
    Value(serde_json::Value),
    /// A path of the host.
    Path(PathBuf),
}

/// One setting, for showing it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name in settings files.
    pub(crate) name: &'static str,
    /// Its value; null when there is none.
    pub(crate) value: Shown,
    /// Where it came from.
    pub(crate) origin: Origin,
}

impl Entry {
    /// The value and where it came from.
    pub(crate) fn json(&self) -> impl Serialize {
        match self.value.clone() {
            Shown::Value(value) => Json { value: Some(value), path: None, origin: self.origin.to_string() },
            Shown::Path(path) => Json { value: None, path: Some(path), origin: self.origin.to_string() },
        }
    }

    /// The value as a line of TOML would have it; `-` when there is none.
    pub(crate) fn text(&self) -> String {
        match &self.value {
            Shown::Value(serde_json::Value::Null) => "-".to_owned(),
            Shown::Value(value) => clean(&value.to_string()),
            Shown::Path(path) => clean(&serde_json::Value::from(path.display().to_string()).to_string()),
        }
    }
}
