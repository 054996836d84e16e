//! Strangers read the layouts that we write: oras and skopeo.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use model::manifest::Kind;
use model::{Arch, Digest};
use oci::Tag;
use oci::content::{ContentStore as _, Options, copy};
use oci::layout::{self, Artifact, Blob, Content, Store, Written};
use oci::media::{self, annotation};
use testkit::{peer, run, stdout};

const IMAGE: &[u8] = &[7; 50_000];

struct World {
    root: tempfile::TempDir,
    written: Written,
}

fn world() -> World {
    let root = tempfile::tempdir().unwrap();
    let artifacts = [Arch::Amd64, Arch::Arm64].map(|arch| Artifact {
        kind: Kind::Module,
        arch,
        config: Blob {
            media_type: media::CONFIG.into(),
            title: None,
            content: Content::Bytes(b"{\"name\":\"nginx\"}".to_vec()),
        },
        layers: vec![
            Blob {
                media_type: media::TAR.into(),
                title: Some("module.tar".into()),
                content: Content::Bytes(b"an archive".to_vec()),
            },
            Blob {
                media_type: media::COMPOSEFS.into(),
                title: Some("module.cfs".into()),
                content: Content::Bytes(IMAGE.into()),
            },
            Blob {
                media_type: media::TEXT.into(),
                title: Some("file-list.txt".into()),
                content: Content::Bytes(arch.debian().into()),
            },
        ],
        annotations: BTreeMap::from([(annotation::FSVERITY.into(), "ab".repeat(32))]),
    });
    let written = layout::write(&host::Dir::open(root.path()).unwrap(), "lay", "v1", &artifacts).unwrap();
    World { root, written }
}

impl World {
    /// Runs `oras` in the directory that holds the layout `lay`.
    fn oras(&self, arguments: &[&str]) -> String {
        stdout(peer("oras").args(arguments).current_dir(self.root.path()))
    }

    fn skopeo(&self, arguments: &[&str]) -> String {
        stdout(peer("skopeo").args(arguments).current_dir(self.root.path()))
    }

    fn blob(&self, digest: Digest) -> String {
        fs::read_to_string(self.root.path().join("lay/blobs/sha256").join(digest.hex())).unwrap()
    }
}

fn digest_of_tag(layout: &Path, tag: &str) -> String {
    let index: serde_json::Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["annotations"][annotation::REF_NAME] == tag).unwrap();
    entry["digest"].as_str().unwrap().to_owned()
}

#[test]
fn oras_fetches_and_discovers_every_tag() {
    let world = world();
    let (index, amd64) = (world.written.index, world.written.manifests[&Arch::Amd64]);
    assert_eq!(world.oras(&["manifest", "fetch", "--oci-layout", "lay:v1"]), world.blob(index));
    assert_eq!(world.oras(&["manifest", "fetch", "--oci-layout", "lay:v1-amd64"]), world.blob(amd64));
    assert_eq!(world.oras(&["repo", "tags", "--oci-layout", "lay"]), "v1\nv1-amd64\nv1-arm64");
    for (tag, digest) in [("v1", index), ("v1-amd64", amd64)] {
        let shown = world.oras(&["discover", "--format", "json", "--oci-layout", &format!("lay:{tag}")]);
        assert!(shown.contains(&digest.to_string()), "{shown}");
    }
    let platform = ["manifest", "fetch", "--platform", "linux/arm64", "--oci-layout", "lay:v1"];
    assert_eq!(world.oras(&platform), world.blob(world.written.manifests[&Arch::Arm64]));
}

#[test]
fn oras_pulls_files_under_their_titles() {
    let world = world();
    world.oras(&["pull", "--oci-layout", "lay:v1-amd64", "-o", "by-tag"]);
    world.oras(&["pull", "--platform", "linux/arm64", "--oci-layout", "lay:v1", "-o", "by-platform"]);
    for (directory, arch) in [("by-tag", "amd64"), ("by-platform", "arm64")] {
        let directory = world.root.path().join(directory);
        assert_eq!(fs::read(directory.join("module.cfs")).unwrap(), IMAGE);
        assert_eq!(fs::read_to_string(directory.join("file-list.txt")).unwrap(), arch);
    }
    let reference = format!("lay@{}", Digest::of(IMAGE));
    world.oras(&["blob", "fetch", "--oci-layout", &reference, "--output", "blob"]);
    assert_eq!(fs::read(world.root.path().join("blob")).unwrap(), IMAGE);
}

