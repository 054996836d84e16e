//! dpkg's database, read out of a root file system: which packages are there and which owns what.
//!
//! Pure over bytes: the caller gives a function that reads a file of the tree. Paths are those that
//! the packages used: on a merged-/usr system a package may own `/lib/x` though the file lies at
//! `/usr/lib/x`; the caller resolves both sides. Sources of the formats: `deb-control(5)`,
//! `dpkg-divert(1)`, `update-alternatives(1)`, `dpkg-statoverride(1)`.

use std::collections::{BTreeMap, BTreeSet};

use model::ImagePath;
use model::package::Package;

use crate::rootfs::deb::{DebEntry, Metadata};

/// Where the database lies.
const BASE: &str = "/var/lib/dpkg";

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
    /// The paths that it brought, as it named them, sorted.
    pub files: Vec<ImagePath>,
    /// Its configuration files, sorted.
    pub conffiles: Vec<ImagePath>,
}

/// A file of one package that was moved away to make room for another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// Where the file would lie.
    pub from: ImagePath,
    /// Where it lies instead.
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

/// Who brought a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The package.
    pub package: &'a Package,
    /// Where the package's file lies instead, when it was diverted.
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
    /// Path to the indices of the packages that brought it; directories have many.
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
                let Package { name, arch, .. } = &installed.package;
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
            let field = |name: &str| metadata.control.get(name);
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

    /// Who brought what lies at `path`: for a path that was diverted away, the package that it was
    /// diverted for; for the place it was diverted to, the package whose file it is. For a path of
    /// several packages (a directory, or the same file of two architectures) the first by name.
    #[must_use]
    pub fn owner(&self, path: &ImagePath) -> Option<Owner<'_>> {
        self.owners(path).into_iter().next()
    }

    /// Everybody who brought what lies at `path`; see [`Database::owner`].
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
        let diversion = self.diversions.iter().find(|diversion| diversion.from == *path);
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

/// One path a line, sorted; a blank line and flagged conffiles (`remove-on-upgrade /x`) are no path.
fn paths(file: &ImagePath, bytes: &[u8]) -> Result<Vec<ImagePath>, Error> {
    let lines = bytes.split(|b| *b == b'\n').filter(|line| line.first() == Some(&b'/'));
    let parsed = lines.map(|line| {
        // dpkg writes the root as `/.`.
        ImagePath::new(line).map_err(|_| Error::Damaged { path: file.to_string(), what: "it holds an unusable path" })
    });
    let mut paths = parsed.collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// A package of which the fields are known and the files are not yet.
fn installed<'a>(package: Package, state: State, field: &dyn Fn(&str) -> Option<&'a str>) -> Installed {
    // `name:any (>= 1) [amd64]`: the name is what counts.
    let names = |list: &str, between: char| -> Vec<String> {
        let words = list.split(between).filter_map(|one| one.split([' ', ':', '(', '[', '\n']).find(|w| !w.is_empty()));
        words.map(str::to_owned).collect()
    };
    let lists = ["Pre-Depends", "Depends"].into_iter().filter_map(field);
    let depends = lists.flat_map(|list| list.split(',')).map(|group| names(group, '|'));
    Installed {
        package,
        state,
        multi_arch_same: field("Multi-Arch") == Some("same"),
        is_base: field("Essential") == Some("yes") || field("Priority") == Some("required"),
        depends: depends.filter(|group| !group.is_empty()).collect(),
        provides: names(field("Provides").unwrap_or_default(), ','),
        files: Vec::new(),
        conffiles: Vec::new(),
    }
}

/// Parses a status file.
///
/// # Errors
/// When a stanza lacks its name or has a state that dpkg does not know.
pub fn parse_status(bytes: &[u8]) -> Result<Vec<Installed>, Error> {
    let text = String::from_utf8_lossy(bytes);
    let mut packages = Vec::new();
    for (index, stanza) in text.split("\n\n").map(str::trim).filter(|stanza| !stanza.is_empty()).enumerate() {
        let error = |what| Error::Status { stanza: index + 1, what };
        // Folded lines begin with a blank, so no field's name matches in them.
        let field = |name: &str| {
            stanza.lines().find_map(|line| {
                let (field, value) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then_some(value.trim())
            })
        };
        let name = field("Package").filter(|name| !name.is_empty()).ok_or_else(|| error("it names no package"))?;
        let state = field("Status").and_then(State::parse).ok_or_else(|| error("its status is not known"))?;
        let version = field("Version").unwrap_or_default();
        let (source, source_version) = match field("Source").map(|source| (source, source.split_once(" ("))) {
            None => (name, version),
            Some((source, None)) => (source, version),
            Some((_, Some((source, version)))) => (source, version.trim_end_matches(')')),
        };
        let package = Package {
            name: name.to_owned(),
            arch: field("Architecture").unwrap_or_default().to_owned(),
            version: version.to_owned(),
            source: source.to_owned(),
            source_version: source_version.to_owned(),
        };
        packages.push(installed(package, state, &field));
    }
    Ok(packages)
}

