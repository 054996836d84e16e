//! What the files of a tree carry before they are digested: contents that can be read.

use std::io::Read;

use crate::error::Error;

/// The content of a regular file that can be read, from wherever it is. Bytes in memory are one, too.
pub trait Readable: From<Vec<u8>> {
    /// The size in bytes.
    fn size(&self) -> u64;

    /// A reader from the beginning.
    ///
    /// # Errors
    /// When the content cannot be opened, or is no longer what was seen.
    fn open(&self) -> Result<impl Read, Error>;

    /// The whole content, which may have at most `limit` bytes.
    ///
    /// # Errors
    /// When it is larger, cannot be read, or is no longer what was seen.
    fn read(&self, limit: u64) -> Result<Vec<u8>, Error>;
}

/// Contents in memory.
impl Readable for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn open(&self) -> Result<impl Read, Error> {
        Ok(self.as_slice())
    }

    fn read(&self, limit: u64) -> Result<Vec<u8>, Error> {
        let size = self.len() as u64;
        if size > limit {
            return Err(Error::TooLarge { source_name: "<memory>".into(), size, limit });
        }
        Ok(self.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn bytes_in_memory_are_a_content() {
        let (none, some) = (Vec::new(), b"abc".to_vec());
        assert_eq!((Readable::size(&none), Readable::size(&some)), (0, 3));
        assert_eq!(Readable::read(&some, 3).unwrap(), b"abc");
        assert!(matches!(Readable::read(&some, 2), Err(Error::TooLarge { size: 3, limit: 2, .. })));
        let mut read = Vec::new();
        Readable::open(&some).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!((read, Readable::read(&none, 0).unwrap()), (some, none));
    }
}
