#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn overlay(tree: &mut Tree<Source>, directory: &Path, epoch: Epoch) -> Result<OverlayReport, Error> {
    let (module, name) = Dir::parent_of(directory)?;
    Overlay::scan(&module, name.to_str().unwrap())?.apply(tree, epoch)
}

const OLD: Mtime = Mtime { seconds: 5, nanoseconds: 6 };

fn tree() -> Tree<Source> {
    let mut tree = Tree::new(Stat::root_owned(0o755, OLD));
    for path in ["/usr", "/usr/lib", "/etc"] {
        add(&mut tree, path, Stat::root_owned(0o700, OLD), Kind::Directory(Entries::new()));
    }
    add(&mut tree, "/lib", Stat::root_owned(0o777, OLD), Kind::Symlink(Box::from(&b"usr/lib"[..])));
    let shadow = Stat { uid: 33, gid: 42, ..Stat::root_owned(0o4640, OLD) };
    add(&mut tree, "/etc/shadow", shadow, Kind::Regular(Source::Bytes(b"old"[..].into())));
    tree
}

fn add(tree: &mut Tree<Source>, path: &str, stat: Stat, kind: Kind<Source>) {
    let path = ImagePath::new(path).unwrap();
    let parent = tree.lookup(&path.parent().unwrap()).unwrap();
    let id = tree.add(Node { stat, kind }).unwrap();
    tree.link(parent, path.file_name().unwrap(), id).unwrap();
}

fn node<'t>(tree: &'t Tree<Source>, path: &str) -> &'t Node<Source> {
    tree.node(tree.lookup(&ImagePath::new(path).unwrap()).unwrap())
}

