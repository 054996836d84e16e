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

/// Works with one thread from here on, where the process may use little memory: the bytes of a module do not
/// depend on it. To be called once, before anything else of this crate.
pub fn fit_to_memory() {
    if host::memory::is_scarce() {
        // A pool that is there already is as good.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(1).build_global();
        // Whatever a thread takes with its first allocation is taken before anybody asks what is left.
        rayon::broadcast(|_| drop(std::hint::black_box(vec![0u8; 1 << 10])));
    }
}

pub use error::Error;
pub use tree::Tree;
