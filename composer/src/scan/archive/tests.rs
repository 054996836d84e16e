#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use image::tree::Xattrs;
use proptest::prelude::*;
use tar::Builder;

use super::*;

fn header(kind: EntryType, mtime: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o4755);
    header.set_uid(7);
    header.set_gid(5_000_000_000 % u64::from(u32::MAX));
    header.set_mtime(mtime);
    header
}

fn file(builder: &mut Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = header(EntryType::Regular, 11);
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, name, content).unwrap();
}

fn link(builder: &mut Builder<Vec<u8>>, kind: EntryType, name: &str, target: &str) {
    builder.append_link(&mut header(kind, 12), name, target).unwrap();
}

fn scan(bytes: &[u8]) -> Result<Tree<Source>, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.tar");
    std::fs::write(&path, bytes).unwrap();
    archive(&path, &Options::default())
}

fn fault(bytes: &[u8]) -> ArchiveFault {
    match scan(bytes) {
        Err(Error::Tar { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

fn node<'t>(tree: &'t Tree<Source>, path: &str) -> &'t Node<Source> {
    tree.node(tree.lookup(&ImagePath::new(path).unwrap()).unwrap())
}

fn content(tree: &Tree<Source>, path: &str) -> Vec<u8> {
    match &node(tree, path).kind {
        Kind::Regular(source) => source.read(1 << 20).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn sample() -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let long = format!("./long/{}/file", "x".repeat(200));
    file(&mut builder, &long, b"long");
    builder.append_pax_extensions([("mtime", &b"-1.25"[..]), ("SCHILY.xattr.security.capability", b"\n\0=")]).unwrap();
    file(&mut builder, "a", b"one");
    link(&mut builder, EntryType::Link, "b", "a");
    file(&mut builder, "./a", b"two");
    link(&mut builder, EntryType::Symlink, "s", "/etc");
    builder.append_data(&mut header(EntryType::Directory, 13), "d/", &b""[..]).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn members_become_nodes_and_the_last_of_a_name_wins() {
    let tree = scan(&sample()).unwrap();
    assert_eq!((content(&tree, "/a"), content(&tree, "/b")), (b"two".to_vec(), b"one".to_vec()));
    let stat = &node(&tree, "/b").stat;
    assert_eq!((stat.mode, stat.uid, stat.mtime), (0o4755, 7, Mtime { seconds: -2, nanoseconds: 750_000_000 }));
    assert_eq!(stat.xattrs, Xattrs::from([(Box::from(&b"security.capability"[..]), Box::from(&b"\n\0="[..]))]));
    assert!(matches!(&node(&tree, "/s").kind, Kind::Symlink(target) if &**target == b"/etc"));
    assert_eq!(content(&tree, &format!("/long/{}/file", "x".repeat(200))), b"long");
    // Of neither the archive says when it was changed.
    assert_eq!(node(&tree, "/long").stat, Stat::root_owned(0o755, LATEST));
    assert_eq!(node(&tree, "/").stat, Stat::root_owned(0o755, LATEST));
}

#[test]
fn what_would_leave_the_tree_or_cannot_be_kept_is_refused() {
    let build = |fill: &dyn Fn(&mut Builder<Vec<u8>>)| {
        let mut builder = Builder::new(Vec::new());
        fill(&mut builder);
        fault(&builder.into_inner().unwrap())
    };
    let through = build(&|builder| {
        link(builder, EntryType::Symlink, "a", "/etc");
        file(builder, "a/passwd", b"x");
    });
    assert_eq!(through, ArchiveFault::BelowALink { link: "a".into() });
    let below = build(&|builder| {
        file(builder, "a", b"x");
        file(builder, "a/b", b"x");
    });
    assert_eq!(below, ArchiveFault::BelowAFile { file: "a".into() });
    let parent = build(&|builder| {
        builder.append_pax_extensions([("path", &b"a/../../b"[..])]).unwrap();
        file(builder, "x", b"x");
    });
    assert!(matches!(parent, ArchiveFault::Path(_)));
    for target in ["..", "b/..", "nowhere", "a"] {
        let through = build(&|builder| {
            builder.append_data(&mut header(EntryType::Directory, 13), "b/", &b""[..]).unwrap();
            link(builder, EntryType::Symlink, "a", target);
            file(builder, "a/x", b"x");
        });
        assert_eq!(through, ArchiveFault::BelowALink { link: "a".into() }, "{target}");
    }
    let nothing = build(&|builder| link(builder, EntryType::Link, "a", "b"));
    assert!(matches!(nothing, ArchiveFault::LinkToNothing { .. }));
    let sparse = build(&|builder| {
        builder.append_pax_extensions([("GNU.sparse.major", &b"1"[..])]).unwrap();
        file(builder, "x", b"x");
    });
    assert_eq!(sparse, ArchiveFault::Sparse);
}

#[test]
fn a_path_leads_through_the_links_that_the_archive_made_before() {
    let mut builder = Builder::new(Vec::new());
    builder.append_data(&mut header(EntryType::Directory, 13), "usr/lib/", &b""[..]).unwrap();
    link(&mut builder, EntryType::Symlink, "lib", "usr/./lib/");
    link(&mut builder, EntryType::Symlink, "lib64", "lib");
    file(&mut builder, "lib64/new/x", b"x");
    link(&mut builder, EntryType::Link, "hard", "lib/new/x");
    link(&mut builder, EntryType::Link, "lib/hard", "lib64");
    let tree = scan(&builder.into_inner().unwrap()).unwrap();
    assert_eq!(content(&tree, "/usr/lib/new/x"), b"x");
    let id = |path: &str| tree.lookup(&ImagePath::new(path).unwrap()).unwrap();
    assert_eq!((id("/hard"), id("/usr/lib/hard")), (id("/usr/lib/new/x"), id("/lib64")));
}

#[test]
fn a_link_has_the_one_mode_of_linux_and_no_content() {
    let mut builder = Builder::new(Vec::new());
    for (name, mode) in [("a", 0o644), ("b", 0), ("c", 0o4777)] {
        let mut header = header(EntryType::Symlink, 1);
        header.set_mode(mode);
        builder.append_link(&mut header, name, "target").unwrap();
    }
    file(&mut builder, "f", b"12345");
    let mut repeated = header(EntryType::Link, 1);
    repeated.set_size(5);
    builder.append_link(&mut repeated, "g", "f").unwrap();
    let tree = scan(&builder.into_inner().unwrap()).unwrap();
    for name in ["/a", "/b", "/c"] {
        assert_eq!(node(&tree, name).stat.mode, 0o777, "{name}");
    }
    assert_eq!(content(&tree, "/g"), b"12345");
}

#[test]
fn every_cut_is_an_error() {
    let whole = sample();
    // Two blocks of zeros end the archive, of which one is enough.
    for length in (0..whole.len() - 1024).step_by(97).chain((0..whole.len() - 1024).step_by(512)) {
        assert!(scan(&whole[..length]).is_err(), "{length}");
    }
    assert!(scan(&whole[..whole.len() - 512]).is_ok());
}

#[test]
fn compressed_and_other_files_are_told_apart() {
    assert!(matches!(scan(b"\x28\xb5\x2f\xfd rest"), Err(Error::Compressed { format: "zstd", .. })));
    assert!(matches!(scan(b""), Err(Error::NotARootfs { .. })));
    assert!(matches!(scan(&[b'x'; 2000]), Err(Error::NotARootfs { .. })));
}

proptest! {
    #[test]
    fn no_mutation_panics(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), repair: bool) {
        let mut bytes = sample();
        for (index, byte) in changes {
            let place = index.index(bytes.len());
            bytes[place] = byte;
            if repair {
                // With a right checksum the change gets past the first check.
                let start = place / 512 * 512;
                let mut header = Header::new_old();
                header.as_mut_bytes().copy_from_slice(&bytes[start..start + 512]);
                header.set_cksum();
                bytes[start..start + 512].copy_from_slice(header.as_bytes());
            }
        }
        if let Ok(tree) = scan(&bytes) {
            prop_assert!(tree.walk().count() <= 1000);
        }
    }
}

#[test]
fn long_targets_come_from_the_extension_and_only_one_may_come() {
    let target = format!("/{}", "t".repeat(200));
    let mut builder = Builder::new(Vec::new());
    link(&mut builder, EntryType::Symlink, "s", &target);
    let bytes = builder.into_inner().unwrap();
    let tree = scan(&bytes).unwrap();
    assert!(matches!(&node(&tree, "/s").kind, Kind::Symlink(found) if **found == *target.as_bytes()));
    // The header of the long target and its content, a second time.
    let twice = [&bytes[..1024], &bytes[..]].concat();
    assert_eq!(fault(&twice), ArchiveFault::TwoDescriptions);
}

#[test]
fn each_content_of_an_archive_has_its_own_identity() {
    let mut builder = Builder::new(Vec::new());
    file(&mut builder, "a", b"one");
    file(&mut builder, "b", b"four");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.tar");
    let bytes = builder.into_inner().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let tree = archive(&path, &Options::default()).unwrap();
    let identity = |name: &str| match &node(&tree, name).kind {
        Kind::Regular(source) => image::object::Origin::identity(source).unwrap(),
        other => panic!("{other:?}"),
    };
    let (a, b) = (identity("/a"), identity("/b"));
    // A header of 512 bytes, a content that fills as many, and another header.
    assert_eq!((a.offset, a.size, b.offset, b.size), (512, 3, 1536, 4));
    assert_eq!((a.file_size, a.inode, a.device), (bytes.len() as u64, b.inode, b.device));
}

/// The archive that `fill` makes.
fn built(fill: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    fill(&mut builder);
    builder.into_inner().unwrap()
}

fn directory(builder: &mut Builder<Vec<u8>>, name: &str) {
    builder.append_data(&mut header(EntryType::Directory, 13), name, &b""[..]).unwrap();
}

#[test]
fn directories_and_files_take_each_others_place_only_where_nothing_is_lost() {
    let full = |builder: &mut Builder<Vec<u8>>| {
        directory(builder, "d");
        file(builder, "d/x", b"x");
    };
    let over_full = built(|builder| {
        full(builder);
        file(builder, "d", b"y");
    });
    assert_eq!(fault(&over_full), ArchiveFault::DirectoryNotEmpty);
    let over_empty = scan(&built(|builder| {
        directory(builder, "d");
        file(builder, "d", b"y");
    }));
    assert_eq!(content(&over_empty.unwrap(), "/d"), b"y");
    let over_file = scan(&built(|builder| {
        file(builder, "d", b"y");
        directory(builder, "d");
    }));
    assert!(node(&over_file.unwrap(), "/d").is_directory());
    let again = scan(&built(|builder| {
        full(builder);
        directory(builder, "d");
    }))
    .unwrap();
    assert_eq!((content(&again, "/d/x"), node(&again, "/d").stat.mtime.seconds), (b"x".to_vec(), 13));
    let to_directory = built(|builder| {
        full(builder);
        link(builder, EntryType::Link, "h", "d");
    });
    assert!(matches!(fault(&to_directory), ArchiveFault::LinkToNothing { target } if target.to_string() == "/d"));
    // The root has no other name, and what is given to it is its own.
    let root = scan(&built(|builder| directory(builder, "./"))).unwrap();
    assert_eq!((node(&root, "/").stat.mode, node(&root, "/").stat.mtime.seconds), (0o4755, 13));
    let root = built(|builder| {
        builder.append_pax_extensions([("path", &b"/"[..])]).unwrap();
        link(builder, EntryType::Symlink, "x", "y");
    });
    assert_eq!(fault(&root), ArchiveFault::RootIsNoDirectory);
}

#[test]
fn an_archive_ends_with_zeros_and_describes_nothing_at_its_end() {
    let whole = built(|builder| file(builder, "a", b"x"));
    assert_eq!(whole.len(), 2048);
    let parts = |parts: &[&[u8]]| scan(&parts.concat()).map(|tree| tree.walk().count());
    let (member, zeros) = whole.split_at(1024);
    assert_eq!(parts(&[member, zeros]).unwrap(), 2);
    assert_eq!(parts(&[member, &zeros[..512]]).unwrap(), 2);
    assert_eq!(parts(&[member, zeros, member]).unwrap(), 2);
    assert_eq!(parts(&[zeros]).unwrap(), 1);
    assert_eq!(fault(&[member, &zeros[..512], member].concat()), ArchiveFault::DataAfterEnd);
    assert_eq!(fault(member), ArchiveFault::Truncated);
    assert_eq!(fault(&member[..512]), ArchiveFault::Truncated);
    let long = built(|builder| file(builder, &"n/".repeat(100), b""));
    let target = built(|builder| link(builder, EntryType::Symlink, "s", &"t".repeat(200)));
    let records = built(|builder| builder.append_pax_extensions([("mtime", &b"1"[..])]).unwrap());
    // Each has a header and its content, and no member.
    for described in [long, target, records] {
        assert_eq!(fault(&[&described[..1024], zeros].concat()), ArchiveFault::Truncated);
    }
    // The label of a volume names no file.
    let label = built(|builder| builder.append(&labelled(), &b""[..]).unwrap());
    assert_eq!(parts(&[&label[..512], member, zeros]).unwrap(), 2);
}

fn labelled() -> Header {
    let mut header = header(EntryType::new(b'V'), 1);
    header.set_path("label").unwrap();
    header.set_cksum();
    header
}

#[test]
fn an_error_says_where_in_the_archive_it_is() {
    let bytes = built(|builder| {
        file(builder, "first", b"x");
        link(builder, EntryType::Link, "second", "gone");
    });
    match scan(&bytes) {
        Err(Error::Tar { offset, entry, .. }) => assert_eq!((offset, entry.as_deref()), (1024, Some("second"))),
        other => panic!("{other:?}"),
    }
    let mut damaged = bytes;
    damaged[1024] ^= 1;
    match scan(&damaged) {
        Err(Error::Tar { offset, entry, fault, .. }) => {
            assert_eq!((offset, entry, fault), (1024, None, ArchiveFault::BadChecksum));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_way_of_compression_is_known_by_its_first_bytes() {
    for (bytes, format) in [
        (&b"\x28\xb5\x2f\xfd"[..], "zstd"),
        (b"\x1f\x8b", "gzip"),
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh", "bzip2"),
        (b"\x04\x22\x4d\x18", "lz4"),
    ] {
        for size in [bytes.len(), 600] {
            let mut content = bytes.to_vec();
            content.resize(size, 0);
            assert!(matches!(scan(&content), Err(Error::Compressed { format: found, .. }) if found == format));
        }
    }
    assert!(matches!(scan(&[0; 511]), Err(Error::NotARootfs { .. })));
    assert_eq!(scan(&[0; 512]).unwrap().walk().count(), 1);
}
