//! Small ELF files, for what reads them.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

/// A small shared object for x86: one loadable segment over the whole file, an interpreter (none
/// where it is empty), and a dynamic section that names libraries and a `RUNPATH`.
///
/// # Panics
/// When a number does not fit in 32 bits.
#[must_use]
pub fn build(wide: bool, big_endian: bool, interpreter: &str, needed: &[&str], run_path: &str) -> Vec<u8> {
    const ADDRESS: u64 = 0x40_0000;
    let half = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() }.to_vec();
    let single = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() }.to_vec();
    let word = |value: u64| match (wide, big_endian) {
        (true, true) => value.to_be_bytes().to_vec(),
        (true, false) => value.to_le_bytes().to_vec(),
        (false, _) => single(u32::try_from(value).unwrap()),
    };
    let (head, entry, width) = if wide { (64, 56, 8) } else { (52, 32, 4) };
    let mut strings = vec![0_u8];
    let mut tags: Vec<(u64, u64)> = Vec::new();
    let names = needed.iter().map(|name| (1, *name));
    for (tag, name) in names.chain((!run_path.is_empty()).then_some((29, run_path))) {
        tags.push((tag, strings.len() as u64));
        strings.extend(name.as_bytes());
        strings.push(0);
    }
    let interpreter = [interpreter.as_bytes(), b"\0"].concat();
    let interpreter_at = head + 3 * entry;
    let strings_at = interpreter_at + interpreter.len() as u64;
    let dynamic_at = strings_at + strings.len() as u64;
    tags.extend([(5, ADDRESS + strings_at), (10, strings.len() as u64), (0, 0)]);
    let dynamic: Vec<u8> = tags.iter().flat_map(|(tag, value)| [word(*tag), word(*value)].concat()).collect();
    let total = dynamic_at + dynamic.len() as u64;

    let mut out = vec![0x7f, b'E', b'L', b'F', 1 + u8::from(wide), 1 + u8::from(big_endian), 1];
    out.resize(16, 0);
    let number = if wide { 62 } else { 3 };
    out.extend([half(3), half(number), single(1), word(0), word(head), word(0), single(0)].concat());
    out.extend([52, u16::try_from(entry).unwrap(), 3, 0, 0, 0].iter().flat_map(|value| half(*value)));
    assert_eq!(out.len() as u64, head);
    let segments =
        [(1, 0, total), (3, interpreter_at, interpreter.len() as u64), (2, dynamic_at, tags.len() as u64 * 2 * width)];
    for (kind, offset, size) in segments {
        let kind = single(kind);
        let places = [word(offset), word(ADDRESS + offset), word(ADDRESS + offset), word(size), word(size)].concat();
        let parts = if wide { [kind, single(4), places, word(8)] } else { [kind, places, single(4), word(8)] };
        out.extend(parts.concat());
    }
    out.extend([interpreter, strings, dynamic].concat());
    out
}