/// Three lines each: from, to, and the package or `:` for the administrator.
fn parse_diversions(bytes: &[u8]) -> Result<Vec<Diversion>, Error> {
    let error = |what| Error::Damaged { path: format!("{BASE}/diversions"), what };
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    let (triples, []) = lines.as_chunks::<3>() else {
        return Err(error("its lines do not come in threes"));
    };
    let path = |line: &[u8]| ImagePath::new(line).map_err(|_| error("it holds an unusable path"));
    let diversion = |[from, to, by]: &[&[u8]; 3]| {
        let by = (*by != b":").then(|| String::from_utf8_lossy(by).into_owned());
        Ok(Diversion { from: path(from)?, to: path(to)?, by })
    };
    triples.iter().map(diversion).collect()
}

/// One a line: user, group, octal mode, path.
fn parse_overrides(bytes: &[u8]) -> Result<Vec<Override>, Error> {
    let error = |what| Error::Damaged { path: format!("{BASE}/statoverride"), what };
    let text = String::from_utf8_lossy(bytes);
    let one = |line: &str| {
        let mut words = line.splitn(4, ' ');
        let (Some(user), Some(group), Some(mode), Some(path)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(error("a line has fewer than four words"));
        };
        let mode = u16::from_str_radix(mode, 8).map_err(|_| error("a mode is no octal number"))?;
        let path = ImagePath::new(path).map_err(|_| error("it holds an unusable path"))?;
        Ok(Override { path, user: user.to_owned(), group: group.to_owned(), mode })
    };
    text.lines().filter(|line| !line.is_empty()).map(one).collect()
}

