//! A tree becomes a directory: owners, modes, times, extended attributes, links and hard links are kept.
//!
//! Devices are not made, but for the one that an overlay takes for "nothing is here": what a program finds below `/dev`
//! is the machine's. Nor are the attributes by which an overlay finds its way written: a tree could lead it elsewhere.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use host::Dir;
use image::composefs::{Entry, Stored as _};
use image::object::Objects;
use image::tree::{Kind, NodeId, Stat, Tree};
use image::verity;
use model::ImagePath;
use rustix::fs::{AtFlags, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};

use crate::Error;

/// How deep a directory may be: as deep as those that a run removes again.
const DEPTH: u32 = 250;

/// How much of a content is read at once, in bytes.
const CHUNK: usize = 256 << 10;

/// Attributes that an overlay acts on.
const OF_OVERLAYS: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// What was written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// How many files, links and directories.
    pub entries: u64,
    /// Devices and sockets, which were not made.
    pub left_out: Vec<ImagePath>,
}

/// Writes `tree` into the empty directory `into`; `content` writes the content of a regular file.
///
/// # Errors
/// When something cannot be written with the owner and mode that it has, or `content` fails.
pub fn unpack<C>(
    tree: &Tree<C>,
    into: &Dir,
    content: &mut dyn FnMut(&ImagePath, &C, &mut File) -> Result<(), Error>,
) -> Result<Unpacked, Error> {
    let mut writer = Writer { tree, root: into, content, links: HashMap::new(), done: Unpacked::default() };
    writer.fill(into, NodeId::ROOT, &ImagePath::root(), DEPTH)?;
    attributes(into, tree.node(NodeId::ROOT), into)?;
    Ok(writer.done)
}

/// Makes everything in `tree` belong to who runs this, without extended attributes: what a user without rights can write
/// out and remove again, and what is root's to programs that run in it in a user namespace.
pub fn disown<C>(tree: &mut Tree<C>) {
    let ids: Vec<NodeId> = tree.walk().map(|(_, id, _)| id).collect();
    for id in ids {
        let is_directory = tree.node(id).is_directory();
        let stat = &mut tree.node_mut(id).stat;
        stat.mode |= if is_directory { 0o700 } else { 0 };
        stat.uid = rustix::process::geteuid().as_raw();
        stat.gid = rustix::process::getegid().as_raw();
        stat.xattrs = Default::default();
    }
}

/// Writes the content of a file of a module, which must be what the image says.
///
/// # Errors
/// When an object is missing or damaged, or the file cannot be written.
pub fn checked_content(path: &ImagePath, entry: &Entry, objects: &dyn Objects, out: &mut File) -> Result<(), Error> {
    let write = |out: &mut File, bytes: &[u8]| {
        out.write_all(bytes).map_err(Error::io("write", std::path::Path::new(OsStr::from_bytes(path.as_bytes()))))
    };
    match entry {
        Entry::Empty => Ok(()),
        Entry::Inline(bytes) => write(out, bytes),
        Entry::Object { size, digest } => {
            let extent = objects.locate(digest, *size)?;
            let (mut hasher, mut buffer) = (verity::Hasher::new(), vec![0; CHUNK]);
            let mut done = 0;
            while done < *size {
                let length = usize::try_from(*size - done).unwrap_or(CHUNK).min(CHUNK);
                let part = &mut buffer[..length];
                let read = extent.file.read_exact_at(part, extent.offset + done);
                read.map_err(Error::io("read", std::path::Path::new(&*digest.object_path())))?;
                hasher.update(part);
                write(out, part)?;
                done += length as u64;
            }
            if hasher.finish() == *digest { Ok(()) } else { Err(Error::Digest { path: path.clone() }) }
        }
        // Only others make such, and their images are never run.
        Entry::Backing(_) => match entry.verity() {
            Some(digest) => Err(image::Error::MissingObject { digest: *digest, size: entry.size() }.into()),
            None => Err(Error::Digest { path: path.clone() }),
        },
    }
}

/// Copies what `from` gives to `out`, and gives how many bytes that was.
///
/// # Errors
/// When one cannot be read or the other written.
pub fn copy(from: &mut dyn std::io::Read, out: &mut File, path: &ImagePath) -> Result<u64, Error> {
    let shown = PathBuf::from(OsStr::from_bytes(path.as_bytes()));
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(done),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::io("read", &shown)(error)),
        };
        out.write_all(&buffer[..count]).map_err(Error::io("write", &shown))?;
        done += count as u64;
    }
}

struct Writer<'a, C> {
    tree: &'a Tree<C>,
    root: &'a Dir,
    content: &'a mut dyn FnMut(&ImagePath, &C, &mut File) -> Result<(), Error>,
    /// The first name of each file that has been written.
    links: HashMap<NodeId, PathBuf>,
    done: Unpacked,
}

