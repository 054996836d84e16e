//! Versions that a solve must keep: how a lock is changed in one place without moving in others.

use std::collections::{BTreeMap, BTreeSet};

use model::package::{Package, PackageFields};

use super::error::Gone;
use super::index::{Index, Record};
use super::{Error, dependencies};
use crate::relation;

/// A version that a solve must keep for one package, if the package is installed at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pin {
    /// The package's name.
    pub(super) name: String,
    /// Which of its versions.
    pub(super) to: PinTo,
}

/// Which version a pin means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PinTo {
    /// This one.
    Version(String),
    /// The newest that was built from this version of its source.
    Source(String),
}

impl Pin {
    /// Keeps `package` as it is.
    pub(super) fn version(package: &Package) -> Self {
        Self { name: package.name.clone(), to: PinTo::Version(package.version.clone()) }
    }

    fn wanted(&self) -> &str {
        match &self.to {
            PinTo::Version(version) | PinTo::Source(version) => version,
        }
    }

    fn find<'a>(&self, index: &'a Index) -> Option<&'a Record> {
        let fits = |record: &&Record| match &self.to {
            PinTo::Version(version) => record.package.version == *version,
            PinTo::Source(version) => record.package.source_version == *version,
        };
        index
            .named(&self.name)
            .filter(fits)
            .max_by(|a, b| model::version::compare(&a.package.version, &b.package.version))
    }
}

/// What stands in for each pin whose version the archives no longer have: a record without a path,
/// whose dependencies are not known.
pub(super) fn missing_pins(pins: &[Pin], index: &Index) -> Vec<Record> {
    let missing_pin = |pin: &Pin| {
        let (name, wanted) = (|| pin.name.clone(), || pin.wanted().to_owned());
        let arch = String::new();
        let fields = PackageFields { name: name(), arch, version: wanted(), source: name(), source_version: wanted() };
        Some(Record {
            // A pin has its name and version from a lock or from an index, which were checked.
            package: Package::new(fields).ok()?,
            source: 0,
            path: String::new(),
            size: 0,
            sha256: None,
            priority: String::new(),
            essential: false,
            depends: String::new(),
            provides: String::new(),
        })
    };
    pins.iter().filter(|pin| pin.find(index).is_none()).filter_map(missing_pin).collect()
}

/// The records that `pins` mean, by name; `missing_pins` are theirs.
pub(super) fn find<'a>(pins: &[Pin], index: &'a Index, missing_pins: &'a [Record]) -> BTreeMap<&'a str, &'a Record> {
    let found = pins.iter().filter_map(|pin| pin.find(index));
    found.chain(missing_pins).map(|record| (record.package.name.as_str(), record)).collect()
}

/// Takes the missing pins that no one needs away from `pinned`.
///
/// # Errors
/// [`Error::Gone`] with the others.
pub(super) fn check(pinned: &mut BTreeMap<&str, &Record>, newest: &[&Record], index: &Index) -> Result<(), Error> {
    let needed: BTreeSet<&str> = newest.iter().map(|record| record.package.name.as_str()).collect();
    let gone = pinned.values().filter(|record| record.path.is_empty() && needed.contains(record.package.name.as_str()));
    let gone: Vec<Gone> = gone
        .map(|record| {
            let PackageFields { name, version, .. } = record.package.clone().into_inner();
            let mut versions: Vec<_> = index.named(&name).map(|other| other.package.version.clone()).collect();
            versions.dedup();
            Gone { name, version, versions }
        })
        .collect();
    pinned.retain(|_, record| !record.path.is_empty());
    if gone.is_empty() { Ok(()) } else { Err(Error::Gone { gone }) }
}

/// Takes away from `pinned` what must move with `free`, the packages that may move, given that
/// without any pin the solve is `newest`.
///
/// A pinned package moves when it needs a free one in a version that this one no longer has, or
/// when a free one needs it in a version that the pin does not have. apt looks at one candidate for
/// each package only, so that it would not find this by itself.
pub(super) fn unpin<'a>(pinned: &mut BTreeMap<&'a str, &'a Record>, newest: &[&'a Record]) {
    let newest: BTreeMap<&str, &Record> = newest.iter().map(|record| (record.package.name.as_str(), *record)).collect();
    loop {
        let mut candidates = newest.clone();
        candidates.extend(pinned.iter().map(|(name, record)| (*name, *record)));
        let all: Vec<&Record> = candidates.values().copied().collect();
        let mut moved = BTreeSet::new();
        for (name, record) in &candidates {
            for group in relation::groups(&record.depends) {
                if dependencies::satisfied(group, &all) {
                    continue;
                }
                if pinned.contains_key(name) && newest.contains_key(name) {
                    moved.insert(*name);
                }
                let names = dependencies::names(group);
                moved.extend(pinned.keys().copied().filter(|other| names.contains(other)));
                // Whoever provides what is missing may have to move as well.
                let helps = |other: &&Record| dependencies::satisfied(group, &[*other]);
                let helpers = newest.values().filter(|other| helps(other)).map(|other| other.package.name.as_str());
                moved.extend(helpers.filter(|other| pinned.contains_key(other)));
            }
        }
        let before = pinned.len();
        pinned.retain(|name, _| !moved.contains(name));
        if pinned.len() == before {
            return;
        }
    }
}

