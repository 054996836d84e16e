//! An output directory that appears whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use composer::scratch::Scratch;

/// What every directory that a build wrote holds; a directory without it is not ours to replace.
const MARK: &str = "file-list.txt";

/// A directory beside the output, which takes the output's place when it is complete.
///
/// Dropped before [`Staging::commit`], it removes itself; killed, the next build into the same output
/// removes it. Two builds into one output at a time are no harm: the one that is complete last stays.
#[derive(Debug)]
pub(crate) struct Staging {
    directory: Scratch,
    target: PathBuf,
}

impl Staging {
    /// Makes an empty directory beside `target`, after checking that `target` may be replaced.
    pub(crate) fn new(target: &Path) -> Result<Self, Error> {
        check_replaceable(target)?;
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, &error))?;
        let directory = Scratch::new(parent, &prefix(target))?;
        set_mode(directory.path())?;
        Ok(Self { directory, target: target.to_owned() })
    }

    /// Where a file of this name is to be written.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The directory that becomes the output.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a small file.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.path(name);
        fs::write(&path, content).map_err(|error| Error::io("write", &path, &error))
    }

    /// Makes what was written durable and puts it in the output's place.
    pub(crate) fn commit(self) -> Result<(), Error> {
        for entry in fs::read_dir(self.directory()).map_err(|error| Error::io("read", self.directory(), &error))? {
            let path = entry.map_err(|error| Error::io("read", self.directory(), &error))?.path();
            sync(&path)?;
        }
        sync(self.directory())?;
        self.take_place()?;
        sync(self.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    }
}

impl Staging {
    /// Puts the directory in the output's place in one step, where the file system can exchange two
    /// names; what was there before goes away with the temporary directory.
    fn take_place(&self) -> Result<(), Error> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let staged = self.directory.path();
        if !self.target.exists() {
            return fs::rename(staged, &self.target).map_err(|error| Error::io("create", &self.target, &error));
        }
        match renameat_with(CWD, staged, CWD, &self.target, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => self.take_place_in_two_steps(),
            Err(error) => Err(Error::io("replace", &self.target, &error.into())),
        }
    }

    /// For file systems that cannot exchange names, such as NFS: between the two steps there is no
    /// output, but never a half-written one.
    fn take_place_in_two_steps(&self) -> Result<(), Error> {
        let staged = self.directory.path();
        let old = Scratch::new(staged.parent().unwrap_or(staged), &prefix(&self.target))?;
        fs::rename(&self.target, old.path().join("old")).map_err(|error| Error::io("replace", &self.target, &error))?;
        fs::rename(staged, &self.target).map_err(|error| Error::io("replace", &self.target, &error))
    }
}

fn prefix(target: &Path) -> String {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!(".{name}.partial-")
}

fn check_replaceable(target: &Path) -> Result<(), Error> {
    let entries = match fs::read_dir(target) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("use the output directory", target, &error)),
    };
    if target.join(MARK).is_file() || entries.count() == 0 {
        return Ok(());
    }
    Err(Error::input(format!("{} holds files that no build wrote", target.display()))
        .hint("a build replaces its output directory: name another one with --output, or empty this one"))
}

/// `TempDir` makes private directories; an output is for others to read, whatever the umask.
fn set_mode(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .map_err(|error| Error::io("set the mode of", path, &error))
}

fn sync(path: &Path) -> Result<(), Error> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(|error| Error::io("make durable", path, &error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn an_output_appears_whole_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("dist");
        for content in ["one", "two"] {
            let staging = Staging::new(&target).unwrap();
            staging.write(MARK, content.as_bytes()).unwrap();
            assert!(!target.join(MARK).exists() || content == "two");
            staging.commit().unwrap();
            assert_eq!(fs::read_to_string(target.join(MARK)).unwrap(), content);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the output");
    }

    #[test]
    fn a_directory_that_no_build_wrote_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
        let error = Staging::new(folder.path()).unwrap_err();
        assert!(error.message.contains("holds files that no build wrote"));
    }

    #[test]
    fn what_is_dropped_leaves_nothing_and_what_was_killed_is_removed_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("dist");
        drop(Staging::new(&target).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::create_dir(folder.path().join(".dist.partial-killed")).unwrap();
        drop(Staging::new(&target).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
