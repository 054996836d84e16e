//! Images of which a byte is another one, and trees at the edges of what an image holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a panic is a failed test"
)]

use image::composefs::{self, Entry, ImageError};
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree, Xattrs};
use image::{Error, verity};

fn stat(seconds: i64) -> Stat {
    Stat::root_owned(0o755, Mtime { seconds, nanoseconds: 0 })
}

fn put(tree: &mut Tree<Entry>, directory: NodeId, name: &[u8], stat: Stat, kind: Kind<Entry>) -> NodeId {
    let id = tree.add(Node { stat, kind }).unwrap();
    tree.link(directory, name, id).unwrap();
    id
}

fn bytes(text: &[u8]) -> Box<[u8]> {
    Box::from(text)
}

/// A tree with every kind of inode in both forms, shared and own attributes, a hard link and a whiteout.
fn every_kind() -> Tree<Entry> {
    let mut tree = Tree::new(stat(5));
    let d = put(&mut tree, NodeId::ROOT, b"d", stat(5), Kind::Directory(Entries::new()));
    put(&mut tree, d, b"gone", stat(5), Kind::CharDevice(0));
    let object = |text: &[u8]| Entry::Object { size: text.len() as u64, digest: verity::digest(text) };
    let file = put(&mut tree, d, b"object", stat(5), Kind::Regular(object(&[1; 65])));
    tree.link(NodeId::ROOT, b"again", file).unwrap();
    put(&mut tree, d, b"late", stat(9), Kind::Regular(object(&[2; 5000])));
    put(&mut tree, d, b"inline", stat(5), Kind::Regular(Entry::Inline(bytes(b"content"))));
    put(&mut tree, d, b"empty", stat(9), Kind::Regular(Entry::Empty));
    put(&mut tree, d, b"link", stat(5), Kind::Symlink(bytes(b"target")));
    put(&mut tree, d, b"char", stat(5), Kind::CharDevice(0x103));
    put(&mut tree, d, b"block", stat(5), Kind::BlockDevice(0x801));
    put(&mut tree, d, b"fifo", stat(5), Kind::Fifo);
    put(&mut tree, d, b"socket", stat(5), Kind::Socket);
    for name in [&b"one"[..], b"two"] {
        let both = (bytes(b"user.shared"), bytes(b"value"));
        let xattrs = Xattrs::from([both, ([b"user.own-", name].concat().into(), bytes(name))]);
        put(&mut tree, d, name, Stat { xattrs, uid: 7, gid: 8, ..stat(5) }, Kind::Regular(Entry::Empty));
    }
    let acl = Xattrs::from([(bytes(b"system.posix_acl_access"), bytes(b"acl"))]);
    put(&mut tree, d, b"acl", Stat { xattrs: acl, ..stat(5) }, Kind::Fifo);
    tree
}

/// The headers say nothing twice and nothing that does not count; elsewhere a byte that does not count has its one
/// value all the same, or an image could hide something.
#[test]
fn no_byte_of_an_image_can_change_unseen() {
    let image = composefs::write(&every_kind()).unwrap();
    let tree = composefs::read(&image).unwrap();
    // The 256 stubs of the root are alike: a few of them, and all that follows them.
    let after_stubs = 6840;
    for at in (0..1400).chain(after_stubs - 100..image.len()).filter(|at| *at < 9000) {
        let mut other = image.clone();
        other[at] ^= 1 << (at % 7);
        let read = composefs::read(&other);
        if at < 1152 {
            assert!(!read.as_ref().is_ok_and(|read| *read == tree), "{at}");
        }
        let Ok(canonical) = composefs::read_canonical(&other) else { continue };
        assert!(canonical != tree && composefs::write(&canonical).unwrap() == other, "{at}");
    }
}

