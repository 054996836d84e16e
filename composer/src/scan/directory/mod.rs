//! A directory of the host as a tree.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use host::{Dir, Links, memory};
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree, Xattrs};
use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, RawDir};
use rustix::io::Errno;

use super::source::{Folder, gone};
use super::{HostFile, Options, Source, XattrFilter};
use crate::Error;

/// How many directories are listed before their entries are put into the tree, while the next as
/// many are listed. It bounds what is in memory twice; the result does not depend on it.
const BATCH: usize = 256;

/// The room for names that the kernel gives at once, in bytes.
const NAMES: usize = 32 << 10;

/// Reads the directory `path`, following a symbolic link there but none below.
///
/// Names of one inode become one node. File systems mounted below `path` are read as part of it:
/// a root file system may be put together from mounts. The result depends neither on the order in
/// which the kernel lists names nor on the number of threads.
///
/// # Errors
/// When something cannot be read, for want of rights or because it vanished meanwhile; the error
/// names the path.
pub fn directory(path: &Path, options: &Options) -> Result<Tree<Source>, Error> {
    below(Dir::open(path)?, options)
}

/// As [`directory`], for one that is open. Everything below it is reached from its descriptor, now and when
/// contents are read: whoever puts a link into the place of a directory makes the scan fail, and leads
/// no one out.
///
/// # Errors
/// As there.
pub fn below(root: Dir, options: &Options) -> Result<Tree<Source>, Error> {
    let status = rustix::fs::fstat(&root).map_err(|errno| Error::io("stat", root.path())(errno.into()))?;
    let top = Arc::new(Folder { root: Arc::new(root), path: PathBuf::new() });
    let stat = Looker::new(Arc::clone(&top), top.root.as_fd(), &options.xattrs).stat(&status, c"")?;
    let mut scan = Assembly { tree: Tree::new(stat), inodes: HashMap::new() };
    let mut level = vec![Place { id: NodeId::ROOT, folder: top }];
    // One level of directories after the other, and the nodes are numbered in the order of the names.
    while !level.is_empty() {
        level = scan.level(&level, &options.xattrs)?;
    }
    Ok(scan.tree)
}

/// A directory that has a node, but no entries yet.
struct Place {
    id: NodeId,
    folder: Arc<Folder>,
}

/// One name of a directory.
struct Found {
    name: Box<[u8]>,
    node: Node<Source>,
    /// The inode's identity, where other names may lead to it.
    shared: Option<(u64, u64)>,
}

/// The names of a directory, sorted.
type Listing = Result<Vec<Found>, Error>;

struct Assembly {
    tree: Tree<Source>,
    inodes: HashMap<(u64, u64), NodeId>,
}

impl Assembly {
    /// Reads the directories of one level and gives those of the next.
    fn level(&mut self, level: &[Place], filter: &XattrFilter) -> Result<Vec<Place>, Error> {
        let mut below = Vec::new();
        let mut listed: (&[Place], Vec<Listing>) = (&[], Vec::new());
        for batch in level.chunks(BATCH).chain([&[][..]]) {
            let (places, listings) = listed;
            let insert =
                || places.iter().zip(listings).try_for_each(|(at, listing)| self.insert(at, listing?, &mut below));
            let (inserted, listings) = rayon::join(insert, || list_all(batch, filter));
            inserted?;
            listed = (batch, listings);
        }
        Ok(below)
    }

    /// Gives the directory `at` its entries, and those of them nodes that are new.
    fn insert(&mut self, at: &Place, listing: Vec<Found>, below: &mut Vec<Place>) -> Result<(), Error> {
        let mut entries = Vec::with_capacity(listing.len());
        for Found { name, node, shared } in listing {
            let known = shared.and_then(|identity| self.inodes.get(&identity).copied());
            let id = match known {
                Some(id) => id,
                None => {
                    let is_directory = node.is_directory();
                    let id = self.tree.add(node)?;
                    if is_directory {
                        let path = at.folder.path.join(OsStr::from_bytes(&name));
                        below.push(Place { id, folder: Arc::new(Folder { root: Arc::clone(&at.folder.root), path }) });
                    }
                    id
                }
            };
            if let Some(identity) = shared {
                self.inodes.insert(identity, id);
            }
            entries.push((name, id));
        }
        // The map is made of sorted names at once, which makes it smaller than one after the other.
        self.tree.node_mut(at.id).kind = Kind::Directory(Entries::from_iter(entries));
        Ok(())
    }
}

/// The entries of many directories, each at its directory's place.
fn list_all(places: &[Place], filter: &XattrFilter) -> Vec<Listing> {
    let room = || Vec::with_capacity(NAMES);
    places.par_iter().map_init(room, |room, place| list(place, filter, room)).collect()
}

/// The entries of one directory, sorted by name.
fn list(place: &Place, filter: &XattrFilter, room: &mut Vec<u8>) -> Listing {
    let Folder { root, path } = &*place.folder;
    let own;
    let directory = if place.id == NodeId::ROOT {
        &**root
    } else {
        // A link may have taken the directory's place since it was seen.
        own = root.directory(path, Links::Refuse).map_err(gone)?;
        &own
    };
    // Much is listed before any of it gets a node of the tree.
    if memory::is_scarce() {
        memory::ask(0).map_err(Error::io("list", directory.path()))?;
    }
    let mut entries = RawDir::new(directory, room.spare_capacity_mut());
    let mut looker = Looker::new(Arc::clone(&place.folder), directory.as_fd(), filter);
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(|errno| Error::io("list", directory.path())(errno.into()))?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            found.push(looker.look_at(entry.file_name())?);
        }
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Looks at the files of one directory.
struct Looker<'a> {
    folder: Arc<Folder>,
    directory: BorrowedFd<'a>,
    filter: &'a XattrFilter,
    /// The directory's path and a slash; behind them comes the name of one file after the other.
    path: Vec<u8>,
    /// The length of the directory's part of `path`.
    stem: usize,
}

