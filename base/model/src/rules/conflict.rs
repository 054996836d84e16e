//! Paths that two modules both protect or ship.

use serde::Serialize;

use super::index::{List, Read};
use super::overlap::{Automaton, Overlap, Role, What, overlap};
use super::{Field, Lists, Rule};
use crate::Severity;

/// The most conflicts that are reported: beyond it, two manifests are the same module.
const MAX_CONFLICTS: usize = 1000;
/// The most steps of the whole search, where a step looks at one place of a pattern or at one
/// pattern of a list: about half a second of work.
const BUDGET: usize = 20_000_000;
/// The most of them for one pair of patterns, so that an intricate pair leaves enough for the rest.
const BUDGET_OF_A_PAIR: usize = 1_000_000;

/// Two patterns of two modules that take a common path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// How bad it is: a path that one of them protects and the other names may be shipped by neither.
    pub severity: Severity,
    /// The code of the finding.
    pub code: &'static str,
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
    /// How to fix it.
    pub hint: String,
}

/// What happens to a path that two lists name. The order of the table is the order of the report.
struct Pair {
    own: Field,
    neighbour: Field,
    /// What both patterns are to such a path, in either direction.
    roles: &'static [(Role, Role)],
    /// Whether the neighbour's own mask settles the matter too.
    neighbour_mask: bool,
    severity: Severity,
    code: &'static str,
    consequence: &'static str,
}

const PAIRS: [Pair; 4] = [
    Pair {
        own: Field::ProtectedSpec,
        neighbour: Field::ProtectedSpec,
        roles: &[(Role::Include, Role::Exclude), (Role::Exclude, Role::Include)],
        neighbour_mask: false,
        severity: Severity::Error,
        code: "both-protect",
        consequence: "both modules protect it, so that neither ships it",
    },
    Pair {
        own: Field::FileSpec,
        neighbour: Field::ProtectedSpec,
        roles: &[(Role::Include, Role::Exclude)],
        neighbour_mask: false,
        severity: Severity::Error,
        code: "protected-file",
        consequence: "the neighbour protects what this module ships, so that this module does not ship it",
    },
    Pair {
        own: Field::ProtectedSpec,
        neighbour: Field::FileSpec,
        roles: &[(Role::Exclude, Role::Include)],
        neighbour_mask: true,
        severity: Severity::Error,
        code: "protected-file",
        consequence: "this module protects what the neighbour ships, so that the neighbour does not ship it",
    },
    Pair {
        own: Field::FileSpec,
        neighbour: Field::FileSpec,
        roles: &[(Role::Include, Role::Include)],
        neighbour_mask: true,
        severity: Severity::Warning,
        code: "both-ship",
        consequence: "both modules own it, and the one that is mounted higher hides the other's",
    },
];

/// Every pair of patterns of `own` and a neighbour that take a common path which masks leave.
///
/// The work is bounded. A pair that cannot be decided within the bounds is reported without an
/// example. Where the whole search meets its bound, the last conflict says that it ended there.
#[must_use]
pub fn conflicts(own: Lists<'_>, neighbours: &[Lists<'_>]) -> Vec<Conflict> {
    search(own, neighbours, BUDGET)
}

pub(super) fn search(own: Lists<'_>, neighbours: &[Lists<'_>], budget: usize) -> Vec<Conflict> {
    let lists =
        |of: Lists<'_>| [Field::Mask, Field::FileSpec, Field::ProtectedSpec].map(|field| List::new(of.rules(field)));
    let [own_mask, own_files, own_protected] = lists(own);
    let mut search = Search { found: Vec::new(), budget };
    for neighbour in neighbours {
        let [mask, files, protected] = lists(*neighbour);
        for pair in &PAIRS {
            let ours = if pair.own == Field::FileSpec { &own_files } else { &own_protected };
            let theirs = if pair.neighbour == Field::FileSpec { &files } else { &protected };
            let masks = if pair.neighbour_mask { vec![&own_mask, &mask] } else { vec![&own_mask] };
            if search.compare_lists(pair, ours, theirs, &masks).is_err() {
                return search.found;
            }
        }
    }
    search.found
}

