//! Paths that two modules both protect or ship.

use serde::Serialize;

use super::glob::Glob;
use super::overlap::{Automaton, Overlap, Role, What, overlap};
use super::{Field, Rule, rules};
use crate::manifest::Manifest;

/// The most conflicts that are reported: beyond it, two manifests are the same module.
const MAX_CONFLICTS: usize = 1000;
/// The most positions that all walks over automata look at: some seconds of work.
const BUDGET: usize = 10_000_000;
/// The most of them for one pair of patterns, so that an intricate pair leaves enough for the rest.
const BUDGET_OF_A_PAIR: usize = 1_000_000;

/// Two patterns of two modules that take a common path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The pattern of the module that is built.
    pub own: Rule,
    /// The neighbour's pattern.
    pub neighbour: Rule,
    /// A path that both take, control characters escaped; `None` where the patterns are too
    /// intricate to find one within bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// What happens to such a path.
    pub message: String,
    /// How to mend it.
    pub cure: String,
}

/// What happens to a path that two lists name. The order of the table is the order of the report.
struct Pair {
    own: Field,
    neighbour: Field,
    /// What both patterns are to such a path, in either direction.
    roles: &'static [(Role, Role)],
    /// Whether the neighbour's own mask settles the matter too.
    neighbour_mask: bool,
    consequence: &'static str,
}

const PAIRS: [Pair; 4] = [
    Pair {
        own: Field::ProtectedSpec,
        neighbour: Field::ProtectedSpec,
        roles: &[(Role::Include, Role::Exclude), (Role::Exclude, Role::Include)],
        neighbour_mask: false,
        consequence: "both modules protect it, so that neither ships it",
    },
    Pair {
        own: Field::FileSpec,
        neighbour: Field::ProtectedSpec,
        roles: &[(Role::Include, Role::Exclude)],
        neighbour_mask: false,
        consequence: "the neighbour protects what this module ships, so that this module does not ship it",
    },
    Pair {
        own: Field::ProtectedSpec,
        neighbour: Field::FileSpec,
        roles: &[(Role::Exclude, Role::Include)],
        neighbour_mask: true,
        consequence: "this module protects what the neighbour ships, so that the neighbour does not ship it",
    },
    Pair {
        own: Field::FileSpec,
        neighbour: Field::FileSpec,
        roles: &[(Role::Include, Role::Include)],
        neighbour_mask: true,
        consequence: "both modules own it, and the one that is mounted higher hides the other's",
    },
];

/// Every pair of patterns of `own` and a neighbour that take a common path which own `mask` leaves.
///
/// The work is bounded. What cannot be decided within the bounds is reported without an example.
#[must_use]
pub fn conflicts(own: (&Manifest, &str), neighbours: &[(Manifest, String)]) -> Vec<Conflict> {
    let (manifest, file) = own;
    let masks = globs(rules(manifest, file, Field::Mask));
    let mut search = Search { found: Vec::new(), budget: BUDGET };
    for (other, other_file) in neighbours {
        let other_masks = globs(rules(other, other_file, Field::Mask));
        for pair in &PAIRS {
            let ours = globs(rules(manifest, file, pair.own));
            let theirs = globs(rules(other, other_file, pair.neighbour));
            let mut masks: Vec<&Read> = masks.iter().collect();
            if pair.neighbour_mask {
                masks.extend(&other_masks);
            }
            for ours in &ours {
                for theirs in theirs.iter().filter(|theirs| related(&ours.prefix, &theirs.prefix)) {
                    search.compare(pair, ours, theirs, &masks);
                }
            }
        }
    }
    search.found
}

/// A rule with what is needed to compare it.
struct Read {
    rule: Rule,
    glob: Glob,
    /// The bytes before the first wildcard: everything that the pattern takes begins with them.
    prefix: Vec<u8>,
}

fn globs(rules: Vec<Rule>) -> Vec<Read> {
    let read = |rule: Rule| {
        let text = rule.pattern.as_str().trim_end_matches('/');
        let text = text.strip_suffix("/***").unwrap_or(text);
        let end = text.find(['*', '?', '[', '\\']).unwrap_or(text.len());
        let prefix = text.as_bytes()[..end].to_vec();
        Read { glob: Glob::parse(rule.pattern.as_str()), prefix, rule }
    };
    rules.into_iter().map(read).filter(|read| !read.glob.is_dead()).collect()
}

fn related(first: &[u8], second: &[u8]) -> bool {
    first.starts_with(second) || second.starts_with(first)
}

struct Search {
    found: Vec<Conflict>,
    budget: usize,
}

impl Search {
    fn compare(&mut self, pair: &Pair, ours: &Read, theirs: &Read, masks: &[&Read]) {
        if self.found.len() >= MAX_CONFLICTS {
            return;
        }
        let near: Vec<&Read> = masks
            .iter()
            .copied()
            .filter(|mask| related(&mask.prefix, &ours.prefix) && related(&mask.prefix, &theirs.prefix))
            .collect();
        let mut unknown = false;
        for (own, neighbour) in pair.roles {
            for what in [What::File, What::Directory] {
                // A directory counts only where it is named for its own sake and would be missing.
                let named = (*own == Role::Include && ours.glob.directory_only)
                    || (*neighbour == Role::Include && theirs.glob.directory_only);
                if what == What::Directory && (!named || own == neighbour) {
                    continue;
                }
                let first = Automaton::new(&ours.glob, *own, what);
                let second = Automaton::new(&theirs.glob, *neighbour, what);
                let (Some(first), Some(second)) = (first, second) else { continue };
                let masks: Vec<Automaton> =
                    near.iter().filter_map(|mask| Automaton::new(&mask.glob, Role::Exclude, what)).collect();
                match self.walk(&first, &second, &masks) {
                    Overlap::None => {}
                    Overlap::At(path) => return self.report(pair, ours, theirs, Some(crate::path::escape(&path))),
                    Overlap::Unknown => unknown = true,
                }
            }
        }
        if unknown {
            self.report(pair, ours, theirs, None);
        }
    }

    fn walk(&mut self, first: &Automaton, second: &Automaton, masks: &[Automaton]) -> Overlap {
        let mut own = self.budget.min(BUDGET_OF_A_PAIR);
        let before = own;
        let answer = overlap(first, second, &masks.iter().collect::<Vec<_>>(), &mut own);
        self.budget -= before - own;
        answer
    }

    fn report(&mut self, pair: &Pair, ours: &Read, theirs: &Read, example: Option<String>) {
        let (own, neighbour) = (&ours.rule, &theirs.rule);
        let path = example.as_ref().map_or_else(
            || format!("`{}` and `{}` may take one path", own.pattern, neighbour.pattern),
            |path| {
                format!(
                    "`{path}` is taken by `{}` and by `{}` of {}",
                    own.pattern, neighbour.pattern, neighbour.origin.module
                )
            },
        );
        let cure = format!(
            "narrow one of the two patterns, or put the path into the `mask` of {}",
            if pair.neighbour_mask {
                "the module that does not own it"
            } else {
                "this module if the neighbour owns it"
            },
        );
        self.found.push(Conflict {
            own: own.clone(),
            neighbour: neighbour.clone(),
            example,
            message: format!("{path}: {}", pair.consequence),
            cure,
        });
    }
}
