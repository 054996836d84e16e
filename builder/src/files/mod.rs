//! Files that a module takes from addresses: brought into the cache by their sha256, and unpacked to a plain tar.
//!
//! A file is named by its digest and hashed each time it is used, so that neither the server nor the cache vouches for
//! anything. What is unpacked has no name: it is gone with the build.

mod error;
mod fetch;
mod zip;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use host::Dir;
use model::file_input::{ArchiveFormat, FileInput};

pub use error::{Error, Fault, FileFailure};
pub use fetch::{Ask, fetch};

use crate::unpack::{Bounded, decompress};

/// The largest file that is fetched, in bytes.
pub const SIZE_LIMIT: u64 = 8 << 30;
/// The most bytes that an archive unpacks to.
const UNPACKED_LIMIT: u64 = 16 << 30;
/// What every archive may unpack to, and how many times its own size one may have besides: text packs to a tenth, and
/// nothing that anyone publishes to a hundredth.
const ALWAYS: u64 = 64 << 20;
const RATIO: u64 = 200;

const BZIP2: &str = ".bz2";
/// How the forms of compression begin, and what [`decompress`] calls them.
const COMPRESSED: [(&[u8], &str); 4] =
    [(b"\x1f\x8b", ".gz"), (b"\xfd7zXZ\0", ".xz"), (b"\x28\xb5\x2f\xfd", ".zst"), (b"BZh", BZIP2)];
/// The forms that are not read, by how they begin.
const UNKNOWN: [(&[u8], &str); 3] = [(b"]\0\0", "lzma"), (b"LZIP", "lzip"), (b"\x1f\x9d", "compress")];

/// How much an archive of `size` bytes may unpack to.
fn limit(size: u64) -> u64 {
    ALWAYS.saturating_add(size.saturating_mul(RATIO)).min(UNPACKED_LIMIT)
}

/// Fails where the archive `file` of `size` bytes holds files of `unpacked` bytes together, and that is too much: what a sparse
/// file has in no block is read all the same.
///
/// # Errors
/// When it is.
pub fn check_unpacked(input: &FileInput, size: u64, unpacked: u64) -> Result<(), Error> {
    match limit(size) {
        limit if unpacked > limit => {
            let message = format!("its files have more than {limit} bytes");
            Err(Error::TooMuch { input: Box::new(input.clone()), message })
        }
        _ => Ok(()),
    }
}

/// The plain tar of the archive `file`, which `input` says how to read: `file` itself where it is one, else a file without
/// a name in `scratch`.
///
/// # Errors
/// When it is no such archive, is damaged, unpacks to more than any module, or the disk is full.
pub fn plain_tar(mut file: File, input: &FileInput, format: ArchiveFormat, scratch: &Dir) -> Result<File, Error> {
    let read = |error: io::Error| Error::damaged(input, error);
    let size = file.seek(SeekFrom::End(0)).map_err(read)?;
    let limit = limit(size);
    file.seek(SeekFrom::Start(0)).map_err(read)?;
    match format {
        ArchiveFormat::Zip => {
            let mut tar = scratch.unnamed()?;
            let archive = zip::open(file).map_err(|error| Error::other_form(input, error.to_string()))?;
            zip::to_tar(archive, &mut tar, limit).map_err(|error| match error.kind() {
                // One reader and one writer, and errors of both: this one is never the archive's.
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    host::Error::io("write to", scratch.path())(error).into()
                }
                _ => read(error),
            })?;
            Ok(tar)
        }
        ArchiveFormat::Tar => {
            let mut head = [0; 6];
            let count = host::read::fill(&mut file, &mut head).map_err(read)?;
            if let Some((_, name)) = UNKNOWN.iter().find(|(magic, _)| head[..count].starts_with(magic)) {
                return Err(Error::other_form(input, format!("it is compressed by {name}, which is not read")));
            }
            let found = COMPRESSED.iter().find(|(magic, _)| head[..count].starts_with(magic));
            file.seek(SeekFrom::Start(0)).map_err(read)?;
            let Some((_, suffix)) = found else { return Ok(file) };
            let mut tar = scratch.unnamed()?;
            // No .deb is compressed so, and the reader of these does not know it.
            let plain = match *suffix {
                BZIP2 => Some(Ok(Box::new(bzip2::read::MultiBzDecoder::new(file)) as Box<dyn Read>)),
                suffix => decompress(suffix, file),
            };
            let plain = plain.unwrap_or_else(|| Err(io::ErrorKind::Unsupported.into()));
            copy(&mut Bounded::new(plain.map_err(read)?, limit), &mut tar, scratch, input)?;
            Ok(tar)
        }
    }
}

/// Copies all of `from`; what cannot be read is the archive's fault, what cannot be written is the disk's.
fn copy(from: &mut dyn Read, to: &mut File, scratch: &Dir, input: &FileInput) -> Result<(), Error> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::damaged(input, error)),
        };
        to.write_all(&buffer[..count]).map_err(host::Error::io("write to", scratch.path()))?;
    }
}

#[cfg(test)]
mod tests;
