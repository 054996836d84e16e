//! A file that is appended to, and goes away when it could not be finished.
//!
//! A large file is written past the page cache where the file system allows it. No one reads it soon,
//! and the memory that it would take for a moment costs more than the writing: on a virtual machine whose
//! host hands out memory page by page, several times as much.

use std::fs::File;
use std::io::{self, Write};

use host::Dir;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::Error;

/// The size in bytes from which on a file is large.
const LARGE: u64 = 8 << 20;

/// What a direct write has to be aligned to, in memory and in the file. Sectors of disks have 512 or
/// 4096 bytes; a file system that wants more refuses, and is then written to the usual way.
const ALIGN: usize = 4096;

/// The bytes of one direct write.
const CHUNK: usize = 1 << 20;

/// A place for a file: a directory, and the name in it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The directory.
    pub directory: &'a Dir,
    /// The name.
    pub name: &'a str,
}

/// A file on its way, which removes itself unless it is finished.
#[derive(Debug)]
pub(super) struct Target<'a> {
    file: File,
    place: Place<'a>,
    direct: Option<Direct>,
    is_finished: bool,
}

impl<'a> Target<'a> {
    /// Begins the file at `place`, with mode 0644, for about `size` bytes. What was there is gone.
    pub(super) fn create(place: Place<'a>, size: u64) -> Result<Self, Error> {
        let Place { directory, name } = place;
        match directory.remove_file(name) {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
        let file = directory.create(name, 0o644)?;
        let direct = (size >= LARGE && set_direct(&file, true).is_ok()).then(Direct::new);
        Ok(Self { file, place, direct, is_finished: false })
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = match &mut self.direct {
            Some(direct) => direct.append(&self.file, bytes),
            None => self.file.write_all(bytes),
        };
        written.map_err(|error| self.failed(error))
    }

    /// Ends the file, which stays.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        if let Some(direct) = self.direct.take() {
            direct.finish(&self.file).map_err(|error| self.failed(error))?;
        }
        self.is_finished = true;
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("write", &self.place.directory.join(self.place.name))(error)
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed now goes with its directory.
            let _ = self.place.directory.remove_file(self.place.name);
        }
    }
}

fn set_direct(file: &File, on: bool) -> rustix::io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(file)?;
    let flags = if on { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT };
    rustix::fs::fcntl_setfl(file, flags)
}

/// The buffer of a file that is written past the page cache.
#[derive(Debug)]
struct Direct {
    /// Larger than needed, so that an aligned part of it holds [`CHUNK`] bytes.
    memory: Vec<u8>,
    start: usize,
    filled: usize,
}

impl Direct {
    fn new() -> Self {
        let memory = vec![0; CHUNK + ALIGN];
        let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self { memory, start, filled: 0 }
    }

    fn append(&mut self, file: &File, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(CHUNK - self.filled));
            let at = self.start + self.filled;
            self.memory[at..at + head.len()].copy_from_slice(head);
            self.filled += head.len();
            bytes = rest;
            if self.filled == CHUNK {
                self.flush(file)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, mut file: &File) -> io::Result<()> {
        let mut left = &self.memory[self.start..self.start + self.filled];
        while !left.is_empty() {
            match rustix::io::retry_on_intr(|| rustix::io::write(file, left)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => left = &left[count..],
                // The file system wants another alignment, or a short write left us at an odd place.
                Err(Errno::INVAL) => {
                    set_direct(file, false)?;
                    file.write_all(left)?;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.filled = 0;
        Ok(())
    }

    /// Writes what is left, which need not fill a block.
    fn finish(mut self, file: &File) -> io::Result<()> {
        set_direct(file, false)?;
        self.flush(file)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// On the disk, where direct writes work, and in memory, where they may not.
    fn places() -> [tempfile::TempDir; 2] {
        let target = Path::new(env!("CARGO_MANIFEST_DIR"));
        [tempfile::tempdir_in(target).unwrap(), tempfile::tempdir_in("/dev/shm").unwrap()]
    }

    #[test]
    fn what_was_appended_is_in_the_file_whatever_its_pieces_and_its_length() {
        let mut random = testkit::Random::from_environment();
        for place in places() {
            for size in [0, 1, 4095, 4096, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 4097] {
                for promised in [0, LARGE] {
                    let path = place.path().join("file");
                    std::fs::write(&path, "what was there").unwrap();
                    let content = random.bytes(size);
                    let directory = Dir::open(place.path()).unwrap();
                    let mut target = Target::create(Place { directory: &directory, name: "file" }, promised).unwrap();
                    let mut rest = &content[..];
                    while !rest.is_empty() {
                        let cut = 1 + usize::try_from(random.below(2 << 20)).unwrap();
                        let (piece, behind) = rest.split_at(cut.min(rest.len()));
                        target.append(piece).unwrap();
                        rest = behind;
                    }
                    target.finish().unwrap();
                    assert!(std::fs::read(&path).unwrap() == content, "{size}, {promised}");
                    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_not_finished_goes_away() {
        let place = tempfile::tempdir().unwrap();
        let directory = Dir::open(place.path()).unwrap();
        let mut target = Target::create(Place { directory: &directory, name: "file" }, LARGE).unwrap();
        target.append(&[1; 100]).unwrap();
        drop(target);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_large_file_goes_past_the_page_cache_and_its_end_does_not() {
        let place = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let directory = Dir::open(place.path()).unwrap();
        let file = directory.create("file", 0o644).unwrap();
        let flags = || rustix::fs::fcntl_getfl(&file).unwrap();
        let before = flags();
        if set_direct(&file, true).is_ok() {
            // To ask again changes nothing.
            set_direct(&file, true).unwrap();
            assert_eq!(flags(), before | OFlags::DIRECT);
            set_direct(&file, false).unwrap();
        }
        assert_eq!(flags(), before);
        let create = |size| Target::create(Place { directory: &directory, name: "file" }, size).unwrap();
        assert!(create(LARGE - 1).direct.is_none());
    }
}
