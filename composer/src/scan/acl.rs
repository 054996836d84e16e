//! POSIX access control lists from the text that archives hold to the bytes of the kernel.
//!
//! The text is that of `acl_to_text(3)` with commas or line breaks (`user::rw-,user:33:r--,mask::r--`);
//! star and libarchive append the number to a named entry (`user:www-data:r--:33`). The bytes are
//! `struct posix_acl_xattr_header` and its entries in Linux' `uapi/linux/posix_acl_xattr.h`.

use super::ArchiveFault;

/// For entries that name no one.
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

    /// Tag, permissions and id of every entry, as the kernel's `struct posix_acl_xattr_entry` has them.
    fn entries(text: &str) -> Vec<(u16, u16, u32)> {
        let bytes = from_text(text.as_bytes(), false).unwrap().unwrap();
        assert_eq!(bytes[..4], [2, 0, 0, 0]);
        let entry = |entry: &[u8; 8]| {
            let half = |at: usize| u16::from_le_bytes([entry[at], entry[at + 1]]);
            (half(0), half(2), u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]))
        };
        bytes[4..].as_chunks().0.iter().map(entry).collect()
    }

    #[test]
    fn every_letter_and_every_kind_of_entry_has_its_number() {
        // ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK and ACL_OTHER of the kernel, read 4, write 2, execute 1.
        const NONE: u32 = 0xffff_ffff;
        let all = [(1, 7, NONE), (2, 4, 1), (2, 2, 2), (4, 1, NONE), (8, 6, 3), (16, 5, NONE), (32, 0, NONE)];
        for text in [
            "user::rwx,user:1:r--,user:2:-w-,group::--x,group:3:rw-,mask::r-x,other::---",
            "u::xwr,u:1:r,u:2:w,g::x,g:3:wr,m::rx,o::",
            "o::---\nm::r-x\ng:x:rw-:3\ng::--x\nu:y:-w-:2\nu:z:r--:1\nu::rwx",
            "# a comment\n\n user::rwx # of the owner\nuser:1:r--\nuser:2:-w-\ngroup::--x\ngroup:3:rw-\nmask::r-x\nother::---",
            "user::rrwwxx,user:1:r--,user:2:-w-,group::--x,group:3:rw-,mask::r-x,other::---",
        ] {
            assert_eq!(entries(text), all, "{text}");
        }
        assert_eq!(entries("u::rwx,g::rwx,o::rwx"), [(1, 7, NONE), (4, 7, NONE), (32, 7, NONE)]);
    }

    #[test]
    fn a_list_is_whole_and_says_nothing_twice() {
        let whole = "u::rwx,g::r-x,o::r-x";
        for bad in ["", "u::rwx", "u::rwx,g::r-x", "g::r-x,o::r-x", "u::rwx,o::r-x"] {
            assert_eq!(from_text(bad.as_bytes(), false), Err(ArchiveFault::BadAcl), "{bad}");
        }
        for more in [
            "u::r--",
            "g::r-x",
            "o::---",
            "m::r--,m::r--",
            "u:1:r,u:1:w",
            "x::r",
            "m:1:r",
            "o:1:r",
            "u:1:r:2:3",
            "u:1",
            "u",
        ] {
            assert_eq!(from_text(format!("{whole},{more}").as_bytes(), false), Err(ArchiveFault::BadAcl), "{more}");
        }
        assert_eq!(from_text(b"u::rwx,g::r-x,o::\xff", false), Err(ArchiveFault::BadAcl));
        assert_eq!(entries("u::rwx,g::r-x,o::r-x,u:1:r,g:1:r").len(), 5);
    }

    #[test]
    fn the_mask_stands_for_the_group_where_there_is_one() {
        let bits = |text: &str| permissions(&from_text(text.as_bytes(), false).unwrap().unwrap());
        assert_eq!(bits("u::rwx,g::r-x,o::--x"), Some(0o751));
        assert_eq!(bits("u::r-x,g::rwx,o::rw-,m::-w-,u:1:r"), Some(0o526));
        assert_eq!((permissions(b""), permissions(&[1, 0, 0, 0]), permissions(&[2, 0, 0, 0])), (None, None, None));
        // Only a tag of one byte is a tag, and only three bits are permissions.
        let list = |first: [u8; 4]| {
            let entry = |head: [u8; 4]| [&head[..], &[0xff; 4]].concat();
            [vec![2, 0, 0, 0], entry(first), entry([4, 0, 0x0d, 0]), entry([32, 0, 1, 0])].concat()
        };
        assert_eq!(permissions(&list([1, 0, 0xfe, 0])), Some(0o651));
        assert_eq!(permissions(&list([1, 1, 7, 0])), None);
    }
}
