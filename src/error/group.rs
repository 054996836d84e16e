//! Findings as they are shown: those of one kind at one place, or without one, are one, with a count.
//!
//! This is the one place where that is decided. What finds something reports each case.

use std::collections::BTreeMap;

use model::rules::Conflict;
use model::{Additions, Diagnostic, long_form};
use serde::Serialize;

use super::{Findings, Reported};

/// The most findings of one kind that are shown one by one, and the most examples that a group of them has in text.
pub(crate) const MAX_SINGLE: usize = 5;
/// The most of a group that are listed in JSON.
const MAX_LISTED: usize = 1000;
/// The most names of a list in a hint.
const MAX_NAMED: usize = 4;

/// A finding, or many of one kind.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    /// What all of them have in common; of a single one, all of it.
    #[serde(flatten)]
    pub(crate) head: Diagnostic,
    /// How many there are.
    #[serde(skip_serializing_if = "is_one")]
    pub(crate) count: usize,
    /// The first of them, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) each: Vec<Case>,
}

/// One of a group.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Case {
    /// What is wrong.
    pub(crate) message: String,
    /// How to fix it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) hint: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
fn is_one(count: &usize) -> bool {
    *count == 1
}

/// `diagnostics` for people: the worst first, in each file from top to bottom.
pub(crate) fn in_order(diagnostics: &[Diagnostic]) -> Vec<Finding> {
    let mut order: Vec<&Diagnostic> = diagnostics.iter().collect();
    order.sort_by_key(|found| (found.severity, found.file.clone(), found.position));
    of_all(&order)
}

/// `diagnostics` in their order, a group where its first one stands.
pub(crate) fn of(diagnostics: &[Diagnostic]) -> Vec<Finding> {
    of_all(&diagnostics.iter().collect::<Vec<_>>())
}

fn of_all(order: &[&Diagnostic]) -> Vec<Finding> {
    let mut kinds: BTreeMap<_, Vec<&Diagnostic>> = BTreeMap::new();
    for found in order {
        kinds.entry(kind(found)).or_default().push(found);
    }
    kinds.retain(|_, found| found.len() > MAX_SINGLE);
    let mut shown = Vec::new();
    for found in order.iter().copied() {
        match kinds.get(&kind(found)) {
            None => shown.push(Finding { head: found.clone(), count: 1, each: Vec::new() }),
            Some(all) => match all.first() {
                Some(first) if std::ptr::eq(*first, found) => shown.push(grouped(first, all)),
                // It is in the group of an earlier one.
                Some(_) | None => {}
            },
        }
    }
    shown
}

/// The same as JSON, for a field of a result.
///
/// # Errors
/// As the serializer.
pub(crate) fn serialize<S: serde::Serializer>(diagnostics: &[Diagnostic], serializer: S) -> Result<S::Ok, S::Error> {
    of(diagnostics).serialize(serializer)
}

/// What findings of one kind have in common.
fn kind(found: &Diagnostic) -> impl Ord {
    (found.severity, found.code, found.file.clone(), found.position, found.field.clone(), found.add.is_empty())
}

fn grouped(first: &Diagnostic, all: &[&Diagnostic]) -> Finding {
    let mut add = Additions::default();
    for found in all {
        add.merge(&found.add);
    }
    let means = long_form::of(first.code).map_or("", |form| form.means);
    let means = means.split_inclusive([':', '.']).next().unwrap_or_default().trim_end_matches([':', '.']);
    let mut letters = means.chars();
    let means: String = letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect();
    let message = format!("{} times: {means}", all.len());
    let hint = hint(all, first, &add);
    let case = |found: &&Diagnostic| Case { message: found.message.clone(), hint: found.hint.clone() };
    let head = Diagnostic { message, hint, text: String::new(), add, ..first.clone() };
    Finding { head, count: all.len(), each: all.iter().take(MAX_LISTED).map(case).collect() }
}

