#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;

use image::object::LargeObject;
use image::tree::{Mtime, Node, Stat};
use model::observe::{Collected, Event, Silent};

use super::file_hasher::{CHUNK, HUGE};
use super::*;

/// Keeps objects in memory and counts how often each came.
#[derive(Default)]
struct Memory {
    objects: Mutex<BTreeMap<VerityDigest, (Vec<u8>, usize)>>,
}

impl Memory {
    fn keep(&self, digest: &VerityDigest, content: &[u8]) {
        let mut objects = self.objects.lock().unwrap();
        let object = objects.entry(*digest).or_insert_with(|| (content.to_vec(), 0));
        assert_eq!(object.0, content);
        object.1 += 1;
    }
}

impl ObjectSink for Memory {
    fn small(&self, digest: &VerityDigest, content: &[u8]) -> Result<(), image::Error> {
        self.keep(digest, content);
        Ok(())
    }

    fn large(&self, _size: u64) -> Result<Box<dyn LargeObject + '_>, image::Error> {
        Ok(Box::new(Growing(self, Vec::new())))
    }
}

struct Growing<'a>(&'a Memory, Vec<u8>);

impl LargeObject for Growing<'_> {
    fn write(&mut self, chunk: &[u8]) -> Result<(), image::Error> {
        self.1.extend_from_slice(chunk);
        Ok(())
    }

    fn finish(self: Box<Self>, digest: &VerityDigest) -> Result<(), image::Error> {
        self.0.keep(digest, &self.1);
        Ok(())
    }
}

fn stat() -> Stat {
    Stat::root_owned(0o644, Mtime::default())
}

fn tree(contents: &[Source]) -> Tree<Source> {
    let mut tree = Tree::new(stat());
    for (number, source) in contents.iter().enumerate() {
        let id = tree.add(Node { stat: stat(), kind: Kind::Regular(source.clone()) }).unwrap();
        tree.link(NodeId::ROOT, format!("f{number}").as_bytes(), id).unwrap();
    }
    tree
}

fn bytes(content: &[u8]) -> Source {
    Source::Bytes(Arc::from(content))
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn every_size_is_sealed_alike_by_any_number_of_threads() {
    let mut random = testkit::Random::from_environment();
    let sizes = [0, 1, 63, 64, 65, 4095, 4096, 4097, 524_288, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 77];
    let contents: Vec<Vec<u8>> = sizes.iter().map(|size| random.bytes(*size)).collect();
    let sources: Vec<Source> = contents.iter().map(|content| bytes(content)).collect();
    let results = [1, 2, 7].map(|threads| {
        let sink = Memory::default();
        let hashed = with_threads(threads, || hash_files(tree(&sources), &[&sink], None, &Silent).unwrap());
        let objects = sink.objects.into_inner().unwrap();
        assert_eq!(objects.len(), sizes.iter().filter(|size| **size > 64).count());
        (hashed, objects)
    });
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
    for ((path, _, node), content) in results[0].0.walk().skip(1).zip(order(&contents)) {
        let Kind::Regular(hashed) = &node.kind else { panic!("{path} is a file") };
        assert_eq!(*hashed, Hashed::of(content), "{path}");
        assert_eq!(hashed.inline.as_deref(), (content.len() <= 64).then_some(&content[..]));
        assert_eq!(hashed.verity().is_some(), content.len() > 64);
    }
}

/// The contents in the byte order of the names `f0`, `f1`, `f10`, ...
fn order(contents: &[Vec<u8>]) -> Vec<&Vec<u8>> {
    let named: BTreeMap<String, &Vec<u8>> =
        contents.iter().enumerate().map(|(number, content)| (format!("f{number}"), content)).collect();
    named.into_values().collect()
}

#[test]
fn a_huge_file_has_the_digests_of_its_content() {
    let size = usize::try_from(HUGE).unwrap() + 12_345;
    let content: Vec<u8> = (0..size).map(|i| (i / 7 % 251) as u8).collect();
    let sink = Memory::default();
    let hashed = hash_files(tree(&[bytes(&content)]), &[&sink], None, &Silent).unwrap();
    let (_, _, node) = hashed.walk().nth(1).unwrap();
    assert_eq!(node.kind, Kind::Regular(Hashed::of(&content)));
    assert_eq!(sink.objects.into_inner().unwrap().into_values().next(), Some((content, 1)));
}

#[test]
fn equal_contents_and_hard_links_reach_a_sink_once() {
    let content = vec![7; 1000];
    let mut tree = tree(&vec![bytes(&content); 50]);
    let linked = tree.lookup(&ImagePath::new("/f0").unwrap()).unwrap();
    tree.link(NodeId::ROOT, b"again", linked).unwrap();
    let sink = Memory::default();
    hash_files(tree, &[&sink], None, &Silent).unwrap();
    let counts: Vec<usize> = sink.objects.into_inner().unwrap().into_values().map(|(_, count)| count).collect();
    assert_eq!(counts, [1]);
}

#[test]
fn what_no_name_leads_to_is_not_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let gone = Source::of_file(file.path());
    drop(file);
    let mut tree = tree(&[gone]);
    tree.unlink(NodeId::ROOT, b"f0");
    assert!(hash_files(tree, &[], None, &Silent).is_ok());
}

