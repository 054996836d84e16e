//! Digests that are remembered from one build to the next.
//!
//! A file holds, for each content that was read or kept, what stands for its [`Identity`], and both of
//! its digests. It is a cache: whatever is wrong with it only means that everything is read again.
//!
//! ```text
//! "mbdigest", version (4 bytes, big-endian)
//! entries of 80 bytes, sorted: key (16), sha256 (32), fs-verity digest (32)
//! sha256 over all of the above
//! ```
//!
//! The key is the first half of the sha256 of the identity's numbers, in their order, big-endian.

#![allow(clippy::disallowed_methods, reason = "the cache is this user's own directory")]

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use image::identity::Identity;
use image::tree::Mtime;
use model::{Digest, VerityDigest};

use crate::error::Error;

const MAGIC: [u8; 8] = *b"mbdigest";
const VERSION: u32 = 1;
const HEADER: usize = 12;
const KEY: usize = 16;
const ENTRY: usize = KEY + 64;
const SUM: usize = 32;

/// The largest file that is read: three million entries.
const LIMIT: u64 = 256 << 20;

/// A content that changed less than this many seconds before the build began is not remembered: a
/// file system's clock may stand still for as long, and a later change would not show.
const MARGIN: i64 = 2;

/// Both digests of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The plain sha256.
    pub sha256: Digest,
    /// The fs-verity digest.
    pub verity: VerityDigest,
}

/// Remembers digests of contents by [`Identity`].
#[derive(Debug)]
pub struct DigestCache {
    path: PathBuf,
    /// The entries of the file.
    known: Vec<u8>,
    /// Which of them this build used.
    used: Vec<AtomicBool>,
    /// The entries that this build added.
    new: Mutex<Vec<[u8; ENTRY]>>,
    /// What changed at this time or later is too new to be remembered.
    recent: Mtime,
    /// How many contents were not read.
    hits: AtomicUsize,
}

impl DigestCache {
    /// Opens the cache in the file `path`, which need not exist; its directory must.
    ///
    /// # Errors
    /// When no file can be made in the directory. A file that cannot be used is as good as none.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let known = host::owner::file(path).ok().and_then(|file| read(file).ok()).and_then(checked).unwrap_or_default();
        let used = (0..known.len() / ENTRY).map(|_| AtomicBool::new(false)).collect();
        Ok(Self { known, used, ..Self::write_only(path)? })
    }

    /// Like [`DigestCache::open`], but remembers nothing of earlier builds: everything will be read.
    ///
    /// # Errors
    /// As there.
    pub fn write_only(path: &Path) -> Result<Self, Error> {
        let recent = now(directory_of(path))?;
        let recent = Mtime { seconds: recent.seconds - MARGIN, ..recent };
        Ok(Self {
            path: path.to_owned(),
            known: Vec::new(),
            used: Vec::new(),
            new: Mutex::default(),
            recent,
            hits: AtomicUsize::new(0),
        })
    }

    /// The digests of the content with this identity, where they are known.
    #[must_use]
    pub fn get(&self, identity: &Identity) -> Option<Known> {
        let key = key_of(identity);
        let (entries, _): (&[[u8; ENTRY]], _) = self.known.as_chunks();
        let index = entries.binary_search_by(|entry| entry[..KEY].cmp(&key)).ok()?;
        self.used[index].store(true, Ordering::Relaxed);
        let (sha256, verity) = entries[index][KEY..].split_at(32);
        Some(Known { sha256: Digest::new(sha256.try_into().ok()?), verity: VerityDigest::new(verity.try_into().ok()?) })
    }

    /// Remembers the digests of a content that was read while it had this identity, unless it changed
    /// so lately that a later change might not show.
    pub fn remember(&self, identity: &Identity, known: &Known) {
        if identity.modified < self.recent && identity.changed < self.recent {
            self.remember_own(identity, known);
        }
    }

    /// Remembers the digests of a file that this program wrote, and that no one else writes to.
    pub fn remember_own(&self, identity: &Identity, known: &Known) {
        let mut entry = [0; ENTRY];
        entry[..KEY].copy_from_slice(&key_of(identity));
        entry[KEY..KEY + 32].copy_from_slice(known.sha256.as_bytes());
        entry[KEY + 32..].copy_from_slice(known.verity.as_bytes());
        self.new.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// Counts a content that was not read.
    pub(super) fn count_hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// How many contents were not read, since their digests were known.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::Relaxed)
    }

    /// Writes what this build used and added; the rest is forgotten.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(self) -> Result<(), Error> {
        let Self { path, known, used, new, .. } = self;
        let mut entries = new.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (before, _): (&[[u8; ENTRY]], _) = known.as_chunks();
        entries
            .extend(before.iter().zip(used).filter(|(_, used)| used.load(Ordering::Relaxed)).map(|(entry, _)| entry));
        drop(known);
        entries.sort_unstable();
        entries.dedup();
        // Entries that would not be read again are not written.
        entries.truncate(usize::try_from(LIMIT).unwrap_or(usize::MAX) / ENTRY - 1);
        let mut bytes = Vec::with_capacity(HEADER + entries.len() * ENTRY + SUM);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend(entries.as_flattened());
        drop(entries);
        bytes.extend(Digest::of(&bytes).as_bytes());
        let directory = directory_of(&path);
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(Error::io("create a file in", directory))?;
        file.write_all(&bytes).map_err(Error::io("write", &path))?;
        file.persist(&path).map_err(|failed| Error::io("create", &path)(failed.error))?;
        Ok(())
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The time by the clock that gives files their times: that of a file which is made now.
fn now(directory: &Path) -> Result<Mtime, Error> {
    let file = tempfile::tempfile_in(directory).map_err(Error::io("create a file in", directory))?;
    let identity = Identity::of_open(&file, 0, 0);
    identity.map(|identity| identity.changed).ok_or_else(|| Error::io("stat", directory)(io::ErrorKind::Other.into()))
}

fn read(file: std::fs::File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The entries of a whole and undamaged file of the version that is known.
fn checked(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let entries = bytes.len().checked_sub(HEADER + SUM)?;
    let body = HEADER + entries;
    let header_is_known = bytes.starts_with(&MAGIC) && bytes[8..HEADER] == VERSION.to_be_bytes();
    if !header_is_known || entries % ENTRY != 0 || Digest::of(&bytes[..body]).as_bytes()[..] != bytes[body..] {
        return None;
    }
    bytes.truncate(body);
    bytes.drain(..HEADER);
    Some(bytes)
}

fn key_of(identity: &Identity) -> [u8; KEY] {
    let Identity { device, inode, file_size, modified, changed, offset, size } = identity;
    let mut text = [0; 64];
    let seconds = [modified, changed].map(|time| time.seconds.cast_unsigned());
    let numbers = [*device, *inode, *file_size, seconds[0], seconds[1], *offset, *size];
    for (place, number) in text.as_chunks_mut().0.iter_mut().zip(numbers) {
        *place = number.to_be_bytes();
    }
    text[56..60].copy_from_slice(&modified.nanoseconds.to_be_bytes());
    text[60..].copy_from_slice(&changed.nanoseconds.to_be_bytes());
    let mut key = [0; KEY];
    key.copy_from_slice(&Digest::of(&text).as_bytes()[..KEY]);
    key
}

#[cfg(test)]
mod tests;
