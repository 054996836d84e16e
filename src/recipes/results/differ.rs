//! Paths at which two modules ship something different: on a node the upper one's would count for both.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use host::{Dir, Links};
use image::composefs::Entry;
use image::tree::{Kind, Node, Tree};
use model::{Arch, Diagnostic, FileName, ImagePath, Severity};
use serde::Deserialize;

use crate::error::Error;
use crate::recipes::results::artifact::{self, TEXT_LIMIT};
use crate::recipes::results::record;

/// The finding's code.
const CODE: &str = "modules-differ";
/// Where a build leaves its results in a module.
const DIST: &str = "dist";
/// Where the results say which package brought a path.
const ORIGINS: &str = "file-list.json";
const HINT: &str =
    "build both from the same archive day, or mask the path in one of them: the upper one's would count for both";

/// A module that was built.
#[derive(Clone, Copy)]
pub(crate) struct Built<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What its image holds.
    pub(crate) tree: &'a Tree<Entry>,
    /// The dist directory that it is from, where it is from one.
    pub(crate) dist: Option<&'a Path>,
}

/// What every two of the modules ship differently.
pub(crate) fn find(modules: &[Built<'_>]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (at, lower) in modules.iter().enumerate() {
        found.extend(modules[at + 1..].iter().filter_map(|upper| conflict(*lower, *upper)));
    }
    found
}

/// What the last build of the module in `own` and those of its neighbours ship differently, by architecture; each is a
/// directory, and the module has its manifest's name. Of a module that was not built nothing is known.
///
/// # Errors
/// When results are damaged.
pub(crate) fn of_modules((own, file): (&Path, &FileName), neighbours: &[&Path]) -> Result<Vec<Diagnostic>, Error> {
    let mut found = Vec::new();
    let ours = if neighbours.is_empty() { Vec::new() } else { last_build(own)? };
    for neighbour in neighbours.iter().filter(|_| !ours.is_empty()) {
        let theirs = last_build(neighbour)?;
        for (one, other) in ours.iter().flat_map(|one| theirs.iter().map(move |other| (one, other))) {
            if one.arch == other.arch
                && let (Some(one), Some(other)) = (built(one), built(other))
            {
                found.extend(conflict(one, other).map(|finding| finding.in_file(file.clone())));
            }
        }
    }
    Ok(found)
}

/// What the last builds of neighbours hold for `arch`, each of which is a directory. Of those that were not built, or whose
/// results are damaged, nothing is.
pub(crate) fn built_by(neighbours: &[&Path], arch: Arch) -> Vec<Tree<Entry>> {
    let trees = |directory: &&Path| {
        let modules = last_build(directory).unwrap_or_default();
        modules.into_iter().filter(|module| module.arch == Some(arch)).map(|module| module.tree).collect::<Vec<_>>()
    };
    neighbours.iter().flat_map(trees).collect()
}

fn last_build(module: &Path) -> Result<Vec<artifact::Module>, Error> {
    let dist = module.join(DIST);
    if !dist.join(record::FILE).exists() {
        return Ok(Vec::new());
    }
    Ok(artifact::open(&dist)?.modules)
}

fn built(module: &artifact::Module) -> Option<Built<'_>> {
    Some(Built { name: module.name.as_deref()?, tree: &module.tree, dist: module.dist.as_deref() })
}

/// Paths that a build is about to ship from another version of a package than the last build of a neighbour in `dist`; each
/// of `shipped` has the package and its version.
pub(crate) fn of_versions<'a>(
    name: &str,
    shipped: impl Iterator<Item = (ImagePath, &'a str, String)>,
    (other, dist): (&str, &Path),
) -> Option<Diagnostic> {
    let theirs = Origins::read(dist)?;
    let differs = |(path, package, version): (ImagePath, &str, String)| {
        let other = theirs.of(&path).filter(|other| other.name == package && other.version != version)?;
        Some((path, Origin { name: package.to_owned(), version }, other.clone()))
    };
    let differing: Vec<_> = shipped.filter_map(differs).collect();
    let (first, ours, theirs) = differing.first()?;
    let message = sentence((name, other), first, Some((ours, theirs)), differing.len());
    Some(Diagnostic::new(Severity::Error, CODE, message, HINT))
}

/// What two modules ship differently, as one finding.
fn conflict(lower: Built<'_>, upper: Built<'_>) -> Option<Diagnostic> {
    let is_other = |path: &ImagePath, node: &Node<Entry>| {
        lower.tree.lookup(path).is_some_and(|id| !is_same(node, lower.tree.node(id)))
    };
    let paths: Vec<ImagePath> =
        upper.tree.walk().filter(|(path, _, node)| is_other(path, node)).map(|(path, _, _)| path).collect();
    let first = paths.first()?;
    let origins = [lower, upper].map(|module| module.dist.and_then(Origins::read));
    let [of_lower, of_upper] = &origins;
    let both = of_lower.as_ref().and_then(|all| all.of(first)).zip(of_upper.as_ref().and_then(|all| all.of(first)));
    let message = sentence((lower.name, upper.name), first, both, paths.len());
    Some(Diagnostic::new(Severity::Error, CODE, message, HINT))
}

