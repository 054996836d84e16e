#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use model::ImagePath;

use super::*;

#[test]
fn every_kind_of_file_is_seen_and_no_link_is_followed() {
    let host = tempfile::tempdir().unwrap();
    let host = host.path();
    fs::create_dir(host.join("d")).unwrap();
    fs::write(host.join("d/f"), "content").unwrap();
    fs::set_permissions(host.join("d/f"), fs::Permissions::from_mode(0o4711)).unwrap();
    fs::hard_link(host.join("d/f"), host.join("same")).unwrap();
    symlink("/", host.join("out")).unwrap();
    fs::write(host.join(OsStr::from_bytes(b"odd\n\xff")), "").unwrap();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let tree = one.install(|| directory(host, &Options::default())).unwrap();
    let names: Vec<String> = tree.walk().map(|(path, ..)| path.to_string()).collect();
    assert_eq!(names, ["/", "/d", "/d/f", "/odd\\x0a\\xff", "/out", "/same"]);
    let id = |tree: &Tree<Source>, path| tree.lookup(&ImagePath::new(path).unwrap()).unwrap();
    assert_eq!(id(&tree, "/d/f"), id(&tree, "/same"));
    assert_eq!(tree.node(id(&tree, "/d/f")).stat.mode, 0o4711);
    assert!(
        matches!(&tree.node(id(&tree, "/same")).kind, Kind::Regular(source) if source.read(9).unwrap() == b"content")
    );
    assert!(matches!(&tree.node(id(&tree, "/out")).kind, Kind::Symlink(target) if &**target == b"/"));
    let many = rayon::ThreadPoolBuilder::new().num_threads(7).build().unwrap();
    let again = many.install(|| directory(host, &Options::default())).unwrap();
    assert_eq!(format!("{tree:?}"), format!("{again:?}"));
}

#[test]
fn a_missing_directory_and_a_file_are_errors_that_name_the_path() {
    for path in ["/no/such/place", "/proc/self/status"] {
        match directory(Path::new(path), &Options::default()) {
            Err(Error::Io { path: named, .. }) => assert_eq!(named, Path::new(path)),
            other => panic!("{other:?}"),
        }
    }
}
