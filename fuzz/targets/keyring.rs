//! An OpenPGP keyring: the names of its keys, sorted, each once, or an error.

#![no_main]

use builder::apt::{Fingerprint, fingerprints};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(found) = fingerprints(bytes) else { return };
    assert!(!found.is_empty() && found.is_sorted_by(|a, b| a < b));
    for fingerprint in &found {
        assert_eq!(Fingerprint::parse(&fingerprint.to_string()).as_ref(), Some(fingerprint));
    }
    // One keyring after the other holds the keys of both, once each. Text begins on a line of its own.
    let between: &[u8] = if bytes.starts_with(b"-----BEGIN") { b"\n" } else { b"" };
    assert_eq!(fingerprints(&[bytes, between, bytes].concat()).as_ref(), Ok(&found));
});
