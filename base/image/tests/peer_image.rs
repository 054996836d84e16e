//! Our composefs images beside those of C `mkcomposefs`, `composefs-info`, `fsck.erofs`, `fsverity`
//! and the kernel. Runs as root.
//!
//! `MODULE_BUILDER_CASES` multiplies the number of random cases, `MODULE_BUILDER_SEED` repeats a run.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a panic is a failed test"
)]

#[path = "support/disk.rs"]
mod disk;
#[path = "support/peers.rs"]
mod peers;
#[path = "support/random.rs"]
mod random;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use image::composefs::{self, Entry};
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use image::verity;
use peers::{assert_same, c_dump, c_image, cases, fsck};
use random::{Shape, random_tree};
use testkit::{Mounted, Random, peer, run, stdout};

const VERSION_ONE: [&str; 2] = ["--min-version=1", "--max-version=1"];

/// Everything that must hold for a tree by the road of dumps.
fn check_by_dump(tree: &Tree<Entry>, folder: &Path, case: &str) {
    let ours = composefs::write(tree).unwrap();
    let dump = composefs::dump(tree).unwrap();
    assert_same(&dump, &c_dump(&ours, folder), &format!("{case}: dump"));
    let theirs = c_image(&dump, &VERSION_ONE, folder).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_same(&ours, &theirs, &format!("{case}: image"));
    let read = composefs::read(&ours).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_same(&composefs::write(&read).unwrap(), &ours, &format!("{case}: image of the tree that was read"));
}

#[test]
fn digests_equal_those_of_fsverity() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::from_environment();
    let mut sizes = vec![0, 1, 4095, 4096, 4097, 128 * 4096 - 1, 128 * 4096, 128 * 4096 + 1, 128 * 128 * 4096 + 1];
    sizes.extend((0..10).map(|_| random.below(3 << 20) as usize));
    for size in sizes {
        let path = folder.path().join("file");
        let bytes = random.bytes(size);
        fs::write(&path, &bytes).unwrap();
        let theirs = stdout(peer("fsverity").args(["digest", "--compact"]).arg(&path));
        let mut hasher = verity::Hasher::new();
        bytes.chunks(1 + size / 7).for_each(|piece| hasher.update(piece));
        assert_eq!(format!("sha256:{}", theirs.trim_start_matches("sha256:")), verity::digest(&bytes).to_string());
        assert_eq!(hasher.finish(), verity::digest(&bytes), "{size} bytes");
    }
}

#[test]
fn random_directories_give_the_digest_of_mkcomposefs() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::from_environment();
    let mut refused = 0;
    for case in 0..cases(40) {
        let source = folder.path().join("source");
        let wanted = random_tree(&mut random, Shape { links: false, pathological: true, dump: false });
        disk::make(&wanted, &source);
        let tree = disk::scan(&source);
        let mut c_digest = peer("mkcomposefs");
        c_digest.args(VERSION_ONE).arg("--print-digest-only").arg(&source);
        let Ok(ours) = composefs::write(&tree) else {
            assert!(!c_digest.output().unwrap().status.success(), "directory {case}: only we refuse it");
            refused += 1;
            disk::remove(&source);
            continue;
        };
        let theirs = stdout(&mut c_digest);
        if verity::digest(&ours).hex() != theirs {
            let out = folder.path().join("theirs.cfs");
            run(peer("mkcomposefs").args(VERSION_ONE).arg(&source).arg(&out));
            assert_same(&ours, &fs::read(out).unwrap(), &format!("directory {case}"));
            panic!("directory {case}: same image, another digest");
        }
        let read = composefs::read(&ours).unwrap_or_else(|error| panic!("directory {case}: {error}"));
        assert_same(&composefs::write(&read).unwrap(), &ours, &format!("directory {case}: what was read"));
        if case % 10 == 0 {
            fsck(&ours, folder.path());
        }
        disk::remove(&source);
    }
    assert!(refused < cases(40) / 4, "{refused} trees were refused: the test tests too little");
}

#[test]
fn random_dumps_give_the_image_of_mkcomposefs() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::from_environment();
    for case in 0..cases(300) {
        let tree = random_tree(&mut random, Shape { links: true, pathological: false, dump: true });
        check_by_dump(&tree, folder.path(), &format!("dump {case}"));
        if case % 30 == 0 {
            fsck(&composefs::write(&tree).unwrap(), folder.path());
        }
    }
}

fn stat(seconds: i64) -> Stat {
    Stat::root_owned(0o755, Mtime { seconds, nanoseconds: 0 })
}

