//! Each shipped file is read once, and everything that needs its bytes takes them from that read.
//!
//! Hashing turns a tree of sources into a tree of digests. From one buffer come the sha256 (for the
//! SBOM), the fs-verity digest (for the image and the object's name) and the bytes that go to the
//! [`ObjectSink`]s: the object store and the spool of `module.tar`. A file whose digests a
//! [`DigestCache`] remembers is not read at all, where the sinks can do without its bytes.

mod cache;
mod digests;
mod file_hasher;

use std::io;
use std::sync::{Arc, OnceLock};

#[cfg(doc)]
use image::composefs::INLINE_LIMIT;
use image::composefs::Stored;
use image::object::ObjectSink;
use image::tree::{Entries, Kind, NodeId, Tree};
use image::verity::{DualDigest, Hasher};
use model::observe::{Observer, Task, Unit};
use model::{Digest, ImagePath, VerityDigest};
use rayon::prelude::*;

use crate::error::Error;
use crate::scan::Source;
use digests::Digests;
use file_hasher::FileHasher;

pub use cache::{DigestCache, Known};

/// What is known of a regular file after its one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// The content's length in bytes.
    pub size: u64,
    /// The plain sha256 of the content.
    pub sha256: Digest,
    /// The fs-verity digest of the content; names its object, where it has one.
    pub verity: VerityDigest,
    /// The content itself, if and only if `size` is at most [`INLINE_LIMIT`].
    pub inline: Option<Arc<[u8]>>,
}

impl Hashed {
    /// Hashes content that is in memory.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        DualDigest::of(content)
    }
}

impl Stored for Hashed {
    fn size(&self) -> u64 {
        self.size
    }

    fn inline(&self) -> Option<&[u8]> {
        self.inline.as_deref()
    }

    fn verity(&self) -> Option<&VerityDigest> {
        if self.inline.is_some() { None } else { Some(&self.verity) }
    }
}

/// What the image needs to know of a regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The content's length in bytes.
    pub size: u64,
    /// The fs-verity digest of the content.
    pub verity: VerityDigest,
    /// The content itself, if and only if `size` is at most [`INLINE_LIMIT`].
    pub inline: Option<Arc<[u8]>>,
}

impl Stored for Measured {
    fn size(&self) -> u64 {
        self.size
    }

    fn inline(&self) -> Option<&[u8]> {
        self.inline.as_deref()
    }

    fn verity(&self) -> Option<&VerityDigest> {
        if self.inline.is_some() { None } else { Some(&self.verity) }
    }
}

/// Reads every regular file of `tree` once and gives its digests; the contents over
/// [`INLINE_LIMIT`] go to `sinks`. What `cache` knows is not read, where the sinks adopt it.
///
/// Works with all threads of the current rayon pool and in bounded memory: about a megabyte for each
/// thread, whatever the sizes of the files. A hard-linked file is read once. A node to which no name
/// leads is not read: it becomes an empty file.
///
/// # Errors
/// When a file cannot be read, has changed since the scan, or a sink refuses it.
pub fn hash_files(
    tree: Tree<Source>,
    sinks: &[&dyn ObjectSink],
    cache: Option<&DigestCache>,
    observer: &dyn Observer,
) -> Result<Tree<Hashed>, Error> {
    read_all::<DualDigest>(tree, sinks, cache, observer)
}

/// Like [`hash_files`], for an image alone: no sha256 is computed and no content kept.
///
/// # Errors
/// When a file cannot be read or has changed since the scan.
pub fn measure(tree: Tree<Source>, observer: &dyn Observer) -> Result<Tree<Measured>, Error> {
    read_all::<Hasher>(tree, &[], None, observer)
}

fn read_all<D: Digests>(
    tree: Tree<Source>,
    sinks: &[&dyn ObjectSink],
    cache: Option<&DigestCache>,
    observer: &dyn Observer,
) -> Result<Tree<D::File>, Error> {
    let jobs = jobs(&tree);
    let total = jobs.iter().fold(0u64, |total, job| total.saturating_add(job.source.size()));
    let task = Task::start(observer, "seal files", Some(total), Unit::Bytes);
    let hasher = FileHasher::<D>::new(sinks, cache, &task);
    let (huge, others): (Vec<Job<'_>>, Vec<Job<'_>>) = jobs.into_iter().partition(Job::is_huge);
    let hashed: Vec<OnceLock<D::File>> = (0..tree.node_count()).map(|_| OnceLock::new()).collect();
    // A thread that waits inside a huge file may take up another file, so huge files come one after
    // the other and apart from the rest: this keeps the memory bounded.
    // No file has two jobs, so each place is filled once.
    let keep = |job: &Job<'_>, file: D::File| drop(hashed[job.id.index()].set(file));
    for job in &huge {
        keep(job, hasher.huge(job)?);
    }
    others
        .par_iter()
        .try_for_each_init(Vec::new, |buffer, job| hasher.file(job, buffer).map(|file| keep(job, file)))?;
    drop((huge, others));
    drop(task);
    let unreachable = D::of(&[]);
    let mut hashed = hashed;
    tree.try_map(|id, _| Ok(hashed[id.index()].take().unwrap_or_else(|| unreachable.clone())))
}

/// A file to be read.
struct Job<'a> {
    id: NodeId,
    tree: &'a Tree<Source>,
    source: &'a Source,
}

/// The regular files that a name leads to, each once. Neighbours in a directory stay together, and
/// the file system is likely to have them together too.
fn jobs(tree: &Tree<Source>) -> Vec<Job<'_>> {
    let mut seen = vec![false; tree.node_count()];
    let mut jobs = Vec::new();
    let mut directories = vec![NodeId::ROOT];
    while let Some(directory) = directories.pop() {
        for id in tree.node(directory).entries().into_iter().flat_map(Entries::values).copied() {
            match &tree.node(id).kind {
                Kind::Directory(_) => directories.push(id),
                Kind::Regular(source) if !std::mem::replace(&mut seen[id.index()], true) => {
                    jobs.push(Job { id, tree, source });
                }
                _ => {}
            }
        }
    }
    jobs
}

impl Job<'_> {
    /// Whether the file has all threads for itself.
    fn is_huge(&self) -> bool {
        self.source.size() >= file_hasher::HUGE
    }

    /// The file's first path, which only an error asks for.
    fn path(&self) -> ImagePath {
        let mut names = self.tree.walk();
        names.find(|(_, id, _)| *id == self.id).map_or_else(ImagePath::root, |(path, ..)| path)
    }

    fn unreadable(&self, source: io::Error) -> Error {
        Error::io("read", std::path::Path::new(&self.path().to_string()))(source)
    }

    fn changed(&self, found: u64) -> Error {
        Error::ChangedWhileRead { path: self.path(), expected: self.source.size(), found }
    }
}

#[cfg(test)]
mod tests;
