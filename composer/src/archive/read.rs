//! Reading a `module.tar` that anybody may have made.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::VerityDigest;
use rayon::prelude::*;

use super::{BLOCK, DIGEST, Extent, IMAGE, MANIFEST, OBJECTS, Objects, TarBytes};
use crate::error::Error;
use crate::image::{self, Stored};
use crate::tree::Kind;
use crate::verity::{self, Hasher};

/// The largest `manifest.json` that is read, in bytes.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// The largest `module.cfs` that is read, in bytes: room for several million files.
const IMAGE_LIMIT: u64 = 1 << 30;
/// The most zeros after the last entry: the largest blocking factor that tar programs use.
const TAIL_LIMIT: u64 = 1 << 20;
/// What a zstd frame begins with, RFC 8878 section 3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What is wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// An entry has a name that no module has.
    #[error("it holds an entry {name:?}, which no module has")]
    UnknownEntry {
        /// The name.
        name: String,
    },
    /// An entry is neither a regular file nor a directory, or is the wrong one of these.
    #[error("its entry {name:?} has the wrong type")]
    EntryType {
        /// The name.
        name: String,
    },
    /// An entry comes twice.
    #[error("it holds {name:?} twice")]
    DuplicateEntry {
        /// The name.
        name: String,
    },
    /// An entry that every module has is not there.
    #[error("it does not hold {name:?}")]
    MissingEntry {
        /// The name.
        name: &'static str,
    },
    /// An entry is larger than any that is read.
    #[error("its entry {name:?} has {size} bytes, more than {limit}")]
    TooLarge {
        /// The name.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The archive ends too early, or something follows its end.
    #[error("it does not end as a tar file ends")]
    End,
    /// `composefs.digest` is no digest.
    #[error("its composefs.digest is not `sha256:` and 64 hexadecimal digits")]
    DigestText,
    /// The image is not the one that `composefs.digest` names.
    #[error("its module.cfs has the fs-verity digest {found}, composefs.digest says {expected}")]
    ImageDigest {
        /// What `composefs.digest` says.
        expected: VerityDigest,
        /// What the image gives.
        found: VerityDigest,
    },
    /// An object is not what its name says.
    #[error("its object {expected} has the fs-verity digest {found}")]
    ObjectDigest {
        /// The object's name.
        expected: VerityDigest,
        /// What its content gives.
        found: VerityDigest,
    },
    /// The image refers to an object that is not there, or that has another size.
    #[error("its image needs the object {digest} of {size} bytes, which it does not hold")]
    MissingObject {
        /// The object.
        digest: VerityDigest,
        /// The size that the image gives.
        size: u64,
    },
    /// An object is there to which the image does not refer.
    #[error("its image does not use the object {digest}")]
    UnusedObject {
        /// The object.
        digest: VerityDigest,
    },
}

/// How an archive is read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether every object is read and its digest computed.
    pub check_objects: bool,
    /// Where a compressed archive is unpacked to, as a file without a name.
    pub scratch: PathBuf,
    /// The most bytes that a compressed archive may unpack to.
    pub limit: u64,
}

/// An object in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Where its content begins in the tar file.
    pub offset: u64,
    /// Its length in bytes.
    pub size: u64,
}

/// An archive that was read and checked.
#[derive(Debug)]
pub struct Archive {
    /// `manifest.json`, as it is.
    pub manifest: Vec<u8>,
    /// `module.cfs`.
    pub image: Vec<u8>,
    /// The fs-verity digest of `image`; `composefs.digest` says the same.
    pub image_digest: VerityDigest,
    /// The objects, which are exactly those that the image refers to.
    pub objects: BTreeMap<VerityDigest, Member>,
    file: Arc<File>,
    path: PathBuf,
    boundaries: Vec<u64>,
}

/// Reads the plain or zstd-compressed archive at `path`.
///
/// # Errors
/// When it cannot be read, or [`Error::Archive`] when it is not a module's archive.
pub fn read(path: &Path, options: &Options) -> Result<Archive, Error> {
    let kind = std::fs::metadata(path).map_err(Error::io("read", path))?;
    if !kind.is_file() {
        return Err(Error::io("read", path)(io::ErrorKind::InvalidInput.into()));
    }
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut magic = [0; 4];
    if file.read_exact_at(&mut magic, 0).is_ok() && magic == ZSTD_MAGIC {
        file = unpack(file, path, options)?;
    }
    let archive = Reader { file: &file, path }.read()?;
    let archive = Archive { file: Arc::new(file), ..archive };
    archive.check_references()?;
    if options.check_objects {
        archive.check_objects()?;
    }
    Ok(archive)
}