/// What the reader says of an image in which `value` stands at `at`.
fn said(at: usize, value: &[u8]) -> String {
    let mut image = composefs::write(&Tree::<Entry>::new(stat(5))).unwrap();
    image[at..at + value.len()].copy_from_slice(value);
    composefs::read(&image).map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn each_field_that_is_wrong_is_named() {
    // Offsets are those of the kernel's `erofs_fs.h` behind 1024, and of an inode of 32 bytes at 1152.
    for (at, value, words) in [
        (0, &[0; 4][..], "the composefs magic number is 0x0"),
        (4, &[2], "the header version is 0x2"),
        (8, &[2], "the set of header flags is 0x2"),
        (8, &[1], "the flag for access control lists is wrong"),
        (12, &[0], "the composefs version is 0x0"),
        (16, &[1], "a reserved byte of a header"),
        (1023, &[1], "a reserved byte of a header"),
        (1024, &[0], "the EROFS magic number"),
        (1028, &[1], "the superblock checksum is 0x1"),
        (1032, &[7], "the set of compatible features is 0x7"),
        (1036, &[13], "the block size and extension is 0xd"),
        (1038, &[0, 0], "an inode is in a header"),
        (1038, &[0xff, 0xff], "an inode is beyond the end"),
        (1040, &[0], "the number of inodes is not that of the superblock"),
        (1056, &[0xff, 0xc9, 0x9a, 0x3b], ""),
        (1056, &[0x00, 0xca, 0x9a, 0x3b], "a time has too many nanoseconds"),
        (1060, &[9], "the number of blocks is not that of the image"),
        (1064, &[1], "the metadata block is 0x1"),
        (1072, &[1], "a reserved byte of a header"),
        (1104, &[1], "the set of incompatible features is 0x1"),
        (1108, &[1], "a reserved byte of a header"),
        (1151, &[1], "a reserved byte of a header"),
        (1152, &[2], "an inode's format is 0x2"),
        (1157, &[0x81], "the root is no directory"),
        (1164, &[1], "a reserved byte of an inode"),
        (1180, &[1], "a reserved byte of an inode"),
        (1158, &[3], "another number of directories than it says"),
    ] {
        let said = said(at, value);
        assert!(said.contains(words) && said.is_empty() == words.is_empty(), "{at}: {said}");
    }
    let said = |length: usize| composefs::read(&vec![0; length]).unwrap_err().to_string();
    assert!(said(4095).contains("the length is 0xfff") && said(4097).contains("the length is 0x1001"));
    assert!(said(4096).contains("magic number"));
}

fn refusal(kind: Kind<Entry>, stat: Stat) -> Option<ImageError> {
    let mut tree = Tree::new(self::stat(5));
    put(&mut tree, NodeId::ROOT, b"x", stat, kind);
    match composefs::write(&tree) {
        Ok(image) => {
            assert!(composefs::read(&image).unwrap() == tree);
            None
        }
        Err(Error::Image(error)) => Some(error),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_an_image_just_holds_reads_back_and_one_more_is_refused() {
    let path = || "/x".to_owned();
    let inline = |size: usize| refusal(Kind::Regular(Entry::Inline(vec![1; size].into())), stat(5));
    assert_eq!((inline(1), inline(5000)), (None, None));
    assert_eq!(inline(5001), Some(ImageError::Content { path: path(), size: 5001 }));
    let link = |length: usize| refusal(Kind::Symlink(vec![b'a'; length].into()), stat(5));
    assert_eq!((link(1), link(4095)), (None, None));
    for length in [0, 4096] {
        assert_eq!(link(length), Some(ImageError::Symlink { path: path(), length }));
    }
    let hole = Kind::Symlink(bytes(b"a\0b"));
    assert_eq!(refusal(hole, stat(5)), Some(ImageError::Symlink { path: path(), length: 3 }));
    // 512 chunks of 2^43 bytes.
    let limit = 1 << 52;
    let object = |size| refusal(Kind::Regular(Entry::Object { size, digest: verity::digest(b"x") }), stat(5));
    assert_eq!((object(1), object(1 << 43), object((1 << 43) + 1), object(limit)), (None, None, None, None));
    assert_eq!(object(limit + 1), Some(ImageError::FileSize { path: path(), size: limit + 1, limit }));
    let device = |number| refusal(Kind::BlockDevice(number), stat(5));
    assert_eq!((device(0), device(0xffff_ffff)), (None, None));
    assert!(matches!(device(1 << 32), Some(ImageError::DeviceNumber { .. })));
    assert!(matches!(refusal(Kind::CharDevice(1 << 32), stat(5)), Some(ImageError::DeviceNumber { .. })));
    let fifo = |stat: Stat| refusal(Kind::Fifo, stat);
    assert_eq!((fifo(Stat { mode: 0o7777, ..stat(5) }), fifo(Stat { mode: 0, ..stat(5) })), (None, None));
    assert_eq!(fifo(Stat { mode: 0o10000, ..stat(5) }), Some(ImageError::Mode { path: path(), mode: 0o10000 }));
    let time = |nanoseconds| fifo(Stat { mtime: Mtime { seconds: -1, nanoseconds }, ..stat(5) });
    assert_eq!(time(999_999_999), None);
    assert_eq!(time(1_000_000_000), Some(ImageError::Nanoseconds { path: path(), nanoseconds: 1_000_000_000 }));
    let named = |name: &[u8]| fifo(Stat { xattrs: Xattrs::from([(bytes(name), bytes(b"v"))]), ..stat(5) });
    let long = |length: usize| [&b"user."[..], &vec![b'a'; length - 5]].concat();
    assert_eq!((named(&long(255)), named(b"odd"), named(b"a")), (None, None, None));
    for name in [&long(256)[..], b"", b"user.a\0b"] {
        assert!(matches!(named(name), Some(ImageError::XattrName { .. })), "{name:?}");
    }
    // The C tools count an entry as its name, its value and seven bytes, and twelve for all of them.
    let valued =
        |length: usize| fifo(Stat { xattrs: Xattrs::from([(bytes(b"user.a"), vec![1; length].into())]), ..stat(5) });
    let most = 32_767 - 12 - 7 - 6;
    assert_eq!(valued(most), None);
    assert_eq!(valued(most + 1), Some(ImageError::XattrSize { path: path(), size: 32_768, limit: 32_767 }));
    for owner in [0xffff, 0x1_0000, u32::MAX] {
        assert_eq!(fifo(Stat { uid: owner, ..stat(5) }), None);
        assert_eq!(fifo(Stat { gid: owner, ..stat(5) }), None);
    }
}

#[test]
fn directories_nest_as_deep_as_a_path_can_be() {
    let deep = |depth: usize| {
        let mut tree = Tree::new(stat(5));
        let mut at = NodeId::ROOT;
        for _ in 0..depth {
            at = put(&mut tree, at, b"d", stat(5), Kind::Directory(Entries::new()));
        }
        composefs::write(&tree).map(|image| composefs::read(&image).unwrap() == tree)
    };
    let most = (2000..2060).take_while(|depth| deep(*depth).is_ok_and(|same| same)).last();
    assert_eq!(most, Some(2047));
}

/// Where the only directory entry `name` of the image is: 12 bytes of `struct erofs_dirent`.
fn entry_at(image: &[u8], inode: u64, kind: u8) -> usize {
    let wanted = |at: &usize| image[*at..*at + 8] == inode.to_le_bytes() && image[*at + 10] == kind;
    (1152..image.len() - 12).step_by(4).find(wanted).unwrap()
}

#[test]
fn a_directory_leads_to_itself_and_its_parent_as_directories() {
    let mut tree = Tree::new(stat(5));
    put(&mut tree, NodeId::ROOT, b"d", stat(5), Kind::Directory(Entries::new()));
    let image = composefs::write(&tree).unwrap();
    let root = u64::from(u16::from_le_bytes([image[1024 + 14], image[1024 + 15]]));
    let at = entry_at(&image, root, 2);
    for (at, value) in [(at, root as u8 + 1), (at + 10, 1)] {
        let mut other = image.clone();
        other[at] = value;
        let said = composefs::read(&other).unwrap_err().to_string();
        assert!(said.contains("does not lead to itself and its parent"), "{at}: {said}");
    }
}

#[test]
fn directories_of_any_size_read_back() {
    // Names of twelve bytes take 24 with their entry: 170 of them fill a block.
    for count in [0, 80, 84, 85, 86, 168, 169, 170, 171, 254, 255, 256, 340, 341, 500] {
        let mut tree = Tree::new(stat(5));
        let d = put(&mut tree, NodeId::ROOT, b"d", stat(5), Kind::Directory(Entries::new()));
        let file = put(&mut tree, d, b"name00000000", stat(5), Kind::Fifo);
        for number in 1..count {
            tree.link(d, format!("name{number:08}").as_bytes(), file).unwrap();
        }
        let image = composefs::write(&tree).unwrap();
        assert!(composefs::read_canonical(&image).unwrap() == tree, "{count}");
        assert!(composefs::is_image(&image) && image.len().is_multiple_of(4096));
    }
    assert!(
        !composefs::is_image(b"\x1f\x8b\x08\x00")
            && !composefs::is_image(b"")
            && !composefs::is_image(&[0x9a, 0x62, 0x78, 0])
    );
    assert!(composefs::is_image(&[0x9a, 0x62, 0x78, 0xd0]));
}
