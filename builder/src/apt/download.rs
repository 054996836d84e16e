//! One file from its URL into the cache: resumable, bounded in its length, and checked.

#![allow(clippy::disallowed_methods, reason = "the cache is this user's own directory")]

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use host::lock::{self, Hold, LockGuard};
use model::Digest;
use model::observe::Observer;
use net::Client;
use sha2::{Digest as _, Sha256};

use super::error::FetchFault;
use super::solve::percent_decode;
use super::transfer::{Came, Failure, Length, Wanted};

/// The file that a download grows in, locked for this process.
///
/// It is renamed to its final name as it is. Another process that waited for the lock then holds
/// the finished file; it sees by the name that this is no part file any more.
pub(crate) struct Part {
    file: LockGuard,
    path: PathBuf,
    /// Whether bytes of an earlier attempt are in it.
    is_resumed: bool,
}

/// A transfer that has begun.
struct Begun<'a> {
    body: Box<dyn Read + 'a>,
    /// Where its bytes begin.
    start: u64,
    /// Where they end, as far as that is known.
    total: Option<u64>,
}

impl Part {
    /// Opens or makes the part file and waits for its lock. `None`: the name was taken away
    /// meanwhile, which means that someone else finished it (or cleaned up): look again.
    pub(crate) fn open(path: &Path, observer: &dyn Observer) -> Result<Option<Self>, FetchFault> {
        let file = lock::open(path).and_then(|file| file.hold(Hold::Alone, observer));
        let file = file.map_err(|error| unusable(&error))?;
        let part = Self { file, path: path.to_owned(), is_resumed: false };
        let is_there = fs::symlink_metadata(path).is_ok_and(|there| part.is(&there));
        Ok(is_there.then_some(part))
    }

    /// Whether `metadata` is that of this file, under whatever name.
    pub(crate) fn is(&self, metadata: &fs::Metadata) -> bool {
        use std::os::unix::fs::MetadataExt;
        let identity = |found: &fs::Metadata| (found.dev(), found.ino());
        self.file.file().metadata().is_ok_and(|mine| identity(&mine) == identity(metadata))
    }

    /// Downloads what is missing, checks the whole, and gives it its final name.
    ///
    /// The bytes are not synced: whoever uses the file checks its sha256, so that a file which a
    /// crash left incomplete is found and fetched again.
    pub(crate) fn complete(
        &mut self,
        client: &Client,
        wanted: &Wanted<'_>,
        target: &Path,
        progress: &dyn Fn(Came),
    ) -> Result<(), Failure> {
        self.fill(client, wanted, progress)?;
        let failed = |error: io::Error| Failure::Final(disk(target, &error));
        use std::os::unix::fs::PermissionsExt;
        self.file.file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(failed)?;
        fs::rename(&self.path, target).map_err(failed)
    }

    /// Downloads all of it for nothing but its check: what came is gone then.
    pub(crate) fn check(
        &mut self,
        client: &Client,
        wanted: &Wanted<'_>,
        progress: &dyn Fn(Came),
    ) -> Result<(), Failure> {
        self.fill(client, wanted, progress)?;
        self.restart()
    }

    /// Throws away what an earlier run left.
    pub(crate) fn clear(&mut self) -> Result<(), FetchFault> {
        self.file.file().set_len(0).map_err(|error| disk(&self.path, &error))
    }

    /// Downloads what is missing, and checks the whole.
    fn fill(&mut self, client: &Client, wanted: &Wanted<'_>, progress: &dyn Fn(Came)) -> Result<(), Failure> {
        let outcome = self.attempt(client, wanted, progress);
        let is_wrong =
            matches!(outcome, Err(Failure::Final(FetchFault::WrongDigest { .. } | FetchFault::WrongSize { .. })));
        if self.is_resumed && is_wrong {
            // The fault may be in what an earlier run left: once more, from the beginning.
            self.restart()?;
            return self.attempt(client, wanted, progress);
        }
        outcome
    }

    fn length(&self) -> Result<u64, Failure> {
        Ok(self.file.file().metadata().map_err(|e| Failure::Final(disk(&self.path, &e)))?.len())
    }

    fn digest(&mut self) -> Result<Digest, Failure> {
        let found = self.file.file_mut().seek(SeekFrom::Start(0)).and_then(|_| digest(self.file.file_mut()));
        found.map_err(|e| Failure::Final(disk(&self.path, &e)))
    }

    fn restart(&mut self) -> Result<(), Failure> {
        let outcome = self.file.file().set_len(0).and_then(|()| self.file.file_mut().seek(SeekFrom::Start(0)));
        outcome.map(|_| ()).map_err(|e| Failure::Final(disk(&self.path, &e)))
    }

