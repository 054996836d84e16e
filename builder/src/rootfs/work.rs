//! The temporary directory of one build.

#![allow(clippy::disallowed_methods, reason = "the cache is this user's own directory")]

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use model::Digest;

use super::plan::{self, Privilege};
use super::{Error, io_error};
use crate::cache::Cache;
use host::Dir;
use host::interrupt::{self, OnInterrupt};
use host::process::{self, Invocation};

/// The directory in it that is to become an entry of the cache.
const ENTRY: &str = "entry";

/// A build's temporary directory. It is removed with everything in it when the build ends in any
/// way; what a killed build left is removed by the next one ([`sweep`]).
pub(super) struct Work {
    pub(super) path: PathBuf,
    privilege: Privilege,
    undo: Option<OnInterrupt>,
}

impl Work {
    pub(super) fn new(cache: &Cache, key: &Digest, privilege: Privilege) -> Result<Self, Error> {
        // The lock on the key makes the name ours alone.
        let path = cache.temporary()?.join(format!("rootfs-{}", key.hex()));
        let path = std::path::absolute(&path).map_err(io_error("find", &path))?;
        remove(&path, privilege);
        let _whole = interrupt::whole();
        let undo = {
            let path = path.clone();
            Some(interrupt::on_interrupt(move || remove(&path, privilege)))
        };
        let work = Self { path, privilege, undo };
        fs::DirBuilder::new().mode(0o755).create(&work.path).map_err(io_error("make", &work.path))?;
        work.directory(ENTRY)?;
        Ok(work)
    }

    pub(super) fn entry(&self) -> PathBuf {
        self.path.join(ENTRY)
    }

    pub(super) fn directory(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        fs::DirBuilder::new().mode(0o755).create(&path).map_err(io_error("make", &path))?;
        Ok(path)
    }
}

/// Nothing is mounted below: mounts live in the build's own namespace, which is gone with it.
fn remove(path: &Path, privilege: Privilege) {
    if fs::remove_dir_all(path).is_ok() || !path.exists() {
        return;
    }
    // In a user namespace the files of a killed build belong to the user's subordinate ids.
    if privilege == Privilege::User {
        // If it stays, `create` says so with the path.
        let _ = process::capture(&plan::by(Privilege::User, Invocation::removing(path)));
    }
}

/// Removes the directories of builds that were killed: the lock on the key of one that lives is held.
pub(super) fn sweep(cache: &Cache) {
    let Ok(tmp) = Dir::open(cache.root()).and_then(|dir| dir.own_directory("tmp")) else { return };
    for name in tmp.names().unwrap_or_default() {
        let key = name.to_str().and_then(|name| name.strip_prefix("rootfs-")).and_then(Digest::from_hex);
        // What was put aside is no work, and has no entry in the making.
        let Some(key) = key.filter(|_| tmp.join(&name).join(ENTRY).is_dir()) else { continue };
        if let Ok(Some(_lock)) = cache.try_lock(&format!("rootfs-{}", key.hex())) {
            remove(&tmp.join(&name), Privilege::User);
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // Until it is gone a signal has it removed.
        remove(&self.path, self.privilege);
        self.undo = None;
    }
}