fn with_xattrs(mut stat: Stat, xattrs: &[(&str, &str)]) -> Stat {
    let own = |text: &str| Box::from(text.as_bytes());
    stat.xattrs = xattrs.iter().map(|(name, value)| (own(name), own(value))).collect();
    stat
}

fn put(tree: &mut Tree<Entry>, directory: NodeId, name: &str, stat: Stat, kind: Kind<Entry>) -> NodeId {
    let id = tree.add(Node { stat, kind }).unwrap();
    tree.link(directory, name.as_bytes(), id).unwrap();
    id
}

#[test]
fn times_before_1970_equal_c() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::new(stat(5));
    for (name, seconds) in [("a", -1), ("b", i64::MIN), ("c", -86_400), ("d", i64::MAX), ("e", i64::MIN)] {
        put(&mut tree, NodeId::ROOT, name, stat(seconds), Kind::Fifo);
    }
    check_by_dump(&tree, folder.path(), "times");
}

#[test]
fn whiteouts_that_carry_overlay_attributes_equal_c() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::new(with_xattrs(stat(5), &[("trusted.overlay.opaque", "y"), ("user.overlay.opaque", "z")]));
    let marks = [
        ("trusted.overlay.whiteout", "1"),
        ("trusted.overlay.overlay.whiteout", "2"),
        ("trusted.overlay.opaque", "3"),
        ("user.overlay.whiteout", ""),
        ("user.more", "than that"),
    ];
    for first in ["", "1", "a value that is longer than all that C has set before it is replaced"] {
        let mut marks = marks;
        marks[0].1 = first;
        put(&mut tree, NodeId::ROOT, "gone", with_xattrs(stat(6), &marks), Kind::CharDevice(0));
        let source = folder.path().join("source");
        disk::make(&tree, &source);
        let scanned = disk::scan(&source);
        let output = peer("mkcomposefs").args(VERSION_ONE).arg("--print-digest-only").arg(&source).output().unwrap();
        match composefs::write(&scanned) {
            Ok(ours) => {
                assert_eq!(verity::digest(&ours).hex(), String::from_utf8_lossy(&output.stdout).trim_end());
                assert_same(&composefs::write(&composefs::read(&ours).unwrap()).unwrap(), &ours, "what was read");
            }
            Err(error) => assert!(!output.status.success(), "{error}"),
        }
        assert_eq!(output.status.success(), first.is_empty());
        disk::remove(&source);
    }
}

#[test]
fn a_whiteout_named_like_a_stub_equals_c() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::new(with_xattrs(stat(5), &[("security.selinux", "label\0")]));
    put(&mut tree, NodeId::ROOT, "ab", stat(6), Kind::CharDevice(0));
    put(&mut tree, NodeId::ROOT, "00", stat(6), Kind::Regular(Entry::Empty));
    put(&mut tree, NodeId::ROOT, "ff", stat(6), Kind::CharDevice(259));
    check_by_dump(&tree, folder.path(), "stub");
    assert_eq!(composefs::read(&composefs::write(&tree).unwrap()).unwrap().link_counts().len(), 4);
}

#[test]
fn more_than_128_shared_attributes_equal_c() {
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::new(stat(5));
    let names: Vec<String> = (0..300).map(|n| format!("user.{n}")).collect();
    for (count, file) in [(127, "a"), (128, "b"), (129, "c"), (300, "d"), (300, "e")] {
        let xattrs: Vec<_> = names[..count].iter().map(|name| (name.as_str(), "v")).collect();
        put(&mut tree, NodeId::ROOT, file, with_xattrs(stat(6), &xattrs), Kind::Regular(Entry::Empty));
    }
    check_by_dump(&tree, folder.path(), "shared");
}

