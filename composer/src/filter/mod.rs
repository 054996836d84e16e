//! What a module ships: rsync's filter, to the letter.
//!
//! A path is shipped when no exclude takes it and some include does; an exclude of a directory takes
//! everything below it. This is what rsync does with the rules in the order excludes, `+ */`,
//! includes, `- *`, and with `--prune-empty-dirs`; the real rsync is the judge in
//! `tests/peer_filter.rs`. `docs/formats/filter.md` has the rules for users. Decided deviations:
//!
//! - an include that names a directory without a wildcard is read as `directory/***`;
//! - the directories of a pattern before its first wildcard are resolved through the tree's own
//!   links, so that `/lib/x` means `/usr/lib/x` on a merged-/usr tree;
//! - a directory that an include with a trailing slash names is shipped even when it is empty.
//!
//! Excludes and includes are one automaton each: the first pattern in order wins, and a directory is
//! left alone as soon as no include can match below it.

mod automaton;
mod glob;
mod owned;
mod report;
mod suggest;
mod walk;

use std::collections::BTreeSet;

use model::ImagePath;
use model::rules::{Field, Rule, Rules};

use automaton::{Automaton, Fault};
use glob::Glob;
use image::tree::Tree;
use owned::Owned;
pub use report::{Amount, List, Note, Report, RuleRef, RuleReport};
pub use suggest::near;

use crate::error::Error;
use crate::scan::Source;

/// What a regular file of a tree carries, as far as a filter counts it.
pub trait Content {
    /// The size in bytes; 0 where it is not known.
    fn size(&self) -> u64;
}

impl Content for Source {
    fn size(&self) -> u64 {
        Self::size(self)
    }
}

/// A tree of names and sizes.
impl Content for u64 {
    fn size(&self) -> u64 {
        *self
    }
}

/// A tree of names alone.
impl Content for () {
    fn size(&self) -> u64 {
        0
    }
}

/// The rules of one build, compiled for one tree.
#[derive(Debug, Clone)]
pub struct Filter {
    rules: Rules,
    excludes: Automaton,
    includes: Automaton,
    owned: Owned,
    notes: Vec<Note>,
}

/// What a filter ships, and why.
#[derive(Debug, Clone)]
pub struct Selection<C> {
    /// The shipped inodes with all their shipped names. Parents are as in the whole tree.
    pub tree: Tree<C>,
    /// What each rule did.
    pub report: Report,
}

/// What a filter says about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays out.
    Excluded {
        /// The index of the exclude.
        rule: usize,
        /// What the exclude matches: the path itself or the directory above it.
        at: ImagePath,
    },
    /// It is shipped.
    Included(By),
    /// Nothing names it, so it stays out.
    NotNamed,
}

/// Why a path is shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The include with this index takes it.
    Rule(usize),
    /// The module's own packages or overlay own it ([`Field::Default`]).
    Owned,
    /// It is a directory below which includes can match: shipped exactly when something below is.
    Parent,
}

impl Filter {
    /// Compiles `rules` for `tree`, whose links and directories decide what some patterns mean.
    ///
    /// # Errors
    /// When there is more pattern text than can be compiled in bounded memory.
    pub fn new<C>(rules: &Rules, tree: &Tree<C>) -> Result<Self, Error> {
        let mut notes = Vec::new();
        let mut read = |list: List, rules: &[Rule]| {
            let globs = rules.iter().enumerate().map(|(index, rule)| {
                let mut glob = Glob::parse(rule.pattern.as_str().as_bytes());
                let rule = RuleRef { list, index };
                notes.extend(resolve(&mut glob, rule, tree));
                if list == List::Include {
                    notes.extend(extend(&mut glob, rule, tree));
                }
                glob
            });
            Automaton::new(globs.collect())
        };
        let excludes = read(List::Exclude, &rules.excludes)?;
        let includes = read(List::Include, &rules.includes)?;
        Ok(Self { rules: rules.clone(), excludes, includes, owned: Owned::default(), notes })
    }

    /// Ships `owned` as well: the files and directories, under their real paths, that the module's
    /// own packages and overlay provided. They stand in for a `file_spec`, so they count only when no
    /// include comes from one; excludes go before them.
    #[must_use]
    pub fn with_owned(mut self, owned: BTreeSet<ImagePath>) -> Self {
        if !self.rules.includes.iter().any(|rule| rule.origin.field == Field::FileSpec) {
            self.owned = Owned::new(&owned);
        }
        drop(owned);
        self
    }

