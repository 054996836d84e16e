//! What a node makes of a module in the form of a node, by systemd's own programs: `systemd-tmpfiles` of the files in `/var`,
//! and `systemd-escape` of the names of units. Needs root and systemd.

#![allow(clippy::disallowed_methods, reason = "a test reads what the program made")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use builder::closure::{Context, Form, Named, NodeForm, Secret, SecretKind, first_starts, node_form};
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::closure::{ClosureRules, FirstStart, TextPath};
use model::{Epoch, ImagePath};
use testkit::run;

const ACCESS: &str = "system.posix_acl_access";

fn path(bytes: &[u8]) -> ImagePath {
    ImagePath::new(bytes).unwrap()
}

/// Adds an inode, with root's directories around it.
fn add(tree: &mut Tree<Vec<u8>>, at: &[u8], mode: u16, uid: u32, kind: Kind<Vec<u8>>) -> NodeId {
    let at = path(at);
    let stat = |mode| Stat::root_owned(mode, Mtime::default());
    let mut parent = NodeId::ROOT;
    for name in at.parent().unwrap().components() {
        let there = tree.node(parent).entries().unwrap().get(name).copied();
        parent = there.unwrap_or_else(|| {
            let new = tree.add(Node { stat: stat(0o755), kind: Kind::Directory(Entries::new()) }).unwrap();
            tree.link(parent, name, new).unwrap();
            new
        });
    }
    let id = tree.add(Node { stat: Stat { uid, gid: uid, ..stat(mode) }, kind }).unwrap();
    tree.link(parent, at.file_name().unwrap(), id).unwrap();
    id
}

/// An access list with a named user, of a file of mode 0640.
fn list(uid: u32) -> Box<[u8]> {
    let entry = |tag: u8, bits: u8, id: u32| [&[tag, 0, bits, 0][..], &id.to_le_bytes()].concat();
    let none = u32::MAX;
    let all = [entry(1, 6, none), entry(2, 4, uid), entry(4, 4, none), entry(16, 4, none), entry(32, 0, none)];
    [2_u32.to_le_bytes().to_vec(), all.concat()].concat().into()
}

/// A tree with `/var` as scripts may leave it.
fn var() -> Tree<Vec<u8>> {
    let mut tree = Tree::new(Stat::root_owned(0o755, Mtime::default()));
    let names: [&[u8]; 12] = [
        b"plain",
        b"a b",
        b"tr$y",
        b"50%h",
        b"bs\\x",
        b"it's",
        b"q\"q",
        b" lead",
        b"trail ",
        b"-",
        b"gl*[b]?",
        "é".as_bytes(),
    ];
    for name in names {
        add(&mut tree, &[b"/var/lib/files/", name].concat(), 0o640, 0, Kind::Regular(name.to_vec()));
        add(&mut tree, &[b"/var/lib/directories/", name].concat(), 0o2750, 1500, Kind::Directory(Entries::new()));
        add(&mut tree, &[b"/var/lib/links/", name].concat(), 0o777, 0, Kind::Symlink(name.into()));
        let listed = add(&mut tree, &[b"/var/lib/listed/", name].concat(), 0o640, 0, Kind::Regular(name.to_vec()));
        tree.node_mut(listed).stat.xattrs.insert(ACCESS.as_bytes().into(), list(1500));
    }
    let targets: [&[u8]; 8] = [b"../x y", b"'a\\b'", b"-", b"--", b" a ", b"\nb%h\\n", b"\xff\"q\"", b"a//b/./c/../d/"];
    for (number, target) in targets.iter().enumerate() {
        let at = format!("/var/lib/links/to-{number}");
        add(&mut tree, at.as_bytes(), 0o777, 0, Kind::Symlink((*target).into()));
    }
    // What another one owns in an account's directory.
    add(&mut tree, b"/var/lib/h", 0o750, 1500, Kind::Directory(Entries::new()));
    add(&mut tree, b"/var/lib/h/of root", 0o700, 0, Kind::Directory(Entries::new()));
    add(&mut tree, b"/var/lib/h/of root/f", 0o4750, 1500, Kind::Regular(b"1".to_vec()));
    add(&mut tree, b"/var/lib/h/of root/l", 0o777, 0, Kind::Symlink(b"../x".as_slice().into()));
    add(&mut tree, b"/var/lib/h/of root/odd\nname", 0o600, 1501, Kind::Regular(b"2".to_vec()));
    add(&mut tree, b"/var/lib/h/of root/sub", 0o2770, 1501, Kind::Directory(Entries::new()));
    add(&mut tree, b"/var/lib/h/of root/sub/f", 0o600, 0, Kind::Regular(b"3".to_vec()));
    add(&mut tree, b"/var/lib/h/f", 0o600, 0, Kind::Regular(b"4".to_vec()));
    add(&mut tree, b"/var/lib/h/empty", 0o711, 0, Kind::Directory(Entries::new()));
    add(&mut tree, b"/var/lib/lost\nname", 0o600, 0, Kind::Regular(b"5".to_vec()));
    add(&mut tree, b"/var/lib/pipe", 0o600, 0, Kind::Fifo);
    tree
}

