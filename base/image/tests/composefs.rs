//! Composefs images without peers: round trips, order, hostile bytes, limits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a panic is a failed test"
)]

#[path = "support/random.rs"]
mod random;

use image::composefs::{self, Entry, ImageError};
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use image::{Error, verity};
use random::{Shape, random_tree};
use testkit::Random;

const SHAPE: Shape = Shape { links: true, pathological: true, dump: true };

fn stat() -> Stat {
    Stat::root_owned(0o755, Mtime { seconds: 5, nanoseconds: 0 })
}

fn put(tree: &mut Tree<Entry>, directory: NodeId, name: &[u8], kind: Kind<Entry>) -> NodeId {
    let id = tree.add(Node { stat: stat(), kind }).unwrap();
    tree.link(directory, name, id).unwrap();
    id
}

fn refusal(tree: &Tree<Entry>) -> ImageError {
    match composefs::write(tree) {
        Err(Error::Image(error)) => error,
        other => panic!("not refused: {:?}", other.map(|bytes| bytes.len())),
    }
}

/// The same tree with its nodes made and its names linked in another order.
fn shuffled(tree: &Tree<Entry>, random: &mut Random) -> Tree<Entry> {
    let mut ids: Vec<NodeId> = tree.walk().map(|(_, id, _)| id).filter(|id| *id != NodeId::ROOT).collect();
    ids.sort();
    ids.dedup();
    for index in (1..ids.len()).rev() {
        ids.swap(index, random.below(index as u64 + 1) as usize);
    }
    let mut copy = Tree::new(tree.node(NodeId::ROOT).stat.clone());
    let mut new = std::collections::HashMap::from([(NodeId::ROOT, NodeId::ROOT)]);
    for id in &ids {
        let Node { stat, kind } = tree.node(*id).clone();
        let kind = if matches!(kind, Kind::Directory(_)) { Kind::Directory(Entries::new()) } else { kind };
        new.insert(*id, copy.add(Node { stat, kind }).unwrap());
    }
    for id in std::iter::once(&NodeId::ROOT).chain(&ids) {
        for (name, child) in tree.node(*id).entries().into_iter().flatten().rev() {
            copy.link(new[id], name, new[child]).unwrap();
        }
    }
    copy
}

#[test]
fn what_is_written_reads_back_and_order_does_not_matter() {
    let mut random = Random::from_environment();
    let mut written = 0;
    for _ in 0..200 {
        let tree = random_tree(&mut random, SHAPE);
        let Ok(bytes) = composefs::write(&tree) else { continue };
        written += 1;
        let read = composefs::read(&bytes).unwrap();
        assert!(composefs::write(&read).unwrap() == bytes, "what was read gives another image");
        assert!(composefs::read(&composefs::write(&read).unwrap()).unwrap() == read, "reading is not stable");
        assert!(composefs::dump(&read).unwrap() == composefs::dump(&tree).unwrap(), "the tree changed");
        let names = |tree: &Tree<Entry>| tree.walk().map(|(path, ..)| path).collect::<Vec<_>>();
        assert_eq!(names(&read), names(&tree));
        assert!(composefs::write(&shuffled(&tree, &mut random)).unwrap() == bytes, "the order of making shows");
    }
    assert!(written > 100, "only {written} trees could be written");
}

#[test]
fn a_tree_without_odd_attributes_reads_back_equal_node_by_node() {
    let mut tree = Tree::new(stat());
    let dir = put(&mut tree, NodeId::ROOT, b"!before-the-dots", Kind::Directory(Entries::new()));
    put(&mut tree, dir, b"gone", Kind::CharDevice(0));
    put(&mut tree, dir, b"link", Kind::Symlink(Box::from(&b"/target"[..])));
    let digest = verity::digest(&[1; 65]);
    let file = put(&mut tree, NodeId::ROOT, b"a", Kind::Regular(Entry::Object { size: 65, digest }));
    tree.link(NodeId::ROOT, b"b", file).unwrap();
    put(&mut tree, NodeId::ROOT, b"c", Kind::Regular(Entry::Inline(Box::from(&b"small"[..]))));
    put(&mut tree, NodeId::ROOT, b"d", Kind::BlockDevice(0x801));
    put(&mut tree, NodeId::ROOT, b"e", Kind::Fifo);
    assert!(composefs::read(&composefs::write(&tree).unwrap()).unwrap() == tree);
}

