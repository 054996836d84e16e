//! Stores of content, and the copy of a graph from one to another.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use host::Dir;
use model::Digest;
use oci::content::{ContentStore, Copied, Descriptor, Document, Options, copy};
use oci::layout::Store;
use oci::media::{self, annotation};
use oci::{Error, Tag};
use serde_json::{Value, json};

const KIND: &str = "application/vnd.example.signature";

/// A layout in a directory of its own.
struct World {
    root: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn store(&self, name: &str) -> Store {
        fs::create_dir(self.path(name)).unwrap();
        Store::create(Dir::open(&self.path(name)).unwrap()).unwrap()
    }

    fn open(&self, name: &str) -> Store {
        Store::open(Dir::open(&self.path(name)).unwrap()).unwrap()
    }
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn put(store: &Store, media_type: &str, bytes: &[u8]) -> Descriptor {
    let descriptor = Descriptor::of(media_type, bytes);
    store.put(&descriptor, &mut &bytes[..]).unwrap();
    descriptor
}

fn put_json(store: &Store, media_type: &str, value: &Value) -> Descriptor {
    put(store, media_type, value.to_string().as_bytes())
}

fn manifest(store: &Store, layer: &[u8], subject: Option<&Descriptor>) -> Descriptor {
    let (config, layer) = (put(store, "application/json", b"{}"), put(store, "text/plain", layer));
    let mut value = json!({ "schemaVersion": 2, "config": config, "layers": [layer], "annotations": { "own": "yes" } });
    if let Some(subject) = subject {
        value["subject"] = json!(subject);
        value["artifactType"] = json!(KIND);
    }
    put_json(store, media::IMAGE_MANIFEST, &value)
}

/// An index of two manifests with a signature of itself and of the first, tagged `v1`.
fn graph(store: &Store) -> (Descriptor, [Descriptor; 2]) {
    let manifests = [manifest(store, b"one", None), manifest(store, b"two", None)];
    let index = put_json(store, media::IMAGE_INDEX, &json!({ "schemaVersion": 2, "manifests": manifests }));
    manifest(store, b"signature of one", Some(&manifests[0]));
    manifest(store, b"signature of the index", Some(&index));
    store.tag(&index, &tag("v1")).unwrap();
    (index, manifests)
}

fn blobs(path: &Path) -> usize {
    fs::read_dir(path.join("blobs/sha256")).unwrap().count()
}

#[test]
fn a_graph_arrives_whole_and_is_sent_once() {
    let world = World::new();
    let (from, to) = (world.store("from"), world.store("to"));
    let (index, [first, _]) = graph(&from);
    let copied = copy(&from, &index, &to, &Options::default()).unwrap();
    // An index, two manifests, two signatures, four layers and one config.
    assert_eq!((copied.sent, copied.present), (10, 0));
    assert_eq!(blobs(&world.path("to")), 10);
    let to = world.open("to");
    for subject in [&index, &first] {
        let found = to.referrers(&subject.digest, Some(KIND)).unwrap();
        assert_eq!(found, from.referrers(&subject.digest, None).unwrap());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].artifact_type.as_deref(), Some(KIND));
        assert_eq!(found[0].annotations["own"], "yes");
    }
    assert!(to.referrers(&index.digest, Some("other")).unwrap().is_empty());
    assert!(to.tags().unwrap().is_empty(), "a copy tags nothing");
    let again = copy(&from, &index, &to, &Options::default()).unwrap();
    assert_eq!(again, Copied { sent: 0, present: 10, bytes: 0 });
}

#[test]
fn referrers_stay_behind_where_they_are_not_wanted_and_bring_their_subject() {
    let world = World::new();
    let (from, alone, signed) = (world.store("from"), world.store("alone"), world.store("signed"));
    let (index, [first, _]) = graph(&from);
    let options = Options { referrers: false, ..Options::default() };
    assert_eq!(copy(&from, &index, &alone, &options).unwrap().sent, 6);
    assert!(alone.referrers(&index.digest, None).unwrap().is_empty());
    let signature = from.referrers(&first.digest, None).unwrap().remove(0);
    assert_eq!(copy(&from, &signature, &signed, &options).unwrap().sent, 5);
    assert!(signed.stat(&first).unwrap());
}