impl<C> Writer<'_, C> {
    fn fill(&mut self, directory: &Dir, id: NodeId, path: &ImagePath, depth: u32) -> Result<(), Error> {
        let depth = depth.checked_sub(1).ok_or_else(|| Error::TooDeep { path: path.clone(), limit: DEPTH })?;
        let tree = self.tree;
        for (name, child) in tree.node(id).entries().into_iter().flatten() {
            let Ok(below) = path.join(name) else { continue };
            self.write(directory, OsStr::from_bytes(name), *child, &below, depth)?;
        }
        Ok(())
    }

    fn write(&mut self, directory: &Dir, name: &OsStr, id: NodeId, path: &ImagePath, depth: u32) -> Result<(), Error> {
        let node = self.tree.node(id);
        let shown = directory.join(name);
        self.done.entries += 1;
        match &node.kind {
            Kind::Directory(_) => {
                let below = directory.create_directory(name, 0o700)?;
                self.fill(&below, id, path, depth)?;
                return attributes(&below, node, &below);
            }
            Kind::Regular(content) => {
                if let Some(first) = self.links.get(&id) {
                    let linked = rustix::fs::linkat(self.root, first, directory, name, AtFlags::empty());
                    return linked.map_err(Error::io("link", &shown));
                }
                let mut file = directory.create(name, 0o600)?;
                (self.content)(path, content, &mut file)?;
                let relative = OsStr::from_bytes(path.relative());
                self.links.insert(id, PathBuf::from(relative));
                return attributes(&file, node, directory);
            }
            Kind::Symlink(target) => {
                let made = rustix::fs::symlinkat(OsStr::from_bytes(target), directory, name);
                made.map_err(Error::io("make the link", &shown))?;
            }
            Kind::CharDevice(0) => node_at(directory, name, FileType::CharacterDevice)?,
            Kind::Fifo => node_at(directory, name, FileType::Fifo)?,
            Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Socket => {
                self.done.left_out.push(path.clone());
                return Ok(());
            }
        }
        by_name(directory, name, &node.stat, matches!(node.kind, Kind::Symlink(_)))
    }
}

fn node_at(directory: &Dir, name: &OsStr, kind: FileType) -> Result<(), Error> {
    let made = rustix::fs::mknodat(directory, name, kind, Mode::RUSR | Mode::WUSR, 0);
    made.map_err(Error::io("make", &directory.join(name)))
}

fn times(stat: &Stat) -> Timestamps {
    let time = Timespec {
        tv_sec: stat.mtime.seconds,
        // Below one billion.
        tv_nsec: stat.mtime.nanoseconds.into(),
    };
    Timestamps { last_access: time, last_modification: time }
}

/// Owner, attributes, mode and time of an open file or directory; `shown` is where it is.
fn attributes<C>(file: impl std::os::fd::AsFd, node: &image::tree::Node<C>, shown: &Dir) -> Result<(), Error> {
    let stat = &node.stat;
    let (uid, gid) = (Uid::from_raw(stat.uid), Gid::from_raw(stat.gid));
    rustix::fs::fchown(&file, Some(uid), Some(gid)).map_err(Error::io("set the owner of a file in", shown.path()))?;
    for (name, value) in &stat.xattrs {
        if OF_OVERLAYS.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let set = rustix::fs::fsetxattr(&file, OsStr::from_bytes(name), value, XattrFlags::empty());
        set.map_err(Error::io("set an attribute of a file in", shown.path()))?;
    }
    let mode = Mode::from_raw_mode(u32::from(stat.mode));
    rustix::fs::fchmod(&file, mode).map_err(Error::io("set the mode of a file in", shown.path()))?;
    rustix::fs::futimens(&file, &times(stat)).map_err(Error::io("set the time of a file in", shown.path()))
}

