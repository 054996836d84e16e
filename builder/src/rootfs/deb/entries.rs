//! The entries of a package's tar archives.

use std::io::{self, Read};

use model::ImagePath;

use super::Reason;
use super::members::Package;

/// The most bytes that a data archive may have when it is unpacked. The largest of Debian has about
/// 4 GiB.
pub(super) const DATA_LIMIT: u64 = 64 << 30;
/// The most files that one package may hold.
const ENTRY_LIMIT: usize = 4_000_000;
/// The longest file name or link target: Linux's PATH_MAX.
const NAME_LIMIT: u64 = 4096;

/// What a file of a package is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DebKind {
    /// A directory.
    Directory,
    /// A regular file.
    Regular,
    /// A symbolic link with its target's bytes.
    Symlink(Box<[u8]>),
    /// Another name of a file that came before.
    HardLink(ImagePath),
    /// A character device: major and minor number.
    CharDevice(u32, u32),
    /// A block device: major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebEntry {
    /// Where the package puts it, as the package says it: `/lib` is not followed to `/usr/lib`.
    pub path: ImagePath,
    /// What it is.
    pub kind: DebKind,
    /// Its content's length in bytes; 0 for anything but a regular file.
    pub size: u64,
    /// The low twelve bits of `st_mode`.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u64,
}

/// One header of a tar archive with what long names before it said.
pub(super) struct Item {
    pub(super) path: Vec<u8>,
    link: Vec<u8>,
    pub(super) header: tar::Header,
}

/// Calls `visit` with every entry and its content.
pub(super) fn each_entry(
    input: impl Read,
    visit: &mut dyn FnMut(Item, &mut dyn Read) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let mut archive = tar::Archive::new(input);
    let (mut long_name, mut long_link) = (None, None);
    // Raw: the library would read a long name of any length into memory.
    for (index, entry) in archive.entries()?.raw(true).enumerate() {
        if index >= ENTRY_LIMIT {
            return Err(Reason::TooLarge { what: "the number of files", limit: ENTRY_LIMIT as u64 });
        }
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_gnu_longlink() {
            let slot = if kind.is_gnu_longname() { &mut long_name } else { &mut long_link };
            *slot = Some(read_long(&mut entry)?);
            continue;
        }
        let header = entry.header().clone();
        let path = long_name.take().unwrap_or_else(|| header.path_bytes().into_owned());
        let link = long_link.take().or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
        visit(Item { path, link: link.unwrap_or_default(), header }, &mut entry)?;
    }
    Ok(())
}

fn read_long(entry: &mut impl Read) -> Result<Vec<u8>, Reason> {
    let mut name = Vec::new();
    entry.take(NAME_LIMIT + 2).read_to_end(&mut name)?;
    while name.last() == Some(&0) {
        name.pop();
    }
    if name.len() as u64 > NAME_LIMIT {
        return Err(Reason::TooLarge { what: "the length of a file name", limit: NAME_LIMIT });
    }
    Ok(name)
}

/// The files of a package in their order.
pub(super) fn contents(package: &mut Package<impl Read>) -> Result<Vec<DebEntry>, Reason> {
    let data = package.open("data.tar", DATA_LIMIT)?;
    let mut entries = Vec::new();
    each_entry(data, &mut |item, _| {
        entries.push(entry(&item)?);
        Ok(())
    })?;
    Ok(entries)
}

pub(super) fn entry(item: &Item) -> Result<DebEntry, Reason> {
    use tar::EntryType;

    let header = &item.header;
    let number = |value: io::Result<u64>| value.map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    let device = || -> io::Result<(u32, u32)> {
        Ok((header.device_major()?.unwrap_or_default(), header.device_minor()?.unwrap_or_default()))
    };
    let kind = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => DebKind::Regular,
        EntryType::Directory => DebKind::Directory,
        EntryType::Symlink => DebKind::Symlink(item.link.clone().into_boxed_slice()),
        EntryType::Link => DebKind::HardLink(ImagePath::new(&item.link)?),
        EntryType::Char => device().map(|(major, minor)| DebKind::CharDevice(major, minor))?,
        EntryType::Block => device().map(|(major, minor)| DebKind::BlockDevice(major, minor))?,
        EntryType::Fifo => DebKind::Fifo,
        other => {
            let path = model::path::escape(&item.path);
            return Err(Reason::EntryKind { path, kind: char::from(other.as_byte()) });
        }
    };
    let size = if kind == DebKind::Regular { header.size()? } else { 0 };
    Ok(DebEntry {
        path: ImagePath::new(&item.path)?,
        kind,
        size,
        mode: u16::try_from(header.mode()? & 0o7777).unwrap_or_default(),
        uid: number(header.uid())?,
        gid: number(header.gid())?,
        mtime: header.mtime()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn a_name_that_never_ends_is_an_error() {
        assert!(read_long(&mut io::repeat(b'x')).is_err());
    }
}
