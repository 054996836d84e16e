//! The object store as files: `xx/<62 hex>`, named by the fs-verity digest of the content.
//!
//! An object is written under a temporary name in the same file system and renamed, so that a name
//! never leads to half of an object. Objects are made durable together by one `syncfs`, which is
//! what makes 150,000 of them cheap. Nothing is ever hard-linked into the store: a link would share
//! mode, owner and later writes with a file that is not ours.
//!
//! A store may be shared by several builds at once. Each has a [`Scratch`] directory of its own for
//! temporaries.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use host::{Dir, Links, Scratch};
use model::VerityDigest;
use rustix::fs::{FileType, Stat};

use crate::error::Error;
use crate::identity::Identity;
use crate::object::{Extent, LargeObject, ObjectSink, Objects};
use crate::verity;

/// The beginning of the name of a directory for temporaries.
const TEMPORARY: &str = ".incoming-";

/// The mode of an object.
const OBJECT_MODE: u32 = 0o644;

/// The mode of a directory of the store.
const DIRECTORY_MODE: u32 = 0o755;

/// An object store that takes objects.
#[derive(Debug)]
pub struct Store {
    root: Dir,
    /// This build's directory for temporaries.
    scratch: Scratch,
    /// The directories `00` to `ff`, opened when first used.
    directories: Vec<OnceLock<Dir>>,
    next: AtomicU64,
}

impl Store {
    /// Opens the store in `root`, and removes what killed builds left in it.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn create(root: Dir) -> Result<Self, Error> {
        let scratch = Scratch::new(&root, TEMPORARY)?;
        let directories = (0..256).map(|_| OnceLock::new()).collect();
        Ok(Self { root, scratch, directories, next: AtomicU64::new(0) })
    }

    /// Makes the objects durable that the store has taken so far. It takes its time without using a
    /// processor, so it is best called beside other work.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> Result<(), Error> {
        rustix::fs::syncfs(&self.root).map_err(|errno| Error::io("sync", self.root.path())(errno.into()))
    }

    /// The open directory that holds the objects whose digest begins with `first`. A symbolic link there
    /// would put objects outside of the store.
    fn directory(&self, first: u8) -> Result<&Dir, Error> {
        let slot = &self.directories[usize::from(first)];
        if let Some(directory) = slot.get() {
            return Ok(directory);
        }
        let name = format!("{first:02x}");
        let opened = match self.root.directory(&name, Links::Refuse) {
            Err(error) if error.is_not_found() => self.new_directory(&name)?,
            opened => opened?,
        };
        Ok(slot.get_or_init(|| opened))
    }

    /// Makes a directory where only this build comes to, and puts it into its place: other threads, and other
    /// builds, find it as it is to be or not at all.
    fn new_directory(&self, name: &str) -> Result<Dir, Error> {
        let temporary = self.unused_name();
        self.scratch.dir().create_directory(&temporary, DIRECTORY_MODE)?;
        match self.scratch.dir().rename_to_new(&temporary, &self.root, name) {
            // Another one was faster; what was made goes with the directory for temporaries.
            Err(host::Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
            placed => placed?,
        }
        Ok(self.root.directory(name, Links::Refuse)?)
    }

    /// A name in the directory for temporaries.
    fn unused_name(&self) -> String {
        format!("{:x}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether the store holds something like an object of this name and size. Archives are made from
    /// the store, so what it holds is looked at before it is relied on.
    fn has(&self, digest: &VerityDigest, size: u64) -> Result<bool, Error> {
        Ok(self.stat(digest, size)?.is_some())
    }

    /// What the system says of it, if it is that.
    fn stat(&self, digest: &VerityDigest, size: u64) -> Result<Option<Stat>, Error> {
        let directory = self.directory(digest.as_bytes()[0])?;
        let found = directory.stat(name_of(digest))?;
        Ok(found.filter(|stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                && stat.st_mode & 0o7777 == OBJECT_MODE
                && u64::try_from(stat.st_size) == Ok(size)
        }))
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

    /// The fs-verity digest of what the object holds.
    fn content_digest(&self, digest: &VerityDigest, size: u64) -> Result<VerityDigest, Error> {
        let extent = self.locate(digest, size)?;
        verity::digest_of_file(&extent.file, size).map_err(Error::io("read", &self.object(digest)))
    }

    /// What the user calls the object.
    fn object(&self, digest: &VerityDigest) -> PathBuf {
        self.root.join(digest.object_path())
    }

    fn temporary(&self) -> Result<Temporary<'_>, Error> {
        let name = self.unused_name();
        let file = self.scratch.dir().create(&name, OBJECT_MODE)?;
        Ok(Temporary { store: self, file, name: Some(name) })
    }
}

/// The name of the object in its directory.
fn name_of(digest: &VerityDigest) -> String {
    hex::encode(&digest.as_bytes()[1..])
}

impl ObjectSink for Store {
    fn small(&self, digest: &VerityDigest, content: &[u8]) -> Result<(), Error> {
        if self.has(digest, content.len() as u64)? && self.holds(digest, content)? {
            return Ok(());
        }
        let mut temporary = self.temporary()?;
        temporary.write(content)?;
        temporary.name_it(digest)
    }

    fn kept(&self, digest: &VerityDigest, size: u64) -> Result<Option<Identity>, Error> {
        Ok(self.stat(digest, size)?.and_then(|stat| Identity::of(&stat, 0, size)))
    }

    fn large(&self, size: u64) -> Result<Box<dyn LargeObject + '_>, Error> {
        Ok(Box::new(LargeFile { temporary: self.temporary()?, size }))
    }
}

impl Objects for Store {
    fn locate(&self, digest: &VerityDigest, size: u64) -> Result<Extent, Error> {
        let directory = self.directory(digest.as_bytes()[0])?;
        let file = match directory.file(name_of(digest), Links::Refuse) {
            Err(error) if error.is_not_found() => return Err(Error::MissingObject { digest: *digest, size }),
            file => file?,
        };
        let found = file.metadata().map_err(Error::io("read", &self.object(digest)))?;
        if found.len() == size {
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
        self.temporary.write(chunk)
    }

    fn finish(self: Box<Self>, digest: &VerityDigest) -> Result<(), Error> {
        let store = self.temporary.store;
        // The content is gone, so the object that exists shows by its digest what it holds.
        let good = store.has(digest, self.size)? && store.content_digest(digest, self.size)? == *digest;
        if good { Ok(()) } else { self.temporary.name_it(digest) }
    }
}

/// A file that is removed unless it gets its name.
struct Temporary<'a> {
    store: &'a Store,
    file: File,
    name: Option<String>,
}

impl Temporary<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(Error::io("write", self.store.scratch.dir().path()))
    }

    fn name_it(mut self, digest: &VerityDigest) -> Result<(), Error> {
        let directory = self.store.directory(digest.as_bytes()[0])?;
        let Some(name) = self.name.take() else { return Ok(()) };
        self.store.scratch.dir().rename(&name, directory, name_of(digest)).map_err(|error| {
            self.name = Some(name);
            error.into()
        })
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // What cannot be removed now goes with its directory.
            let _ = self.store.scratch.dir().remove_file(name);
        }
    }
}

#[cfg(test)]
mod tests;
