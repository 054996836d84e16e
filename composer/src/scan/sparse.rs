//! Sparse files of GNU tar: content of which an archive holds the data and leaves out the zeros.
//!
//! The old form has the map of the data in the header and blocks behind it; pax archives have it in records (0.0 and
//! 0.1) or in front of the data (1.0), as documented in GNU tar's manual, "Storing Sparse Files". Each piece of data
//! begins at a block.

use super::ArchiveFault;
use super::number::number;
use super::pax::Records;

const BLOCK: u64 = 512;
/// The most pieces of one file. Each takes a number or two in the archive.
const MAX_PIECES: usize = 1 << 20;

/// A piece of data: where it is in the file, and in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
}

/// What a header says of a sparse file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sparse {
    /// The size of the file with its zeros.
    pub(super) size: u64,
    pub(super) map: Map,
}

/// Where the map of the data is: pairs of a place in the file and a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Map {
    /// All of it was in the header.
    Whole(Vec<(u64, u64)>),
    /// The first part was; blocks of it follow the header.
    Begun(Vec<(u64, u64)>),
    /// In front of the data.
    InData,
}

impl Sparse {
    /// What a header of the old form says.
    pub(super) fn old(header: &[u8; 512]) -> Result<Self, ArchiveFault> {
        let mut pairs = Vec::new();
        read_pairs(&header[386..482], &mut pairs)?;
        let map = if header[482] == 0 { Map::Whole(pairs) } else { Map::Begun(pairs) };
        Ok(Self { size: octal(&header[483..495])?, map })
    }

    /// What the records of a pax header say; none when the file is not sparse.
    pub(super) fn pax(records: &Records) -> Result<Option<Self>, ArchiveFault> {
        if !records.is_sparse() {
            return Ok(None);
        }
        let size = match records.decimal("GNU.sparse.realsize")? {
            Some(size) => size,
            None => records.decimal("GNU.sparse.size")?.ok_or(ArchiveFault::Sparse)?,
        };
        let version = (records.get(b"GNU.sparse.major"), records.get(b"GNU.sparse.minor"));
        let map = match (version, records.get(b"GNU.sparse.map")) {
            ((Some(b"1"), Some(b"0")), None) => Map::InData,
            ((None, None), Some(map)) => Map::Whole(pairs(map.split(|byte| *byte == b','))?),
            // Nothing but zeros, of which no place is named.
            ((None, None), None) if records.decimal("GNU.sparse.numblocks")? == Some(0) => Map::Whole(Vec::new()),
            _ => return Err(ArchiveFault::Sparse),
        };
        Ok(Some(Self { size, map }))
    }
}

/// Adds the pairs of a block of the old form, and says whether another block follows.
pub(super) fn extended(block: &[u8; 512], pairs: &mut Vec<(u64, u64)>) -> Result<bool, ArchiveFault> {
    read_pairs(&block[..504], pairs)?;
    if pairs.len() > MAX_PIECES { Err(ArchiveFault::Sparse) } else { Ok(block[504] != 0) }
}

fn read_pairs(fields: &[u8], pairs: &mut Vec<(u64, u64)>) -> Result<(), ArchiveFault> {
    for pair in fields.chunks_exact(24).take_while(|pair| pair[12] != 0) {
        pairs.push((octal(&pair[..12])?, octal(&pair[12..])?));
    }
    Ok(())
}

