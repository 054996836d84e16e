//! A `module.lock`: what reads is written as a text that reads as the same lock, and is its own text.

#![no_main]

use builder::apt::lock::{parse, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(written) = std::str::from_utf8(bytes) else { return };
    let Ok(lock) = parse(written) else { return };
    let canonical = text(&lock).expect("what was read can be written");
    let again = parse(&canonical).unwrap_or_else(|error| panic!("{error}\n{canonical}"));
    assert_eq!(again, lock);
    assert_eq!(text(&again).expect("what was read can be written"), canonical);
});