fn sentence((lower, upper): (&str, &str), first: &ImagePath, both: Option<(&Origin, &Origin)>, count: usize) -> String {
    let mut message = format!("{lower} and {upper} ship different {first}");
    // Writing to a String cannot fail.
    if let Some((lower, upper)) = both {
        let _ = write!(message, " ({})", Origin::both(lower, upper));
    }
    if count > 1 {
        let others = if count == 2 { "other" } else { "others" };
        let _ = write!(message, " and {} {others}", count - 1);
    }
    message
}

/// Whether a node has the same, whichever of the two lies above. Times are not compared, nor anything of directories but
/// that they are such.
fn is_same(upper: &Node<Entry>, lower: &Node<Entry>) -> bool {
    let owned = |node: &Node<Entry>| (node.stat.mode, node.stat.uid, node.stat.gid);
    match (&upper.kind, &lower.kind) {
        (Kind::Directory(_), Kind::Directory(_)) => true,
        (Kind::Symlink(upper), Kind::Symlink(lower)) => upper == lower,
        (one, other) => one == other && owned(upper) == owned(lower),
    }
}

/// The package that brought a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Origin {
    name: String,
    version: String,
}

/// A line of the list, as far as it is of interest here.
#[derive(Debug, Deserialize)]
struct Line {
    path: Option<String>,
    package: Option<Origin>,
}

/// The packages that brought the paths of a module.
struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Those in a dist directory, where its results say so: they are a hint.
    fn read(dist: &Path) -> Option<Self> {
        let dist = Dir::open(dist).ok()?;
        Self::parse(&dist.read_if_there(ORIGINS, Links::Refuse, TEXT_LIMIT).ok()??)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let lines: Vec<Line> = serde_json::from_slice(text).ok()?;
        Some(Self(lines.into_iter().filter_map(|line| Some((line.path?, line.package?))).collect()))
    }

    fn of(&self, path: &ImagePath) -> Option<&Origin> {
        self.0.get(&path.to_string())
    }
}

impl Origin {
    /// Both, in few words.
    fn both(lower: &Self, upper: &Self) -> String {
        match (lower.name == upper.name, lower.version == upper.version) {
            (true, true) => format!("{} {} in both", lower.name, lower.version),
            (true, false) => format!("{} {} and {}", lower.name, lower.version, upper.version),
            (false, _) => format!("{} {} and {} {}", lower.name, lower.version, upper.name, upper.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_of_both_are_named_with_their_versions() {
        let list = |version: &str| {
            format!(
                r#"[{{"path":"/usr/lib/a","kind":"file","package":{{"name":"a","arch":"all","version":"1"}}}},
                {{"path_base64":"/w==","kind":"file"}},
                {{"path":"/usr/lib/libfoo.so.1","kind":"file","package":{{"name":"foo","arch":"amd64","version":"{version}"}}}}]"#
            )
        };
        let path = ImagePath::new("/usr/lib/libfoo.so.1").unwrap();
        let in_list = |text: &[u8]| Origins::parse(text).and_then(|all| all.of(&path).cloned());
        let of = |version: &str| in_list(list(version).as_bytes()).unwrap();
        assert_eq!(Origin::both(&of("1.2"), &of("1.3")), "foo 1.2 and 1.3");
        assert_eq!(Origin::both(&of("1.2"), &of("1.2")), "foo 1.2 in both");
        let other = Origin { name: "bar".to_owned(), ..of("2") };
        assert_eq!(Origin::both(&of("1"), &other), "foo 1 and bar 2");
        assert_eq!(in_list(b"[]"), None);
        assert_eq!(in_list(b"nonsense"), None);
    }

    #[test]
    fn owners_and_modes_count_and_times_do_not() {
        use image::tree::{Mtime, Stat};
        let node = |mode, seconds| Node {
            stat: Stat::root_owned(mode, Mtime { seconds, nanoseconds: 0 }),
            kind: Kind::<Entry>::Regular(Entry::Empty),
        };
        assert!(is_same(&node(0o644, 1), &node(0o644, 2)));
        assert!(!is_same(&node(0o644, 1), &node(0o600, 1)));
        let mut other = node(0o644, 1);
        other.stat.gid = 312;
        assert!(!is_same(&node(0o644, 1), &other));
    }
}