    fn attempt(&mut self, client: &Client, wanted: &Wanted<'_>, progress: &dyn Fn(Came)) -> Result<(), Failure> {
        let mut length = self.length()?;
        if length > wanted.length.most() {
            self.restart()?;
            length = 0;
        }
        self.is_resumed = length > 0;
        let is_whole = match wanted.length {
            Length::Exactly(size) => length == size && size > 0,
            // Where an earlier run ended between the last byte and the final name.
            Length::AtMost(_) => length > 0 && self.digest()? == wanted.sha256,
        };
        if !is_whole {
            let Begun { mut body, start, total } = self.source(client, wanted, length)?;
            if start != length {
                self.restart()?;
                self.is_resumed = false;
            }
            progress(Came::Start { at: start, total });
            self.append(&mut body, start, wanted, progress)?;
        }
        let found = self.digest()?;
        if found == wanted.sha256 {
            return Ok(());
        }
        self.restart()?;
        Err(Failure::Final(FetchFault::WrongDigest { expected: wanted.sha256, found }))
    }

    /// The bytes from `offset` on, if the source can begin there; else from the beginning.
    fn source<'a>(&self, client: &'a Client, wanted: &Wanted<'_>, offset: u64) -> Result<Begun<'a>, Failure> {
        match wanted.url.split_once(':') {
            Some(("http" | "https", _)) => {
                let response = client.get(wanted.url, wanted.length.most()).offset(offset).send()?;
                let (start, total) = (response.start(), response.total());
                total.map_or(Ok(()), |total| wanted.length.check(total))?;
                Ok(Begun { body: Box::new(response), start, total })
            }
            Some(("file" | "copy", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                let path = PathBuf::from(percent_decode(path).ok_or(Failure::Final(FetchFault::Scheme))?);
                // An archive may hold links, and nothing in it is a pipe or a device.
                let file = host::open::file(&path).map_err(|error| match error {
                    error if error.is_not_found() => Failure::Final(FetchFault::Status(404)),
                    host::Error::Io { source, .. } => Failure::Final(disk(&path, &source)),
                    place => Failure::Final(FetchFault::NoFile { message: place.to_string() }),
                })?;
                let found = file.metadata().map_err(|e| Failure::Final(disk(&path, &e)))?.len();
                wanted.length.check(found)?;
                // Not more than its length: what says that it is empty and is not, such as /proc/kmsg, may never end.
                let body = Box::new(file.take(found));
                Ok(Begun { body, start: 0, total: Some(found) })
            }
            _ => Err(Failure::Final(FetchFault::Scheme)),
        }
    }

    fn append(
        &mut self,
        body: &mut dyn Read,
        start: u64,
        wanted: &Wanted<'_>,
        progress: &dyn Fn(Came),
    ) -> Result<(), Failure> {
        self.file.file_mut().seek(SeekFrom::Start(start)).map_err(|e| Failure::Final(disk(&self.path, &e)))?;
        let mut buffer = vec![0; 128 << 10];
        let mut length = start;
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) if matches!(wanted.length, Length::Exactly(size) if length < size) => {
                    return Err(Failure::transient(format!("the connection ended after {length} bytes")));
                }
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let failure = net::Error::of_read(&error).cloned().map(Failure::from);
                    let failure = failure.unwrap_or_else(|| Failure::transient(error.to_string()));
                    if let Failure::Final(_) = failure {
                        // What came belongs to another file.
                        self.restart()?;
                    }
                    return Err(failure);
                }
            };
            length += count as u64;
            self.file.file_mut().write_all(&buffer[..count]).map_err(|e| Failure::Final(disk(&self.path, &e)))?;
            progress(Came::Bytes(count as u64));
        }
    }
}

impl Drop for Part {
    /// Nothing is left of a download that brought nothing. The lock is held until then: whoever waits for it sees that the
    /// name is gone.
    fn drop(&mut self) {
        let is_empty = self.file.file().metadata().is_ok_and(|mine| mine.len() == 0);
        if is_empty && fs::symlink_metadata(&self.path).is_ok_and(|there| self.is(&there)) {
            // What cannot be removed goes with `cache gc`.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The fault of a file that is not ours, or that the system would not open.
pub(super) fn unusable(error: &host::Error) -> FetchFault {
    match error {
        host::Error::Io { path, source, .. } => disk(path, source),
        host::Error::Place { .. } => FetchFault::Io { message: error.to_string(), full: false },
    }
}

/// The fault of a file that the system would not read or write.
pub(super) fn disk(path: &Path, error: &io::Error) -> FetchFault {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    FetchFault::Io { message: format!("{}: {error}", path.display()), full }
}

/// The sha256 of all that `input` still holds.
pub(crate) fn digest(input: &mut dyn Read) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(Digest::new(hasher.finalize().into())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