fn epoch() -> Epoch {
    Epoch::from_seconds(1000).unwrap()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn names_contents_and_modes_reach_the_tree_and_the_umask_does_not() {
    let host = tempfile::tempdir().unwrap();
    let host = host.path();
    fs::create_dir_all(host.join("lib/new")).unwrap();
    fs::create_dir(host.join("etc")).unwrap();
    for (name, bits) in [("lib/new/run", 0o700), ("lib/new/conf", 0o666), ("etc/shadow", 0o755)] {
        fs::write(host.join(name), name).unwrap();
        mode(&host.join(name), bits);
    }
    fs::hard_link(host.join("lib/new/conf"), host.join("lib/new/same")).unwrap();
    symlink("../nowhere", host.join("etc/link")).unwrap();
    mode(&host.join("lib/new"), 0o2770);
    let mut tree = tree();
    let report = overlay(&mut tree, host, epoch()).unwrap();
    let names = |paths: &[ImagePath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
    let below = ["/etc/link", "/usr/lib/new", "/usr/lib/new/conf", "/usr/lib/new/run", "/usr/lib/new/same"];
    assert_eq!(names(&report.added), below);
    assert_eq!(names(&report.replaced), ["/etc/shadow"]);
    assert_eq!(report.attributes, [], "none of the files has any");
    let new = Mtime { seconds: 1000, nanoseconds: 0 };
    for (path, mode) in
        [("/usr/lib/new", 0o2770), ("/usr/lib/new/conf", 0o644), ("/usr/lib/new/run", 0o700), ("/etc/link", 0o777)]
    {
        assert_eq!(node(&tree, path).stat, Stat::root_owned(mode, new), "{path}");
    }
    let shadow = node(&tree, "/etc/shadow");
    assert_eq!(shadow.stat, Stat { uid: 33, gid: 42, ..Stat::root_owned(0o750, new) });
    assert!(matches!(&shadow.kind, Kind::Regular(source) if source.read(99).unwrap() == b"etc/shadow"));
    assert_eq!(node(&tree, "/etc").stat, Stat::root_owned(0o700, OLD));
    assert!(matches!(node(&tree, "/lib").kind, Kind::Symlink(_)));
    let id = |path| tree.lookup(&ImagePath::new(path).unwrap());
    assert_ne!(id("/usr/lib/new/conf"), id("/usr/lib/new/same"));
}

#[test]
fn the_mask_of_a_lost_access_list_does_not_become_the_groups_rights() {
    let host = tempfile::tempdir().unwrap();
    fs::create_dir(host.path().join("etc")).unwrap();
    fs::write(host.path().join("etc/shadow"), "new").unwrap();
    mode(&host.path().join("etc/shadow"), 0o644);
    let mut tree = tree();
    let id = tree.lookup(&ImagePath::new("/etc/shadow").unwrap()).unwrap();
    tree.node_mut(id).stat.xattrs.insert(Box::from(&b"system.posix_acl_access"[..]), Box::from(&b"list"[..]));
    overlay(&mut tree, host.path(), epoch()).unwrap();
    let stat = &node(&tree, "/etc/shadow").stat;
    assert_eq!((stat.mode, stat.uid, stat.gid, stat.xattrs.len()), (0o600, 33, 42, 0));
}

#[test]
fn a_new_file_keeps_its_mode_but_for_the_umask() {
    for (bits, kept) in [
        (0o600, 0o600),
        (0o400, 0o400),
        (0o640, 0o640),
        (0o750, 0o750),
        (0o4755, 0o4755),
        (0o2755, 0o2755),
        (0o1777, 0o1777),
        (0o664, 0o644),
        (0o775, 0o755),
        (0o666, 0o644),
        (0o660, 0o640),
    ] {
        let host = tempfile::tempdir().unwrap();
        fs::create_dir(host.path().join("etc")).unwrap();
        fs::create_dir(host.path().join("etc/d")).unwrap();
        fs::write(host.path().join("etc/f"), "x").unwrap();
        mode(&host.path().join("etc/f"), bits);
        mode(&host.path().join("etc/d"), u32::from(kept) | 0o100);
        let mut tree = tree();
        let report = overlay(&mut tree, host.path(), epoch()).unwrap();
        assert_eq!(node(&tree, "/etc/f").stat.mode, kept, "{bits:o}");
        assert_eq!(node(&tree, "/etc/d").stat.mode, kept | 0o100, "{bits:o}");
        assert_eq!(report.narrowed.len(), usize::from(bits != u32::from(kept)), "{bits:o}");
    }
}

#[test]
fn a_file_over_a_file_is_no_more_open_than_either() {
    for (old, bits, both) in [
        (0o644, 0o600, 0o600),
        (0o755, 0o600, 0o600),
        (0o755, 0o700, 0o700),
        (0o640, 0o644, 0o640),
        (0o600, 0o640, 0o600),
        (0o664, 0o644, 0o664),
        (0o644, 0o755, 0o755),
        (0o4755, 0o755, 0o755),
        (0o755, 0o4755, 0o4755),
    ] {
        let host = tempfile::tempdir().unwrap();
        fs::create_dir(host.path().join("etc")).unwrap();
        fs::write(host.path().join("etc/shadow"), "x").unwrap();
        mode(&host.path().join("etc/shadow"), bits);
        let mut tree = tree();
        let id = tree.lookup(&ImagePath::new("/etc/shadow").unwrap()).unwrap();
        tree.node_mut(id).stat.mode = old;
        overlay(&mut tree, host.path(), epoch()).unwrap();
        assert_eq!(node(&tree, "/etc/shadow").stat.mode, both, "{old:o} {bits:o}");
    }
}

#[test]
fn a_rule_gives_owner_and_mode_and_the_last_one_counts() {
    let host = tempfile::tempdir().unwrap();
    fs::create_dir_all(host.path().join("etc/sudoers.d")).unwrap();
    for name in ["etc/sudoers.d/a", "etc/shadow", "etc/passwd"] {
        fs::write(host.path().join(name), "web:x:312:312::/:/bin/sh\n").unwrap();
    }
    symlink("shadow", host.path().join("etc/link")).unwrap();
    let rule = |pattern: &str, mode: &str, owner: &str| Rule::parse(pattern, &[("mode", mode), ("owner", owner)]);
    let rules = [
        rule("/etc/sudoers.d/***", "0750", "0:9"),
        rule("/etc/sudoers.d/*", "0440", "web:root"),
        rule("/etc/link", "0600", "5:6"),
        rule("/etc/shadow", "0600", "nobody-knows:0"),
        rule("/usr/**", "0600", "0:0"),
    ];
    let rules = rules.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    let (module, name) = Dir::parent_of(host.path()).unwrap();
    let laid = Overlay::scan(&module, name.to_str().unwrap()).unwrap().with_rules(rules);
    let mut tree = tree();
    let report = laid.apply(&mut tree, epoch()).unwrap();
    let stat = |path| {
        let stat = &node(&tree, path).stat;
        (stat.mode, stat.uid, stat.gid)
    };
    assert_eq!(stat("/etc/sudoers.d"), (0o750, 0, 9));
    assert_eq!(stat("/etc/sudoers.d/a"), (0o440, 312, 0));
    assert_eq!(stat("/etc/link"), (0o777, 5, 6));
    assert_eq!(stat("/etc/shadow"), (0o600, 33, 42));
    assert_eq!(report.idle, ["/usr/**"]);
    assert_eq!(report.unknown, [("/etc/shadow".to_owned(), "nobody-knows".to_owned())]);
    assert_eq!(report.ruled.len(), 3);
}

#[test]
fn a_missing_overlay_changes_nothing() {
    let mut changed = tree();
    let report = overlay(&mut changed, Path::new("/no-such-directory"), epoch()).unwrap();
    assert_eq!(report, OverlayReport::default());
    assert_eq!(changed.walk().count(), tree().walk().count());
}

#[test]
fn what_cannot_lie_there_is_an_error() {
    let fault = |prepare: &dyn Fn(&Path)| {
        let host = tempfile::tempdir().unwrap();
        prepare(host.path());
        match overlay(&mut tree(), host.path(), epoch()) {
            Err(Error::Overlay { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    };
    let at = |path| ImagePath::new(path).unwrap();
    let file_over = fault(&|host| fs::write(host.join("etc"), "x").unwrap());
    assert_eq!(file_over, OverlayFault::OverDirectory { at: at("/etc") });
    let directory_over = fault(&|host| fs::create_dir_all(host.join("etc/shadow")).unwrap());
    assert_eq!(directory_over, OverlayFault::OverFile { at: at("/etc/shadow") });
    let twice = fault(&|host| {
        for name in ["lib/x", "usr/lib/x"] {
            fs::create_dir_all(host.join(name).parent().unwrap()).unwrap();
            fs::write(host.join(name), "x").unwrap();
        }
    });
    assert_eq!(twice, OverlayFault::Twice { at: at("/usr/lib/x") });
    let socket = fault(&|host| drop(std::os::unix::net::UnixListener::bind(host.join("s")).unwrap()));
    assert_eq!(socket, OverlayFault::Special);
}

#[test]
fn only_a_directory_of_the_module_is_an_overlay() {
    let host = tempfile::tempdir().unwrap();
    fs::create_dir(host.path().join("real")).unwrap();
    let path = host.path().join("rootfs");
    let refused = |make: &dyn Fn()| {
        let _ = fs::remove_file(&path);
        make();
        match overlay(&mut tree(), &path, epoch()) {
            Err(Error::Host(host::Error::Place { fault, .. })) => fault,
            other => panic!("{other:?}"),
        }
    };
    for target in ["/etc", "/", "..", "../..", "real/../..", "/proc/self/root", host.path().to_str().unwrap()] {
        assert_eq!(refused(&|| symlink(target, &path).unwrap()), Fault::Outside, "{target}");
    }
    for target in [".", "real/..", "./real/../"] {
        assert_eq!(refused(&|| symlink(target, &path).unwrap()), Fault::Around, "{target}");
    }
    assert_eq!(refused(&|| symlink("none", &path).unwrap()), Fault::Dangling);
    assert_eq!(refused(&|| symlink("rootfs", &path).unwrap()), Fault::Link);
    fs::write(host.path().join("file"), "x").unwrap();
    let to_file = refused(&|| symlink("file", &path).unwrap());
    assert_eq!(to_file, Fault::NotADirectory(host::error::Kind::File));
    fs::write(host.path().join("real/page"), "x").unwrap();
    fs::remove_file(&path).unwrap();
    symlink("real/../real", &path).unwrap();
    let mut tree = tree();
    let report = overlay(&mut tree, &path, epoch()).unwrap();
    assert_eq!(report.added, [ImagePath::new("/page").unwrap()]);
    fs::remove_file(&path).unwrap();
    let file = refused(&|| fs::write(&path, "x").unwrap());
    assert_eq!(file, host::Fault::NotADirectory(host::error::Kind::File));
    let socket = refused(&|| drop(std::os::unix::net::UnixListener::bind(&path).unwrap()));
    assert_eq!(socket, host::Fault::NotADirectory(host::error::Kind::Socket));
}

#[test]
fn a_link_in_an_overlay_is_laid_as_a_link_and_one_that_comes_later_leads_nowhere() {
    let host = tempfile::tempdir().unwrap();
    let root = host.path().join("rootfs");
    fs::create_dir_all(root.join("srv/deep")).unwrap();
    fs::write(root.join("srv/deep/passwd"), "own").unwrap();
    symlink("/etc", root.join("out")).unwrap();
    let scanned = Overlay::scan(&Dir::open(host.path()).unwrap(), "rootfs").unwrap();
    fs::rename(root.join("srv/deep"), root.join("srv/away")).unwrap();
    symlink("/etc", root.join("srv/deep")).unwrap();
    let mut tree = tree();
    scanned.apply(&mut tree, epoch()).unwrap();
    assert!(matches!(&node(&tree, "/out").kind, Kind::Symlink(target) if &**target == b"/etc"));
    let Kind::Regular(source) = &node(&tree, "/srv/deep/passwd").kind else { panic!("it was a file") };
    assert!(matches!(source.read(1 << 20), Err(image::Error::ChangedMeanwhile { .. })));
    assert!(image::object::Origin::identity(source).is_none());
}