/// One-entry trees on both sides of each limit: C accepts and gives our bytes, or both refuse.
#[test]
fn limits_are_those_of_c() {
    let folder = tempfile::tempdir().unwrap();
    let one = |name: usize, stat: Stat, kind: Kind<Entry>| {
        let mut tree = Tree::new(self::stat(5));
        put(&mut tree, NodeId::ROOT, &"n".repeat(name), stat, kind);
        tree
    };
    let empty = || Kind::Regular(Entry::Empty);
    let link = |length: usize| Kind::Symlink(vec![b't'; length].into_boxed_slice());
    let xattr = |name: usize, value: usize| {
        with_xattrs(stat(6), &[(&format!("user.{}", "x".repeat(name - 5)), &"v".repeat(value))])
    };
    let content = |length: usize| Kind::Regular(Entry::Inline(vec![b'c'; length].into_boxed_slice()));
    for good in [
        one(255, stat(6), empty()),
        one(1, stat(6), link(1)),
        one(1, stat(6), link(4095)),
        one(1, xattr(255, 3), empty()),
        one(1, xattr(6, 32_767 - 12 - 7 - 6), empty()),
        one(1, stat(6), content(1)),
        one(1, stat(6), content(4096)),
        one(1, stat(6), content(5000)),
    ] {
        check_by_dump(&good, folder.path(), "limit");
    }
    let head = "/ 0 40755 2 0 0 0 5.0 - - -\n";
    for (bad, line) in [
        (one(256, stat(6), empty()), format!("/{} 0 100755 1 0 0 0 6.0 - - -", "n".repeat(256))),
        (one(1, stat(6), link(0)), "/n 0 120755 1 0 0 0 6.0 - - -".to_owned()),
        (one(1, stat(6), link(4096)), format!("/n 4096 120755 1 0 0 0 6.0 {} - -", "t".repeat(4096))),
        (one(1, xattr(256, 3), empty()), format!("/n 0 100755 1 0 0 0 6.0 - - - user.{}=vvv", "x".repeat(251))),
        (
            one(1, xattr(6, 32_767 - 12 - 7 - 5), empty()),
            format!("/n 0 100755 1 0 0 0 6.0 - - - user.x={}", "v".repeat(32_767 - 12 - 7 - 5)),
        ),
        (one(1, stat(6), content(5001)), format!("/n 5001 100755 1 0 0 0 6.0 - {} -", "c".repeat(5001))),
    ] {
        assert!(composefs::write(&bad).is_err(), "{line}");
        assert!(c_image(format!("{head}{line}\n").as_bytes(), &VERSION_ONE, folder.path()).is_err(), "{line}");
    }
}

/// The kernel's view of an image over its objects is the tree.
#[test]
fn a_mounted_image_is_the_tree() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["objects", "erofs", "merged"] {
        fs::create_dir(path(name)).unwrap();
    }
    let source = path("source");
    let mut random = Random::from_environment();
    disk::make(&random_tree(&mut random, Shape { links: true, pathological: false, dump: false }), &source);
    fs::create_dir_all(source.join("more/deep")).unwrap();
    fs::write(source.join("more/large"), random.bytes(100_000)).unwrap();
    fs::hard_link(source.join("more/large"), source.join("more/deep/again")).unwrap();
    fs::write(source.join("more/small"), b"inline").unwrap();
    symlink("/nowhere", source.join("more/link")).unwrap();
    let tree = disk::scan(&source);
    for (_, _, node) in tree.walk() {
        if let Kind::Regular(Entry::Object { digest, .. }) = &node.kind {
            let object = path("objects").join(digest.object_path());
            fs::create_dir_all(object.parent().unwrap()).unwrap();
            fs::write(object, disk::content(&source, digest)).unwrap();
        }
    }
    let image = composefs::write(&tree).unwrap();
    fsck(&image, folder.path());
    fs::write(path("image.cfs"), &image).unwrap();
    let lower = Mounted::new(&["-t", "erofs", "-o", "ro", path("image.cfs").to_str().unwrap()], &path("erofs"));
    let options =
        format!("ro,metacopy=on,redirect_dir=on,lowerdir={}::{}", lower.path().display(), path("objects").display());
    let merged = Mounted::new(&["-t", "overlay", "overlay", "-o", &options], &path("merged"));
    let mounted = disk::scan(merged.path());
    // Whiteouts look like marked empty files, for another overlayfs on top to take for whiteouts.
    let (expected, found) = (composefs::dump(&shown(&tree)).unwrap(), composefs::dump(&shown(&mounted)).unwrap());
    assert_same(&found, &expected, "the mounted tree");
    let large = fs::metadata(merged.path().join("more/large")).unwrap();
    assert_eq!(large.nlink(), 2);
    drop(merged);
    drop(lower);
    let output = Command::new("umount").arg(path("erofs")).output().unwrap();
    assert!(!output.status.success(), "the guards left a mount");
}

/// A tree with empty files for whiteouts, without the attributes of overlayfs.
fn shown(tree: &Tree<Entry>) -> Tree<Entry> {
    let mut shown = tree.clone();
    let mut pending = vec![NodeId::ROOT];
    while let Some(id) = pending.pop() {
        let node = shown.node_mut(id);
        let of_overlayfs = |name: &[u8]| name.starts_with(b"user.overlay.") || name.starts_with(b"trusted.overlay.");
        let xattrs = std::mem::take(&mut node.stat.xattrs);
        node.stat.xattrs = xattrs.into_iter().filter(|(name, _)| !of_overlayfs(name)).collect();
        if matches!(node.kind, Kind::CharDevice(0)) {
            node.kind = Kind::Regular(Entry::Empty);
        }
        pending.extend(node.entries().into_iter().flat_map(Entries::values));
    }
    shown
}
