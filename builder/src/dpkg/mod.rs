//! dpkg's database, read out of a root file system: which packages are there and which owns what.
//!
//! Pure over bytes: the caller gives a function that reads a file of the tree. Paths are those that
//! the packages used: on a merged-/usr system a package may own `/lib/x` though the file is at
//! `/usr/lib/x`; the caller resolves both sides. Sources of the formats: `deb-control(5)`,
//! `dpkg-divert(1)`, `update-alternatives(1)`, `dpkg-statoverride(1)`.

mod parse;
mod recommends;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use model::ImagePath;
use model::package::{Package, PackageFields};

use crate::rootfs::deb::{DebEntry, Metadata};

pub use parse::parse_status;
use parse::{installed, parse_alternative, parse_diversions, parse_overrides, paths};
pub use recommends::not_installed;

/// Where the database is.
pub(crate) const BASE: &str = "/var/lib/dpkg";

/// How far dpkg came with a package: the third word of its `Status` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Configured: `installed`, or waiting for or being given triggers.
    Installed,
    /// Its files are there, its `postinst` did not run to the end.
    Unpacked,
    /// Only its configuration files are there.
    ConfigFiles,
    /// Nothing of it is there.
    NotInstalled,
    /// dpkg was interrupted while it worked on the package.
    Interrupted,
}

impl State {
    fn parse(status: &str) -> Option<Self> {
        Some(match status.split_ascii_whitespace().nth(2)? {
            "installed" | "triggers-awaited" | "triggers-pending" => Self::Installed,
            "unpacked" | "half-configured" => Self::Unpacked,
            "config-files" => Self::ConfigFiles,
            "not-installed" => Self::NotInstalled,
            "half-installed" => Self::Interrupted,
            _ => return None,
        })
    }
}

/// A package that the database knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Name, architecture, version, source.
    pub package: Package,
    /// How far dpkg came with it.
    pub state: State,
    /// Whether it can be installed for several architectures at once (`Multi-Arch: same`).
    pub multi_arch_same: bool,
    /// Whether every system has it: it is essential, or has the priority `required`.
    pub is_base: bool,
    /// What it depends on (`Depends` and `Pre-Depends`): for each, the packages any of which will do.
    pub depends: Vec<Vec<String>>,
    /// The virtual packages that it stands for.
    pub provides: Vec<String>,
    /// The paths that it installed, as it named them, sorted.
    pub files: Vec<ImagePath>,
    /// Its configuration files, sorted.
    pub conffiles: Vec<ImagePath>,
}

/// A file of one package that was moved away to make room for another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// Where the file would lie.
    pub from: ImagePath,
    /// Where it is instead.
    pub to: ImagePath,
    /// The package that asked for it; `None` for the administrator.
    pub by: Option<String>,
}

/// A group of `update-alternatives`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The group's name, such as `pager`.
    pub name: String,
    /// Whether the best choice is taken by itself.
    pub automatic: bool,
    /// The generic paths of the group (`/usr/bin/pager`), the group's own first, then the slaves'.
    pub links: Vec<ImagePath>,
    /// The paths that a choice stands for (`/bin/more`).
    pub choices: Vec<ImagePath>,
}

/// An owner and mode that the administrator or a maintainer script gave a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The path.
    pub path: ImagePath,
    /// The user's name, or `#` and a number.
    pub user: String,
    /// The group's name, or `#` and a number.
    pub group: String,
    /// The permission bits.
    pub mode: u16,
}

/// Which package installed a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The package.
    pub package: &'a Package,
    /// Where the package's file is instead, when it was diverted.
    pub diverted_to: Option<&'a ImagePath>,
    /// Whether the package treats the path as configuration.
    pub conffile: bool,
}

/// Why the database cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A stanza of the status file is damaged.
    #[error("/var/lib/dpkg/status, stanza {stanza}: {what}")]
    Status {
        /// Counted from 1.
        stanza: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A line of the status file is damaged.
    #[error("/var/lib/dpkg/status: {what}")]
    StatusText {
        /// Which, and what is wrong.
        what: String,
    },
    /// Another file of the database is damaged.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// dpkg's database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// Every package, sorted by name, then architecture.
    pub packages: Vec<Installed>,
    /// Every diversion, sorted by `from`.
    pub diversions: Vec<Diversion>,
    /// Every alternatives group, sorted by name.
    pub alternatives: Vec<Alternative>,
    /// Every override, sorted by path.
    pub overrides: Vec<Override>,
    /// Path to the indices of the packages that installed it; directories have many.
    owners: BTreeMap<ImagePath, Vec<usize>>,
}

