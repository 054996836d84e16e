//! One walk over a tree that takes out what is shipped and counts for the report.

use std::collections::btree_map;

use image::tree::{Entries, Kind, Node, NodeId, Tree};
use model::ImagePath;

use super::automaton::{Automaton, Fault, Mark, Runner, Text, WORK};
use super::owned::Place;
use super::report::{Amount, List, Note, Report, RuleRef, RuleReport};
use super::{Content, Filter, Selection};
use crate::error::Error;

/// A directory that is being walked.
struct Frame<'t> {
    source: NodeId,
    entries: btree_map::Iter<'t, Box<[u8]>, NodeId>,
    /// Length of the directory's path with its slash behind it; 0 for the root.
    path_len: usize,
    marks: Marks,
    owned: Option<Place>,
    /// The exclude that took this directory or one above it. Such a directory is walked for the
    /// report alone.
    excluded_by: Option<usize>,
    /// The directory's node in the new tree, once something made it necessary.
    made: Option<NodeId>,
}

/// Where both automata stand.
#[derive(Clone, Copy)]
struct Marks {
    excludes: Mark,
    includes: Mark,
}

/// An entry of a directory.
struct Item<'t, C> {
    name: &'t [u8],
    id: NodeId,
    node: &'t Node<C>,
    excluded_by: Option<usize>,
    owned: Option<Place>,
}

struct Walk<'f, 't, C> {
    filter: &'f Filter,
    tree: &'t Tree<C>,
    excludes: Runner<'f>,
    includes: Runner<'f>,
    /// The path of the entry at hand without its first slash.
    path: Vec<u8>,
    stack: Vec<Frame<'t>>,
    /// The excludes and includes that match the entry at hand.
    found: (Vec<usize>, Vec<usize>),
    made: Tree<C>,
    /// The new node for each old one that is no directory.
    copies: Vec<Option<NodeId>>,
    /// Which old nodes were counted as kept out.
    dropped: Vec<bool>,
    report: Report,
}

/// Takes what `filter` ships out of `tree`.
pub(super) fn apply<C: Clone + Content>(filter: &Filter, tree: &Tree<C>) -> Result<Selection<C>, Error> {
    let mut walk = Walk::new(filter, tree);
    walk.run()?;
    let mut report = walk.report;
    for rule in report.excludes.iter_mut().chain(&mut report.includes) {
        if rule.decided {
            rule.shadowed_by.clear();
        }
    }
    Ok(Selection { tree: walk.made, report })
}

impl<'f, 't, C: Clone + Content> Walk<'f, 't, C> {
    fn new(filter: &'f Filter, tree: &'t Tree<C>) -> Self {
        let report = Report {
            excludes: vec![RuleReport::default(); filter.rules.excludes.len()],
            includes: vec![RuleReport::default(); filter.rules.includes.len()],
            notes: filter.notes.clone(),
            ..Report::default()
        };
        Self {
            filter,
            tree,
            excludes: filter.excludes.runner(WORK),
            includes: filter.includes.runner(WORK),
            path: Vec::with_capacity(256),
            stack: Vec::new(),
            found: (Vec::new(), Vec::new()),
            made: Tree::new(tree.node(NodeId::ROOT).stat.clone()),
            copies: vec![None; tree.node_count()],
            dropped: vec![false; tree.node_count()],
            report,
        }
    }

    fn run(&mut self) -> Result<(), Error> {
        let Some(entries) = self.tree.node(NodeId::ROOT).entries() else { return Ok(()) };
        let excludes = self.excludes.start().map_err(|fault| self.filter.blame(List::Exclude, fault))?;
        let includes = self.includes.start().map_err(|fault| self.filter.blame(List::Include, fault))?;
        let marks = Marks { excludes, includes };
        self.stack.push(Frame {
            source: NodeId::ROOT,
            entries: entries.iter(),
            path_len: 0,
            marks,
            owned: self.filter.owned.root(),
            excluded_by: None,
            made: Some(NodeId::ROOT),
        });
        while let Some(frame) = self.stack.last_mut() {
            match frame.entries.next() {
                Some((name, id)) => self.entry(name, *id)?,
                None => drop(self.stack.pop()),
            }
        }
        Ok(())
    }

