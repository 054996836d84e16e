//! Bytes of any kind as a shipped program, library, unit and link: what they need is said or not, and
//! every path that is named is one of the whole tree.

#![no_main]

use composer::needs::{Accounts, World, command, floating_owners, idle_units, missing_accounts, started_units, unmet};
use composer::scan::Source;
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use libfuzzer_sys::fuzz_target;
use model::ImagePath;

fn put(tree: &mut Tree<Source>, path: &str, kind: Kind<Source>) {
    let stat = || Stat::root_owned(0o755, Mtime::default());
    let path = ImagePath::new(path).expect("the path is sound");
    let mut here = NodeId::ROOT;
    for name in path.parent().expect("no root is put").components() {
        let there = tree.node(here).entries().and_then(|entries| entries.get(name)).copied();
        here = there.unwrap_or_else(|| {
            let id = tree.add(Node { stat: stat(), kind: Kind::Directory(Entries::new()) }).expect("there is room");
            tree.link(here, name, id).expect("it is a directory");
            id
        });
    }
    let id = tree.add(Node { stat: stat(), kind }).expect("there is room");
    tree.link(here, path.file_name().expect("no root is put"), id).expect("it is a directory");
}

fuzz_target!(|bytes: &[u8]| {
    let mut tree = Tree::new(Stat::root_owned(0o755, Mtime::default()));
    let content = || Kind::Regular(Source::Bytes(bytes.into()));
    for path in [
        "/usr/bin/x",
        "/usr/lib/libc.so.6",
        "/usr/lib/libz.so.1",
        "/etc/systemd/system/x.service",
        "/etc/systemd/system/y.service.d/x.conf",
        "/usr/lib/sysusers.d/x.conf",
        "/usr/lib/systemd/system/y.service",
    ] {
        put(&mut tree, path, content());
    }
    put(&mut tree, "/lib", Kind::Symlink(b"usr/lib"[..].into()));
    put(&mut tree, "/etc/systemd/system/x.wants/y.service", Kind::Symlink(b"../y.service"[..].into()));
    if !bytes.is_empty() && bytes.len() < 4096 && !bytes.contains(&0) {
        put(&mut tree, "/usr/share/link", Kind::Symlink(bytes.into()));
    }
    let mut shipped = tree.clone();
    let bin = shipped.lookup(&ImagePath::new("/usr/lib").expect("the path is sound")).expect("it was put");
    shipped.unlink(bin, b"libz.so.1");
    let provided = |path: &ImagePath| path.as_bytes().starts_with(b"/usr/sbin/");
    let world =
        World { whole: &tree, shipped: &shipped, provided: &provided, makes_cache: bytes.len().is_multiple_of(2) };
    for unmet in unmet(world).expect("all is in memory") {
        assert!(unmet.missing.iter().all(|path| tree.lookup(path).is_some()), "{unmet:?}");
        assert!(!unmet.name.contains(char::is_control));
    }
    let _ = idle_units(world);
    let known = Accounts::of_node(world, &Accounts::default()).expect("all is in memory");
    assert!(floating_owners(world, &known).is_empty());
    for missing in missing_accounts(world, &known).expect("all is in memory") {
        assert!(!missing.by.is_empty() && !missing.name.is_empty());
    }
    if let Ok(line) = std::str::from_utf8(bytes) {
        let _ = (command(world, line), started_units(world, line));
    }
});
