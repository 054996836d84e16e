//! The settings as `env` shows them.

use std::path::PathBuf;

use model::path::json::keys;
use serde::Serialize;

use super::Settings;
use super::origin::{Origin, Value};
use crate::ui::clean;

impl Settings {
    /// Every setting by name, in a fixed order.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        fn entry<T: serde::Serialize>(name: &'static str, value: &Value<T>) -> Entry {
            let json = serde_json::to_value(&value.value).unwrap_or(serde_json::Value::Null);
            Entry { name, value: Shown::Value(json), origin: value.origin.clone() }
        }
        fn path(name: &'static str, value: &Value<Option<PathBuf>>) -> Entry {
            let shown = value.value.clone().map_or(Shown::Value(serde_json::Value::Null), Shown::Path);
            Entry { name, value: shown, origin: value.origin.clone() }
        }
        fn masked(value: &Value<Option<String>>) -> Value<Option<String>> {
            Value::new(value.value.as_deref().map(net::url::redact), value.origin.clone())
        }
        fn word<T: clap::ValueEnum>(value: &Value<T>) -> Value<String> {
            let name = value.value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
            Value::new(name, value.origin.clone())
        }
        vec![
            entry("arch", &self.arch),
            path("cache_dir", &self.cache_dir),
            path("certificates", &self.certificates),
            entry("color", &word(&self.color)),
            entry("components", &self.components),
            entry("epoch", &self.epoch),
            entry("jobs", &self.jobs),
            path("keyring", &self.keyring),
            entry("mirrors", &self.mirrors),
            entry("progress", &word(&self.progress)),
            entry("proxy", &masked(&self.proxy)),
            entry("snapshot_mirror", &self.snapshot_mirror),
            entry("suite", &self.suite),
            entry("variant", &self.variant),
        ]
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
