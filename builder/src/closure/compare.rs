//! Whether an inode of a root file system is as it is in the base.

use std::fmt;
use std::io::Read;

use image::Readable;
use image::tree::{Kind, Node};

use super::Error;

/// In what an inode differs from that of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It is another kind of file.
    Kind,
    /// The bytes of a file, or the target of a link.
    Content,
    /// The owner or the group.
    Owner,
    /// The permission bits.
    Mode,
    /// The extended attributes.
    Attributes,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "kind of file",
            Self::Content => "content",
            Self::Owner => "owner",
            Self::Mode => "mode",
            Self::Attributes => "extended attributes",
        })
    }
}

/// The first difference of `now` from `before`; times do not count.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn difference<C: Readable>(before: &Node<C>, now: &Node<C>) -> Result<Option<Difference>, Error> {
    let content = match (&before.kind, &now.kind) {
        (Kind::Directory(_), Kind::Directory(_)) | (Kind::Fifo, Kind::Fifo) | (Kind::Socket, Kind::Socket) => true,
        (Kind::Regular(before), Kind::Regular(now)) => before.size() == now.size() && is_same(before, now)?,
        (Kind::Symlink(before), Kind::Symlink(now)) => before == now,
        (Kind::CharDevice(before), Kind::CharDevice(now)) | (Kind::BlockDevice(before), Kind::BlockDevice(now)) => {
            before == now
        }
        _ => return Ok(Some(Difference::Kind)),
    };
    let (one, other) = (&before.stat, &now.stat);
    let is_link = matches!(now.kind, Kind::Symlink(_));
    Ok(if !content {
        Some(Difference::Content)
    } else if (one.uid, one.gid) != (other.uid, other.gid) {
        Some(Difference::Owner)
    } else if one.mode != other.mode && !is_link {
        Some(Difference::Mode)
    } else if one.xattrs != other.xattrs {
        Some(Difference::Attributes)
    } else {
        None
    })
}

/// Whether two files of one size have the same bytes.
fn is_same<C: Readable>(one: &C, other: &C) -> Result<bool, Error> {
    const BLOCK: u64 = 128 << 10;
    let (mut one, mut other) = (one.open()?, other.open()?);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        for (reader, block) in [(&mut one as &mut dyn Read, &mut left), (&mut other, &mut right)] {
            block.clear();
            reader.take(BLOCK).read_to_end(block).map_err(Error::Read)?;
        }
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}
