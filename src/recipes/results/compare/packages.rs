//! Which packages of two `package-list.txt` came, went, or have another version.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use model::version;
use serde::Serialize;

/// What happened to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    /// A newer version.
    Up,
    /// An older version.
    Down,
    /// Only the second list has it.
    Added,
    /// Only the first list has it.
    Removed,
}

/// One package that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PackageChange {
    /// Its name.
    pub(crate) name: String,
    /// Its architecture.
    pub(crate) arch: String,
    /// What happened to it.
    pub(crate) direction: Direction,
    /// The version in the first list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// The version in the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
}

/// Every package that differs, by name and architecture. The texts have a line `name<TAB>version<TAB>arch`
/// for each package.
pub(crate) fn compare(before: &str, after: &str) -> Vec<PackageChange> {
    let (old, new) = (parse(before), parse(after));
    let mut keys: Vec<_> = old.keys().chain(new.keys()).copied().collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().filter_map(|key| change(key, old.get(&key).copied(), new.get(&key).copied())).collect()
}

fn parse(text: &str) -> BTreeMap<(&str, &str), &str> {
    text.lines().map(fields).map(|[name, version, arch]| ((name, arch), version)).collect()
}

fn fields(line: &str) -> [&str; 3] {
    let mut fields = line.split('\t');
    std::array::from_fn(|_| fields.next().unwrap_or_default())
}

fn change((name, arch): (&str, &str), before: Option<&str>, after: Option<&str>) -> Option<PackageChange> {
    let direction = match (before, after) {
        (Some(before), Some(after)) if before == after => return None,
        (Some(before), Some(after)) => match version::compare(before, after) {
            Ordering::Greater => Direction::Down,
            // Two spellings of one version differ all the same.
            Ordering::Less | Ordering::Equal => Direction::Up,
        },
        (None, _) => Direction::Added,
        (_, None) => Direction::Removed,
    };
    Some(PackageChange {
        name: name.to_owned(),
        arch: arch.to_owned(),
        direction,
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_go_up_and_down_and_come_and_go() {
        let before = "a\t1.9\tamd64\nb\t2\tall\nc\t1\tamd64\nsame\t1\tall\n";
        let after = "a\t1.10\tamd64\nb\t2~rc1\tall\nc\t1\ti386\nsame\t1\tall\n";
        assert!(compare(before, before).is_empty());
        let found: Vec<_> =
            compare(before, after).into_iter().map(|change| (change.name, change.arch, change.direction)).collect();
        let expected = [
            ("a", "amd64", Direction::Up),
            ("b", "all", Direction::Down),
            ("c", "amd64", Direction::Removed),
            ("c", "i386", Direction::Added),
        ];
        assert_eq!(found, expected.map(|(name, arch, direction)| (name.to_owned(), arch.to_owned(), direction)));
    }
}
