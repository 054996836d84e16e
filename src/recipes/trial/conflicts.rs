//! Paths at which two modules ship something different: on a node the upper one's would count for both.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use host::{Dir, Links};
use image::composefs::Entry;
use image::tree::{Kind, Node};
use model::{Diagnostic, ImagePath, Severity};
use serde::Deserialize;

use crate::recipes::results::artifact::TEXT_LIMIT;
use crate::recipes::trial::layers::TriedModule;

/// Where the results say which package brought a path.
const ORIGINS: &str = "file-list.json";

/// What every two of the modules ship differently.
pub(crate) fn find(modules: &[TriedModule]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (at, lower) in modules.iter().enumerate() {
        for upper in &modules[at + 1..] {
            found.extend(conflict(lower, upper));
        }
    }
    found
}

/// What two modules ship differently, as one finding.
fn conflict(lower: &TriedModule, upper: &TriedModule) -> Option<Diagnostic> {
    let is_other = |path: &ImagePath, node: &Node<Entry>| {
        lower.tree.lookup(path).is_some_and(|id| !is_same(node, lower.tree.node(id)))
    };
    let paths: Vec<ImagePath> =
        upper.tree.walk().filter(|(path, _, node)| is_other(path, node)).map(|(path, _, _)| path).collect();
    let first = paths.first()?;
    let mut message = format!("{} and {} ship different {first}", lower.name, upper.name);
    let brought = (Origin::of(lower, first), Origin::of(upper, first));
    // Writing to a String cannot fail.
    if let (Some(lower), Some(upper)) = brought {
        let _ = write!(message, " ({})", Origin::both(&lower, &upper));
    }
    if paths.len() > 1 {
        let others = if paths.len() == 2 { "other" } else { "others" };
        let _ = write!(message, " and {} {others}", paths.len() - 1);
    }
    let hint =
        "build both from the same archive day, or mask the path in one of them: the upper one's would count for both";
    Some(Diagnostic::new(Severity::Error, "modules-differ", message, hint))
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

impl Origin {
    /// The package that brought `path` to the module, where its results say so: this is a hint.
    fn of(module: &TriedModule, path: &ImagePath) -> Option<Self> {
        let dist = Dir::open(module.dist.as_ref()?).ok()?;
        let text = dist.read_if_there(ORIGINS, Links::Refuse, TEXT_LIMIT).ok()??;
        Self::in_list(&text, path)
    }

    fn in_list(text: &[u8], path: &ImagePath) -> Option<Self> {
        let lines: Vec<Line> = serde_json::from_slice(text).ok()?;
        let path = path.to_string();
        let mut packages: BTreeMap<String, Self> =
            lines.into_iter().filter_map(|line| Some((line.path?, line.package?))).collect();
        packages.remove(&path)
    }

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
        let of = |version: &str| Origin::in_list(list(version).as_bytes(), &path).unwrap();
        assert_eq!(Origin::both(&of("1.2"), &of("1.3")), "foo 1.2 and 1.3");
        assert_eq!(Origin::both(&of("1.2"), &of("1.2")), "foo 1.2 in both");
        let other = Origin { name: "bar".to_owned(), ..of("2") };
        assert_eq!(Origin::both(&of("1"), &other), "foo 1 and bar 2");
        assert_eq!(Origin::in_list(b"[]", &path), None);
        assert_eq!(Origin::in_list(b"nonsense", &path), None);
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
