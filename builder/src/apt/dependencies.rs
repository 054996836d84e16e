//! Who needs whom among the packages of a finished closure. The solve is apt's.
//!
//! Source: Debian policy 7.5 (virtual packages).

use std::collections::{BTreeMap, VecDeque};

use super::Reason;
use super::index::Record;
use crate::relation::{Relation, alternatives, groups, provided};

/// Whether one of `records` satisfies one alternative of `group`, one part between the commas of a
/// `Depends` field. An empty group is satisfied.
pub(super) fn satisfied(group: &str, records: &[&Record]) -> bool {
    let mut relations = alternatives(group).peekable();
    let supplies = |record: &Record, wanted: &Relation<'_>| {
        record.package.name == wanted.name && wanted.accepts(Some(&record.package.version))
            || provided(&record.provides).any(|(name, version)| name == wanted.name && wanted.accepts(version))
    };
    relations.peek().is_none() || relations.any(|wanted| records.iter().any(|record| supplies(record, &wanted)))
}

/// The names of all alternatives of `group`.
pub(super) fn names(group: &str) -> Vec<&str> {
    alternatives(group).map(|relation| relation.name).collect()
}

/// Gives every package of `closure` a reason.
///
/// `known` holds the reasons of requested and base packages by their number. From these, in order,
/// the dependencies are followed breadth first, so that every chain of reasons ends at one of them.
/// A package that nothing in the closure needs (which apt does not produce) keeps `fallback`.
pub(super) fn reasons(closure: &[&Record], known: BTreeMap<usize, Reason>, fallback: &Reason) -> Vec<Reason> {
    let mut suppliers: BTreeMap<&str, Vec<(usize, Option<&str>)>> = BTreeMap::new();
    for (number, record) in closure.iter().enumerate() {
        let own = (number, Some(record.package.version.as_str()));
        suppliers.entry(&record.package.name).or_default().push(own);
        for (name, version) in provided(&record.provides) {
            suppliers.entry(name).or_default().push((number, version));
        }
    }
    let mut reasons: Vec<Option<Reason>> = vec![None; closure.len()];
    let mut queue: VecDeque<usize> = VecDeque::new();
    // Requested packages come first, then the base: a package that both need is named after the request.
    let requested = |reason: &Reason| matches!(reason, Reason::Requested);
    for wanted in [true, false] {
        queue.extend(known.iter().filter(|(_, reason)| requested(reason) == wanted).map(|(number, _)| *number));
    }
    for (number, reason) in known {
        reasons[number] = Some(reason);
    }
    while let Some(number) = queue.pop_front() {
        let record = closure[number];
        for wanted in groups(&record.depends).flat_map(alternatives) {
            for (supplier, version) in suppliers.get(wanted.name).into_iter().flatten() {
                if reasons[*supplier].is_none() && wanted.accepts(*version) {
                    reasons[*supplier] = Some(Reason::RequiredBy(record.package.name.clone()));
                    queue.push_back(*supplier);
                }
            }
        }
    }
    reasons.into_iter().map(|reason| reason.unwrap_or_else(|| fallback.clone())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::super::fixtures;
    use super::*;

    fn record(name: &str, version: &str, depends: &str, provides: &str) -> Record {
        let text = |text: &str| text.to_owned();
        let package = fixtures::package(name, version);
        Record {
            package,
            source: 0,
            path: String::new(),
            size: 0,
            sha256: None,
            priority: String::new(),
            essential: false,
            depends: text(depends),
            provides: text(provides),
        }
    }

    #[test]
    fn every_chain_of_reasons_ends_at_a_root() {
        let records = [
            record("app", "1", "lib:any (>= 2) | other, cycle-a, mta", ""),
            record("base", "1", "lib", ""),
            record("cycle-a", "1", "cycle-b", ""),
            record("cycle-b", "1", "cycle-a", ""),
            record("lib", "2~", "", ""),
            record("postfix", "3", "", "mta"),
        ];
        let closure: Vec<&Record> = records.iter().collect();
        let essential = Reason::Base("essential".to_owned());
        let known = BTreeMap::from([(0, Reason::Requested), (1, essential.clone())]);
        let by = |name: &str| Reason::RequiredBy(name.to_owned());
        assert_eq!(
            reasons(&closure, known, &Reason::Requested),
            // lib 2~ is older than the 2 that app wants, so it is there for base.
            [Reason::Requested, essential, by("app"), by("cycle-a"), by("base"), by("app")]
        );
    }
}
