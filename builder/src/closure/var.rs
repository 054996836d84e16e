//! What a module has in `/var`, as lines of tmpfiles.d and files in the factory from which they copy.
//!
//! systemd-tmpfiles goes no way on which a directory of one account leads to what belongs to another: whoever owns the first
//! could have put the second there ("unsafe path transition"). Root's own directories are safe. So what is below such a
//! place is copied with it by one line, owners and all.

use std::collections::BTreeMap;

use image::tree::{Kind, Mtime, Node, NodeId, Tree};
use model::ImagePath;

use super::at_path::link_at;
use super::form::{Form, NodeForm};
use super::{Error, tmpfiles};
use crate::accounts;

/// Where the files lie that tmpfiles copies to `/var` (systemd's "factory").
const FACTORY: &[u8] = b"/usr/share/factory";

/// What becomes of something in `/var`.
enum Fate {
    /// The node has it from the base.
    There,
    /// Lines make it.
    Made(Vec<String>),
    /// One line copies it with all that is below it.
    Copied(String),
    /// No line can make it, nor what is below it.
    Lost,
}

/// Takes `/var` out of `tree`: the lines that make it on the node.
pub(super) fn take<C>(
    tree: &mut Tree<C>,
    form: &Form<'_, C>,
    mtime: Mtime,
    done: &mut NodeForm,
) -> Result<Vec<String>, Error>
where
    C: From<Vec<u8>>,
{
    let var = ImagePath::new("/var").ok().and_then(|path| Some((tree.lookup(&path)?, path)));
    let Some((id, var)) = var else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    let mut waiting = vec![(var.clone(), id)];
    while let Some((directory, at)) = waiting.pop() {
        let owner = tree.node(at).stat.uid;
        for (path, id) in entries(tree, &directory, at) {
            match fate(&path, tree.node(id), owner, form) {
                Fate::There => waiting.push((path, id)),
                Fate::Made(own) => {
                    lines.extend(own);
                    match &tree.node(id).kind {
                        Kind::Directory(_) => waiting.push((path.clone(), id)),
                        Kind::Regular(_) => to_factory(tree, &path, id, mtime, done)?,
                        Kind::Symlink(_) | Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => {}
                    }
                    done.in_var.insert(path);
                }
                Fate::Copied(line) => {
                    lines.push(line);
                    copy_whole(tree, &path, id, mtime, done)?;
                }
                Fate::Lost => done.lost.extend(below(tree, &path, id).into_iter().map(|(path, _)| path)),
            }
        }
    }
    tree.remove(&var);
    done.lost.sort_unstable();
    Ok(lines)
}

/// The lines of the directories that a node needs besides those of a tree.
pub(super) fn directories<C>(form: &Form<'_, C>, done: &mut NodeForm) -> Vec<String> {
    let owners: BTreeMap<&ImagePath, u32> = form.directories.iter().map(|(path, stat)| (path, stat.uid)).collect();
    let owner = |path: &ImagePath| owners.get(path).copied();
    let mut lines = Vec::new();
    for (path, stat) in form.directories {
        let around: Vec<ImagePath> = std::iter::successors(path.parent(), ImagePath::parent).collect();
        let is_unsafe = |pair: &[ImagePath]| matches!((owner(&pair[1]), owner(&pair[0])), (Some(outer), Some(inner)) if is_unsafe(outer, inner));
        let line = tmpfiles::directory(path, stat.mode, &form.named.owner(stat));
        match line.filter(|_| !around.windows(2).any(is_unsafe)) {
            Some(line) => {
                lines.push(line);
                done.in_var.insert(path.clone());
            }
            None => done.lost.push(path.clone()),
        }
    }
    lines
}

/// Whether systemd-tmpfiles refuses to go from a directory of `outer` on to something of `inner`.
fn is_unsafe(outer: u32, inner: u32) -> bool {
    outer != 0 && outer != inner
}

