#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]