#[test]
fn what_was_lost_at_the_destination_is_sent_again() {
    let world = World::new();
    let (from, to) = (world.store("from"), world.store("to"));
    let (index, _) = graph(&from);
    copy(&from, &index, &to, &Options::default()).unwrap();
    let layer = Digest::of(b"two");
    fs::remove_file(world.path("to/blobs/sha256").join(layer.hex())).unwrap();
    assert_eq!(copy(&from, &index, &to, &Options::default()).unwrap().sent, 1);
    fs::write(world.path("to/index.json"), json!({ "schemaVersion": 2, "manifests": [] }).to_string()).unwrap();
    assert_eq!(copy(&from, &index, &to, &Options::default()).unwrap().sent, 0);
    assert_eq!(to.referrers(&index.digest, None).unwrap().len(), 1, "a referrer that was not listed is listed again");
}

#[test]
fn a_copy_that_fails_leaves_no_document_that_leads_to_nothing() {
    for lost in [b"two".as_slice(), b"signature of one"] {
        let world = World::new();
        let (from, to) = (world.store("from"), world.store("to"));
        let (index, _) = graph(&from);
        let path = world.path("from/blobs/sha256").join(Digest::of(lost).hex());
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 1;
        fs::write(&path, bytes).unwrap();
        let failed = copy(&from, &index, &to, &Options::default());
        assert!(matches!(failed, Err(Error::DigestMismatch { .. })), "{failed:?}");
        assert!(!to.stat(&index).unwrap());
        for entry in fs::read_dir(world.path("to/blobs/sha256")).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            let Ok(document) = Document::parse(media::IMAGE_MANIFEST, bytes, &from.place()) else { continue };
            assert!(document.children().into_iter().all(|child| to.stat(child).unwrap()));
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(copy(&from, &index, &to, &Options::default()), Err(Error::Missing { .. })));
    }
}

#[test]
fn a_graph_is_bounded_in_depth_number_and_bytes() {
    let world = World::new();
    let (from, to) = (world.store("from"), world.store("to"));
    let (mut top, _) = graph(&from);
    let exact = Options { depth: 3, count: 10, ..Options::default() };
    copy(&from, &top, &to, &exact).unwrap();
    let refused = |options| matches!(copy(&from, &top, &to, &options), Err(Error::Graph { .. }));
    assert!(refused(Options { depth: 2, ..exact }));
    assert!(refused(Options { count: 9, ..exact }));
    assert!(refused(Options { bytes: 1000, ..exact }));
    for _ in 0..20 {
        top = put_json(&from, media::IMAGE_INDEX, &json!({ "schemaVersion": 2, "manifests": [top] }));
    }
    assert!(matches!(copy(&from, &top, &to, &Options::default()), Err(Error::Graph { .. })));
}

#[test]
fn what_is_put_is_what_its_descriptor_says_or_is_not_there() {
    let world = World::new();
    let store = world.store("lay");
    let good = Descriptor::of("text/plain", b"content");
    for bad in [&b"contenu"[..], b"conten", b"content and more", b""] {
        assert!(store.put(&good, &mut &bad[..]).is_err());
        assert!(!store.stat(&good).unwrap());
    }
    let endless = store.put(&good, &mut std::io::repeat(b'c'));
    assert!(matches!(endless, Err(Error::TooLong { expected: 7, .. })), "{endless:?}");
    assert!(matches!(store.put(&good, &mut &b"conten"[..]), Err(Error::SizeMismatch { expected: 7, found: 6, .. })));
    store.put(&good, &mut &b"content"[..]).unwrap();
    assert_eq!(store.open(&good).unwrap().bytes(7).unwrap(), b"content");
    assert!(matches!(store.open(&good).unwrap().bytes(6), Err(Error::TooLarge { .. })));
    let other = Descriptor { size: 8, ..good };
    assert!(matches!(store.stat(&other), Err(Error::SizeMismatch { .. })));
    put(&store, "text/plain", b"");
    assert_eq!(fs::read_dir(world.path("lay")).unwrap().count(), 3, "nothing is left beside the layout");
}