#[test]
fn a_file_that_grew_or_shrank_is_an_error() {
    for real in [10, CHUNK, 3 * CHUNK] {
        for claimed in [real as u64 - 1, real as u64 + 1, 2 * real as u64, HUGE, HUGE + 1] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&vec![1; real]).unwrap();
            let Source::File { file: host, .. } = Source::of_file(file.path()) else { panic!("it is a file") };
            let source = Source::File { file: host, size: claimed };
            let sink = Memory::default();
            let error = hash_files(tree(&[source]), &[&sink], None, &Silent).unwrap_err();
            assert!(
                matches!(&error, Error::ChangedWhileRead { path, expected, found }
                    if path.to_string() == "/f0" && *expected == claimed && *found != claimed),
                "{real} {claimed}: {error:?}"
            );
            assert!(sink.objects.into_inner().unwrap().is_empty());
        }
    }
}

#[test]
fn a_file_that_is_another_one_than_was_scanned_is_an_error_though_its_size_is_the_same() {
    for size in [10, CHUNK, 3 * CHUNK] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let changes: [&dyn Fn(); 4] = [
            &|| std::fs::write(&path, vec![2; size]).unwrap(),
            &|| {
                std::fs::write(folder.path().join("other"), vec![1; size]).unwrap();
                std::fs::rename(folder.path().join("other"), &path).unwrap();
            },
            &|| {
                std::fs::rename(&path, folder.path().join("moved")).unwrap();
                std::os::unix::fs::symlink("moved", &path).unwrap();
            },
            &|| std::fs::remove_file(&path).unwrap(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, vec![1; size]).unwrap();
            let tree = tree(&[Source::of_file(&path)]);
            // Longer than a file system's clock stands still.
            std::thread::sleep(std::time::Duration::from_millis(20));
            change();
            let error = hash_files(tree, &[], None, &Silent).unwrap_err();
            assert!(
                matches!(&error, Error::Image(image::Error::ChangedMeanwhile { .. })),
                "{size} {number}: {error:?}"
            );
        }
    }
}

#[test]
fn progress_ends_at_the_total() {
    let log = Collected::default();
    hash_files(tree(&[bytes(&vec![0; 2 * CHUNK]), bytes(&vec![0; 2 * CHUNK])]), &[], None, &log).unwrap();
    let events = log.events();
    let wanted = 4 << 20;
    let Some(&Event::Begin { task, total, .. }) = events.first() else { panic!("{events:?}") };
    assert_eq!(total, Some(wanted));
    assert!(events.contains(&Event::Progress { task, done: wanted }));
    assert_eq!(events.last(), Some(&Event::Done { task }));
}

#[test]
fn measuring_gives_the_digests_that_sealing_gives() {
    let mut random = testkit::Random::from_environment();
    let sources: Vec<Source> =
        [0, 64, 65, 5000, CHUNK, 2 * CHUNK + 1].iter().map(|size| bytes(&random.bytes(*size))).collect();
    let measured = measure(tree(&sources), &Silent).unwrap();
    let hashed = hash_files(tree(&sources), &[], None, &Silent).unwrap();
    for ((path, _, measured), (_, _, hashed)) in measured.walk().zip(hashed.walk()).skip(1) {
        let (Kind::Regular(measured), Kind::Regular(hashed)) = (&measured.kind, &hashed.kind) else {
            panic!("{path} is a file")
        };
        assert_eq!((measured.size, measured.verity, &measured.inline), (hashed.size, hashed.verity, &hashed.inline));
    }
    assert_eq!(image::composefs::write(&measured).unwrap(), image::composefs::write(&hashed).unwrap());
}

mod digest_cache;