/// The search is over before all pairs were compared, and the last conflict says so.
struct Ended;

struct Search {
    found: Vec<Conflict>,
    budget: usize,
}

impl Search {
    fn compare_lists(&mut self, pair: &Pair, ours: &List, theirs: &List, masks: &[&List]) -> Result<(), Ended> {
        let Some(any) = theirs.reads().first() else { return Ok(()) };
        for ours in ours.reads() {
            let related = theirs.related(&ours.prefix, &mut self.budget);
            if self.budget == 0 {
                return self.end(ours, related.first().copied().unwrap_or(any));
            }
            for theirs in related {
                self.compare(pair, ours, theirs, masks)?;
            }
        }
        Ok(())
    }

    fn compare(&mut self, pair: &Pair, ours: &Read, theirs: &Read, masks: &[&List]) -> Result<(), Ended> {
        // What both take begins with the longer prefix; a mask takes some of it only if its own
        // prefix goes with that one.
        let prefix = if ours.prefix.len() < theirs.prefix.len() { &theirs.prefix } else { &ours.prefix };
        let near: Vec<&Read> = masks.iter().flat_map(|list| list.related(prefix, &mut self.budget)).collect();
        let stem = &prefix[..prefix.len().saturating_sub(1)];
        let mut unknown = false;
        for (own, neighbour) in pair.roles {
            for what in [What::File, What::Directory] {
                // A directory that both make is no conflict, one that is missing is.
                if what == What::Directory && own == neighbour {
                    continue;
                }
                let first = Automaton::new([&ours.glob], *own, what);
                let second = Automaton::new([&theirs.glob], *neighbour, what);
                if first.is_empty() || second.is_empty() {
                    continue;
                }
                let masks = Automaton::new(near.iter().map(|mask| &mask.glob), Role::Exclude, what);
                let mut left = self.budget.min(BUDGET_OF_A_PAIR);
                let before = left;
                let answer = overlap(&first, &second, &masks, stem, &mut left);
                self.budget -= before - left;
                match answer {
                    Overlap::None => {}
                    Overlap::At(path) => return self.report(pair, ours, theirs, Some(crate::path::escape(&path))),
                    Overlap::Unknown if self.budget == 0 => return self.end(ours, theirs),
                    Overlap::Unknown => unknown = true,
                }
            }
        }
        if unknown { self.report(pair, ours, theirs, None) } else { Ok(()) }
    }

    fn report(&mut self, pair: &Pair, ours: &Read, theirs: &Read, example: Option<String>) -> Result<(), Ended> {
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
        let hint = format!(
            "narrow one of the two patterns, or put the path into the `mask` of {}",
            if pair.neighbour_mask {
                "the module that does not own it"
            } else {
                "this module if the neighbour owns it"
            },
        );
        let last = self.found.len() + 1 == MAX_CONFLICTS;
        let rest = if last { "; this is the last of the conflicts that are listed" } else { "" };
        let message = format!("{path}: {}{rest}", pair.consequence);
        // What may be is not refused.
        let severity = if example.is_some() { pair.severity } else { Severity::Warning };
        let code = pair.code;
        let (own, neighbour) = (own.clone(), neighbour.clone());
        self.found.push(Conflict { severity, code, own, neighbour, example, message, hint });
        if last { Err(Ended) } else { Ok(()) }
    }

    /// Says that there was too much to compare.
    fn end(&mut self, ours: &Read, theirs: &Read) -> Result<(), Ended> {
        let (own, neighbour) = (ours.rule.clone(), theirs.rule.clone());
        let message = format!(
            "the search for conflicts ended at `{}` and `{}` of {}: the patterns are too many and too much alike, \
             and the pairs that follow were not compared",
            own.pattern, neighbour.pattern, neighbour.origin.module
        );
        let hint = "put the wildcards further back in the patterns, or fewer patterns into the lists".to_owned();
        let (severity, code) = (Severity::Warning, "conflicts-too-costly");
        self.found.push(Conflict { severity, code, own, neighbour, example: None, message, hint });
        Err(Ended)
    }
}