#[test]
fn a_tag_moves_and_what_it_left_stays_listed() {
    let world = World::new();
    let store = world.store("lay");
    let (old, new) = (manifest(&store, b"old", None), manifest(&store, b"new", None));
    for name in ["v1", "latest"] {
        store.tag(&old, &tag(name)).unwrap();
        store.tag(&old, &tag(name)).unwrap();
    }
    store.tag(&new, &tag("v1")).unwrap();
    assert_eq!(store.tags().unwrap(), [tag("latest"), tag("v1")]);
    assert_eq!(store.resolve(&tag("v1")).unwrap().unwrap().digest, new.digest);
    assert_eq!(store.resolve(&tag("latest")).unwrap().unwrap().digest, old.digest);
    assert_eq!(store.resolve(&tag("v2")).unwrap(), None);
    let index: Value = serde_json::from_slice(&fs::read(world.path("lay/index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 3);
    let absent = Descriptor::of(media::IMAGE_MANIFEST, b"not there");
    assert!(matches!(store.tag(&absent, &tag("v3")), Err(Error::Missing { .. })));
}

#[test]
fn what_another_tool_wrote_into_the_index_stays() {
    let world = World::new();
    let store = world.store("lay");
    let theirs = manifest(&store, b"theirs", None);
    let mut entry = json!(theirs);
    entry["annotations"] = json!({ annotation::REF_NAME: "registry.example.com/x:v1" });
    entry["urls"] = json!(["https://example.com/"]);
    let index = json!({ "schemaVersion": 2, "manifests": [entry], "annotations": { "tool": "theirs" } });
    fs::write(world.path("lay/index.json"), index.to_string()).unwrap();
    assert!(store.tags().unwrap().is_empty(), "a whole reference is no tag");
    store.tag(&theirs, &tag("v1")).unwrap();
    let after: Value = serde_json::from_slice(&fs::read(world.path("lay/index.json")).unwrap()).unwrap();
    assert_eq!(after["annotations"], index["annotations"]);
    assert_eq!(after["manifests"][0], index["manifests"][0]);
    let twice = json!({ "schemaVersion": 2, "manifests": [after["manifests"][1], after["manifests"][1]] });
    fs::write(world.path("lay/index.json"), twice.to_string()).unwrap();
    assert!(matches!(store.resolve(&tag("v1")), Err(Error::DuplicateTag { .. })));
}

#[test]
fn a_document_is_of_one_kind_and_keeps_its_bytes() {
    let config = json!({ "mediaType": "a/b", "digest": Digest::of(b"{}"), "size": 2 });
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [], "later": true });
    let index = json!({ "schemaVersion": 2, "manifests": [] });
    let place = oci::Place::Path("x".into());
    let parse = |kind: &str, value: &Value| Document::parse(kind, value.to_string().into_bytes(), &place);
    let read = parse(media::IMAGE_MANIFEST, &manifest).unwrap();
    assert_eq!(read.raw(), manifest.to_string().as_bytes());
    assert_eq!(read.descriptor().digest, Digest::of(read.raw()));
    assert_eq!(read.descriptor().artifact_type.as_deref(), Some("a/b"), "the config's, where it has none itself");
    let with = |value: &Value, key: &str, to: Value| {
        let mut value = value.clone();
        value[key] = to;
        value
    };
    for (kind, value) in [
        (media::IMAGE_MANIFEST, &index),
        (media::IMAGE_INDEX, &manifest),
        (media::IMAGE_MANIFEST, &with(&manifest, "manifests", json!([]))),
        (media::IMAGE_INDEX, &with(&index, "layers", json!([]))),
        (media::IMAGE_INDEX, &with(&index, "config", config)),
        (media::IMAGE_MANIFEST, &with(&manifest, "fsLayers", json!([]))),
    ] {
        assert!(matches!(parse(kind, value), Err(Error::Ambiguous { .. })), "{value}");
    }
    let media = |kind: &str, value: &Value| matches!(parse(kind, value), Err(Error::MediaType { .. }));
    assert!(media("application/vnd.docker.distribution.manifest.v2+json", &manifest));
    assert!(media(media::IMAGE_MANIFEST, &with(&manifest, "mediaType", json!(media::IMAGE_INDEX))));
    let version = parse(media::IMAGE_INDEX, &with(&index, "schemaVersion", json!(1)));
    assert!(matches!(version, Err(Error::UnknownVersion { .. })));
    let doubled = r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;
    assert!(matches!(Document::parse(media::IMAGE_INDEX, doubled.into(), &place), Err(Error::Json { .. })));
    let long = vec![b' '; (4 << 20) + 1];
    assert!(matches!(Document::parse(media::IMAGE_INDEX, long, &place), Err(Error::TooLarge { .. })));
}
