//! Which package installed which path of a tree.
//!
//! dpkg names files by unmerged paths (`/lib/systemd/...`); the tree has them where the base's links
//! lead (`/usr/lib/systemd/...`). This is where the two meet.

mod original;
mod requester;
mod resolver;

use std::collections::{BTreeMap, BTreeSet};

use image::Readable;
use image::tree::{Kind, NodeId, Tree};
use model::ImagePath;
use model::explain::{self, Explain, Explanation};
use model::package::{Package, PackageRequest};
use model::path::json::keys;
use serde::Serialize;

use crate::dpkg::{self, Alternative, Database, Diversion, Installed};
pub use original::Originals;
use resolver::Resolver;

/// The largest file of dpkg's database that is read: the status file of all of Debian has 90 MB.
const DATABASE_FILE_LIMIT: u64 = 256 << 20;

/// Why it cannot be said which package installed what.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the database cannot be read.
    #[error(transparent)]
    Content(#[from] image::Error),
    /// The database is damaged.
    #[error(transparent)]
    Database(#[from] dpkg::Error),
}

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        const DAMAGED: &str = "dpkg's database in the root file system is damaged";
        match self {
            Self::Content(error) => error.explain(),
            Self::Database(error) => {
                Explanation::under(DAMAGED, explain::Kind::Input, error).hint("build the root file system anew")
            }
        }
    }
}

/// dpkg's database, matched with the tree that it came from.
#[derive(Debug)]
pub struct Ownership {
    database: Database,
    /// Real path to the index of the first package that installed it.
    owners: BTreeMap<ImagePath, usize>,
    /// The real paths that every system has; none when the database does not say what that is.
    base: BTreeSet<ImagePath>,
    /// The packages of a base that was named.
    of_base: BTreeSet<String>,
}

/// That a package installed a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// The package.
    #[serde(flatten)]
    pub package: Package,
    /// The path as the package names it.
    #[serde(flatten, serialize_with = "keys::named")]
    pub named: ImagePath,
    /// Whether the package treats it as configuration.
    pub conffile: bool,
    /// Who moved the package's file to this path to make room for another (`dpkg-divert`): a
    /// package, or `the administrator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diverted_by: Option<String>,
}

