//! Trees on disk: made from a model, and scanned by the plainest road, so that the scan of the
//! product is not its own judge.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use image::composefs::{Entry, Stored};
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree, Xattrs};
use image::verity;
use model::VerityDigest;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, makedev};

/// Makes `tree` at `path`. What the file system does not take is left out: what counts is what a
/// scan finds then.
pub(crate) fn make(tree: &Tree<Entry>, path: &Path) {
    make_node(tree, NodeId::ROOT, path, &mut HashMap::new());
}

fn make_node(tree: &Tree<Entry>, id: NodeId, path: &Path, made: &mut HashMap<NodeId, PathBuf>) {
    let Node { stat, kind } = tree.node(id);
    if let Some(first) = made.get(&id) {
        fs::hard_link(first, path).unwrap();
        return;
    }
    made.insert(id, path.to_owned());
    let node = |kind, number: u64| {
        let device = makedev((number >> 8) as u32 & 0xfff, (number & 0xff) as u32 | (number >> 12) as u32 & 0xfff00);
        rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device).unwrap();
    };
    match kind {
        Kind::Directory(entries) => {
            fs::create_dir(path).unwrap();
            entries.iter().for_each(|(name, child)| make_node(tree, *child, &path.join(OsStr::from_bytes(name)), made));
        }
        Kind::Regular(entry) => {
            let size = usize::try_from(entry.size()).unwrap();
            let content = entry.inline().map_or_else(|| vec![size as u8; size], <[u8]>::to_vec);
            fs::write(path, content).unwrap();
        }
        Kind::Symlink(target) => std::os::unix::fs::symlink(OsStr::from_bytes(target), path).unwrap(),
        Kind::CharDevice(number) => node(FileType::CharacterDevice, *number),
        Kind::BlockDevice(number) => node(FileType::BlockDevice, *number),
        Kind::Fifo => node(FileType::Fifo, 0),
        Kind::Socket => node(FileType::Socket, 0),
    }
    std::os::unix::fs::lchown(path, Some(stat.uid), Some(stat.gid)).unwrap();
    if !matches!(kind, Kind::Symlink(_)) {
        rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(stat.mode.into()), AtFlags::empty()).unwrap();
    }
    for (name, value) in &stat.xattrs {
        let _ = rustix::fs::lsetxattr(path, OsStr::from_bytes(name), value, XattrFlags::empty());
    }
    let time = Timespec { tv_sec: stat.mtime.seconds, tv_nsec: stat.mtime.nanoseconds.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Scans the tree at `path`, hard links kept.
pub(crate) fn scan(path: &Path) -> Tree<Entry> {
    let mut tree = Tree::new(stat(path));
    let mut seen = HashMap::new();
    scan_into(&mut tree, NodeId::ROOT, path, &mut seen);
    tree
}

fn scan_into(tree: &mut Tree<Entry>, directory: NodeId, path: &Path, seen: &mut HashMap<(u64, u64), NodeId>) {
    for entry in fs::read_dir(path).unwrap() {
        let name = entry.unwrap().file_name();
        let path = path.join(&name);
        let metadata = fs::symlink_metadata(&path).unwrap();
        let inode = (metadata.dev(), metadata.ino());
        if let Some(known) = seen.get(&inode) {
            tree.link(directory, name.as_bytes(), *known).unwrap();
            continue;
        }
        let id = tree.add(Node { stat: stat(&path), kind: kind(&path, &metadata) }).unwrap();
        tree.link(directory, name.as_bytes(), id).unwrap();
        if metadata.is_dir() {
            scan_into(tree, id, &path, seen);
        } else if metadata.nlink() > 1 {
            seen.insert(inode, id);
        }
    }
}

fn kind(path: &Path, metadata: &fs::Metadata) -> Kind<Entry> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Kind::Directory(Entries::new())
    } else if kind.is_file() {
        let bytes = fs::read(path).unwrap();
        Kind::Regular(match bytes.len() {
            0 => Entry::Empty,
            1..=64 => Entry::Inline(bytes.into_boxed_slice()),
            _ => Entry::Object { size: bytes.len() as u64, digest: verity::digest(&bytes) },
        })
    } else if kind.is_symlink() {
        Kind::Symlink(fs::read_link(path).unwrap().as_os_str().as_bytes().into())
    } else if kind.is_char_device() {
        Kind::CharDevice(metadata.rdev())
    } else if kind.is_block_device() {
        Kind::BlockDevice(metadata.rdev())
    } else if kind.is_fifo() {
        Kind::Fifo
    } else {
        Kind::Socket
    }
}

fn stat(path: &Path) -> Stat {
    let metadata = fs::symlink_metadata(path).unwrap();
    let mut list = vec![0; 1 << 16];
    let length = rustix::fs::llistxattr(path, &mut list[..]).unwrap();
    let mut xattrs = Xattrs::new();
    for name in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap();
        xattrs.insert(name.into(), value[..length].into());
    }
    let mtime = Mtime { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() as u32 };
    Stat { mode: metadata.mode() as u16 & 0o7777, uid: metadata.uid(), gid: metadata.gid(), mtime, xattrs }
}

/// The content of some file below `path` that has this digest.
pub(crate) fn content(path: &Path, digest: &VerityDigest) -> Vec<u8> {
    let mut pending = vec![path.to_owned()];
    while let Some(path) = pending.pop() {
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap();
            if verity::digest(&bytes) == *digest {
                return bytes;
            }
        }
    }
    panic!("no file has the digest {digest}");
}

/// Removes the tree at `path`.
pub(crate) fn remove(path: &Path) {
    fs::remove_dir_all(path).unwrap();
}
