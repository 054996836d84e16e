//! Relations between packages: what a `Depends` field accepts, and in which order versions stand.
//!
//! The solve is apt's. This only finds, for the packages of a finished closure, who needs whom.
//! Sources: Debian policy 5.6.12 (versions), 7.1 (syntax), 7.5 (virtual packages).

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use super::index::Record;
use super::resolution::Reason;

/// The names of a `Provides` field with their versions.
pub(super) fn provided(field: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    field.split(',').filter_map(|part| {
        let atom = Atom::parse(part)?;
        Some((atom.name, atom.version.map(|(_, version)| version)))
    })
}

/// One alternative of a dependency: a name and maybe a version that it must have.
struct Atom<'a> {
    name: &'a str,
    version: Option<(&'a str, &'a str)>,
}

impl<'a> Atom<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (name, constraint) = match text.split_once('(') {
            Some((name, rest)) => (name.trim(), Some(rest.trim_end_matches(')').trim())),
            None => (text, None),
        };
        let name = name.split([':', ' ', '[']).next().filter(|name| !name.is_empty())?;
        let version = constraint.map(|constraint| {
            let end = constraint.find(|c| !"<>=".contains(c)).unwrap_or(constraint.len());
            (&constraint[..end], constraint[end..].trim())
        });
        Some(Self { name, version })
    }

    fn accepts(&self, version: Option<&str>) -> bool {
        let Some((relation, wanted)) = self.version else { return true };
        // An unversioned Provides satisfies no versioned dependency.
        let Some(version) = version else { return false };
        let order = compare(version, wanted);
        match relation {
            "<<" => order.is_lt(),
            "<=" | "<" => order.is_le(),
            "=" => order.is_eq(),
            ">=" | ">" => order.is_ge(),
            ">>" => order.is_gt(),
            _ => false,
        }
    }
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
        for atom in record.depends.split([',', '|']).filter_map(Atom::parse) {
            for (supplier, version) in suppliers.get(atom.name).into_iter().flatten() {
                if reasons[*supplier].is_none() && atom.accepts(*version) {
                    reasons[*supplier] = Some(Reason::RequiredBy(record.package.name.clone()));
                    queue.push_back(*supplier);
                }
            }
        }
    }
    reasons.into_iter().map(|reason| reason.unwrap_or_else(|| fallback.clone())).collect()
}

/// Debian's order of versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    fn split(version: &str) -> (u64, &str, &str) {
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch.parse().unwrap_or(u64::MAX), upstream, revision)
    }
    let ((epoch_a, upstream_a, revision_a), (epoch_b, upstream_b, revision_b)) = (split(a), split(b));
    epoch_a
        .cmp(&epoch_b)
        .then_with(|| compare_part(upstream_a.as_bytes(), upstream_b.as_bytes()))
        .then_with(|| compare_part(revision_a.as_bytes(), revision_b.as_bytes()))
}

/// Compares by turns a run without digits, character by character, and a run of digits, as a number.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    // `~` comes before the end, the end (and a digit) before letters, letters before the rest.
    let rank = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| !byte.is_ascii_digit());
    while !a.is_empty() || !b.is_empty() {
        while is_word(a.first()) || is_word(b.first()) {
            let order = rank(a.first()).cmp(&rank(b.first()));
            if order.is_ne() {
                return order;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
        let (number_a, rest_a) = digits(a);
        let (number_b, rest_b) = digits(b);
        let order = number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

/// The leading digits without leading zeros, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let start = text[..end].iter().position(|b| *b != b'0').unwrap_or(end);
    (&text[start..end], &text[end..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use model::package::Package;

    use super::*;

    #[test]
    fn versions_stand_in_dpkgs_order() {
        // Each list is ascending; the peer test compares random versions with dpkg itself.
        for list in [
            ["1.0~rc1-1", "1.0-1", "1.0-1+deb13u1", "1.0-2"],
            ["1.2", "1.10", "1:0.1", "2:0"],
            ["1~~", "1~", "1", "1a"],
            ["2.0", "2.0a", "2.0+b", "2.0.1"],
        ] {
            for (number, a) in list.iter().enumerate() {
                for (other, b) in list.iter().enumerate() {
                    assert_eq!(compare(a, b), number.cmp(&other), "{a} {b}");
                }
            }
        }
        assert_eq!(compare("1.00", "1.0"), Ordering::Equal);
        assert_eq!(compare("0:1-0", "1"), Ordering::Equal);
    }

    fn record(name: &str, version: &str, depends: &str, provides: &str) -> Record {
        let text = |text: &str| text.to_owned();
        let package = Package {
            name: text(name),
            arch: text("all"),
            version: text(version),
            source: text(name),
            source_version: text(version),
        };
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
