//! A reader that hashes what is read through it.

use std::io::{self, Read};

use model::Digest;

/// Hashes and counts what is read from `inner`.
pub(super) struct Hashing<R> {
    inner: R,
    hasher: sha2::Sha256,
    size: u64,
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, hasher: sha2::Digest::new(), size: 0 }
    }

    /// How many bytes were read, and their sha256.
    pub(super) fn finish(self) -> (u64, Digest) {
        (self.size, Digest::new(sha2::Digest::finalize(self.hasher).into()))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        sha2::Digest::update(&mut self.hasher, &buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}
