//! Where `module.tar.zst` is cut: it is a tar file as independent zstd frames.
//!
//! A frame begins where an entry begins. Small neighbours share a frame of at least 1 MiB; an entry
//! of 1 MiB and more has frames of its own, cut every 2 MiB. So a reader that knows where the entries
//! are can fetch and decompress just those that it lacks. The cuts depend on the archive alone, and
//! each frame is compressed by itself, so the bytes do not depend on the number of threads.

use std::ops::Range;

/// Entries from this size on get frames of their own; smaller ones share frames of at least this.
pub(super) const SHARED: u64 = 1 << 20;

/// The most input of one frame, in bytes.
pub(super) const FRAME: u64 = 2 << 20;

/// The input of each frame, in order and without gaps.
pub(super) fn cuts(boundaries: &[u64]) -> Vec<Range<u64>> {
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
