//! The members of the `ar` archive that a package is, decompressed and bounded.

use std::io::{self, Read};

use super::Reason;

/// How much memory an xz or zstd stream may ask for, in bytes. `xz -9e` asks for 65 MiB.
const MEMORY_LIMIT: u64 = 256 << 20;

/// The `ar` members of a .deb, one after the other.
struct Members<R> {
    input: R,
    /// What is left of the current member with its padding.
    rest: u64,
}

impl<R: Read> Members<R> {
    fn open(mut input: R) -> Result<Self, Reason> {
        let mut magic = [0; 8];
        if !read_whole(&mut input, &mut magic)? || &magic != b"!<arch>\n" {
            return Err(Reason::NotAnArchive);
        }
        Ok(Self { input, rest: 0 })
    }

    /// The next member's name and size; its bytes come from [`Members::content`].
    fn next(&mut self) -> Result<Option<(String, u64)>, Reason> {
        let skipped = io::copy(&mut self.input.by_ref().take(self.rest), &mut io::sink())?;
        // The last member's padding may be missing.
        if skipped + 1 < self.rest {
            return Err(Reason::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut header = [0; 60];
        if !read_whole(&mut self.input, &mut header)? {
            return Ok(None);
        }
        if &header[58..] != b"`\n" {
            return Err(Reason::MemberHeader);
        }
        let name = std::str::from_utf8(&header[..16]).map_err(|_| Reason::MemberHeader)?.trim_end_matches([' ', '/']);
        let size = std::str::from_utf8(&header[48..58]).map_err(|_| Reason::MemberHeader)?.trim_end();
        if size.is_empty() || !size.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Reason::MemberHeader);
        }
        let size: u64 = size.parse().map_err(|_| Reason::MemberHeader)?;
        self.rest = size + size % 2;
        Ok(Some((name.to_owned(), size)))
    }

    /// The bytes of the member that [`Members::next`] named last.
    fn content(self, size: u64) -> io::Take<R> {
        self.input.take(size)
    }

    fn small(&mut self, size: u64) -> Result<Vec<u8>, Reason> {
        let mut bytes = Vec::new();
        self.input.by_ref().take(size).read_to_end(&mut bytes)?;
        self.rest -= bytes.len() as u64;
        Ok(bytes)
    }
}

/// Fills `buffer`; `false` when the input had ended before the first byte.
fn read_whole(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Goes on to the member `stem` (`control.tar`, `data.tar`) and opens its decompressed bytes.
pub(super) fn open_member<'a, R: Read + 'a>(input: R, stem: &'static str, limit: u64) -> Result<Bounded<'a>, Reason> {
    let mut members = Members::open(input)?;
    match members.next()? {
        Some((name, size)) if name == "debian-binary" && size <= 64 => {
            let version = String::from_utf8_lossy(&members.small(size)?).trim_end().to_owned();
            if !version.starts_with("2.") {
                return Err(Reason::Version { version });
            }
        }
        _ => return Err(Reason::MissingMember { member: "debian-binary" }),
    }
    // deb(5): members whose names begin with an underscore are to be ignored.
    for wanted in ["control.tar", "data.tar"] {
        let (name, size) = loop {
            match members.next()? {
                None => return Err(Reason::MissingMember { member: wanted }),
                Some((name, _)) if name.starts_with('_') => {}
                Some(member) => break member,
            }
        };
        let Some(suffix) = name.strip_prefix(wanted) else {
            return Err(Reason::MissingMember { member: wanted });
        };
        if wanted == stem {
            let inner = decompress(suffix, members.content(size)).ok_or(Reason::Compression { name })?;
            return Ok(Bounded { inner: inner?, left: limit, limit });
        }
    }
    Err(Reason::MissingMember { member: stem })
}

/// The decompressed bytes of `input`; `None` when the suffix is not known.
fn decompress<'a>(suffix: &str, input: impl Read + 'a) -> Option<io::Result<Box<dyn Read + 'a>>> {
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
pub(super) struct Bounded<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    limit: u64,
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
        let mut bounded = Bounded { inner: Box::new(io::repeat(0)), left: 100, limit: 100 };
        assert_eq!(io::copy(&mut bounded, &mut io::sink()).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
