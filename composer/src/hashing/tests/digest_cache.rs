//! A second build reads what changed.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use image::archive::Spool;
use image::identity::Identity;
use image::object::{LargeObject, Objects, Origin};
use image::store::Store;

use super::*;
use crate::scan::{self, Options};

struct World {
    root: tempfile::TempDir,
}

/// Older than what a cache holds for too new. Only the time of the last change cannot be set, so
/// the tests that need it to be old wait.
const LONG_AGO: Duration = Duration::from_secs(1000);

impl World {
    fn new(contents: &[Vec<u8>]) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("tree")).unwrap();
        let world = Self { root };
        for (number, content) in contents.iter().enumerate() {
            world.put(&format!("f{number}"), content);
        }
        world
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.file(name), content).unwrap();
        let time = SystemTime::now() - LONG_AGO;
        File::options().write(true).open(self.file(name)).unwrap().set_modified(time).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.path().join("tree").join(name)
    }

    fn cache_file(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    fn scanned(&self) -> Tree<Source> {
        scan::directory(&self.root.path().join("tree"), &Options::default()).unwrap()
    }

    /// Hashes with the cache; gives the tree and the objects that were read.
    fn build(&self) -> (Tree<Hashed>, usize) {
        let (sink, cache) = (Adopting::default(), DigestCache::open(&self.cache_file()).unwrap());
        let hashed = hash_files(self.scanned(), &[&sink], Some(&cache), &Silent).unwrap();
        let (read, hits) = (sink.0.objects.into_inner().unwrap().len(), cache.hits());
        assert_eq!(read + hits, 5, "each object is either read or taken from the cache");
        cache.save().unwrap();
        (hashed, read)
    }

    /// Waits until nothing of the tree is too new to be remembered.
    fn age() {
        std::thread::sleep(Duration::from_millis(3100));
    }
}

/// Takes what it is given, and is content with what it is not given.
#[derive(Default)]
struct Adopting(Memory);

impl ObjectSink for Adopting {
    fn small(&self, digest: &VerityDigest, content: &[u8]) -> Result<(), image::Error> {
        self.0.small(digest, content)
    }

    fn large(&self, size: u64) -> Result<Box<dyn LargeObject + '_>, image::Error> {
        self.0.large(size)
    }

    fn adopt(&self, _: &VerityDigest, _: &dyn Origin, _: &Identity) -> bool {
        true
    }
}

fn contents() -> Vec<Vec<u8>> {
    let mut random = testkit::Random::from_environment();
    [0, 64, 65, 4096, 70_000, CHUNK, 3 * CHUNK].map(|size| random.bytes(size)).into()
}

#[test]
fn a_second_build_reads_only_what_changed_and_gives_the_same() {
    let world = World::new(&contents());
    let (first, read) = world.build();
    assert_eq!(read, 5, "nothing is known yet");
    let (_, read) = world.build();
    assert_eq!(read, 5, "all of it changed just now, so nothing was remembered");
    World::age();
    assert_eq!(world.build(), (first.clone(), 5));
    assert_eq!(world.build(), (first.clone(), 0));
    // The same size and the same time of writing: the time of the change shows it.
    let mut changed = fs::read(world.file("f4")).unwrap();
    changed[7] ^= 1;
    let time = world.file("f4").metadata().unwrap().modified().unwrap();
    fs::write(world.file("f4"), &changed).unwrap();
    File::options().write(true).open(world.file("f4")).unwrap().set_modified(time).unwrap();
    let (second, read) = world.build();
    assert_eq!(read, 1);
    assert_ne!(second, first);
    let plain = hash_files(world.scanned(), &[], None, &Silent).unwrap();
    assert_eq!(second, plain, "what is remembered is what reading gives");
    // Everything anew, on demand.
    let cache = DigestCache::write_only(&world.cache_file()).unwrap();
    let sink = Adopting::default();
    assert_eq!(hash_files(world.scanned(), &[&sink], Some(&cache), &Silent).unwrap(), plain);
    assert_eq!(sink.0.objects.into_inner().unwrap().len(), 5);
}

#[test]
fn a_store_that_lost_an_object_gets_it_again_and_a_spool_takes_it_from_the_source() {
    let world = World::new(&contents());
    World::age();
    let path = world.root.path().join("store");
    let build = || {
        let root = host::Pinned::new(&path).unwrap().create().unwrap();
        let (store, cache) = (Store::create(root).unwrap(), DigestCache::open(&world.cache_file()).unwrap());
        let hashed = hash_files(world.scanned(), &[&store], Some(&cache), &Silent).unwrap();
        cache.save().unwrap();
        hashed
    };
    let hashed = build();
    let (_, _, node) = hashed.walk().find(|(path, ..)| path.to_string() == "/f4").unwrap();
    let Kind::Regular(file) = &node.kind else { panic!("f4 is a file") };
    let object = path.join(file.verity.object_path());
    let content = fs::read(world.file("f4")).unwrap();
    fs::remove_file(&object).unwrap();
    assert_eq!(build(), hashed);
    assert!(fs::read(&object).unwrap() == content);
    fs::write(&object, vec![0; content.len()]).unwrap();
    assert_eq!(build(), hashed);
    assert!(fs::read(&object).unwrap() == content, "written to by somebody, which its times tell");
    let inode = |path: &PathBuf| std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
    let before = inode(&object);
    assert_eq!(build(), hashed);
    assert_eq!(inode(&object), before, "a known object stays");

    let spool = Spool::create(&host::Dir::open(world.root.path()).unwrap()).unwrap();
    let cache = DigestCache::open(&world.cache_file()).unwrap();
    assert_eq!(hash_files(world.scanned(), &[&spool], Some(&cache), &Silent).unwrap(), hashed);
    let extent = spool.locate(&file.verity, file.size).unwrap();
    let mut found = vec![0; usize::try_from(file.size).unwrap()];
    std::os::unix::fs::FileExt::read_exact_at(&*extent.file, &mut found, extent.offset).unwrap();
    assert!(found == fs::read(world.file("f4")).unwrap());
    spool.check_sources().unwrap();
    fs::write(world.file("f4"), "now something else").unwrap();
    assert!(matches!(spool.check_sources(), Err(image::Error::ChangedMeanwhile { .. })));
    assert!(matches!(spool.locate(&file.verity, file.size), Err(image::Error::ChangedMeanwhile { .. })));
}

#[test]
fn members_of_an_archive_are_remembered_too() {
    let world = World::new(&contents());
    let tar = world.root.path().join("rootfs.tar");
    let mut builder = tar::Builder::new(File::create(&tar).unwrap());
    builder.append_dir_all(".", world.root.path().join("tree")).unwrap();
    builder.into_inner().unwrap();
    World::age();
    let build = || {
        let (sink, cache) = (Adopting::default(), DigestCache::open(&world.cache_file()).unwrap());
        let hashed =
            hash_files(scan::archive(&tar, &Options::default()).unwrap(), &[&sink], Some(&cache), &Silent).unwrap();
        cache.save().unwrap();
        (hashed, sink.0.objects.into_inner().unwrap().len())
    };
    let (first, read) = build();
    assert_eq!(read, 5);
    assert_eq!(build(), (first, 0));
}
