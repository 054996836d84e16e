#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, reason = "a panic is a failed test")]

use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use host::Dir;
use model::Epoch;

use super::*;
use crate::composefs::{self, Entry, INLINE_LIMIT};
use crate::error::Error;
use crate::object::{ObjectSink, Objects};
use crate::tree::{Kind, Mtime, Node, NodeId, Stat, Tree};
use crate::verity;

/// A tree with files of these contents, of which `spool` takes the objects.
fn tree(contents: &[Vec<u8>], spool: &Spool) -> Tree<Entry> {
    let stat = || Stat::root_owned(0o755, Mtime::default());
    let mut tree = Tree::new(stat());
    for (number, content) in contents.iter().enumerate() {
        let (size, digest) = (content.len() as u64, verity::digest(content));
        let entry = match size {
            0 => Entry::Empty,
            1..=INLINE_LIMIT => Entry::Inline(content.as_slice().into()),
            _ => Entry::Object { size, digest },
        };
        if let Entry::Object { .. } = entry {
            spool.small(&digest, content).unwrap();
        }
        let id = tree.add(Node { stat: stat(), kind: Kind::Regular(entry) }).unwrap();
        tree.link(NodeId::ROOT, format!("f{number}").as_bytes(), id).unwrap();
    }
    tree
}

fn contents(random: &mut testkit::Random) -> Vec<Vec<u8>> {
    let sizes = [0, 64, 65, 511, 512, 513, 4096, 70_000, 262_143, 262_144, 300_000, 1 << 20, 5 << 20, 1000, 1000, 1000];
    sizes.map(|size| random.bytes(size)).into()
}

struct Made {
    directory: tempfile::TempDir,
    spool: Spool,
    tree: Tree<Entry>,
    image: Vec<u8>,
}

fn make(contents: &[Vec<u8>]) -> Made {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::create(&Dir::open(directory.path()).unwrap()).unwrap();
    let tree = tree(contents, &spool);
    let image = composefs::write(&tree).unwrap();
    Made { directory, spool, tree, image }
}

impl Made {
    fn plan<'a>(&'a self, digest: &'a VerityDigest) -> Plan<'a> {
        let parts = Parts { manifest: b"{\"name\":\"x\"}", image: &self.image, image_digest: digest };
        Plan::new(&parts, &self.tree, &self.spool, Epoch::from_seconds(1_700_000_000).unwrap())
    }

    fn tar(&self) -> PathBuf {
        let path = self.directory.path().join("module.tar");
        let digest = verity::digest(&self.image);
        let directory = self.dir();
        let tar = Place { directory: &directory, name: "module.tar" };
        write(&self.plan(&digest), Targets { tar: Some(tar), packed: None }).unwrap();
        path
    }

    fn dir(&self) -> Dir {
        Dir::open(self.directory.path()).unwrap()
    }
}

fn opened(made: &Made, path: &Path) -> Opened {
    open(File::open(path).unwrap(), path, made.directory.path()).unwrap()
}

#[test]
fn an_archive_is_the_same_bytes_for_any_order_and_number_of_threads() {
    let contents = contents(&mut testkit::Random::from_environment());
    let mut seen: Option<(Vec<u8>, Written, Vec<u8>)> = None;
    for threads in [1, 2, 5] {
        let made = make(&contents);
        let tar = std::fs::read(made.tar()).unwrap();
        let digest = verity::digest(&made.image);
        let path = made.directory.path().join("module.tar.zst");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let both = made.directory.path().join("module.tar");
        let directory = made.dir();
        let place = |name| Place { directory: &directory, name };
        let targets = Targets { tar: Some(place("module.tar")), packed: Some((place("module.tar.zst"), LEVEL)) };
        let written = pool.install(|| write(&made.plan(&digest), targets).unwrap());
        assert!(std::fs::read(&both).unwrap() == tar, "written alone and along with the compressed form");
        let blob = std::fs::read(&path).unwrap();
        let of = |bytes: &[u8]| Blob { sha256: model::Digest::of(bytes), size: bytes.len() as u64 };
        assert_eq!(written, Written { tar: of(&tar), packed: Some(of(&blob)) });
        assert_eq!(zstd::decode_all(&*blob).unwrap(), tar);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
        let this = (tar, written, blob);
        if let Some(seen) = &seen {
            assert!(*seen == this, "{threads} threads give other bytes");
        }
        seen = Some(this);
    }
}

#[test]
fn the_order_of_the_spool_leaves_no_trace() {
    let mut random = testkit::Random::from_environment();
    let contents = contents(&mut random);
    let made = make(&contents);
    let wanted = std::fs::read(made.tar()).unwrap();
    let spool = Spool::create(&made.dir()).unwrap();
    for content in contents.iter().rev().filter(|content| content.len() > 64) {
        spool.small(&verity::digest(content), content).unwrap();
    }
    let other = Made { spool, ..made };
    assert!(std::fs::read(other.tar()).unwrap() == wanted);
}

