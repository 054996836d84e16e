//! Whether a tree is made in memory.
//!
//! A package manager writes and removes thousands of small files, which takes a disk most of the time of a build. The
//! tree is thrown away when its tar was written. So where memory is plenty it stands in a file system in memory, which
//! the build's own namespace has mounted and which is gone with it. The bytes are the same.

use std::path::{Path, PathBuf};

/// What maintainer scripts make, such as data bases, and what apt needs for itself, in bytes.
const FOR_SCRIPTS: u64 = 512 << 20;

/// The largest file about memory that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// Where the kernel shows groups of processes, and the names of what one may use, what it uses, and what of that is
/// given back when it is needed: of version 2, and of version 1.
const GROUPS: [(&str, [&str; 3]); 2] = [
    ("/sys/fs/cgroup", ["memory.max", "memory.current", "inactive_file"]),
    ("/sys/fs/cgroup/memory", ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"]),
];

/// How large a file system in memory may become that is to hold a tree of `size` bytes; none where the tree would not
/// fit into half of what is free: other programs, and a second build, need some, too.
pub(super) fn room(size: u64) -> Option<u64> {
    fits(size, spare()?)
}

fn fits(size: u64, spare: u64) -> Option<u64> {
    let half = spare / 2;
    (size.saturating_add(FOR_SCRIPTS) <= half).then_some(half)
}

/// The memory that is free for this process; none where it is not known.
fn spare() -> Option<u64> {
    let free = available(&text(Path::new("/proc/meminfo"))?)?;
    let groups = text(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = GROUPS.iter().flat_map(|(root, names)| {
        let is_first = names[0] == "memory.max";
        let group = group(&groups, if is_first { None } else { Some("memory") });
        directories(Path::new(root), group).into_iter().filter_map(|directory| within(&directory, *names))
    });
    Some(limits.fold(free, u64::min))
}

fn text(path: &Path) -> Option<String> {
    String::from_utf8(host::open::read(path, LIMIT).ok()?).ok()
}

/// What is free by /proc/meminfo, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The group of this process, by cgroups(7): that of version 2, or that of the controller `name` of version 1.
fn group<'a>(groups: &'a str, name: Option<&str>) -> &'a str {
    let found = groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let is_it = match name {
            None => controllers.is_empty(),
            Some(name) => controllers.split(',').any(|controller| controller == name),
        };
        is_it.then_some(path)
    });
    found.unwrap_or_default()
}

/// The directories of `group` and of those that hold it. In a container its own may not be there: then the root is
/// that of the container.
fn directories(root: &Path, group: &str) -> Vec<PathBuf> {
    Path::new(group.trim_start_matches('/')).ancestors().map(|path| root.join(path)).collect()
}

/// What the group at `directory` may still use; none where it has no limit.
fn within(directory: &Path, [limit, used, given_back]: [&str; 3]) -> Option<u64> {
    let number = |name: &str| text(&directory.join(name))?.trim().parse::<u64>().ok();
    let limit = number(limit)?;
    let statistics = text(&directory.join("memory.stat")).unwrap_or_default();
    let files = statistics.lines().find_map(|line| line.strip_prefix(given_back)?.trim().parse::<u64>().ok());
    Some(limit.saturating_sub(number(used)?.saturating_sub(files.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]
    #![allow(clippy::disallowed_methods, reason = "a test writes what it reads")]

    use std::fs;

    use super::*;

    #[test]
    fn a_tree_must_fit_into_half_of_what_is_free() {
        const GIB: u64 = 1 << 30;
        assert_eq!(fits(GIB, 4 * GIB), Some(2 * GIB));
        assert_eq!(fits(GIB, 3 * GIB), Some(3 * GIB / 2));
        assert_eq!(fits(GIB, 3 * GIB - 2), None);
        assert_eq!(fits(0, FOR_SCRIPTS), None);
        assert_eq!(fits(u64::MAX, u64::MAX), None);
    }

    #[test]
    fn what_is_free_is_read_from_the_kernel() {
        assert_eq!(available("MemTotal:  100 kB\nMemAvailable:   16252928 kB\n"), Some(16_252_928 << 10));
        for text in ["", "MemAvailable: x kB", "MemAvailable: 5", "MemAvailable: 18446744073709551615 kB"] {
            assert_eq!(available(text), None, "{text}");
        }
        assert!(spare().is_some_and(|spare| spare > 0), "this machine says it");
    }

    #[test]
    fn the_group_of_a_process_is_found_in_both_versions() {
        let groups = "5:cpu,memory:/docker/a:b\n1:name=systemd:/init\n0::/user.slice/x.scope\n";
        assert_eq!(group(groups, None), "/user.slice/x.scope");
        assert_eq!(group(groups, Some("memory")), "/docker/a:b");
        assert_eq!(group("nonsense", Some("memory")), "");
        let all = directories(Path::new("/r"), "/a/b");
        assert_eq!(all, ["/r/a/b", "/r/a", "/r/"].map(PathBuf::from));
        assert_eq!(directories(Path::new("/r"), "/"), [PathBuf::from("/r/")]);
    }

    #[test]
    fn a_group_leaves_what_its_limit_does_and_files_are_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let left = || within(folder.path(), GROUPS[0].1);
        assert_eq!(left(), None, "there is no group");
        write("memory.max", "max\n");
        write("memory.current", "700\n");
        assert_eq!(left(), None, "it has no limit");
        write("memory.max", "1000\n");
        assert_eq!(left(), Some(300));
        write("memory.stat", "anon 400\ninactive_file 200\nactive_file 100\n");
        assert_eq!(left(), Some(500));
        write("memory.current", "2000\n");
        assert_eq!(left(), Some(0));
    }
}
