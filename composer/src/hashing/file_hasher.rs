//! Reading files, each once.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use image::composefs::{INLINE_LIMIT, Stored};
use image::identity::Identity;
use image::object::{LargeObject, ObjectSink, Origin};
use model::VerityDigest;
use model::observe::Task;

use super::digests::Digests;
use super::{DigestCache, Job, Known};
use crate::error::Error;
use crate::scan::Content;

/// Files below this size, in bytes, are read into one buffer. The others are streamed in chunks of
/// this size, of which a huge file has two in memory.
pub(super) const CHUNK: usize = 1 << 20;

/// The size from which on a file has two threads for itself: one computes the digests, one writes
/// and reads on.
pub(super) const HUGE: u64 = 64 << 20;

/// Progress is reported at most once for this many bytes.
const REPORT: u64 = 1 << 20;

/// Reads files, each once.
pub(super) struct FileHasher<'a, D> {
    sinks: &'a [&'a dyn ObjectSink],
    cache: Option<&'a DigestCache>,
    task: &'a Task<'a>,
    /// The objects that the sinks have or are about to get.
    given: Mutex<HashSet<VerityDigest>>,
    digests: PhantomData<fn() -> D>,
}

impl<'a, D: Digests> FileHasher<'a, D> {
    pub(super) fn new(sinks: &'a [&'a dyn ObjectSink], cache: Option<&'a DigestCache>, task: &'a Task<'a>) -> Self {
        Self { sinks, cache, task, given: Mutex::default(), digests: PhantomData }
    }

    fn progress(&self, bytes: u64) {
        let done = self.task.count(bytes);
        if done / REPORT != done.saturating_sub(bytes) / REPORT {
            self.task.advance(0);
        }
    }

    /// Hashes a file that is not huge; `buffer` is kept from file to file.
    pub(super) fn file(&self, job: &Job<'_>, buffer: &mut Vec<u8>) -> Result<D::File, Error> {
        self.remembered(job, || {
            // Made by the first file that is read: where nothing is read, nothing is needed.
            buffer.resize(CHUNK, 0);
            match usize::try_from(job.source.size()) {
                Ok(size) if size < CHUNK => self.small(job, size, buffer),
                _ => self.streamed(job, buffer),
            }
        })
    }

    /// Hashes a file with all threads.
    pub(super) fn huge(&self, job: &Job<'_>) -> Result<D::File, Error> {
        self.remembered(job, || self.overlapped(job))
    }

    /// What the cache knows of the file, or what `read` finds, which the cache then knows.
    fn remembered(&self, job: &Job<'_>, read: impl FnOnce() -> Result<D::File, Error>) -> Result<D::File, Error> {
        // What is inline in the image is wanted itself.
        let cache = self.cache.filter(|_| job.source.size() > INLINE_LIMIT);
        let Some((cache, identity)) = cache.and_then(|cache| Some((cache, job.source.identity()?))) else {
            return read();
        };
        if let Some(known) = cache.get(&identity)
            && let Some(file) = D::known(identity.size, &known)
            && self.is_adopted(&known.verity, (job.source, &identity), cache)?
        {
            self.progress(identity.size);
            cache.count_hit();
            return Ok(file);
        }
        let file = read()?;
        if let Some(known) = D::to_remember(&file) {
            self.remember_kept(&known, identity.size, cache);
            // Only what was the same before and after it was read is sure to be what was read.
            if job.source.identity() == Some(identity) {
                cache.remember(&identity, &known);
            }
        }
        Ok(file)
    }

    /// Whether every sink can do without the content: it can get it later, or has it, as the cache knows.
    fn is_adopted(
        &self,
        digest: &VerityDigest,
        (origin, identity): (&dyn Origin, &Identity),
        cache: &DigestCache,
    ) -> Result<bool, Error> {
        for sink in self.sinks {
            // An object that someone has written to since is none that the cache knows.
            let is_kept = |object| cache.get(&object).is_some_and(|known| known.verity == *digest);
            if !sink.adopt(digest, origin, identity) && !sink.kept(digest, identity.size)?.is_some_and(is_kept) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lets the cache know what the sinks have taken, so that it can be adopted the next time.
    fn remember_kept(&self, known: &Known, size: u64, cache: &DigestCache) {
        for sink in self.sinks {
            if let Ok(Some(object)) = sink.kept(&known.verity, size) {
                cache.remember_own(&object, known);
            }
        }
    }

    fn small(&self, job: &Job<'_>, size: usize, buffer: &mut [u8]) -> Result<D::File, Error> {
        // One byte more than expected shows that the file grew.
        let mut reader = job.source.open()?;
        let found = host::read::fill(&mut reader, &mut buffer[..=size]).map_err(|source| job.unreadable(source))?;
        if found != size {
            return Err(job.changed(found as u64));
        }
        reader.check()?;
        let content = &buffer[..size];
        let hashed = D::of(content);
        self.progress(size as u64);
        let new = |digest| self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
        if let Some(digest) = hashed.verity()
            && !self.sinks.is_empty()
            && new(*digest)
        {
            for sink in self.sinks {
                sink.small(digest, content)?;
            }
        }
        Ok(hashed)
    }

    fn streamed(&self, job: &Job<'_>, buffer: &mut [u8]) -> Result<D::File, Error> {
        let mut file = Stream::<D>::open(self, job)?;
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
    fn overlapped(&self, job: &Job<'_>) -> Result<D::File, Error> {
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

fn write_all(objects: &mut [Box<dyn LargeObject + '_>], chunk: &[u8]) -> Result<(), Error> {
    Ok(objects.iter_mut().try_for_each(|object| object.write(chunk))?)
}

/// A file that is read in chunks.
struct Stream<'a, D> {
    input: Input<'a, D>,
    digests: D,
    objects: Vec<Box<dyn LargeObject + 'a>>,
}

struct Input<'a, D> {
    hasher: &'a FileHasher<'a, D>,
    job: &'a Job<'a>,
    reader: Content<'a>,
    found: u64,
}

impl<D: Digests> Input<'_, D> {
    /// Fills `buffer` with the next chunk and gives its length, which is zero at the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let count = host::read::fill(&mut self.reader, buffer).map_err(|source| self.job.unreadable(source))?;
        self.found += count as u64;
        // Checked at each chunk, so that a file that grows for ever is not read for ever.
        let expected = self.job.source.size();
        if self.found > expected || (count == 0 && self.found != expected) {
            return Err(self.job.changed(self.found));
        }
        self.hasher.progress(count as u64);
        Ok(count)
    }
}

impl<'a, D: Digests> Stream<'a, D> {
    fn open(hasher: &'a FileHasher<'a, D>, job: &'a Job<'a>) -> Result<Self, Error> {
        let size = job.source.size();
        let objects = hasher.sinks.iter().map(|sink| sink.large(size)).collect::<Result<_, _>>()?;
        let input = Input { hasher, job, reader: job.source.open()?, found: 0 };
        Ok(Self { input, digests: D::default(), objects })
    }

    fn finish(self) -> Result<D::File, Error> {
        self.input.reader.check()?;
        let (file, verity) = self.digests.end(self.input.found, None);
        for object in self.objects {
            object.finish(&verity)?;
        }
        Ok(file)
    }
}