/// apt's preferences that hold every package of `pinned`. A priority above 1000 goes back to an
/// older version, too (apt_preferences(5)).
pub(super) fn preferences(pinned: &BTreeMap<&str, &Record>) -> String {
    let paragraph = |record: &&Record| {
        let PackageFields { name, version, .. } = &*record.package;
        format!("Package: {name}\nPin: version {version}\nPin-Priority: 1001\n")
    };
    pinned.values().map(paragraph).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use std::path::Path;

    use super::*;

    /// Each line is `name version depends`; both versions of a package may be there.
    fn index(lines: &[&str]) -> (tempfile::TempDir, Index) {
        let mut text = String::new();
        for line in lines {
            let mut words = line.splitn(3, ' ');
            let (name, version) = (words.next().unwrap(), words.next().unwrap());
            text.push_str(&format!("Package: {name}\nVersion: {version}\nArchitecture: all\n"));
            text.push_str(&format!("Filename: pool/{name}_{version}_all.deb\nSize: 1\n"));
            if let Some(depends) = words.next() {
                text.push_str(&format!("Depends: {depends}\n"));
            }
            text.push('\n');
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Packages");
        std::fs::write(&path, text).unwrap();
        let mut index = Index::default();
        index.read(Path::new(&path), 0).unwrap();
        (folder, index)
    }

    fn pin(name: &str, version: &str) -> Pin {
        Pin { name: name.to_owned(), to: PinTo::Version(version.to_owned()) }
    }

    fn kept(index: &Index, pins: &[Pin]) -> Result<Vec<String>, Error> {
        let mut newest: BTreeMap<&str, &Record> = BTreeMap::new();
        for record in &index.records {
            newest.insert(&record.package.name, record);
        }
        let newest: Vec<&Record> = newest.into_values().collect();
        let missing_pins = missing_pins(pins, index);
        let mut pinned = find(pins, index, &missing_pins);
        unpin(&mut pinned, &newest);
        check(&mut pinned, &newest, index)?;
        Ok(pinned.keys().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn what_a_free_package_needs_newer_moves_and_the_rest_stays() {
        let (_guard, index) = index(&[
            "app 1 lib (>= 1)",
            "lib 1 base",
            "base 1",
            "other 1 lib (>= 1)",
            "plugin 1 app (= 1)",
            "app 2 lib (>= 2)",
            "lib 2 base",
            "base 2",
            "other 2 lib (>= 1)",
            "plugin 2 app (= 2)",
        ]);
        let pins = [pin("lib", "1"), pin("base", "1"), pin("other", "1"), pin("plugin", "1")];
        // `app` is free: it needs lib 2, and plugin 1 needs app 1. No one needs a newer base or other.
        assert_eq!(kept(&index, &pins).unwrap(), ["base", "other"]);
        let all = [pin("app", "1"), pin("lib", "1"), pin("base", "1"), pin("other", "1"), pin("plugin", "1")];
        assert_eq!(kept(&index, &all).unwrap().len(), 5, "nothing is free, so nothing moves");
    }

    #[test]
    fn a_version_that_left_the_archive_is_named_unless_it_moves_anyway_or_is_not_needed() {
        let (_guard, index) = index(&["app 2 common (= 2)", "common 2", "lib 2"]);
        let pins = [pin("common", "1"), pin("none", "3")];
        assert_eq!(kept(&index, &pins).unwrap(), [""; 0], "app needs common 2, and no one needs `none`");
        let Err(Error::Gone { gone }) = kept(&index, &[pin("common", "1"), pin("lib", "1")]) else { panic!() };
        let lines: Vec<_> = gone.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["lib 1 (the archive has 2)"]);
    }

    #[test]
    fn preferences_hold_each_version() {
        let (_guard, index) = index(&["app 1:2~rc1-1+b2", "lib 1"]);
        let pins = [pin("app", "1:2~rc1-1+b2"), pin("lib", "1")];
        let text = preferences(&find(&pins, &index, &[]));
        assert_eq!(
            text,
            "Package: app\nPin: version 1:2~rc1-1+b2\nPin-Priority: 1001\n\n\
             Package: lib\nPin: version 1\nPin-Priority: 1001\n"
        );
    }
}
