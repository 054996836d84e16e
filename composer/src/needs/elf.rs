//! What an ELF file asks the dynamic loader for.
//!
//! Source of the format: the System V gABI, chapters 4 and 5, and `elf(5)`. Nothing that the file
//! says of itself is trusted: every table is read through bounds, and what does not add up is taken as
//! a file that needs nothing. It is read by ranges, a few kilobytes in all.

use crate::error::Error;
use crate::scan::Positioned;

/// The most program headers that are read; real files have about a dozen.
const MAX_SEGMENTS: usize = 256;
/// The largest dynamic section that is read, in bytes.
const MAX_DYNAMIC: usize = 256 << 10;
/// The most libraries that one file may name.
const MAX_NEEDED: usize = 1024;
/// The longest string that is read: Linux's PATH_MAX.
const MAX_STRING: usize = 4096;

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// The kind of machine that a file is for. Only files of one kind can be loaded together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Machine {
    wide: bool,
    big_endian: bool,
    number: u16,
}

/// A program or shared library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elf {
    /// What it runs on.
    pub(crate) machine: Machine,
    /// The program that loads it (`PT_INTERP`).
    pub(crate) interpreter: Option<Vec<u8>>,
    /// The libraries that it names (`DT_NEEDED`), in its order.
    pub(crate) needed: Vec<Vec<u8>>,
    /// Where it wants them to be looked for: `DT_RUNPATH`, or `DT_RPATH` where there is none.
    pub(crate) run_path: Vec<Vec<u8>>,
}

/// The header's fields that matter.
struct Header {
    machine: Machine,
    table: u64,
    entry_size: usize,
    entries: usize,
}

struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    size: u64,
}

/// The machine of the file that begins with `head`; none if that is no program or shared library.
/// 20 bytes are enough.
pub(crate) fn machine(head: &[u8]) -> Option<Machine> {
    if head.get(..4)? != b"\x7fELF" || *head.get(6)? != 1 {
        return None;
    }
    let wide = match head.get(4)? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let big_endian = match head.get(5)? {
        1 => false,
        2 => true,
        _ => return None,
    };
    let mut machine = Machine { wide, big_endian, number: 0 };
    // Object files (1) and core dumps (4) are not loaded by anyone.
    if !matches!(machine.half(head, 16)?, 2 | 3) {
        return None;
    }
    machine.number = machine.half(head, 18)?;
    Some(machine)
}

/// Reads the ELF file `file`; none if it is no program or shared library, or is damaged.
///
/// # Errors
/// When the host cannot read it.
pub(crate) fn read(file: &Positioned) -> Result<Option<Elf>, Error> {
    let Some(header) = header(&file.read_at(0, 64)?) else { return Ok(None) };
    let table = file.read_at(header.table, header.entry_size * header.entries)?;
    let machine = header.machine;
    let segments: Option<Vec<Segment>> = table.chunks(header.entry_size).map(|entry| machine.segment(entry)).collect();
    let Some(segments) = segments.filter(|segments| segments.len() == header.entries) else { return Ok(None) };
    let of = |kind| segments.iter().find(move |segment| segment.kind == kind);
    let interpreter = match of(PT_INTERP) {
        Some(segment) => string(file, segment.offset, segment.size)?,
        None => None,
    };
    let mut elf = Elf { machine, interpreter, needed: Vec::new(), run_path: Vec::new() };
    if let Some(dynamic) = of(PT_DYNAMIC) {
        let length = usize::try_from(dynamic.size).unwrap_or(usize::MAX).min(MAX_DYNAMIC);
        read_dynamic(file, &file.read_at(dynamic.offset, length)?, &segments, &mut elf)?;
    }
    Ok(Some(elf))
}

fn header(head: &[u8]) -> Option<Header> {
    let machine = machine(head)?;
    let (table, sizes) = if machine.wide { (machine.word(head, 32)?, 54) } else { (machine.word(head, 28)?, 42) };
    let entry_size = usize::from(machine.half(head, sizes)?);
    let entries = usize::from(machine.half(head, sizes + 2)?);
    let least = if machine.wide { 56 } else { 32 };
    // A program without segments cannot run, and one with thousands is made to keep readers busy.
    let is_sound = (least..=1024).contains(&entry_size) && (1..=MAX_SEGMENTS).contains(&entries);
    is_sound.then_some(Header { machine, table, entry_size, entries })
}

