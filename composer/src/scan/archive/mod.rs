//! A tar archive as a tree, without extracting it.
//!
//! Read are ustar, pax and GNU archives, as documented in POSIX.1-2024 (`pax`), and in the manual of
//! GNU tar. Only headers are read: contents become [`Source::Range`]s of the open archive. The tree
//! is what `tar -x` makes in an empty directory, the last entry of a name winning. A path may lead
//! through links that the archive made before, as far as GNU tar follows them: a link with an absolute
//! target or with `..` is made after everything else there, so that nothing can be put below it. Names
//! with `..` are refused. A directory without an entry of its own, the top too, gets mode 0755, root as its
//! owner, and a time after all others: `tar -x` makes it when it runs, and what is newer than the build's epoch gets
//! the epoch, so that the archive and what it was unpacked to are one root file system.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::ImagePath;
use model::path::escape;
use tar::{EntryType, Header};

use super::header::{self, Member};
use super::pax::Records;
use super::sparse::{self, Map, Sparse};
use super::{ArchiveFault, ArchiveFile, Options, Source};
use crate::Error;

const BLOCK: u64 = 512;
/// The time of a directory that the archive does not say.
const LATEST: Mtime = Mtime { seconds: i64::MAX, nanoseconds: 0 };
/// The largest extended header: pax records or a long name. A few 64 KiB attributes fit.
const MAX_EXTENSION: u64 = 4 << 20;
/// The most inodes. A long path makes many directories from few bytes, so that the archive's size
/// alone does not bound them.
const MAX_NODES: usize = 8_000_000;
/// The most links on the way to one member, as in Linux.
const MAX_LINKS: u32 = 40;

/// Reads the tar archive at `path`.
///
/// # Errors
/// When the file cannot be read, is compressed, is no tar, is cut short, or holds what cannot be
/// kept: several volumes, entries below a link that leads out of the archive, links to nothing.
pub fn archive(path: &Path, options: &Options) -> Result<Tree<Source>, Error> {
    let file = match host::open::file(path) {
        Err(host::Error::Place { fault: host::Fault::NotAFile(_), path }) => return Err(Error::NotARootfs { path }),
        opened => opened?,
    };
    opened_archive(ArchiveFile::new(path.to_owned(), file)?, options)
}

/// Reads the tar archive that `archive` holds open.
///
/// # Errors
/// As [`archive()`].
pub fn opened_archive(archive: ArchiveFile, options: &Options) -> Result<Tree<Source>, Error> {
    let path = archive.path().to_owned();
    let mut reader = Reader::new(archive, options);
    match reader.read_all() {
        Ok(()) => Ok(reader.tree),
        Err(Failure::Error(error)) => Err(error),
        Err(Failure::Fault(fault)) => {
            Err(Error::Tar { path, offset: reader.header_at, entry: reader.entry.as_deref().map(escape), fault })
        }
    }
}

/// What stops the reading. The place is added where the reading was started.
enum Failure {
    Error(Error),
    Fault(ArchiveFault),
}

impl From<ArchiveFault> for Failure {
    fn from(fault: ArchiveFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<image::tree::TreeError> for Failure {
    fn from(error: image::tree::TreeError) -> Self {
        Self::Error(error.into())
    }
}

/// What headers said about the member that comes next.
#[derive(Default)]
struct Pending {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    local: Option<Records>,
}

struct Reader<'o> {
    archive: Arc<ArchiveFile>,
    length: u64,
    position: u64,
    options: &'o Options,
    global: Records,
    tree: Tree<Source>,
    /// Where the header in hand begins, for errors.
    header_at: u64,
    /// The entry in hand, for errors.
    entry: Option<Vec<u8>>,
}

impl<'o> Reader<'o> {
    fn new(archive: ArchiveFile, options: &'o Options) -> Self {
        Self {
            length: archive.length(),
            archive: Arc::new(archive),
            position: 0,
            options,
            global: Records::default(),
            tree: Tree::new(Stat::root_owned(0o755, LATEST)),
            header_at: 0,
            entry: None,
        }
    }

    fn read_all(&mut self) -> Result<(), Failure> {
        self.check_magic()?;
        let mut pending = Pending::default();
        loop {
            self.header_at = self.position;
            self.entry = None;
            let mut header = Header::new_old();
            *header.as_mut_bytes() = self.block()?;
            if header.as_bytes().iter().all(|byte| *byte == 0) {
                let described = pending.long_name.is_some() || pending.long_link.is_some() || pending.local.is_some();
                return if described { Err(ArchiveFault::Truncated.into()) } else { self.check_end() };
            }
            header::check(&header)?;
            match header.entry_type() {
                EntryType::GNULongName => {
                    let name = self.extension(&header)?;
                    set_once(&mut pending.long_name, header::until_nul(&name).to_vec())?;
                }
                EntryType::GNULongLink => {
                    let name = self.extension(&header)?;
                    set_once(&mut pending.long_link, header::until_nul(&name).to_vec())?;
                }
                EntryType::XHeader => {
                    let records = Records::parse(&self.extension(&header)?)?;
                    set_once(&mut pending.local, records)?;
                }
                EntryType::XGlobalHeader => {
                    let records = Records::parse(&self.extension(&header)?)?;
                    self.global.merge_global(records)?;
                }
                // A volume's label, which names no file.
                kind if kind.as_byte() == b'V' => {}
                _ => {
                    let Pending { long_name, long_link, local } = std::mem::take(&mut pending);
                    let local = local.unwrap_or_default();
                    self.entry = Some(header::name(&header, long_name.as_deref(), &local));
                    let member =
                        Member::new(&header, long_name.as_deref(), long_link, &local, &self.global, self.options)?;
                    self.member(member)?;
                }
            }
        }
    }