/// The pairs that decimal numbers are.
fn pairs<'a>(numbers: impl Iterator<Item = &'a [u8]>) -> Result<Vec<(u64, u64)>, ArchiveFault> {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok();
    let numbers = numbers.map(number).take(2 * MAX_PIECES + 1).collect::<Option<Vec<u64>>>();
    let numbers = numbers.filter(|numbers| numbers.len() % 2 == 0 && numbers.len() <= 2 * MAX_PIECES);
    let numbers = numbers.ok_or(ArchiveFault::Sparse)?;
    Ok(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// Reads a map in front of the data, block by block: how many pairs there are, then the pairs, a number a line.
#[derive(Default)]
pub(super) struct InData {
    text: Vec<u8>,
    lines: usize,
}

impl InData {
    /// Takes the next block, and gives the pairs once they are whole.
    pub(super) fn push(&mut self, block: &[u8; 512]) -> Result<Option<Vec<(u64, u64)>>, ArchiveFault> {
        self.lines += block.iter().filter(|byte| **byte == b'\n').count();
        self.text.extend_from_slice(block);
        let first = self.text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let count = std::str::from_utf8(first).ok().and_then(|text| text.parse::<usize>().ok());
        let count = count.filter(|count| *count <= MAX_PIECES).ok_or(ArchiveFault::Sparse)?;
        if self.lines <= 2 * count {
            // A number has at most 20 digits.
            let most = (2 * count + 1) * 21;
            return if self.text.len() > most { Err(ArchiveFault::Sparse) } else { Ok(None) };
        }
        pairs(self.text.split(|byte| *byte == b'\n').skip(1).take(2 * count)).map(Some)
    }
}

/// The pieces of data for `pairs`, whose data is at `offset` of the archive and has `stored` bytes.
pub(super) fn pieces(pairs: &[(u64, u64)], size: u64, offset: u64, stored: u64) -> Result<Vec<Piece>, ArchiveFault> {
    let mut pieces = Vec::new();
    let (mut end, mut used) = (0_u64, 0_u64);
    for (start, length) in pairs.iter().filter(|(_, length)| *length > 0) {
        // A piece that ends within a block is the last one: the next would begin at the next block, and the
        // sizes of the header say otherwise.
        if *start < end || !used.is_multiple_of(BLOCK) {
            return Err(ArchiveFault::Sparse);
        }
        end = start.checked_add(*length).filter(|end| *end <= size).ok_or(ArchiveFault::Sparse)?;
        pieces.push(Piece { start: *start, size: *length, offset: offset.saturating_add(used) });
        used = used.checked_add(*length).ok_or(ArchiveFault::Sparse)?;
    }
    if used == stored { Ok(pieces) } else { Err(ArchiveFault::Sparse) }
}

/// A number of the map of a sparse file.
fn octal(field: &[u8]) -> Result<u64, ArchiveFault> {
    u64::try_from(number(field, "sparse")?).map_err(|_| ArchiveFault::BadNumber { field: "sparse" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::super::pax::tests::written;
    use super::*;

    #[test]
    fn a_map_fits_its_data_and_its_file() {
        let of = |pairs: &[(u64, u64)], size, stored| pieces(pairs, size, 1024, stored);
        let two = of(&[(0, 512), (4096, 5), (5000, 0)], 5000, 517).unwrap();
        let piece = |start, size, offset| Piece { start, size, offset };
        assert_eq!(two, [piece(0, 512, 1024), piece(4096, 5, 1536)]);
        for (pairs, size, stored) in [
            (&[(0, 512)][..], 511, 512),
            (&[(0, 512)], 512, 511),
            (&[(512, 512), (0, 512)], 1024, 1024),
            (&[(0, 512), (511, 1)], 1024, 513),
            (&[(0, 5), (512, 5)], 1024, 10),
            (&[(u64::MAX, 512)], u64::MAX, 512),
            (&[], 10, 1),
        ] {
            assert_eq!(of(pairs, size, stored), Err(ArchiveFault::Sparse), "{pairs:?}");
        }
    }

    #[test]
    fn records_of_an_unknown_form_are_refused() {
        let of = |records: &[(&str, &[u8])]| Sparse::pax(&Records::parse(&written(records)).unwrap());
        assert_eq!(of(&[("path", b"a")]), Ok(None));
        let pairs = Sparse { size: 9, map: Map::Whole(vec![(0, 1), (9, 0)]) };
        let size = ("GNU.sparse.size", &b"9"[..]);
        assert_eq!(of(&[size, ("GNU.sparse.map", b"0,1,9,0")]), Ok(Some(pairs)));
        let repeated: [(&str, &[u8]); 1] = [size];
        assert!(of(&repeated).is_err(), "no map");
        for records in [
            &[("GNU.sparse.map", &b"0,1"[..])][..],
            &[size, ("GNU.sparse.map", b"0,1,2")],
            &[size, ("GNU.sparse.map", b"0,x")],
            &[size, ("GNU.sparse.map", b"0,-1")],
            &[size, ("GNU.sparse.major", b"2"), ("GNU.sparse.minor", b"0")],
            &[size, ("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.map", b"0,1")],
        ] {
            assert!(of(records).is_err(), "{records:?}");
        }
    }

    #[test]
    fn a_map_in_front_of_the_data_ends_where_its_count_says() {
        let block = |text: &str| {
            let mut block = [0; 512];
            block[..text.len()].copy_from_slice(text.as_bytes());
            block
        };
        let read = |text: &str| InData::default().push(&block(text));
        assert_eq!(read("1\n0\n5\n"), Ok(Some(vec![(0, 5)])));
        assert_eq!(read("0\n"), Ok(Some(Vec::new())));
        for wrong in ["", "x\n", "-1\n", "99999999\n", "1\nx\n5\n", "1\n0"] {
            assert_eq!(read(wrong), Err(ArchiveFault::Sparse), "{wrong:?}");
        }
    }
}
