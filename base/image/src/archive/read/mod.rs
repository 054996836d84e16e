//! Reading a `module.tar` that anyone may have made.
//!
//! The archive of a module is canonical: manifest, image and time decide every byte of it. So the reader
//! goes through it once, from the front, knows what must come next, and refuses the first byte that is
//! something else. The image stands before the objects, so that their names and sizes, and with them the
//! end, are known before any of them is read: nothing has to be unpacked to be looked at, and nothing can be
//! larger than the image says.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Epoch, VerityDigest};

use super::error::{FrameFault, Problem, field};
use super::frames::cuts;
use super::plan::{directories, header, object_name};
use super::stream::Stream;
use super::{BLOCK, DIGEST, IMAGE, MANIFEST, OBJECTS, TarBytes, digest_file};
use crate::composefs::{self, Entry, Stored};
use crate::error::Error;
use crate::object::{Extent, Objects};
use crate::tree::{Kind, Tree};
use crate::verity;

mod bodies;

use bodies::Bodies;

/// The largest `manifest.json` that is read, in bytes.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// The largest `module.cfs` that is read, in bytes: room for several million files.
pub const IMAGE_LIMIT: u64 = 1 << 30;
/// How much is read at once, in bytes.
const CHUNK: usize = 1 << 20;
/// The size of a header, as arrays want it.
const HEADER: usize = 512;

/// An object in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Where its content begins in the tar file.
    pub offset: u64,
    /// Its length in bytes.
    pub size: u64,
}

/// An archive that was read and checked, every byte of it.
#[derive(Debug)]
pub struct Archive {
    /// `manifest.json`, as it is.
    pub manifest: Vec<u8>,
    /// `module.cfs`.
    pub image: Vec<u8>,
    /// The fs-verity digest of `image`; `composefs.digest` says the same.
    pub image_digest: VerityDigest,
    /// What the image holds.
    pub tree: Tree<Entry>,
    /// The time of every entry.
    pub epoch: Epoch,
    /// Whether it is compressed.
    pub is_compressed: bool,
    /// The objects, which are exactly those that the image refers to.
    pub objects: BTreeMap<VerityDigest, Member>,
    pub(super) boundaries: Vec<u64>,
}

/// An archive whose contents can be read again.
#[derive(Debug)]
pub struct Opened {
    /// What was found in it.
    pub archive: Archive,
    file: Arc<File>,
    path: PathBuf,
}

/// Reads the plain or zstd-compressed archive that `input` gives, to its end; `path` is what it is called.
///
/// # Errors
/// [`Error::Archive`] or [`Error::Image`] when it is not exactly what a build writes, and [`Error::Host`] when
/// it cannot be read.
pub fn check(input: &mut dyn Read, path: &Path) -> Result<Archive, Error> {
    Reader::begin(input, path, None)?.read()
}

/// As [`check`], and keeps what the archive holds at hand: in `file` itself or, of a compressed one, unpacked
/// in a file without a name in `scratch`.
///
/// # Errors
/// As [`check`], and when nothing can be written to `scratch`.
pub fn open(mut file: File, path: &Path, scratch: &Path) -> Result<Opened, Error> {
    let mut magic = [0; 4];
    let packed = file.read_exact_at(&mut magic, 0).is_ok() && magic == super::stream::ZSTD_MAGIC;
    let mut copy = match packed {
        true => Some(host::Dir::open(scratch)?.unnamed()?),
        false => None,
    };
    let sink = copy.as_mut().map(|file| Sink { file, place: scratch });
    let archive = Reader::begin(&mut file, path, sink)?.read()?;
    Ok(Opened { archive, file: Arc::new(copy.unwrap_or(file)), path: path.to_owned() })
}

/// Where the bytes of the archive go to while they are read.
struct Sink<'a> {
    file: &'a mut File,
    place: &'a Path,
}

struct Reader<'a> {
    stream: Stream<'a>,
    sink: Option<Sink<'a>>,
    path: &'a Path,
    /// The time of the first entry, and so of all.
    epoch: Option<Epoch>,
    boundaries: Vec<u64>,
}

impl<'a> Reader<'a> {
    fn begin(input: &'a mut dyn Read, path: &'a Path, sink: Option<Sink<'a>>) -> Result<Self, Error> {
        let stream = Stream::begin(input, path)?;
        Ok(Self { stream, sink, path, epoch: None, boundaries: vec![0] })
    }

