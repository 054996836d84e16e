//! The contents of objects, which must be what their names say.

use std::path::Path;

use model::VerityDigest;
use rayon::prelude::*;

use super::{CHUNK, Problem, Reader};
use crate::error::Error;
use crate::verity::{self, Hasher};

/// Objects up to this size wait for others, so that all threads have something to hash.
const SMALL: u64 = 1 << 20;
/// How many bytes of them wait at most.
const WAITING: u64 = 16 << 20;

/// Objects that were read and are not checked yet.
#[derive(Default)]
pub(super) struct Bodies {
    waiting: Vec<(VerityDigest, Vec<u8>)>,
    bytes: u64,
}

impl Bodies {
    /// Takes the next `size` bytes of the archive, which must be the object `expected`.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, expected: &VerityDigest, size: u64) -> Result<(), Error> {
        if size > SMALL {
            return large(reader, expected, size);
        }
        self.waiting.push((*expected, reader.content(size)?));
        self.bytes += size;
        if self.bytes < WAITING { Ok(()) } else { self.finish(reader.path) }
    }

    /// Checks what waits.
    pub(super) fn finish(&mut self, path: &Path) -> Result<(), Error> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
            .par_iter()
            .try_for_each(|(expected, content)| compare(path, expected, verity::digest(content)))
    }
}

fn large(reader: &mut Reader<'_>, expected: &VerityDigest, size: u64) -> Result<(), Error> {
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; CHUNK]);
    let mut left = size;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        reader.fill(&mut buffer[..length])?;
        hasher.update(&buffer[..length]);
        left -= length as u64;
    }
    compare(reader.path, expected, hasher.finish())
}

fn compare(path: &Path, expected: &VerityDigest, found: VerityDigest) -> Result<(), Error> {
    if found == *expected {
        return Ok(());
    }
    Err(Error::archive(path)(Problem::ObjectDigest { expected: *expected, found }))
}