fn read_dynamic(file: &Positioned, table: &[u8], segments: &[Segment], elf: &mut Elf) -> Result<(), Error> {
    let machine = elf.machine;
    let width = if machine.wide { 8 } else { 4 };
    let entry = |chunk: &[u8]| Some((machine.word(chunk, 0)?, machine.word(chunk, width)?));
    let entries: Vec<(u64, u64)> =
        table.chunks_exact(2 * width).map_while(entry).take_while(|(tag, _)| *tag != DT_NULL).collect();
    let first = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    let strings = first(DT_STRTAB).and_then(|address| place(segments, address)).zip(first(DT_STRSZ));
    let Some((start, size)) = strings else { return Ok(()) };
    let text = |offset: u64| match size.checked_sub(offset).zip(start.checked_add(offset)) {
        Some((left, at)) => string(file, at, left),
        None => Ok(None),
    };
    for (_, offset) in entries.iter().filter(|(tag, _)| *tag == DT_NEEDED).take(MAX_NEEDED) {
        elf.needed.extend(text(*offset)?);
    }
    // ld.so(8): where there is a RUNPATH, RPATH counts for nothing.
    if let Some(offset) = first(DT_RUNPATH).or_else(|| first(DT_RPATH)) {
        let list = text(offset)?.unwrap_or_default();
        elf.run_path = list.split(|byte| *byte == b':').filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect();
    }
    Ok(())
}

/// Where the byte at the virtual `address` is in the file.
fn place(segments: &[Segment], address: u64) -> Option<u64> {
    let holds = |segment: &&Segment| {
        segment.kind == PT_LOAD && address.checked_sub(segment.address).is_some_and(|below| below < segment.size)
    };
    let segment = segments.iter().find(holds)?;
    segment.offset.checked_add(address - segment.address)
}

/// The string at `offset`, which ends by a NUL within `limit` bytes; none if it does not, or is empty.
fn string(file: &Positioned, offset: u64, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let length = usize::try_from(limit).unwrap_or(usize::MAX).min(MAX_STRING);
    let mut bytes = file.read_at(offset, length)?;
    let end = bytes.iter().position(|byte| *byte == 0);
    Ok(end.filter(|end| *end > 0).map(|end| {
        bytes.truncate(end);
        bytes
    }))
}

impl Machine {
    fn half(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn single(self, bytes: &[u8], at: usize) -> Option<u64> {
        let bytes: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(u64::from(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }))
    }

