//! What breaks the program from outside, one test for each way that was found (`docs/security.md` numbers
//! them): forged records, shipped caches, links, pipes, races, damaged archives, hostile patterns.
//!
//! Each test makes its own input and expects the refusal that is right.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[allow(dead_code, reason = "each part uses some of it")]
#[path = "../small/mod.rs"]
mod small;

#[cfg(feature = "peer-tests")]
#[allow(dead_code, unreachable_pub, reason = "each part uses some of it")]
#[path = "../faults/archive.rs"]
mod archive;

mod budgets;
mod identity;
mod mounts;
mod opener;
mod output;
mod readers;
mod resolved;
mod vouching;
mod whose;
