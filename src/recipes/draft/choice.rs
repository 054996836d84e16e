//! Which packages a name stands for: itself, or those that a package without files of its own depends on.

use std::collections::{BTreeMap, BTreeSet};

use builder::apt::Resolution;
use builder::relation::{alternatives, groups};
use builder::rootfs::deb::{self, DebKind, DebTexts};
use model::ImagePath;
use model::observe::Observer;
use model::package::PackageRequest;
use model::unit::UnitName;

use crate::error::Error;
use crate::recipes::packages::download;
use crate::recipes::packages::request::Packages;

/// How far dependencies are followed.
const MAX_DEPTH: usize = 4;
/// The most packages that are read for one name.
const MAX_READ: usize = 64;
/// Where packages put units; the first before the merge of `/usr`.
const UNITS: [&str; 2] = ["/lib/systemd/system", "/usr/lib/systemd/system"];
/// Where what a package must have lies: its copyright file and the like are no files of its own.
const FORMAL: [&str; 4] = ["/usr/share/doc", "/usr/share/lintian", "/usr/share/bug", "/usr/share/metainfo"];

/// A package, as it was read.
#[derive(Debug, Clone)]
pub(super) struct Read {
    /// Its name.
    pub(super) name: String,
    /// What it says.
    pub(super) texts: DebTexts,
}

/// What a name stands for.
#[derive(Debug)]
pub(super) struct Choice {
    /// The package that was named.
    pub(super) asked: Read,
    /// The first package with files of its own: that one, or one that it depends on.
    pub(super) real: Read,
    /// The packages that have its units; `real`, where none has.
    pub(super) packages: Vec<Read>,
    /// Those of them that have to be named for their units to be enabled: a package that has files does not stand for what it
    /// depends on.
    pub(super) beside: Vec<String>,
}

impl Choice {
    /// That the package has no files or units of its own, where others stand for it.
    pub(super) fn note(&self) -> Option<String> {
        let (asked, real) = (&self.asked.name, &self.real.name);
        let others: Vec<&str> = self.packages.iter().map(|package| package.name.as_str()).collect();
        let is_alone = others == [real.as_str()];
        let others = others.join(", ");
        match (asked == real, is_alone) {
            (true, true) => None,
            (true, false) => Some(format!("{asked} has no unit of its own: it has those of {others}")),
            (false, true) => Some(format!("{asked} has no files of its own: it stands for {real}")),
            (false, false) => {
                Some(format!("{asked} has no files of its own: it stands for {real}, which has the units of {others}"))
            }
        }
    }
}

impl Read {
    /// The units among its files, by name.
    pub(super) fn units(&self) -> BTreeMap<UnitName, &[u8]> {
        self.texts.files.iter().filter_map(|(path, bytes)| Some((unit_name(path)?, bytes.as_slice()))).collect()
    }

    /// Whether it has any file but those that every package has.
    fn has_own_files(&self) -> bool {
        let is_formal = |path: &ImagePath| FORMAL.iter().any(|directory| is_below(path, directory));
        self.texts.entries.iter().any(|entry| entry.kind != DebKind::Directory && !is_formal(&entry.path))
    }

    /// The packages of `known` that it depends on, the first of several alternatives.
    fn depends(&self, known: &BTreeSet<&str>) -> Vec<String> {
        let fields = ["Pre-Depends", "Depends"].into_iter().filter_map(|field| self.texts.control.get(field));
        let first = |group| alternatives(group).map(|relation| relation.name).find(|name| known.contains(name));
        fields.flat_map(groups).filter_map(first).map(str::to_owned).collect()
    }
}

fn unit_name(path: &ImagePath) -> Option<UnitName> {
    let parent = path.parent()?;
    let is_units = UNITS.iter().any(|directory| parent.as_bytes() == directory.as_bytes());
    UnitName::parse(std::str::from_utf8(path.file_name()?).ok().filter(|_| is_units)?).ok()
}

