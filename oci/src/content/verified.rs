//! A reader that gives what its descriptor says, or an error.

use std::io::{self, Read};

use model::Digest;
use sha2::{Digest as _, Sha256};

use super::Descriptor;
use crate::error::Error;
use crate::place::Place;

/// A reader that gives what its descriptor says, or an error.
///
/// It never gives more bytes than the descriptor says. Whoever reads it to its end without an error has read the
/// content; what came out before is to be trusted only then.
#[derive(Debug)]
pub struct Verified<R> {
    input: R,
    hash: Sha256,
    left: u64,
    expected: (Digest, u64),
    place: Place,
}

impl<R: Read> Verified<R> {
    /// Checks what will be read from `input`, which is at `place`.
    pub fn new(input: R, descriptor: &Descriptor, place: Place) -> Self {
        let expected = (descriptor.digest, descriptor.size);
        Self { input, hash: Sha256::new(), left: descriptor.size, expected, place }
    }

    /// All bytes.
    ///
    /// # Errors
    /// When there are more than `limit`, they cannot be read, or are not those of the descriptor.
    pub fn bytes(mut self, limit: u64) -> Result<Vec<u8>, Error> {
        let (_, size) = self.expected;
        if size > limit {
            return Err(Error::TooLarge { place: self.place, size, limit });
        }
        // The size is only what someone says: memory is taken as bytes come.
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(|error| Error::read(error, &self.place))?;
        Ok(bytes)
    }

    /// Reads what is left, and says whether all of it was the content.
    ///
    /// # Errors
    /// When it cannot be read, or is not what its descriptor says.
    pub fn finish(mut self) -> Result<(), Error> {
        io::copy(&mut self, &mut io::sink()).map(drop).map_err(|error| Error::read(error, &self.place))
    }

    /// The end of the bytes: nothing follows, and they were those of the descriptor.
    fn check_end(&mut self) -> io::Result<()> {
        let (expected, size) = self.expected;
        let place = || self.place.clone();
        if self.input.read(&mut [0])? != 0 {
            return Err(io::Error::other(Error::TooLong { place: place(), expected: size }));
        }
        let found = Digest::new(self.hash.clone().finalize().into());
        if found != expected {
            return Err(io::Error::other(Error::DigestMismatch { place: place(), expected, found }));
        }
        Ok(())
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return self.check_end().map(|()| 0);
        }
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.input.read(&mut buffer[..most])?;
        if count == 0 {
            let (_, expected) = self.expected;
            let (place, found) = (self.place.clone(), expected - self.left);
            return Err(io::Error::other(Error::SizeMismatch { place, expected, found }));
        }
        self.hash.update(&buffer[..count]);
        self.left -= count as u64;
        Ok(count)
    }
}