    /// One entry of the topmost directory.
    fn entry(&mut self, name: &'t [u8], id: NodeId) -> Result<(), Error> {
        let Some(frame) = self.stack.last() else { return Ok(()) };
        let (from, marks, excluded_by) = (frame.path_len, frame.marks, frame.excluded_by);
        let owned = frame.owned.and_then(|place| self.filter.owned.below(place, name));
        let node = self.tree.node(id);
        self.path.truncate(from);
        self.path.extend_from_slice(name);
        let marks = self.matches(marks, from, node.is_directory())?;
        let excluded_by = excluded_by.or_else(|| self.found.0.iter().min().copied());
        let item = Item { name, id, node, excluded_by, owned };
        self.note_matches(&item);
        let made = match (&node.kind, excluded_by) {
            (_, Some(rule)) => {
                self.keep_out(&item, rule);
                None
            }
            (Kind::Directory(_), None) => self.directory(&item)?,
            (_, None) => self.file(&item).map(|()| None)?,
        };
        let below = !marks.includes.is_dead() || owned.is_some_and(|place| self.filter.owned.has_below(place));
        if let (Kind::Directory(entries), true) = (&node.kind, below) {
            let path_len = self.path.len();
            self.stack.push(Frame { source: id, entries: entries.iter(), path_len, marks, owned, excluded_by, made });
        }
        Ok(())
    }

    /// Asks both automata about the path at hand, puts their answers into `found`, and gives back
    /// where they stand. A directory's path gets its slash.
    fn matches(&mut self, marks: Marks, from: usize, is_directory: bool) -> Result<Marks, Error> {
        self.found.0.clear();
        self.found.1.clear();
        let Self { filter, excludes, includes, found, path, .. } = self;
        let mut ask = |runner: &mut Runner<'_>, mark, found: &mut Vec<usize>| {
            path.truncate(path.len() - usize::from(path.ends_with(b"/")));
            ask(runner, mark, (path, from), is_directory, found)
        };
        let excludes = ask(excludes, marks.excludes, &mut found.0).map_err(|it| filter.blame(List::Exclude, it))?;
        let includes = ask(includes, marks.includes, &mut found.1).map_err(|it| filter.blame(List::Include, it))?;
        Ok(Marks { excludes, includes })
    }

    /// Marks what matched, and who came too late.
    fn note_matches(&mut self, item: &Item<'_, C>) {
        let directory = item.node.is_directory();
        for rule in &self.found.0 {
            let report = &mut self.report.excludes[*rule];
            report.matched = true;
            match item.excluded_by {
                Some(by) if by != *rule => report.shadow(RuleRef::exclude(by)),
                _ => report.decided = true,
            }
        }
        let first = self.found.1.iter().min().copied();
        for rule in &self.found.1 {
            let report = &mut self.report.includes[*rule];
            report.matched = true;
            // A directory is taken by its name only where a pattern has a trailing slash.
            let names = !directory || self.filter.includes.globs()[*rule].directory_only;
            match (item.excluded_by, first) {
                (Some(by), _) if names => report.shadow(RuleRef::exclude(by)),
                (None, Some(by)) if by != *rule && !directory => report.shadow(RuleRef::include(by)),
                _ => {}
            }
        }
    }

    /// The first include that names the directory at hand by a trailing slash.
    fn names_directory(&self) -> Option<usize> {
        let globs = self.filter.includes.globs();
        self.found.1.iter().filter(|rule| globs[**rule].directory_only).min().copied()
    }

    /// An entry that an exclude took: counted where it would have been shipped.
    fn keep_out(&mut self, item: &Item<'_, C>, rule: usize) {
        let directory = item.node.is_directory();
        let named = if directory { self.names_directory() } else { self.found.1.iter().min().copied() };
        if named.is_none() && !item.owned.is_some_and(|place| self.filter.owned.holds(place)) {
            return;
        }
        let fresh = !std::mem::replace(&mut self.dropped[item.id.index()], true);
        count(&mut self.report.excludes[rule].amount, item.node, fresh);
    }

    /// A directory that no exclude took. Gives back its new node if it is shipped for its own sake.
    fn directory(&mut self, item: &Item<'_, C>) -> Result<Option<NodeId>, Error> {
        let owned = item.owned.is_some_and(|place| self.filter.owned.holds(place));
        let rule = self.names_directory();
        let Some(amount) = self.taker(rule, owned) else { return Ok(None) };
        count(amount, item.node, true);
        let parent = self.parent()?;
        self.make_directory(parent, item.name, item.id).map(Some)
    }

    /// Something else that no exclude took.
    fn file(&mut self, item: &Item<'_, C>) -> Result<(), Error> {
        let owned = item.owned.is_some_and(|place| self.filter.owned.holds(place));
        let rule = self.found.1.iter().min().copied();
        let fresh = self.copies[item.id.index()].is_none();
        let Some(amount) = self.taker(rule, owned) else { return Ok(()) };
        count(amount, item.node, fresh);
        count(&mut self.report.total, item.node, fresh);
        let copy = match self.copies[item.id.index()] {
            Some(copy) => copy,
            None => self.made.add(item.node.clone())?,
        };
        self.copies[item.id.index()] = Some(copy);
        let parent = self.parent()?;
        self.made.link(parent, item.name, copy)?;
        Ok(())
    }

    /// The account of whoever takes an entry: an include before the owners.
    fn taker(&mut self, rule: Option<usize>, owned: bool) -> Option<&mut Amount> {
        match rule {
            Some(rule) => {
                let report = &mut self.report.includes[rule];
                report.decided = true;
                Some(&mut report.amount)
            }
            None => owned.then_some(&mut self.report.owned),
        }
    }

    /// The new node of the topmost directory, made now with all the directories above it that are
    /// not there yet.
    fn parent(&mut self) -> Result<NodeId, Error> {
        if let Some(made) = self.stack.last().and_then(|frame| frame.made) {
            return Ok(made);
        }
        let mut parent = NodeId::ROOT;
        let mut from = 0;
        for index in 0..self.stack.len() {
            let Frame { source, path_len, made, .. } = self.stack[index];
            parent = match made {
                Some(made) => made,
                None => {
                    let name = self.path[from..path_len - 1].to_vec();
                    let made = self.make_directory(parent, &name, source)?;
                    self.stack[index].made = Some(made);
                    made
                }
            };
            from = path_len;
        }
        Ok(parent)
    }

    /// A directory of the new tree with the old one's owner, mode, time and attributes.
    fn make_directory(&mut self, parent: NodeId, name: &[u8], source: NodeId) -> Result<NodeId, Error> {
        let stat = self.tree.node(source).stat.clone();
        let made = self.made.add(Node { stat, kind: Kind::Directory(Entries::new()) })?;
        self.made.link(parent, name, made)?;
        self.report.total.directories += 1;
        Ok(made)
    }
}

