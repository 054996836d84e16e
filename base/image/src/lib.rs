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
mod readable;
pub mod resolve;
pub mod store;
pub mod tree;
pub mod verity;

/// Reads, hashes and compresses with at most as many threads as `jobs`, and with one where the process may use little
/// memory: the bytes of a module do not depend on it. To be called once, before anything else of this crate or of one
/// above it.
///
/// # Errors
/// When the system gives no more threads.
pub fn use_threads(jobs: usize) -> std::io::Result<()> {
    let is_scarce = host::memory::is_scarce();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(if is_scarce { 1 } else { jobs.max(1) });
    pool.build_global().map_err(|error| {
        let refused = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
        let code = refused.and_then(std::io::Error::raw_os_error);
        code.map_or_else(|| std::io::Error::other(error.to_string()), std::io::Error::from_raw_os_error)
    })?;
    if is_scarce {
        // Whatever a thread takes with its first allocation is taken before anyone asks what is left.
        rayon::broadcast(|_| drop(std::hint::black_box(vec![0u8; 1 << 10])));
    }
    Ok(())
}

pub use error::Error;
pub use readable::Readable;
pub use tree::Tree;
