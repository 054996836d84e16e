//! OCI: content by its digest, references to it, image layouts as its first store, and the product's media types.

// Product code is linted where the crate is built without its tests, which read what they wrote themselves.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself"))]

pub mod content;
pub mod error;
pub mod layout;
pub mod media;
pub mod place;
pub mod reference;

pub use content::{ContentStore, Descriptor, Document};
pub use error::Error;
pub use place::Place;
pub use reference::{Malformed, Reference, Tag};
