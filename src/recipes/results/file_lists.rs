//! `file-list.txt` and `package-list.txt` (docs/formats/artifact.md).

use image::tree::{Entries, Tree};
use model::package::Package;
use model::path::escape;

/// The shipped paths, one a line, in byte order: everything but directories, which are shipped
/// because of what is in them; a directory that is shipped empty ends in `/`.
pub(crate) fn files<C>(tree: &Tree<C>) -> String {
    let mut lines: Vec<String> = tree
        .walk()
        .filter(|(path, ..)| !path.is_root())
        .filter_map(|(path, _, node)| match node.entries().map(Entries::is_empty) {
            None => Some(escape(path.as_bytes())),
            Some(true) => Some(format!("{}/", escape(path.as_bytes()))),
            Some(false) => None,
        })
        .collect();
    lines.sort_unstable();
    text(lines)
}

/// `package<TAB>version<TAB>arch`, sorted in the C locale.
pub(crate) fn packages(packages: &[Package]) -> String {
    let mut lines: Vec<String> =
        packages.iter().map(|package| format!("{}\t{}\t{}", package.name, package.version, package.arch)).collect();
    lines.sort_unstable();
    text(lines)
}

fn text(lines: Vec<String>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + &line + "\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use image::tree::{Kind, Mtime, Node, NodeId, Stat};

    use super::*;

    #[test]
    fn files_and_empty_directories_are_listed_and_parents_are_not() {
        let stat = || Stat::root_owned(0o755, Mtime::default());
        let mut tree = Tree::new(stat());
        let full = tree.add(Node { stat: stat(), kind: Kind::Directory(Entries::new()) }).unwrap();
        let empty = tree.add(Node { stat: stat(), kind: Kind::Directory(Entries::new()) }).unwrap();
        let file = tree.add(Node { stat: stat(), kind: Kind::Regular(()) }).unwrap();
        tree.link(NodeId::ROOT, b"etc", full).unwrap();
        tree.link(NodeId::ROOT, b"var", empty).unwrap();
        tree.link(full, b"a b", file).unwrap();
        tree.link(full, b"\xff\n", file).unwrap();
        assert_eq!(files(&tree), "/etc/\\xff\\x0a\n/etc/a b\n/var/\n");
    }
}
