//! Writing an archive: plain, compressed, or both at once from one reading of its bytes.
//!
//! The archive is cut into [frames](super::frames). Each thread reads its share of them and compresses
//! them; one takes the frames in their order, hashes both forms and appends them to their files. So the bytes do not depend on the threads.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use model::Digest;
use sha2::{Digest as _, Sha256};

use super::TarBytes;
use super::frames::cuts;
use super::target::{Place, Target};
use crate::error::Error;

/// The usual compression level.
pub const LEVEL: i32 = 3;

/// The most threads that compress. Each holds up to three frames in both forms, so this bounds the
/// memory to about 100 MiB on the largest machine; on two cores it is 25 MiB.
const MOST_THREADS: usize = 8;

/// Where an archive goes to; at least one of the two.
#[derive(Debug, Clone, Copy, Default)]
pub struct Targets<'a> {
    /// The tar file.
    pub tar: Option<Place<'a>>,
    /// The same as independent zstd frames, and their level.
    pub packed: Option<(Place<'a>, i32)>,
}

/// A digest and a length, computed while the bytes were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// The sha256.
    pub sha256: Digest,
    /// The length in bytes.
    pub size: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The tar file, also where only its compressed form was wanted.
    pub tar: Blob,
    /// The compressed form, where it was wanted.
    pub packed: Option<Blob>,
}

/// Writes `archive` to `targets`, which are replaced, with as many threads as the current rayon pool
/// has. Nothing is durable yet: the caller names and syncs what belongs together in one step.
///
/// # Errors
/// When an object is missing or the disk refuses; the files are removed then.
pub fn write(archive: &dyn TarBytes, targets: Targets<'_>) -> Result<Written, Error> {
    let size = archive.boundaries().last().copied().unwrap_or_default();
    let begin = |place| Target::create(place, size);
    let mut output = Output {
        tar: Half::begin(targets.tar.map(begin).transpose()?),
        packed: Half::begin(targets.packed.map(|(place, _)| begin(place)).transpose()?),
    };
    run(Job { archive, level: targets.packed.map(|(_, level)| level) }, &mut output)?;
    let (tar, packed) = (output.tar.finish()?, output.packed.finish()?);
    Ok(Written { tar, packed: targets.packed.map(|_| packed) })
}

/// The bytes of a frame, in both forms. Given back after use: memory that is fresh from the kernel
/// costs more than compressing into it.
#[derive(Default)]
struct Frame {
    plain: Vec<u8>,
    packed: Vec<u8>,
}

/// What each thread does.
#[derive(Clone, Copy)]
struct Job<'a> {
    archive: &'a dyn TarBytes,
    level: Option<i32>,
}

/// The way of frames from one thread, and back.
struct Line {
    frames: Receiver<Result<Frame, Error>>,
    used: Sender<Frame>,
}

fn run(job: Job<'_>, output: &mut Output<'_>) -> Result<(), Error> {
    let cuts = cuts(job.archive.boundaries());
    let threads = rayon::current_num_threads().min(MOST_THREADS).min(cuts.len()).max(1);
    thread::scope(|scope| {
        let mut lines = Vec::with_capacity(threads);
        for first in 0..threads {
            let (give, frames) = sync_channel(1);
            let (used, take) = channel();
            let own = cuts.iter().skip(first).step_by(threads);
            let work = move || job.frames(own, &give, &take);
            thread::Builder::new().spawn_scoped(scope, work).map_err(compressing)?;
            lines.push(Line { frames, used });
        }
        for line in lines.iter().cycle().take(cuts.len()) {
            // A thread that ends without a word has panicked, and the scope will say so.
            let Ok(frame) = line.frames.recv() else { break };
            let frame = frame?;
            output.take(&frame)?;
            // The thread may have ended; then no one wants the memory.
            let _ = line.used.send(frame);
        }
        Ok(())
    })
}

