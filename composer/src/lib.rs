//! A root file system and rules become an image.
//!
//! [`scan`] is the only reader of the root file system and gives a [`tree::Tree`]; [`filter`] keeps
//! what the rules ship; [`seal`] reads every file once and gives each its digests; [`image`] writes
//! and reads composefs images; [`store`] and [`archive`] lay out the objects. One tree feeds every
//! output: nothing computes a digest by a second road.

// Product code is linted where the crate is built without its tests, which read what they wrote themselves.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself"))]

pub mod archive;
pub mod diff;
pub mod edit;
pub mod error;
pub mod filter;
pub mod image;
pub mod needs;
pub mod overlay;
pub mod resolve;
pub mod scan;
pub mod seal;
pub mod store;
pub mod tree;
pub mod verity;

pub use error::Error;
pub use tree::Tree;