    /// An address or offset: eight bytes or four, as the file's class has it.
    fn word(self, bytes: &[u8], at: usize) -> Option<u64> {
        if !self.wide {
            return self.single(bytes, at);
        }
        let bytes: [u8; 8] = bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
        Some(if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    fn segment(self, entry: &[u8]) -> Option<Segment> {
        let (offset, address, size) = if self.wide { (8, 16, 32) } else { (4, 8, 16) };
        Some(Segment {
            kind: self.single(entry, 0)?,
            offset: self.word(entry, offset)?,
            address: self.word(entry, address)?,
            size: self.word(entry, size)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;
    use testkit::elf::build;

    use crate::scan::Source;

    fn parse(bytes: &[u8]) -> Option<Elf> {
        read(&Source::Bytes(bytes.into()).positioned().unwrap()).unwrap()
    }

    #[test]
    fn all_four_classes_and_byte_orders_are_read() {
        for (wide, big_endian) in [(true, false), (true, true), (false, false), (false, true)] {
            let bytes = build(wide, big_endian, "/lib/ld.so", &["libc.so.6", "libz.so.1"], "$ORIGIN/../lib:/opt/lib");
            let elf = parse(&bytes).unwrap_or_else(|| panic!("{wide} {big_endian}"));
            assert_eq!(elf.interpreter.as_deref(), Some(&b"/lib/ld.so"[..]));
            assert_eq!(elf.needed, [b"libc.so.6".to_vec(), b"libz.so.1".to_vec()]);
            assert_eq!(elf.run_path, [b"$ORIGIN/../lib".to_vec(), b"/opt/lib".to_vec()]);
            assert_eq!(machine(&bytes[..20]), Some(elf.machine));
        }
    }

    #[test]
    fn a_real_program_is_read() {
        let path = std::env::current_exe().unwrap();
        let elf = read(&Source::of_file(&path).positioned().unwrap()).unwrap().unwrap();
        assert!(elf.needed.iter().any(|name| name.starts_with(b"libc.so")), "{elf:?}");
        assert!(elf.interpreter.unwrap().starts_with(b"/lib"));
    }

    /// binutils is the judge, over every program and library of this machine.
    #[cfg(feature = "peer-tests")]
    #[test]
    fn the_machines_own_files_need_what_readelf_says() {
        let mut count = 0;
        for directory in ["/usr/bin", "/usr/sbin", "/usr/lib/x86_64-linux-gnu"] {
            for entry in std::fs::read_dir(directory).unwrap().flatten() {
                let path = entry.path();
                if !entry.metadata().is_ok_and(|metadata| metadata.is_file()) {
                    continue;
                }
                let source = Source::of_file(&path);
                let Some(elf) = read(&source.positioned().unwrap()).unwrap() else {
                    continue;
                };
                let output = std::process::Command::new("readelf").env("LC_ALL", "C").arg("-dlW").arg(&path).output();
                let text = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
                let between =
                    |line: &str| line.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']')).map(str::to_owned);
                let of =
                    |tag: &str| text.lines().filter(|line| line.contains(tag)).filter_map(between).collect::<Vec<_>>();
                let needed: Vec<String> =
                    elf.needed.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
                assert_eq!(needed, of("(NEEDED)"), "{}", path.display());
                let loader =
                    text.lines().find_map(|line| line.trim().strip_prefix("[Requesting program interpreter: "));
                let loader = loader.and_then(|line| line.strip_suffix(']')).map(|line| line.as_bytes().to_vec());
                assert_eq!(elf.interpreter, loader, "{}", path.display());
                let paths = [of("(RUNPATH)"), of("(RPATH)")].concat().first().cloned().unwrap_or_default();
                assert_eq!(String::from_utf8(elf.run_path.join(&b':')).unwrap(), paths, "{}", path.display());
                count += 1;
            }
        }
        assert!(count > 100, "only {count} files were compared");
    }

    #[test]
    fn what_is_no_program_has_no_needs() {
        let good = build(true, false, "/lib/ld.so", &["libc.so.6"], "");
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        for bytes in
            [vec![], b"\x7fELF".to_vec(), b"#!/bin/sh\n".to_vec(), with(4, 9), with(5, 0), with(6, 0), with(16, 1)]
        {
            assert_eq!(parse(&bytes), None);
        }
        // More program headers than the file has, or none.
        assert_eq!(parse(&with(56, 200)), None);
        assert_eq!(parse(&with(56, 0)), None);
    }

    #[test]
    fn no_damage_makes_the_reader_panic_or_read_far() {
        let mut random = testkit::Random::from_environment();
        for round in 0..20_000_u32 {
            let mut bytes = build(round % 2 == 0, round % 3 == 0, "/lib/ld.so", &["liba.so", "libb.so.2"], "/x:/y");
            for _ in 0..=random.below(4) {
                let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                bytes[at] = *random.pick(&[0, 1, 2, 0x7f, 0x80, 0xfe, 0xff]);
            }
            bytes.truncate(usize::try_from(random.below(bytes.len() as u64 * 4)).unwrap().max(1));
            if let Some(elf) = parse(&bytes) {
                assert!(elf.needed.iter().all(|name| name.len() < MAX_STRING && !name.is_empty()));
            }
        }
    }

    #[test]
    fn the_address_of_a_string_counts_from_the_segment_that_holds_it() {
        let segment = |kind, offset, address, size| Segment { kind, offset, address, size };
        let segments =
            [segment(PT_DYNAMIC, 0, 0, 1 << 40), segment(PT_LOAD, 100, 1000, 50), segment(PT_LOAD, 7, 2000, 1)];
        let places = [999, 1000, 1049, 1050, 2000, 2001].map(|address| place(&segments, address));
        assert_eq!(places, [None, Some(100), Some(149), None, Some(7), None]);
        assert_eq!(place(&[segment(PT_LOAD, u64::MAX, 0, 9)], 1), None);
    }

    #[test]
    fn a_string_ends_within_its_limit_and_is_not_empty() {
        let source = Source::Bytes((*b"ab\0c").into());
        let read = |offset, limit| string(&source.positioned().unwrap(), offset, limit).unwrap();
        assert_eq!((read(0, 3), read(1, 2), read(0, 2)), (Some(b"ab".to_vec()), Some(b"b".to_vec()), None));
        assert_eq!((read(2, 2), read(3, 9), read(9, 9)), (None, None, None));
    }

    #[test]
    fn a_header_has_entries_of_a_size_and_number_that_can_be() {
        let good = build(true, false, "/lib/ld.so", &["libc.so.6"], "");
        let with = |changes: &[(usize, u8)]| {
            let mut bytes = good.clone();
            changes.iter().for_each(|(at, byte)| bytes[*at] = *byte);
            header(&bytes).map(|header| (header.entry_size, header.entries))
        };
        let (size, count) = with(&[]).unwrap();
        assert_eq!(size, 56);
        assert_eq!(with(&[(54, 55)]), None);
        assert_eq!((with(&[(54, 0), (55, 4)]), with(&[(54, 1), (55, 4)])), (Some((1024, count)), None));
        assert_eq!((with(&[(56, 0), (57, 1)]), with(&[(56, 1), (57, 1)])), (Some((56, 256)), None));
        assert_eq!((with(&[(56, 1)]), with(&[(56, 0)])), (Some((56, 1)), None));
        assert_eq!((with(&[(16, 2)]).is_some(), with(&[(16, 3)]).is_some(), with(&[(16, 4)])), (true, true, None));
        let narrow = build(false, true, "/lib/ld.so", &[], "");
        assert_eq!(header(&narrow).map(|header| header.entry_size), Some(32));
    }
}