impl Ownership {
    /// Reads dpkg's database out of `tree`.
    ///
    /// # Errors
    /// When a file of the database is damaged or too large.
    pub fn read<C: Readable>(tree: &Tree<C>) -> Result<Self, Error> {
        let mut failure = None;
        let mut read = |path: &ImagePath| match read_file(tree, path) {
            Ok(content) => content,
            Err(error) => {
                failure.get_or_insert(error);
                None
            }
        };
        let names = |directory: &str| names(tree, directory);
        let parsed = Database::parse(&mut read, &names("/var/lib/dpkg/info"), &names("/var/lib/dpkg/alternatives"));
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(Self::new(tree, parsed?)),
        }
    }

    /// Matches `database` with `tree`.
    #[must_use]
    pub fn new<C>(tree: &Tree<C>, database: Database) -> Self {
        let mut resolved = Resolver { tree, parents: BTreeMap::new() };
        let mut owners = BTreeMap::new();
        let (mut base, packages) = (BTreeSet::new(), database.base());
        for (index, installed) in database.packages.iter().enumerate() {
            for path in &installed.files {
                let path = resolved.resolve(place(&database, installed, path));
                if packages.contains(&index) {
                    base.insert(path.clone());
                }
                owners.entry(path).or_insert(index);
            }
        }
        if !base.is_empty() {
            base.extend(made_for_the_base(&database, &mut resolved, &base));
        }
        Self { database, owners, base, of_base: BTreeSet::new() }
    }

    /// The same over a base that was named: `packages` are its packages, and what is in `base` is there.
    #[must_use]
    pub fn over<C>(mut self, base: &Tree<C>, packages: BTreeSet<String>) -> Self {
        self.base = base.walk().map(|(path, ..)| path).collect();
        self.of_base = packages;
        self
    }

    /// The package of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Package> {
        self.database.present().map(|installed| &installed.package).find(|package| package.name == name)
    }

    /// Whether the named base has the package.
    #[must_use]
    pub fn is_of_base(&self, package: &str) -> bool {
        self.of_base.contains(package)
    }

    /// The package one of whose files the alternatives link at `path` leads to, as it was chosen.
    #[must_use]
    pub fn chosen_for(&self, path: &ImagePath) -> Option<String> {
        let group = self.database.alternative(path)?;
        let owner = |choice: &ImagePath| self.owner(choice).or_else(|| Some(self.database.owner(choice)?.package));
        let mut owners = group.choices.iter().filter_map(owner);
        let new = owners.clone().find(|package| !self.is_of_base(&package.name));
        new.or_else(|| owners.next()).map(|package| package.name.clone())
    }

    /// The packages that `requested` means: those that it names, and of a package without files of its own, those on which
    /// it depends.
    #[must_use]
    pub fn meant(&self, requested: &[PackageRequest]) -> BTreeSet<&Package> {
        let mut meant = BTreeSet::new();
        let mut open: Vec<&Installed> =
            self.database.present().filter(|installed| is_requested(installed, requested)).collect();
        while let Some(installed) = open.pop() {
            if !meant.insert(&installed.package) || !is_empty(installed) {
                continue;
            }
            let names: BTreeSet<&String> = installed.depends.iter().flatten().collect();
            let depends = |other: &&Installed| {
                let is_it = |name: &String| names.contains(name);
                is_it(&other.package.name) || other.provides.iter().any(is_it)
            };
            open.extend(self.database.present().filter(depends).filter(|other| !self.is_of_base(&other.package.name)));
        }
        meant
    }

    /// What a package without files of its own stands for: those with files on which it depends, at last. None where it has files,
    /// or is not there.
    #[must_use]
    pub fn stands_for(&self, request: &PackageRequest) -> Option<Vec<&Package>> {
        let requested = std::slice::from_ref(request);
        let installed = self.database.present().find(|installed| is_requested(installed, requested))?;
        if !is_empty(installed) {
            return None;
        }
        let has_files =
            |package: &&Package| self.database.present().any(|other| other.package == **package && !is_empty(other));
        Some(self.meant(requested).into_iter().filter(has_files).collect())
    }

    /// Whether the database has any package.
    #[must_use]
    pub fn has_packages(&self) -> bool {
        self.database.present().next().is_some()
    }

    /// Whether the database says what every system has.
    #[must_use]
    pub fn knows_base(&self) -> bool {
        !self.base.is_empty()
    }

    /// Whether every system has the real path `path`, whatever modules it mounts.
    #[must_use]
    pub fn is_base(&self, path: &ImagePath) -> bool {
        self.base.contains(path)
    }

    /// The first package by name that installed the real path `path`.
    #[must_use]
    pub fn owner(&self, path: &ImagePath) -> Option<&Package> {
        self.owners.get(path).map(|index| &self.database.packages[*index].package)
    }

    /// Every package that installed the real path `path`, by name.
    #[must_use]
    pub fn claims<C>(&self, tree: &Tree<C>, path: &ImagePath) -> Vec<Claim> {
        let mut resolver = Resolver { tree, parents: BTreeMap::new() };
        let mut claims = Vec::new();
        for installed in self.database.present() {
            for named in &installed.files {
                // Only a file of the same name can be there, unless it was diverted.
                let at = place(&self.database, installed, named);
                if at.file_name() != path.file_name() || resolver.resolve(at) != *path {
                    continue;
                }
                let diversion = self.database.diversions_of(named).next().filter(|_| at != named);
                claims.push(Claim {
                    package: installed.package.clone(),
                    named: named.clone(),
                    conffile: installed.conffiles.binary_search(named).is_ok(),
                    diverted_by: diversion.map(|one| one.by.clone().unwrap_or_else(|| "the administrator".to_owned())),
                });
            }
        }
        claims
    }

    /// Where the file that would be at the real path `path` was moved to, and for whom.
    #[must_use]
    pub fn diversion<C>(&self, tree: &Tree<C>, path: &ImagePath) -> Option<&Diversion> {
        let mut resolver = Resolver { tree, parents: BTreeMap::new() };
        self.database.diversions.iter().find(|diversion| resolver.resolve(&diversion.from) == *path)
    }

    /// The alternatives group that made the link at the real path `path`.
    #[must_use]
    pub fn alternative<C>(&self, tree: &Tree<C>, path: &ImagePath) -> Option<&Alternative> {
        let mut resolver = Resolver { tree, parents: BTreeMap::new() };
        let mut made = |group: &&Alternative| links_of(group, &mut resolver).contains(path);
        self.database.alternatives.iter().find(|group| made(group))
    }

    /// Every package whose files are there.
    #[must_use]
    pub fn packages(&self) -> Vec<Package> {
        self.database.present().map(|installed| installed.package.clone()).collect()
    }

    /// Whether a package installed what is at the real path `path`.
    #[must_use]
    pub fn is_owned(&self, path: &ImagePath) -> bool {
        self.owners.contains_key(path)
    }

    /// The real paths of the packages that are asked for, not of their dependencies, with the links of alternatives
    /// that lead to them: what a module without `file_spec` ships.
    #[must_use]
    pub fn of_requested<C>(&self, tree: &Tree<C>, requested: &[PackageRequest]) -> BTreeSet<ImagePath> {
        let mut resolver = Resolver { tree, parents: BTreeMap::new() };
        let mut paths = BTreeSet::new();
        for installed in self.database.present().filter(|installed| is_requested(installed, requested)) {
            for path in &installed.files {
                let path = resolver.resolve(place(&self.database, installed, path));
                if !self.is_borrowed_link(tree, &path) {
                    paths.insert(path);
                }
            }
        }
        let links = self.links_to(&paths, &mut resolver);
        paths.extend(links);
        paths
    }

    /// Both halves of the links that `update-alternatives` made to one of `paths`: the generic name, and the link in
    /// `/etc/alternatives`. One that the base has is its own, whoever leads it elsewhere.
    fn links_to<C>(&self, paths: &BTreeSet<ImagePath>, resolver: &mut Resolver<'_, C>) -> Vec<ImagePath> {
        let mut links = Vec::new();
        for link in self.database.alternatives.iter().flat_map(|group| &group.links) {
            let link = resolver.resolve(link);
            let Some(selected) = resolver.target(&link).filter(is_selected) else { continue };
            let is_theirs = resolver.target(&selected).is_some_and(|target| paths.contains(&target));
            if is_theirs && !self.is_base(&link) && !self.is_base(&selected) {
                links.extend([link, selected]);
            }
        }
        links
    }

    /// Whether `path` is a link to a directory that several packages list: they mean the directory,
    /// and the base owns the link (`/lib` on a merged-/usr tree).
    fn is_borrowed_link<C>(&self, tree: &Tree<C>, path: &ImagePath) -> bool {
        let is_link = tree.lookup(path).is_some_and(|id| matches!(tree.node(id).kind, Kind::Symlink(_)));
        is_link
            && tree.resolve(path).is_some_and(|id| tree.node(id).is_directory())
            && self.database.owners(path).len() > 1
    }
}