/// The digest of a small image that C `mkcomposefs` 1.0.8 confirmed: the format may not drift.
#[test]
fn the_format_is_pinned() {
    let mut tree = Tree::new(stat());
    put(&mut tree, NodeId::ROOT, b"file", Kind::Regular(Entry::Inline(Box::from(&b"content"[..]))));
    let bytes = composefs::write(&tree).unwrap();
    let dump = "/ 4096 40755 2 0 0 0 5.0 - - -\n/file 7 100755 1 0 0 0 5.0 - content -\n";
    assert_eq!(String::from_utf8(composefs::dump(&tree).unwrap()).unwrap(), dump);
    assert_eq!(verity::digest(&bytes).hex(), "ed0763be8a7e2394118ac6547632c63a253082db49455c257ba4eb0cbc328f4f");
}

#[test]
fn what_no_image_can_hold_is_refused_by_name() {
    let tree = |kind: Kind<Entry>| {
        let mut tree = Tree::new(stat());
        put(&mut tree, NodeId::ROOT, b"x", kind);
        tree
    };
    let path = || "/x".to_owned();
    let mut links = tree(Kind::CharDevice(0));
    let whiteout = links.node(NodeId::ROOT).entries().unwrap()[&b"x"[..]];
    links.link(NodeId::ROOT, b"y", whiteout).unwrap();
    assert_eq!(refusal(&links), ImageError::WhiteoutLink { path: path(), links: 2 });
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0b", &[b'n'; 256]] {
        let mut bad = Tree::new(stat());
        put(&mut bad, NodeId::ROOT, name, Kind::Fifo);
        assert!(matches!(refusal(&bad), ImageError::Name { .. }), "{name:?}");
    }
    let mut looped = tree(Kind::Directory(Entries::new()));
    let dir = looped.node(NodeId::ROOT).entries().unwrap()[&b"x"[..]];
    looped.link(dir, b"again", NodeId::ROOT).unwrap();
    assert_eq!(refusal(&looped), ImageError::DirectoryLink { path: "/".to_owned() });
    let number = 1 << 32;
    assert_eq!(refusal(&tree(Kind::BlockDevice(number))), ImageError::DeviceNumber { path: path(), number });
    let digest = verity::digest(b"");
    let large = Kind::Regular(Entry::Object { size: 1 << 60, digest });
    assert!(matches!(refusal(&tree(large)), ImageError::FileSize { .. }));
    let empty = Kind::Regular(Entry::Object { size: 0, digest });
    assert_eq!(refusal(&tree(empty)), ImageError::Content { path: path(), size: 0 });
    let mut deep = Tree::new(stat());
    let mut id = NodeId::ROOT;
    for _ in 0..3000 {
        id = put(&mut deep, id, b"d", Kind::Directory(Entries::new()));
    }
    assert!(matches!(refusal(&deep), ImageError::Depth { .. }));
}

#[test]
fn other_versions_and_flags_are_refused() {
    let bytes = composefs::write(&Tree::<Entry>::new(stat())).unwrap();
    // Versions, flags, features, block size, checksum: a change of any is another format.
    for at in [0, 4, 8, 12, 16, 1024, 1028, 1032, 1036, 1037, 1064, 1104, 1120] {
        let mut other = bytes.clone();
        other[at] ^= 2;
        let error = composefs::read(&other).unwrap_err().to_string();
        assert!(error.contains("composefs image"), "{at}: {error}");
    }
    assert!(composefs::read(&[]).is_err());
    assert!(composefs::read(&bytes[..bytes.len() - 1]).is_err());
}

/// Thousands of damaged images: an error or a tree, soon, and never a panic.
#[test]
fn damaged_images_never_panic() {
    let mut random = Random::from_environment();
    let started = std::time::Instant::now();
    let mut accepted = 0;
    for _ in 0..50 {
        let tree = random_tree(&mut random, SHAPE);
        let Ok(bytes) = composefs::write(&tree) else { continue };
        for _ in 0..100 {
            let mut bytes = bytes.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len() as u64) as usize;
                match random.below(5) {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => bytes[at] = *random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
                    2 => bytes.truncate((at & !4095).max(4096)),
                    3 => {
                        let from = random.below(bytes.len() as u64) as usize;
                        let length = (random.below(64) as usize).min(bytes.len() - from.max(at));
                        bytes.copy_within(from..from + length, at);
                    }
                    // Inodes and names are near the start.
                    _ => bytes[at.min(1152 + at % 4096)] ^= 1 << random.below(8),
                }
            }
            if let Ok(tree) = composefs::read(&bytes) {
                accepted += 1;
                // The writer may refuse it, but has to come back.
                let _ = composefs::write(&tree);
            }
        }
    }
    assert!(started.elapsed().as_secs() < 300, "a damaged image takes too long");
    assert!(accepted > 0, "every change was found: the test changes too much");
}
