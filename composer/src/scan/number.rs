//! Numbers in the headers of a tar.

use super::ArchiveFault;

/// A numeric field: octal digits, or GNU's base 256, a big-endian two's complement number whose top
/// bit is set as the mark, so that its sign is the second bit.
pub(super) fn number(field: &[u8], name: &'static str) -> Result<i128, ArchiveFault> {
    let bad = ArchiveFault::BadNumber { field: name };
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => {
            let start = i128::from(first & 0x3f) - i128::from(first & 0x40);
            Ok(rest.iter().fold(start, |value, byte| value * 256 + i128::from(*byte)))
        }
        _ => {
            let text = field.trim_ascii_start();
            let end = text.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(text.len());
            text[..end].iter().try_fold(0_i128, |value, digit| match digit {
                b'0'..=b'7' => Ok(value * 8 + i128::from(digit - b'0')),
                _ => Err(bad.clone()),
            })
        }
    }
}
