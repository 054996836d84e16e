//! Manifests of a few lines, and what is found in them.
#![allow(
    dead_code,
    clippy::panic,
    clippy::unwrap_used,
    reason = "each test program uses some; a test fails by panicking"
)]

use model::{Diagnostic, Manifest};

pub(crate) fn findings(bytes: &[u8]) -> Vec<Diagnostic> {
    Manifest::parse(bytes).diagnostics
}

/// The codes of what is found in a manifest with these lines behind the two that every one has.
pub(crate) fn codes(lines: &str) -> Vec<&'static str> {
    findings(format!("schema_version: 1\nname: x\n{lines}").as_bytes()).into_iter().map(|found| found.code).collect()
}

pub(crate) fn taken(lines: &str) -> Manifest {
    let parsed = Manifest::parse(format!("schema_version: 1\nname: x\n{lines}").as_bytes());
    parsed.manifest.unwrap_or_else(|| panic!("{lines}: {:?}", parsed.diagnostics))
}

pub(crate) fn json(lines: &str) -> serde_json::Value {
    serde_json::from_slice(&taken(lines).canonical_json()).unwrap()
}

pub(crate) const NOTHING: [&str; 0] = [];
