//! What may have been meant by a pattern that matches nothing.
//!
//! Everything is bounded: the number of rules that get advice, the names that are compared, and one
//! walk over the tree for names that are elsewhere.

use std::collections::HashMap;

use image::tree::{NodeId, Tree};
use model::ImagePath;
use model::rules::Field;

use super::automaton::Automaton;
use super::glob::Glob;
use super::report::{List, Report, RuleRef};
use super::{Filter, resolve, walk};

/// The most suggestions for one rule.
const MAX_SUGGESTIONS: usize = 3;
/// The most rules that get suggestions.
const MAX_RULES: usize = 50;
/// The most names of one directory that are compared.
const MAX_NAMES: usize = 4096;
/// The most work of one question whether a pattern takes anything.
const WORK: u64 = super::automaton::WORK / 200;
/// How many components of one pattern may be fixed at once.
const MAX_EDITS: usize = 2;

/// Puts suggestions into `report` for the includes and the own masks that match nothing.
pub(super) fn fill<C>(filter: &Filter, tree: &Tree<C>, report: &mut Report) {
    let own = |rule: &RuleRef| match rule.list {
        List::Include => true,
        List::Exclude => filter.rules.excludes[rule.index].origin.field == Field::Mask,
    };
    let mut open: Vec<RuleRef> = report.unmatched().filter(own).collect();
    open.sort_by_key(|rule| (rule.list == List::Exclude, rule.index));
    open.truncate(MAX_RULES);
    let mut answers: Vec<(RuleRef, Advice<'_, C>)> = Vec::new();
    for rule in open {
        let rules = if rule.list == List::Include { &filter.rules.includes } else { &filter.rules.excludes };
        let mut advice = Advice { tree, rule, found: Vec::new() };
        advice.collect(rules[rule.index].pattern.as_str());
        answers.push((rule, advice));
    }
    find_elsewhere(filter, tree, &mut answers);
    for (rule, advice) in answers {
        let reports = if rule.list == List::Include { &mut report.includes } else { &mut report.excludes };
        reports[rule.index].suggestions = advice.found;
    }
}

/// Paths of `tree` that may have been meant by `path`, which it does not have: at most three.
#[must_use]
pub fn near<C>(tree: &Tree<C>, path: &ImagePath) -> Vec<String> {
    let mut advice = Advice { tree, rule: RuleRef::include(0), found: Vec::new() };
    advice.collect(&path.to_string());
    if advice.found.is_empty() {
        let is_meant =
            |other: &ImagePath| other.file_name() == path.file_name() && is_related(other.as_bytes(), path.as_bytes());
        let same_name = tree.walk().map(|(other, ..)| other).filter(is_meant);
        same_name.take(MAX_SUGGESTIONS).for_each(|other| advice.push(other.to_string()));
    }
    advice.found
}

/// Suggestions for one rule.
struct Advice<'t, C> {
    tree: &'t Tree<C>,
    rule: RuleRef,
    found: Vec<String>,
}

impl<C> Advice<'_, C> {
    fn collect(&mut self, text: &str) {
        let bare = text.trim_end_matches('/');
        let wild = is_wild(text);
        // Brackets that are part of a name, as in `/usr/bin/[`.
        if wild && ImagePath::new(bare).is_ok_and(|path| self.tree.lookup(&path).is_some()) {
            self.push(quote(bare));
        }
        let components: Vec<&str> = text.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
        if components.first().is_some_and(|first| literal(first, wild).is_some()) {
            self.fix(NodeId::ROOT, String::new(), &components, wild, MAX_EDITS);
            for (from, to) in [("/", "/usr/"), ("/usr/", "/"), ("/usr/local/", "/usr/"), ("/usr/", "/usr/local/")] {
                if let Some(rest) = bare.strip_prefix(from) {
                    self.try_pattern(format!("{to}{rest}"));
                }
            }
        }
    }

    fn push(&mut self, text: String) {
        if self.found.len() < MAX_SUGGESTIONS && !self.found.contains(&text) {
            self.found.push(text);
        }
    }

    /// Proposes `text` if it matches anything.
    fn try_pattern(&mut self, text: String) {
        if self.found.len() >= MAX_SUGGESTIONS {
            return;
        }
        let mut glob = Glob::parse(text.as_bytes());
        resolve(&mut glob, self.rule, self.tree);
        let matches = || walk::probe(&Automaton::new(vec![glob]).ok()?, self.tree, WORK).ok()?.first().copied();
        if matches() == Some(true) {
            self.push(text);
        }
    }

    /// Goes down `components` from `at`, whose pattern text is `done`, and puts near names in the
    /// place of those that do not exist.
    fn fix(&mut self, at: NodeId, done: String, components: &[&str], wild: bool, edits: usize) {
        let Some((component, rest)) = components.split_first() else {
            return self.push(done);
        };
        let Some(name) = literal(component, wild) else {
            self.try_pattern(format!("{done}/{}", components.join("/")));
            return;
        };
        let Some(entries) = self.tree.node(at).entries() else { return };
        if let Some(child) = entries.get(name.as_slice()) {
            let path = format!("{done}/{component}");
            // A link to a directory is a directory here.
            let target = ImagePath::new(&path).ok().filter(|_| !wild).and_then(|path| self.tree.resolve(&path));
            return self.fix(target.unwrap_or(*child), path, rest, wild, edits);
        }
        if edits == 0 {
            return;
        }
        let wanted = String::from_utf8_lossy(&name).into_owned();
        let names =
            entries.iter().take(MAX_NAMES).filter_map(|(name, id)| Some((std::str::from_utf8(name).ok()?, *id)));
        let mut near: Vec<_> = names.filter_map(|(name, id)| Some((distance(&wanted, name)?, name, id))).collect();
        near.sort_by_key(|(distance, name, _)| (*distance, *name));
        for (_, name, id) in near.into_iter().take(MAX_SUGGESTIONS) {
            let name = if wild || is_wild(name) { quote(name) } else { name.to_owned() };
            self.fix(id, format!("{done}/{name}"), rest, wild, edits - 1);
        }
    }
}

