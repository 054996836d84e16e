//! Where a build's results go: checked and fixed before the work begins, written whole or not at all.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use host::{Dir, Links, Pinned, Staged};
use model::Arch;
use model::observe::Observer;
use rustix::fs::FileType;

use crate::error::Error;
use crate::recipes::build::sinks::Outputs;
use crate::recipes::results::{whose, writable};

/// The directory that results go to, and the object store. Where their paths lead is decided when this value
/// is made, so that no one leads the run elsewhere while it works.
#[derive(Debug)]
pub(crate) struct Output {
    parent: Pinned,
    name: OsString,
    path: PathBuf,
}

/// Finds where the object store at `path` is or will be, and checks that it can be written to. Writes nothing.
///
/// # Errors
/// When it cannot, or a build is there or around: its next build would take the objects for files of somebody's.
pub(crate) fn object_store(path: &Path) -> Result<Pinned, Error> {
    let store = Pinned::new(path)?;
    if let Some(build) = whose::build_around(store.base())? {
        let message = format!("{} holds a build, and is no place for objects", build.display());
        return Err(Error::input(message).hint("name another directory with --objects"));
    }
    let hint = "build as its owner, or name another directory with --objects";
    writable::check(store.base(), &format!("no objects can be written to {}", path.display()), "", hint)?;
    Ok(store)
}

impl Output {
    /// Finds where `path` leads, and checks that what is there may be replaced. Writes nothing.
    ///
    /// # Errors
    /// When something else than a directory is there, or one with files that no run wrote.
    pub(crate) fn new(path: &Path) -> Result<Self, Error> {
        let Some(name) = path.file_name() else {
            return Err(Error::usage(format!("{} ends in no name of a directory", path.display()))
                .hint("name the output directory by its own name: a build replaces it"));
        };
        let parent = Pinned::new(path.parent().unwrap_or(Path::new("")))?;
        let output = Self { parent, name: name.to_owned(), path: path.to_owned() };
        output.check_around()?;
        output.check()?;
        Ok(output)
    }

    /// Whether what is there may be replaced, or something put where nothing is: hours of work later is too late.
    fn check(&self) -> Result<(), Error> {
        match self.directory()? {
            Some(directory) => {
                whose::list(&directory)?;
                self.check_writable(&directory, "")
            }
            None => self.check_writable(self.parent.base(), "the directory around it, "),
        }
    }

    /// What is put into another build's directory is in the way of the next build there.
    fn check_around(&self) -> Result<(), Error> {
        if let Some(overlay) = whose::overlay_around(self.parent.base())? {
            let message = format!("{} is in {}, which ships with a module", self.path.display(), overlay.display());
            return Err(Error::input(message).hint("name a directory elsewhere with --output"));
        }
        let Some(build) = whose::build_around(self.parent.base())? else { return Ok(()) };
        let message = format!("{} is in {}, which holds a build", self.path.display(), build.display());
        Err(Error::input(message)
            .hint("the next build there would be refused: name a directory elsewhere with --output"))
    }

    /// A directory that its user may not write to can neither be emptied nor moved, though its parent be theirs.
    fn check_writable(&self, directory: &Dir, which: &str) -> Result<(), Error> {
        let message = match which.is_empty() {
            true => format!("{} cannot be replaced", self.path.display()),
            false => format!("{} cannot be written", self.path.display()),
        };
        let answer = directory.is_writable();
        let hint = match (&answer, which.is_empty()) {
            // Not because of its owner: of a file system that is read-only nothing can be removed either.
            (Err(_), _) => "name another directory with --output".to_owned(),
            (Ok(_), true) => format!(
                "remove it by `sudo rm -r {}`, build as its owner, or name another directory with --output",
                model::shell::word(&self.path)
            ),
            (Ok(_), false) => "build as its owner, or name another directory with --output".to_owned(),
        };
        writable::judge(answer, directory, (&message, which), &hint)
    }

