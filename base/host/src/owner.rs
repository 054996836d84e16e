//! Whose a file is, and who else may write to it.
//!
//! What a program trusts because it wrote it itself must be something that no one else can have written. So
//! an own file belongs to the caller or to root, no other user may write to it, and the same holds of every
//! directory on the way down to it, none of which is a link.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::dir::{Dir, Links};
use crate::error::{Error, Fault};
use crate::open::{check_regular, read_all};

/// Checks that an open file or directory, which messages call `path`, is the caller's or root's, and that
/// no one else may write to it.
///
/// An access control list shows in the group's bits: they are the most that it gives to anyone.
///
/// # Errors
/// When it is not.
pub fn check(file: impl AsFd, path: &Path) -> Result<(), Error> {
    let stat = rustix::fs::fstat(file).map_err(Error::io("read", path))?;
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Error::place(path, Fault::Foreign { uid: stat.st_uid }));
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o022 != 0 { Err(Error::place(path, Fault::Writable { mode })) } else { Ok(()) }
}

/// How many links are followed on a way; the kernel follows as many.
const LINKS: usize = 40;

/// Checks that no one but root and the caller can decide where `path` leads: every directory on the way to it,
/// and its own, is root's or the caller's, and others may write to none of them, unless its sticky bit keeps
/// them from what is not theirs. Links are followed, and are root's or the caller's, too. What is not there
/// yet is left: whoever makes it makes it there.
///
/// # Errors
/// When someone else can, naming the directory or link; or when one cannot be looked at.
pub fn check_way(path: &Path) -> Result<(), Error> {
    let path = std::path::absolute(path).map_err(Error::io("find", path))?;
    let mut ahead: Vec<_> = names_of(&path);
    let mut at = std::path::PathBuf::from("/");
    let mut links = 0;
    check_step(&at)?;
    while let Some(name) = ahead.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        at.push(&name);
        match check_step(&at)? {
            Step::Missing => return Ok(()),
            Step::On => {}
            Step::Link(target) if links < LINKS => {
                links += 1;
                at.pop();
                if target.is_absolute() {
                    at = std::path::PathBuf::from("/");
                }
                ahead.extend(names_of(&target));
            }
            Step::Link(_) => return Err(Error::place(&at, Fault::Link)),
        }
    }
    Ok(())
}

/// The names of a path that lead on, the last one first.
fn names_of(path: &Path) -> Vec<std::ffi::OsString> {
    let leads_on = |component: &Component<'_>| matches!(component, Component::Normal(_) | Component::ParentDir);
    path.components().rev().filter(leads_on).map(|component| component.as_os_str().to_owned()).collect()
}

enum Step {
    Missing,
    On,
    Link(std::path::PathBuf),
}

fn check_step(path: &Path) -> Result<Step, Error> {
    let stat = match rustix::fs::lstat(path) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Step::Missing),
        Err(errno) => return Err(Error::io("read", path)(errno)),
    };
    if stat.st_uid != 0 && stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Error::place(path, Fault::Foreign { uid: stat.st_uid }));
    }
    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        let target = rustix::fs::readlinkat(rustix::fs::CWD, path, Vec::new()).map_err(Error::io("read", path))?;
        return Ok(Step::Link(std::path::PathBuf::from(OsStr::from_bytes(target.as_bytes()))));
    }
    let mode = stat.st_mode & 0o7777;
    // A user's private group, which many systems make, has the user's number and no one else in it.
    let others = if stat.st_gid == stat.st_uid { 0o002 } else { 0o022 };
    if mode & others != 0 && mode & 0o1000 == 0 {
        return Err(Error::place(path, Fault::Writable { mode }));
    }
    Ok(Step::On)
}

/// Opens the own regular file at `path`, whose directory must be an own one, too.
///
/// # Errors
/// As [`Dir::own_file`].
pub fn file(path: &Path) -> Result<File, Error> {
    let (directory, name) = Dir::parent_of(path)?;
    check(&directory, directory.path())?;
    directory.own_file(name)
}