fn is_below(path: &ImagePath, directory: &str) -> bool {
    path.as_bytes().strip_prefix(directory.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
}

/// The texts that are looked into: units, copyright files, and files of variables.
fn is_wanted(path: &ImagePath) -> bool {
    let is_copyright = is_below(path, "/usr/share/doc") && path.file_name() == Some(b"copyright");
    unit_name(path).is_some() || is_copyright || is_below(path, "/etc/default")
}

/// What each of `requests` stands for.
///
/// # Errors
/// When a package cannot be fetched or read.
pub(super) fn of(
    requests: &[PackageRequest],
    resolution: &Resolution,
    packages: &Packages,
    observer: &dyn Observer,
) -> Result<Vec<Choice>, Error> {
    let mut reader = Reader { resolution, packages, observer, read: BTreeMap::new() };
    let mut choices = Vec::new();
    for request in requests {
        let Some(asked) = reader.read(std::slice::from_ref(&request.name))?.pop() else {
            let message = format!("{} is not among the packages that were resolved", request.name);
            return Err(Error::bug(message));
        };
        let mut found = Followed { asked: asked.name.clone(), real: None, units: Vec::new(), beside: Vec::new() };
        reader.follow(&asked, 0, &mut found)?;
        let real = found.real.unwrap_or_else(|| asked.clone());
        let packages = if found.units.is_empty() { vec![real.clone()] } else { found.units };
        choices.push(Choice { asked, real, packages, beside: found.beside });
    }
    Ok(choices)
}

/// All packages that are not the base's, as far as they are read.
///
/// # Errors
/// When a package cannot be fetched or read.
pub(super) fn beyond_base(
    resolution: &Resolution,
    packages: &Packages,
    observer: &dyn Observer,
) -> Result<Vec<Read>, Error> {
    let mut reader = Reader { resolution, packages, observer, read: BTreeMap::new() };
    let others = resolution.packages.iter().filter(|one| !one.base);
    reader.read(&others.map(|one| one.package.name.clone()).collect::<Vec<_>>())
}

struct Reader<'a> {
    resolution: &'a Resolution,
    packages: &'a Packages,
    observer: &'a dyn Observer,
    read: BTreeMap<String, Read>,
}

impl Reader<'_> {
    /// The packages of these names, fetched and read once; one that is not in the resolution is passed over.
    fn read(&mut self, names: &[String]) -> Result<Vec<Read>, Error> {
        let all = &self.resolution.packages;
        let is_new = |index: &usize| {
            names.contains(&all[*index].package.name) && !self.read.contains_key(&all[*index].package.name)
        };
        let new: Vec<usize> = (0..all.len()).filter(is_new).take(MAX_READ).collect();
        if !new.is_empty() {
            let chosen = self.resolution.narrowed(&new).map_err(|fault| Error::bug(fault.to_string()))?;
            let debs = download::fetch(&chosen, self.packages, self.observer)?;
            for (resolved, path) in chosen.packages.iter().zip(&debs) {
                let texts = deb::texts(path, &resolved.sha256, &is_wanted).map_err(|source| {
                    Error::from(builder::rootfs::Error::Package { package: resolved.package.name.clone(), source })
                })?;
                let name = resolved.package.name.clone();
                self.read.insert(name.clone(), Read { name, texts });
            }
        }
        Ok(names.iter().filter_map(|name| self.read.get(name)).cloned().collect())
    }

    /// Adds `package` to `found` where it has units, else those that stand for it. A package without files of its own stands for
    /// all that it depends on; another may have its units in one that is named after it, or in one of its own source.
    fn follow(&mut self, package: &Read, depth: usize, found: &mut Followed) -> Result<(), Error> {
        let is_meta = !package.has_own_files();
        if !is_meta {
            found.real.get_or_insert_with(|| package.clone());
        }
        if !package.units().is_empty() {
            found.add(package);
            return Ok(());
        }
        if depth == MAX_DEPTH || self.read.len() >= MAX_READ {
            return Ok(());
        }
        let known: BTreeSet<&str> =
            self.resolution.packages.iter().filter(|one| !one.base).map(|one| one.package.name.as_str()).collect();
        let depends = package.depends(&known);
        if is_meta {
            for other in self.read(&depends)? {
                self.follow(&other, depth + 1, found)?;
            }
            return Ok(());
        }
        let named: Vec<String> = depends.iter().filter(|name| name.starts_with(&found.asked)).cloned().collect();
        let mut with_units = self.read(&named)?;
        with_units.retain(|other| other.units().keys().any(|name| name.prefix() == found.asked));
        if with_units.is_empty() && found.units.is_empty() {
            with_units = self.of_one_source(&package.name, &depends)?;
        }
        for other in with_units {
            found.add(&other);
            found.beside.push(other.name);
        }
        Ok(())
    }

    /// Those of `depends` that have units and were built from the source of `name`: the parts of one server, of which the package
    /// is a plug-in or a front.
    fn of_one_source(&mut self, name: &str, depends: &[String]) -> Result<Vec<Read>, Error> {
        let source = |name: &str| {
            let mut all = self.resolution.packages.iter().map(|resolved| &resolved.package);
            all.find(|package| package.name == name).map(|package| package.source.as_str())
        };
        let own = source(name);
        let siblings: Vec<String> = depends.iter().filter(|other| source(other) == own).cloned().collect();
        let mut siblings = self.read(&siblings)?;
        siblings.retain(|other| !other.units().is_empty());
        Ok(siblings)
    }
}

/// What was found on the way from a package.
struct Followed {
    asked: String,
    real: Option<Read>,
    units: Vec<Read>,
    beside: Vec<String>,
}

impl Followed {
    fn add(&mut self, package: &Read) {
        if !self.units.iter().any(|known| known.name == package.name) {
            self.units.push(package.clone());
        }
    }
}
