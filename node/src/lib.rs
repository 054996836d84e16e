//! What a node does with modules: it writes their trees out, lays them over each other and runs what they bring.
//!
//! [`unpack`] writes a tree to a directory, every file checked against its digest. [`trial`] is a room in which layers are
//! tried: namespaces, mounts and a cgroup of their own, and what is read of the services that run there.
//! No policy here: which layers there are, what is started and what counts as good is decided above.

// Product code is linted where the crate is built without its tests, which read what they wrote themselves.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself"))]

mod error;
pub mod trial;
pub mod unpack;

pub use error::Error;
