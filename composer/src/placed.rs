//! Files from elsewhere at their places: one file, or what of an archive is taken, as a tree to lay over another.

use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::{ImagePath, Pattern};

use crate::Error;
use crate::patterns::Budget;
use crate::scan::Source;

/// A tree with the regular file `source` at `path`, with `mode`.
///
/// # Errors
/// When `path` names no file.
pub fn one(path: &ImagePath, source: Source, mode: u16) -> Result<Tree<Source>, Error> {
    let mut tree = empty();
    let node = Node { stat: Stat::root_owned(mode, Mtime::default()), kind: Kind::Regular(source) };
    let parent = path.parent().unwrap_or_else(ImagePath::root);
    let parent = directory(&mut tree, &parent)?;
    let id = tree.add(node)?;
    tree.link(parent, path.file_name().unwrap_or_default(), id)?;
    Ok(tree)
}

/// What of an archive is taken.
#[derive(Debug)]
pub struct Taken {
    /// It, at its place.
    pub tree: Tree<Source>,
    /// The patterns that take nothing.
    pub idle: Vec<Pattern>,
    /// The files that no pattern takes, where they would be.
    pub left: Vec<ImagePath>,
    /// A path that two files of the archive have without their first components, or a file and a directory. One of them
    /// would be lost.
    pub twice: Option<ImagePath>,
}

/// What of `archive` is taken, below `destination`: every name without its first `strip` components, of which the
/// patterns of `include` take it or a directory around it; everything where there is no pattern. Directories come with what is
/// in them.
///
/// # Errors
/// When there are more files than a tree holds, or the patterns take too much work.
pub fn taken(archive: &Tree<Source>, strip: u32, include: &[Pattern], destination: &ImagePath) -> Result<Taken, Error> {
    let strip = usize::try_from(strip).unwrap_or(usize::MAX);
    let mut tree = empty();
    let mut is_used = vec![false; include.len()];
    let (mut twice, mut left, mut budget) = (None, Vec::new(), Budget::default());
    let root = directory(&mut tree, destination)?;
    let mut open = vec![(NodeId::ROOT, 0, root, ImagePath::root(), include.is_empty())];
    while let Some((from, depth, to, path, is_taken)) = open.pop() {
        for (name, id) in archive.node(from).entries().into_iter().flatten() {
            let node = archive.node(*id);
            if depth < strip {
                if node.is_directory() {
                    open.push((*id, depth + 1, to, ImagePath::root(), is_taken));
                }
                continue;
            }
            let Ok(path) = path.join(name) else { continue };
            let mut is_taken = is_taken;
            for (pattern, is_used) in include.iter().zip(&mut is_used) {
                if budget.takes(pattern, &path, node.is_directory())? {
                    (*is_used, is_taken) = (true, true);
                }
            }
            if is_in_the_way(&tree, to, name, node, is_taken) {
                twice.get_or_insert(path);
            } else if node.is_directory() {
                let below = child(&mut tree, to, name, node.stat.mode)?;
                open.push((*id, depth, below, path, is_taken));
            } else if is_taken {
                let id = tree.add(node.clone())?;
                tree.link(to, name, id)?;
            } else {
                left.extend(path.components().try_fold(destination.clone(), |at, name| at.join(name)));
            }
        }
    }
    if !include.is_empty() {
        prune(&mut tree);
    }
    let idle = include.iter().zip(is_used).filter(|(_, is_used)| !is_used).map(|(pattern, _)| pattern.clone());
    Ok(Taken { tree, idle: idle.collect(), left, twice })
}

/// Whether `parent` has something under `name` already that is lost when `node` comes there, or the other way round.
fn is_in_the_way(tree: &Tree<Source>, parent: NodeId, name: &[u8], node: &Node<Source>, is_taken: bool) -> bool {
    let there = tree.node(parent).entries().and_then(|entries| entries.get(name));
    let both = |id: &NodeId| tree.node(*id).is_directory() && node.is_directory();
    (is_taken || node.is_directory()) && there.is_some_and(|id| !both(id))
}

fn empty() -> Tree<Source> {
    Tree::new(Stat::root_owned(0o755, Mtime::default()))
}

/// The directory `name` of `parent`, which is made with `mode` where it is missing.
fn child(tree: &mut Tree<Source>, parent: NodeId, name: &[u8], mode: u16) -> Result<NodeId, Error> {
    let there = tree.node(parent).entries().and_then(|entries| entries.get(name).copied());
    if let Some(id) = there.filter(|id| tree.node(*id).is_directory()) {
        return Ok(id);
    }
    let stat = Stat::root_owned(mode, Mtime::default());
    let id = tree.add(Node { stat, kind: Kind::Directory(Entries::new()) })?;
    tree.link(parent, name, id)?;
    Ok(id)
}

/// The directory at `path`, made with what is around it.
fn directory(tree: &mut Tree<Source>, path: &ImagePath) -> Result<NodeId, Error> {
    path.components().try_fold(NodeId::ROOT, |parent, name| child(tree, parent, name, 0o755))
}