impl<'a> Looker<'a> {
    fn new(folder: Arc<Folder>, directory: BorrowedFd<'a>, filter: &'a XattrFilter) -> Self {
        let path = folder.root.path().join(&folder.path);
        let path = [path.as_os_str().as_bytes(), b"/"].concat();
        Self { folder, directory, filter, stem: path.len(), path }
    }

    /// What an error about the file `name` names.
    fn name(&self, name: &CStr) -> PathBuf {
        self.folder.shown(OsStr::from_bytes(name.to_bytes()))
    }

    fn error(&self, action: &'static str, name: &CStr, errno: Errno) -> Error {
        Error::io(action, &self.name(name))(errno.into())
    }

    fn look_at(&mut self, name: &CStr) -> Result<Found, Error> {
        let status = rustix::fs::statat(self.directory, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.error("stat", name, errno))?;
        let stat = self.stat(&status, name)?;
        let kind = match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => Kind::Directory(Entries::new()),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(self.directory, name, Vec::new());
                let target = target.map_err(|errno| self.error("read the link", name, errno))?;
                Kind::Symlink(target.into_bytes().into_boxed_slice())
            }
            FileType::CharacterDevice => Kind::CharDevice(status.st_rdev),
            FileType::BlockDevice => Kind::BlockDevice(status.st_rdev),
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::RegularFile => {
                let size = u64::try_from(status.st_size).map_err(|_| self.error("stat", name, Errno::OVERFLOW))?;
                let file = HostFile::new(&self.folder, OsStr::from_bytes(name.to_bytes()), &status);
                Kind::Regular(Source::File {
                    file: file.ok_or_else(|| self.error("stat", name, Errno::OVERFLOW))?,
                    size,
                })
            }
            FileType::Unknown => return Err(self.error("stat", name, Errno::INVAL)),
        };
        let shared = status.st_nlink > 1 && !matches!(kind, Kind::Directory(_));
        let shared = shared.then_some((status.st_dev, status.st_ino));
        Ok(Found { name: Box::from(name.to_bytes()), node: Node { stat, kind }, shared })
    }

    fn stat(&mut self, status: &rustix::fs::Stat, name: &CStr) -> Result<Stat, Error> {
        let xattrs = self.xattrs(name);
        let overflow = || self.error("stat", name, Errno::OVERFLOW);
        Ok(Stat {
            mode: u16::try_from(status.st_mode & 0o7777).map_err(|_| overflow())?,
            uid: status.st_uid,
            gid: status.st_gid,
            mtime: Mtime {
                seconds: status.st_mtime,
                nanoseconds: u32::try_from(status.st_mtime_nsec).map_err(|_| overflow())?,
            },
            xattrs: xattrs.map_err(|errno| self.error("read the extended attributes of", name, errno))?,
        })
    }

    /// The attributes of the file itself, not of what a link leads to.
    ///
    /// By path, because the kernel gives them by descriptor for files only that may be opened. A path
    /// through `/proc/self/fd` begins at the descriptor, but takes longer: it is asked only where there
    /// is something to gain, so that no one gets a capability from elsewhere by moving a directory.
    fn xattrs(&mut self, name: &CStr) -> Result<Xattrs, Errno> {
        let mut found = Xattrs::new();
        if self.filter.keeps_none() {
            return Ok(found);
        }
        self.path.truncate(self.stem);
        self.path.extend_from_slice(name.to_bytes_with_nul());
        let path = CStr::from_bytes_with_nul(&self.path).map_err(|_| Errno::INVAL)?;
        if kept(path, self.filter)?.is_empty() {
            return Ok(found);
        }
        let mut path = format!("/proc/self/fd/{}/", self.directory.as_raw_fd()).into_bytes();
        path.extend_from_slice(name.to_bytes_with_nul());
        let path = CStr::from_bytes_with_nul(&path).map_err(|_| Errno::INVAL)?;
        for name in kept(path, self.filter)? {
            let value = all_of(|buffer| rustix::fs::lgetxattr(path, &*name, buffer))?;
            found.insert(name, value.into_boxed_slice());
        }
        Ok(found)
    }
}

/// The names of those attributes of the file at `path` that come into the tree.
fn kept(path: &CStr, filter: &XattrFilter) -> Result<Vec<Box<[u8]>>, Errno> {
    let mut small = [0; 512];
    // The first try needs no memory: nearly all files have no attributes at all.
    let large;
    let names = match rustix::fs::llistxattr(path, &mut small) {
        Ok(count) => &small[..count],
        Err(Errno::RANGE) => {
            large = all_of(|buffer| rustix::fs::llistxattr(path, buffer))?;
            &large
        }
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(errno) => return Err(errno),
    };
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty() && filter.keeps(name));
    Ok(names.map(Box::from).collect())
}

/// What `read` puts into a buffer of 64 KiB: Linux has at most that much of names and of one value.
fn all_of(read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 64 << 10];
    let count = read(&mut buffer)?;
    buffer.truncate(count);
    Ok(buffer)
}

#[cfg(test)]
mod tests;