/// Every path below `/var`, with its mode, owner, kind and content.
fn listed(tree: &Tree<Vec<u8>>) -> BTreeMap<ImagePath, String> {
    let mut all = BTreeMap::new();
    for (at, _, node) in tree.walk().filter(|(at, ..)| at.as_bytes().starts_with(b"/var/")) {
        let kind = match &node.kind {
            Kind::Directory(_) => "directory".to_owned(),
            Kind::Regular(content) => format!("file {:?}", content.escape_ascii().to_string()),
            Kind::Symlink(target) => format!("link {:?}", target.escape_ascii().to_string()),
            Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => "special".to_owned(),
        };
        let access = node.stat.xattrs.get(ACCESS.as_bytes()).map(hex);
        let mode = if matches!(node.kind, Kind::Symlink(_)) { 0o777 } else { node.stat.mode };
        all.insert(at, format!("{mode:o} {}:{} {kind} {access:?}", node.stat.uid, node.stat.gid));
    }
    all
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same of a directory.
fn made(root: &Path) -> BTreeMap<ImagePath, String> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![root.join("var")];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let at = entry.unwrap().path();
            let meta = fs::symlink_metadata(&at).unwrap();
            let kind = if meta.is_dir() {
                waiting.push(at.clone());
                "directory".to_owned()
            } else if meta.is_symlink() {
                let target = fs::read_link(&at).unwrap();
                format!("link {:?}", target.as_os_str().as_bytes().escape_ascii().to_string())
            } else {
                format!("file {:?}", fs::read(&at).unwrap().escape_ascii().to_string())
            };
            let mut value = [0; 256];
            let access = rustix::fs::lgetxattr(&at, ACCESS, &mut value).ok().map(|length| hex(&value[..length]));
            let mode = meta.permissions().mode() & 0o7777;
            let name = [b"/", at.strip_prefix(root).unwrap().as_os_str().as_bytes()].concat();
            all.insert(path(&name), format!("{mode:o} {}:{} {kind} {access:?}", meta.uid(), meta.gid()));
        }
    }
    all
}

/// Writes a tree into a directory.
fn write(tree: &Tree<Vec<u8>>, root: &Path) {
    for (at, _, node) in tree.walk().skip(1) {
        let at = root.join(OsStr::from_bytes(at.relative()));
        match &node.kind {
            Kind::Directory(_) => fs::create_dir(&at).unwrap(),
            Kind::Regular(content) => fs::write(&at, content).unwrap(),
            Kind::Symlink(target) => symlink(OsStr::from_bytes(target), &at).unwrap(),
            Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => panic!("it cannot be shipped"),
        }
        lchown(&at, Some(node.stat.uid), Some(node.stat.gid)).unwrap();
        if !matches!(node.kind, Kind::Symlink(_)) {
            fs::set_permissions(&at, fs::Permissions::from_mode(node.stat.mode.into())).unwrap();
        }
    }
}

