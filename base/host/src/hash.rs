//! The sha256 of a stream.

use std::io::{self, Read};

use model::Digest;
use sha2::Digest as _;

/// How much is read at once, in bytes.
const CHUNK: usize = 1 << 20;

/// Reads `input` to its end, and gives the sha256 and the number of its bytes.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(input: impl Read) -> io::Result<(Digest, u64)> {
    Hashing::new(input).finish()
}

/// A reader that hashes what goes through it, so that what is judged is what was hashed.
#[derive(Debug)]
pub struct Hashing<R> {
    input: R,
    hash: sha2::Sha256,
    size: u64,
}

impl<R: Read> Hashing<R> {
    /// Hashes what will be read from `input`.
    pub fn new(input: R) -> Self {
        Self { input, hash: sha2::Sha256::new(), size: 0 }
    }

    /// Reads what is left, and gives the sha256 and the number of all bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn finish(mut self) -> io::Result<(Digest, u64)> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok((Digest::new(self.hash.finalize().into()), self.size)),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_the_digest_of_its_bytes() {
        let bytes = vec![7; CHUNK * 2 + 3];
        assert_eq!(sha256(&bytes[..]).unwrap(), (Digest::of(&bytes), bytes.len() as u64));
        assert_eq!(sha256(&b""[..]).unwrap(), (Digest::of(b""), 0));
        let mut reader = Hashing::new(&bytes[..]);
        reader.read_exact(&mut [0; 5000]).unwrap();
        assert_eq!(reader.finish().unwrap(), (Digest::of(&bytes), bytes.len() as u64));
    }
}