    /// Tells a compressed file and one that is no tar at all from a damaged tar.
    fn check_magic(&self) -> Result<(), Failure> {
        let mut start = [0; 512];
        let count = self.length.min(BLOCK);
        let slice = &mut start[..usize::try_from(count).unwrap_or(0)];
        self.read_exact_at(slice, 0)?;
        for (magic, format, command) in COMPRESSED {
            if slice.starts_with(magic) {
                let path = self.archive.path().to_owned();
                return Err(Failure::Error(Error::Compressed { path, format, command }));
            }
        }
        let zeros = slice.iter().all(|byte| *byte == 0);
        let mut header = Header::new_old();
        *header.as_mut_bytes() = start;
        if count < BLOCK || !(zeros || header::check(&header).is_ok()) {
            return Err(Failure::Error(Error::NotARootfs { path: self.archive.path().to_owned() }));
        }
        Ok(())
    }

    /// The archive ends with two blocks of zeros. Data after one alone would be lost unnoticed.
    fn check_end(&mut self) -> Result<(), Failure> {
        if self.position == self.length {
            return Ok(());
        }
        let block = self.block()?;
        if block.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(ArchiveFault::DataAfterEnd.into()) }
    }

    fn block(&mut self) -> Result<[u8; 512], Failure> {
        if self.length.saturating_sub(self.position) < BLOCK {
            return Err(ArchiveFault::Truncated.into());
        }
        let mut block = [0; 512];
        self.read_exact_at(&mut block, self.position)?;
        self.position += BLOCK;
        Ok(block)
    }

    /// Steps over a content of `size` bytes, padded to blocks, and gives its offset.
    fn skip(&mut self, size: u64) -> Result<u64, Failure> {
        let offset = self.position;
        let end = offset.checked_add(size).filter(|end| *end <= self.length).ok_or(ArchiveFault::Truncated)?;
        self.position = end.checked_next_multiple_of(BLOCK).ok_or(ArchiveFault::Truncated)?;
        Ok(offset)
    }

    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, Failure> {
        let size = header::size(header)?;
        if size > MAX_EXTENSION {
            return Err(ArchiveFault::TooLong { what: "an extended header", limit: MAX_EXTENSION }.into());
        }
        let offset = self.skip(size)?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), Failure> {
        let outcome = self.archive.file().read_exact_at(buffer, offset);
        outcome.map_err(|source| Failure::Error(Error::io("read", self.archive.path())(source)))
    }

    /// Puts one member into the tree.
    fn member(&mut self, member: Member) -> Result<(), Failure> {
        if let Some(sparse) = member.sparse {
            let source = self.sparse(sparse, member.size)?;
            let id = self.add(Node { stat: member.stat, kind: Kind::Regular(source) })?;
            return self.place(&member.path, id);
        }
        let offset = self.skip(member.size)?;
        let archive = Arc::clone(&self.archive);
        let kind = match member.kind {
            header::MemberKind::HardLink(target) => return self.hard_link(&member.path, &target),
            header::MemberKind::Directory => return self.directory(&member.path, member.stat),
            header::MemberKind::Regular => Kind::Regular(Source::Range { archive, offset, size: member.size }),
            header::MemberKind::Symlink(target) => Kind::Symlink(target),
            header::MemberKind::CharDevice(number) => Kind::CharDevice(number),
            header::MemberKind::BlockDevice(number) => Kind::BlockDevice(number),
            header::MemberKind::Fifo => Kind::Fifo,
        };
        let id = self.add(Node { stat: member.stat, kind })?;
        self.place(&member.path, id)
    }

    /// Steps over a sparse file that takes `stored` bytes of the archive.
    fn sparse(&mut self, sparse: Sparse, stored: u64) -> Result<Source, Failure> {
        let (pairs, offset, stored) = match sparse.map {
            Map::Whole(pairs) => (pairs, self.skip(stored)?, stored),
            Map::Begun(mut pairs) => {
                while sparse::extended(&self.block()?, &mut pairs)? {}
                (pairs, self.skip(stored)?, stored)
            }
            Map::InData => {
                let (start, mut map) = (self.position, sparse::InData::default());
                let pairs = loop {
                    if let Some(pairs) = map.push(&self.block()?)? {
                        break pairs;
                    }
                };
                let left = stored.checked_sub(self.position - start).ok_or(ArchiveFault::Sparse)?;
                (pairs, self.skip(left)?, left)
            }
        };
        let pieces = sparse::pieces(&pairs, sparse.size, offset, stored)?;
        Ok(Source::sparse(Arc::clone(&self.archive), pieces, sparse.size))
    }

