//! Reads an initramfs (an initial RAM disk): what `mkinitramfs` and dracut make when a kernel is installed.
//!
//! Source of the format: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`. An
//! initramfs is a sequence of `cpio` archives, form `newc` or `crc`, each plain or compressed, with any
//! number of zero bytes between them. mkinitramfs puts microcode into a plain one at the front.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use model::ImagePath;

use crate::unpack::{Bounded, decompress};

/// The most bytes that the archives may have when they are unpacked. Debian's largest, with every
/// module, have about 500 MiB.
const LIMIT: u64 = 4 << 30;

/// The most bytes of a name, with its final zero: the kernel's `PATH_MAX`.
const NAME_LIMIT: u64 = 4096;

/// Why an initramfs cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read, or its compression is broken.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There is something in it that is no archive, or compressed in a way that is not known.
    #[error("it holds neither a cpio archive nor one compressed by gzip, xz or zstd at byte {at}")]
    Unknown {
        /// Where, counted from the beginning of the bytes that are not compressed.
        at: u64,
    },
    /// An archive in it is damaged.
    #[error("an archive in it is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
}

/// Calls `each` with the path and the content of every regular file in the initramfs `input`.
///
/// Content that `each` does not read is skipped. Files whose names are no paths (the kernel would not
/// make them either) are left out.
///
/// # Errors
/// When it is no initramfs, a damaged one, or one that unpacks to more than 4 GiB; or what `each` gives.
pub fn each_file(input: impl Read, each: &mut Each<'_>) -> Result<(), Error> {
    archives(&mut Counted { inner: BufReader::new(input), at: 0 }, true, each)
}

/// What is done with a file: its path, its size in bytes, its content.
pub type Each<'a> = dyn FnMut(ImagePath, u64, &mut dyn Read) -> Result<(), Error> + 'a;

/// Knows how many bytes were read.
struct Counted<R> {
    inner: R,
    at: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// All archives of `input`; the compressed ones only where `may_be_compressed`.
fn archives(input: &mut Counted<impl BufRead>, may_be_compressed: bool, each: &mut Each<'_>) -> Result<(), Error> {
    while skip_zeros(input)? {
        let at = input.at;
        let mut magic = [0; 6];
        input.read_exact(&mut magic)?;
        if is_cpio(&magic) {
            archive(input, each)?;
            continue;
        }
        // What follows a compressed archive is part of its stream, or an error.
        let suffix = suffix(&magic).filter(|_| may_be_compressed).ok_or(Error::Unknown { at })?;
        let whole = Cursor::new(magic).chain(&mut *input);
        let unpacked = decompress(suffix, whole).ok_or(Error::Unknown { at })?;
        let unpacked = BufReader::new(Bounded::new(unpacked?, LIMIT));
        archives(&mut Counted { inner: unpacked, at: 0 }, false, each)?;
    }
    Ok(())
}

fn is_cpio(magic: &[u8]) -> bool {
    magic == b"070701" || magic == b"070702"
}

/// By which suffix the compression goes that begins so.
fn suffix(magic: &[u8; 6]) -> Option<&'static str> {
    match magic {
        [0x1f, 0x8b, ..] => Some(".gz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(".zst"),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Some(".xz"),
        _ => None,
    }
}

/// Goes on to the next byte that is not zero; `false` at the end.
fn skip_zeros(input: &mut Counted<impl BufRead>) -> io::Result<bool> {
    loop {
        let there = input.inner.fill_buf()?;
        if there.is_empty() {
            return Ok(false);
        }
        let zeros = there.iter().take_while(|byte| **byte == 0).count();
        let is_all = zeros == there.len();
        input.inner.consume(zeros);
        input.at += zeros as u64;
        if !is_all {
            return Ok(true);
        }
    }
}

/// One plain archive, whose first magic was read.
fn archive(input: &mut Counted<impl BufRead>, each: &mut Each<'_>) -> Result<(), Error> {
    // Members are padded to multiples of four from the beginning of their archive.
    loop {
        let mut fields = [0; 13 * 8];
        input.read_exact(&mut fields)?;
        let field = |number: usize| number_at(&fields[number * 8..][..8]);
        let (mode, size, name_size) = (field(1)?, field(6)?, field(11)?);
        if !(2..=NAME_LIMIT).contains(&name_size) {
            return Err(Error::Damaged { what: "a name has no length that a path can have" });
        }
        let mut name = Vec::new();
        input.take(name_size).read_to_end(&mut name)?;
        if name.pop() != Some(0) || name.len() as u64 + 1 != name_size {
            return Err(Error::Damaged { what: "a name does not end where its header says" });
        }
        skip(input, padding(6 + 13 * 8 + name_size))?;
        if name == b"TRAILER!!!" {
            return Ok(());
        }
        let mut content = Read::take(&mut *input, size);
        if let Some(path) = path(&name).filter(|_| mode & 0o170_000 == 0o100_000) {
            each(path, size, &mut content)?;
        }
        let left = content.limit();
        skip(input, left + padding(size))?;
        let mut magic = [0; 6];
        input.read_exact(&mut magic)?;
        if !is_cpio(&magic) {
            return Err(Error::Damaged { what: "a member has no header" });
        }
    }
}

/// Eight hexadecimal digits.
fn number_at(digits: &[u8]) -> Result<u64, Error> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let number = text.and_then(|text| u64::from_str_radix(text, 16).ok());
    number.ok_or(Error::Damaged { what: "a header has a field that is no number" })
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % 4
}

fn skip(input: &mut impl Read, count: u64) -> Result<(), Error> {
    if io::copy(&mut input.take(count), &mut io::sink())? == count {
        return Ok(());
    }
    Err(Error::Damaged { what: "it ends within a member" })
}

/// Names are relative to the root, some with `./` at the front.
fn path(name: &[u8]) -> Option<ImagePath> {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let name = name.strip_prefix(b"/").unwrap_or(name);
    ImagePath::new([b"/", name].concat()).ok()
}

#[cfg(test)]
mod tests;
