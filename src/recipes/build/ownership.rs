//! Which package brought which path of a tree.
//!
//! dpkg names files by unmerged paths (`/lib/systemd/...`); the tree has them where the base's links
//! lead (`/usr/lib/systemd/...`). This is where the two meet.

use std::collections::{BTreeMap, BTreeSet};

use builder::dpkg::{Alternative, Database, Diversion, Installed};
use composer::scan::Source;
use image::tree::{Kind, NodeId, Tree};
use model::ImagePath;
use model::package::{Package, PackageRequest};
use model::path::json::keys;
use serde::Serialize;

use crate::error::Error;

/// The largest file of dpkg's database that is read: the status file of all of Debian has 90 MB.
const DATABASE_FILE_LIMIT: u64 = 256 << 20;

/// dpkg's database, matched with the tree that it came from.
#[derive(Debug)]
pub(crate) struct Ownership {
    database: Database,
    /// Real path to the index of the first package that brought it.
    owners: BTreeMap<ImagePath, usize>,
    /// The real paths that every system has; none when the database does not tell what that is.
    base: BTreeSet<ImagePath>,
}

/// That a package brought a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Claim {
    /// The package.
    #[serde(flatten)]
    pub(crate) package: Package,
    /// The path as the package names it.
    #[serde(flatten, serialize_with = "keys::named")]
    pub(crate) named: ImagePath,
    /// Whether the package treats it as configuration.
    pub(crate) conffile: bool,
    /// Who moved the package's file to this path to make room for another (`dpkg-divert`): a
    /// package, or `the administrator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) diverted_by: Option<String>,
}

impl Ownership {
    /// Reads dpkg's database out of `tree`.
    ///
    /// # Errors
    /// When a file of the database is damaged or too large.
    pub(crate) fn read(tree: &Tree<Source>) -> Result<Self, Error> {
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
        if let Some(error) = failure {
            return Err(error.into());
        }
        let damaged = |error| {
            Error::input("dpkg's database in the root file system is damaged")
                .because(&error)
                .hint("build the root file system anew")
        };
        Ok(Self::new(tree, parsed.map_err(damaged)?))
    }

    /// Matches `database` with `tree`.
    pub(crate) fn new<C>(tree: &Tree<C>, database: Database) -> Self {
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
        Self { database, owners, base }
    }

    /// Whether the database has any package.
    pub(crate) fn has_packages(&self) -> bool {
        self.database.present().next().is_some()
    }

    /// Whether the database tells what every system has.
    pub(crate) fn knows_base(&self) -> bool {
        !self.base.is_empty()
    }

    /// Whether every system has the real path `path`, whatever modules it mounts.
    pub(crate) fn is_base(&self, path: &ImagePath) -> bool {
        self.base.contains(path)
    }

    /// The first package by name that brought the real path `path`.
    pub(crate) fn owner(&self, path: &ImagePath) -> Option<&Package> {
        self.owners.get(path).map(|index| &self.database.packages[*index].package)
    }

    /// Every package that brought the real path `path`, by name.
    pub(crate) fn claims<C>(&self, tree: &Tree<C>, path: &ImagePath) -> Vec<Claim> {
        let mut resolver = Resolver { tree, parents: BTreeMap::new() };
        let mut claims = Vec::new();
        for installed in self.database.present() {
            for named in &installed.files {
                // Only a file of the same name can lie there, unless it was diverted.
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

    /// Where the file that would lie at the real path `path` was moved to, and for whom.
    pub(crate) fn diversion<C>(&self, tree: &Tree<C>, path: &ImagePath) -> Option<&Diversion> {
        let mut resolver = Resolver { tree, parents: BTreeMap::new() };
        self.database.diversions.iter().find(|diversion| resolver.resolve(&diversion.from) == *path)
    }

    /// The alternatives group that made the link at the real path `path`.
    pub(crate) fn alternative<C>(&self, tree: &Tree<C>, path: &ImagePath) -> Option<&Alternative> {
        let mut resolver = Resolver { tree, parents: BTreeMap::new() };
        let mut made = |group: &&Alternative| links_of(group, &mut resolver).contains(path);
        self.database.alternatives.iter().find(|group| made(group))
    }

    /// Every package whose files are there.
    pub(crate) fn packages(&self) -> Vec<Package> {
        self.database.present().map(|installed| installed.package.clone()).collect()
    }

    /// Whether a package brought what lies at the real path `path`.
    pub(crate) fn is_owned(&self, path: &ImagePath) -> bool {
        self.owners.contains_key(path)
    }

    /// The real paths of the packages that are asked for, not of their dependencies: what a
    /// module without `file_spec` ships.
    pub(crate) fn of_requested<C>(&self, tree: &Tree<C>, requested: &[PackageRequest]) -> BTreeSet<ImagePath> {
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
        paths
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
        let node = resolver.tree.lookup(&link).map(|id| &resolver.tree.node(id).kind);
        if let Some(Kind::Symlink(target)) = node
            && target.starts_with(b"/etc/alternatives/")
        {
            links.extend(ImagePath::new(target));
        }
        links.push(link);
    }
    links
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

/// Where a package's file really lies: elsewhere when another package diverted it.
fn place<'a>(database: &'a Database, installed: &Installed, path: &'a ImagePath) -> &'a ImagePath {
    let by_another = |diversion: &&Diversion| diversion.by.as_ref() != Some(&installed.package.name);
    database.diversions_of(path).find(by_another).map_or(path, |diversion| &diversion.to)
}

/// Resolves paths through the tree's links; directories repeat, so their answers are kept.
struct Resolver<'a, C> {
    tree: &'a Tree<C>,
    parents: BTreeMap<ImagePath, ImagePath>,
}

impl<C> Resolver<'_, C> {
    fn resolve(&mut self, path: &ImagePath) -> ImagePath {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return path.clone() };
        let tree = self.tree;
        let real = self.parents.entry(parent).or_insert_with_key(|parent| {
            // Any name below the directory resolves its directory.
            let child = parent.join(b"x").unwrap_or_else(|_| parent.clone());
            tree.resolve_parent(&child).parent().unwrap_or_else(ImagePath::root)
        });
        real.join(name).unwrap_or_else(|_| path.clone())
    }
}

fn read_file(tree: &Tree<Source>, path: &ImagePath) -> Result<Option<Vec<u8>>, composer::Error> {
    match tree.resolve(path).map(|id| &tree.node(id).kind) {
        Some(Kind::Regular(source)) => source.read(DATABASE_FILE_LIMIT).map(Some),
        _ => Ok(None),
    }
}

fn names(tree: &Tree<Source>, directory: &str) -> Vec<Vec<u8>> {
    let id = ImagePath::new(directory).ok().and_then(|path| tree.resolve(&path));
    let entries = id.and_then(|id| tree.node(id).entries());
    entries.into_iter().flatten().map(|(name, _)| name.to_vec()).collect()
}