#[test]
fn oras_copies_the_whole_and_keeps_the_digest() {
    let world = world();
    world.oras(&["cp", "--from-oci-layout", "lay:v1", "--to-oci-layout", "copy:v9"]);
    let copy = world.root.path().join("copy");
    assert_eq!(digest_of_tag(&copy, "v9"), world.written.index.to_string());
    let read = layout::read(&copy).unwrap();
    let index = read.indexes.iter().find(|index| index.descriptor.tag() == Some("v9")).unwrap();
    assert_eq!(index.manifests.len(), 2);
}

#[test]
fn skopeo_reads_every_tag_as_it_is() {
    let world = world();
    let (index, amd64) = (world.written.index, world.written.manifests[&Arch::Amd64]);
    assert_eq!(world.skopeo(&["inspect", "--raw", "oci:lay:v1"]), world.blob(index));
    assert_eq!(world.skopeo(&["inspect", "--raw", "oci:lay:v1-amd64"]), world.blob(amd64));
    let path = format!("lay/blobs/sha256/{}", index.hex());
    assert_eq!(world.skopeo(&["manifest-digest", &path]), index.to_string());
}

/// Without `--raw` skopeo reads the config as that of a container, which an artifact has not. That
/// is skopeo's decision about every artifact; this test shows when it changes.
#[test]
fn skopeo_says_that_a_module_is_no_container() {
    let world = world();
    let output = peer("skopeo").args(["inspect", "oci:lay:v1-amd64"]).current_dir(world.root.path()).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(message.contains("unsupported image-specific operation on artifact"), "{message}");
    assert!(message.contains(media::ARTIFACT), "{message}");
}

#[test]
fn skopeo_copies_one_and_all_and_keeps_the_digests() {
    let world = world();
    world.skopeo(&["--insecure-policy", "copy", "oci:lay:v1-amd64", "oci:one:x"]);
    world.skopeo(&["--insecure-policy", "copy", "--all", "oci:lay:v1", "oci:all:y"]);
    let (one, all) = (world.root.path().join("one"), world.root.path().join("all"));
    assert_eq!(digest_of_tag(&one, "x"), world.written.manifests[&Arch::Amd64].to_string());
    assert_eq!(digest_of_tag(&all, "y"), world.written.index.to_string());
    assert_eq!(layout::read(&one).unwrap().manifests.len(), 1);
    assert_eq!(layout::read(&all).unwrap().indexes[0].manifests.len(), 2);
    run(peer("skopeo").args(["inspect", "--raw", "oci:all:y"]).current_dir(world.root.path()));
}

#[test]
fn layouts_of_other_tools_are_stores_and_they_read_what_was_copied() {
    let world = world();
    world.oras(&["cp", "-r", "--from-oci-layout", "lay:v1", "--to-oci-layout", "by-oras:v1"]);
    world.skopeo(&["--insecure-policy", "copy", "oci:lay:v1-amd64", "oci:by-skopeo:v1"]);
    fs::write(world.root.path().join("note.txt"), "signed").unwrap();
    let attach = ["attach", "--oci-layout", "by-oras:v1", "--artifact-type", "application/vnd.example", "note.txt"];
    world.oras(&attach);
    let tag: Tag = "v1".parse().unwrap();
    for (name, digest) in [("by-oras", world.written.index), ("by-skopeo", world.written.manifests[&Arch::Amd64])] {
        let from = Store::open(host::Dir::open(&world.root.path().join(name)).unwrap()).unwrap();
        let root = from.resolve(&tag).unwrap().unwrap();
        assert_eq!(root.digest, digest, "{name}");
        let copied = format!("{name}-copied");
        fs::create_dir(world.root.path().join(&copied)).unwrap();
        let to = Store::create(host::Dir::open(&world.root.path().join(&copied)).unwrap()).unwrap();
        copy(&from, &root, &to, &Options::default()).unwrap();
        to.tag(&root, &tag).unwrap();
        assert_eq!(world.oras(&["manifest", "fetch", "--oci-layout", &format!("{copied}:v1")]), world.blob(digest));
        world.skopeo(&["inspect", "--raw", &format!("oci:{copied}:v1")]);
    }
    let discovered = world.oras(&["discover", "--format", "json", "--oci-layout", "by-oras-copied:v1"]);
    assert!(discovered.contains("application/vnd.example"), "{discovered}");
}