fn formed(tree: &mut Tree<Vec<u8>>) -> NodeForm {
    let base = Tree::new(Stat::root_owned(0o755, Mtime::default()));
    let name = |id: u32, name: &str| (id, name.to_owned());
    let names = [name(0, "root"), name(1500, "h"), name(1501, "g")];
    let named = Named { users: names.clone().into(), groups: names.into() };
    let form = Form {
        name: "x",
        base: &base,
        named: &named,
        sysusers: "",
        links: &[],
        files: &[],
        directories: &[],
        may_ship: &|_| true,
        epoch: Epoch::from_seconds(1).unwrap(),
    };
    let mut whole = tree.clone();
    node_form(tree, &mut whole, &form).unwrap()
}

#[test]
fn systemd_tmpfiles_makes_what_a_module_has_in_var() {
    let mut tree = var();
    let mut wanted = listed(&tree);
    let done = formed(&mut tree);
    let lost: Vec<String> = done.lost.iter().map(ToString::to_string).collect();
    assert_eq!(lost, [path(b"/var/lib/lost\nname").to_string(), "/var/lib/pipe".to_owned()]);
    wanted.retain(|at, _| done.in_var.contains(at));
    let root = tempfile::tempdir().unwrap();
    write(&tree, root.path());
    fs::create_dir(root.path().join("var")).unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/passwd"), "root:x:0:0::/:/\nh:x:1500:1500::/:/\ng:x:1501:1501::/:/\n").unwrap();
    fs::write(root.path().join("etc/group"), "root:x:0:\nh:x:1500:\ng:x:1501:\n").unwrap();
    // The second time, all is there.
    for _ in 0..2 {
        let mut option = std::ffi::OsString::from("--root=");
        option.push(root.path());
        let output = run(Command::new("systemd-tmpfiles").arg("--create").arg(option).arg("zz-module-x.conf"));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(made(root.path()), wanted);
    }
}

#[test]
fn units_have_the_names_that_systemd_escape_gives() {
    let mut random = testkit::Random::from_environment();
    let letters: Vec<char> = "ab.-_:@/ %\\é\"'$+~,".chars().collect();
    let mut paths: Vec<PathBuf> = vec!["/etc/hs/a.key".into(), "/etc/hs-a.key".into(), "/.x".into()];
    for _ in 0..60 {
        let length = 1 + usize::try_from(random.below(20)).unwrap();
        let text: String =
            (0..length).map(|_| letters[usize::try_from(random.below(letters.len() as u64)).unwrap()]).collect();
        paths.push(Path::new("/etc/x").join(format!("k{text}k")));
    }
    paths.retain(|path| ImagePath::new(path.as_os_str().as_bytes()).is_ok());
    for at in paths {
        let at = at.to_str().unwrap();
        let at = path(at.as_bytes());
        let Ok(declared) = TextPath::parse(&String::from_utf8_lossy(at.as_bytes())) else { continue };
        let escaped = run(Command::new("systemd-escape").arg("--path").arg(OsStr::from_bytes(at.as_bytes()))).stdout;
        let escaped = String::from_utf8(escaped).unwrap();
        let start = FirstStart { command: vec!["/bin/make".to_owned()], user: None };
        let rules = ClosureRules { secrets: [(declared, start)].into(), ..ClosureRules::default() };
        let stat = Stat::root_owned(0o600, Mtime::default());
        let secret = Secret { path: at, kind: SecretKind::Unknown, stat: stat.clone() };
        let whole: Tree<Vec<u8>> = Tree::new(stat);
        let names = |_: &Stat| ("root".to_owned(), "root".to_owned());
        let context = Context {
            name: "m",
            whole: &whole,
            shipped: &whole,
            rules: &rules,
            names: &names,
            services: &[],
            ids: &|_| None,
            base: &whole,
        };
        let first = first_starts(&[secret], &[], &context);
        let unit = first.made[0].unit.as_bytes().to_vec();
        let wanted = format!("/usr/lib/systemd/system/module-m-{}.service", escaped.trim_end());
        assert_eq!(String::from_utf8(unit).unwrap(), wanted);
    }
}