/// What no package lists, but the maintainer scripts of the base make: the links of the root
/// directory that a merged `/usr` needs, and the links of alternatives that lead into the base.
fn made_for_the_base<C>(
    database: &Database,
    resolver: &mut Resolver<'_, C>,
    base: &BTreeSet<ImagePath>,
) -> Vec<ImagePath> {
    let tree = resolver.tree;
    let top = tree.node(NodeId::ROOT).entries().into_iter().flatten();
    let links = top.filter(|(_, id)| match &tree.node(**id).kind {
        Kind::Symlink(target) => target.starts_with(b"usr/") || target.starts_with(b"/usr/"),
        _ => false,
    });
    let mut made: Vec<ImagePath> = links.filter_map(|(name, _)| ImagePath::new(name).ok()).collect();
    for group in &database.alternatives {
        if group.choices.iter().any(|choice| base.contains(&resolver.resolve(choice))) {
            made.extend(links_of(group, resolver));
        }
    }
    made
}

/// The real paths of a group's links, and of the links in `/etc/alternatives` that these lead to.
fn links_of<C>(group: &Alternative, resolver: &mut Resolver<'_, C>) -> Vec<ImagePath> {
    let mut links = Vec::new();
    for link in &group.links {
        let link = resolver.resolve(link);
        links.extend(resolver.target(&link).filter(is_selected));
        links.push(link);
    }
    links
}

/// Whether `path` is the link that says which of several alternatives is selected.
fn is_selected(path: &ImagePath) -> bool {
    path.parent().is_some_and(|parent| parent.as_bytes() == b"/etc/alternatives")
}

fn is_requested(installed: &Installed, requested: &[PackageRequest]) -> bool {
    requested.iter().any(|request| {
        let arch = request
            .arch
            .as_ref()
            .is_none_or(|arch| *arch == installed.package.arch || arch == "any" || arch == "native");
        request.name == installed.package.name && arch
    })
}

/// Whether a package has nothing but directories and documentation.
fn is_empty(installed: &Installed) -> bool {
    const INERT: [&[u8]; 3] = [b"/usr/share/doc", b"/usr/share/lintian", b"/usr/share/man"];
    let is_inert = |path: &ImagePath| {
        INERT.iter().any(|inert| path.as_bytes().starts_with(inert) || inert.starts_with(path.as_bytes()))
    };
    installed.files.iter().all(is_inert)
}

/// Where a package's file really is: elsewhere when another package diverted it.
fn place<'a>(database: &'a Database, installed: &Installed, path: &'a ImagePath) -> &'a ImagePath {
    let by_another = |diversion: &&Diversion| diversion.by.as_ref() != Some(&installed.package.name);
    database.diversions_of(path).find(by_another).map_or(path, |diversion| &diversion.to)
}

fn read_file<C: Readable>(tree: &Tree<C>, path: &ImagePath) -> Result<Option<Vec<u8>>, image::Error> {
    match tree.resolve(path).map(|id| &tree.node(id).kind) {
        Some(Kind::Regular(content)) => content.read(DATABASE_FILE_LIMIT).map(Some),
        _ => Ok(None),
    }
}

fn names<C>(tree: &Tree<C>, directory: &str) -> Vec<Vec<u8>> {
    let id = ImagePath::new(directory).ok().and_then(|path| tree.resolve(&path));
    let entries = id.and_then(|id| tree.node(id).entries());
    entries.into_iter().flatten().map(|(name, _)| name.to_vec()).collect()
}

#[cfg(test)]
mod tests;
