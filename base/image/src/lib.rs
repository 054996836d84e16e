//! A tree of files and its forms: a composefs image, objects, `module.tar`.
//!
//! This is what several stages stand on, and it holds formats alone: [`tree`] is the one in-memory tree;
//! [`composefs`] writes and reads images, [`verity`] computes fs-verity digests, [`store`] and [`archive`]
//! lay out the objects, [`diff`] compares. What ships, and where its bytes come from, is decided above.

// Product code is linted where the crate is built without its tests, which read what they wrote themselves.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself"))]

pub mod archive;
pub mod composefs;
pub mod diff;
pub mod edit;
pub mod error;
pub mod identity;
pub mod object;
pub mod resolve;
pub mod store;
pub mod tree;
pub mod verity;

/// Works with one thread from here on, where the process may use little memory: the bytes of a module do not
/// depend on it. To be called once, before anything else of this crate or of one above it.
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