/// Takes away the directories in which nothing is taken.
fn prune(tree: &mut Tree<Source>) {
    let directories = tree.walk().skip(1).filter(|(_, _, node)| node.is_directory());
    let directories: Vec<ImagePath> = directories.map(|(path, ..)| path).collect();
    // What is in them comes behind them in the walk.
    for path in directories.iter().rev() {
        let is_empty = tree.lookup(path).is_some_and(|id| tree.node(id).entries().is_some_and(Entries::is_empty));
        let parent = path.parent().and_then(|parent| tree.lookup(&parent));
        if let (true, Some(parent), Some(name)) = (is_empty, parent, path.file_name()) {
            tree.unlink(parent, name);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    fn archive(files: &[&str]) -> Tree<Source> {
        let mut tree = empty();
        for file in files {
            let parent = directory(&mut tree, &path(file).parent().unwrap()).unwrap();
            let kind = Kind::Regular(Source::from(file.as_bytes().to_vec()));
            let id = tree.add(Node { stat: Stat::root_owned(0o755, Mtime::default()), kind }).unwrap();
            tree.link(parent, path(file).file_name().unwrap(), id).unwrap();
        }
        tree
    }

    fn files(tree: &Tree<Source>) -> Vec<String> {
        tree.walk().filter(|(_, _, node)| !node.is_directory()).map(|(path, ..)| path.to_string()).collect()
    }

    #[test]
    fn a_file_is_at_its_path_and_nothing_else_is_there() {
        let tree = one(&path("/usr/local/bin/tool"), Source::from(b"x".to_vec()), 0o755).unwrap();
        assert_eq!(files(&tree), ["/usr/local/bin/tool"]);
        assert_eq!(tree.node(tree.lookup(&path("/usr/local/bin/tool")).unwrap()).stat.mode, 0o755);
        assert_eq!(tree.node(tree.lookup(&path("/usr/local")).unwrap()).stat.mode, 0o755);
    }

    #[test]
    fn what_is_taken_of_an_archive_stands_below_its_destination() {
        let archive = archive(&["/tool-1/bin/tool", "/tool-1/doc/a/read", "/tool-1/LICENSE", "/README"]);
        let taken = |strip, include: &[&str]| {
            let include: Vec<Pattern> = include.iter().map(|text| Pattern::parse(text).unwrap()).collect();
            let Taken { tree, idle, left, twice: None } =
                super::taken(&archive, strip, &include, &path("/opt/tool")).unwrap()
            else {
                panic!("nothing is there twice")
            };
            let idle: Vec<String> = idle.iter().map(ToString::to_string).collect();
            let all = super::taken(&archive, strip, &[], &path("/opt/tool")).unwrap();
            assert_eq!(left.len() + files(&tree).len(), files(&all.tree).len());
            assert!(left.iter().all(|path| all.tree.lookup(path).is_some() && tree.lookup(path).is_none()));
            (files(&tree), idle, tree.lookup(&path("/opt/tool/doc")).is_some())
        };
        let all = ["/opt/tool/README", "/opt/tool/tool-1/LICENSE", "/opt/tool/tool-1/bin/tool"];
        assert_eq!(taken(0, &[]).0[..3], all);
        let stripped = ["/opt/tool/LICENSE", "/opt/tool/bin/tool", "/opt/tool/doc/a/read"];
        assert_eq!(taken(1, &[]), (stripped.map(str::to_owned).to_vec(), vec![], true));
        let (found, idle, has_doc) = taken(1, &["/bin/*", "/share/**"]);
        assert_eq!(
            (found, idle, has_doc),
            (vec!["/opt/tool/bin/tool".to_owned()], vec!["/share/**".to_owned()], false)
        );
        // A directory is taken with all that is in it, however it is written.
        for doc in ["/doc", "/doc/", "/doc/**", "/doc/a/*"] {
            assert_eq!(taken(1, &[doc]).0, ["/opt/tool/doc/a/read"], "{doc}");
        }
        assert_eq!(taken(5, &[]).0, [""; 0]);
    }

    #[test]
    fn what_would_be_lost_because_of_strip_is_known() {
        let twice = |files: &[&str], strip, include: &[&str]| {
            let include: Vec<Pattern> = include.iter().map(|text| Pattern::parse(text).unwrap()).collect();
            let taken = super::taken(&archive(files), strip, &include, &path("/opt")).unwrap();
            taken.twice.map(|path| path.to_string())
        };
        for files in [["/a/x", "/b/x"], ["/a/x", "/b/x/y"], ["/a/x/y", "/b/x"]] {
            assert_eq!(twice(&files, 1, &[]), Some("/x".to_owned()), "{files:?}");
            assert_eq!(twice(&files, 0, &[]), None);
        }
        assert_eq!(twice(&["/a/x/y", "/b/x/z"], 1, &[]), None, "two directories are one");
        assert_eq!(twice(&["/a/x", "/b/x", "/a/y"], 1, &["/y"]), None, "neither is taken");
    }
}
