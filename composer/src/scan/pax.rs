//! The records of a pax extended header.
//!
//! A record is `LENGTH KEY=VALUE\n`, where the decimal length counts all of it (POSIX.1-2024, pax).
//! Values are bytes and may hold line breaks, so that only the length says where a record ends; the
//! `tar` crate's reader splits at line breaks and would lose capabilities and odd names.

use std::collections::BTreeMap;

use image::tree::Mtime;

use super::ArchiveFault;

/// Records by key. An empty value stands for "as if it were not there", as POSIX has it.
#[derive(Debug, Default)]
pub(super) struct Records(BTreeMap<Box<[u8]>, Box<[u8]>>);

impl Records {
    /// Splits a header's content; a later record of a key wins.
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self, ArchiveFault> {
        let mut records = BTreeMap::new();
        // Version 0.0 of sparse files repeats two keys; 0.1 has the same in one list.
        let mut map: Vec<u8> = Vec::new();
        while !bytes.is_empty() {
            let space = bytes.iter().take(12).position(|byte| *byte == b' ').ok_or(ArchiveFault::BadRecord)?;
            let length = decimal(&bytes[..space]).and_then(|length| usize::try_from(length).ok());
            let length = length.filter(|length| *length <= bytes.len()).ok_or(ArchiveFault::BadRecord)?;
            let record = bytes.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n"));
            let record = record.ok_or(ArchiveFault::BadRecord)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(ArchiveFault::BadRecord)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            if matches!(key, b"GNU.sparse.offset" | b"GNU.sparse.numbytes") {
                map.extend(if map.is_empty() { b"".as_slice() } else { b"," });
                map.extend_from_slice(value);
            }
            // An attribute's name may hold `=`, which GNU tar writes as `%3D` and `%` as `%25`.
            records.insert(decode_key(key), Box::from(value));
            bytes = &bytes[length..];
        }
        if !map.is_empty() {
            records.insert(Box::from(&b"GNU.sparse.map"[..]), map.into_boxed_slice());
        }
        Ok(Self(records))
    }

