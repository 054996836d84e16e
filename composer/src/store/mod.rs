//! The object store as files: `xx/<62 hex>`, named by the fs-verity digest of the content.
//!
//! An object is written under a temporary name in the same file system and renamed, so that a name
//! never leads to half of an object. Objects are made durable together by one `syncfs`, which is
//! what makes 150,000 of them cheap. Nothing is ever hard-linked into the store: a link would share
//! mode, owner and later writes with a file that is not ours.
//!
//! A store may be shared by several builds at once. Each has a [`Scratch`] directory of its own for
//! temporaries.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use model::VerityDigest;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::archive::{Extent, Objects};
use crate::error::Error;
use crate::scan::{Identity, Source, identity_of};
use crate::scratch::Scratch;
use crate::seal::{DigestCache, Known, LargeObject, ObjectSink};

mod check;

/// The beginning of the name of a directory for temporaries.
const TEMPORARY: &str = ".incoming-";

/// The mode of an object.
const OBJECT_MODE: u32 = 0o644;

/// The mode of a directory of the store.
const DIRECTORY_MODE: u32 = 0o755;

/// An object store that takes objects.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    root: File,
    /// This build's directory for temporaries.
    scratch: Scratch,
    /// The same, open.
    incoming: File,
    /// The directories `00` to `ff`, opened when first used.
    directories: Vec<OnceLock<OwnedFd>>,
    next: AtomicU64,
}

impl Store {
    /// Opens the store at `path`, which is made if it does not exist, and removes what killed
    /// builds left in it.
    ///
    /// # Errors
    /// When the directory cannot be made or written.
    pub fn create(path: &Path) -> Result<Self, Error> {
        if !path.is_dir() {
            std::fs::create_dir_all(path).map_err(Error::io("create", path))?;
            set_directory_mode(path)?;
        }
        let root = File::open(path).map_err(Error::io("open", path))?;
        let scratch = Scratch::new(path, TEMPORARY)?;
        let incoming = File::open(scratch.path()).map_err(Error::io("open", scratch.path()))?;
        let directories = (0..256).map(|_| OnceLock::new()).collect();
        Ok(Self { path: path.to_owned(), root, scratch, incoming, directories, next: AtomicU64::new(0) })
    }

    /// Makes the objects durable that the store has taken so far. It takes its time without using a
    /// processor, so it is best called beside other work.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> Result<(), Error> {
        rustix::fs::syncfs(&self.root).map_err(|errno| Error::io("sync", &self.path)(errno.into()))
    }

    /// The open directory that holds the objects whose digest begins with `first`.
    fn directory(&self, first: u8) -> Result<&OwnedFd, Error> {
        let slot = &self.directories[usize::from(first)];
        if let Some(directory) = slot.get() {
            return Ok(directory);
        }
        let path = self.path.join(format!("{first:02x}"));
        match std::fs::create_dir(&path) {
            Ok(()) => set_directory_mode(&path)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("create", &path)(error)),
        }
        // A symbolic link here would put objects outside of the store.
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let opened =
            rustix::fs::open(&path, flags, Mode::empty()).map_err(|errno| Error::io("open", &path)(errno.into()))?;
        Ok(slot.get_or_init(|| opened))
    }

    /// Whether the store holds something like an object of this name and size. Archives are made from
    /// the store, so what it holds is looked at before it is relied on.
    fn has(&self, digest: &VerityDigest, size: u64) -> Result<bool, Error> {
        let directory = self.directory(digest.as_bytes()[0])?;
        let name = hex::encode(&digest.as_bytes()[1..]);
        let stat = match rustix::fs::statat(directory, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(Error::io("read", &self.object(digest))(errno.into())),
        };
        Ok(FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stat.st_mode & 0o7777 == OBJECT_MODE
            && u64::try_from(stat.st_size) == Ok(size))
    }

    /// Whether the object that exists has this content. Comparing costs less than writing.
    fn holds(&self, digest: &VerityDigest, content: &[u8]) -> Result<bool, Error> {
        let extent = self.locate(digest, content.len() as u64)?;
        let mut buffer = [0; 16 << 10];
        let mut offset = 0;
        for part in content.chunks(buffer.len()) {
            let found = &mut buffer[..part.len()];
            extent.file.read_exact_at(found, offset).map_err(Error::io("read", &self.object(digest)))?;
            if found != part {
                return Ok(false);
            }
            offset += part.len() as u64;
        }
        Ok(true)
    }

    /// The identity of the object's file.
    fn identity(&self, digest: &VerityDigest, size: u64) -> Option<Identity> {
        let directory = self.directory(digest.as_bytes()[0]).ok()?;
        let name = hex::encode(&digest.as_bytes()[1..]);
        let stat = rustix::fs::statat(directory, &*name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        identity_of(&stat, 0, size)
    }

    fn object(&self, digest: &VerityDigest) -> PathBuf {
        self.path.join(digest.object_path())
    }

    fn temporary(&self) -> Result<Temporary<'_>, Error> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number:x}");
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let path = self.scratch.path().join(&name);
        let file = rustix::fs::openat(&self.incoming, &*name, flags, Mode::from_raw_mode(OBJECT_MODE))
            .map_err(|errno| Error::io("create", &path)(errno.into()))?;
        let temporary = Temporary { store: self, file: File::from(file), name: Some(name), path };
        // The mode given to open is cut by the umask. To change it costs as much as to make the file.
        let metadata = temporary.file.metadata().map_err(Error::io("stat", &temporary.path))?;
        if metadata.permissions().mode() & 0o7777 != OBJECT_MODE {
            rustix::fs::fchmod(&temporary.file, Mode::from_raw_mode(OBJECT_MODE))
                .map_err(|errno| Error::io("change the mode of", &temporary.path)(errno.into()))?;
        }
        Ok(temporary)
    }
}

