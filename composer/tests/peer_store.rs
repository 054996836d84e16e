//! Strangers judge the object store and `module.tar`: C composefs, fsverity, GNU tar, bsdtar, zstd.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use composer::hashing::{Hashed, hash_files};
use composer::scan::{self, Options};
use image::archive::{self, Parts, Plan, Spool, Targets};
use image::store::Store;
use image::{Tree, composefs, verity};
use model::observe::Silent;
use model::{Epoch, VerityDigest};
use testkit::{Random, peer, peer_path, run, stdout};

/// Sizes where something begins or ends: inline content, blocks, tar blocks, copying in the kernel,
/// streaming.
const SIZES: [usize; 16] =
    [0, 1, 64, 65, 511, 512, 513, 4095, 4096, 4097, 65_536, 262_144, 524_288, 524_289, 1 << 20, (3 << 20) + 1];

/// Writes a directory of files, some of them with equal contents.
fn random_tree(root: &Path, random: &mut Random) {
    let mut directories = vec![root.to_owned()];
    for number in 0..12 {
        let directory = random.pick(&directories).join(format!("d{number}"));
        fs::create_dir(&directory).unwrap();
        directories.push(directory);
    }
    let mut contents: Vec<Vec<u8>> = SIZES.iter().map(|size| random.bytes(*size)).collect();
    contents.extend((0..60).map(|_| {
        let size = random.below(20_000);
        random.bytes(usize::try_from(size).unwrap())
    }));
    for (number, content) in contents.iter().enumerate() {
        for copy in 0..=random.below(2) {
            let mode = *random.pick(&[0o644, 0o755, 0o4755, 0o400]);
            let path = random.pick(&directories).join(format!("f{number}-{copy}"));
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// Every entry below a directory: type and mode, link count of files, content.
fn listing(root: &Path) -> BTreeMap<PathBuf, (u32, u64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let (links, content) = if metadata.is_dir() {
                pending.push(path.clone());
                (0, Vec::new())
            } else {
                (metadata.nlink(), fs::read(&path).unwrap())
            };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), (metadata.mode(), links, content));
        }
    }
    found
}

struct World {
    root: tempfile::TempDir,
    hashed: Tree<Hashed>,
    spool: Spool,
    image: Vec<u8>,
}

/// A random tree that went through sealing into a store and a spool.
fn world() -> World {
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("source");
    fs::create_dir(&source).unwrap();
    random_tree(&source, &mut Random::from_environment());
    let tree = scan::directory(&source, &Options::default()).unwrap();
    let directory = host::Dir::open(root.path()).unwrap();
    let store = Store::create(directory.directory_or_new("store", 0o755).unwrap()).unwrap();
    let spool = Spool::create(&directory).unwrap();
    let hashed = hash_files(tree, &[&store, &spool], None, &Silent).unwrap();
    store.sync().unwrap();
    let image = composefs::write(&hashed).unwrap();
    World { root, hashed, spool, image }
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn plan<'a>(&'a self, digest: &'a VerityDigest) -> Plan<'a> {
        let parts = Parts { manifest: b"{}", image: &self.image, image_digest: digest };
        Plan::new(&parts, &self.hashed, &self.spool, Epoch::from_seconds(1_700_000_000).unwrap())
    }

    /// Writes `module.tar` and `module.tar.zst`.
    fn archives(&self) -> (PathBuf, PathBuf) {
        let (tar, packed) = (self.path("module.tar"), self.path("module.tar.zst"));
        let digest = verity::digest(&self.image);
        let directory = host::Dir::open(self.root.path()).unwrap();
        let place = |name| archive::Place { directory: &directory, name };
        let targets =
            Targets { tar: Some(place("module.tar")), packed: Some((place("module.tar.zst"), archive::LEVEL)) };
        archive::write(&self.plan(&digest), targets).unwrap();
        (tar, packed)
    }
}

