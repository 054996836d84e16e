//! What strangers say of files: listings, digests, mounts, a web server.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use model::path::escape;
use model::{Digest, VerityDigest};
use testkit::{Mounted, peer, run, stdout};

use crate::world::World;

/// One file as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub path: String,
    pub kind: char,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    links: u64,
    size: u64,
    device: u64,
    content: String,
    xattrs: String,
}

/// Every file below `root`, the root itself first.
pub fn listing(root: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    visit(root, root, &mut entries);
    entries.sort();
    entries
}

fn visit(root: &Path, path: &Path, entries: &mut Vec<Entry>) {
    entries.push(entry(root, path));
    if path.symlink_metadata().unwrap().is_dir() {
        for child in fs::read_dir(path).unwrap() {
            visit(root, &child.unwrap().path(), entries);
        }
    }
}

fn entry(root: &Path, path: &Path) -> Entry {
    let stat = path.symlink_metadata().unwrap();
    let kind = stat.file_type();
    let (letter, content) = if kind.is_dir() {
        ('d', String::new())
    } else if kind.is_symlink() {
        ('l', escape(fs::read_link(path).unwrap().as_os_str().as_bytes()))
    } else if kind.is_file() {
        ('f', Digest::of(&fs::read(path).unwrap()).hex())
    } else {
        ('o', String::new())
    };
    Entry {
        path: escape(path.strip_prefix(root).unwrap().as_os_str().as_bytes()),
        kind: letter,
        mode: stat.mode(),
        owner: (stat.uid(), stat.gid()),
        mtime: (stat.mtime(), stat.mtime_nsec()),
        // What a directory's size and link count mean is up to the file system.
        links: if kind.is_dir() { 0 } else { stat.nlink() },
        size: if kind.is_dir() { 0 } else { stat.size() },
        device: stat.rdev(),
        content,
        xattrs: xattrs(path),
    }
}

fn xattrs(path: &Path) -> String {
    let output = run(Command::new("getfattr").args(["-h", "-d", "-m", "-", "-e", "hex", "--absolute-names"]).arg(path));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join(" ")
}

/// Fails with the first differences, one side beside the other.
pub fn assert_same(ours: &[Entry], theirs: &[Entry]) {
    for (our, their) in ours.iter().zip(theirs) {
        assert_eq!(our, their);
    }
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.len() > 30, "only {} entries", ours.len());
}

/// What `fsverity digest` says.
pub fn fsverity(path: &Path) -> VerityDigest {
    let text = stdout(peer("fsverity").arg("digest").arg(path));
    text.split(' ').next().unwrap().parse().unwrap()
}

/// A module mounted by the kernel: EROFS, and overlayfs over it with the objects as data. Fields
/// are dropped in order: first the overlay, then the image under it.
pub struct Module {
    overlay: Mounted,
    _image: Mounted,
    _folder: tempfile::TempDir,
}

impl Module {
    pub fn path(&self) -> &Path {
        self.overlay.path()
    }
}

/// Mounts the world's module.
pub fn mount_module(world: &World) -> Module {
    let folder = tempfile::tempdir().unwrap();
    let (image, merged) = (folder.path().join("image"), folder.path().join("merged"));
    fs::create_dir(&image).unwrap();
    fs::create_dir(&merged).unwrap();
    let file = world.dist.join("module.cfs");
    let image = Mounted::new(&["-t", "erofs", "-o", "ro", file.to_str().unwrap()], &image);
    let options =
        format!("ro,metacopy=on,redirect_dir=on,lowerdir={}::{}", image.path().display(), world.objects.display());
    let overlay = Mounted::new(&["-t", "overlay", "overlay", "-o", &options], &merged);
    Module { overlay, _image: image, _folder: folder }
}

/// Mounts the module over a base tree, starts its nginx there in a network namespace of its own, and
/// gives back the page that it serves.
pub fn serve(world: &World, module: &Path) -> String {
    let base = world.base();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let (upper, work, node) = (path("upper"), path("work"), path("node"));
    let options = format!(
        "lowerdir={}:{},upperdir={},workdir={}",
        module.display(),
        base.display(),
        upper.display(),
        work.display()
    );
    let node = Mounted::new(&["-t", "overlay", "overlay", "-o", &options], &node);
    // nginx is a child of this shell and ends with it; `timeout` ends both if anything hangs.
    let script = r#"
        ip link set lo up
        chroot "$1" /usr/sbin/nginx -g 'daemon off;' &
        nginx=$!
        trap 'kill $nginx; wait $nginx' EXIT
        curl --silent --show-error --fail --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1/
    "#;
    stdout(Command::new("timeout").args(["60", "unshare", "--net", "sh", "-eu", "-c", script, "sh"]).arg(node.path()))
}
