//! Directories of data that maintainer scripts made: a data base, a cluster. They have identifiers and passwords that no
//! two machines share, and are made on the node instead.

use std::collections::BTreeMap;

use image::Readable;
use image::tree::{Kind, NodeId, Tree};
use model::ImagePath;

use super::{Error, Part};
use crate::scrub::DATA_MARKS;

/// A kind of data directory that is known by what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    /// A cluster of PostgreSQL: it has a file `PG_VERSION`.
    PostgresCluster,
    /// A data directory of MySQL or MariaDB: it has InnoDB's system table space, `ibdata1`.
    InnoDb,
    /// Another one.
    Unknown,
}

/// A directory of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDirectory {
    /// The directory.
    pub path: ImagePath,
    /// What it is.
    pub kind: DataKind,
    /// The number of its owner in the build.
    pub uid: u32,
    /// The bytes of the files in it.
    pub size: u64,
}

/// The files that tell what a directory is.
const MARKS: [(&[u8], DataKind); 2] = [(b"PG_VERSION", DataKind::PostgresCluster), (b"ibdata1", DataKind::InnoDb)];

/// Where whatever a script made for an account is data.
const OF_ACCOUNTS: [&[u8]; 2] = [b"/var/lib/", b"/opt/"];
/// Where whatever a script made is data: these belong to the machine and to those who use it.
const OF_THE_MACHINE: [&[u8]; 3] = [b"/srv/", b"/home/", b"/root/"];
/// Where only what a mark tells is data: a server that keeps its configuration as a data base.
const CONFIGURATION: &[u8] = b"/etc/";
/// What useradd(8) copies into a new home.
const SKELETON: &str = "/etc/skel";
/// The largest file that is compared with one of the skeleton.
const LIMIT: u64 = 64 << 10;

/// The directories of data among `parts`: those that are `declared`, wherever they are, and made ones that hold files which a
/// script made, below `/var/lib` and `/opt` for an account of a service, below `/etc` beside a mark of data. Of several within each other the outermost counts that
/// is the account's own and made, too.
pub(super) fn find<C: Readable>(
    tree: &Tree<C>,
    parts: &BTreeMap<ImagePath, Part>,
    declared: &[&ImagePath],
) -> Result<Vec<DataDirectory>, Error> {
    let mut found: BTreeMap<ImagePath, DataDirectory> = BTreeMap::new();
    let is_made = |path: &ImagePath| matches!(parts.get(path), Some(Part::Made { .. }));
    let directory =
        |path: &ImagePath, uid: u32| DataDirectory { kind: kind(tree, path), path: path.clone(), uid, size: 0 };
    for path in declared {
        let node = tree.lookup(path).map(|id| tree.node(id)).filter(|node| node.is_directory());
        found.extend(node.map(|node| ((*path).clone(), directory(path, node.stat.uid))));
    }
    for path in parts.keys() {
        let Some(node) = tree.lookup(path).map(|id| tree.node(id)) else { continue };
        let Kind::Regular(content) = &node.kind else { continue };
        let top = match declared.iter().find(|declared| path.starts_with(declared)) {
            Some(declared) => Some((*declared).clone()),
            None if is_made(path) && !is_of_skeleton(tree, path, content)? => {
                place(tree, path, node.stat.uid, &is_made)
            }
            None => None,
        };
        if let Some(top) = top {
            let data = found.entry(top.clone()).or_insert_with(|| directory(&top, node.stat.uid));
            data.size += content.size();
        }
    }
    Ok(found.into_values().collect())
}

