//! The form in which the cache has what a package lists.
//!
//! ```text
//! "mblisted", version (4 bytes), sha256 of the .deb (32)
//! control file (text), maintainer scripts (1: a bit for each name of `SCRIPTS`)
//! number of configuration files (4), each a path
//! files until the end: kind (1), mode (2), owner (4), group (4), time (8), path, and by kind
//!     'f' size (8)   'l' target (text)   'h' path   'c' and 'b' major (4), minor (4)   'd' and 'p' nothing
//! sha256 over all of the above (32)
//! ```
//!
//! Numbers are big-endian; a text is its length (4 bytes) and its bytes; a path is a normalised text. There
//! is one form for each listing, and the reader takes nothing else.

use model::{Digest, ImagePath};

use crate::rootfs::deb::{Control, DebContents, DebEntry, DebKind, Metadata, SCRIPTS};

const MAGIC: [u8; 8] = *b"mblisted";

/// The version of this form, and of what is read out of a .deb: whoever changes what a [`DebContents`] holds
/// for the same .deb raises it.
const VERSION: u32 = 1;

const SUM: usize = 32;

/// The bytes that stand for what the .deb with the sha256 `deb` lists; none where a text is longer than the
/// form can say.
#[must_use]
pub fn encode(listing: &DebContents, deb: &Digest) -> Option<Vec<u8>> {
    let Metadata { control, maintainer_scripts, conffiles } = &listing.metadata;
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_be_bytes());
    out.extend(deb.as_bytes());
    text(&mut out, control.to_string().as_bytes())?;
    let bit = |(bit, name): (usize, &&str)| u8::from(maintainer_scripts.iter().any(|script| script == name)) << bit;
    out.push(SCRIPTS.iter().enumerate().map(bit).sum());
    out.extend(u32::try_from(conffiles.len()).ok()?.to_be_bytes());
    conffiles.iter().try_for_each(|path| text(&mut out, path.as_bytes()))?;
    listing.entries.iter().try_for_each(|entry| append(&mut out, entry))?;
    out.extend(Digest::of(&out).as_bytes());
    Some(out)
}

fn append(out: &mut Vec<u8>, entry: &DebEntry) -> Option<()> {
    let DebEntry { path, kind, size, mode, uid, gid, mtime } = entry;
    out.push(letter(kind));
    out.extend(mode.to_be_bytes());
    out.extend(uid.to_be_bytes());
    out.extend(gid.to_be_bytes());
    out.extend(mtime.to_be_bytes());
    text(out, path.as_bytes())?;
    match kind {
        DebKind::Regular => out.extend(size.to_be_bytes()),
        DebKind::Symlink(target) => text(out, target)?,
        DebKind::HardLink(target) => text(out, target.as_bytes())?,
        DebKind::CharDevice(major, minor) | DebKind::BlockDevice(major, minor) => {
            out.extend(major.to_be_bytes());
            out.extend(minor.to_be_bytes());
        }
        DebKind::Directory | DebKind::Fifo => {}
    }
    Some(())
}

fn letter(kind: &DebKind) -> u8 {
    match kind {
        DebKind::Directory => b'd',
        DebKind::Regular => b'f',
        DebKind::Symlink(_) => b'l',
        DebKind::HardLink(_) => b'h',
        DebKind::CharDevice(..) => b'c',
        DebKind::BlockDevice(..) => b'b',
        DebKind::Fifo => b'p',
    }
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend(u32::try_from(bytes.len()).ok()?.to_be_bytes());
    out.extend(bytes);
    Some(())
}

/// The listing that [`encode`] made `bytes` of for the .deb with the sha256 `deb`; none when they are damaged,
/// of another .deb or of another version.
#[must_use]
pub fn decode(bytes: &[u8], deb: &Digest) -> Option<DebContents> {
    let (body, sum) = bytes.split_last_chunk::<SUM>()?;
    let mut body = Reader { rest: body };
    let is_known = body.array()? == MAGIC && body.u32()? == VERSION && body.array()? == *deb.as_bytes();
    if !is_known || Digest::of(&bytes[..bytes.len() - SUM]).as_bytes() != sum {
        return None;
    }
    let text = std::str::from_utf8(body.text()?).ok()?;
    let control = Control::parse(text).ok().filter(|control| control.to_string() == text)?;
    let [scripts] = body.array()?;
    if scripts >> SCRIPTS.len() != 0 {
        return None;
    }
    let names = SCRIPTS.iter().enumerate().filter(|(bit, _)| scripts >> bit & 1 == 1);
    let maintainer_scripts = names.map(|(_, name)| (*name).to_owned()).collect();
    let conffiles = (0..body.u32()?).map(|_| body.path()).collect::<Option<_>>()?;
    let mut entries = Vec::new();
    while !body.rest.is_empty() {
        entries.push(body.entry()?);
    }
    Some(DebContents { metadata: Metadata { control, maintainer_scripts, conffiles }, entries })
}

/// Reads from the front; every answer is none when there is too little left, or something else.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(text)
    }

    fn path(&mut self) -> Option<ImagePath> {
        let text = self.text()?;
        ImagePath::new(text).ok().filter(|path| path.as_bytes() == text)
    }

    fn entry(&mut self) -> Option<DebEntry> {
        let [letter] = self.array()?;
        let mode = self.array().map(u16::from_be_bytes).filter(|mode| mode & !0o7777 == 0)?;
        let (uid, gid, mtime) = (self.u32()?, self.u32()?, self.u64()?);
        let path = self.path()?;
        let mut size = 0;
        let kind = match letter {
            b'd' => DebKind::Directory,
            b'f' => {
                size = self.u64()?;
                DebKind::Regular
            }
            b'l' => DebKind::Symlink(self.text()?.into()),
            b'h' => DebKind::HardLink(self.path()?),
            b'c' => DebKind::CharDevice(self.u32()?, self.u32()?),
            b'b' => DebKind::BlockDevice(self.u32()?, self.u32()?),
            b'p' => DebKind::Fifo,
            _ => return None,
        };
        Some(DebEntry { path, kind, size, mode, uid, gid, mtime })
    }
}

#[cfg(test)]
mod tests;
