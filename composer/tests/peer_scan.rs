//! A directory and the archives that GNU tar and bsdtar make of it are one tree to us. Needs root.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use composer::scan::{self, Options, Source, XattrFilter};
use image::tree::{Kind, Mtime, NodeId, Stat, Tree};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use testkit::Random;

/// All that two trees must agree in: path, stat, kind with content, and which names are one inode.
fn listing(tree: &Tree<Source>) -> Vec<(String, Stat, String)> {
    let mut first: BTreeMap<NodeId, String> = BTreeMap::new();
    let mut lines = Vec::new();
    for (path, id, node) in tree.walk() {
        let inode = first.entry(id).or_insert_with(|| path.to_string()).clone();
        let kind = match &node.kind {
            Kind::Directory(_) => "directory".to_owned(),
            Kind::Regular(source) => format!("file {:?}", source.read(1 << 20).unwrap()),
            other => format!("{other:?}"),
        };
        lines.push((path.to_string(), node.stat.clone(), format!("{inode} {kind}")));
    }
    lines
}

fn name(random: &mut Random, number: usize) -> Vec<u8> {
    let odd: [&[u8]; 8] =
        [b"plain", b"two words", b"line\nbreak", b"\xff\xfe", b"-x", "ü".as_bytes(), b"a=b%3D", b"[*]\\"];
    let mut name = random.pick(&odd).to_vec();
    name.extend_from_slice(number.to_string().as_bytes());
    if random.one_in(6) {
        name.resize(200, b'l');
        name.extend_from_slice(number.to_string().as_bytes());
    }
    name
}

/// Fills `root` and gives back how often each special thing was made.
fn random_tree(random: &mut Random, root: &Path) -> BTreeMap<&'static str, u32> {
    let mut made = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    let mut all = vec![root.to_owned()];
    for number in 0..80 {
        let bytes = name(random, number);
        let path = random.pick(&directories).join(OsStr::from_bytes(&bytes));
        let node = |kind, device| {
            rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(0o640), device).unwrap();
        };
        let kind = match random.below(10) {
            0 | 1 => {
                fs::create_dir(&path).unwrap();
                directories.push(path.clone());
                "directory"
            }
            2 => {
                symlink(OsStr::from_bytes(&name(random, number)), &path).unwrap();
                "symlink"
            }
            3 if !files.is_empty() => {
                fs::hard_link(random.pick(&files), &path).unwrap();
                "hard link"
            }
            4 => {
                node(FileType::CharacterDevice, rustix::fs::makedev(5, 300));
                "device"
            }
            5 => {
                node(FileType::Fifo, 0);
                "fifo"
            }
            _ => {
                let size = usize::try_from(random.below(2000)).unwrap();
                fs::write(&path, random.bytes(size)).unwrap();
                files.push(path.clone());
                "file"
            }
        };
        *made.entry(kind).or_default() += 1;
        all.push(path);
    }
    // Bottom up, since making an entry changes its directory's time.
    for path in all.iter().rev() {
        decorate(random, path, &mut made);
    }
    made
}

