//! The days and the passwords in `/etc/shadow`, and the passwords in `/etc/gshadow`.

use std::borrow::Cow;

use model::Epoch;

use super::error::Fault;
use super::passwords::is_hash;

/// Locks each account that has a password: shadow(5) and gshadow(5) have it in the second field, `!` and `*` are none.
#[expect(clippy::unnecessary_wraps, reason = "what a rule rewrites by may fail")]
pub(super) fn lock(content: &[u8], _: Epoch) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(content.len());
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let mut fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let has_password = |field: &[u8]| {
            std::str::from_utf8(field).is_ok_and(|text| is_hash(text.trim_start_matches(['!', '*']).trim_end()))
        };
        if let Some(field) = fields.get_mut(1).filter(|field| has_password(field)) {
            *field = b"!";
        }
        out.extend_from_slice(&fields.join(&b':'));
    }
    Ok(out)
}

/// As [`lock`] and [`clamp_last_change`].
pub(super) fn lock_and_clamp(content: &[u8], epoch: Epoch) -> Result<Vec<u8>, Fault> {
    clamp_last_change(&lock(content, epoch)?, epoch)
}

/// shadow(5): the third of nine fields counts days since 1970.
pub(super) fn clamp_last_change(content: &[u8], epoch: Epoch) -> Result<Vec<u8>, Fault> {
    let today = epoch.seconds() / 86_400;
    let mut out = Vec::with_capacity(content.len());
    for (index, line) in content.split_inclusive(|b| *b == b'\n').enumerate() {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let mut fields: Vec<Cow<'_, [u8]>> = text.split(|b| *b == b':').map(Cow::Borrowed).collect();
        if fields.len() != 9 && !text.is_empty() {
            return Err(Fault::Shadow { line: index + 1 });
        }
        if let Some(field) = fields.get_mut(2) {
            let day = std::str::from_utf8(field).ok().and_then(|day| day.parse::<i64>().ok());
            if day.is_some_and(|day| day > today) {
                *field = Cow::Owned(today.to_string().into_bytes());
            }
        }
        out.extend_from_slice(&fields.join(&b':'));
        out.extend_from_slice(&line[text.len()..]);
    }
    Ok(out)
}
