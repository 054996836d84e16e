//! A `manifest.yaml`: a manifest or errors, never neither and never both. Its canonical JSON reads as
//! the same manifest.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::rules::{Rules, conflicts};
use model::{Manifest, Severity};

fuzz_target!(|bytes: &[u8]| {
    let parsed = Manifest::parse(bytes);
    let wrong = parsed.diagnostics.iter().any(|found| found.severity == Severity::Error);
    assert_eq!(parsed.manifest.is_none(), wrong, "{:?}", parsed.diagnostics);
    for found in &parsed.diagnostics {
        assert!(!found.message.is_empty() && !found.place().contains('\n'));
    }
    let Some(manifest) = parsed.manifest else { return };
    let json = manifest.canonical_json();
    let again = Manifest::parse(&json);
    let again = again.manifest.unwrap_or_else(|| panic!("{:?}", again.diagnostics));
    assert_eq!(String::from_utf8_lossy(&again.canonical_json()), String::from_utf8_lossy(&json));
    let (file, other) = ("manifest.yaml".into(), "other.yaml".into());
    let (own, neighbours) = (manifest.lists(&file), [again.lists(&other)]);
    let _ = Rules::new(own, &neighbours);
    let _ = conflicts(own, &neighbours);
});