/// The directory of data in which a file of `uid` is, by where it is.
fn place<C>(tree: &Tree<C>, path: &ImagePath, uid: u32, is_made: &dyn Fn(&ImagePath) -> bool) -> Option<ImagePath> {
    let is_below = |place: &&&[u8]| path.as_bytes().starts_with(place);
    if path.as_bytes().starts_with(CONFIGURATION) {
        return marked(tree, path);
    }
    if let Some(place) = OF_ACCOUNTS.iter().find(is_below) {
        return if uid == 0 { None } else { top(tree, path, uid, place, is_made) };
    }
    let place = OF_THE_MACHINE.iter().find(is_below)?;
    let own = if uid == 0 { None } else { top(tree, path, uid, place, is_made) };
    own.or_else(|| {
        // The first directory below the place; the place itself has files of its own.
        let rest = &path.as_bytes()[place.len()..];
        let end = rest.iter().position(|byte| *byte == b'/').filter(|_| *place != b"/root/");
        ImagePath::new(&path.as_bytes()[..end.map_or(place.len() - 1, |end| place.len() + end)]).ok()
    })
}

/// The directory around `path`, below [`CONFIGURATION`], that has a mark of data.
fn marked<C>(tree: &Tree<C>, path: &ImagePath) -> Option<ImagePath> {
    let mut at = path.parent();
    while let Some(directory) = at.filter(|directory| directory.as_bytes().starts_with(CONFIGURATION)) {
        let entries = tree.lookup(&directory).and_then(|id| tree.node(id).entries());
        if entries.is_some_and(|entries| DATA_MARKS.iter().any(|mark| entries.contains_key(*mark))) {
            return Some(directory);
        }
        at = directory.parent();
    }
    None
}

