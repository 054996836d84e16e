//! The settings as `env` lists them.

use std::fmt::Write as _;

use super::rows::{ROWS, Settings};
use super::setting::{Group, Owner};
use super::show::Entry;

impl Settings {
    /// Every setting by name, in a fixed order.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = ROWS.iter().map(|row| row.entry(self)).collect();
        entries.sort_by_key(|entry| entry.name);
        entries
    }
}

/// The rows as the help of `env` lists them: by who asks, with the places that may name each.
pub(crate) fn help() -> String {
    let mut out = String::new();
    for group in Group::ALL {
        let _ = writeln!(out, "{}:", group.title());
        for row in ROWS.iter().filter(|row| row.group() == group) {
            let file = row.owner().map(|owner| match owner {
                Owner::Module => "module".to_owned(),
                Owner::User => "user".to_owned(),
                Owner::Either => "any file".to_owned(),
            });
            // The variable of a setting that users have is made from its name.
            let variable = row.variable().filter(|_| row.owner().is_none());
            let places = [file, variable, row.flag().map(str::to_owned)];
            let places = places.into_iter().flatten().collect::<Vec<_>>().join(", ");
            let _ = writeln!(out, "  {:<15}  {places:<20}  {}", row.name(), row.doc().trim());
        }
    }
    out
}