    fn read(mut self) -> Result<Archive, Error> {
        let manifest = self.member(MANIFEST, MANIFEST_LIMIT)?;
        let text = self.member(DIGEST, 128)?;
        let expected = parse_digest(&text).ok_or_else(|| self.refuse(Problem::DigestText))?;
        let image = self.member(IMAGE, IMAGE_LIMIT)?;
        let found = verity::digest(&image);
        if found != expected {
            return Err(self.refuse(Problem::ImageDigest { expected, found }));
        }
        let tree = composefs::read_canonical(&image)?;
        let needed = self.needed(&tree)?;
        let objects = self.objects(&needed)?;
        let epoch = self.end()?;
        let is_compressed = self.stream.frames().is_some();
        let boundaries = self.boundaries;
        Ok(Archive { manifest, image, image_digest: found, tree, epoch, is_compressed, objects, boundaries })
    }

    fn refuse(&self, fault: Problem) -> Error {
        Error::archive(self.path)(fault)
    }

    fn offset(&self) -> u64 {
        self.boundaries.last().copied().unwrap_or_default()
    }

    /// Fills `out`, or the archive is cut off.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), Error> {
        if self.stream.fill(out)? < out.len() {
            return Err(self.refuse(Problem::End));
        }
        if let Some(Sink { file, place }) = &mut self.sink {
            file.write_all(out).map_err(Error::io("write a temporary file in", place))?;
        }
        Ok(())
    }

    /// Reads the header of the entry `name`, which must be the next; gives its size.
    ///
    /// `size` is what it must be, where that is known.
    fn header(&mut self, name: &str, size: Option<u64>, limit: u64) -> Result<u64, Error> {
        let mut block = [0; HEADER];
        self.fill(&mut block)?;
        let found = tar::Header::from_byte_slice(&block);
        let refuse = Error::archive(self.path);
        self.named(name, &block)?;
        let is_damaged = |field| refuse(Problem::Header { name: name.to_owned(), field });
        let said = found.entry_size().map_err(|_| is_damaged("size"))?;
        if said > limit {
            return Err(refuse(Problem::TooLarge { name: name.to_owned(), size: said, limit }));
        }
        if let Some(size) = size
            && size != said
        {
            return Err(refuse(Problem::Size { name: name.to_owned(), size, found: said }));
        }
        let epoch = match self.epoch {
            Some(epoch) => epoch,
            None => {
                let seconds = found.mtime().ok().and_then(|seconds| i64::try_from(seconds).ok());
                let epoch = seconds.and_then(|seconds| Epoch::from_seconds(seconds).ok());
                epoch.ok_or_else(|| is_damaged("time"))?
            }
        };
        let expected = header(name, said, epoch)?;
        let differs = |at: &usize| block[*at] != expected[*at];
        // A sum that fits another field says nothing of its own.
        let sum = 148..156;
        if let Some(at) = (0..HEADER).filter(|at| !sum.contains(at)).find(differs).or_else(|| sum.clone().find(differs))
        {
            return Err(is_damaged(field(at)));
        }
        self.epoch = Some(epoch);
        Ok(said)
    }

    /// Whether the header is one of the entry `name`, and if not, what is wrong.
    fn named(&self, name: &str, block: &[u8; HEADER]) -> Result<(), Error> {
        if block.iter().all(|byte| *byte == 0) {
            return Err(self.refuse(Problem::MissingEntry { name: name.to_owned() }));
        }
        let length = block[..100].iter().position(|byte| *byte == 0).unwrap_or(100);
        let found = &block[..length];
        if found == name.as_bytes() {
            let wanted = if name.ends_with('/') { b'5' } else { b'0' };
            return match block[156] == wanted {
                true => Ok(()),
                false => Err(self.refuse(Problem::EntryType { name: name.to_owned() })),
            };
        }
        let found = model::path::escape(found);
        Err(self.refuse(match Name::is_one(found.as_bytes()) {
            true => Problem::Order { found, expected: name.to_owned() },
            false => Problem::UnknownEntry { name: found },
        }))
    }

    /// The padding behind a content of `size` bytes.
    fn padding(&mut self, name: &str, size: u64) -> Result<(), Error> {
        let length = usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or_default();
        let mut block = [0; HEADER];
        self.fill(&mut block[..length])?;
        if block.iter().any(|byte| *byte != 0) {
            return Err(self.refuse(Problem::Padding { name: name.to_owned() }));
        }
        self.boundaries.push(self.offset() + BLOCK + size.next_multiple_of(BLOCK));
        Ok(())
    }

    /// An entry that is kept in memory.
    fn member(&mut self, name: &'static str, limit: u64) -> Result<Vec<u8>, Error> {
        let size = self.header(name, None, limit)?;
        let bytes = self.content(size)?;
        self.padding(name, size)?;
        Ok(bytes)
    }

    /// The next `size` bytes. The memory for them grows as they come: a size is easily said.
    fn content(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < size {
            let start = bytes.len();
            let more = usize::try_from(size - start as u64).unwrap_or(CHUNK).min(CHUNK.max(start));
            let memory = |_| std::io::Error::from(std::io::ErrorKind::OutOfMemory);
            bytes.try_reserve_exact(more).map_err(memory).map_err(Error::io("read", self.path))?;
            bytes.resize(start + more, 0);
            self.fill(&mut bytes[start..])?;
        }
        Ok(bytes)
    }

    /// The objects that the image refers to, with their sizes.
    fn needed(&self, tree: &Tree<Entry>) -> Result<BTreeMap<VerityDigest, u64>, Error> {
        let mut needed = BTreeMap::new();
        for (_, _, node) in tree.walk() {
            let Kind::Regular(content) = &node.kind else { continue };
            let Some(digest) = content.verity() else { continue };
            let size = content.size();
            if let Some(other) = needed.insert(*digest, size)
                && other != size
            {
                return Err(
                    self.refuse(Problem::TwoSizes { digest: *digest, sizes: [size.min(other), size.max(other)] })
                );
            }
        }
        Ok(needed)
    }

    /// The entries of the objects, which come in the order of their digests.
    fn objects(&mut self, needed: &BTreeMap<VerityDigest, u64>) -> Result<BTreeMap<VerityDigest, Member>, Error> {
        let mut objects = BTreeMap::new();
        let mut bodies = Bodies::default();
        let mut before: Option<VerityDigest> = None;
        for (digest, size) in needed {
            for directory in directories(before.replace(*digest).as_ref(), digest) {
                self.header(&directory, Some(0), 0)?;
                self.padding(&directory, 0)?;
            }
            let name = object_name(digest);
            self.header(&name, Some(*size), u64::MAX)?;
            let offset = self.offset() + BLOCK;
            bodies.read(self, digest, *size)?;
            self.padding(&name, *size)?;
            objects.insert(*digest, Member { offset, size: *size });
        }
        bodies.finish(self.path)?;
        Ok(objects)
    }

    /// Two blocks of zeros, and then nothing.
    fn end(&mut self) -> Result<Epoch, Error> {
        let mut blocks = [0; 2 * HEADER];
        self.fill(&mut blocks)?;
        if blocks[..HEADER].iter().any(|byte| *byte != 0) {
            let length = blocks[..100].iter().position(|byte| *byte == 0).unwrap_or(100);
            let name = model::path::escape(&blocks[..length]);
            return Err(self.refuse(match Name::is_one(name.as_bytes()) {
                true => Problem::Unused { name },
                false => Problem::UnknownEntry { name },
            }));
        }
        if blocks.iter().any(|byte| *byte != 0) || self.stream.fill(&mut [0])? != 0 {
            return Err(self.refuse(Problem::End));
        }
        if let Some(end) = self.boundaries.last_mut() {
            *end += 2 * BLOCK;
        }
        if let Some(frames) = self.stream.frames()
            && !cuts(&self.boundaries).into_iter().map(|cut| cut.end - cut.start).eq(frames.iter().copied())
        {
            return Err(self.refuse(Problem::Frame { fault: FrameFault::Cut }));
        }
        // A header was read, so there is one.
        self.epoch.ok_or_else(|| self.refuse(Problem::End))
    }
}

