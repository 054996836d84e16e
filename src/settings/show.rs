//! The settings as `env` shows them.

use super::Settings;
use super::origin::{Origin, Value};
use crate::ui::mask;

impl Settings {
    /// Every setting by name, in a fixed order.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        fn entry<T: serde::Serialize>(name: &'static str, value: &Value<T>) -> Entry {
            let json = serde_json::to_value(&value.value).unwrap_or(serde_json::Value::Null);
            Entry { name, value: json, origin: value.origin.clone() }
        }
        fn masked(value: &Value<Option<String>>) -> Value<Option<String>> {
            Value::new(value.value.as_deref().map(mask), value.origin.clone())
        }
        fn word<T: clap::ValueEnum>(value: &Value<T>) -> Value<String> {
            let name = value.value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
            Value::new(name, value.origin.clone())
        }
        vec![
            entry("arch", &self.arch),
            entry("cache_dir", &self.cache_dir),
            entry("certificates", &self.certificates),
            entry("color", &word(&self.color)),
            entry("components", &self.components),
            entry("epoch", &self.epoch),
            entry("jobs", &self.jobs),
            entry("keyring", &self.keyring),
            entry("mirrors", &self.mirrors),
            entry("progress", &word(&self.progress)),
            entry("proxy", &masked(&self.proxy)),
            entry("snapshot_mirror", &self.snapshot_mirror),
            entry("suite", &self.suite),
            entry("variant", &self.variant),
        ]
    }
}

/// One setting, for showing it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name in settings files.
    pub(crate) name: &'static str,
    /// Its value; null when there is none.
    pub(crate) value: serde_json::Value,
    /// Where it came from.
    pub(crate) origin: Origin,
}

impl Entry {
    /// The value as a line of TOML would have it; `-` when there is none.
    pub(crate) fn text(&self) -> String {
        if self.value.is_null() { "-".to_owned() } else { crate::ui::clean(&self.value.to_string()) }
    }
}