/// A group's file: mode, link, then slaves (name and link) up to a blank line, then for each choice
/// its path, its priority and one path for each slave (empty where it has none).
fn parse_alternative(file: &ImagePath, name: &[u8], bytes: &[u8]) -> Result<Alternative, Error> {
    let error = |what| Error::Damaged { path: file.to_string(), what };
    let path = |line: &[u8]| ImagePath::new(line).map_err(|_| error("it holds an unusable path"));
    let mut lines = bytes.split(|b| *b == b'\n');
    let mut next = || lines.next().ok_or_else(|| error("it ends early"));
    let automatic = match next()? {
        b"auto" => true,
        b"manual" => false,
        _ => return Err(error("it is neither automatic nor manual")),
    };
    let mut links = vec![path(next()?)?];
    while !next()?.is_empty() {
        links.push(path(next()?)?);
    }
    let mut choices = Vec::new();
    loop {
        let choice = next()?;
        if choice.is_empty() {
            break;
        }
        choices.push(path(choice)?);
        let _priority = next()?;
        for _ in 1..links.len() {
            let slave = next()?;
            if !slave.is_empty() {
                choices.push(path(slave)?);
            }
        }
    }
    Ok(Alternative { name: String::from_utf8_lossy(name).into_owned(), automatic, links, choices })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    const STATUS: &str = "Package: libc6\nStatus: install ok installed\nMulti-Arch: same\nArchitecture: amd64\nSource: glibc\nVersion: 2.41-12\nDescription: x\n Status: a trap in a folded line\n\nPackage: dash\nStatus: install ok unpacked\nArchitecture: amd64\nSource: dash (0.5-1)\nVersion: 0.5-1+b1\n\nPackage: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5\nConffiles:\n /etc/bash.bashrc 00\n\n";

    fn files() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([
            ("/var/lib/dpkg/status", STATUS),
            ("/var/lib/dpkg/info/libc6:amd64.list", "/.\n/lib\n/lib/ld.so\n"),
            ("/var/lib/dpkg/info/dash.list", "/.\n/bin/sh\n/bin/dash\n"),
            ("/var/lib/dpkg/info/bash.list", "/.\n/bin/sh\n/etc/bash.bashrc\n"),
            ("/var/lib/dpkg/info/bash.conffiles", "/etc/bash.bashrc\nremove-on-upgrade /etc/old\n"),
            ("/var/lib/dpkg/diversions", "/bin/sh\n/bin/sh.distrib\ndash\n/usr/x\n/usr/y\n:\n"),
            ("/var/lib/dpkg/statoverride", "root crontab 2755 /usr/bin/cron tab\n"),
            (
                "/var/lib/dpkg/alternatives/pager",
                "auto\n/usr/bin/pager\npager.1.gz\n/usr/share/man/man1/pager.1.gz\n\n/bin/more\n50\n/usr/share/man/man1/more.1.gz\n/bin/cat\n1\n\n\n",
            ),
        ])
    }

    fn parse(files: &BTreeMap<&str, &str>) -> Result<Database, Error> {
        let names = |folder: &str| -> Vec<Vec<u8>> {
            files.keys().filter_map(|path| path.strip_prefix(folder)).map(|name| name.as_bytes().to_vec()).collect()
        };
        let mut read = |path: &ImagePath| files.get(path.to_string().as_str()).map(|text| text.as_bytes().to_vec());
        Database::parse(&mut read, &names("/var/lib/dpkg/info/"), &names("/var/lib/dpkg/alternatives/"))
    }

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    #[test]
    fn packages_come_with_their_source_and_state() {
        let database = parse(&files()).unwrap();
        let seen: Vec<_> = database
            .packages
            .iter()
            .map(|p| (p.package.name.as_str(), p.package.source.as_str(), p.package.source_version.as_str(), p.state))
            .collect();
        assert_eq!(
            seen,
            [
                ("bash", "bash", "5", State::Installed),
                ("dash", "dash", "0.5-1", State::Unpacked),
                ("libc6", "glibc", "2.41-12", State::Installed)
            ]
        );
    }

    #[test]
    fn a_path_has_its_owner_through_architectures_and_diversions() {
        let database = parse(&files()).unwrap();
        let owner = |text: &str| database.owner(&path(text)).map(|o| (o.package.name.clone(), o.diverted_to.cloned()));
        assert_eq!(owner("/lib/ld.so"), Some(("libc6".into(), None)));
        assert_eq!(owner("/bin/sh"), Some(("dash".into(), None)), "bash's file was diverted away");
        assert_eq!(owner("/bin/sh.distrib"), Some(("bash".into(), Some(path("/bin/sh.distrib")))));
        assert_eq!(owner("/nowhere"), None);
        assert!(database.owner(&path("/etc/bash.bashrc")).unwrap().conffile);
        assert!(!database.owner(&path("/bin/dash")).unwrap().conffile);
        assert_eq!(database.owners(&path("/")).len(), 3);
    }

    #[test]
    fn alternatives_and_overrides_are_read() {
        let database = parse(&files()).unwrap();
        for link in ["/usr/bin/pager", "/usr/share/man/man1/pager.1.gz", "/etc/alternatives/pager"] {
            assert_eq!(database.alternative(&path(link)).unwrap().name, "pager");
        }
        let choices: Vec<_> = database.alternatives[0].choices.iter().map(ToString::to_string).collect();
        assert_eq!(choices, ["/bin/more", "/usr/share/man/man1/more.1.gz", "/bin/cat"]);
        assert_eq!(
            (database.overrides[0].mode, database.overrides[0].path.to_string()),
            (0o2755, "/usr/bin/cron tab".into())
        );
    }

    #[test]
    fn the_base_is_what_is_required_with_all_that_it_depends_on() {
        let status = "Package: dash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nEssential: yes\n\
                      Pre-Depends: libc6 (>= 2.41), awk:any\nDepends: debconf (>= 0.5) | debconf-2.0,\n cdebconf\n\n\
                      Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n\
                      Package: mawk\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nPriority: required\nProvides: awk (= 1)\n\n\
                      Package: cdebconf\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nProvides: x, debconf-2.0\nDepends: libnewt\n\n\
                      Package: libnewt\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n\
                      Package: apt\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nPriority: important\nDepends: libssl\n\n\
                      Package: libssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nDepends: dash\n\n\
                      Package: nginx\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nDepends: libssl\n";
        let database = parse(&BTreeMap::from([("/var/lib/dpkg/status", status)])).unwrap();
        let names: Vec<&str> =
            database.base().into_iter().map(|index| database.packages[index].package.name.as_str()).collect();
        assert_eq!(names, ["apt", "cdebconf", "dash", "libc6", "libssl", "mawk"]);
        assert!(parse(&BTreeMap::new()).unwrap().base().is_empty());
    }

    #[test]
    fn no_status_file_is_an_empty_database() {
        assert_eq!(parse(&BTreeMap::new()).unwrap(), Database::default());
    }

    #[test]
    fn damage_is_an_error_and_no_mutation_makes_the_parser_panic() {
        for (file, text) in [
            ("/var/lib/dpkg/status", "Version: 1\n"),
            ("/var/lib/dpkg/status", "Package: x\nStatus: install ok sleeping\n"),
            ("/var/lib/dpkg/diversions", "/a\n/b\n"),
            ("/var/lib/dpkg/statoverride", "root root 9999 /x\n"),
            ("/var/lib/dpkg/alternatives/pager", "auto\n/usr/bin/pager\n"),
            ("/var/lib/dpkg/info/dash.list", "/../etc\n"),
        ] {
            let mut files = files();
            files.insert(file, text);
            assert!(parse(&files).is_err(), "{file}: {text:?}");
        }
        let mut random = testkit::Random::from_environment();
        for _ in 0..3000 {
            let all = files();
            let names: Vec<_> = all.keys().copied().collect();
            let name = *random.pick(&names);
            let mut text = all[name].as_bytes().to_vec();
            let index = usize::try_from(random.below(text.len() as u64)).unwrap();
            text[index] = *random.pick(b"\n\0/: .a\xff");
            let mut read = |path: &ImagePath| {
                let path = path.to_string();
                if path == name { Some(text.clone()) } else { all.get(path.as_str()).map(|t| t.as_bytes().to_vec()) }
            };
            let infos: Vec<Vec<u8>> = names
                .iter()
                .filter_map(|path| path.strip_prefix("/var/lib/dpkg/info/"))
                .map(|name| name.as_bytes().to_vec())
                .collect();
            let _ = Database::parse(&mut read, &infos, &[b"pager".to_vec()]);
        }
    }
}
