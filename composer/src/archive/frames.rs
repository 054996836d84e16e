//! `module.tar.zst`: a tar file as independent zstd frames.
//!
//! A frame begins where an entry begins. Small neighbours share a frame of at least 1 MiB; an entry
//! of 1 MiB and more has frames of its own, cut every 2 MiB. So a reader that knows where the entries
//! are can fetch and decompress just those that it lacks. The cuts depend on the archive alone, and
//! each frame is compressed by itself, so the bytes do not depend on the number of threads.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use model::Digest;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{TarBytes, write_whole};
use crate::error::Error;

/// The usual compression level.
pub const LEVEL: i32 = 3;

/// Entries from this size on get frames of their own; smaller ones share frames of at least this.
const SHARED: u64 = 1 << 20;

/// The most input of one frame, in bytes.
const FRAME: u64 = 2 << 20;

/// The digests and lengths of a compressed archive, computed while it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compressed {
    /// The sha256 of the compressed file.
    pub blob: Digest,
    /// The length of the compressed file in bytes.
    pub blob_size: u64,
    /// The sha256 of the tar file that it unpacks to.
    pub tar: Digest,
    /// The length of that tar file in bytes.
    pub tar_size: u64,
}

struct Frame {
    plain: Vec<u8>,
    packed: Vec<u8>,
}

/// Compresses `tar` to `path`, whole or not at all, with all threads of the current rayon pool.
///
/// # Errors
/// When `tar` cannot be read or the disk refuses.
pub fn compress(tar: &dyn TarBytes, path: &Path, level: i32) -> Result<Compressed, Error> {
    let mut result = None;
    write_whole(path, |file| {
        let mut output = Output { file, blob: Sha256::new(), tar: Sha256::new(), blob_size: 0, tar_size: 0 };
        let cuts = cuts(tar.boundaries());
        // Two batches are in memory at once: one is compressed while the one before is written.
        let batch = (2 * rayon::current_num_threads()).clamp(4, 16);
        let mut finished: Vec<Frame> = Vec::new();
        for ranges in cuts.chunks(batch) {
            let (written, next) = rayon::join(|| output.write(&finished, path), || frames(tar, ranges, level, path));
            written?;
            finished = next?;
        }
        output.write(&finished, path)?;
        result = Some(output.finish());
        Ok(())
    })?;
    result.ok_or_else(|| Error::io("write", path)(std::io::ErrorKind::Other.into()))
}

struct Output<'a> {
    file: &'a mut File,
    blob: Sha256,
    tar: Sha256,
    blob_size: u64,
    tar_size: u64,
}

impl Output<'_> {
    fn write(&mut self, frames: &[Frame], path: &Path) -> Result<(), Error> {
        let Self { file, blob, tar, blob_size, tar_size } = self;
        let pack = || {
            for frame in frames {
                blob.update(&frame.packed);
                *blob_size += frame.packed.len() as u64;
                file.write_all(&frame.packed).map_err(Error::io("write", path))?;
            }
            Ok(())
        };
        let plain = || {
            for frame in frames {
                tar.update(&frame.plain);
                *tar_size += frame.plain.len() as u64;
            }
        };
        rayon::join(pack, plain).0
    }

    fn finish(self) -> Compressed {
        Compressed {
            blob: Digest::new(self.blob.finalize().into()),
            blob_size: self.blob_size,
            tar: Digest::new(self.tar.finalize().into()),
            tar_size: self.tar_size,
        }
    }
}

fn frames(tar: &dyn TarBytes, ranges: &[Range<u64>], level: i32, path: &Path) -> Result<Vec<Frame>, Error> {
    ranges
        .par_iter()
        .map(|range| {
            let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let mut plain = vec![0; length];
            tar.read_exact_at(range.start, &mut plain)?;
            // The one-shot call writes the content size into the frame. A fresh context for each
            // frame keeps its bytes independent of what the thread compressed before.
            let packed = zstd::bulk::Compressor::new(level)
                .and_then(|mut compressor| {
                    compressor.include_checksum(true)?;
                    compressor.compress(&plain)
                })
                .map_err(Error::io("compress", path))?;
            Ok(Frame { plain, packed })
        })
        .collect()
}

/// The input of each frame, in order and without gaps.
fn cuts(boundaries: &[u64]) -> Vec<Range<u64>> {
    let mut cuts = Vec::new();
    let mut start = 0;
    for entry in boundaries.windows(2) {
        let (begin, end) = (entry[0], entry[1]);
        if end - begin >= SHARED {
            if start < begin {
                cuts.push(start..begin);
            }
            let mut from = begin;
            while from < end {
                let to = (from + FRAME).min(end);
                cuts.push(from..to);
                from = to;
            }
            start = end;
        } else if end - start >= SHARED {
            cuts.push(start..end);
            start = end;
        }
    }
    match boundaries.last() {
        Some(end) if start < *end => cuts.push(start..*end),
        _ => {}
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;

    #[test]
    fn small_entries_share_a_frame_and_large_ones_are_cut() {
        let boundaries = [0, 600 * KIB, 1200 * KIB, 1300 * KIB, 1300 * KIB + 5 * MIB, 1301 * KIB + 5 * MIB];
        let cuts = cuts(&boundaries);
        let large = 1300 * KIB;
        let wanted = [
            0..1200 * KIB,
            1200 * KIB..large,
            large..large + 2 * MIB,
            large + 2 * MIB..large + 4 * MIB,
            large + 4 * MIB..large + 5 * MIB,
            large + 5 * MIB..large + 5 * MIB + KIB,
        ];
        assert_eq!(cuts, wanted);
    }

    #[test]
    fn frames_cover_every_byte_once_and_are_bounded() {
        let mut random = testkit::Random::from_environment();
        for _ in 0..200 {
            let mut boundaries = vec![0];
            for _ in 0..random.below(40) {
                let limit = if random.one_in(5) { 20 * MIB } else { 300 * KIB };
                boundaries.push(boundaries[boundaries.len() - 1] + 512 + 512 * random.below(limit / 512));
            }
            let mut at = 0;
            for cut in cuts(&boundaries) {
                assert_eq!(cut.start, at);
                assert!(cut.end - cut.start <= FRAME && cut.end > cut.start);
                at = cut.end;
            }
            assert_eq!(Some(&at), boundaries.last());
        }
    }
}
