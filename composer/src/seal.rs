//! Each shipped file is read once, and everything that needs its bytes takes them from that read.
//!
//! Sealing turns a tree of sources into a tree of digests. From one buffer come the sha256 (for the
//! SBOM), the fs-verity digest (for the image and the object's name) and the bytes that go to the
//! [`ObjectSink`]s: the object store and the spool of `module.tar`.

use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use model::observe::{Event, Observer, Unit};
use model::{Digest, ImagePath, VerityDigest};
use rayon::prelude::*;

use crate::error::Error;
use crate::image::{INLINE_LIMIT, Stored};
use crate::scan::Source;
use crate::tree::{Entries, Kind, NodeId, Tree};
use crate::verity::Both;

/// Files below this size, in bytes, are read into one buffer. The others are streamed in chunks of
/// this size, of which a huge file has two in memory.
const CHUNK: usize = 1 << 20;

/// The size from which on a file has two threads for itself: one computes the digests, one writes
/// and reads on.
const HUGE: u64 = 64 << 20;

/// Progress is reported at most once for this many bytes.
const REPORT: u64 = 1 << 20;

/// What is known of a regular file after its one read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The content's length in bytes.
    pub size: u64,
    /// The plain sha256 of the content.
    pub sha256: Digest,
    /// The fs-verity digest of the content; names its object, where it has one.
    pub verity: VerityDigest,
    /// The content itself, if and only if `size` is at most [`INLINE_LIMIT`](crate::image::INLINE_LIMIT).
    pub inline: Option<Arc<[u8]>>,
}

/// Takes the content of files that are too large to be inline. Called from many threads at once.
///
/// The same content may come more than once; a sink keeps one copy.
pub trait ObjectSink: Sync {
    /// Takes a whole object.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn small(&self, digest: &VerityDigest, content: &[u8]) -> Result<(), Error>;

    /// Begins an object that comes in chunks; its digest is known only at the end.
    ///
    /// # Errors
    /// When there is no room for `size` bytes.
    fn large(&self, size: u64) -> Result<Box<dyn LargeObject + '_>, Error>;
}

/// An object that comes in chunks. Dropped without [`LargeObject::finish`], it leaves nothing.
pub trait LargeObject: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn write(&mut self, chunk: &[u8]) -> Result<(), Error>;

    /// Ends the object and gives it its name.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn finish(self: Box<Self>, digest: &VerityDigest) -> Result<(), Error>;
}

impl Sealed {
    /// Seals content that is in memory.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let size = content.len() as u64;
        let inline = (size <= INLINE_LIMIT).then(|| Arc::from(content));
        let mut both = Both::new();
        both.update(content);
        let (sha256, verity) = both.finish();
        Self { size, sha256, verity, inline }
    }
}

impl Stored for Sealed {
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
/// [`INLINE_LIMIT`] go to `sinks`.
///
/// Works with all threads of the current rayon pool and in bounded memory: about a megabyte for each
/// thread, whatever the sizes of the files. A hard-linked file is read once. A node to which no name
/// leads is not read: it becomes an empty file.
///
/// # Errors
/// When a file cannot be read, has changed since the scan, or a sink refuses it.
pub fn seal(tree: Tree<Source>, sinks: &[&dyn ObjectSink], observer: &dyn Observer) -> Result<Tree<Sealed>, Error> {
    let jobs = jobs(&tree);
    let total = jobs.iter().map(|job| job.source.size()).sum();
    observer.event(Event::Stage { name: "seal files", total: Some(total), unit: Unit::Bytes });
    let sealer = Sealer { sinks, observer, done: AtomicU64::new(0), given: Mutex::default() };
    let (huge, others): (Vec<Job<'_>>, Vec<Job<'_>>) = jobs.into_iter().partition(|job| job.source.size() >= HUGE);
    let sealed: Vec<OnceLock<Sealed>> = (0..tree.node_count()).map(|_| OnceLock::new()).collect();
    // A thread that waits inside a huge file may take up another file, so huge files come one after
    // the other and apart from the rest: this keeps the memory bounded.
    // No file has two jobs, so each place is filled once.
    let keep = |job: &Job<'_>, file: Sealed| drop(sealed[job.id.index()].set(file));
    for job in &huge {
        keep(job, sealer.huge(job)?);
    }
    others
        .par_iter()
        .try_for_each_init(|| vec![0; CHUNK], |buffer, job| sealer.file(job, buffer).map(|file| keep(job, file)))?;
    drop((huge, others));
    observer.event(Event::Done);
    let unreachable = Sealed::of(&[]);
    let mut sealed = sealed;
    tree.try_map(|id, _| Ok(sealed[id.index()].take().unwrap_or_else(|| unreachable.clone())))
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

struct Sealer<'a> {
    sinks: &'a [&'a dyn ObjectSink],
    observer: &'a dyn Observer,
    done: AtomicU64,
    /// The objects that the sinks have or are about to get.
    given: Mutex<HashSet<VerityDigest>>,
}

