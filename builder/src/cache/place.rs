//! Whether a cache is where it was made.
//!
//! Most entries are trusted because this user's runs wrote them, not because of a digest from elsewhere. Whose
//! a file is does not say that: what was checked out or unpacked belongs to whoever did it. But no one can
//! foresee which inode a directory will have, and when it will be made, so the cache notes both, and counts
//! only where they hold.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use host::Dir;
use host::lock::Hold;
use model::observe::Observer;
use rustix::fs::{AtFlags, StatxFlags};

use super::{Cache, Error, failed, names};

/// The file that says where the cache was made.
pub(super) const FILE: &str = "place";

/// The most bytes of the file that are read.
const LIMIT: u64 = 256;

/// What is not hashed each time it is used.
const BELIEVED: [&str; 7] = ["apt", "computed", "controls", "digests", "listings", "records", "rootfs"];

/// Those of them whose entries are small files.
const SMALL: [&str; 4] = ["controls", "digests", "listings", "records"];

/// Puts aside what another directory's runs wrote, if anything is, and notes that the cache is here.
pub(super) fn settle(cache: &Cache, observer: &dyn Observer) -> Result<(), Error> {
    let dir = cache.dir()?;
    let here = here(&dir)?;
    if is_here(&dir, &here) {
        return Ok(());
    }
    let _alone = cache.lock_file("place")?.hold(Hold::Alone, observer)?;
    // Another process may have done it meanwhile.
    if is_here(&dir, &here) {
        return Ok(());
    }
    if put_aside(&dir)? {
        let message = format!(
            "the cache {} was not made there, or by an earlier version: all but its packages is made again",
            cache.root.display()
        );
        let hint =
            "nothing needs to be done; what was put aside goes with the next run beside which no other uses the cache";
        observer.warning(&message, hint);
    }
    Ok(dir.replace(FILE, here.as_bytes(), 0o600)?)
}

/// Removes of what was put aside whatever is read at once and whole: no other process can still need it. Directories and root
/// file systems may be in use, and go with [`sweep_unused`].
pub(super) fn sweep(cache: &Cache) {
    let Some((tmp, names)) = aside(cache) else { return };
    for name in names.iter().filter(|name| is_small(name)) {
        // What cannot be removed goes with `cache gc`, which says why not.
        let _ = tmp.remove_file(name);
    }
}

/// Removes what was put aside and the root file systems in the making, if no process uses the cache: those that were at work
/// there are dead.
pub(super) fn sweep_unused(cache: &Cache) {
    let Some((tmp, names)) = aside(cache) else { return };
    if names.iter().all(|name| is_small(name)) {
        return;
    }
    let alone = cache.lock_file("use").and_then(|lock| Ok(lock.try_hold(Hold::Alone)?));
    let Ok(Some(_alone)) = alone else { return };
    for name in &names {
        // What belongs to a user's subordinate ids goes where root file systems are made.
        let _ = tmp.remove_tree(name);
    }
}

/// The directory of temporary names, and what in it has the name of a root file system in the making or of what was put aside.
fn aside(cache: &Cache) -> Option<(Dir, Vec<OsString>)> {
    let tmp = Dir::open(&cache.root).and_then(|dir| dir.own_directory("tmp")).ok()?;
    let mut found = tmp.names().ok()?;
    found.retain(|name| name.to_str().is_some_and(names::is_aside));
    Some((tmp, found))
}

/// Whether it is one of the entries that are small files.
fn is_small(name: &OsStr) -> bool {
    let kind = name.to_str().and_then(|name| name.split_once('-'));
    kind.is_some_and(|(kind, _)| SMALL.contains(&kind))
}

/// What no one can foresee of a directory: its inode and, where the file system has it, when it was made.
fn here(dir: &Dir) -> Result<String, Error> {
    let wanted = StatxFlags::INO | StatxFlags::BTIME;
    let found = rustix::fs::statx(dir, "", AtFlags::EMPTY_PATH, wanted);
    let found = found.map_err(|errno| failed("look at", dir.path())(errno.into()))?;
    let mut text = format!("{}", found.stx_ino);
    if StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME) {
        let _ = write!(text, " {}.{:09}", found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
    }
    text.push('\n');
    Ok(text)
}

/// Whether any directory, this one or that from which it was copied, was noted as a cache's place.
pub(super) fn is_noted(dir: &Dir) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = |text: &str| {
        let parts = text.strip_prefix('-').unwrap_or(text).split_once('.');
        parts.is_some_and(|(seconds, rest)| is_number(seconds) && rest.len() == 9 && is_number(rest))
    };
    let text = dir.read_own(FILE, LIMIT).ok().and_then(|text| String::from_utf8(text).ok());
    let line = text.as_deref().and_then(|text| text.strip_suffix('\n'));
    line.is_some_and(|line| match line.split_once(' ') {
        Some((inode, time)) => is_number(inode) && is_time(time),
        None => is_number(line),
    })
}

fn is_here(dir: &Dir, here: &str) -> bool {
    dir.read_own(FILE, LIMIT).is_ok_and(|text| text == here.as_bytes())
}

/// Moves every entry that is trusted without a hash to the temporary names; whether there was any.
fn put_aside(dir: &Dir) -> Result<bool, Error> {
    let mut moved = false;
    for subdir in BELIEVED {
        let from = match dir.own_directory(subdir) {
            Ok(from) => from,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        for name in from.names()?.iter().filter(|name| names::is_entry(Path::new(name))) {
            let to = dir.make_own_directory("tmp", 0o700)?;
            let mut new = PathBuf::from(format!("{subdir}-{}", name.display()));
            // What was put aside once has the name already.
            while to.stat(&new)?.is_some() {
                new.as_mut_os_string().push("x");
            }
            from.rename(name, &to, new.as_os_str())?;
            moved = true;
        }
    }
    Ok(moved)
}
