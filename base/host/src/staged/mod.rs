//! A directory that appears whole or not at all, in the place of the one before.
//!
//! ```text
//! .dist.partial-XXXX/    a scratch directory beside it: private, marked, locked
//!     new/               what will be `dist`; after the exchange, what was
//! dist/
//! ```
//!
//! The two names are exchanged in one step. The old directory is then emptied of what was known as ours and
//! goes with the scratch directory; whatever came there meanwhile is kept, and reported. No mark ever ships,
//! and a killed run leaves nothing that the next one does not know.
//!
//! A mount point cannot be exchanged, nor can a directory that an overlay has from below, and a parent that may
//! not be written has no room for a scratch directory. There it is inside of the directory, and the files are exchanged one by one: the *witness*,
//! without which the directory is not taken for whole, is removed first and written last, and the file
//! [`UNFINISHED`] is there meanwhile.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use rustix::fs::FileType;

use crate::dir::{Dir, Links, temporary_name};
use crate::error::{Error, Fault};
use crate::interrupt;
use crate::listing::Listing;
use crate::scratch::{self, Scratch};
use crate::unfinished::TEXT;

pub use crate::unfinished::{NAME as UNFINISHED, is_unfinished};

/// The new directory in the scratch directory.
const NEW: &str = "new";
/// The old one, where two names cannot be exchanged.
const OLD: &str = "old";
/// What is next, where two names in them cannot be.
const NEXT: &str = "next";

/// How often the old directory is looked at again when someone changes it meanwhile.
const RACES: usize = 16;

/// A directory in the making. Dropped before [`Staged::commit`], it removes itself.
#[derive(Debug)]
pub struct Staged {
    scratch: Scratch,
    new: Dir,
    parent: Dir,
    name: OsString,
    /// The old directory, where the files are exchanged one by one.
    within: Option<Dir>,
}

/// What became of the old directory.
enum Exchanged {
    /// There was none.
    New,
    /// It is where the new one was.
    Whole(Dir, Listing),
    /// Its name cannot be taken: it is where it was, and its files are to be exchanged one by one.
    Not(Dir, Listing),
}

impl Staged {
    /// Makes an empty directory that is to become `name` in `parent`.
    ///
    /// # Errors
    /// When it cannot be made beside `name`, nor in it.
    pub fn new(parent: &Dir, name: impl AsRef<OsStr>) -> Result<Self, Error> {
        let name = name.as_ref();
        let prefix = prefix(name);
        let (scratch, within) = match parent.kind(name)? {
            Some(FileType::Directory) => {
                let old = parent.directory(name, Links::Refuse)?;
                scratch::remove_abandoned(&old, "");
                let beside = if parent.is_mount_point(name)? { None } else { beside(parent, &prefix)? };
                match beside {
                    Some(scratch) => (scratch, None),
                    None => (Scratch::new(&old, &prefix)?, Some(old)),
                }
            }
            _ => (Scratch::new(parent, &prefix)?, None),
        };
        let new = scratch.dir().create_directory(NEW, 0o755)?;
        Ok(Self { scratch, new, parent: parent.try_clone()?, name: name.to_owned(), within })
    }

    /// The directory in the making. No one else can enter it.
    #[must_use]
    pub fn dir(&self) -> &Dir {
        &self.new
    }