/// How far `name` is from what was wanted; none if too far. Another case counts as nothing.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    if wanted.eq_ignore_ascii_case(name) {
        return Some(0);
    }
    let longest = wanted.chars().count().max(name.chars().count());
    let distance = strsim::damerau_levenshtein(&wanted.to_lowercase(), &name.to_lowercase());
    (distance <= (longest / 3).clamp(1, 4) && distance < longest).then_some(distance)
}

fn is_wild(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The name that a component of a pattern stands for, if it stands for one name.
fn literal(component: &str, wild: bool) -> Option<Vec<u8>> {
    if !wild {
        return Some(component.as_bytes().to_vec());
    }
    Glob::parse_component(component.as_bytes())
}

/// Whether one of two paths with the same last name may have been meant by the other: they are in directories of one name,
/// or below a common one that is neither the root nor `/usr`, where everything is.
fn is_related(one: &[u8], other: &[u8]) -> bool {
    let directories = |path: &'_ [u8]| -> Vec<Vec<u8>> {
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        let mut names: Vec<Vec<u8>> = names.map(<[u8]>::to_vec).collect();
        names.pop();
        if names.first().is_some_and(|first| first == b"usr") {
            names.remove(0);
        }
        names
    };
    let (one, other) = (directories(one), directories(other));
    let same = |names: (Option<&Vec<u8>>, Option<&Vec<u8>>)| names.0.is_some() && names.0 == names.1;
    same((one.first(), other.first())) || same((one.last(), other.last()))
}

/// A name or path as part of a pattern that has wildcards.
fn quote(name: &str) -> String {
    let escaped = |c: char| if "*?[\\".contains(c) { format!("\\{c}") } else { c.to_string() };
    name.chars().map(escaped).collect()
}

/// Proposes real paths whose last component is what a rule without suggestions ends in.
fn find_elsewhere<C>(filter: &Filter, tree: &Tree<C>, answers: &mut [(RuleRef, Advice<'_, C>)]) {
    let mut wanted: HashMap<Vec<u8>, Vec<(usize, Vec<u8>)>> = HashMap::new();
    for (index, (rule, advice)) in answers.iter().enumerate() {
        let automaton = if rule.list == List::Include { &filter.includes } else { &filter.excludes };
        let name = automaton.globs()[rule.index].literal();
        if let (Some(path), true) = (name, advice.found.is_empty()) {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
            wanted.entry(name).or_default().push((index, path.to_vec()));
        }
    }
    if wanted.is_empty() {
        return;
    }
    let mut stack = vec![(NodeId::ROOT, Vec::new())];
    while let Some((directory, path)) = stack.pop() {
        for (name, id) in tree.node(directory).entries().into_iter().flatten() {
            let is_directory = tree.node(*id).is_directory();
            let found = wanted.get(&**name);
            if !is_directory && found.is_none() {
                continue;
            }
            let below = [&path, &b"/"[..], name].concat();
            if let (Some(found), Ok(text)) = (found, std::str::from_utf8(&below)) {
                let text = if is_wild(text) { quote(text) } else { text.to_owned() };
                let related = found.iter().filter(|(_, path)| is_related(path, &below));
                related.for_each(|(index, _)| answers[*index].1.push(text.clone()));
            }
            if is_directory {
                stack.push((*id, below));
            }
        }
    }
}
