//! A root file system and rules become an image.
//!
//! [`scan`] is the only reader of the root file system and gives an [`image::Tree`]; [`filter`] keeps
//! what the rules ship; [`hashing`] reads every file once and gives each its digests, from which [`image`]
//! makes all that a build writes. One tree feeds every output: nothing computes a digest by a second road.

// Product code is linted where the crate is built without its tests, which read what they wrote themselves.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself"))]

pub mod error;
pub mod filter;
pub mod hashing;
pub mod needs;
pub mod overlay;
pub mod patterns;
pub mod placed;
pub mod scan;

pub use error::Error;