impl Database {
    /// Reads the database.
    ///
    /// `read` gives a file of the tree, `None` where there is none. `info_names` are the names in
    /// `/var/lib/dpkg/info`, `alternative_names` those in `/var/lib/dpkg/alternatives`, in any
    /// order. A tree without a status file gives an empty database: it has no packages.
    ///
    /// # Errors
    /// When a file of the database is damaged.
    pub fn parse(
        read: &mut dyn FnMut(&ImagePath) -> Option<Vec<u8>>,
        info_names: &[Vec<u8>],
        alternative_names: &[Vec<u8>],
    ) -> Result<Self, Error> {
        let mut packages = match at("status").and_then(|path| read(&path)) {
            Some(status) => parse_status(&status)?,
            None => Vec::new(),
        };
        let names: BTreeSet<&[u8]> = info_names.iter().map(Vec::as_slice).collect();
        for installed in &mut packages {
            let mut info = |suffix: &str| -> Result<Vec<ImagePath>, Error> {
                let PackageFields { name, arch, .. } = &*installed.package;
                // dpkg qualifies the names of `Multi-Arch: same` packages with the architecture.
                let candidates = [format!("{name}:{arch}.{suffix}"), format!("{name}.{suffix}")];
                let found = candidates.iter().find(|file| names.contains(file.as_bytes()));
                let Some(path) = found.and_then(|file| at(&format!("info/{file}"))) else { return Ok(Vec::new()) };
                read(&path).map_or(Ok(Vec::new()), |bytes| paths(&path, &bytes))
            };
            (installed.files, installed.conffiles) = (info("list")?, info("conffiles")?);
        }
        let mut alternatives = Vec::new();
        for name in info_sorted(alternative_names) {
            let Some(path) = at("alternatives").and_then(|base| base.join(name).ok()) else { continue };
            if let Some(bytes) = read(&path) {
                alternatives.push(parse_alternative(&path, name, &bytes)?);
            }
        }
        let mut whole = |name: &str| at(name).and_then(|path| read(&path)).unwrap_or_default();
        let diversions = parse_diversions(&whole("diversions"))?;
        let overrides = parse_overrides(&whole("statoverride"))?;
        Ok(Self::assemble(packages, diversions, alternatives, overrides))
    }