impl Job<'_> {
    fn frames<'r>(
        self,
        own: impl Iterator<Item = &'r Range<u64>>,
        give: &SyncSender<Result<Frame, Error>>,
        used: &Receiver<Frame>,
    ) {
        let mut compressor = match self.compressor() {
            Ok(compressor) => compressor,
            Err(error) => return drop(give.send(Err(error))),
        };
        for range in own {
            let mut frame = used.try_recv().unwrap_or_default();
            let done = self.frame(range, &mut frame, compressor.as_mut());
            let failed = done.is_err();
            // No one listens any more when another thread has failed.
            if give.send(done.map(|()| frame)).is_err() || failed {
                return;
            }
        }
    }

    fn compressor(&self) -> Result<Option<zstd::bulk::Compressor<'static>>, Error> {
        let Some(level) = self.level else { return Ok(None) };
        let mut compressor = zstd::bulk::Compressor::new(level).map_err(compressing)?;
        compressor.include_checksum(true).map_err(compressing)?;
        Ok(Some(compressor))
    }

    fn frame(
        &self,
        range: &Range<u64>,
        frame: &mut Frame,
        compressor: Option<&mut zstd::bulk::Compressor<'_>>,
    ) -> Result<(), Error> {
        let Frame { plain, packed } = frame;
        plain.resize(usize::try_from(range.end - range.start).unwrap_or(usize::MAX), 0);
        self.archive.read_exact_at(range.start, plain)?;
        packed.clear();
        if let Some(compressor) = compressor {
            packed.reserve(zstd::zstd_safe::compress_bound(plain.len()));
            // The one-shot call writes the content size into the frame. Each call begins a new
            // session: what the context did before leaves no trace, which a test holds.
            compressor.compress_to_buffer(plain, packed).map_err(compressing)?;
        }
        Ok(())
    }
}

fn compressing(source: io::Error) -> Error {
    Error::io("compress", Path::new("module.tar"))(source)
}

/// One of the two forms on its way: its digest, and its file where it is wanted.
struct Half<'a> {
    file: Option<Target<'a>>,
    sha256: Sha256,
    size: u64,
}

impl<'a> Half<'a> {
    fn begin(file: Option<Target<'a>>) -> Self {
        Self { file, sha256: Sha256::new(), size: 0 }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Self { file, sha256, size } = self;
        *size += bytes.len() as u64;
        // While the disk takes the bytes, the processor has time.
        rayon::join(|| sha256.update(bytes), || file.as_mut().map_or(Ok(()), |file| file.append(bytes))).1
    }

    fn finish(self) -> Result<Blob, Error> {
        self.file.map_or(Ok(()), Target::finish)?;
        Ok(Blob { sha256: Digest::new(self.sha256.finalize().into()), size: self.size })
    }
}

/// Takes the frames in their order.
struct Output<'a> {
    tar: Half<'a>,
    packed: Half<'a>,
}

impl Output<'_> {
    fn take(&mut self, frame: &Frame) -> Result<(), Error> {
        let (tar, packed) = rayon::join(|| self.tar.append(&frame.plain), || self.packed.append(&frame.packed));
        tar.and(packed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    /// An archive of one entry, with bytes that a context would like to remember.
    struct Bytes(Vec<u8>, [u64; 2]);

    impl TarBytes for Bytes {
        fn boundaries(&self) -> &[u64] {
            &self.1
        }

        fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
            let start = usize::try_from(offset).unwrap();
            buffer.copy_from_slice(&self.0[start..start + buffer.len()]);
            Ok(())
        }
    }

    #[test]
    fn a_context_that_is_used_again_gives_the_frames_of_a_new_one() {
        let mut random = testkit::Random::from_environment();
        let word = random.bytes(1000);
        let mut content = Vec::new();
        while content.len() < 9 << 20 {
            let from = usize::try_from(random.below(900)).unwrap();
            content.extend_from_slice(&word[from..from + 100]);
            content.extend(random.bytes(20));
        }
        let archive = Bytes(content, [0, 9 << 20]);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("packed");
        let dir = host::Dir::open(directory.path()).unwrap();
        let place = Place { directory: &dir, name: "packed" };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let written = pool.install(|| write(&archive, Targets { tar: None, packed: Some((place, LEVEL)) }).unwrap());
        let mut fresh = Vec::new();
        for cut in cuts(&archive.1) {
            let mut compressor = zstd::bulk::Compressor::new(LEVEL).unwrap();
            compressor.include_checksum(true).unwrap();
            let range = usize::try_from(cut.start).unwrap()..usize::try_from(cut.end).unwrap();
            fresh.extend(compressor.compress(&archive.0[range]).unwrap());
        }
        assert!(std::fs::read(&path).unwrap() == fresh);
        assert_eq!(written.packed.unwrap().sha256, Digest::of(&fresh));
    }
}
