//! What a manifest is a manifest of.

use serde_json::Value;

use super::module;

/// What a manifest is a manifest of. A kind has its parser, its tables of keys and what it answers to the recipes
/// in a room of its own below `manifest`; every `match` over kinds names each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A module. The format has no key that says so: a manifest that says nothing is one.
    #[default]
    Module,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 1] = [Self::Module];

    /// The JSON Schema (draft 2020-12) of such manifests, for editors.
    #[must_use]
    pub fn json_schema(self) -> Value {
        match self {
            Self::Module => module::json_schema(),
        }
    }
}
