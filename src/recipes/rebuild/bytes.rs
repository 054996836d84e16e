//! Where two files differ, byte by byte.

use std::io::BufReader;
use std::path::Path;

use serde::Serialize;

use crate::error::Error;

/// How many places of a file are reported.
const RANGES: usize = 4;
/// How many bytes of a place are reported.
const SHOWN: usize = 16;
/// Differences with fewer equal bytes between them are one place.
const GAP: u64 = 8;

/// A place where two files differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Range {
    /// The offset of the first byte that differs.
    pub(crate) offset: u64,
    /// From the first to the last byte that differs; what one file has past the other's end counts.
    pub(crate) length: u64,
    /// The first bytes of it in the first file, in hexadecimal; empty past the file's end.
    pub(crate) before: String,
    /// The same in the second file.
    pub(crate) after: String,
}

/// The first places that differ, and how many bytes differ in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Bytes {
    /// How many bytes are not the same at the same offset.
    pub(crate) differing: u64,
    /// The first places.
    pub(crate) ranges: Vec<Range>,
}

/// Compares two files of any size; none when they are the same.
pub(crate) fn compare(before: &Path, after: &Path) -> Result<Option<Bytes>, Error> {
    let open = |path: &Path| {
        let file = host::open::file(path)?;
        Ok::<_, Error>(BufReader::with_capacity(1 << 18, file))
    };
    let (mut old, mut new) = (open(before)?, open(after)?);
    let mut found = Places::default();
    let (mut a, mut b) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut offset = 0;
    loop {
        let count = host::read::fill(&mut old, &mut a).map_err(|error| Error::io("read", before, &error))?;
        let other = host::read::fill(&mut new, &mut b).map_err(|error| Error::io("read", after, &error))?;
        if count == 0 && other == 0 {
            break;
        }
        // Most blocks are the same: that is found out at once.
        if a[..count] != b[..other] {
            for index in 0..count.max(other) {
                let at = |block: &[u8], length: usize| (index < length).then(|| block[index]);
                found.see(offset + index as u64, at(&a, count), at(&b, other));
            }
        }
        offset += count.max(other) as u64;
    }
    Ok(found.finish())
}

#[derive(Default)]
struct Places {
    differing: u64,
    places: Vec<Place>,
    /// The end of the last place, reported or not.
    end: u64,
}

struct Place {
    offset: u64,
    end: u64,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Places {
    fn see(&mut self, offset: u64, before: Option<u8>, after: Option<u8>) {
        let differs = before != after;
        if differs {
            self.differing += 1;
            let is_near = self.differing > 1 && offset <= self.end + GAP;
            self.end = offset + 1;
            if !is_near && self.places.len() < RANGES {
                self.places.push(Place { offset, end: offset + 1, before: Vec::new(), after: Vec::new() });
            } else if !is_near {
                // One more than is reported closes the last one that is.
                return;
            }
        }
        let shown = self.places.len();
        let Some(place) = self.places.last_mut() else { return };
        if differs && (shown < RANGES || offset <= place.end + GAP) {
            place.end = offset + 1;
        }
        if offset < place.offset + SHOWN as u64 {
            place.before.extend(before);
            place.after.extend(after);
        }
    }

    fn finish(self) -> Option<Bytes> {
        let range = |place: Place| {
            let length = place.end - place.offset;
            let shown = usize::try_from(length).unwrap_or(SHOWN).min(SHOWN);
            let hex = |bytes: &[u8]| bytes.iter().take(shown).map(|byte| format!("{byte:02x}")).collect();
            Range { offset: place.offset, length, before: hex(&place.before), after: hex(&place.after) }
        };
        let ranges = self.places.into_iter().map(range).collect();
        (self.differing > 0).then_some(Bytes { differing: self.differing, ranges })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    fn compared(old: &[u8], new: &[u8]) -> Option<Bytes> {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&a, old).unwrap();
        std::fs::write(&b, new).unwrap();
        compare(&a, &b).unwrap()
    }

    fn range(offset: u64, length: u64, before: &str, after: &str) -> Range {
        Range { offset, length, before: before.to_owned(), after: after.to_owned() }
    }

    #[test]
    fn places_are_found_across_blocks_and_near_ones_are_one() {
        let old = vec![0; 200_000];
        assert_eq!(compared(&old, &old), None);
        let mut new = old.clone();
        new[10] = 1;
        new[12] = 2;
        new[65_535] = 3;
        new[65_536] = 4;
        let found = compared(&old, &new).unwrap();
        assert_eq!(found.differing, 4);
        assert_eq!(found.ranges, [range(10, 3, "000000", "010002"), range(65_535, 2, "0000", "0304")]);
    }

    #[test]
    fn what_one_file_has_more_is_a_difference_and_only_the_first_places_are_told() {
        let found = compared(b"same", b"same and more").unwrap();
        assert_eq!(found, Bytes { differing: 9, ranges: vec![range(4, 9, "", "20616e64206d6f7265")] });
        let old = vec![0; 1000];
        let mut new = old.clone();
        (0..10).for_each(|index| new[index * 100] = 1);
        let found = compared(&old, &new).unwrap();
        assert_eq!((found.differing, found.ranges.len()), (10, RANGES));
        assert_eq!(found.ranges[3], range(300, 1, "00", "01"));
        let long = compared(&[0; 100], &[1; 100]).unwrap();
        assert_eq!(long.ranges, [range(0, 100, &"00".repeat(SHOWN), &"01".repeat(SHOWN))]);
    }
}