/// What becomes of `node` at `path`, in a directory of `owner` that can be reached.
fn fate<C>(path: &ImagePath, node: &Node<C>, owner: u32, form: &Form<'_, C>) -> Fate {
    let is_unsafe = is_unsafe(owner, node.stat.uid);
    let is_full = node.entries().is_some_and(|entries| !entries.is_empty());
    if node.is_directory() && form.base.lookup(path).is_some() {
        return if is_unsafe && is_full { Fate::Lost } else { Fate::There };
    }
    let (who, mode) = (form.named.owner(&node.stat), node.stat.mode);
    let line = match (&node.kind, factory(path)) {
        (Kind::Directory(_), Some(from)) if is_unsafe && is_full && node.stat.xattrs.is_empty() => {
            return tmpfiles::copy_as_it_is(path, &from).map_or(Fate::Lost, Fate::Copied);
        }
        (Kind::Directory(_), _) => tmpfiles::directory(path, mode, &who),
        (Kind::Symlink(target), _) => tmpfiles::link(path, target),
        (Kind::Regular(_), Some(from)) => tmpfiles::copy(path, mode, &who, &from),
        (Kind::Regular(_), None) | (Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket, _) => None,
    };
    if node.stat.xattrs.is_empty() {
        return line.map_or(Fate::Lost, |line| Fate::Made(vec![line]));
    }
    // The file itself is on the way to its access list.
    let list = accounts::access_list(&node.stat.xattrs).filter(|_| !is_unsafe);
    let list = list.and_then(|list| tmpfiles::access_list(path, &list));
    line.zip(list).map_or(Fate::Lost, |(line, list)| Fate::Made(vec![line, list]))
}

/// Puts the directory `id` into the factory with all that a copy of it has on the node, too.
fn copy_whole<C>(
    tree: &mut Tree<C>,
    path: &ImagePath,
    id: NodeId,
    mtime: Mtime,
    done: &mut NodeForm,
) -> Result<(), Error>
where
    C: From<Vec<u8>>,
{
    for (path, id) in below(tree, path, id) {
        if tree.lookup(&path).is_none() {
            // What is around it is lost.
            done.lost.push(path);
            continue;
        }
        let node = tree.node(id);
        let is_special = match &node.kind {
            Kind::Directory(_) | Kind::Regular(_) | Kind::Symlink(_) => false,
            Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => true,
        };
        match factory(&path).filter(|_| !is_special && node.stat.xattrs.is_empty()) {
            Some(from) => {
                if !node.is_directory() {
                    done.moved.insert(path.clone(), from);
                }
                done.in_var.insert(path);
            }
            None => {
                tree.remove(&path);
                done.lost.push(path);
            }
        }
    }
    factory(path).map_or(Ok(()), |from| link_at(tree, &from, id, mtime))
}

fn to_factory<C>(
    tree: &mut Tree<C>,
    path: &ImagePath,
    id: NodeId,
    mtime: Mtime,
    done: &mut NodeForm,
) -> Result<(), Error>
where
    C: From<Vec<u8>>,
{
    let Some(from) = factory(path) else { return Ok(()) };
    link_at(tree, &from, id, mtime)?;
    done.moved.insert(path.clone(), from);
    Ok(())
}

/// The place in the factory of what is at `path`; none where its name would be too long.
fn factory(path: &ImagePath) -> Option<ImagePath> {
    ImagePath::new([FACTORY, path.as_bytes()].concat()).ok()
}

fn entries<C>(tree: &Tree<C>, directory: &ImagePath, id: NodeId) -> Vec<(ImagePath, NodeId)> {
    let entries = tree.node(id).entries().into_iter().flatten();
    entries.filter_map(|(name, id)| Some((directory.join(name).ok()?, *id))).collect()
}

