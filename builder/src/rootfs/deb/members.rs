//! The members of the `ar` archive that a package is, decompressed and bounded.

use std::io::{self, Read};

use super::Reason;
use crate::unpack::{Bounded, decompress};

/// A .deb: its two archives, which are read in their order.
pub(super) struct Package<R> {
    input: R,
    /// What is left of the current member with its padding.
    rest: u64,
}

impl<R: Read> Package<R> {
    /// Begins to read a package: its first member says that it is one.
    pub(super) fn new(mut input: R) -> Result<Self, Reason> {
        let mut magic = [0; 8];
        if !read_whole(&mut input, &mut magic)? || &magic != b"!<arch>\n" {
            return Err(Reason::NotAnArchive);
        }
        let mut package = Self { input, rest: 0 };
        match package.next()? {
            Some((name, size)) if name == "debian-binary" && size <= 64 => {
                let mut version = Vec::new();
                package.content(size).read_to_end(&mut version)?;
                let version = String::from_utf8_lossy(&version).trim_end().to_owned();
                if !version.starts_with("2.") {
                    return Err(Reason::Version { version });
                }
            }
            _ => return Err(Reason::MissingMember { member: "debian-binary" }),
        }
        Ok(package)
    }

    /// Goes on to the archive `stem`, which is the next of `control.tar` and `data.tar`, and gives its
    /// suffix and its size.
    pub(super) fn find(&mut self, stem: &'static str) -> Result<(String, u64), Reason> {
        // deb(5): members whose names begin with an underscore are to be ignored.
        let (name, size) = loop {
            match self.next()? {
                None => return Err(Reason::MissingMember { member: stem }),
                Some((name, _)) if name.starts_with('_') => {}
                Some(member) => break member,
            }
        };
        let suffix = name.strip_prefix(stem).ok_or(Reason::MissingMember { member: stem })?;
        Ok((suffix.to_owned(), size))
    }

    /// As [`Package::find`], but opens the archive's decompressed bytes, of which there may be `limit`.
    pub(super) fn open(&mut self, stem: &'static str, limit: u64) -> Result<Bounded<'_>, Reason> {
        let (suffix, size) = self.find(stem)?;
        let name = format!("{stem}{suffix}");
        let inner = decompress(&suffix, self.content(size)).ok_or(Reason::Compression { name })?;
        Ok(Bounded::new(inner?, limit))
    }

    /// The next member's name and size; its bytes come from [`Package::content`].
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

    /// The bytes of the member that [`Package::next`] named last. What is not read of them, the next call
    /// of that skips.
    fn content(&mut self, size: u64) -> Content<'_, R> {
        Content { package: self, left: size }
    }
}

/// The bytes of one member.
struct Content<'a, R> {
    package: &'a mut Package<R>,
    left: u64,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.package.input.by_ref().take(self.left).read(buffer)?;
        self.left -= count as u64;
        self.package.rest -= count as u64;
        Ok(count)
    }
}

/// Fills `buffer`; `false` when the input had ended before the first byte.
fn read_whole(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match host::read::fill(input, buffer)? {
        0 if !buffer.is_empty() => Ok(false),
        filled if filled < buffer.len() => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(true),
    }
}