impl ObjectSink for Store {
    fn small(&self, digest: &VerityDigest, content: &[u8]) -> Result<(), Error> {
        if self.has(digest, content.len() as u64)? && self.holds(digest, content)? {
            return Ok(());
        }
        let mut temporary = self.temporary()?;
        temporary.file.write_all(content).map_err(Error::io("write", &temporary.path))?;
        temporary.name_it(digest)
    }

    fn adopt(
        &self,
        digest: &VerityDigest,
        (_, identity): (&Source, &Identity),
        cache: &DigestCache,
    ) -> Result<bool, Error> {
        // An object that somebody has written to since is none that the cache knows.
        let object = if self.has(digest, identity.size)? { self.identity(digest, identity.size) } else { None };
        Ok(object.and_then(|object| cache.recall(&object)).is_some_and(|known| known.verity == *digest))
    }

    fn remember(&self, known: &Known, size: u64, cache: &DigestCache) {
        if let Some(object) = self.identity(&known.verity, size) {
            cache.remember_own(&object, known);
        }
    }

    fn large(&self, size: u64) -> Result<Box<dyn LargeObject + '_>, Error> {
        Ok(Box::new(LargeFile { temporary: self.temporary()?, size }))
    }
}

impl Objects for Store {
    fn locate(&self, digest: &VerityDigest, size: u64) -> Result<Extent, Error> {
        let directory = self.directory(digest.as_bytes()[0])?;
        let name = hex::encode(&digest.as_bytes()[1..]);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(directory, &*name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Err(Error::MissingObject { digest: *digest, size }),
            Err(errno) => return Err(Error::io("open", &self.object(digest))(errno.into())),
        };
        let found = file.metadata().map_err(Error::io("read", &self.object(digest)))?;
        if found.is_file() && found.len() == size {
            return Ok(Extent { file: Arc::new(file), offset: 0 });
        }
        Err(Error::MissingObject { digest: *digest, size })
    }
}

/// A large object on its way into the store.
struct LargeFile<'a> {
    temporary: Temporary<'a>,
    size: u64,
}

impl LargeObject for LargeFile<'_> {
    fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.temporary.file.write_all(chunk).map_err(Error::io("write", &self.temporary.path))
    }

    fn finish(self: Box<Self>, digest: &VerityDigest) -> Result<(), Error> {
        let store = self.temporary.store;
        // The content is gone, so the object that exists shows by its digest what it holds.
        let good = store.has(digest, self.size)? && check::digest_of(&store.object(digest), self.size)? == *digest;
        if good { Ok(()) } else { self.temporary.name_it(digest) }
    }
}

/// A file that is removed unless it gets its name.
struct Temporary<'a> {
    store: &'a Store,
    file: File,
    name: Option<String>,
    path: PathBuf,
}

impl Temporary<'_> {
    fn name_it(mut self, digest: &VerityDigest) -> Result<(), Error> {
        let directory = self.store.directory(digest.as_bytes()[0])?;
        let Some(name) = self.name.take() else { return Ok(()) };
        let target = hex::encode(&digest.as_bytes()[1..]);
        rustix::fs::renameat(&self.store.incoming, &*name, directory, &*target).map_err(|errno| {
            self.name = Some(name);
            Error::io("create", &self.store.object(digest))(errno.into())
        })
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // What cannot be removed now goes with its directory.
            let _ = rustix::fs::unlinkat(&self.store.incoming, &**name, AtFlags::empty());
        }
    }
}

fn set_directory_mode(path: &Path) -> Result<(), Error> {
    std::fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))
        .map_err(Error::io("change the mode of", path))
}

#[cfg(test)]
mod tests;