/// One hint for all of them.
fn hint(all: &[&Diagnostic], first: &Diagnostic, add: &Additions) -> String {
    if all.iter().all(|found| found.hint == first.hint) {
        return first.hint.clone();
    }
    let list = |names: Vec<&String>| {
        let shown: Vec<String> = names.iter().take(MAX_NAMED).map(|name| format!("`{name}`")).collect();
        match names.len().saturating_sub(MAX_NAMED) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    };
    let parts = [(&add.package_spec, "package_spec"), (&add.file_spec, "file_spec")];
    let parts = parts.into_iter().filter(|(names, _)| !names.is_empty());
    let parts: Vec<String> = parts.map(|(names, key)| format!("{} to {key}", list(names.iter().collect()))).collect();
    match parts.is_empty() {
        true => format!("of the first: {}; `--format json` has the hint of each", first.hint),
        false => format!("add {}: `module-builder build --suggest` prints all that is missing", parts.join(", ")),
    }
}

/// A result with what was found on the way to it, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct WithFindings<'a, T> {
    #[serde(flatten)]
    value: &'a T,
    findings: Vec<Finding>,
    conflicts: &'a [Conflict],
}

impl<'a, T> WithFindings<'a, T> {
    /// The result and the findings of `reported`.
    pub(crate) fn of(reported: &'a Reported<T>) -> Self {
        let Reported { value, findings } = reported;
        let Findings { diagnostics, conflicts, .. } = findings;
        Self { value, findings: of(diagnostics), conflicts }
    }
}

#[cfg(test)]
mod tests {
    use model::{Position, Severity};

    use super::*;

    fn link(number: usize) -> Diagnostic {
        let message = format!("/x{number} is nowhere in the root file system, and /l{number} leads to it");
        let hint = "correct the link, or add what it leads to";
        Diagnostic::new(Severity::Warning, "dangling-link", message, hint).in_file("manifest.yaml")
    }

    #[test]
    fn three_hundred_of_one_kind_are_one_with_a_count_and_a_few_are_themselves() {
        let mut all: Vec<Diagnostic> = (0..300).map(link).collect();
        all.insert(7, Diagnostic::new(Severity::Error, "base-changed", "x", "").in_file("manifest.yaml"));
        let found = in_order(&all);
        assert_eq!(
            found.iter().map(|found| (found.head.code, found.count)).collect::<Vec<_>>(),
            [("base-changed", 1), ("dangling-link", 300)]
        );
        assert_eq!(found[1].head.message, "300 times: a shipped link leads to what is not there");
        assert_eq!(found[1].head.hint, "correct the link, or add what it leads to");
        assert_eq!(found[1].each.len(), 300);
        assert_eq!(of(&all[..MAX_SINGLE]).len(), MAX_SINGLE);
        let many: Vec<Diagnostic> = (0..5000).map(link).collect();
        assert_eq!((of(&many)[0].count, of(&many)[0].each.len()), (5000, MAX_LISTED));
    }

    #[test]
    fn what_has_a_place_is_shown_at_its_place() {
        let at = |line| Some(Position { line, column: 1 });
        let all: Vec<Diagnostic> = (1..20).map(|line| link(0).at(at(line))).collect();
        assert_eq!(of(&all).len(), 19);
        let same: Vec<Diagnostic> = (1..20).map(|number| link(number).at(at(3))).collect();
        assert_eq!((of(&same).len(), of(&same)[0].count), (1, 19), "one entry ships them all");
    }

    #[test]
    fn one_hint_adds_up_what_each_says_to_add() {
        let library = |number: usize| {
            let add = Additions { package_spec: [format!("lib{number}")].into(), ..Additions::default() };
            let hint = format!("add `lib{number}` to package_spec");
            Diagnostic::new(Severity::Warning, "needs-library", "x", hint).adding(add)
        };
        let found = of(&(1..=6).map(library).collect::<Vec<_>>());
        assert_eq!(
            found[0].head.hint,
            "add `lib1`, `lib2`, `lib3`, `lib4` and 2 more to package_spec: `module-builder build --suggest` prints all that is missing"
        );
        assert_eq!(found[0].head.add.package_spec.len(), 6);
    }
}