/// `path` and all that is below it, each directory before what is in it.
fn below<C>(tree: &Tree<C>, path: &ImagePath, id: NodeId) -> Vec<(ImagePath, NodeId)> {
    let mut all = vec![(path.clone(), id)];
    let mut at = 0;
    while let Some((path, id)) = all.get(at).cloned() {
        all.extend(entries(tree, &path, id));
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use std::collections::BTreeSet;

    use model::Epoch;

    use super::super::form::Named;
    use super::super::tests::{path, tree};
    use super::*;

    /// A list with a named user, as the kernel has it.
    fn list(id: u32) -> Box<[u8]> {
        let entry = |tag: u8, id: u32| [&[tag, 0, 5, 0][..], &id.to_le_bytes()].concat();
        let all = [(1, u32::MAX), (2, id), (4, u32::MAX), (16, u32::MAX), (32, u32::MAX)];
        [2_u32.to_le_bytes().to_vec(), all.map(|(tag, id)| entry(tag, id)).concat()].concat().into()
    }

    fn taken(lines: &[&str], lists: &[&str]) -> (Tree<Vec<u8>>, Vec<String>, NodeForm) {
        let mut tree = tree(lines);
        for at in lists {
            let id = tree.lookup(&path(at)).unwrap();
            tree.node_mut(id).stat.xattrs.insert(Box::from(*b"system.posix_acl_access"), list(312));
        }
        let base = super::super::tests::tree(&["/var/cache/man/ 755 6:12", "/var/cache/man/old/ 755 0:0"]);
        let named = Named { users: [(0, "root".to_owned())].into(), groups: [(0, "root".to_owned())].into() };
        let (links, files) = (Vec::new(), Vec::new());
        let form = Form {
            name: "app",
            base: &base,
            named: &named,
            sysusers: "",
            links: &links,
            files: &files,
            directories: &[],
            may_ship: &|_| true,
            epoch: Epoch::from_seconds(1).unwrap(),
        };
        let mut done = NodeForm::default();
        let mut lines = take(&mut tree, &form, Mtime::default(), &mut done).unwrap();
        lines.sort();
        (tree, lines, done)
    }

    #[test]
    fn what_another_one_owns_in_the_directory_of_an_account_is_copied_whole() {
        let (tree, lines, done) = taken(
            &[
                "/var/lib/h/ 755 100:0",
                "/var/lib/h/f 600 0:0 a file itself can be made",
                "/var/lib/h/empty/ 755 0:0",
                "/var/lib/h/root/ 750 0:0",
                "/var/lib/h/root/f 600 100:0 text",
                "/var/lib/h/root/sub/ 700 0:0",
                "/var/lib/h/root/sub/l 777 0:0 ->../f",
                "/var/lib/h/root/listed/ 700 0:0",
                "/var/lib/h/root/listed/f 600 0:0 below what is lost",
                "/var/cache/man/ 755 6:12",
                "/var/cache/man/old/ 755 0:0",
                "/var/cache/man/old/f 600 0:0 in what the node has",
            ],
            &["/var/lib/h/root/listed"],
        );
        assert_eq!(
            lines,
            [
                "C /var/lib/h/f 0600 root root - /usr/share/factory/var/lib/h/f\n",
                "C /var/lib/h/root - - - - /usr/share/factory/var/lib/h/root\n",
                "d /var/lib 0755 root root - -\n",
                "d /var/lib/h 0755 100 root - -\n",
                "d /var/lib/h/empty 0755 root root - -\n",
            ]
        );
        let lost: Vec<String> = done.lost.iter().map(ToString::to_string).collect();
        assert_eq!(
            lost,
            ["/var/cache/man/old", "/var/cache/man/old/f", "/var/lib/h/root/listed", "/var/lib/h/root/listed/f"]
        );
        let stat = |at: &str| tree.lookup(&path(at)).map(|id| tree.node(id).stat.clone());
        let copied = stat("/usr/share/factory/var/lib/h/root").unwrap();
        assert_eq!((copied.mode, copied.uid, stat("/usr/share/factory/var/lib/h/root/listed")), (0o750, 0, None));
        assert_eq!(stat("/usr/share/factory/var/lib/h/root/f").unwrap().uid, 100);
        assert!(tree.lookup(&path("/var")).is_none());
        let all: BTreeSet<_> = done.in_var.iter().map(ToString::to_string).collect();
        assert!(all.contains("/var/lib/h/root/sub/l") && !all.contains("/var/lib/h/root/listed"), "{all:?}");
        assert_eq!(
            done.moved.get(&path("/var/lib/h/root/sub/l")),
            Some(&path("/usr/share/factory/var/lib/h/root/sub/l"))
        );
    }

    #[test]
    fn access_lists_have_lines_of_their_own_where_there_is_a_safe_way_to_the_file() {
        let (_, lines, done) = taken(
            &["/var/lib/a/ 750 0:0", "/var/lib/a/f 640 0:0 x", "/var/lib/h/ 755 100:0", "/var/lib/h/f 600 0:0 x"],
            &["/var/lib/a", "/var/lib/a/f", "/var/lib/h/f"],
        );
        let of_a: Vec<_> = lines.iter().filter(|line| line.starts_with("a ")).collect();
        let list = "u::r-x,u:312:r-x,g::r-x,m::r-x,o::r-x";
        assert_eq!(of_a, [&format!("a /var/lib/a - - - - {list}\n"), &format!("a /var/lib/a/f - - - - {list}\n")]);
        assert_eq!(done.lost, [path("/var/lib/h/f")]);
    }
}