/// Exactly as it is written.
fn parse_digest(bytes: &[u8]) -> Option<VerityDigest> {
    let digest = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.parse().ok()?;
    (digest_file(&digest).as_bytes() == bytes).then_some(digest)
}

/// The names that entries have.
struct Name;

impl Name {
    /// Exactly the names that a module's archive can have.
    fn is_one(bytes: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        if [MANIFEST, DIGEST, IMAGE, OBJECTS].contains(&text) {
            return true;
        }
        let Some((first, rest)) = text.strip_prefix(OBJECTS).and_then(|rest| rest.split_once('/')) else {
            return false;
        };
        let hexadecimal = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        first.len() == 2 && matches!(rest.len(), 0 | 62) && hexadecimal(first) && hexadecimal(rest)
    }
}

impl Objects for Opened {
    fn locate(&self, digest: &VerityDigest, size: u64) -> Result<Extent, Error> {
        match self.archive.objects.get(digest) {
            Some(member) if member.size == size => Ok(Extent { file: Arc::clone(&self.file), offset: member.offset }),
            _ => Err(Error::MissingObject { digest: *digest, size }),
        }
    }
}

impl TarBytes for Opened {
    fn boundaries(&self) -> &[u64] {
        &self.archive.boundaries
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        self.file.read_exact_at(buffer, offset).map_err(Error::io("read", &self.path))
    }
}
