//! Symbolic links, followed inside the tree.
//!
//! A Debian tree has `/lib -> usr/lib`: a package or a pattern that names `/lib/systemd` means
//! `/usr/lib/systemd`. Everything here follows links as a kernel would after `chroot` into the tree:
//! an absolute target starts at the tree's root and `..` never climbs above it.

use model::ImagePath;

use crate::tree::{Kind, NodeId, Tree};

/// How many links one path may pass through, as in Linux.
const MAX_LINKS: u32 = 40;

/// Where a walk stands: the names and nodes from the root down; empty at the root.
type Place<'t> = Vec<(&'t [u8], NodeId)>;

impl<C> Tree<C> {
    /// The same file by its real name: `path` with the symbolic links of all components but the last
    /// followed.
    ///
    /// The last component is never followed and need not exist. A component that is missing, is no
    /// directory, or is a link that leads nowhere, to itself, or through more than 40 links stays as
    /// written, and so does all that follows it. The result is therefore always a path, and asking
    /// again gives the same path.
    #[must_use]
    pub fn resolve_parent(&self, path: &ImagePath) -> ImagePath {
        let mut components: Vec<&[u8]> = path.components().collect();
        let Some(last) = components.pop() else { return ImagePath::root() };
        let mut place = Place::new();
        let mut links = 0;
        let mut rest = components.as_slice();
        while let Some((name, after)) = rest.split_first() {
            let mut next = place.clone();
            if self.enter(&mut next, name, &mut links).is_none() {
                break;
            }
            place = next;
            rest = after;
        }
        let mut bytes = Vec::with_capacity(path.as_bytes().len());
        for name in place.iter().map(|(name, _)| *name).chain(rest.iter().copied()).chain([last]) {
            bytes.push(b'/');
            bytes.extend_from_slice(name);
        }
        // Every name comes from a path or a tree, both of which hold checked names only.
        ImagePath::new(bytes).unwrap_or_else(|_| path.clone())
    }

    /// The node that `path` leads to when every link is followed, the last component's too.
    ///
    /// None when something is missing, a component is no directory, or there are more than 40 links.
    #[must_use]
    pub fn resolve(&self, path: &ImagePath) -> Option<NodeId> {
        let mut place = Place::new();
        let mut links = 0;
        for name in path.components() {
            self.enter(&mut place, name, &mut links)?;
        }
        Some(here(&place))
    }

    /// Goes from `place` to its entry `name` and on through the link that this may be. `place` is of
    /// no use after None. Each level of recursion costs one link, so that the depth is bounded.
    fn enter<'t>(&'t self, place: &mut Place<'t>, name: &[u8], links: &mut u32) -> Option<()> {
        let (name, child) = self.node(here(place)).entries()?.get_key_value(name)?;
        let Kind::Symlink(target) = &self.node(*child).kind else {
            place.push((name, *child));
            return Some(());
        };
        *links += 1;
        if *links > MAX_LINKS || target.is_empty() {
            return None;
        }
        if target.starts_with(b"/") {
            place.clear();
        }
        for component in target.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    // `file/..` is an error to the kernel, not the directory of the file.
                    self.node(here(place)).entries()?;
                    place.pop();
                }
                component => self.enter(place, component, links)?,
            }
        }
        Some(())
    }
}

fn here(place: &Place<'_>) -> NodeId {
    place.last().map_or(NodeId::ROOT, |(_, id)| *id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;
    use crate::tree::{Entries, Mtime, Node, Stat};

    /// A tree of directories (`path/`), links (`path -> target`) and files (`path`).
    fn tree(lines: &[&str]) -> Tree<()> {
        let stat = Stat::root_owned(0o755, Mtime::default());
        let mut tree = Tree::new(stat.clone());
        for line in lines {
            let (name, kind) = match line.split_once(" -> ") {
                Some((name, target)) => (name, Kind::Symlink(Box::from(target.as_bytes()))),
                None if line.ends_with('/') => (*line, Kind::Directory(Entries::new())),
                None => (*line, Kind::Regular(())),
            };
            let path = ImagePath::new(name).unwrap();
            let parent = tree.lookup(&path.parent().unwrap()).unwrap();
            let id = tree.add(Node { stat: stat.clone(), kind }).unwrap();
            tree.link(parent, path.file_name().unwrap(), id).unwrap();
        }
        tree
    }

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    #[test]
    fn links_in_directories_are_followed_inside_the_tree() {
        let tree = tree(&[
            "/usr/",
            "/usr/lib/",
            "/usr/lib/x",
            "/usr/lib/up -> ../../../../etc",
            "/lib -> usr/lib",
            "/abs -> /lib",
            "/etc/",
            "/etc/file",
            "/etc/via -> file/../file",
            "/dot -> ./usr/./lib/",
            "/root -> /",
        ]);
        for (given, wanted) in [
            ("/", "/"),
            ("/lib", "/lib"),
            ("/lib/x", "/usr/lib/x"),
            ("/lib/new/deep", "/usr/lib/new/deep"),
            ("/abs/x", "/usr/lib/x"),
            ("/abs/up/file", "/etc/file"),
            ("/abs/up", "/usr/lib/up"),
            ("/dot/x", "/usr/lib/x"),
            ("/root/root/lib/x", "/usr/lib/x"),
            ("/etc/file/below", "/etc/file/below"),
            ("/missing/lib/x", "/missing/lib/x"),
        ] {
            assert_eq!(tree.resolve_parent(&path(given)), path(wanted), "{given}");
            assert_eq!(tree.resolve_parent(&path(wanted)), path(wanted), "{wanted} again");
        }
        assert_eq!(tree.resolve(&path("/abs/up/file")), tree.lookup(&path("/etc/file")));
        assert_eq!(tree.resolve(&path("/abs")), tree.lookup(&path("/usr/lib")));
        assert_eq!(tree.resolve(&path("/root")), Some(NodeId::ROOT));
        assert_eq!(tree.resolve(&path("/lib/y")), None);
        assert_eq!(tree.resolve(&path("/etc/file/x")), None);
        assert_eq!(tree.resolve(&path("/etc/via")), None, "a file has no `..`");
    }

    #[test]
    fn loops_and_dangling_links_stay_as_written() {
        let tree = tree(&[
            "/a -> b",
            "/b -> a",
            "/self -> self/x",
            "/gone -> /no/where",
            "/usr/",
            "/lib -> usr",
            "/usr/g -> x",
        ]);
        for text in ["/a/x/y", "/self/x", "/gone/x/y"] {
            assert_eq!(tree.resolve_parent(&path(text)), path(text));
            assert_eq!(tree.resolve(&path(text)), None);
        }
        assert_eq!(tree.resolve_parent(&path("/lib/g/deep")), path("/usr/g/deep"));
    }

    #[test]
    fn forty_links_are_followed_and_no_more() {
        let mut lines = vec!["/d/".to_owned(), "/l0 -> d".to_owned()];
        lines.extend((1..=40).map(|n| format!("/l{n} -> l{}", n - 1)));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let tree = tree(&lines);
        assert_eq!(tree.resolve_parent(&path("/l39/x")), path("/d/x"));
        assert_eq!(tree.resolve_parent(&path("/l40/x")), path("/l40/x"));
        assert!(tree.resolve(&path("/l39")).is_some());
        assert!(tree.resolve(&path("/l40")).is_none());
    }
}
