//! Directories of data that maintainer scripts made: a data base, a cluster. They have identifiers and passwords that no
//! two machines share, and are made on the node instead.

use std::collections::BTreeMap;

use image::Readable;
use image::tree::{Kind, NodeId, Tree};
use model::ImagePath;

use super::{Error, Part};

/// A kind of data directory that is known by what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    /// A cluster of PostgreSQL: it has a file `PG_VERSION`.
    PostgresCluster,
    /// A data directory of MySQL or MariaDB: it has InnoDB's system table space, `ibdata1`.
    InnoDb,
    /// Another one.
    Unknown,
}

/// A directory of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDirectory {
    /// The directory.
    pub path: ImagePath,
    /// What it is.
    pub kind: DataKind,
    /// The number of its owner in the build.
    pub uid: u32,
    /// The bytes of the files in it.
    pub size: u64,
}

/// The files that tell what a directory is.
const MARKS: [(&[u8], DataKind); 2] = [(b"PG_VERSION", DataKind::PostgresCluster), (b"ibdata1", DataKind::InnoDb)];

/// The directories of data among `parts`: made ones below `/var/lib` that hold files which a script made for an account
/// of a service. Of several within each other the outermost counts that is the account's own and made, too.
pub(super) fn find<C: Readable>(
    tree: &Tree<C>,
    parts: &BTreeMap<ImagePath, Part>,
) -> Result<Vec<DataDirectory>, Error> {
    let mut found: BTreeMap<ImagePath, DataDirectory> = BTreeMap::new();
    let is_made = |path: &ImagePath| matches!(parts.get(path), Some(Part::Made { .. }));
    for path in parts.keys().filter(|path| path.as_bytes().starts_with(b"/var/lib/") && is_made(path)) {
        let Some(node) = tree.lookup(path).map(|id| tree.node(id)) else { continue };
        let Kind::Regular(content) = &node.kind else { continue };
        if node.stat.uid == 0 {
            continue;
        }
        let Some(top) = top(tree, path, node.stat.uid, &is_made) else { continue };
        let data = found.entry(top.clone()).or_insert_with(|| DataDirectory {
            kind: kind(tree, &top),
            path: top,
            uid: node.stat.uid,
            size: 0,
        });
        data.size += content.size();
    }
    Ok(found.into_values().collect())
}

/// The directory of data in which `path` is: that with a mark of its kind, else the outermost of the account.
fn top<C>(tree: &Tree<C>, path: &ImagePath, uid: u32, is_made: &dyn Fn(&ImagePath) -> bool) -> Option<ImagePath> {
    let mut outermost = None;
    let mut at = path.parent();
    while let Some(directory) = at.filter(|directory| directory.as_bytes().starts_with(b"/var/lib/")) {
        let id = tree.lookup(&directory)?;
        if tree.node(id).stat.uid != uid {
            break;
        }
        if mark(tree, id).is_some() && !holds_marked_above(tree, &directory, uid) {
            return Some(directory);
        }
        if is_made(&directory) || outermost.is_none() {
            outermost = Some(directory.clone());
        }
        at = directory.parent();
    }
    outermost
}

/// Whether a directory around `directory`, of the same account, has a mark, too: PostgreSQL has one in each of its
/// data bases.
fn holds_marked_above<C>(tree: &Tree<C>, directory: &ImagePath, uid: u32) -> bool {
    let mut at = directory.parent();
    while let Some(id) = at.as_ref().and_then(|path| tree.lookup(path)) {
        if tree.node(id).stat.uid != uid {
            return false;
        }
        if mark(tree, id).is_some() {
            return true;
        }
        at = at.and_then(|path| path.parent());
    }
    false
}

fn mark<C>(tree: &Tree<C>, id: NodeId) -> Option<DataKind> {
    let entries = tree.node(id).entries()?;
    MARKS.iter().find(|(name, _)| entries.contains_key(*name)).map(|(_, kind)| *kind)
}

fn kind<C>(tree: &Tree<C>, path: &ImagePath) -> DataKind {
    tree.lookup(path).and_then(|id| mark(tree, id)).unwrap_or(DataKind::Unknown)
}