/// Asks about `path`, after whose first `from` bytes `mark` stands. A directory's path gets its slash.
fn ask(
    runner: &mut Runner<'_>,
    mark: Mark,
    (path, from): (&mut Vec<u8>, usize),
    is_directory: bool,
    found: &mut Vec<usize>,
) -> Result<Mark, Fault> {
    let mark = runner.run(mark, path, from)?;
    if !is_directory {
        runner.matches(mark, path, Text::File, found)?;
        return Ok(mark);
    }
    runner.matches(mark, path, Text::Directory, found)?;
    let from = path.len();
    path.push(b'/');
    let mark = runner.run(mark, path, from)?;
    runner.matches(mark, path, Text::DirectoryWithSlash, found)?;
    Ok(mark)
}

/// Adds one name to an account; `fresh` says that its bytes were not counted yet.
fn count<C: Content>(amount: &mut Amount, node: &Node<C>, fresh: bool) {
    match &node.kind {
        Kind::Directory(_) => amount.directories += 1,
        Kind::Regular(content) => {
            amount.files += 1;
            // No module holds as much as this can count, but a tree may hold it.
            amount.bytes = amount.bytes.saturating_add(if fresh { content.size() } else { 0 });
        }
        _ => amount.files += 1,
    }
}

/// Completes the report: whether the excludes that met nothing beside the includes match anything
/// elsewhere, and which directories were shipped alone though they hold something.
pub(super) fn find_matches_outside<C>(filter: &Filter, tree: &Tree<C>, report: &mut Report) -> Result<(), Error> {
    let globs = filter.excludes.globs();
    let open: Vec<usize> = (0..globs.len()).filter(|index| !report.excludes[*index].matched).collect();
    if !open.is_empty() {
        let automaton = Automaton::new(open.iter().map(|index| globs[*index].clone()).collect())?;
        let matched = probe(&automaton, tree, WORK).map_err(|fault| match fault {
            // The automaton has the open ones alone.
            Fault::TooCostly { pattern, path } => {
                filter.blame(List::Exclude, Fault::TooCostly { pattern: open[pattern], path })
            }
            fault => filter.blame(List::Exclude, fault),
        })?;
        for (index, matched) in open.iter().zip(matched) {
            report.excludes[*index].matched = matched;
            report.excludes[*index].decided = matched;
        }
    }
    let mut below = Below { filter, includes: filter.includes.runner(WORK), excludes: filter.excludes.runner(WORK) };
    for (index, glob) in filter.includes.globs().iter().enumerate() {
        let amount = report.includes[index].amount;
        let (Some(literal), true) = (glob.literal(), glob.directory_only && amount.directories == 1) else { continue };
        let Ok(directory) = ImagePath::new(literal) else { continue };
        let Some(entries) = tree.lookup(&directory).and_then(|id| tree.node(id).entries()) else { continue };
        if below.is_empty(&directory)? && below.holds_unmasked(&directory, entries, tree)? {
            report.notes.push(Note::DirectoryAlone { rule: RuleRef::include(index), directory });
        }
    }
    Ok(())
}

