//! The bytes of an archive in their order, as they are or out of zstd frames, without a copy on disk.
//!
//! Frames are taken only as [`super::write`] makes them: each with its content size and a checksum, no
//! dictionary, nothing between or behind them. So no frame unpacks to more than [`FRAME`] bytes, and every
//! decompressor sees the same archive.

use std::io::{self, Read};
use std::path::Path;

use zstd::zstd_safe::{compress_bound, find_frame_compressed_size, get_frame_content_size};

use super::error::{FrameFault, Problem};
use super::frames::{FRAME, SHARED};
use crate::error::Error;

/// What a zstd frame begins with, RFC 8878 section 3.1.1.
pub(super) const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How much is read from the file at once, in bytes.
const CHUNK: usize = 1 << 18;
/// The frame header descriptor's bit for the checksum (section 3.1.1.1.1).
const CHECKSUM: u8 = 1 << 2;
/// Its bits that are no part of [`CHECKSUM`] and of the two sizes: dictionary, reserved, unused.
const OTHERS: u8 = 0b1_1011;

/// The bytes of an archive.
pub(super) struct Stream<'a> {
    input: &'a mut dyn Read,
    path: &'a Path,
    /// What was read from the file and is not used yet is from `used` on.
    ahead: Vec<u8>,
    used: usize,
    packed: Option<Packed>,
}

/// The frame that is being read.
struct Packed {
    decompressor: zstd::bulk::Decompressor<'static>,
    plain: Vec<u8>,
    used: usize,
    /// The content sizes of the frames so far, and their sum.
    sizes: Vec<u64>,
    total: u64,
}

impl<'a> Stream<'a> {
    pub(super) fn begin(input: &'a mut dyn Read, path: &'a Path) -> Result<Self, Error> {
        let mut stream = Self { input, path, ahead: Vec::new(), used: 0, packed: None };
        stream.look_ahead(ZSTD_MAGIC.len())?;
        if stream.ahead.starts_with(&ZSTD_MAGIC) {
            let decompressor = zstd::bulk::Decompressor::new().map_err(Error::io("decompress", path))?;
            stream.packed = Some(Packed { decompressor, plain: Vec::new(), used: 0, sizes: Vec::new(), total: 0 });
        }
        Ok(stream)
    }

    /// The content sizes of the frames; none of a plain archive.
    pub(super) fn frames(&self) -> Option<&[u64]> {
        self.packed.as_ref().map(|packed| &*packed.sizes)
    }

    /// Fills `out`, and gives how many bytes were there: fewer only at the end.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < out.len() {
            match self.some(&mut out[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// At least one byte, unless the archive is at its end.
    fn some(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let Some(packed) = &mut self.packed else {
            if self.used == self.ahead.len() {
                if out.len() >= CHUNK {
                    return read(self.input, out).map_err(Error::io("read", self.path));
                }
                self.look_ahead(1)?;
            }
            let rest = &self.ahead[self.used..];
            let count = rest.len().min(out.len());
            out[..count].copy_from_slice(&rest[..count]);
            self.used += count;
            return Ok(count);
        };
        if packed.used == packed.plain.len() && !self.next_frame()? {
            return Ok(0);
        }
        let Some(packed) = &mut self.packed else { return Ok(0) };
        let rest = &packed.plain[packed.used..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        packed.used += count;
        Ok(count)
    }

    /// Unpacks the next frame; false when there is none.
    fn next_frame(&mut self) -> Result<bool, Error> {
        let most = usize::try_from(FRAME).unwrap_or(usize::MAX);
        // A frame of the writer is not larger than this; of a larger one the end is not found.
        self.look_ahead(compress_bound(most) + CHUNK)?;
        let rest = &self.ahead[self.used..];
        if rest.is_empty() {
            return Ok(false);
        }
        let refuse = |fault| Error::archive(self.path)(Problem::Frame { fault });
        let Some((magic, [descriptor, ..])) = rest.split_at_checked(ZSTD_MAGIC.len()) else {
            return Err(refuse(FrameFault::Foreign));
        };
        if magic != ZSTD_MAGIC {
            return Err(refuse(FrameFault::Foreign));
        }
        let size = get_frame_content_size(rest).ok().flatten();
        let Some(size) = size.filter(|_| descriptor & CHECKSUM != 0 && descriptor & OTHERS == 0) else {
            return Err(refuse(FrameFault::Header));
        };
        if size == 0 || size > FRAME {
            return Err(refuse(FrameFault::Cut));
        }
        let Some(packed) = &mut self.packed else { return Ok(false) };
        packed.total += size;
        packed.sizes.push(size);
        if packed.sizes.len() as u64 > most_frames(packed.total) {
            return Err(refuse(FrameFault::Cut));
        }
        let damaged = |_: io::Error| Error::archive(self.path)(Problem::Frame { fault: FrameFault::Damaged });
        let Some(frame) = find_frame_compressed_size(rest).ok().and_then(|length| rest.get(..length)) else {
            return Err(refuse(FrameFault::Damaged));
        };
        packed.plain.clear();
        packed.plain.reserve(most);
        let found = packed.decompressor.decompress_to_buffer(frame, &mut packed.plain).map_err(damaged)?;
        if found as u64 != size {
            return Err(refuse(FrameFault::Damaged));
        }
        packed.used = 0;
        self.used += frame.len();
        Ok(true)
    }

    /// Reads on until `wanted` bytes are ahead, or the file ends; more of them, so that what is ahead is
    /// seldom moved.
    fn look_ahead(&mut self, wanted: usize) -> Result<(), Error> {
        if self.ahead.len() - self.used >= wanted {
            return Ok(());
        }
        self.ahead.drain(..self.used);
        self.used = 0;
        let mut filled = self.ahead.len();
        self.ahead.resize((4 * wanted).next_multiple_of(CHUNK), 0);
        let mut count = Ok(1);
        while filled < self.ahead.len() && count.as_ref().is_ok_and(|count| *count > 0) {
            count = read(self.input, &mut self.ahead[filled..]);
            filled += *count.as_ref().unwrap_or(&0);
        }
        self.ahead.truncate(filled);
        count.map(drop).map_err(Error::io("read", self.path))
    }
}

fn read(input: &mut dyn Read, out: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(out) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// How many frames hold `total` bytes at most. One holds [`SHARED`] bytes and more, or stands before one that does.
fn most_frames(total: u64) -> u64 {
    2 * (total / SHARED) + 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_frames_is_bounded_by_what_they_hold() {
        assert_eq!([0, SHARED - 1, SHARED, 3 * SHARED].map(most_frames), [4, 4, 6, 10]);
    }
}
