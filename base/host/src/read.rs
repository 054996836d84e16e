//! Reading until there is enough.

use std::io::{self, Read};

/// Reads until `buffer` is full or the content ends; gives the number of bytes read. A read that a signal interrupts is
/// done again.
///
/// # Errors
/// When the content cannot be read. What came before is in `buffer`.
pub fn fill(reader: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    /// Fails by turns as a read does that a signal interrupts, and gives a byte as long as some are left.
    struct Interrupted(bool, u8);

    impl Read for Interrupted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 = !self.0;
            if self.0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let Some(left) = self.1.checked_sub(1) else { return Ok(0) };
            self.1 = left;
            buffer[0] = 7;
            Ok(1)
        }
    }

    #[test]
    fn a_read_that_is_interrupted_is_done_again() {
        for (there, read) in [(9, 3), (3, 3), (2, 2), (0, 0)] {
            let mut buffer = [0; 3];
            assert_eq!(fill(&mut Interrupted(false, there), &mut buffer).unwrap(), read);
            assert!(buffer[..read].iter().all(|byte| *byte == 7));
        }
    }
}
