//! Values that stand in a document twice.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use super::check::Check;
use super::cursor::Cursor;
use super::text;
use crate::diagnostic::Position;

/// Values that were met, to warn about the second of two equal ones.
#[derive(Debug)]
pub struct Seen<K> {
    code: &'static str,
    what: &'static str,
    first: HashMap<K, Position>,
}

impl<K: Eq + Hash + Display> Seen<K> {
    /// Nothing was met yet; `code` is that of the warning, `what` the values' name with its article.
    #[must_use]
    pub fn new(code: &'static str, what: &'static str) -> Self {
        Self { code, what, first: HashMap::new() }
    }

    /// Notes the value `key` at `item`, and warns if it was met before.
    pub fn note(&mut self, check: &mut Check<'_>, item: &Cursor<'_>, key: K) {
        if let Some(first) = self.first.get(&key) {
            let shown = text::excerpt(&key.to_string());
            let message = format!("{} `{shown}` stands in line {} already", self.what, first.line);
            check.warn(item, self.code, message, "remove one of the two");
        } else {
            self.first.insert(key, item.position());
        }
    }
}