    /// The database that dpkg would have written for packages that were unpacked only: what
    /// mmdebstrap's variant extract leaves has none.
    #[must_use]
    pub fn from_packages(unpacked: Vec<(Package, Metadata, Vec<DebEntry>)>) -> Self {
        let packages = unpacked.into_iter().map(|(package, metadata, entries)| {
            let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path).collect();
            files.sort();
            files.dedup();
            let mut conffiles = metadata.conffiles;
            conffiles.sort();
            let field = |name: &str| metadata.control.get(name).map(Cow::Borrowed);
            Installed { files, conffiles, ..installed(package, State::Unpacked, &field) }
        });
        Self::assemble(packages.collect(), Vec::new(), Vec::new(), Vec::new())
    }

    fn assemble(
        mut packages: Vec<Installed>,
        mut diversions: Vec<Diversion>,
        alternatives: Vec<Alternative>,
        mut overrides: Vec<Override>,
    ) -> Self {
        let key = |installed: &Installed| (installed.package.name.clone(), installed.package.arch.clone());
        packages.sort_by_key(key);
        diversions.sort_by(|a, b| a.from.cmp(&b.from));
        // Only the first counts of those for one package, so that what is found by its name is found at once.
        diversions.dedup_by(|later, first| (&later.from, &later.by) == (&first.from, &first.by));
        overrides.sort_by(|a, b| a.path.cmp(&b.path));
        let mut owners: BTreeMap<ImagePath, Vec<usize>> = BTreeMap::new();
        for (index, installed) in packages.iter().enumerate() {
            for path in &installed.files {
                owners.entry(path.clone()).or_default().push(index);
            }
        }
        Self { packages, diversions, alternatives, overrides, owners }
    }

    /// The packages whose files are there.
    pub fn present(&self) -> impl Iterator<Item = &Installed> {
        self.packages.iter().filter(|installed| matches!(installed.state, State::Installed | State::Unpacked))
    }

    /// The indices of the packages that a minimal system of the suite has, as mmdebstrap's `minbase`
    /// defines it: what is essential or has the priority `required`, apt, and all that these depend
    /// on. Empty when the database names no such package.
    #[must_use]
    pub fn base(&self) -> BTreeSet<usize> {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut base = BTreeSet::new();
        let mut open = Vec::new();
        for (index, installed) in self.packages.iter().enumerate() {
            if !matches!(installed.state, State::Installed | State::Unpacked) {
                continue;
            }
            for name in installed.provides.iter().chain([&installed.package.name]) {
                by_name.entry(name).or_default().push(index);
            }
            if installed.is_base || installed.package.name == "apt" {
                open.push(index);
            }
        }
        while let Some(index) = open.pop() {
            if base.insert(index) {
                // Which of several alternatives was taken shows in what is there.
                let names = self.packages[index].depends.iter().flatten();
                open.extend(names.filter_map(|name| by_name.get(name.as_str())).flatten());
            }
        }
        base
    }

    /// Which package installed what is at `path`: for a path that was diverted away, the package that it was
    /// diverted for; for the place it was diverted to, the package whose file it is. For a path of
    /// several packages (a directory, or the same file of two architectures) the first by name.
    #[must_use]
    pub fn owner(&self, path: &ImagePath) -> Option<Owner<'_>> {
        self.owners(path).into_iter().next()
    }

    /// The diversions of the file `path`, in the order of the database.
    pub fn diversions_of(&self, path: &ImagePath) -> impl Iterator<Item = &Diversion> {
        let first = self.diversions.partition_point(|diversion| diversion.from < *path);
        self.diversions[first..].iter().take_while(move |diversion| diversion.from == *path)
    }

    /// Everyone which package installed what is at `path`; see [`Database::owner`].
    #[must_use]
    pub fn owners(&self, path: &ImagePath) -> Vec<Owner<'_>> {
        let by_index =
            |path: &ImagePath| self.owners.get(path).into_iter().flatten().map(|index| &self.packages[*index]);
        // The file at a diversion's target is that of whoever named its source, but the diverter.
        if let Some(diversion) = self.diversions.iter().find(|diversion| diversion.to == *path) {
            return by_index(&diversion.from)
                .filter(|installed| Some(&installed.package.name) != diversion.by.as_ref())
                .map(|installed| owner_of(installed, &diversion.from, Some(&diversion.to)))
                .collect();
        }
        let diversion = self.diversions_of(path).next();
        by_index(path)
            .filter(|installed| diversion.is_none_or(|d| d.by.as_ref() == Some(&installed.package.name)))
            .map(|installed| owner_of(installed, path, None))
            .collect()
    }

    /// The alternatives group that made the link at `path`, or `/etc/alternatives/NAME`.
    #[must_use]
    pub fn alternative(&self, path: &ImagePath) -> Option<&Alternative> {
        let name = path.relative().strip_prefix(b"etc/alternatives/");
        self.alternatives.iter().find(|group| group.links.contains(path) || name == Some(group.name.as_bytes()))
    }
}

fn owner_of<'a>(installed: &'a Installed, named: &ImagePath, diverted_to: Option<&'a ImagePath>) -> Owner<'a> {
    let conffile = installed.conffiles.binary_search(named).is_ok();
    Owner { package: &installed.package, diverted_to, conffile }
}

fn at(name: &str) -> Option<ImagePath> {
    ImagePath::new(format!("{BASE}/{name}")).ok()
}

fn info_sorted(names: &[Vec<u8>]) -> BTreeSet<&[u8]> {
    names.iter().map(Vec::as_slice).collect()
}

#[cfg(test)]
mod tests;