impl Dir {
    /// Opens the own directory at `path` below this one. This one is checked, and each on the way.
    ///
    /// # Errors
    /// When there is none, it is a link, someone else's, or others may write to it; or one on the way.
    pub fn own_directory(&self, path: impl AsRef<Path>) -> Result<Self, Error> {
        self.walk(path.as_ref(), None)
    }

    /// As [`Dir::own_directory`]; what is missing is made, the last one with exactly `mode`.
    ///
    /// # Errors
    /// As [`Dir::own_directory`], and when one cannot be made.
    pub fn make_own_directory(&self, path: impl AsRef<Path>, mode: u32) -> Result<Self, Error> {
        self.walk(path.as_ref(), Some(mode))
    }

    fn walk(&self, path: &Path, mode: Option<u32>) -> Result<Self, Error> {
        check(self, self.path())?;
        let mut at = self.try_clone()?;
        let mut components = path.components().peekable();
        while let Some(component) = components.next() {
            let Component::Normal(name) = component else { return Err(Error::place(&self.join(path), Fault::Outside)) };
            let mode = mode.map(|mode| if components.peek().is_some() { 0o755 } else { mode });
            at = match (at.directory(name, Links::Refuse), mode) {
                (Err(error), Some(mode)) if error.is_not_found() => at.make(name, mode)?,
                (found, _) => found?,
            };
            check(&at, at.path())?;
        }
        Ok(at)
    }

    /// Makes the directory `name`, unless another process does at the same moment.
    fn make(&self, name: &OsStr, mode: u32) -> Result<Self, Error> {
        let made = match rustix::fs::mkdirat(self, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(Error::io("create", &self.join(name))(errno)),
        };
        let directory = self.directory(name, Links::Refuse)?;
        if made {
            directory.set_mode(mode)?;
        }
        Ok(directory)
    }

    /// Opens the own regular file at `path` below this directory for reading, the way to it checked.
    ///
    /// # Errors
    /// As [`Dir::own_directory`], and when it is no regular file.
    pub fn own_file(&self, path: impl AsRef<Path>) -> Result<File, Error> {
        let path = path.as_ref();
        let name = path.file_name().ok_or_else(|| Error::place(&self.join(path), Fault::Name))?;
        let directory = self.own_directory(path.parent().unwrap_or(Path::new("")))?;
        let file = directory.file(name, Links::Refuse)?;
        check(&file, &directory.join(name))?;
        Ok(file)
    }