    /// Takes over what a global header may say about all members: their owner and time. Names,
    /// sizes and attributes for all members make no sense, so that an archive with them is refused.
    pub(super) fn merge_global(&mut self, newer: Self) -> Result<(), ArchiveFault> {
        for (key, value) in newer.0 {
            match &*key {
                b"uid" | b"gid" | b"mtime" => drop(self.0.insert(key, value)),
                b"path" | b"linkpath" | b"size" => return Err(ArchiveFault::BadRecord),
                key if key.starts_with(b"SCHILY.") || key.starts_with(b"GNU.sparse") => {
                    return Err(ArchiveFault::BadRecord);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The value of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key).map(|value| &**value).filter(|value| !value.is_empty())
    }

    /// All records in the order of their keys, empty values too.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether the member is a sparse file of GNU tar.
    pub(super) fn is_sparse(&self) -> bool {
        self.0.keys().any(|key| key.starts_with(b"GNU.sparse."))
    }

    /// Refuses the sparse files of star, whose content is not what it looks like.
    pub(super) fn refuse_unknown_sparse(&self) -> Result<(), ArchiveFault> {
        if self.0.keys().any(|key| &**key == b"SCHILY.realsize") { Err(ArchiveFault::Sparse) } else { Ok(()) }
    }

    /// A whole number.
    pub(super) fn decimal(&self, key: &'static str) -> Result<Option<u64>, ArchiveFault> {
        let Some(value) = self.get(key.as_bytes()) else { return Ok(None) };
        decimal(value).map(Some).ok_or(ArchiveFault::BadNumber { field: key })
    }

    /// The modification time: seconds with a fraction, possibly before 1970. Digits after the ninth
    /// are dropped towards the past.
    pub(super) fn time(&self) -> Result<Option<Mtime>, ArchiveFault> {
        let Some(value) = self.get(b"mtime") else { return Ok(None) };
        time(value).map(Some).ok_or(ArchiveFault::BadNumber { field: "mtime" })
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn time(text: &[u8]) -> Option<Mtime> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let mut parts = digits.splitn(2, |byte| *byte == b'.');
    let seconds = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |index| fraction.get(index).map_or(0, |digit: &u8| u32::from(digit - b'0'));
    let nanoseconds = (0..9).fold(0, |value, index| value * 10 + digit(index));
    let beyond = fraction.iter().skip(9).any(|digit| *digit != b'0');
    if !negative {
        return Some(Mtime { seconds, nanoseconds });
    }
    let nanoseconds = nanoseconds + u32::from(beyond);
    match nanoseconds {
        0 => Some(Mtime { seconds: -seconds, nanoseconds: 0 }),
        _ => Some(Mtime { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds }),
    }
}

fn decode_key(key: &[u8]) -> Box<[u8]> {
    let Some(name) = key.strip_prefix(b"SCHILY.xattr.") else { return Box::from(key) };
    let mut decoded = b"SCHILY.xattr.".to_vec();
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match rest {
            [b'%', b'3', b'D', after @ ..] => (b'=', after),
            [b'%', b'2', b'5', after @ ..] => (b'%', after),
            _ => (*first, after),
        };
        decoded.push(byte);
        rest = after;
    }
    decoded.into_boxed_slice()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    /// The text of these records, each with the length of all of it in front.
    pub(in crate::scan) fn written(records: &[(&str, &[u8])]) -> Vec<u8> {
        let mut text = Vec::new();
        for (key, value) in records {
            let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
            let length = (1..).find(|length: &usize| *length == length.to_string().len() + rest.len()).unwrap();
            text.extend([length.to_string().as_bytes(), &rest].concat());
        }
        text
    }

    #[test]
    fn records_end_where_their_length_says() {
        let records = Records::parse(b"9 path=\n\n18 mtime=-1.50000\n31 SCHILY.xattr.user.a%3Db=\n=\0\n").unwrap();
        assert_eq!(records.get(b"path"), Some(&b"\n"[..]));
        assert_eq!(records.get(b"SCHILY.xattr.user.a=b"), Some(&b"\n=\0"[..]));
        for bad in
            [&b"x"[..], b"9 path=\n", b"0 a=b\n", b"3 a=b\n", b"6 a=bc", b"5 abc\n", b"99999999999999999999 a=b\n"]
        {
            assert!(Records::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_go_below_1970_and_to_nanoseconds() {
        for (text, seconds, nanoseconds) in [
            ("0", 0, 0),
            ("1.5", 1, 500_000_000),
            ("1.0000000019", 1, 1),
            ("-1", -1, 0),
            ("-1.5", -2, 500_000_000),
            ("-0.000000001", -1, 999_999_999),
            ("-0.0000000001", -1, 999_999_999),
        ] {
            assert_eq!(time(text.as_bytes()), Some(Mtime { seconds, nanoseconds }), "{text}");
        }
        for bad in ["", "-", ".5", "1.x", "+1", "9223372036854775808"] {
            assert_eq!(time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_global_header_says_only_what_may_hold_of_all_members() {
        let merge = |newer: &[(&str, &[u8])]| {
            let mut records = Records::parse(&written(&[("uid", b"1")]))?;
            records.merge_global(Records::parse(&written(newer))?)?;
            let get = |key: &[u8]| records.get(key).map(|value| String::from_utf8_lossy(value).into_owned());
            Ok((get(b"uid"), get(b"gid"), get(b"mtime"), get(b"comment")))
        };
        let text = |text: &str| Some(text.to_owned());
        let merged = merge(&[("uid", b"2"), ("gid", b"3"), ("mtime", b"4"), ("comment", b"x")]);
        assert_eq!(merged, Ok((text("2"), text("3"), text("4"), None)));
        for bad in ["path", "linkpath", "size", "SCHILY.xattr.a", "GNU.sparse.major", "GNU.sparse"] {
            assert_eq!(merge(&[(bad, b"1")]), Err(ArchiveFault::BadRecord), "{bad}");
        }
    }

    #[test]
    fn an_empty_value_is_no_value_and_a_sparse_file_is_known() {
        let records = |list: &[(&str, &[u8])]| Records::parse(&written(list)).unwrap();
        assert_eq!(records(&[("uid", b"")]).decimal("uid"), Ok(None));
        assert_eq!(records(&[("uid", b"7")]).decimal("uid"), Ok(Some(7)));
        assert_eq!(records(&[("uid", b"x")]).decimal("uid"), Err(ArchiveFault::BadNumber { field: "uid" }));
        assert_eq!(records(&[("uid", b"7"), ("uid", b"8")]).decimal("uid"), Ok(Some(8)));
        assert_eq!(records(&[("mtime", b"x")]).time(), Err(ArchiveFault::BadNumber { field: "mtime" }));
        assert_eq!((records(&[("mtime", b"")]).time(), records(&[]).time()), (Ok(None), Ok(None)));
        for (key, sparse, unknown) in [
            ("GNU.sparse.a", true, false),
            ("SCHILY.realsize", false, true),
            ("GNU.sparse", false, false),
            ("SCHILY.realsizes", false, false),
        ] {
            assert_eq!(records(&[(key, b"1")]).is_sparse(), sparse, "{key}");
            assert_eq!(records(&[(key, b"1")]).refuse_unknown_sparse().is_err(), unknown, "{key}");
        }
    }

    #[test]
    fn only_the_name_of_an_attribute_is_decoded() {
        for (text, key) in [
            ("SCHILY.xattr.a%25b", "SCHILY.xattr.a%b"),
            ("SCHILY.xattr.%3D%253D", "SCHILY.xattr.=%3D"),
            ("SCHILY.xattr.%%3d%", "SCHILY.xattr.%%3d%"),
            ("other%3D%2", "other%3D%2"),
        ] {
            let records = Records::parse(&written(&[(text, b"v")])).unwrap();
            assert_eq!(records.iter().collect::<Vec<_>>(), [(key.as_bytes(), &b"v"[..])]);
        }
        // A length has at most eleven digits before its blank.
        assert!(Records::parse(b"00000000016 a=b\n").is_ok());
        assert!(Records::parse(b"000000000017 a=b\n").is_err());
    }
}
