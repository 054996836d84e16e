//! The temporary directory of one build.

#![allow(clippy::disallowed_methods, reason = "the cache is this user's own directory")]

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use model::Digest;

use super::plan::{self, Privilege};
use super::{Error, io_error};
use crate::cache::Cache;
use host::process::{self, Invocation};

/// A build's temporary directory. It is removed with everything in it when the build ends in any
/// way; what a killed build left is removed by the next one of the same key, or by `cache gc`.
pub(super) struct Work {
    pub(super) path: PathBuf,
    privilege: Privilege,
}

impl Work {
    pub(super) fn new(cache: &Cache, key: &Digest, privilege: Privilege) -> Result<Self, Error> {
        // The lock on the key makes the name ours alone.
        let path = cache.temporary()?.join(format!("rootfs-{}", key.hex()));
        let path = std::path::absolute(&path).map_err(io_error("find", &path))?;
        let work = Self { path, privilege };
        work.remove();
        fs::DirBuilder::new().mode(0o755).create(&work.path).map_err(io_error("make", &work.path))?;
        work.directory("entry")?;
        Ok(work)
    }

    pub(super) fn entry(&self) -> PathBuf {
        self.path.join("entry")
    }

    pub(super) fn directory(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        fs::DirBuilder::new().mode(0o755).create(&path).map_err(io_error("make", &path))?;
        Ok(path)
    }

    /// Nothing is mounted below: mounts live in the build's own namespace, which is gone with it.
    fn remove(&self) {
        if fs::remove_dir_all(&self.path).is_ok() || !self.path.exists() {
            return;
        }
        // In a user namespace the files of a killed build belong to the user's subordinate ids.
        if self.privilege == Privilege::User {
            // If it stays, `create` says so with the path.
            let _ = process::capture(&plan::by(Privilege::User, Invocation::removing(&self.path)));
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.remove();
    }
}
