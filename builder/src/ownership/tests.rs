#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

use image::tree::{Entries, Mtime, Node, Stat};

use super::*;

fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

/// A merged-/usr tree with dpkg's database: `tool` names `/bin/tool`, which is at `/usr/bin/tool`.
fn tree(status: &str) -> Tree<Vec<u8>> {
    let stat = || Stat::root_owned(0o755, Mtime::default());
    let mut tree = Tree::new(stat());
    let mut put = |parent: NodeId, name: &str, kind: Kind<Vec<u8>>| {
        let new = tree.add(Node { stat: stat(), kind }).unwrap();
        tree.link(parent, name.as_bytes(), new).unwrap();
        new
    };
    let directory = || Kind::Directory(Entries::new());
    let usr = put(NodeId::ROOT, "usr", directory());
    let bin = put(usr, "bin", directory());
    put(NodeId::ROOT, "bin", Kind::Symlink(b"usr/bin".as_slice().into()));
    put(bin, "tool", Kind::Regular(Vec::new()));
    put(bin, "made", Kind::Regular(Vec::new()));
    let var = put(NodeId::ROOT, "var", directory());
    let lib = put(var, "lib", directory());
    let dpkg = put(lib, "dpkg", directory());
    let info = put(dpkg, "info", directory());
    put(dpkg, "status", Kind::Regular(status.into()));
    put(info, "tool.list", Kind::Regular(b"/.\n/bin\n/bin/tool\n".to_vec()));
    tree
}

#[test]
fn a_library_asks_who_brought_a_path_of_a_tree() {
    let status = "Package: tool\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n";
    let tree = tree(status);
    let ownership = Ownership::read(&tree).unwrap();
    assert_eq!(ownership.owner(&path("/usr/bin/tool")).map(|package| package.name.as_str()), Some("tool"));
    assert!(ownership.owner(&path("/usr/bin/made")).is_none() && !ownership.is_owned(&path("/usr/bin/made")));
    let claims = ownership.claims(&tree, &path("/usr/bin/tool"));
    assert!(matches!(claims.as_slice(), [claim] if claim.named == path("/bin/tool") && !claim.conffile));
    let requested = ownership.of_requested(&tree, &[PackageRequest::parse("tool").unwrap()]);
    assert!(requested.contains(&path("/usr/bin/tool")));
    assert!(ownership.of_requested(&tree, &[PackageRequest::parse("other").unwrap()]).is_empty());
}

#[test]
fn a_dependency_is_brought_by_the_first_request_that_leads_to_it() {
    let package = |name: &str, fields: &str| {
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n{fields}\n")
    };
    let status = [
        package("other", ""),
        package("web", "Depends: ssl (>= 1), web-data\n"),
        package("web-data", "Depends: web\n"),
        package("libssl", "Provides: ssl (= 1)\nDepends: tool\n"),
        package("tool", ""),
    ];
    let ownership = Ownership::read(&tree(&status.concat())).unwrap();
    let requests = ["other", "web", "libssl"].map(|text| PackageRequest::parse(text).unwrap());
    let by = |package: &str| ownership.requester(package, &requests).map(ToString::to_string);
    assert_eq!(by("tool").as_deref(), Some("web"));
    assert_eq!(by("libssl").as_deref(), Some("libssl"), "its own entry goes before one that leads to it");
    assert_eq!(by("nowhere"), None);
}

#[test]
fn both_halves_of_an_alternative_go_with_the_file_that_is_selected() {
    let status = "Package: tool\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n\
                  Package: core\nStatus: install ok installed\nPriority: required\nArchitecture: amd64\nVersion: 1\n";
    let mut tree = tree(status);
    let stat = || Stat::root_owned(0o755, Mtime::default());
    let mut put = |at: &str, kind: Kind<Vec<u8>>| {
        let mut here = NodeId::ROOT;
        let at = path(at);
        for name in at.parent().unwrap().components() {
            let found = tree.node(here).entries().and_then(|entries| entries.get(name)).copied();
            here = found.unwrap_or_else(|| {
                let new = tree.add(Node { stat: stat(), kind: Kind::Directory(Entries::new()) }).unwrap();
                tree.link(here, name, new).unwrap();
                new
            });
        }
        let new = tree.add(Node { stat: stat(), kind }).unwrap();
        tree.link(here, at.file_name().unwrap(), new).unwrap();
    };
    let link = |target: &str| Kind::Symlink(target.as_bytes().into());
    // `run` and its slave are tool's; `page` has a choice of the base, and `edit` is led to another file.
    for (name, choices) in [("run", "/bin/tool"), ("page", "/bin/tool"), ("edit", "/usr/bin/made")] {
        let more = if name == "page" { "/bin/core\n10\n/usr/bin/made\n" } else { "" };
        let group = format!("auto\n/usr/bin/{name}\n{name}.s\n/usr/lib/{name}.s\n\n{choices}\n50\n{choices}\n{more}\n");
        put(&format!("/var/lib/dpkg/alternatives/{name}"), Kind::Regular(group.into()));
        put(&format!("/usr/bin/{name}"), link(&format!("/etc/alternatives/{name}")));
        put(&format!("/usr/lib/{name}.s"), link(&format!("/etc/alternatives/{name}.s")));
        put(&format!("/etc/alternatives/{name}"), link(choices));
        put(&format!("/etc/alternatives/{name}.s"), link(choices));
    }
    put("/var/lib/dpkg/info/core.list", Kind::Regular(b"/.\n/bin\n/bin/core\n".to_vec()));
    put("/usr/bin/core", Kind::Regular(Vec::new()));
    let ownership = Ownership::read(&tree).unwrap();
    let owned = ownership.of_requested(&tree, &[PackageRequest::parse("tool").unwrap()]);
    let owned: Vec<String> = owned.iter().map(ToString::to_string).collect();
    let links = ["/etc/alternatives/run", "/etc/alternatives/run.s", "/usr/bin/run", "/usr/bin/tool", "/usr/lib/run.s"];
    assert_eq!(owned.iter().filter(|path| links.contains(&path.as_str())).count(), links.len(), "{owned:?}");
    assert!(!owned.iter().any(|path| path.contains("page") || path.contains("edit")), "{owned:?}");
    assert!(ownership.of_requested(&tree, &[PackageRequest::parse("none").unwrap()]).is_empty());
}

#[test]
fn a_damaged_database_is_the_inputs_fault() {
    let error = Ownership::read(&tree("Package: tool\n")).unwrap_err();
    assert!(matches!(error, Error::Database(_)), "{error:?}");
    let explained = error.explain();
    assert_eq!(explained.kind, explain::Kind::Input);
    assert_eq!(explained.message, "dpkg's database in the root file system is damaged");
}
