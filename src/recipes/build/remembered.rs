//! What earlier builds of this user read and wrote: the digests of files, and the records of results.
//!
//! Results are where their module's files are, and whoever writes the one can write the other. So the sha256
//! of the record that a build left is kept in the cache, by the place where the results are, and no other
//! record is trusted.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use builder::cache::{Cache, is_not_ours};
use composer::hashing::DigestCache;
use host::Dir;
use model::Digest;
use model::observe::Observer;

use crate::error::Error;

/// Where digests are remembered, and whether to rely on them.
#[derive(Debug)]
pub(crate) struct DigestCacheHandle {
    /// The cache that has them.
    pub(crate) cache: Cache,
    /// Whether to read every file all the same.
    pub(crate) paranoid: bool,
}

impl DigestCacheHandle {
    /// What is known for builds that write to `output`. A cache that cannot be used costs time and
    /// nothing else, so the build goes on without.
    pub(crate) fn open(&self, output: &Path, observer: &dyn Observer) -> Option<DigestCache> {
        match self.try_open(output, observer) {
            Ok(digests) => Some(digests),
            Err(error) => {
                observer.note(&format!("every file is read, since no digests can be remembered: {error}"));
                None
            }
        }
    }

    fn try_open(&self, output: &Path, observer: &dyn Observer) -> Result<DigestCache, Error> {
        // What another directory's runs wrote is put aside first.
        drop(self.cache.in_use(observer)?);
        let path = self.cache.digests()?.join(name(output)?);
        self.warn_of(&path, observer);
        let open = if self.paranoid { DigestCache::write_only } else { DigestCache::open };
        Ok(open(&path)?)
    }
}

impl DigestCacheHandle {
    /// Says that an entry is not used, if that is because it is not ours.
    fn warn_of(&self, path: &Path, observer: &dyn Observer) {
        match self.cache.file(path) {
            Err(error) if is_not_ours(&error) => {
                observer.warning(
                    &format!("what the cache remembers is not used: {error}"),
                    "nothing needs to be done: it is made again",
                );
            }
            _ => {}
        }
    }

    /// Whether a build of this user left a record with this sha256 in `output`.
    pub(crate) fn knows(&self, output: &Path, record: &Digest, observer: &dyn Observer) -> bool {
        let Ok(name) = name(output) else { return false };
        let path = self.cache.root().join("records").join(name);
        self.warn_of(&path, observer);
        let mut known = String::new();
        let read = self.cache.file(&path).map(|file| file.take(RECORD_LIMIT).read_to_string(&mut known));
        let knows = matches!(read, Ok(Ok(_))) && known == line(record);
        tracing::debug!("the record in {} is one that a build left: {knows}", output.display());
        if knows {
            // The mark only delays eviction.
            let _ = builder::cache::touch(&path);
        }
        knows
    }

    /// Remembers that a build left a record with this sha256 in `output`, where it is durable by now. A cache
    /// that cannot be used costs time and nothing else.
    pub(crate) fn know(&self, output: &Path, record: &Digest, observer: &dyn Observer) {
        let written = || -> Result<(), Error> {
            let _in_use = self.cache.in_use(observer)?;
            let records = Dir::open(&self.cache.records()?)?;
            Ok(records.replace(name(output)?, line(record).as_bytes(), 0o600)?)
        };
        if let Err(error) = written() {
            observer.note(&format!("the next build will write the results again: {error}"));
        }
    }
}

/// The longest file in `records/` that is read.
const RECORD_LIMIT: u64 = 256;

fn line(record: &Digest) -> String {
    format!("{record}\n")
}

/// The name of the file for builds that write to `output`, which need not exist.
fn name(output: &Path) -> Result<String, Error> {
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = match parent.canonicalize() {
        Ok(parent) => parent,
        // That of one architecture is in a directory that the build makes.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let around = parent.parent().filter(|around| !around.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let around: PathBuf = around.canonicalize().map_err(|error| Error::io("read", parent, &error))?;
            around.join(parent.file_name().unwrap_or_default())
        }
        Err(error) => return Err(Error::io("read", parent, &error)),
    };
    let path = path.join(output.file_name().unwrap_or_default());
    Ok(Digest::of(path.as_os_str().as_encoded_bytes()).hex())
}

/// Keeps `digests` for the next build.
pub(crate) fn save(digests: Option<DigestCache>, observer: &dyn Observer) {
    if let Some(Err(error)) = digests.map(DigestCache::save) {
        observer.note(&format!("the next build will read every file again: {}", Error::from(error)));
    }
}
