//! The fields of a line of a dump.

use model::path::escape;

/// A part of a line, with the column of its first byte, which is 0 at the start of the line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'t> {
    pub(super) bytes: &'t [u8],
    pub(super) column: usize,
}

/// How many bytes of a path stand in an error.
pub(super) const SHOWN: usize = 300;

/// Bytes in an error: at most this many of them.
pub(super) fn shown(bytes: &[u8], most: usize) -> String {
    match bytes.get(..most) {
        Some(start) if start.len() < bytes.len() => escape(start) + "...",
        _ => escape(bytes),
    }
}

/// What is wrong, and in which column.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) column: usize,
    pub(super) problem: String,
}

pub(super) type Parsed<T> = Result<T, Fault>;

impl<'t> Field<'t> {
    /// Splits at the first `separator`, which is in neither part.
    pub(super) fn split(self, separator: u8) -> Option<(Self, Self)> {
        let at = self.bytes.iter().position(|byte| *byte == separator)?;
        let (first, rest) = (&self.bytes[..at], &self.bytes[at + 1..]);
        Some((Self { bytes: first, ..self }, Self { bytes: rest, column: self.column + at + 1 }))
    }

    pub(super) fn fault(self, problem: impl Into<String>) -> Fault {
        Fault { column: self.column, problem: problem.into() }
    }

    /// The field as it is quoted in an error: not all of it when it is long.
    fn quoted(self) -> String {
        format!("\"{}\"", shown(self.bytes, 40))
    }

    /// A number of digits alone, up to `limit`.
    pub(super) fn number(self, what: &str, radix: u32, limit: u64) -> Parsed<u64> {
        let is_digits = !self.bytes.is_empty() && self.bytes.iter().all(|byte| char::from(*byte).is_digit(radix));
        if !is_digits {
            let kind = if radix == 8 { "an octal" } else { "a decimal" };
            return Err(self.fault(format!("{what} is {}, not {kind} number", self.quoted())));
        }
        let value = std::str::from_utf8(self.bytes).ok().and_then(|text| u64::from_str_radix(text, radix).ok());
        let most = if radix == 8 { format!("{limit:o}") } else { limit.to_string() };
        let too_large = || self.fault(format!("{what} is {}; at most {most} is possible", self.quoted()));
        value.filter(|value| *value <= limit).ok_or_else(too_large)
    }

    /// A 32-bit number.
    pub(super) fn small(self, what: &str) -> Parsed<u32> {
        let value = self.number(what, 10, u32::MAX.into())?;
        Ok(u32::try_from(value).unwrap_or(u32::MAX))
    }

    /// Seconds, which may lie before 1970.
    pub(super) fn seconds(self) -> Parsed<i64> {
        match self.bytes.strip_prefix(b"-") {
            Some(bytes) => {
                let seconds = Field { bytes, column: self.column + 1 }.number("the time", 10, 1 << 63)?;
                Ok(0_i64.wrapping_sub_unsigned(seconds))
            }
            None => Ok(self.number("the time", 10, i64::MAX.cast_unsigned())?.cast_signed()),
        }
    }

    /// The bytes that the field stands for.
    pub(super) fn unescaped(self) -> Parsed<Vec<u8>> {
        let mut out = Vec::with_capacity(self.bytes.len());
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            if *byte != b'\\' {
                out.push(*byte);
                at += 1;
                continue;
            }
            let here = Field { bytes: &self.bytes[at..], column: self.column + at };
            let (byte, length) = here.escape()?;
            out.push(byte);
            at += length;
        }
        Ok(out)
    }

    /// The byte for which the escape at the start of the field stands, and the escape's length.
    fn escape(self) -> Parsed<(u8, usize)> {
        let digit = |at: usize| self.bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match self.bytes.get(1) {
            Some(b'\\') => Ok((b'\\', 2)),
            Some(b'n') => Ok((b'\n', 2)),
            Some(b'r') => Ok((b'\r', 2)),
            Some(b't') => Ok((b'\t', 2)),
            Some(b'x') => match (digit(2), digit(3)) {
                (Some(high), Some(low)) => Ok((u8::try_from(high << 4 | low).unwrap_or(0), 4)),
                _ => Err(self.fault("two hexadecimal digits must follow \\x")),
            },
            Some(other) => Err(self.fault(format!("\\{} is no escape", escape(&[*other])))),
            None => Err(self.fault("nothing follows the backslash")),
        }
    }

    /// As [`Field::unescaped`]; none for a field that is not set.
    pub(super) fn optional(self) -> Parsed<Option<Vec<u8>>> {
        match self.bytes {
            b"-" => Ok(None),
            _ => self.unescaped().map(Some),
        }
    }

    /// A text that may be unset, without zero bytes: C tools would cut it there.
    pub(super) fn text(self, what: &str) -> Parsed<Option<Vec<u8>>> {
        match self.optional()? {
            Some(text) if text.contains(&0) => Err(self.fault(format!("{what} holds a zero byte"))),
            text => Ok(text),
        }
    }
}
