//! Numbers of accounts in extended attributes: access lists (Linux' `uapi/linux/posix_acl_xattr.h`), and the root user of the
//! namespace in which a file has its capabilities (`struct vfs_ns_cap_data` of `uapi/linux/capability.h`).

use image::tree::Xattrs;

/// The access list of a file.
const ACCESS: &[u8] = b"system.posix_acl_access";
/// The one that what is made in a directory gets.
const DEFAULT: &[u8] = b"system.posix_acl_default";
/// Capabilities of a program.
const CAPABILITY: &[u8] = b"security.capability";

/// Of what a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A user.
    User,
    /// A group.
    Group,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Group => "group",
        })
    }
}

/// An entry of an access list: its tag, permissions and number, as the kernel has them.
type Entry = (u16, u16, u32);

/// Every number of an account in `xattrs`.
#[must_use]
pub fn numbers(xattrs: &Xattrs) -> Vec<(Holder, u32)> {
    let mut found = Vec::new();
    for (name, value) in xattrs {
        let named = entries(name, value).into_iter().flatten();
        found.extend(named.filter_map(|(tag, _, id)| Some((holder(tag)?, id))));
        found.extend(root_of(name, value).map(|id| (Holder::User, id)));
    }
    found
}

/// The access lists of `xattrs` as acl_from_text(3) reads them, entries of the default list behind `d:`. None where there is
/// another attribute, which this is not.
#[must_use]
pub fn access_list(xattrs: &Xattrs) -> Option<String> {
    let mut text = Vec::new();
    for (name, value) in xattrs {
        let default = if **name == *DEFAULT { "d:" } else { "" };
        for (tag, permissions, id) in entries(name, value)? {
            let (kind, is_named) = match tag {
                0x01 | 0x02 => ("u", tag == 0x02),
                0x04 | 0x08 => ("g", tag == 0x08),
                0x10 => ("m", false),
                0x20 => ("o", false),
                _ => return None,
            };
            let who = if is_named { id.to_string() } else { String::new() };
            let letter = |bit: u16, letter: char| if permissions & bit == 0 { '-' } else { letter };
            let permissions: String = [letter(4, 'r'), letter(2, 'w'), letter(1, 'x')].iter().collect();
            text.push(format!("{default}{kind}:{who}:{permissions}"));
        }
    }
    Some(text.join(","))
}

/// Gives each number in `xattrs` the one that `user` or `group` has for it.
pub(super) fn map(xattrs: &mut Xattrs, user: impl Fn(u32) -> u32, group: impl Fn(u32) -> u32) {
    let mapped = |name: &[u8], value: &[u8]| -> Option<Box<[u8]>> {
        if let Some(id) = root_of(name, value) {
            return Some([&value[..value.len() - 4], &user(id).to_le_bytes()].concat().into());
        }
        let mut entries = entries(name, value)?;
        for (tag, _, id) in &mut entries {
            match holder(*tag) {
                Some(Holder::User) => *id = user(*id),
                Some(Holder::Group) => *id = group(*id),
                None => {}
            }
        }
        // In the order in which setfacl(1) would have written them.
        entries.sort_by_key(|(tag, _, id)| (*tag, *id));
        Some(list(&entries))
    };
    let new: Vec<_> = xattrs.iter().filter_map(|(name, value)| Some((name.clone(), mapped(name, value)?))).collect();
    for (name, value) in new {
        xattrs.insert(name, value);
    }
}

fn holder(tag: u16) -> Option<Holder> {
    match tag {
        0x02 => Some(Holder::User),
        0x08 => Some(Holder::Group),
        _ => None,
    }
}

/// The entries of an access list; none where it is not one.
fn entries(name: &[u8], value: &[u8]) -> Option<Vec<Entry>> {
    if name != ACCESS && name != DEFAULT {
        return None;
    }
    let (entries, []) = value.strip_prefix(&2_u32.to_le_bytes())?.as_chunks::<8>() else { return None };
    let entry = |bytes: &[u8; 8]| {
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        (half(0), half(2), u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]))
    };
    Some(entries.iter().map(entry).collect())
}

fn list(entries: &[Entry]) -> Box<[u8]> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&permissions.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    bytes.into_boxed_slice()
}

/// The user that is root in the namespace of a file's capabilities: the last four bytes of their third version.
fn root_of(name: &[u8], value: &[u8]) -> Option<u32> {
    const THIRD: u8 = 3;
    let value: &[u8; 24] = value.try_into().ok()?;
    (name == CAPABILITY && value[3] == THIRD).then(|| u32::from_le_bytes([value[20], value[21], value[22], value[23]]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use std::collections::BTreeMap;

    use super::*;

    const NONE: u32 = u32::MAX;

    fn xattrs(all: &[(&[u8], Box<[u8]>)]) -> Xattrs {
        let mut xattrs = Xattrs::new();
        for (name, value) in all {
            xattrs.insert(Box::from(*name), value.clone());
        }
        xattrs
    }

    fn capability(root: u32) -> Box<[u8]> {
        [&[1, 0, 0, 3][..], &[0; 16], &root.to_le_bytes()].concat().into()
    }

    #[test]
    fn access_lists_and_capabilities_get_the_numbers_of_the_fleet() {
        let one = [(1, 6, NONE), (2, 4, 100), (2, 6, 1500), (4, 4, NONE), (8, 4, 1500), (16, 6, NONE), (32, 0, NONE)];
        let mut all = xattrs(&[(ACCESS, list(&one)), (CAPABILITY, capability(1500)), (b"user.x", Box::from(*b"1500"))]);
        assert_eq!(
            numbers(&all),
            [(Holder::User, 1500), (Holder::User, 100), (Holder::User, 1500), (Holder::Group, 1500)]
        );
        let uids = BTreeMap::from([(1500, 50), (100, 312)]);
        map(&mut all, |id| uids.get(&id).copied().unwrap_or(id), |id| if id == 1500 { 616 } else { id });
        let after = [(1, 6, NONE), (2, 6, 50), (2, 4, 312), (4, 4, NONE), (8, 4, 616), (16, 6, NONE), (32, 0, NONE)];
        assert_eq!(
            all,
            xattrs(&[(ACCESS, list(&after)), (CAPABILITY, capability(50)), (b"user.x", Box::from(*b"1500"))])
        );
    }

    #[test]
    fn an_access_list_is_written_as_a_line_has_it() {
        let one = [(1, 7, NONE), (2, 5, 312), (4, 5, NONE), (16, 5, NONE), (32, 0, NONE)];
        let two = [(1, 7, NONE), (4, 5, NONE), (8, 2, 7), (16, 5, NONE), (32, 1, NONE)];
        assert_eq!(
            access_list(&xattrs(&[(ACCESS, list(&one)), (DEFAULT, list(&two))])).unwrap(),
            "u::rwx,u:312:r-x,g::r-x,m::r-x,o::---,d:u::rwx,d:g::r-x,d:g:7:-w-,d:m::r-x,d:o::--x"
        );
        assert_eq!(access_list(&Xattrs::new()).unwrap(), "");
        for other in [(CAPABILITY, capability(0)), (ACCESS, Box::from(*b"x")), (ACCESS, list(&[(3, 0, 0)]))] {
            assert_eq!(access_list(&xattrs(&[other])), None);
        }
        assert_eq!(numbers(&xattrs(&[(ACCESS, Box::from(*b"\x02\0\0\0\x02")), (CAPABILITY, Box::from([3; 20]))])), []);
    }
}
