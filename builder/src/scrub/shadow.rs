//! The days in `/etc/shadow`.

use std::borrow::Cow;

use model::Epoch;

use super::error::Fault;

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