    /// Makes the directory durable and puts it in the place of the old one, which `list` looks through: it
    /// gives what is ours in it, or an error when something is not. `witness` is the file without which the
    /// directory is not whole. Files in directories below must be durable already.
    ///
    /// Gives the place of what came into the old directory between the look and the exchange, if anything did.
    ///
    /// # Errors
    /// When `list` finds something that may not be removed, something else than a directory is there, or the
    /// system refuses. The old directory is then whole, but where the files were exchanged one by one.
    pub fn commit<E: From<Error>>(
        mut self,
        witness: impl AsRef<OsStr>,
        mut list: impl FnMut(&Dir) -> Result<Listing, E>,
    ) -> Result<Option<PathBuf>, E> {
        make_durable(&self.new)?;
        let _whole = interrupt::whole();
        let exchanged = match &self.within {
            Some(target) => Exchanged::Not(target.try_clone()?, list(target)?),
            None => self.exchange(&mut list)?,
        };
        let (directory, listing) = match exchanged {
            Exchanged::New => return Ok(None),
            Exchanged::Whole(old, listing) => (old, listing),
            Exchanged::Not(target, listing) => {
                if self.within.is_none() {
                    self.move_into(target.try_clone()?)?;
                }
                self.exchange_files(&target, &listing, witness.as_ref())?;
                (self.new.try_clone()?, listing)
            }
        };
        listing.remove(&directory);
        remove_marks(&directory);
        Ok(self.let_go())
    }

    /// Takes the old directory's place; gives the old one, which is then in this one's.
    fn exchange<E: From<Error>>(&self, list: &mut impl FnMut(&Dir) -> Result<Listing, E>) -> Result<Exchanged, E> {
        let room = self.scratch.dir();
        for _ in 0..RACES {
            let old = match self.parent.kind(&self.name)? {
                None => match room.rename_to_new(NEW, &self.parent, &self.name) {
                    Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => continue,
                    done => {
                        done?;
                        self.parent.sync()?;
                        return Ok(Exchanged::New);
                    }
                },
                // The next call says what is there instead of a directory.
                Some(_) => self.parent.directory(&self.name, Links::Refuse)?,
            };
            let listing = list(&old)?;
            match room.exchange(NEW, &self.parent, &self.name) {
                Ok(true) => {}
                Ok(false) if self.replace_in_two_steps()? => {}
                Ok(false) => return Ok(Exchanged::Not(old, listing)),
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error.into()),
            }
            self.parent.sync()?;
            return Ok(Exchanged::Whole(old, listing));
        }
        Err(Error::Place { path: self.parent.join(&self.name), fault: Fault::Replaced }.into())
    }

    /// For file systems that cannot exchange names, such as NFS: between the two steps there is no
    /// directory, but never half of one. False where the old directory cannot be moved at all, such as one
    /// that an overlay has from below, or another user's in a directory that is sticky.
    fn replace_in_two_steps(&self) -> Result<bool, Error> {
        use io::ErrorKind::{CrossesDevices, PermissionDenied};
        let room = self.scratch.dir();
        match self.parent.rename_to_new(&self.name, room, OLD) {
            Err(Error::Io { source, .. }) if matches!(source.kind(), CrossesDevices | PermissionDenied) => {
                return Ok(false);
            }
            moved => moved?,
        }
        if let Err(error) = room.rename_to_new(NEW, &self.parent, &self.name) {
            // If this fails, too, then someone else has put a directory there.
            let _ = room.rename_to_new(OLD, &self.parent, &self.name);
            return Err(error);
        }
        room.rename_to_new(OLD, room, NEW).map(|()| true)
    }

    /// Moves the new directory into the old one, `target`, whose name cannot be taken.
    fn move_into(&mut self, target: Dir) -> Result<(), Error> {
        let inside = Scratch::new(&target, &prefix(&self.name))?;
        self.scratch.dir().rename_to_new(NEW, inside.dir(), NEW)?;
        (self.scratch, self.within) = (inside, Some(target));
        Ok(())
    }

    /// Exchanges the files of the two directories one by one.
    fn exchange_files(&self, target: &Dir, old: &Listing, witness: &OsStr) -> Result<(), Error> {
        if target.kind(UNFINISHED)?.is_none() {
            // Whole or not at all: it says what may be replaced here.
            let room = self.scratch.dir();
            room.replace(NEXT, TEXT, 0o644)?;
            room.rename_to_new(NEXT, target, UNFINISHED)?;
        }
        target.sync()?;
        if target.kind(witness)?.is_some() {
            target.remove_file(witness)?;
            target.sync()?;
        }
        for name in self.new.names()? {
            if name != witness {
                self.exchange_file(target, &name, old)?;
            }
        }
        // What only the old directory had: whole, and before anything of it is removed. Half of a layout is
        // known by nothing, so it is never seen outside of a marked directory.
        for name in old.names_still_in(target) {
            self.put_away(target, name, old)?;
        }
        target.sync()?;
        if self.new.kind(witness)?.is_some() {
            self.exchange_file(target, witness, old)?;
            target.sync()?;
        }
        target.remove_file(UNFINISHED)?;
        target.sync()
    }

    fn exchange_file(&self, target: &Dir, name: &OsStr, old: &Listing) -> Result<(), Error> {
        if target.kind(name)?.is_none() {
            return self.new.rename_to_new(name, target, name);
        }
        if self.new.exchange(name, target, name)? {
            return Ok(());
        }
        let room = self.scratch.dir();
        self.new.rename_to_new(name, room, NEXT)?;
        self.put_away(target, name, old)?;
        room.rename_to_new(NEXT, target, name)
    }

    /// Moves `name` from the old directory into the marked one, to be removed there.
    fn put_away(&self, target: &Dir, name: &OsStr, old: &Listing) -> Result<(), Error> {
        match target.rename_to_new(name, &self.new, name) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::CrossesDevices => {}
            moved => return moved,
        }
        // A directory that an overlay has from below cannot be moved: it becomes a marked one where it is.
        let directory = target.directory(name, Links::Refuse)?;
        scratch::mark(&directory, self.scratch.dir())?;
        directory.sync()?;
        old.remove_below(target, name);
        directory.remove_file(scratch::MARK)?;
        target.remove_directory(name)
    }

    /// Removes what is left of the old directory, if nothing is in it; otherwise it is moved out of this one,
    /// which is about to go.
    fn let_go(self) -> Option<PathBuf> {
        let room = self.scratch.dir();
        if room.remove_directory(NEW).is_ok() || matches!(room.kind(NEW), Ok(None)) {
            return None;
        }
        let around = self.within.as_ref().unwrap_or(&self.parent);
        let mut kept = self.name.clone();
        kept.push(".kept");
        let kept = temporary_name("", &kept);
        match room.rename_to_new(NEW, around, &kept) {
            Ok(()) => Some(around.join(kept)),
            Err(_) => Some(self.scratch.keep().join(NEW)),
        }
    }
}

