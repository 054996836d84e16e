//! A directory of the host as a tree.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Options, Source, XattrFilter};
use crate::Error;
use crate::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree, Xattrs};

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
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| Error::io("open", path)(errno.into()))?;
    let status = rustix::fs::fstat(&root).map_err(|errno| Error::io("stat", path)(errno.into()))?;
    // A trailing slash makes the attributes those of the directory even where `path` is a link.
    let stat = stat_of(&status, &path.join(""), &options.xattrs)?;
    let mut scan = Assembly { tree: Tree::new(stat), inodes: HashMap::new() };
    let mut level = vec![(NodeId::ROOT, path.to_owned())];
    // One level of directories after the other: those of a level are read at the same time, and
    // the nodes are numbered in the order of the names.
    while !level.is_empty() {
        let listings: Vec<Result<Vec<Found>, Error>> =
            level.par_iter().map(|(id, place)| list(place, *id == NodeId::ROOT, &options.xattrs)).collect();
        let mut below = Vec::new();
        for ((id, place), listing) in level.iter().zip(listings) {
            for found in listing? {
                scan.insert(*id, place, found, &mut below)?;
            }
        }
        level = below;
    }
    Ok(scan.tree)
}

/// One name of a directory.
struct Found {
    name: Box<[u8]>,
    node: Node<Source>,
    /// The inode's identity, where other names may lead to it.
    shared: Option<(u64, u64)>,
}

struct Assembly {
    tree: Tree<Source>,
    inodes: HashMap<(u64, u64), NodeId>,
}

impl Assembly {
    fn insert(
        &mut self,
        directory: NodeId,
        place: &Path,
        found: Found,
        below: &mut Vec<(NodeId, PathBuf)>,
    ) -> Result<(), Error> {
        let known = found.shared.and_then(|identity| self.inodes.get(&identity).copied());
        let id = match known {
            Some(id) => id,
            None => {
                let is_directory = found.node.is_directory();
                let id = self.tree.add(found.node)?;
                if is_directory {
                    below.push((id, place.join(OsStr::from_bytes(&found.name))));
                }
                id
            }
        };
        if let Some(identity) = found.shared {
            self.inodes.insert(identity, id);
        }
        self.tree.link(directory, &found.name, id)?;
        Ok(())
    }
}

/// The entries of one directory, sorted by name.
fn list(place: &Path, is_root: bool, filter: &XattrFilter) -> Result<Vec<Found>, Error> {
    let at = |action, path: &Path, errno: Errno| Error::io(action, path)(errno.into());
    // Below the root a link may have taken the directory's place since it was seen.
    let follow = if is_root { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | follow;
    let descriptor = rustix::fs::open(place, flags, Mode::empty()).map_err(|errno| at("open", place, errno))?;
    let mut entries = Dir::read_from(&descriptor).map_err(|errno| at("list", place, errno))?;
    let mut found = Vec::new();
    while let Some(entry) = entries.read() {
        let entry = entry.map_err(|errno| at("list", place, errno))?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            found.push(look_at(&descriptor, place, entry.file_name(), filter)?);
        }
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn look_at(directory: &OwnedFd, place: &Path, name: &CStr, filter: &XattrFilter) -> Result<Found, Error> {
    let path = place.join(OsStr::from_bytes(name.to_bytes()));
    let io = |action: &'static str| {
        let path = &path;
        move |errno: Errno| Error::io(action, path)(errno.into())
    };
    let status = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io("stat"))?;
    let stat = stat_of(&status, &path, filter)?;
    let kind = match FileType::from_raw_mode(status.st_mode) {
        FileType::Directory => Kind::Directory(Entries::new()),
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(directory, name, Vec::new()).map_err(io("read the link"))?;
            Kind::Symlink(target.into_bytes().into_boxed_slice())
        }
        FileType::CharacterDevice => Kind::CharDevice(status.st_rdev),
        FileType::BlockDevice => Kind::BlockDevice(status.st_rdev),
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::RegularFile => {
            let size = u64::try_from(status.st_size).map_err(|_| io("stat")(Errno::OVERFLOW))?;
            Kind::Regular(Source::File { path: path.clone(), size })
        }
        FileType::Unknown => return Err(io("stat")(Errno::INVAL)),
    };
    let shared = status.st_nlink > 1 && !matches!(kind, Kind::Directory(_));
    let shared = shared.then_some((status.st_dev, status.st_ino));
    Ok(Found { name: Box::from(name.to_bytes()), node: Node { stat, kind }, shared })
}

fn stat_of(status: &rustix::fs::Stat, path: &Path, filter: &XattrFilter) -> Result<Stat, Error> {
    let overflow = || Error::io("stat", path)(Errno::OVERFLOW.into());
    Ok(Stat {
        mode: u16::try_from(status.st_mode & 0o7777).map_err(|_| overflow())?,
        uid: status.st_uid,
        gid: status.st_gid,
        mtime: Mtime {
            seconds: status.st_mtime,
            nanoseconds: u32::try_from(status.st_mtime_nsec).map_err(|_| overflow())?,
        },
        xattrs: xattrs(path, filter).map_err(|source| Error::io("read the extended attributes of", path)(source))?,
    })
}

/// The attributes of `path` itself, not of what a link leads to.
fn xattrs(path: &Path, filter: &XattrFilter) -> io::Result<Xattrs> {
    let mut found = Xattrs::new();
    let mut small = [0; 512];
    // The first try needs no memory: nearly all files have no attributes at all.
    let large;
    let names = match rustix::fs::llistxattr(path, &mut small) {
        Ok(count) => &small[..count],
        Err(Errno::RANGE) => {
            large = growing(|buffer| rustix::fs::llistxattr(path, buffer))?;
            &large
        }
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(found),
        Err(errno) => return Err(errno.into()),
    };
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty() && filter.keeps(name)) {
        let value = growing(|buffer| rustix::fs::lgetxattr(path, name, buffer))?;
        found.insert(Box::from(name), value.into_boxed_slice());
    }
    Ok(found)
}

/// Calls `read` with larger and larger buffers. Linux has at most 64 KiB of names and of one value.
/// The call that asks for the size first would need the loop, too, and rustix gives nothing for an
/// empty buffer.
fn growing(read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 1024];
    loop {
        match read(&mut buffer) {
            Ok(count) => {
                buffer.truncate(count);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 8, 0),
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests;
