//! An image has one form: whoever reads one that is to be trusted asks for it.

use super::raw::damaged;
use super::{Entry, INLINE_LIMIT, read};
use crate::Error;
use crate::tree::{Kind, Tree};

/// Reads an image that must be, byte for byte, the one that [`write`](super::write()) makes of its tree,
/// with every content of at most [`INLINE_LIMIT`] bytes in it and no other.
///
/// One tree has one image: what a reader skips, as the bytes between two inodes, can hide nothing.
///
/// # Errors
/// As [`read`], and when the image is written differently.
pub fn read_canonical(bytes: &[u8]) -> Result<Tree<Entry>, Error> {
    let tree = read(bytes)?;
    let is_misplaced = |entry: &Entry| match entry {
        Entry::Empty => false,
        Entry::Inline(content) => content.len() as u64 > INLINE_LIMIT,
        Entry::Object { size, .. } => *size <= INLINE_LIMIT,
    };
    if tree.walk().any(|(_, _, node)| matches!(&node.kind, Kind::Regular(entry) if is_misplaced(entry))) {
        return Err(damaged("a content is an object and should be in the image, or the other way round", 0).into());
    }
    let written = match super::write(&tree) {
        Err(Error::Image(_)) => return Err(damaged("it holds a tree of which no image is written", 0).into()),
        written => written?,
    };
    if written == bytes {
        return Ok(tree);
    }
    let same = written.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    Err(damaged("it is not written as the image of its tree is", same as u64).into())
}
