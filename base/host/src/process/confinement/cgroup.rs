//! The cgroup of a confined program: made, entered, and removed with all that it started in it.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::Isolation;
use crate::process::failed::{Failed, failed};

/// How often removing is tried again, while the kernel ends what was in a group.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// Puts this process into the cgroup at `path`, which is made where it is not there.
#[allow(clippy::disallowed_methods, reason = "files of the kernel's, at the place that the caller names")]
pub(super) fn enter(path: &Path) -> Result<(), Failed> {
    let entered = || {
        fs::create_dir_all(path)?;
        // The process that writes is 0.
        fs::File::options().write(true).open(path.join("cgroup.procs"))?.write_all(b"0")
    };
    entered().map_err(failed("enter a cgroup of its own"))
}

impl Isolation {
    /// Ends what is still in the cgroup, and removes it. What cannot be removed is empty, and in no one's way.
    #[allow(clippy::disallowed_methods, reason = "files of the kernel's, in a group that this plan made")]
    pub(in crate::process) fn remove_cgroup(&self) {
        let Some(path) = &self.cgroup else { return };
        // Kernels before 5.14 do not have the file; there the end of the first process has ended the others.
        if let Ok(mut kill) = fs::File::options().write(true).open(path.join("cgroup.kill")) {
            let _ = kill.write_all(b"1");
        }
        for _ in 0..TRIES {
            match remove(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => thread::sleep(PAUSE),
                _ => return,
            }
        }
    }
}

/// Removes the groups from the bottom up.
#[allow(clippy::disallowed_methods, reason = "directories of the kernel's, in a group that this plan made")]
fn remove(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}