impl Sealer<'_> {
    fn progress(&self, bytes: u64) {
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        let done = before + bytes;
        if before / REPORT != done / REPORT {
            self.observer.event(Event::Progress { done });
        }
    }

    fn file(&self, job: &Job<'_>, buffer: &mut [u8]) -> Result<Sealed, Error> {
        match usize::try_from(job.source.size()) {
            Ok(size) if size < CHUNK => self.small(job, size, buffer),
            _ => self.streamed(job, buffer),
        }
    }

    fn small(&self, job: &Job<'_>, size: usize, buffer: &mut [u8]) -> Result<Sealed, Error> {
        // One byte more than expected shows that the file grew.
        let found = fill(&mut *job.source.open()?, &mut buffer[..=size]).map_err(|source| job.unreadable(source))?;
        if found != size {
            return Err(job.changed(found as u64));
        }
        let content = &buffer[..size];
        let sealed = Sealed::of(content);
        self.progress(sealed.size);
        let new = || self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(sealed.verity);
        if sealed.inline.is_none() && new() {
            for sink in self.sinks {
                sink.small(&sealed.verity, content)?;
            }
        }
        Ok(sealed)
    }

    fn streamed(&self, job: &Job<'_>, buffer: &mut [u8]) -> Result<Sealed, Error> {
        let mut file = Stream::open(self, job)?;
        loop {
            let count = file.input.read(buffer)?;
            if count == 0 {
                return file.finish();
            }
            let chunk = &buffer[..count];
            file.digests.update(chunk);
            write_all(&mut file.objects, chunk)?;
        }
    }

    /// The same with the steps of one chunk side by side, while the next chunk is read.
    fn huge(&self, job: &Job<'_>) -> Result<Sealed, Error> {
        let mut file = Stream::open(self, job)?;
        let (mut current, mut next) = (vec![0; CHUNK], vec![0; CHUNK]);
        let mut count = file.input.read(&mut current)?;
        while count > 0 {
            let Stream { digests, objects, input } = &mut file;
            let chunk = &current[..count];
            let transfer = || write_all(objects, chunk).and_then(|()| input.read(&mut next));
            count = rayon::join(|| digests.update(chunk), transfer).1?;
            std::mem::swap(&mut current, &mut next);
        }
        file.finish()
    }
}

/// Reads until `buffer` is full or the content ends; gives the number of bytes read.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn write_all(objects: &mut [Box<dyn LargeObject + '_>], chunk: &[u8]) -> Result<(), Error> {
    objects.iter_mut().try_for_each(|object| object.write(chunk))
}

/// A file that is read in chunks.
struct Stream<'a> {
    input: Input<'a>,
    digests: Both,
    objects: Vec<Box<dyn LargeObject + 'a>>,
}

struct Input<'a> {
    sealer: &'a Sealer<'a>,
    job: &'a Job<'a>,
    reader: Box<dyn Read + Send>,
    found: u64,
}

impl Input<'_> {
    /// Fills `buffer` with the next chunk and gives its length, which is zero at the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let count = fill(&mut *self.reader, buffer).map_err(|source| self.job.unreadable(source))?;
        self.found += count as u64;
        // Checked at each chunk, so that a file that grows for ever is not read for ever.
        let expected = self.job.source.size();
        if self.found > expected || (count == 0 && self.found != expected) {
            return Err(self.job.changed(self.found));
        }
        self.sealer.progress(count as u64);
        Ok(count)
    }
}

impl<'a> Stream<'a> {
    fn open(sealer: &'a Sealer<'a>, job: &'a Job<'a>) -> Result<Self, Error> {
        let size = job.source.size();
        let objects = sealer.sinks.iter().map(|sink| sink.large(size)).collect::<Result<_, _>>()?;
        let input = Input { sealer, job, reader: job.source.open()?, found: 0 };
        Ok(Self { input, digests: Both::new(), objects })
    }

    fn finish(self) -> Result<Sealed, Error> {
        let (sha256, verity) = self.digests.finish();
        let sealed = Sealed { size: self.input.found, sha256, verity, inline: None };
        for object in self.objects {
            object.finish(&verity)?;
        }
        Ok(sealed)
    }
}

impl Job<'_> {
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
