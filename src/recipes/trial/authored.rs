//! What the author of a module brought besides packages: its overlay, and files from addresses. A full tree has only the
//! packages; laid over with these it is what the author's own services start in.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use composer::scan::Source;
use host::{Dir, Links};
use image::composefs::Entry;
use image::tree::{Kind, Tree};
use model::{Digest, ImagePath};
use node::trial::agent;
use serde::Deserialize;

use crate::error::Error;
use crate::recipes::results::artifact::TEXT_LIMIT;
use crate::recipes::results::file_lists::From;
use crate::recipes::trial::tried_module::TriedModule;
use crate::recipes::trial::wanted::{self, Wanted};

/// Where the results say who brought a path.
const ORIGINS: &str = "file-list.json";

/// A line of the list, as far as it is of interest here.
#[derive(Debug, Deserialize)]
struct Line {
    path: Option<String>,
    from: Option<From>,
}

/// The part of the module's tree that its author brought, where its results say which; none where it is empty.
pub(crate) fn of(module: &TriedModule) -> Option<Tree<Entry>> {
    let dist = Dir::open(module.dist.as_ref()?).ok()?;
    let text = dist.read_if_there(ORIGINS, Links::Refuse, TEXT_LIMIT).ok()??;
    let lines: Vec<Line> = serde_json::from_slice(&text).ok()?;
    let own = lines.into_iter().filter(|line| matches!(line.from, Some(From::Overlay | From::File)));
    let own: BTreeSet<ImagePath> = own.filter_map(|line| ImagePath::new(line.path?).ok()).collect();
    part(&module.tree, &own)
}

/// What of `tree` is at `own`, and the directories around it.
fn part(tree: &Tree<Entry>, own: &BTreeSet<ImagePath>) -> Option<Tree<Entry>> {
    let mut kept: BTreeSet<ImagePath> = BTreeSet::new();
    for path in own.iter().filter(|path| tree.lookup(path).is_some()) {
        let mut at = Some(path.clone());
        while let Some(path) = at.filter(|path| kept.insert(path.clone())) {
            at = path.parent();
        }
    }
    if kept.is_empty() {
        return None;
    }
    let mut part = tree.clone();
    let others = tree.walk().skip(1).map(|(path, ..)| path).filter(|path| !kept.contains(path));
    // What was in a directory that is gone is gone with it.
    for path in others {
        part.remove(&path);
    }
    Some(part)
}

/// Gives the directories that `full` has the owner and the mode that they have there: the numbers of accounts are others.
pub(crate) fn fit(part: &mut Tree<Entry>, full: &Tree<Source>) {
    let directories: Vec<_> =
        part.walk().filter(|(_, _, node)| node.is_directory()).map(|(path, id, _)| (path, id)).collect();
    for (path, id) in directories {
        if let Some(there) = full.lookup(&path) {
            part.node_mut(id).stat = full.node(there).stat.clone();
        }
    }
}

/// Whether the author brought the unit, or the program of a service that has none.
pub(crate) fn brings(part: &Tree<Entry>, wanted: &Wanted) -> bool {
    let paths = match &wanted.declared {
        Some(service) if !wanted.is_unit => agent::words(&service.start_command.value).into_iter().take(1).collect(),
        Some(_) | None => wanted::places(&wanted.name),
    };
    let paths = paths.iter().filter_map(|path| ImagePath::new(format!("/{}", path.trim_start_matches('/'))).ok());
    paths.into_iter().any(|path| part.lookup(&part.resolve_parent(&path)).is_some())
}

/// The digest over all that it has.
pub(crate) fn digest(part: &Tree<Entry>) -> Digest {
    let mut text = String::new();
    for (path, _, node) in part.walk() {
        let kind = match &node.kind {
            Kind::Directory(_) => "directory".to_owned(),
            other => format!("{other:?}"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{path} {:o} {} {} {kind}", node.stat.mode, node.stat.uid, node.stat.gid);
    }
    Digest::of(text.as_bytes())
}

/// Writes it to an empty directory.
///
/// # Errors
/// When a content cannot be read, or is not what its digest says.
pub(crate) fn write(module: &TriedModule, part: &Tree<Entry>, into: &Dir) -> Result<(), Error> {
    module.unpack_tree(part, into)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use image::tree::{Entries, Mtime, Node, NodeId, Stat};

    use super::*;

    #[test]
    fn what_the_author_brought_is_a_part_with_the_directories_of_the_full_tree() {
        let stat = |uid| Stat { uid, ..Stat::root_owned(0o755, Mtime::default()) };
        let mut tree: Tree<Entry> = Tree::new(stat(0));
        let mut add = |parent: NodeId, name: &[u8], uid, kind| {
            let id = tree.add(Node { stat: stat(uid), kind }).unwrap();
            tree.link(parent, name, id).unwrap();
            id
        };
        let etc = add(NodeId::ROOT, b"etc", 0, Kind::Directory(Entries::new()));
        let app = add(etc, b"app", 312, Kind::Directory(Entries::new()));
        add(app, b"own.conf", 0, Kind::Regular(Entry::Empty));
        add(app, b"packaged.conf", 0, Kind::Regular(Entry::Empty));
        let usr = add(NodeId::ROOT, b"usr", 0, Kind::Directory(Entries::new()));
        add(usr, b"program", 0, Kind::Regular(Entry::Empty));
        let path = |text: &str| ImagePath::new(text).unwrap();
        let mut own = part(&tree, &[path("/etc/app/own.conf"), path("/nowhere")].into()).unwrap();
        let paths: Vec<String> = own.walk().skip(1).map(|(path, ..)| path.to_string()).collect();
        assert_eq!(paths, ["/etc", "/etc/app", "/etc/app/own.conf"]);
        assert!(part(&tree, &BTreeSet::new()).is_none() && part(&tree, &[path("/nowhere")].into()).is_none());

        let before = digest(&own);
        let mut full: Tree<Source> = Tree::new(stat(0));
        let etc = full.add(Node { stat: stat(0), kind: Kind::Directory(Entries::new()) }).unwrap();
        full.link(NodeId::ROOT, b"etc", etc).unwrap();
        let app = full.add(Node { stat: stat(100), kind: Kind::Directory(Entries::new()) }).unwrap();
        full.link(etc, b"app", app).unwrap();
        fit(&mut own, &full);
        assert_eq!(own.node(own.lookup(&path("/etc/app")).unwrap()).stat.uid, 100);
        assert_ne!(digest(&own), before);
    }
}
