//! The canonical JSON of a manifest: `manifest.json`, and the OCI config blob.

use std::collections::BTreeMap;

use serde_json::Value;

use super::types::Manifest;

impl Manifest {
    /// The manifest as compact JSON: keys sorted by their bytes at every level, absent fields
    /// absent, no places, no line break at the end.
    ///
    /// It is YAML too: [`Manifest::parse`] reads it back as the same manifest. No two equal
    /// manifests give different bytes, whatever comments, styles and anchors they were written with.
    #[must_use]
    pub fn canonical_json(&self) -> Vec<u8> {
        // Neither of these can fail: every key is a string and every number is finite. Nothing is
        // hidden if one should: an empty result is no JSON, and every reader refuses it.
        let value = serde_json::to_value(self).unwrap_or_default();
        serde_json::to_vec(&sorted(value)).unwrap_or_default()
    }
}

/// An equal value whose objects iterate in the order of their keys, even where another crate of
/// the build turns on the feature of `serde_json` that keeps the order of insertion.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(map) => {
            let map: BTreeMap<String, Value> = map.into_iter().collect();
            Value::Object(map.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        other => other,
    }
}
