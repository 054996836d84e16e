//! POSIX access control lists from the text that archives hold to the bytes of the kernel.
//!
//! The text is that of `acl_to_text(3)` with commas or line breaks (`user::rw-,user:33:r--,mask::r--`);
//! star and libarchive append the number to a named entry (`user:www-data:r--:33`). The bytes are
//! `struct posix_acl_xattr_header` and its entries in Linux' `uapi/linux/posix_acl_xattr.h`.

use super::ArchiveFault;

/// For entries that name nobody.
const NOBODY: u32 = u32::MAX;

/// The attribute's value. None for an access list that says no more than the mode does, which the
/// kernel does not keep either. Names without a number are refused: they would mean whoever has
/// that name on the machine of the build.
pub(super) fn from_text(text: &[u8], access: bool) -> Result<Option<Box<[u8]>>, ArchiveFault> {
    let text = std::str::from_utf8(text).map_err(|_| ArchiveFault::BadAcl)?;
    let mut entries = Vec::new();
    for entry in text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty() && !entry.starts_with('#')) {
        entries.push(parse_entry(entry).ok_or(ArchiveFault::BadAcl)?);
    }
    entries.sort_unstable();
    let required = [0x01, 0x04, 0x20];
    let complete = required.iter().all(|tag| entries.iter().filter(|entry| entry.0 == *tag).count() == 1);
    let twice = entries.windows(2).any(|pair| pair[0].0 == pair[1].0 && pair[0].1 == pair[1].1);
    if !complete || twice {
        return Err(ArchiveFault::BadAcl);
    }
    if access && entries.len() == required.len() {
        return Ok(None);
    }
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&permissions.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    Ok(Some(bytes.into_boxed_slice()))
}

/// The nine permission bits of a file with this access list: the mask stands for the group, where
/// there is one. None when the bytes are no access list.
pub(super) fn permissions(value: &[u8]) -> Option<u16> {
    let entries = value.strip_prefix(&2_u32.to_le_bytes())?.chunks_exact(8);
    let of = |tag: u8| entries.clone().find(|entry| entry[..2] == [tag, 0]).map(|entry| u16::from(entry[2] & 7));
    Some((of(0x01)? << 6) | (of(0x10).or_else(|| of(0x04))? << 3) | of(0x20)?)
}

/// Tag, id and permissions of `user:33:r--`, `user:name:r--:33` or `mask::r--`.
fn parse_entry(entry: &str) -> Option<(u16, u32, u16)> {
    let entry = entry.split('#').next()?.trim_end();
    let mut fields = entry.split(':');
    let (kind, who, permissions, number) = (fields.next()?, fields.next()?, fields.next()?, fields.next());
    if fields.next().is_some() {
        return None;
    }
    let tag = match (kind, who.is_empty()) {
        ("user" | "u", true) => 0x01,
        ("user" | "u", false) => 0x02,
        ("group" | "g", true) => 0x04,
        ("group" | "g", false) => 0x08,
        ("mask" | "m", true) => 0x10,
        ("other" | "o", true) => 0x20,
        _ => return None,
    };
    let id = if who.is_empty() { NOBODY } else { number.unwrap_or(who).parse().ok()? };
    let permissions = permissions.bytes().try_fold(0, |bits, letter| match letter {
        b'r' => Some(bits | 4),
        b'w' => Some(bits | 2),
        b'x' => Some(bits | 1),
        b'-' => Some(bits),
        _ => None,
    })?;
    Some((tag, id, permissions))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn text_becomes_what_the_kernel_keeps() {
        // The bytes that `setfacl -m u:33:r` leaves on a file of mode 0644.
        let wanted = "0200000001000600ffffffff020004002100000004000400ffffffff10000400ffffffff20000400ffffffff";
        for text in [
            "user::rw-,user:33:r--,group::r--,mask::r--,other::r--",
            "other::r--\nmask::r--\ngroup::r--\nuser:www-data:r--:33\nuser::rw-\n",
        ] {
            assert_eq!(permissions(&from_text(text.as_bytes(), true).unwrap().unwrap()), Some(0o644));
            assert_eq!(hex::encode(from_text(text.as_bytes(), true).unwrap().unwrap()), wanted);
        }
        assert_eq!(from_text(b"user::rw-,group::r--,other::r--", true).unwrap(), None);
        assert!(from_text(b"user::rw-,group::r--,other::r--", false).unwrap().is_some());
        for bad in ["user::rw-", "user:joe:r--,user::rw-,group::r--,other::r--", "user::rq-,group::r--,other::r--", "x"]
        {
            assert!(from_text(bad.as_bytes(), true).is_err(), "{bad}");
        }
    }
}