/// A scratch directory in `parent`; none when nothing may be made there.
fn beside(parent: &Dir, prefix: &str) -> Result<Option<Scratch>, Error> {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    match Scratch::new(parent, prefix) {
        Err(Error::Io { source, .. }) if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem) => Ok(None),
        made => made.map(Some),
    }
}

/// The longest part of the name that is in its scratch directory's, in bytes.
const NAME_LIMIT: usize = 128;

/// The beginning of the name of a scratch directory for `name`.
fn prefix(name: &OsStr) -> String {
    let text = name.to_string_lossy();
    format!(".{}.partial-", &text[..text.floor_char_boundary(NAME_LIMIT)])
}

/// Removes what runs needed in `directory` meanwhile.
fn remove_marks(directory: &Dir) {
    scratch::remove_abandoned(directory, "");
    if is_unfinished(directory) {
        let _ = directory.remove_file(UNFINISHED);
    }
}

/// Makes the files in `directory` durable, and the names of those below.
///
/// # Errors
/// When the system refuses.
pub fn make_durable(directory: &Dir) -> Result<(), Error> {
    for name in directory.names()? {
        match directory.kind(&name)? {
            Some(FileType::Directory) => directory.directory(&name, Links::Refuse)?.sync()?,
            _ => directory
                .file(&name, Links::Refuse)?
                .sync_all()
                .map_err(Error::io("make durable", &directory.join(&name)))?,
        }
    }
    directory.sync()
}

#[cfg(test)]
mod tests;