#[test]
fn the_store_is_what_mkcomposefs_makes_of_the_same_tree() {
    let world = world();
    let theirs = world.path("theirs");
    run(peer("mkcomposefs")
        .args(["--min-version=1", "--max-version=1"])
        .arg(format!("--digest-store={}", theirs.display()))
        .arg(world.path("source"))
        .arg(world.path("theirs.cfs")));
    let (ours, theirs) = (listing(&world.path("store")), listing(&theirs));
    assert!(ours.len() > SIZES.len());
    assert!(ours.keys().eq(theirs.keys()), "the stores hold other names");
    assert!(ours == theirs, "the stores differ in mode, links or content");
}

#[test]
fn every_object_is_named_by_its_fsverity_digest() {
    let world = world();
    let store = world.path("store");
    let mut objects: Vec<PathBuf> = listing(&store).into_keys().filter(|path| path.components().count() == 2).collect();
    objects.sort();
    let printed = stdout(peer("fsverity").args(["digest", "--compact"]).args(&objects).current_dir(&store));
    let digests: Vec<&str> = printed.lines().collect();
    assert_eq!(digests.len(), objects.len());
    for (object, digest) in objects.iter().zip(digests) {
        assert_eq!(object.to_str().unwrap().replace('/', ""), digest);
    }
}

#[test]
fn gnu_tar_and_bsdtar_and_the_tar_crate_list_the_same_members() {
    let world = world();
    let (tar, _) = world.archives();
    let gnu = stdout(peer("tar").arg("-tf").arg(&tar));
    let bsd = stdout(peer("bsdtar").arg("-tf").arg(&tar));
    let mut archive = tar::Archive::new(fs::File::open(&tar).unwrap());
    let names: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(gnu, bsd);
    assert_eq!(gnu, names.join("\n"));
    let verbose = stdout(peer("tar").args(["--numeric-owner", "--full-time", "-tvf"]).arg(&tar));
    for line in verbose.lines() {
        let directory = line.ends_with('/');
        let mode = if directory { "drwxr-xr-x 0/0 " } else { "-rw-r--r-- 0/0 " };
        assert!(line.starts_with(mode), "{line}");
        assert!(line.contains(" 2023-11-14 22:13:20 "), "{line}");
    }
}

#[test]
fn extracted_objects_are_the_store() {
    let world = world();
    let (tar, packed) = world.archives();
    let store = listing(&world.path("store"));
    let zstd = format!("--use-compress-program={}", peer_path("zstd").display());
    let extract = |name: &str, command: &mut Command| {
        let target = world.path(name);
        fs::create_dir(&target).unwrap();
        run(command.arg("-C").arg(&target));
        assert!(listing(&target.join("objects")) == store, "{name}");
        assert_eq!(fs::read(target.join("module.cfs")).unwrap(), world.image);
        let digest = stdout(peer("fsverity").args(["digest", "--compact"]).arg(target.join("module.cfs")));
        let recorded = fs::read_to_string(target.join("composefs.digest")).unwrap();
        assert_eq!(recorded, format!("sha256:{digest}\n"));
        assert_eq!(fs::read(target.join("manifest.json")).unwrap(), b"{}");
    };
    extract("gnu", peer("tar").arg("-xpf").arg(&tar));
    extract("bsd", peer("bsdtar").arg("-xpf").arg(&tar));
    extract("gnu-zstd", peer("tar").arg(zstd).arg("-xpf").arg(&packed));
    extract("bsd-zstd", peer("bsdtar").arg("-xpf").arg(&packed));
}

#[test]
fn zstd_unpacks_to_the_plain_archive() {
    let world = world();
    let (tar, packed) = world.archives();
    let unpacked = run(peer("zstd").args(["-q", "-d", "-c"]).arg(&packed)).stdout;
    assert!(unpacked == fs::read(&tar).unwrap());
    let listed = stdout(peer("zstd").arg("-lv").arg(&packed));
    let frames = listed.lines().find(|line| line.contains("Frames")).unwrap_or_default();
    let count: u32 = frames.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(count > 2, "{listed}");
    let size = fs::metadata(&tar).unwrap().len();
    assert!(listed.contains(&format!("({size} B)")), "every frame says its content's size: {listed}");
}