    /// Checks that what is there is of the module `name`, whose repository is `module`, or of none. The `dist/` of a module's
    /// own repository is its own under whatever name it was built.
    ///
    /// # Errors
    /// When it is another module's.
    pub(crate) fn check_module(&self, name: &str, module: &Path) -> Result<(), Error> {
        let Some(parent) = self.parent.open()? else { return Ok(()) };
        // The lists of a dry run are in the directory of the build.
        let outer = Some((&parent, self.path.parent())).filter(|_| self.name == whose::DRY_RUN);
        let own = self.directory()?;
        for (directory, path) in own.iter().map(|own| (own, Some(self.path.as_path()))).chain(outer) {
            if let Some(path) = path {
                self.check_owner(directory, path, (name, module))?;
            }
        }
        Ok(())
    }

    /// Checks that a build of `archs` to `outputs` makes again each kind of result that is there: what it does not make would
    /// be lost with the directory that it replaces. Of two builds for one architecture each replaces the other.
    ///
    /// # Errors
    /// When one would be lost.
    pub(crate) fn check_results(&self, archs: &[Arch], outputs: &Outputs) -> Result<(), Error> {
        let Some(there) = self.directory()?.map(|directory| whose::results(&directory)).transpose()?.flatten() else {
            return Ok(());
        };
        let names = |archs: Vec<Arch>| archs.into_iter().map(|arch| arch.debian()).collect::<Vec<_>>();
        let gone = names(there.architectures.iter().copied().filter(|arch| !archs.contains(arch)).collect());
        let is_lost = |is_there: bool, is_made: bool| is_there && !is_made;
        let emitted = [
            (is_lost(there.has_tar, outputs.has_tar()), "module.tar"),
            (is_lost(there.has_layout, outputs.has_layout()), "the OCI layout"),
        ];
        let lost: Vec<&str> = emitted.into_iter().filter_map(|(is_lost, name)| is_lost.then_some(name)).collect();
        if gone.is_empty() && lost.is_empty() {
            return Ok(());
        }
        let all =
            names(archs.iter().copied().chain(there.architectures).collect::<BTreeSet<_>>().into_iter().collect());
        let again = [
            (!gone.is_empty()).then(|| format!("--arch {}", all.join(","))),
            (!lost.is_empty()).then(|| "--emit tar,oci".to_owned()),
        ];
        let what = [
            (!gone.is_empty()).then(|| format!("the build for {}", gone.join(", "))),
            (!lost.is_empty()).then(|| lost.join(" and ")),
        ];
        let joined = |parts: [Option<String>; 2], by| parts.into_iter().flatten().collect::<Vec<_>>().join(by);
        let message = format!(
            "{} holds {}, which this build would remove and not make again",
            self.path.display(),
            joined(what, " and ")
        );
        Err(Error::input(message).hint(format!(
            "make it, too, by `{}`, name another directory with --output, or remove what is there by `rm -r {}`",
            joined(again, " "),
            model::shell::word(&self.path)
        )))
    }

    /// Checks that `directory`, which `path` leads to, is of the module `name`, or of none.
    fn check_owner(&self, directory: &Dir, path: &Path, (name, module): (&str, &Path)) -> Result<(), Error> {
        let Some(other) = whose::module(directory)?.filter(|other| other != name) else { return Ok(()) };
        let Some(parent) = self.parent.open()? else { return Ok(()) };
        if Dir::open(module)?.identity()? == parent.identity()? {
            return Ok(());
        }
        let message = format!("{} holds a build of another module, {other}", path.display());
        let hint = format!(
            "name another directory with --output, or remove that build by `rm -r {}`",
            model::shell::word(path)
        );
        Err(Error::input(message).hint(hint))
    }

    /// The same for a dry run, which never takes the place of a build: its lists go into a directory there.
    ///
    /// # Errors
    /// As [`Output::new`], and when a build is where the lists would go.
    pub(crate) fn of_dry_run(path: &Path) -> Result<Self, Error> {
        let Some(name) = path.file_name() else { return Self::new(path) };
        let parent = Pinned::new(path.parent().unwrap_or(Path::new("")))?;
        let outer = Self { parent, name: name.to_owned(), path: path.to_owned() };
        match outer.directory()? {
            Some(directory) if whose::holds_build(&directory)? => {
                outer.check_around()?;
                let path = path.join(whose::DRY_RUN);
                let output = Self { parent: directory.into(), name: whose::DRY_RUN.into(), path };
                output.check_no_build()?;
                output.check()?;
                Ok(output)
            }
            // Named by the user: the place where they go when the build around is named.
            _ if name == whose::DRY_RUN && outer.is_in_build()? => {
                outer.check_no_build()?;
                outer.check()?;
                Ok(outer)
            }
            _ => Self::new(path),
        }
    }