#[test]
fn the_tar_crate_reads_what_is_specified() {
    let contents = contents(&mut testkit::Random::from_environment());
    let made = make(&contents);
    let mut archive = tar::Archive::new(File::open(made.tar()).unwrap());
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        let directory = header.entry_type().is_dir();
        assert_eq!(header.mode().unwrap(), if directory { 0o755 } else { 0o644 });
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 1_700_000_000));
        assert_eq!((header.username(), header.groupname()), (Ok(Some("")), Ok(Some(""))));
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        if let Some(object) = name.strip_prefix(OBJECTS).filter(|name| name.len() > 3) {
            assert_eq!(verity::digest(&content).object_path(), object);
            assert!(contents.contains(&content));
        }
        names.push(name);
    }
    assert_eq!(names[..4], [MANIFEST, DIGEST, IMAGE, OBJECTS]);
    assert!(names[4..].is_sorted());
    let files = names.iter().filter(|name| !name.ends_with('/')).count();
    assert_eq!(files - 3, contents.iter().filter(|content| content.len() > 64).count());
}

#[test]
fn a_module_without_objects_has_no_directory_for_them() {
    let made = make(&[vec![1; 64]]);
    let opened = opened(&made, &made.tar());
    assert!(opened.archive.objects.is_empty());
    assert_eq!(opened.boundaries().len(), 4);
}

#[test]
fn plain_and_compressed_archives_read_back_and_compress_to_the_same() {
    let contents = contents(&mut testkit::Random::from_environment());
    let made = make(&contents);
    let tar = made.tar();
    let packed = made.directory.path().join("packed");
    let directory = made.dir();
    let only_packed = |name| Targets { tar: None, packed: Some((Place { directory: &directory, name }, LEVEL)) };
    let first = write(&opened(&made, &tar), only_packed("packed")).unwrap();
    let opened = opened(&made, &packed);
    let archive = &opened.archive;
    assert!(archive.is_compressed);
    assert_eq!(archive.epoch.seconds(), 1_700_000_000);
    assert_eq!(archive.manifest, b"{\"name\":\"x\"}");
    assert_eq!(archive.image, made.image);
    assert_eq!(archive.image_digest, verity::digest(&made.image));
    let digest = verity::digest(&made.image);
    assert_eq!(write(&made.plan(&digest), only_packed("second")).unwrap(), first);
    for content in contents.iter().filter(|content| content.len() > 64) {
        let extent = opened.locate(&verity::digest(content), content.len() as u64).unwrap();
        let mut bytes = vec![0; content.len()];
        extent.file.read_exact_at(&mut bytes, extent.offset).unwrap();
        assert!(bytes == *content);
    }
}

#[test]
fn an_object_that_was_not_kept_is_an_error_and_leaves_no_archive() {
    let made = make(&[vec![1; 100]]);
    let made = Made { spool: Spool::create(&made.dir()).unwrap(), ..made };
    let digest = verity::digest(&made.image);
    let directory = made.dir();
    let place = |name| Place { directory: &directory, name };
    let all = Targets { tar: Some(place("module.tar")), packed: Some((place("module.tar.zst"), LEVEL)) };
    for targets in [all, Targets { packed: None, ..all }, Targets { tar: None, ..all }] {
        assert!(matches!(write(&made.plan(&digest), targets), Err(Error::MissingObject { size: 100, .. })));
    }
    assert_eq!(std::fs::read_dir(made.directory.path()).unwrap().count(), 0);
}

#[test]
fn sizes_of_eight_gibibytes_and_more_are_written_in_base_256() {
    let made = make(&[]);
    let mut tree = made.tree.clone();
    let size = (8 << 30) + 5;
    let huge = Entry::Object { size, digest: VerityDigest::new([1; 32]) };
    let stat = Stat::root_owned(0o644, Mtime::default());
    let id = tree.add(Node { stat, kind: Kind::Regular(huge) }).unwrap();
    tree.link(NodeId::ROOT, b"huge", id).unwrap();
    let made = Made { tree, ..made };
    let digest = verity::digest(&made.image);
    let plan = made.plan(&digest);
    let boundaries = plan.boundaries();
    let mut block = [0; 512];
    plan.read_exact_at(boundaries[boundaries.len() - 2], &mut block).unwrap();
    let header = tar::Header::from_byte_slice(&block);
    assert_eq!(header.entry_size().unwrap(), size);
    assert_eq!(header.as_old().size[0], 0x80);
    assert_eq!(plan.size() % BLOCK, 0);
}

mod hostile;

#[test]
fn a_plan_shows_how_much_there_is_and_no_content() {
    let made = make(&[b"x".repeat(65), b"secret".repeat(100)]);
    let digest = verity::digest(&made.image);
    // Manifest, digest and image; four directories at least and two objects.
    let text = format!("{:?}", made.plan(&digest));
    assert!(text.starts_with("Plan { entries: ") && text.ends_with(" }") && !text.contains("secret"), "{text}");
    let size = made.plan(&digest).size();
    assert!(text.contains(&format!("size: {size}")) && size == std::fs::metadata(made.tar()).unwrap().len());
}