/// Answers whether anything below a directory could be shipped, or was meant not to be.
struct Below<'f> {
    filter: &'f Filter,
    includes: Runner<'f>,
    excludes: Runner<'f>,
}

impl Below<'_> {
    /// Whether no rule could ship anything below `directory`. A rule that names it alone ends before.
    fn is_empty(&mut self, directory: &ImagePath) -> Result<bool, Error> {
        let owned = &self.filter.owned;
        let is_owned = owned.find(directory).is_some_and(|place| owned.has_below(place));
        let inside = [directory.relative(), b"/"].concat();
        let mut end = || self.includes.start().and_then(|mark| self.includes.run(mark, &inside, 0));
        Ok(!is_owned && end().map_err(|fault| self.filter.blame(List::Include, fault))?.is_dead())
    }

    /// Whether `directory` holds something that no exclude keeps out. Where all is kept out, the author has said so.
    fn holds_unmasked<C>(&mut self, directory: &ImagePath, entries: &Entries, tree: &Tree<C>) -> Result<bool, Error> {
        let mut path = [directory.relative(), b"/"].concat();
        let from = path.len();
        let mut any = || {
            let inside = self.excludes.start().and_then(|mark| self.excludes.run(mark, &path, 0))?;
            for (name, id) in entries {
                path.truncate(from);
                path.extend_from_slice(name);
                let mut found = Vec::new();
                let is_directory = tree.node(*id).is_directory();
                ask(&mut self.excludes, inside, (&mut path, from), is_directory, &mut found)?;
                if found.is_empty() {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        any().map_err(|fault| self.filter.blame(List::Exclude, fault))
    }
}

/// Which patterns match anything at all, stopping as soon as all did.
pub(super) fn probe<C>(automaton: &Automaton, tree: &Tree<C>, work: u64) -> Result<Vec<bool>, Fault> {
    let mut runner = automaton.runner(work);
    let mut matched = vec![false; automaton.globs().len()];
    let mut missing = matched.len();
    let mut path = Vec::new();
    let mut found = Vec::new();
    let entries = |id: NodeId| tree.node(id).entries().map(btree_map::BTreeMap::iter).unwrap_or_default();
    let mut stack = vec![(entries(NodeId::ROOT), 0, runner.start()?)];
    while let Some((names, from, mark)) = stack.last_mut() {
        let (Some((name, id)), true) = (names.next(), missing > 0) else {
            stack.pop();
            continue;
        };
        let (from, mark) = (*from, *mark);
        path.truncate(from);
        path.extend_from_slice(name);
        let directory = tree.node(*id).is_directory();
        found.clear();
        let mark = ask(&mut runner, mark, (&mut path, from), directory, &mut found)?;
        if directory && !mark.is_dead() {
            stack.push((entries(*id), path.len(), mark));
        }
        for rule in &found {
            missing -= usize::from(!matched[*rule]);
            matched[*rule] = true;
        }
    }
    Ok(matched)
}