    fn is_in_build(&self) -> Result<bool, Error> {
        self.parent.open()?.map_or(Ok(false), |parent| whose::holds_build(&parent))
    }

    /// What a build wrote may be replaced by a build only.
    fn check_no_build(&self) -> Result<(), Error> {
        self.directory()?.map_or(Ok(()), |directory| self.check_holds_none(&directory))
    }

    fn check_holds_none(&self, directory: &Dir) -> Result<(), Error> {
        if !whose::holds_build(directory)? {
            return Ok(());
        }
        let message = format!("{} holds a build, and the lists of a dry run would replace it", self.path.display());
        Err(Error::input(message).hint("move it away, or name another directory with --output"))
    }

    /// The directory `name` in one that the run has made for itself.
    pub(crate) fn within(directory: &Dir, name: &str) -> Result<Self, Error> {
        Ok(Self { parent: directory.try_clone()?.into(), name: name.into(), path: directory.join(name) })
    }

    /// What the user calls it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that is there now.
    fn directory(&self) -> Result<Option<Dir>, Error> {
        let Some(parent) = self.parent.open()? else { return Ok(None) };
        match parent.kind(&self.name)? {
            None => Ok(None),
            Some(FileType::Directory) => Ok(Some(parent.directory(&self.name, Links::Refuse)?)),
            Some(FileType::Symlink) => Err(Error::input(format!("{} is a symbolic link", self.path.display()))
                .hint("a build replaces its output directory: name the one that the link leads to with --output")),
            Some(_) => Err(Error::input(format!("{} is no directory", self.path.display()))
                .hint("move it away, or name another directory with --output")),
        }
    }
}

/// A directory that takes the output's place when it is complete.
///
/// Dropped before [`Staging::commit`], it removes itself; killed, the next build into the same output
/// removes it. Two builds into one output at a time are no harm: the one that is complete last stays.
#[derive(Debug)]
pub(crate) struct Staging<'a> {
    staged: Staged,
    directory: Arc<Dir>,
    output: &'a Output,
}

impl<'a> Staging<'a> {
    /// Makes an empty directory beside `output`, or inside of it where it cannot be beside.
    pub(crate) fn new(output: &'a Output) -> Result<Self, Error> {
        let staged = Staged::new(&output.parent.create()?, &output.name)?;
        let directory = Arc::new(staged.dir().try_clone()?);
        Ok(Self { staged, directory, output })
    }

    /// The directory that becomes the output.
    pub(crate) fn directory(&self) -> &Arc<Dir> {
        &self.directory
    }

    /// Writes a small file.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        Ok(self.directory.write(name, content, 0o644)?)
    }

    /// Makes what was written durable and puts it in the output's place; `witness` is the file without which
    /// the output is not whole. `owner` is the name of the module, and its repository.
    ///
    /// # Errors
    /// When something came there meanwhile that may not be replaced: files that no run wrote, another module's build, or a
    /// build where a dry run's lists would go.
    pub(crate) fn commit(self, witness: &str, owner: (&str, &Path), observer: &dyn Observer) -> Result<(), Error> {
        // What was there may have changed while the build worked.
        self.output.directory()?;
        let output = self.output;
        let look = |directory: &Dir| {
            let listing = whose::list(directory)?;
            output.check_owner(directory, &output.path, owner)?;
            if witness != whose::RECORD {
                output.check_holds_none(directory)?;
            }
            Ok::<_, Error>(listing)
        };
        let kept = self.staged.commit(witness, look)?;
        if let Some(kept) = kept {
            let output = self.output.path.display();
            observer.warning(
                &format!("files came into {output} while it was replaced: they are in {}", kept.display()),
                "put them where they belong: a build replaces its output directory",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
