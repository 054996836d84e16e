//! A tar archive is the tree that `tar -x` makes of it in an empty directory, or both refuse it. Needs root.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use composer::scan::{self, Options, Source};
use image::tree::{Kind, NodeId, Tree};
use tar::{Builder, EntryType, Header};

/// Path, mode, owner, kind with content, and which names are one inode; directories' times are of the unpacking.
fn listing(tree: &Tree<Source>) -> Vec<String> {
    let mut first: BTreeMap<NodeId, String> = BTreeMap::new();
    let mut lines = Vec::new();
    for (path, id, node) in tree.walk().skip(1) {
        let inode = first.entry(id).or_insert_with(|| path.to_string()).clone();
        let kind = match &node.kind {
            Kind::Directory(_) => "directory".to_owned(),
            Kind::Regular(source) => format!("file {:?}", source.read(1 << 26).unwrap()),
            other => format!("{other:?}"),
        };
        lines.push(format!("{path} {:o} {} {} {inode} {kind}", node.stat.mode, node.stat.uid, node.stat.gid));
    }
    lines
}

/// Unpacks `archive` by GNU tar, and compares.
fn agree(name: &str, archive: &Path) {
    let unpacked = tempfile::tempdir().unwrap();
    let mut command = testkit::peer("tar");
    command.args(["--numeric-owner", "-xpf"]).arg(archive).arg("-C").arg(unpacked.path());
    let status = command.output().unwrap().status;
    match scan::archive(archive, &Options::default()) {
        Ok(tree) => {
            assert!(status.success(), "{name}: tar refuses it");
            assert_eq!(
                listing(&tree),
                listing(&scan::directory(unpacked.path(), &Options::default()).unwrap()),
                "{name}"
            );
        }
        Err(error) => assert!(!status.success(), "{name}: tar takes it, we say {error:?}"),
    }
}

/// A member: its type, name, target, and content.
type Item = (EntryType, &'static str, &'static str, &'static [u8]);

fn written(items: &[Item]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, target, content) in items {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(if *kind == EntryType::Symlink { 0o644 } else { 0o755 });
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(9);
        header.set_size(content.len() as u64);
        if target.is_empty() {
            builder.append_data(&mut header, name, *content).unwrap();
        } else {
            header.set_size(0);
            builder.append_link(&mut header, name, target).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

#[test]
fn links_lead_where_tar_follows_them() {
    const D: EntryType = EntryType::Directory;
    const F: EntryType = EntryType::Regular;
    const S: EntryType = EntryType::Symlink;
    const L: EntryType = EntryType::Link;
    let usr: [Item; 2] = [(D, "usr/", "", b""), (D, "usr/lib/", "", b"")];
    let cases: [(&str, &[Item]); 14] = [
        ("relative", &[(S, "lib", "usr/lib", b""), (F, "lib/x", "", b"x"), (D, "lib/d/", "", b"")]),
        ("a chain", &[(S, "lib", "usr/lib", b""), (S, "lib64", "lib", b""), (F, "lib64/x", "", b"x")]),
        ("dots and slashes", &[(S, "lib", ".//usr/./lib/", b""), (F, "lib/x", "", b"x")]),
        ("absolute", &[(S, "lib", "/usr/lib", b""), (F, "lib/x", "", b"x")]),
        ("upwards", &[(S, "usr/lib64", "../usr/lib", b""), (F, "usr/lib64/x", "", b"x")]),
        ("dangling", &[(S, "lib", "usr/none", b""), (F, "lib/x", "", b"x")]),
        ("a circle", &[(S, "a", "b", b""), (S, "b", "a", b""), (F, "a/x", "", b"x")]),
        ("to a file", &[(F, "f", "", b"f"), (S, "a", "f", b""), (F, "a/x", "", b"x")]),
        ("a directory over a link", &[(S, "lib", "usr", b""), (D, "lib/", "", b""), (F, "lib/x", "", b"x")]),
        ("a file over a link", &[(F, "usr/f", "", b"f"), (S, "a", "usr/f", b""), (F, "a", "", b"new")]),
        (
            "hard through links",
            &[(F, "usr/f", "", b"f"), (S, "l", "usr", b""), (L, "g", "l/f", b""), (L, "l/h", "g", b"")],
        ),
        ("hard to a link", &[(S, "s", "../x", b""), (L, "g", "s", b""), (S, "t", "usr", b""), (L, "u", "t", b"")]),
        ("hard to itself", &[(F, "f", "", b"f"), (L, "f", "f", b"")]),
        ("hard to what comes later", &[(L, "g", "f", b""), (F, "f", "", b"f")]),
    ];
    for (name, items) in cases {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), written(&[&usr, items].concat())).unwrap();
        agree(name, file.path());
    }
}

#[test]
fn sparse_files_are_what_tar_makes_of_them_in_every_form() {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    fs::create_dir(&root).unwrap();
    let sparse = |name: &str, size: u64, data: &[(u64, &[u8])]| {
        let file = fs::File::create(root.join(name)).unwrap();
        file.set_len(size).unwrap();
        for (at, bytes) in data {
            std::os::unix::fs::FileExt::write_all_at(&file, bytes, *at).unwrap();
        }
    };
    let many: Vec<(u64, &[u8])> = (0..60).map(|number| (number * 65_536, &b"piece"[..])).collect();
    sparse("many", 4_000_001, &many);
    sparse("hole", 2_000_003, &[]);
    sparse("start", 1_000_000, &[(0, b"start")]);
    sparse("end", 1_000_007, &[(1_000_000, b"the end")]);
    sparse("plain", 5, &[(0, b"plain")]);
    fs::hard_link(root.join("many"), root.join("twin")).unwrap();
    for (program, flags) in [
        ("tar", ["--format=gnu", "-S"].as_slice()),
        ("tar", ["--format=pax", "-S", "--sparse-version=0.0"].as_slice()),
        ("tar", ["--format=pax", "-S", "--sparse-version=0.1"].as_slice()),
        ("tar", ["--format=pax", "-S", "--sparse-version=1.0"].as_slice()),
        ("bsdtar", ["--format=pax", "--read-sparse"].as_slice()),
    ] {
        let archive = work.path().join("a.tar");
        testkit::run(testkit::peer(program).args(flags).arg("-cf").arg(&archive).arg("-C").arg(&root).arg("."));
        assert!(fs::metadata(&archive).unwrap().len() < 2_000_000, "{program} {flags:?} made no sparse archive");
        agree(&format!("{program} {flags:?}"), &archive);
    }
}
