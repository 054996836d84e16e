//! Compressed bytes of strangers: bounded in the memory that they take and in what they unpack to.

use std::io::{self, Read};

/// How much memory an xz or zstd stream may ask for, in bytes. `xz -9e` asks for 65 MiB.
const MEMORY_LIMIT: u64 = 256 << 20;

/// The decompressed bytes of `input`; `None` when the suffix is not known.
pub(crate) fn decompress<'a>(suffix: &str, input: impl Read + 'a) -> Option<io::Result<Box<dyn Read + 'a>>> {
    Some(match suffix {
        "" => Ok(Box::new(input)),
        ".gz" => Ok(Box::new(flate2::read::MultiGzDecoder::new(input))),
        ".xz" => liblzma::stream::Stream::new_stream_decoder(MEMORY_LIMIT, liblzma::stream::CONCATENATED)
            .map(|stream| -> Box<dyn Read + 'a> { Box::new(liblzma::read::XzDecoder::new_stream(input, stream)) })
            .map_err(io::Error::from),
        ".zst" => zstd::Decoder::new(input).and_then(|mut decoder| -> io::Result<Box<dyn Read + 'a>> {
            decoder.window_log_max(MEMORY_LIMIT.ilog2())?;
            Ok(Box::new(decoder))
        }),
        _ => return None,
    })
}

/// Refuses to give more than a number of bytes, so that a bomb ends in an error.
pub(crate) struct Bounded<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    limit: u64,
}

impl<'a> Bounded<'a> {
    /// What `inner` gives, up to `limit` bytes.
    pub(crate) fn new(inner: Box<dyn Read + 'a>, limit: u64) -> Self {
        Self { inner, left: limit, limit }
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, format!("it unpacks to more than {} bytes", self.limit))
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn more_bytes_than_the_limit_are_an_error() {
        let mut bounded = Bounded::new(Box::new(io::repeat(0)), 100);
        assert_eq!(io::copy(&mut bounded, &mut io::sink()).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
