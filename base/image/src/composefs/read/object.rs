//! Files whose content is an object, or another backing file.

use model::VerityDigest;

use super::Reader;
use crate::composefs::format::{
    BLOCK, BLOCK_BITS, C_FILE_LIMIT, FILE_LIMIT, METACOPY, REDIRECT, chunk_bits, chunk_count,
};
use crate::composefs::raw::{Checked, Raw, damaged, part};
use crate::composefs::{Backing, Entry, Stored};
use crate::tree::Stat;

impl<'b> Reader<'b> {
    /// A file whose content is an object: chunks that hold nothing, and two attributes.
    pub(super) fn object(&mut self, raw: &Raw<'b>, stat: &mut Stat) -> Checked<Entry> {
        let size = raw.size;
        let (limit, form) = if self.others { (C_FILE_LIMIT, raw.data & 0xffff) } else { (FILE_LIMIT, raw.data) };
        if size == 0 || size > limit || form != chunk_bits(size) - u32::from(BLOCK_BITS) {
            return Err(damaged("the chunks do not fit the file's size", raw.offset));
        }
        let pointers = chunk_count(size) * 4;
        // Only others write so many pointers that they find no room in the block, and then write them elsewhere.
        if pointers <= BLOCK - raw.end % BLOCK || pointers <= BLOCK / 2 {
            let chunks = part(self.bytes, raw.end, pointers, "chunks are beyond the end")?;
            self.spend(pointers, raw.offset)?;
            if chunks.iter().any(|byte| *byte != 0xff) {
                return Err(damaged("a chunk is not empty", raw.offset));
            }
        }
        let (metacopy, redirect) = (stat.xattrs.remove(METACOPY), stat.xattrs.remove(REDIRECT));
        let entry = content(size, metacopy.as_deref(), redirect.as_deref());
        entry.filter(|entry| self.others || entry.backing().is_none()).ok_or_else(|| {
            let is_digest = metacopy.as_deref().is_some_and(|value| digest(value).is_some()) && redirect.is_some();
            damaged(
                match is_digest {
                    true => "a file's object is not named by its digest",
                    false => "a file has neither content nor a digest",
                },
                raw.offset,
            )
        })
    }
}

/// What the attribute says that holds a digest.
fn digest(metacopy: &[u8]) -> Option<VerityDigest> {
    let (head, digest) = metacopy.split_first_chunk()?;
    (head == &[0, 36, 0, 1]).then_some(())?;
    Some(VerityDigest::new(*digest.as_array()?))
}

/// What two attributes say of a content; none when no tool writes them so.
fn content(size: u64, metacopy: Option<&[u8]>, redirect: Option<&[u8]>) -> Option<Entry> {
    let digest = match metacopy? {
        b"" => None,
        value => Some(digest(value)?),
    };
    let path = match redirect {
        Some(value) => Some(value.strip_prefix(b"/").filter(|path| !path.is_empty() && !path.contains(&0))?),
        None => None,
    };
    Some(Entry::of_backing(Backing { size, digest, path: path.map(Box::from) }))
}