    fn add(&mut self, node: Node<Source>) -> Result<NodeId, Failure> {
        if self.tree.node_count() >= MAX_NODES {
            return Err(ArchiveFault::TooLong { what: "the list of files", limit: MAX_NODES as u64 }.into());
        }
        Ok(self.tree.add(node)?)
    }

    /// Gives `id`, which is no directory, the name `path`; an earlier file of that name loses it.
    fn place(&mut self, path: &ImagePath, id: NodeId) -> Result<(), Failure> {
        let name = path.file_name().ok_or(ArchiveFault::RootIsNoDirectory)?;
        let parent = self.parent(path)?;
        let before = self.tree.node(parent).entries().and_then(|entries| entries.get(name)).copied();
        if before.is_some_and(|before| self.tree.node(before).entries().is_some_and(|entries| !entries.is_empty())) {
            return Err(ArchiveFault::DirectoryNotEmpty.into());
        }
        self.tree.link(parent, name, id)?;
        Ok(())
    }

    fn hard_link(&mut self, path: &ImagePath, target: &ImagePath) -> Result<(), Failure> {
        let found = self.existing(target)?.filter(|id| !self.tree.node(*id).is_directory());
        let id = found.ok_or_else(|| ArchiveFault::LinkToNothing { target: target.clone() })?;
        self.place(path, id)
    }

    /// A directory's entry gives an existing directory its stat and replaces anything else.
    fn directory(&mut self, path: &ImagePath, stat: Stat) -> Result<(), Failure> {
        let Some(name) = path.file_name() else {
            self.tree.node_mut(NodeId::ROOT).stat = stat;
            return Ok(());
        };
        let parent = self.parent(path)?;
        let before = self.tree.node(parent).entries().and_then(|entries| entries.get(name)).copied();
        match before {
            Some(before) if self.tree.node(before).is_directory() => self.tree.node_mut(before).stat = stat,
            _ => {
                let id = self.add(Node { stat, kind: Kind::Directory(Entries::new()) })?;
                self.tree.link(parent, name, id)?;
            }
        }
        Ok(())
    }

    /// The directory that holds `path`, made with its own parents where no entry has named it yet.
    fn parent(&mut self, path: &ImagePath) -> Result<NodeId, Failure> {
        let mut here = NodeId::ROOT;
        let mut links = 0;
        let count = path.components().count();
        for name in path.components().take(count.saturating_sub(1)) {
            here = match self.child(here, name) {
                None => {
                    let stat = Stat::root_owned(0o755, LATEST);
                    let id = self.add(Node { stat, kind: Kind::Directory(Entries::new()) })?;
                    self.tree.link(here, name, id)?;
                    id
                }
                Some(child) => self.enter(here, child, name, &mut links)?,
            };
        }
        Ok(here)
    }

    /// The file at `path`, through the links on the way to it; a link at its end is the file itself.
    fn existing(&self, path: &ImagePath) -> Result<Option<NodeId>, Failure> {
        let mut here = NodeId::ROOT;
        let mut links = 0;
        let mut names = path.components().peekable();
        while let Some(name) = names.next() {
            let Some(child) = self.child(here, name) else { return Ok(None) };
            here = if names.peek().is_none() { child } else { self.enter(here, child, name, &mut links)? };
        }
        Ok(Some(here))
    }

    fn child(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        self.tree.node(directory).entries()?.get(name).copied()
    }

    /// The directory that `child`, the entry `name` of `here`, is or leads to. Each level of recursion is a
    /// link, so that the depth is bounded.
    fn enter(&self, here: NodeId, child: NodeId, name: &[u8], links: &mut u32) -> Result<NodeId, ArchiveFault> {
        let target = match &self.tree.node(child).kind {
            Kind::Directory(_) => return Ok(child),
            Kind::Symlink(target) => target,
            Kind::Regular(_) | Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => {
                return Err(ArchiveFault::BelowAFile { file: escape(name) });
            }
        };
        let refused = || ArchiveFault::BelowALink { link: escape(name) };
        *links += 1;
        let leads_out = target.starts_with(b"/") || target.split(|byte| *byte == b'/').any(|part| part == b"..");
        if *links > MAX_LINKS || leads_out {
            return Err(refused());
        }
        let parts = target.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
        let mut at = here;
        for part in parts {
            // What is missing is not made: the system makes no directory at the end of a dangling link.
            let next = self.child(at, part).ok_or_else(refused)?;
            at = self.enter(at, next, part, links)?;
        }
        Ok(at)
    }
}

/// Compressed files by their first bytes, and what decompresses them.
const COMPRESSED: [(&[u8], &str, &str); 5] = [
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd -d"),
    (b"\x1f\x8b", "gzip", "gzip -dk"),
    (b"\xfd7zXZ\0", "xz", "xz -dk"),
    (b"BZh", "bzip2", "bzip2 -dk"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -d"),
];

fn set_once<T>(slot: &mut Option<T>, value: T) -> Result<(), ArchiveFault> {
    if slot.replace(value).is_some() { Err(ArchiveFault::TwoDescriptions) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