/// Whether it is what useradd(8) copies into every home.
fn is_of_skeleton<C: Readable>(tree: &Tree<C>, path: &ImagePath, content: &C) -> Result<bool, Error> {
    let components: Vec<&[u8]> = path.components().collect();
    for start in 1..components.len() {
        let copied = [SKELETON.as_bytes(), &components[start..].join(&b'/')].join(&b'/');
        let original = ImagePath::new(copied).ok().and_then(|path| tree.lookup(&path));
        let Some(Kind::Regular(original)) = original.map(|id| &tree.node(id).kind) else { continue };
        if original.size() == content.size()
            && content.size() <= LIMIT
            && original.read(LIMIT)? == content.read(LIMIT)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The directory of data in which `path` is: that with a mark of its kind, else the outermost of the account below `place`.
fn top<C>(
    tree: &Tree<C>,
    path: &ImagePath,
    uid: u32,
    place: &[u8],
    is_made: &dyn Fn(&ImagePath) -> bool,
) -> Option<ImagePath> {
    let mut outermost = None;
    let mut at = path.parent();
    while let Some(directory) = at.filter(|directory| directory.as_bytes().starts_with(place)) {
        let id = tree.lookup(&directory)?;
        if tree.node(id).stat.uid != uid {
            break;
        }
        if mark(tree, id).is_some() && !holds_marked_above(tree, &directory, uid) {
            return Some(directory);
        }
        if is_made(&directory) || outermost.is_none() {
            outermost = Some(directory.clone());
        }
        at = directory.parent();
    }
    outermost
}

/// Whether a directory around `directory`, of the same account, has a mark, too: PostgreSQL has one in each of its
/// data bases.
fn holds_marked_above<C>(tree: &Tree<C>, directory: &ImagePath, uid: u32) -> bool {
    let mut at = directory.parent();
    while let Some(id) = at.as_ref().and_then(|path| tree.lookup(path)) {
        if tree.node(id).stat.uid != uid {
            return false;
        }
        if mark(tree, id).is_some() {
            return true;
        }
        at = at.and_then(|path| path.parent());
    }
    false
}

fn mark<C>(tree: &Tree<C>, id: NodeId) -> Option<DataKind> {
    let entries = tree.node(id).entries()?;
    MARKS.iter().find(|(name, _)| entries.contains_key(*name)).map(|(_, kind)| *kind)
}

fn kind<C>(tree: &Tree<C>, path: &ImagePath) -> DataKind {
    tree.lookup(path).and_then(|id| mark(tree, id)).unwrap_or(DataKind::Unknown)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use model::closure::{ClosureRules, FirstStart, TextPath};

    use super::super::tests::{found_by, path, started};

    fn declared(paths: &[&str]) -> ClosureRules {
        let start = FirstStart { command: vec!["/usr/bin/fill".to_owned()], user: None };
        let data = paths.iter().map(|path| (TextPath::parse(path).unwrap(), start.clone())).collect();
        ClosureRules { data, ..ClosureRules::default() }
    }

    fn found(rules: &ClosureRules, more: &[&str]) -> Vec<String> {
        let (_, _, closure) = found_by(rules, more);
        let all = closure.data.iter().map(|data| format!("{} {}", data.path, data.size));
        all.filter(|line| !line.starts_with("/var/lib/app/main ")).collect()
    }

    #[test]
    fn what_scripts_made_where_the_machine_has_its_own_is_data() {
        let more = [
            "/srv/ftp/ 755 100:100",
            "/srv/h/ 755 100:100",
            "/srv/h/sub/f 600 100:100 four",
            "/srv/of-root/a/f 600 0:0 four",
            "/home/h/.config/f 600 100:100 four",
            "/root/f 600 0:0 four",
            "/opt/app/ 755 0:0",
            "/opt/app/data/ 755 100:100",
            "/opt/app/data/f 600 100:100 four",
            "/opt/app/of-root 600 0:0 four",
        ];
        assert_eq!(
            found(&ClosureRules::default(), &more),
            ["/home/h 4", "/opt/app/data 4", "/root 4", "/srv/h 4", "/srv/of-root 4"]
        );
    }

    #[test]
    fn a_home_with_copies_of_the_skeleton_alone_is_no_data() {
        let skeleton = [
            "/etc/skel/.profile 644 0:0 profile",
            "/etc/skel/.config/x 644 0:0 x",
            "/home/h/ 755 100:100",
            "/home/h/.profile 644 100:100 profile",
            "/home/h/.config/x 644 100:100 x",
            "/var/lib/h/ 755 100:100",
            "/var/lib/h/.profile 644 100:100 profile",
        ];
        assert_eq!(found(&ClosureRules::default(), &skeleton), [""; 0]);
        let more = [&skeleton[..], &["/var/lib/h/.bashrc 644 100:100 own", "/home/h/x 644 100:100 y"]].concat();
        assert_eq!(found(&ClosureRules::default(), &more), ["/home/h 1", "/var/lib/h 3"]);
    }

    #[test]
    fn what_is_declared_is_data_wherever_it_is_and_is_made_where_a_node_can_write() {
        let more = ["/etc/ldap/slapd.d/ 750 100:100", "/etc/ldap/slapd.d/cn=config.ldif 600 100:100 four"];
        assert_eq!(found(&ClosureRules::default(), &more), ["/etc/ldap/slapd.d 4"], "known by its mark");
        let plain = ["/etc/ldap/plain/ 750 100:100", "/etc/ldap/plain/file 600 100:100 four"];
        assert_eq!(found(&ClosureRules::default(), &plain), [""; 0]);
        let rules = declared(&["/etc/ldap/slapd.d", "/etc/none"]);
        assert_eq!(found(&rules, &more), ["/etc/ldap/slapd.d 4"]);
        let first = started(&rules, &more);
        let link = first.links.iter().find(|(at, _)| *at == path("/etc/ldap/slapd.d")).unwrap();
        assert_eq!(link.1, "/var/lib/module-app/etc/ldap/slapd.d");
        let made = first.directories.iter().find(|(at, _)| *at == path(&link.1)).unwrap();
        assert_eq!((made.1.mode, made.1.uid), (0o750, 100));
        let (_, text) = first.files.iter().find(|(at, _)| at.to_string().contains("slapd.d")).unwrap();
        assert!(
            text.contains("BindPaths=-/var/lib/module-app/etc/ldap/.slapd.d.new:/var/lib/module-app/etc/ldap/slapd.d"),
            "{text}"
        );
    }
}
