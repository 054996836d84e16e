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
pub fn sha256(mut input: impl Read) -> io::Result<(Digest, u64)> {
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut size = 0;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok((Digest::new(hash.finalize().into()), size)),
            Ok(count) => {
                hash.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
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
    }
}