    /// Opens the own regular file `name` for writing by `flags`, and makes it if it is missing. It is for its owner
    /// alone, also where someone made it for all.
    pub(crate) fn writable_own(&self, name: impl AsRef<OsStr>, flags: OFlags) -> Result<File, Error> {
        let name = name.as_ref();
        let path = self.join(name);
        // Not waiting, should a pipe be there.
        let flags = flags | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(self, name, flags, Mode::RUSR | Mode::WUSR);
        let file = file.map_err(|errno| Error::resolved("open", &path, errno))?;
        check_regular(&file, &path)?;
        let stat = rustix::fs::fstat(&file).map_err(Error::io("read", &path))?;
        if stat.st_mode & 0o077 != 0 && stat.st_uid == rustix::process::geteuid().as_raw() {
            rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR).map_err(Error::io("set the mode of", &path))?;
        }
        check(&file, &path)?;
        Ok(file.into())
    }

    /// Opens the own regular file `name` to write at its end, and makes it if it is missing. It is for its owner
    /// alone, and a link is not followed.
    ///
    /// # Errors
    /// When it cannot be opened, is no regular file, or is someone else's.
    pub fn append_own(&self, name: impl AsRef<OsStr>) -> Result<File, Error> {
        self.writable_own(name, OFlags::WRONLY | OFlags::APPEND)
    }

    /// The content of the own file at `path`.
    ///
    /// # Errors
    /// As [`Dir::own_file`], and when it has more than `limit` bytes.
    pub fn read_own(&self, path: impl AsRef<Path>, limit: u64) -> Result<Vec<u8>, Error> {
        let path = path.as_ref();
        read_all(self.own_file(path)?, &self.join(path), limit)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn fault<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Fault {
        match outcome {
            Err(Error::Place { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn an_own_file_grows_is_for_its_owner_alone_and_is_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open(folder.path()).unwrap();
        let path = folder.path().join("log");
        for line in ["one\n", "two\n"] {
            dir.append_own("log").unwrap().write_all(line.as_bytes()).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        symlink("log", folder.path().join("link")).unwrap();
        dir.append_own("link").unwrap_err();
        rustix::fs::mknodat(&dir, "pipe", FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        dir.append_own("pipe").unwrap_err();
    }

    #[test]
    fn the_whole_way_down_is_ours_or_it_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = Dir::open(folder.path()).unwrap();
        root.make_own_directory("a/b", 0o700).unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("a/b"));
        assert_eq!(fs::metadata(&b).unwrap().permissions().mode() & 0o7777, 0o700);
        fs::write(b.join("file"), "content").unwrap();
        mode(&b.join("file"), 0o644);
        assert_eq!(root.read_own("a/b/file", 9).unwrap(), b"content");
        for path in [&b.join("file"), &b, &a, folder.path()] {
            let before = fs::metadata(path).unwrap().permissions().mode() & 0o7777;
            for wrong in [before | 0o020, before | 0o002, before | 0o1002] {
                mode(path, wrong);
                assert_eq!(fault(root.read_own("a/b/file", 9)), Fault::Writable { mode: wrong }, "{path:?}");
            }
            mode(path, before);
        }
        fs::rename(&b, folder.path().join("aside")).unwrap();
        symlink(folder.path().join("aside"), &b).unwrap();
        assert_eq!(fault(root.read_own("a/b/file", 9)), Fault::Link);
        assert_eq!(fault(root.own_directory("../x")), Fault::Outside);
        symlink("aside/file", folder.path().join("link")).unwrap();
        assert_eq!(fault(root.own_file("link")), Fault::Link);
        assert!(root.own_file("none/at/all").unwrap_err().is_not_found());
    }

    #[test]
    fn somebody_elses_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "content").unwrap();
        mode(&path, 0o644);
        assert!(file(&path).is_ok());
        // Only root can give a file away.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
            assert_eq!(fault(file(&path)), Fault::Foreign { uid: 65534 });
        }
    }

    #[test]
    fn nobody_else_decides_where_a_way_leads() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        symlink("a", path("link")).unwrap();
        symlink(path("a/b"), path("absolute")).unwrap();
        symlink("loop", path("loop")).unwrap();
        for fine in ["a/b", "link/b", "absolute", "a/../link/b/not/there/yet", "none"] {
            check_way(&path(fine)).unwrap();
        }
        assert_eq!(fault(check_way(&path("loop/x"))), Fault::Link);
        mode(&path("a"), 0o777);
        for open in ["a/b", "link/b/x", "absolute"] {
            assert_eq!(fault(check_way(&path(open))), Fault::Writable { mode: 0o777 }, "{open}");
        }
        mode(&path("a"), 0o1777);
        check_way(&path("link/b")).unwrap();
        mode(&path("a"), 0o755);
        // Only root can give a directory away.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(path("link"), Some(65534), None).unwrap();
            assert_eq!(fault(check_way(&path("link/b"))), Fault::Foreign { uid: 65534 }, "whoever owns a link leads");
            std::os::unix::fs::chown(path("a"), Some(65534), None).unwrap();
            assert_eq!(fault(check_way(&path("a/b/x"))), Fault::Foreign { uid: 65534 });
        }
    }

    #[test]
    fn several_may_make_one_directory_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = Dir::open(folder.path()).unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let root = &root;
                scope.spawn(move || {
                    let made = root.make_own_directory("x/y", 0o755).unwrap();
                    made.write(number.to_string(), b"", 0o644).unwrap();
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path().join("x/y")).unwrap().count(), 8);
    }
}
