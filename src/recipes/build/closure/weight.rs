//! What a closure should rather have of its base: large packages, and what every node has one of.

use std::collections::{BTreeMap, BTreeSet};

use builder::ownership::Ownership;
use composer::scan::Source;
use image::tree::{Kind, NodeId, Tree};
use model::package::PackageRequest;
use model::{Diagnostic, ImagePath, Severity};

use crate::recipes::build::inputs::Inputs;

/// From how many bytes on a closure names its largest packages.
const LARGE: u64 = 50_000_000;
/// How many it names.
const NAMED: usize = 3;
/// What a node has one of, by a file of it, and what that is. The C library is below the directory of its architecture.
const OF_THE_NODE: [(&str, &str); 5] = [
    ("/usr/lib/systemd/systemd", "the service manager"),
    ("/usr/lib/systemd/systemd-udevd", "the device manager"),
    ("/usr/bin/dbus-daemon", "the message bus"),
    ("/usr/bin/dbus-broker", "the message bus"),
    ("/usr/lib/libc.so.6", "the C library"),
];

/// The findings about `tree`, which ships.
pub(super) fn find(tree: &Tree<Source>, ownership: &Ownership, inputs: &Inputs) -> Vec<Diagnostic> {
    of_the_node(tree, ownership, inputs).into_iter().chain(large(tree, ownership, inputs)).collect()
}

fn of_the_node(tree: &Tree<Source>, ownership: &Ownership, inputs: &Inputs) -> Option<Diagnostic> {
    let found = twice(tree, ownership, &inputs.manifest.requests());
    if found.is_empty() {
        return None;
    }
    let what = found.into_iter().collect::<Vec<_>>().join(", ");
    let message = format!("the module ships {what}, of which every node has one of its own");
    let hint = "write their packages into `packages` under [base] of builder.toml, as a node has them";
    let file = inputs.file.beside(crate::settings::BUILDER_TOML);
    Some(Diagnostic::new(Severity::Warning, "ships-node-program", message, hint).in_file(file))
}

/// What the node has itself and would have twice, with its package, unless that is among `requests`.
fn twice(tree: &Tree<Source>, ownership: &Ownership, requests: &[PackageRequest]) -> BTreeSet<String> {
    let meant = ownership.meant(requests);
    let mut found = BTreeSet::new();
    for (file, what) in OF_THE_NODE {
        for path in places(tree, file) {
            let owner = ownership.owner(&path).filter(|package| !meant.contains(package));
            found.extend(owner.map(|package| format!("{what} ({})", package.name)));
        }
    }
    found
}

/// The file, and those of its name in the directories beside it that are named after an architecture.
fn places(tree: &Tree<Source>, file: &str) -> Vec<ImagePath> {
    let path = ImagePath::new(file).ok();
    let Some((path, directory)) = path.and_then(|path| Some((path.clone(), path.parent()?))) else { return Vec::new() };
    let entries = tree.lookup(&directory).and_then(|id| tree.node(id).entries()).into_iter().flatten();
    let beside = entries.filter(|(name, _)| name.ends_with(b"-linux-gnu"));
    let beside = beside.filter_map(|(name, _)| directory.join(name).ok()?.join(path.file_name()?).ok());
    std::iter::once(path.clone()).chain(beside).filter(|path| tree.lookup(path).is_some()).collect()
}

fn large(tree: &Tree<Source>, ownership: &Ownership, inputs: &Inputs) -> Option<Diagnostic> {
    let (total, sizes) = sizes(tree, ownership);
    if total <= LARGE {
        return None;
    }
    let size = |bytes: u64| model::words::size(bytes);
    let named: Vec<String> =
        sizes.iter().take(NAMED).map(|(name, bytes)| format!("{name} ({})", size(*bytes))).collect();
    let message = format!("the closure has {}, most of it of {}", size(total), named.join(", "));
    let hint = "have a base that brings what several modules need (`packages` under [base] of builder.toml), and leave \
                documentation out (documentation = false)";
    Some(Diagnostic::new(Severity::Note, "large-closure", message, hint).in_file(inputs.file.clone()))
}

/// The bytes of all files, and those of each package, the largest first. Several names of one file count once.
fn sizes<'a>(tree: &Tree<Source>, ownership: &'a Ownership) -> (u64, Vec<(&'a str, u64)>) {
    let (mut seen, mut total): (BTreeSet<NodeId>, u64) = (BTreeSet::new(), 0);
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for (path, id, node) in tree.walk() {
        let Kind::Regular(source) = &node.kind else { continue };
        if !seen.insert(id) {
            continue;
        }
        total += source.size();
        if let Some(package) = ownership.owner(&path) {
            *sizes.entry(&package.name).or_default() += source.size();
        }
    }
    let mut sizes: Vec<(&str, u64)> = sizes.into_iter().collect();
    sizes.sort_by_key(|(name, size)| (std::cmp::Reverse(*size), *name));
    (total, sizes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use image::tree::{Entries, Mtime, Node, Stat};

    use super::*;

    /// A tree with files of these texts.
    fn tree(files: &[(&str, &str)]) -> Tree<Source> {
        let stat = || Stat::root_owned(0o755, Mtime::default());
        let mut tree = Tree::new(stat());
        for (file, text) in files {
            let path = ImagePath::new(file).unwrap();
            let mut at = NodeId::ROOT;
            for name in path.parent().unwrap().components() {
                let known = tree.node(at).entries().unwrap().get(name).copied();
                at = known.unwrap_or_else(|| {
                    let id = tree.add(Node { stat: stat(), kind: Kind::Directory(Entries::new()) }).unwrap();
                    tree.link(at, name, id).unwrap();
                    id
                });
            }
            let kind = Kind::Regular(Source::from(text.as_bytes().to_vec()));
            let id = tree.add(Node { stat: stat(), kind }).unwrap();
            tree.link(at, path.file_name().unwrap(), id).unwrap();
        }
        tree
    }

    #[test]
    fn what_every_node_has_is_named_with_its_package_and_so_are_the_largest() {
        let status = |name: &str| {
            format!("Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nMaintainer: x\n\n")
        };
        let status = ["libc6", "bus", "web"].map(status).concat();
        let files = [
            ("/var/lib/dpkg/status", status.as_str()),
            ("/var/lib/dpkg/info/libc6.list", "/usr/lib/x86_64-linux-gnu/libc.so.6\n"),
            ("/var/lib/dpkg/info/bus.list", "/usr/bin/dbus-daemon\n/usr/share/bus\n"),
            ("/var/lib/dpkg/info/web.list", "/usr/bin/web\n"),
            ("/usr/lib/x86_64-linux-gnu/libc.so.6", "four"),
            ("/usr/bin/dbus-daemon", "five."),
            ("/usr/share/bus", "three"),
            ("/usr/bin/web", "1"),
        ];
        let ownership = Ownership::read(&tree(&files)).unwrap();
        let shipped = tree(&files[4..]);
        let named = |packages: &[&str]| {
            let requests: Vec<PackageRequest> =
                packages.iter().map(|name| PackageRequest::parse(name).unwrap()).collect();
            twice(&shipped, &ownership, &requests).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(named(&["web"]), ["the C library (libc6)", "the message bus (bus)"]);
        assert_eq!(named(&["bus"]), ["the C library (libc6)"], "the author wants it");
        assert_eq!(sizes(&shipped, &ownership), (15, vec![("bus", 10), ("libc6", 4), ("web", 1)]));
    }
}