fn decorate(random: &mut Random, path: &Path, made: &mut BTreeMap<&'static str, u32>) {
    let kind = fs::symlink_metadata(path).unwrap().file_type();
    let owners = [0, 33, 65_534, 70_000, 3_000_000, 4_000_000_000];
    lchown(path, Some(*random.pick(&owners)), Some(*random.pick(&owners))).unwrap();
    if !kind.is_symlink() {
        let mode = u32::try_from(random.below(0o10000)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut set = |what: &'static str, name: &str, value: &[u8]| {
        rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
        *made.entry(what).or_default() += 1;
    };
    if (kind.is_file() || kind.is_dir()) && random.one_in(3) {
        let size = usize::try_from(random.below(300)).unwrap() + 1;
        set("attribute", "user.some=%25thing", &random.bytes(size));
    }
    if kind.is_file() && random.one_in(3) {
        // Version 2, effective; the permitted set holds the bytes that pax separates records by.
        set("capability", "security.capability", b"\x01\0\0\x02\x0a\x3d\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }
    if (kind.is_file() || kind.is_dir()) && random.one_in(3) {
        let default = if kind.is_dir() { ["-d", "-m"].as_slice() } else { ["-m"].as_slice() };
        // A user whom no machine has by name, so that libarchive writes the number.
        testkit::run(Command::new("setfacl").args(default).arg("u:54321:rx,g:65432:r").arg("--").arg(path));
        *made.entry("access list").or_default() += 1;
    }
    let seconds = random.pick(&[0, 1, 1_700_000_000, -1, -5_000_000, 9_000_000_000]);
    let time = Timespec { tv_sec: *seconds, tv_nsec: i64::try_from(random.below(1_000_000_000)).unwrap() };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// libarchive writes 0.75 seconds before 1970 as `-1.25`: the rounded-down second, then the
/// nanoseconds, as if both had one sign. POSIX and GNU tar mean 1.25 seconds before 1970 by it.
fn as_libarchive_writes(time: Mtime) -> Mtime {
    match time.nanoseconds {
        1.. if time.seconds < 0 => Mtime { seconds: time.seconds - 1, nanoseconds: 1_000_000_000 - time.nanoseconds },
        _ => time,
    }
}

#[test]
fn a_directory_and_its_archives_are_one_tree() {
    let mut random = Random::from_environment();
    let options = Options { xattrs: XattrFilter::All };
    let mut made: BTreeMap<&str, u32> = BTreeMap::new();
    for round in 0..12 {
        let work = tempfile::tempdir().unwrap();
        let root = work.path().join("root");
        fs::create_dir(&root).unwrap();
        for (what, count) in random_tree(&mut random, &root) {
            *made.entry(what).or_default() += count;
        }
        let wanted = listing(&scan::directory(&root, &options).unwrap());
        for (program, flags) in [
            ("tar", ["--xattrs", "--xattrs-include=*", "--acls"].as_slice()),
            ("bsdtar", ["--xattrs", "--acls"].as_slice()),
        ] {
            let archive = work.path().join(program);
            let mut command = testkit::peer(program);
            command.args(flags).args(["--numeric-owner", "--format=pax", "-cf"]).arg(&archive).arg("-C").arg(&root);
            testkit::run(command.arg("."));
            let found = listing(&scan::rootfs(&archive, &options).unwrap());
            assert_eq!(found.len(), wanted.len(), "{program}, round {round}");
            for (found, wanted) in found.iter().zip(&wanted) {
                let mut wanted = wanted.clone();
                if program == "bsdtar" {
                    wanted.1.mtime = as_libarchive_writes(wanted.1.mtime);
                }
                assert_eq!(*found, wanted, "{program}, round {round}");
            }
        }
    }
    for what in
        ["directory", "symlink", "hard link", "device", "fifo", "file", "attribute", "capability", "access list"]
    {
        assert!(made.get(what).is_some_and(|count| *count > 0), "no {what} was made: {made:?}");
    }
}

#[test]
fn what_setcap_and_setfacl_leave_is_kept_by_default() {
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("f");
    fs::write(&file, "x").unwrap();
    testkit::run(Command::new("/usr/sbin/setcap").arg("cap_net_raw+ep").arg(&file));
    testkit::run(Command::new("setfacl").args(["-m", "u:33:r"]).arg(&file));
    testkit::run(Command::new("setfattr").args(["-n", "user.x", "-v", "1"]).arg(&file));
    let tree = scan::directory(work.path(), &Options::default()).unwrap();
    let stat = &tree.node(tree.lookup(&model::ImagePath::new("/f").unwrap()).unwrap()).stat;
    let names: Vec<&[u8]> = stat.xattrs.keys().map(|name| &**name).collect();
    assert_eq!(names, [&b"security.capability"[..], b"system.posix_acl_access"]);
}