/// Whether the file at `path` begins as a zstd-compressed archive does.
///
/// # Errors
/// When it cannot be read.
pub fn is_compressed(path: &Path) -> Result<bool, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut magic = [0; 4];
    Ok(file.read_exact_at(&mut magic, 0).is_ok() && magic == ZSTD_MAGIC)
}

/// Unpacks a compressed archive into a file without a name.
fn unpack(file: File, path: &Path, options: &Options) -> Result<File, Error> {
    let read = |error| Error::io("decompress", path)(error);
    let scratch = &options.scratch;
    let mut plain = tempfile::tempfile_in(scratch).map_err(Error::io("create a file in", scratch))?;
    let mut decoder = zstd::stream::read::Decoder::new(file).map_err(read)?;
    // 128 MiB: what `zstd -d` allows without being asked.
    decoder.window_log_max(27).map_err(read)?;
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let count = match decoder.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read(error)),
        };
        size += count as u64;
        if size > options.limit {
            let name = path.display().to_string();
            return Err(problem(path)(Problem::TooLarge { name, size, limit: options.limit }));
        }
        plain.write_all(&buffer[..count]).map_err(Error::io("write a temporary file in", scratch))?;
    }
    plain.seek(SeekFrom::Start(0)).map_err(Error::io("read a temporary file in", scratch))?;
    Ok(plain)
}

fn problem(path: &Path) -> impl Fn(Problem) -> Error {
    let path = path.to_owned();
    move |problem| Error::Archive { path: path.clone(), problem }
}

/// What an entry's name says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Manifest,
    Digest,
    Image,
    Directory,
    Object(VerityDigest),
}

impl Name {
    /// Exactly the names that a module's archive has; anything else is refused.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        match text {
            MANIFEST => return Some(Self::Manifest),
            DIGEST => return Some(Self::Digest),
            IMAGE => return Some(Self::Image),
            OBJECTS => return Some(Self::Directory),
            _ => {}
        }
        let (first, rest) = text.strip_prefix(OBJECTS)?.split_once('/')?;
        let hexadecimal = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match (first.len(), rest.len()) {
            (2, 0) if hexadecimal(first) => Some(Self::Directory),
            (2, 62) => VerityDigest::from_hex(&format!("{first}{rest}")).map(Self::Object),
            _ => None,
        }
    }

    fn limit(self) -> u64 {
        match self {
            Self::Manifest => MANIFEST_LIMIT,
            Self::Digest => 128,
            Self::Image => IMAGE_LIMIT,
            Self::Directory => 0,
            Self::Object(_) => u64::MAX,
        }
    }
}

struct Reader<'a> {
    file: &'a File,
    path: &'a Path,
}

impl Reader<'_> {
    fn read(&self) -> Result<Archive, Error> {
        let problem = problem(self.path);
        let io = |error| Error::io("read", self.path)(error);
        let length = self.file.metadata().map_err(io)?.len();
        let mut names = BTreeMap::new();
        let mut boundaries = vec![0];
        let mut archive = tar::Archive::new(self.file);
        // Raw: no extension header is interpreted, each is an entry, and refused by its type.
        for entry in archive.entries_with_seek().map_err(io)?.raw(true) {
            let entry = entry.map_err(io)?;
            let header = entry.header();
            let bytes = entry.path_bytes();
            let text = || model::path::escape(&bytes);
            let name = Name::parse(&bytes).ok_or_else(|| problem(Problem::UnknownEntry { name: text() }))?;
            let wanted = if name == Name::Directory { tar::EntryType::Directory } else { tar::EntryType::Regular };
            if header.entry_type() != wanted {
                return Err(problem(Problem::EntryType { name: text() }));
            }
            let size = header.entry_size().map_err(io)?;
            if size > name.limit() {
                return Err(problem(Problem::TooLarge { name: text(), size, limit: name.limit() }));
            }
            let offset = entry.raw_file_position();
            let end = size.checked_next_multiple_of(BLOCK).and_then(|padded| padded.checked_add(offset));
            let end = end.filter(|end| *end <= length).ok_or_else(|| problem(Problem::End))?;
            if names.insert(bytes.to_vec(), (name, Member { offset, size })).is_some() {
                return Err(problem(Problem::DuplicateEntry { name: text() }));
            }
            boundaries.push(end);
        }
        self.check_end(boundaries.last().copied().unwrap_or_default(), length)?;
        if let Some(end) = boundaries.last_mut() {
            *end = length;
        }
        self.gather(&names, boundaries)
    }

    /// Two blocks of zeros or more, and nothing else, must follow the last entry.
    fn check_end(&self, end: u64, length: u64) -> Result<(), Error> {
        let tail = length - end;
        if !(2 * BLOCK..=TAIL_LIMIT).contains(&tail) {
            return Err(problem(self.path)(Problem::End));
        }
        let tail = self.bytes(Member { offset: end, size: tail })?;
        if tail.iter().any(|byte| *byte != 0) {
            return Err(problem(self.path)(Problem::End));
        }
        Ok(())
    }

    fn bytes(&self, member: Member) -> Result<Vec<u8>, Error> {
        let length = usize::try_from(member.size).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, member.offset).map_err(Error::io("read", self.path))?;
        Ok(bytes)
    }

    fn gather(&self, names: &BTreeMap<Vec<u8>, (Name, Member)>, boundaries: Vec<u64>) -> Result<Archive, Error> {
        let problem = problem(self.path);
        let member = |name: &'static str| match names.get(name.as_bytes()) {
            Some((_, member)) => self.bytes(*member),
            None => Err(problem(Problem::MissingEntry { name })),
        };
        let (manifest, digest, image) = (member(MANIFEST)?, member(DIGEST)?, member(IMAGE)?);
        let expected = parse_digest(&digest).ok_or_else(|| problem(Problem::DigestText))?;
        let found = verity::digest(&image);
        if found != expected {
            return Err(problem(Problem::ImageDigest { expected, found }));
        }
        let objects = names.values().filter_map(|(name, member)| match name {
            Name::Object(digest) => Some((*digest, *member)),
            _ => None,
        });
        Ok(Archive {
            manifest,
            image,
            image_digest: found,
            objects: objects.collect(),
            file: Arc::new(self.file.try_clone().map_err(Error::io("read", self.path))?),
            path: self.path.to_owned(),
            boundaries,
        })
    }
}

