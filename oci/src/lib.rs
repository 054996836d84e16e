//! The OCI side of a module: media types and annotation names in one table, and image layouts.

// Product code is linted where the crate is built without its tests, which read what they wrote themselves.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself"))]

pub mod error;
mod json;
pub mod layout;
pub mod media;
pub mod reference;

pub use error::Error;
pub use reference::{Reference, Tag};
