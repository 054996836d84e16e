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
    let host::Error::Io { path, .. } = refused("/no/such/place") else { panic!("nothing is there") };
    assert_eq!(path, Path::new("/no/such/place"));
    let host::Error::Place { path, fault } = refused("/proc/self/status") else { panic!("it is a file") };
    assert_eq!(
        (path.as_path(), fault),
        (Path::new("/proc/self/status"), host::Fault::NotADirectory(host::error::Kind::File))
    );
}

fn refused(path: &str) -> host::Error {
    match directory(Path::new(path), &Options::default()) {
        Err(Error::Host(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn many_directories_give_one_tree_whatever_the_number_of_threads() {
    let host = tempfile::tempdir().unwrap();
    let host = host.path();
    (0..7).for_each(|number| fs::create_dir(host.join(format!("d{number}"))).unwrap());
    // More than two batches on one level, and inodes whose names are in different batches and levels.
    for number in 0..2 * BATCH + 10 {
        let below = host.join(format!("d{}/e{number}", number % 7));
        fs::create_dir(&below).unwrap();
        fs::write(below.join("own"), vec![b'x'; number]).unwrap();
        fs::write(host.join(format!("top{number}")), "").unwrap();
        fs::hard_link(host.join(format!("top{number}")), below.join("a-link")).unwrap();
        fs::hard_link(below.join("own"), host.join(format!("d{}/own{number}", (number + 1) % 7))).unwrap();
    }
    let scan = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| directory(host, &Options::default())).unwrap()
    };
    let tree = scan(1);
    assert_eq!(format!("{tree:?}"), format!("{:?}", scan(5)));

    let mut inodes = HashMap::new();
    let mut names = 0;
    for entry in walkdir::WalkDir::new(host).min_depth(1) {
        let entry = entry.unwrap();
        let path = ImagePath::new(format!("/{}", entry.path().strip_prefix(host).unwrap().display())).unwrap();
        let id = tree.lookup(&path).unwrap();
        let metadata = entry.metadata().unwrap();
        assert_eq!(*inodes.entry(std::os::unix::fs::MetadataExt::ino(&metadata)).or_insert(id), id, "{path}");
        if let Kind::Regular(source) = &tree.node(id).kind {
            assert_eq!(source.read(1 << 20).unwrap(), fs::read(entry.path()).unwrap(), "{path}");
        }
        names += 1;
    }
    assert_eq!(tree.walk().count(), names + 1);
    assert_eq!(tree.node_count(), inodes.len() + 1);
}

#[test]
fn attributes_are_those_of_each_file_and_come_where_they_are_wanted() {
    let host = tempfile::tempdir().unwrap();
    let host = host.path();
    let large = "v".repeat(2000);
    for (name, values) in [("a", vec!["1"]), ("long-name", vec![]), ("b", vec!["2", large.as_str()]), ("", vec!["3"])] {
        let path = host.join(name);
        if !name.is_empty() {
            fs::write(&path, "").unwrap();
        }
        for (number, value) in values.into_iter().enumerate() {
            let flags = rustix::fs::XattrFlags::CREATE;
            rustix::fs::setxattr(&path, format!("user.x{number}"), value.as_bytes(), flags).unwrap();
        }
    }
    let found = |xattrs| {
        let tree = directory(host, &Options { xattrs }).unwrap();
        let of = |path: &str| {
            let stat = &tree.node(tree.lookup(&ImagePath::new(path).unwrap()).unwrap()).stat;
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let user = stat.xattrs.iter().filter(|(name, _)| name.starts_with(b"user."));
            user.map(|(name, value)| (text(name), text(value))).collect::<Vec<_>>()
        };
        ["/a", "/long-name", "/b", "/"].map(of)
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let (one, two, three) = (pair("user.x0", "1"), pair("user.x0", "2"), pair("user.x0", "3"));
    let second = pair("user.x1", &large);
    let all = [vec![one], vec![], vec![two, second.clone()], vec![three]];
    assert_eq!(found(XattrFilter::All), all);
    let only = XattrFilter::Only([Box::from(&b"user.x1"[..])].into());
    assert_eq!(found(only), [vec![], vec![], vec![second], vec![]]);
    assert_eq!(found(XattrFilter::none()), [vec![], vec![], vec![], vec![]]);
}

#[test]
fn a_source_is_called_by_its_whole_path() {
    let host = tempfile::tempdir().unwrap();
    fs::create_dir_all(host.path().join("d/e")).unwrap();
    let path = host.path().join("d/e/f");
    fs::write(&path, "content").unwrap();
    let tree = directory(host.path(), &Options::default()).unwrap();
    let Kind::Regular(source) = &tree.node(tree.lookup(&ImagePath::new("/d/e/f").unwrap()).unwrap()).kind else {
        panic!("it is a file")
    };
    let Source::File { file, size: 7 } = source else { panic!("{source:?}") };
    assert_eq!(file.path(), path);
    assert!(
        matches!(source.read(6), Err(image::Error::TooLarge { source_name, size: 7, limit: 6 }) if source_name == path)
    );
    assert_eq!(source.read(7).unwrap(), b"content");
    fs::remove_file(&path).unwrap();
    match source.read(7) {
        Err(image::Error::ChangedMeanwhile { path: named }) => assert_eq!(named, path),
        other => panic!("{other:?}"),
    }
    let whole = |root: &str| {
        let folder = Folder { root: Arc::new(Dir::open(Path::new(root)).unwrap()), path: PathBuf::from("d") };
        (format!("{folder:?}"), folder.shown(OsStr::new("x")))
    };
    assert_eq!(whole("/proc"), ("\"/proc/d\"".to_owned(), PathBuf::from("/proc/d/x")));
}
