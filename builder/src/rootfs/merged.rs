//! The directories that a system with a merged `/usr` has there only, and that are links at the top.
//!
//! Where packages are installed, mmdebstrap makes the links before anything is unpacked. Where they are unpacked and no
//! more, no one does, and a package from before the merge brings a real `/bin`: laid over a node, that would hide the
//! node's link, and with it every program.

use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree, TreeError};
use model::ImagePath;

/// Their names, as base-files has them for whatever architecture.
pub const ALIASES: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Whether `path` is that of such a link.
#[must_use]
pub fn is_alias(path: &ImagePath) -> bool {
    let mut names = path.components();
    let (first, more) = (names.next(), names.next());
    more.is_none() && first.is_some_and(|first| ALIASES.iter().any(|name| name.as_bytes() == first))
}

/// Moves what is below a real `/bin` and the like to `/usr`, as dpkg unpacks it through the links, and leaves the links in
/// their places. Of two files with one name that in `/usr` stays: it was made after the merge.
///
/// # Errors
/// When the tree holds no more inodes.
pub fn merge<C>(tree: &mut Tree<C>) -> Result<(), TreeError> {
    for name in ALIASES.map(str::as_bytes) {
        let top = |tree: &Tree<C>, name: &[u8]| tree.node(NodeId::ROOT).entries()?.get(name).copied();
        let Some(from) = top(tree, name).filter(|id| tree.node(*id).is_directory()) else { continue };
        let usr = directory(tree, NodeId::ROOT, b"usr")?;
        let to = directory(tree, usr, name)?;
        move_all(tree, from, to)?;
        link(tree, name)?;
    }
    Ok(())
}

/// Makes the link `/NAME` of `name`, one of [`ALIASES`], and the directory that it leads to, where the tree has nothing of that
/// name.
///
/// # Errors
/// When the tree holds no more inodes.
pub fn alias<C>(tree: &mut Tree<C>, name: &str) -> Result<(), TreeError> {
    if tree.node(NodeId::ROOT).entries().is_some_and(|entries| entries.contains_key(name.as_bytes())) {
        return Ok(());
    }
    let usr = directory(tree, NodeId::ROOT, b"usr")?;
    directory(tree, usr, name.as_bytes())?;
    link(tree, name.as_bytes())
}

fn link<C>(tree: &mut Tree<C>, name: &[u8]) -> Result<(), TreeError> {
    let target = [b"usr/", name].concat();
    let link = Node { stat: Stat::root_owned(0o777, Mtime::default()), kind: Kind::Symlink(target.into()) };
    let link = tree.add(link)?;
    tree.link(NodeId::ROOT, name, link)?;
    Ok(())
}

fn move_all<C>(tree: &mut Tree<C>, from: NodeId, to: NodeId) -> Result<(), TreeError> {
    let mut open = vec![(from, to)];
    while let Some((from, to)) = open.pop() {
        let names: Vec<(Box<[u8]>, NodeId)> =
            tree.node(from).entries().into_iter().flatten().map(|(name, id)| (name.clone(), *id)).collect();
        for (name, id) in names {
            match tree.node(to).entries().and_then(|entries| entries.get(&name).copied()) {
                None => {
                    tree.link(to, &name, id)?;
                }
                Some(there) if tree.node(there).is_directory() && tree.node(id).is_directory() => {
                    open.push((id, there))
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// The directory `name` of `parent`, made where it is missing.
fn directory<C>(tree: &mut Tree<C>, parent: NodeId, name: &[u8]) -> Result<NodeId, TreeError> {
    let there = tree.node(parent).entries().and_then(|entries| entries.get(name).copied());
    if let Some(id) = there.filter(|id| tree.node(*id).is_directory()) {
        return Ok(id);
    }
    let id =
        tree.add(Node { stat: Stat::root_owned(0o755, Mtime::default()), kind: Kind::Directory(Entries::new()) })?;
    tree.link(parent, name, id)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    fn tree(files: &[(&str, u8)]) -> Tree<u8> {
        let mut tree = Tree::new(Stat::root_owned(0o755, Mtime::default()));
        for (file, content) in files {
            let path = ImagePath::new(file).unwrap();
            let names: Vec<&[u8]> = path.components().collect();
            let (last, parents) = names.split_last().unwrap();
            let parent = parents.iter().fold(NodeId::ROOT, |at, name| directory(&mut tree, at, name).unwrap());
            let node = Node { stat: Stat::root_owned(0o644, Mtime::default()), kind: Kind::Regular(*content) };
            let id = tree.add(node).unwrap();
            tree.link(parent, last, id).unwrap();
        }
        tree
    }

    #[test]
    fn what_was_below_a_real_directory_is_in_usr_and_a_link_leads_there() {
        let mut tree = tree(&[
            ("/bin/ping", 1),
            ("/lib/systemd/system/x.service", 2),
            ("/usr/lib/systemd/system/y.service", 3),
            ("/lib/both", 4),
            ("/usr/lib/both", 5),
            ("/etc/x", 6),
        ]);
        merge(&mut tree).unwrap();
        let file = |path: &str| match tree.lookup(&ImagePath::new(path).unwrap()).map(|id| &tree.node(id).kind) {
            Some(Kind::Regular(content)) => Some(*content),
            _ => None,
        };
        let found = [
            "/usr/bin/ping",
            "/usr/lib/systemd/system/x.service",
            "/usr/lib/systemd/system/y.service",
            "/usr/lib/both",
            "/etc/x",
        ];
        assert_eq!(found.map(file), [Some(1), Some(2), Some(3), Some(5), Some(6)]);
        for name in ["bin", "lib"] {
            let id = tree.lookup(&ImagePath::new(format!("/{name}")).unwrap()).unwrap();
            assert_eq!(tree.node(id).kind, Kind::Symlink(format!("usr/{name}").as_bytes().into()));
        }
        assert!(tree.lookup(&ImagePath::new("/sbin").unwrap()).is_none(), "no link where nothing was");
        // Merged already, it stays as it is.
        let before = tree.clone();
        merge(&mut tree).unwrap();
        assert_eq!(tree, before);
    }

    #[test]
    fn only_the_links_themselves_are_aliases() {
        for (path, is) in [
            ("/bin", true),
            ("/lib64", true),
            ("/bin/sh", false),
            ("/usr/bin", false),
            ("/", false),
            ("/library", false),
        ] {
            assert_eq!(is_alias(&ImagePath::new(path).unwrap()), is, "{path}");
        }
    }
}
