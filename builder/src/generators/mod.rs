//! Programs that compute files from others: the linker's cache, compiled schemas, the bundle of certificates.
//!
//! Where packages are installed, their triggers run these programs. What is laid over the root file system afterwards, and
//! what ships without the file that is computed from it, no trigger sees. [`Generator::all`] is the one table of them:
//! which files a program reads, which it writes, and whether the build runs it or the node.

mod table;

use image::tree::{Node, Tree};
use model::ImagePath;

use crate::scrub::matches;
use table::TABLE;

/// A program that computes files from others.
#[derive(Debug)]
pub struct Generator {
    /// What it is called in messages.
    pub name: &'static str,
    /// Where it is, as patterns: `*` is any part of one component.
    programs: &'static [&'static str],
    /// The directories that it reads, as patterns, each with what it reads in them.
    inputs: &'static [(&'static str, &'static [&'static str])],
    /// What it writes, as patterns: in the directory that it read, or from the root.
    outputs: &'static [&'static str],
    /// Whether anything is missing without what it writes.
    pub need: Need,
    /// Who runs it.
    pub how: How,
}

/// Whether anything is missing without what a generator writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// What it reads has no effect without.
    Always,
    /// Those who would read it look into the files themselves, which takes longer. One that is there must be right.
    Faster,
}

/// Who runs a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The build, with these arguments.
    Build(&'static [Word]),
    /// Whoever installs packages: it writes in the order in which a directory is on disk, which no build can promise.
    Unsorted,
    /// The node, or whoever needs the file.
    Node,
}

/// An argument of a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// This text.
    Text(&'static str),
    /// The directory that it reads.
    Place,
    /// The name of that directory.
    Name,
}

impl Word {
    /// The argument, where the generator reads `place`.
    #[must_use]
    pub fn text(self, place: &ImagePath) -> String {
        match self {
            Self::Text(text) => text.to_owned(),
            Self::Place => place.to_string(),
            Self::Name => String::from_utf8_lossy(place.file_name().unwrap_or_default()).into_owned(),
        }
    }
}

impl Generator {
    /// Every generator that is known.
    #[must_use]
    pub fn all() -> &'static [Self] {
        TABLE
    }

    /// The directory in which the generator reads what is at `path`; none where it does not.
    #[must_use]
    pub fn place(&self, path: &ImagePath) -> Option<ImagePath> {
        self.inputs.iter().find_map(|(place, names)| {
            let place = beginning(place, path)?;
            let rest = ImagePath::new(&path.as_bytes()[place.as_bytes().len()..]).ok()?;
            let is_read = names.iter().any(|name| matches(&format!("/{name}"), &rest));
            // A file that is named is an output, whatever else a pattern takes as an input.
            let is_named = || self.outputs.iter().any(|name| !name.contains('*') && absolute(name, &place, path));
            (is_read && !is_named()).then_some(place)
        })
    }

    /// Whether it writes what is at `path` when it reads `place`.
    #[must_use]
    pub fn writes(&self, place: &ImagePath, path: &ImagePath) -> bool {
        self.outputs.iter().any(|name| absolute(name, place, path)) && self.place(path).is_none()
    }

    /// Where it is in `tree`.
    #[must_use]
    pub fn program<C>(&self, tree: &Tree<C>) -> Option<ImagePath> {
        let is_program =
            |path: &ImagePath, node: &Node<C>, pattern: &str| !node.is_directory() && matches(pattern, path);
        let find = |pattern: &&str| {
            let mut found = tree.walk().filter(|(path, _, node)| is_program(path, node, pattern));
            found.next().map(|(path, ..)| path)
        };
        self.programs.iter().find_map(find)
    }

    /// What it writes when it reads `place`, as a pattern for a message; none where no pattern says that.
    #[must_use]
    pub fn output(&self, place: &ImagePath) -> Option<String> {
        let name = self.outputs.first()?;
        Some(if name.starts_with('/') { (*name).to_owned() } else { format!("{place}/{name}") })
    }
}

/// Whether `path` is what `name` says: a pattern from the root, or below `place`.
fn absolute(name: &str, place: &ImagePath, path: &ImagePath) -> bool {
    if name.starts_with('/') {
        return matches(name, path);
    }
    let below = path.as_bytes().strip_prefix(place.as_bytes()).filter(|rest| rest.starts_with(b"/"));
    below.and_then(|rest| ImagePath::new(rest).ok()).is_some_and(|rest| matches(&format!("/{name}"), &rest))
}

/// The beginning of `path` that is what `pattern` says, where something follows it.
fn beginning(pattern: &str, path: &ImagePath) -> Option<ImagePath> {
    let length = pattern.split('/').count() - 1;
    let names: Vec<&[u8]> = path.components().collect();
    let first = names.get(..length).filter(|_| names.len() > length)?;
    let bytes = first.iter().fold(Vec::new(), |path, name| [&path, &b"/"[..], *name].concat());
    ImagePath::new(bytes).ok().filter(|place| matches(pattern, place))
}

#[cfg(test)]
mod tests;
