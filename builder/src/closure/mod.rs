//! What a module needs over its base: the files of every package that the base lacks, and what maintainer scripts made.
//!
//! Two root file systems are compared, that of the base and the one in which the module's packages were installed, too.
//! What is in the second only is the module's, but for what belongs to the machine or the package manager
//! ([`State`]). [`Closure::find`] says of each path what it is; [`node_form`] turns what is shipped into what a node can
//! use, where `/usr` and `/etc` cannot be written and `/var` is empty.

mod at_path;
mod compare;
mod data;
mod enablement;
mod first_start;
mod form;
mod made;
mod node_form;
mod recomputed;
mod secrets;
mod state;
mod tmpfiles;
mod var;

use std::collections::BTreeMap;

use image::Readable;
use image::tree::{Kind, Tree};
use model::ImagePath;
use model::closure::{ClosureRules, TextPath};
use model::explain::{Explain, Explanation, Kind as Fault};

use crate::ownership::Ownership;
use compare::difference;
use made::Scripts;

pub use compare::Difference;
pub use data::{DataDirectory, DataKind};
pub use enablement::{Enablement, Wanted};
pub use first_start::{Context, FirstStarts, MadeOnce, Shipped, first_starts};
pub use form::{Form, Named, NodeForm};
pub use node_form::node_form;
pub use recomputed::Recomputed;
pub use secrets::{Secret, SecretKind, secrets};
pub use state::State;

/// Why a closure cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be opened.
    #[error(transparent)]
    Content(#[from] image::Error),
    /// A file cannot be read.
    #[error("cannot read a file of the root file system")]
    Read(#[source] std::io::Error),
    /// A tree holds no more.
    #[error(transparent)]
    Tree(#[from] image::tree::TreeError),
}

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        match self {
            Self::Content(error) => error.explain(),
            Self::Read(_) => Explanation::new(Fault::Outside, self),
            Self::Tree(error) => error.explain(),
        }
    }
}

/// What a path is that the base does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A package that the base lacks owns it.
    Owned,
    /// A maintainer script made it: that of the package, where it can be said.
    Made {
        /// The package.
        by: Option<String>,
    },
}

/// A path of the base that is not as the base has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The path.
    pub path: ImagePath,
    /// In what; none where it is gone.
    pub difference: Option<Difference>,
    /// The package whose script changed it, where it can be said.
    pub by: Option<String>,
}

/// What packages and their scripts did to a root file system of the base.
#[derive(Debug, Clone, Default)]
pub struct Closure {
    /// What is there and the base does not have, by path.
    pub parts: BTreeMap<ImagePath, Part>,
    /// What of the base is not as it was.
    pub changed: Vec<Changed>,
    /// What is not shipped, by what it is.
    pub state: BTreeMap<State, Vec<ImagePath>>,
    /// Links that enable units.
    pub enablement: Vec<Enablement>,
    /// Directories of data that scripts made.
    pub data: Vec<DataDirectory>,
}

impl Closure {
    /// Compares `full` with `base`, over which it was made; `ownership` is that of `full`. Neither was scrubbed. `rules` say what
    /// is data wherever it is.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn find<C: Readable>(
        base: &Tree<C>,
        full: &Tree<C>,
        ownership: &Ownership,
        rules: &ClosureRules,
    ) -> Result<Self, Error> {
        let mut closure = Self::default();
        let scripts = Scripts::read(full, ownership)?;
        for (path, _, node) in full.walk().skip(1) {
            let before = base.lookup(&path).map(|id| base.node(id));
            let Some(before) = before else {
                closure.add(&path, node.is_directory(), matches!(node.kind, Kind::Symlink(_)), ownership, &scripts);
                continue;
            };
            let difference = difference(before, node)?.filter(|_| State::of(&path).is_none());
            if difference.is_some() {
                closure.changed.push(Changed { by: scripts.maker(&path, ownership), path, difference });
            }
        }
        for (path, _, node) in base.walk().skip(1) {
            // What is below a directory that is gone is gone with it.
            let is_gone =
                full.lookup(&path).is_none() && path.parent().is_some_and(|parent| full.lookup(&parent).is_some());
            if is_gone && State::of(&path).is_none() && !is_compiled(&path, node.is_directory()) {
                closure.changed.push(Changed { by: scripts.maker(&path, ownership), path, difference: None });
            }
        }
        closure.enablement = enablement::find(full, &closure.enablement);
        let declared: Vec<&ImagePath> = rules.data.keys().map(TextPath::path).collect();
        closure.data = data::find(full, &closure.parts, &declared)?;
        Ok(closure)
    }

    /// Adds a path that the base does not have.
    fn add(&mut self, path: &ImagePath, is_directory: bool, is_link: bool, ownership: &Ownership, scripts: &Scripts) {
        if ownership.is_owned(path) {
            self.parts.insert(path.clone(), Part::Owned);
            return;
        }
        match State::of(path) {
            Some(state) if !(is_directory && state.keeps_directories()) => {
                self.state.entry(state).or_default().push(path.clone());
            }
            _ if is_link && enablement::is_place(path) => {
                self.enablement.push(Enablement::at(path.clone()));
            }
            _ => {
                let by = scripts.maker(path, ownership);
                self.parts.insert(path.clone(), Part::Made { by });
            }
        }
    }
}

/// Whether it is a manual page, a translation or other documentation, of which the copyright files are none.
#[must_use]
pub fn is_documentation(path: &ImagePath) -> bool {
    const PLACES: [&[u8]; 9] = [
        b"/usr/share/doc/",
        b"/usr/share/man/",
        b"/usr/share/info/",
        b"/usr/share/locale/",
        b"/usr/share/help/",
        b"/usr/share/gtk-doc/",
        b"/usr/share/doc-base/",
        b"/usr/share/lintian/",
        b"/usr/share/bug/",
    ];
    PLACES.iter().any(|place| path.as_bytes().starts_with(place)) && path.file_name() != Some(b"copyright")
}

/// Whether it is Python's compiled form of a file, which is made by whoever comes first.
fn is_compiled(path: &ImagePath, is_directory: bool) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.ends_with(b".pyc") || is_directory && name == b"__pycache__"
}

#[cfg(test)]
mod tests;
