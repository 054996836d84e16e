//! Where this process may have a cgroup of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Error;

/// The most bytes of a file of the kernel's that are read.
const LIMIT: u64 = 4 << 20;

/// What would help where there is none, or it cannot be written to.
pub(super) const HINT: &str = "a trial needs a cgroup of version 2 of its own: run it as root on the machine itself, as a \
                               user by `systemd-run --user --scope --property=Delegate=yes`, in a container with a \
                               writable /sys/fs/cgroup";

/// A place below the cgroup of this process that no other trial has; nothing is made.
///
/// # Errors
/// [`Error::Machine`] when the machine has no cgroups of version 2.
pub(super) fn place() -> Result<PathBuf, Error> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let read = |path: &str| -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&host::open::read(Path::new(path), LIMIT)?).into_owned())
    };
    let (mounts, own) = (read("/proc/self/mountinfo")?, read("/proc/self/cgroup")?);
    let directory = directory(&mounts, &own)
        .ok_or(Error::Machine { what: "there is no cgroup file system of version 2".to_owned(), hint: HINT })?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Ok(directory.join(format!("module-builder-{}-{number}", rustix::process::getpid().as_raw_nonzero())))
}

/// The directory of the process's own cgroup of version 2, by `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn directory(mounts: &str, own: &str) -> Option<PathBuf> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        if after.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut words = before.split(' ');
        let (root, at) = (words.nth(3)?, words.next()?);
        // What is mounted may be a part; a process outside of it has no place there, and takes the top.
        let below = match root {
            "/" => own,
            root => own.strip_prefix(root).unwrap_or(""),
        };
        let below = if below.contains("..") { "" } else { below.trim_start_matches('/') };
        Some(Path::new(&unescape(at)).join(below))
    })
}

/// The kernel writes a blank in a name as `\040`.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// All processes of the group at `path` and of those below it, as this program sees them.
pub(super) fn processes(path: &Path) -> Vec<u32> {
    let mut found = Vec::new();
    let Ok(directory) = host::Dir::open(path) else { return found };
    if let Ok(bytes) = host::open::read(&path.join("cgroup.procs"), LIMIT) {
        found.extend(String::from_utf8_lossy(&bytes).lines().filter_map(|line| line.parse::<u32>().ok()));
    }
    for name in directory.names().unwrap_or_default() {
        if directory.kind(&name).is_ok_and(|kind| kind == Some(rustix::fs::FileType::Directory)) {
            found.extend(processes(&path.join(name)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_on_every_kind_of_machine() {
        let hybrid = "24 23 0:21 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n30 24 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(directory(hybrid, "12:cpu:/x\n0::/\n"), Some("/sys/fs/cgroup/unified".into()));
        let pure = "30 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 master:1 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(directory(pure, "0::/user.slice/a b\n"), Some("/sys/fs/cgroup/user.slice/a b".into()));
        let part = "30 24 0:27 /docker/x /sys/fs/cgroup\\040y rw - cgroup2 cgroup rw\n";
        assert_eq!(directory(part, "0::/docker/x/init\n"), Some("/sys/fs/cgroup y/init".into()));
        assert_eq!(directory(part, "0::/../other\n"), Some("/sys/fs/cgroup y".into()));
        assert_eq!(directory("24 23 0:21 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n", "0::/\n"), None);
        assert_eq!(directory(pure, "1:name=systemd:/\n"), None);
    }
}
