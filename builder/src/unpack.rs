//! Compressed bytes of strangers: bounded in the memory that they take and in what they unpack to.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

/// How much memory an xz or zstd stream may ask for, in bytes. `xz -9e` asks for 65 MiB.
const MEMORY_LIMIT: u64 = 256 << 20;

/// The decompressed bytes of `input`; `None` when the suffix is not known.
pub(crate) fn decompress<'a>(suffix: &str, input: impl Read + 'a) -> Option<io::Result<Box<dyn Read + 'a>>> {
    Some(match suffix {
        "" => Ok(Box::new(input)),
        ".gz" => Ok(Box::new(Gzip::new(input))),
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

/// The members of a gzip file, one behind the other (RFC 1952, section 2.2). Zeros behind the last one are none of it: blocks of
/// tapes and disks are filled up with them (gzip(1), "Trailing garbage").
struct Gzip<R> {
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Gzip<R> {
    fn new(input: R) -> Self {
        Self { member: Some(GzDecoder::new(BufReader::new(input))) }
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let rest = self.member.take().map(GzDecoder::into_inner);
            self.member = rest.map(next).transpose()?.flatten();
        }
        Ok(0)
    }
}

/// The member that follows in `rest`; none at the end, and where only zeros follow.
fn next<R: Read>(mut rest: BufReader<R>) -> io::Result<Option<GzDecoder<BufReader<R>>>> {
    let mut is_padded = false;
    loop {
        match rest.fill_buf()? {
            [] => return Ok(None),
            [0, ..] => is_padded = true,
            [..] if is_padded => return Err(io::Error::new(io::ErrorKind::InvalidData, "something follows its end")),
            [..] => return Ok(Some(GzDecoder::new(rest))),
        }
        let zeros = rest.buffer().iter().take_while(|byte| **byte == 0).count();
        rest.consume(zeros);
    }
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
    fn a_gzip_file_may_have_several_members_and_end_in_zeros() {
        let member = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let read = |bytes: &[u8]| {
            let mut text = String::new();
            decompress(".gz", bytes).unwrap().unwrap().read_to_string(&mut text).map(|_| text)
        };
        let zeros = vec![0; 100_000];
        assert_eq!(read(&member("one")).unwrap(), "one");
        assert_eq!(read(&[member("one"), member(""), member("two")].concat()).unwrap(), "onetwo");
        assert_eq!(read(&[member("one"), zeros.clone()].concat()).unwrap(), "one");
        for behind in [&b"junk"[..], b"\x1f\x8b\x08"] {
            assert!(read(&[&member("one"), behind].concat()).is_err());
            assert!(read(&[&member("one"), &zeros[..], behind].concat()).is_err());
        }
        assert!(read(&[member("one"), zeros, member("two")].concat()).is_err(), "no program reads what follows zeros");
        assert!(read(&member("one")[..12]).is_err());
    }

    #[test]
    fn more_bytes_than_the_limit_are_an_error() {
        let mut bounded = Bounded::new(Box::new(io::repeat(0)), 100);
        assert_eq!(io::copy(&mut bounded, &mut io::sink()).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