    /// Ships `paths` as well, whatever the includes are: files and directories under their real paths. Excludes go before
    /// them.
    #[must_use]
    pub fn with_closure(mut self, paths: &BTreeSet<ImagePath>) -> Self {
        self.owned = Owned::new(paths);
        self
    }

    /// Takes what the rules ship out of `tree`, which must be the tree of [`Self::new`] or one with
    /// the same names.
    ///
    /// # Errors
    /// When the patterns take more work than is done for one list ([`Error::FilterTooCostly`]).
    pub fn apply<C: Clone + Content>(&self, tree: &Tree<C>) -> Result<Selection<C>, Error> {
        let mut selection = walk::apply(self, tree)?;
        walk::find_matches_outside(self, tree, &mut selection.report)?;
        suggest::fill(self, tree, &mut selection.report);
        Ok(selection)
    }

    /// Why a list of this filter could not be matched.
    fn blame(&self, list: List, fault: Fault) -> Error {
        let rules = if list == List::Exclude { &self.rules.excludes } else { &self.rules.includes };
        match fault {
            Fault::GaveUp(error) => error,
            Fault::TooCostly { pattern, path } => match rules.get(pattern) {
                Some(rule) => Error::FilterTooCostly {
                    patterns: rules.len(),
                    rule: Box::new(rule.clone()),
                    path: format!("/{}", model::path::escape(&path)),
                },
                None => Error::FilterTooLarge { patterns: rules.len(), reason: "too much work".to_owned() },
            },
        }
    }

    /// What happens to `path` and why. `path` is a real path: its parents are directories.
    #[must_use]
    pub fn verdict(&self, path: &ImagePath, is_directory: bool) -> Verdict {
        if path.is_root() {
            return Verdict::Included(By::Parent);
        }
        let slashes = path.relative().iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in slashes.chain([path.relative().len()]) {
            let (above, whole) = (&path.relative()[..end], end == path.relative().len());
            let takes = |glob: &Glob| glob.test(above, is_directory || !whole).taken;
            if let Some(rule) = self.excludes.globs().iter().position(takes) {
                return Verdict::Excluded { rule, at: ImagePath::new(above).unwrap_or_else(|_| path.clone()) };
            }
        }
        let globs = self.includes.globs();
        let named =
            |glob: &Glob| (glob.directory_only || !is_directory) && glob.test(path.relative(), is_directory).taken;
        let owned = self.owned.find(path);
        if let Some(rule) = globs.iter().position(named) {
            return Verdict::Included(By::Rule(rule));
        }
        if owned.is_some_and(|place| self.owned.holds(place)) {
            return Verdict::Included(By::Owned);
        }
        let below = |glob: &Glob| is_directory && glob.test(path.relative(), true).below;
        if globs.iter().any(below) || owned.is_some_and(|place| is_directory && self.owned.has_below(place)) {
            return Verdict::Included(By::Parent);
        }
        Verdict::NotNamed
    }
}

/// Follows the links in the leading directories of a pattern. A directory that is not written in
/// its normal form (`//`, `.`) matches nothing in rsync and is left alone.
fn resolve<C>(glob: &mut Glob, rule: RuleRef, tree: &Tree<C>) -> Option<Note> {
    let leading = glob.leading_directory()?;
    let written = ImagePath::new(&leading).ok().filter(|path| path.relative() == leading)?;
    let resolved = tree.resolve_parent(&written.join(b"x").ok()?).parent()?;
    if resolved == written {
        return None;
    }
    glob.replace_leading_directory(leading.len(), resolved.relative());
    Some(Note::ThroughLink { rule, written, resolved })
}

/// Reads an include of a bare directory as an include of everything below it.
fn extend<C>(glob: &mut Glob, rule: RuleRef, tree: &Tree<C>) -> Option<Note> {
    if glob.directory_only {
        return None;
    }
    let literal = glob.literal()?;
    let directory = ImagePath::new(&literal).ok().filter(|path| path.relative() == literal)?;
    tree.lookup(&directory).filter(|id| tree.node(*id).is_directory())?;
    glob.extend_below();
    Some(Note::BareDirectory { rule, directory })
}

#[cfg(test)]
mod tests;