/// The digest, with or without a line break after it.
fn parse_digest(bytes: &[u8]) -> Option<VerityDigest> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.strip_suffix('\n').unwrap_or(text).parse().ok()
}

impl Archive {
    /// The objects must be exactly those that the image refers to.
    fn check_references(&self) -> Result<(), Error> {
        let problem = problem(&self.path);
        let tree = image::read(&self.image)?;
        let mut used = BTreeMap::new();
        for (_, _, node) in tree.walk() {
            let Kind::Regular(content) = &node.kind else { continue };
            let Some(digest) = content.verity() else { continue };
            let size = content.size();
            if self.objects.get(digest).is_none_or(|member| member.size != size) {
                return Err(problem(Problem::MissingObject { digest: *digest, size }));
            }
            used.insert(*digest, ());
        }
        match self.objects.keys().find(|digest| !used.contains_key(digest)) {
            Some(digest) => Err(problem(Problem::UnusedObject { digest: *digest })),
            None => Ok(()),
        }
    }

    /// Reads every object and compares its digest with its name.
    ///
    /// # Errors
    /// [`Problem::ObjectDigest`] for the first that differs.
    pub fn check_objects(&self) -> Result<(), Error> {
        let all: Vec<_> = self.objects.iter().collect();
        all.into_par_iter().try_for_each_init(Vec::new, |buffer, (expected, member)| {
            let found = self.digest_of(*member, buffer)?;
            if found == *expected {
                Ok(())
            } else {
                Err(problem(&self.path)(Problem::ObjectDigest { expected: *expected, found }))
            }
        })
    }

    fn digest_of(&self, member: Member, buffer: &mut Vec<u8>) -> Result<VerityDigest, Error> {
        buffer.resize(1 << 18, 0);
        let mut hasher = Hasher::new();
        let mut done = 0;
        while done < member.size {
            let left = usize::try_from(member.size - done).unwrap_or(usize::MAX);
            let length = buffer.len().min(left);
            let part = &mut buffer[..length];
            self.read_exact_at(member.offset + done, part)?;
            hasher.update(part);
            done += part.len() as u64;
        }
        Ok(hasher.finish())
    }
}

impl Objects for Archive {
    fn locate(&self, digest: &VerityDigest, size: u64) -> Result<Extent, Error> {
        match self.objects.get(digest) {
            Some(member) if member.size == size => Ok(Extent { file: Arc::clone(&self.file), offset: member.offset }),
            _ => Err(Error::MissingObject { digest: *digest, size }),
        }
    }
}

impl TarBytes for Archive {
    fn boundaries(&self) -> &[u64] {
        &self.boundaries
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        self.file.read_exact_at(buffer, offset).map_err(Error::io("read", &self.path))
    }
}