/// The same of what cannot be opened: links, whose mode says nothing, and pipes.
fn by_name(directory: &Dir, name: &OsStr, stat: &Stat, is_link: bool) -> Result<(), Error> {
    let shown = directory.join(name);
    let (uid, gid) = (Uid::from_raw(stat.uid), Gid::from_raw(stat.gid));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(directory, name, Some(uid), Some(gid), flags).map_err(Error::io("set the owner of", &shown))?;
    if !is_link {
        let mode = Mode::from_raw_mode(u32::from(stat.mode));
        let set = rustix::fs::chmodat(directory, name, mode, AtFlags::empty());
        set.map_err(Error::io("set the mode of", &shown))?;
    }
    rustix::fs::utimensat(directory, name, &times(stat), flags).map_err(Error::io("set the time of", &shown))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

    use image::object::Extent;
    use image::tree::{Entries, Mtime, Node};
    use model::VerityDigest;

    use super::*;

    /// A tree of this user's own, so that the test needs no rights.
    fn tree() -> Tree<&'static str> {
        let own = |mode| Stat {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            ..Stat::root_owned(mode, Mtime { seconds: 1_700_000_000, nanoseconds: 5 })
        };
        let mut tree = Tree::new(own(0o755));
        let mut add = |path: &str, mode, kind| {
            let path = ImagePath::new(path).unwrap();
            let parent = tree.lookup(&path.parent().unwrap()).unwrap();
            let id = tree.add(Node { stat: own(mode), kind }).unwrap();
            tree.link(parent, path.file_name().unwrap(), id).unwrap();
            id
        };
        add("/d", 0o2750, Kind::Directory(Entries::new()));
        let file = add("/d/file", 0o4711, Kind::Regular("content"));
        add("/link", 0o777, Kind::Symlink(Box::from(&b"../d/file"[..])));
        add("/pipe", 0o600, Kind::Fifo);
        add("/device", 0o600, Kind::CharDevice(259));
        add("/socket", 0o600, Kind::Socket);
        tree.link(NodeId::ROOT, b"twin", file).unwrap();
        tree
    }

    #[test]
    fn a_tree_comes_out_with_modes_times_and_links_and_without_devices() {
        let folder = tempfile::tempdir().unwrap();
        let into = Dir::open(folder.path()).unwrap();
        let done =
            unpack(&tree(), &into, &mut |path, text, out| copy(&mut text.as_bytes(), out, path).map(drop)).unwrap();
        let left_out: Vec<String> = done.left_out.iter().map(ToString::to_string).collect();
        assert_eq!((done.entries, left_out), (7, vec!["/device".to_owned(), "/socket".to_owned()]));
        let at = |path: &str| fs::symlink_metadata(folder.path().join(path)).unwrap();
        assert_eq!(at("d").mode() & 0o7777, 0o2750);
        assert_eq!((at("d/file").mode() & 0o7777, at("d/file").nlink()), (0o4711, 2));
        assert_eq!(at("twin").ino(), at("d/file").ino());
        assert_eq!(fs::read_link(folder.path().join("link")).unwrap().to_str(), Some("../d/file"));
        assert!(at("pipe").file_type().is_fifo());
        for path in ["", "d", "d/file", "link", "pipe"] {
            assert_eq!((at(path).mtime(), at(path).mtime_nsec()), (1_700_000_000, 5), "{path}");
        }
        assert_eq!(fs::read_to_string(folder.path().join("twin")).unwrap(), "content");
    }

    #[test]
    fn what_is_disowned_can_be_written_and_removed_by_who_runs_this() {
        let mut tree = tree();
        for (path, uid, mode) in [("/d", 4000, 0o2550), ("/d/file", 0, 0o4000)] {
            let id = tree.lookup(&ImagePath::new(path).unwrap()).unwrap();
            let stat = &mut tree.node_mut(id).stat;
            (stat.uid, stat.mode) = (uid, mode);
        }
        disown(&mut tree);
        let own = rustix::process::geteuid().as_raw();
        assert!(tree.walk().all(|(_, _, node)| node.stat.uid == own && node.stat.xattrs.is_empty()));
        let mode = |path: &str| tree.node(tree.lookup(&ImagePath::new(path).unwrap()).unwrap()).stat.mode;
        assert_eq!((mode("/d"), mode("/d/file")), (0o2750, 0o4000));
    }

    #[test]
    fn directories_without_end_are_refused() {
        let mut tree: Tree<&str> = tree();
        let mut at = NodeId::ROOT;
        for _ in 0..=DEPTH {
            let node = Node { stat: tree.node(NodeId::ROOT).stat.clone(), kind: Kind::Directory(Entries::new()) };
            let id = tree.add(node).unwrap();
            tree.link(at, b"x", id).unwrap();
            at = id;
        }
        let folder = tempfile::tempdir().unwrap();
        let into = Dir::open(folder.path()).unwrap();
        let done = unpack(&tree, &into, &mut |path, text, out| copy(&mut text.as_bytes(), out, path).map(drop));
        assert!(matches!(done, Err(Error::TooDeep { .. })), "{done:?}");
    }

    /// An object that is another one than its name says.
    struct One(Vec<u8>);

    impl Objects for One {
        fn locate(&self, _digest: &VerityDigest, _size: u64) -> Result<Extent, image::Error> {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&self.0).unwrap();
            Ok(Extent { file: std::sync::Arc::new(file), offset: 0 })
        }
    }

    #[test]
    fn a_content_that_is_not_what_its_image_says_is_refused() {
        let content = vec![7; 300_000];
        let path = ImagePath::new("/x").unwrap();
        let entry = Entry::Object { size: content.len() as u64, digest: verity::digest(&content) };
        let written = |objects: &One| {
            let mut out = tempfile::tempfile().unwrap();
            checked_content(&path, &entry, objects, &mut out).map(|()| out.metadata().unwrap().len())
        };
        assert_eq!(written(&One(content.clone())).unwrap(), 300_000);
        let mut other = content.clone();
        other[299_999] = 8;
        assert!(matches!(written(&One(other)), Err(Error::Digest { .. })));
        assert!(written(&One(content[..1000].to_vec())).is_err());
    }
}
