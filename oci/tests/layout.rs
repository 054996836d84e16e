//! Layouts, written and read, without a peer.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use host::scratch::MARK;
use host::{Dir, Fault, Pinned, Scratch};
use model::manifest::Kind;
use model::{Arch, Digest};
use oci::layout::{self, Artifact, Blob, Content, Layout, Listed, Written};
use oci::media::{self, annotation};
use oci::{Descriptor, Error};
use serde_json::{Value, json};

fn artifact(arch: Arch, files: &Path) -> Artifact {
    let tar = files.join(format!("{arch}.tar"));
    fs::write(&tar, arch.debian().repeat(700_000)).unwrap();
    let layer = |title: &str, content| Blob {
        media_type: media::parts(Kind::Module).media_type(title).unwrap().into(),
        title: Some(title.into()),
        content,
    };
    Artifact {
        kind: Kind::Module,
        arch,
        config: Blob {
            media_type: media::CONFIG.into(),
            title: None,
            content: Content::Bytes(b"{\"name\":\"x\"}".to_vec()),
        },
        layers: vec![
            layer("module.tar", file(&tar)),
            layer("module.cfs", Content::Bytes(format!("image of {arch}").into_bytes())),
            layer("file-list.txt", Content::Bytes(b"/etc/x\n".to_vec())),
        ],
        annotations: BTreeMap::from([
            (annotation::FSVERITY.into(), "ab".repeat(32)),
            (annotation::BUILT_AT.into(), "2023-11-14T22:13:20Z".into()),
            (annotation::FINGERPRINT.into(), Digest::of(b"f").to_string()),
            (annotation::VERSION.into(), "1.0".into()),
        ]),
    }
}

/// A file that is copied.
fn file(path: &Path) -> Content {
    let (directory, name) = Dir::parent_of(path).unwrap();
    let (digest, size) = layout::digest(path).unwrap_or((Digest::of(b""), 0));
    Content::File { directory: Arc::new(directory), name: name.into_string().unwrap(), digest, size, is_moved: false }
}

/// Writes the layout at a path.
fn write(directory: &Path, tag: &str, artifacts: &[Artifact]) -> Result<Written, Error> {
    let parent = Pinned::new(directory.parent().unwrap()).unwrap().create().unwrap();
    layout::write(&parent, directory.file_name().unwrap(), tag, artifacts)
}

/// Every file of a directory with its mode and content.
fn snapshot(directory: &Path) -> BTreeMap<PathBuf, (u32, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(next) = pending.pop() {
        let metadata = next.metadata().unwrap();
        let content = metadata.is_file().then(|| fs::read(&next).unwrap());
        if metadata.is_dir() {
            pending.extend(fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert(next.strip_prefix(directory).unwrap().to_owned(), (metadata.permissions().mode(), content));
    }
    found
}

struct World {
    root: tempfile::TempDir,
    artifacts: Vec<Artifact>,
}

fn world() -> World {
    let root = tempfile::tempdir().unwrap();
    let artifacts = [Arch::Amd64, Arch::Arm64, Arch::Armhf].map(|arch| artifact(arch, root.path())).into();
    World { root, artifacts }
}

impl World {
    fn written(&self) -> PathBuf {
        let directory = self.root.path().join("dist/oci");
        write(&directory, "v1", &self.artifacts).unwrap();
        directory
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_layout_holds_what_the_contract_says() {
    let world = world();
    let directory = world.root.path().join("dist/oci");
    let written = write(&directory, "v1", &world.artifacts).unwrap();
    assert_eq!(json_of(&directory.join("oci-layout")), json!({"imageLayoutVersion": "1.0.0"}));

    let blob = |digest: Digest| json_of(&directory.join("blobs/sha256").join(digest.hex()));
    let index = blob(written.index);
    assert_eq!(index["mediaType"], media::IMAGE_INDEX);
    assert_eq!(index["schemaVersion"], 2);
    assert_eq!(index["artifactType"], media::ARTIFACT);
    let platforms: Vec<&Value> = index["manifests"].as_array().unwrap().iter().map(|m| &m["platform"]).collect();
    assert_eq!(
        platforms,
        [
            &json!({"os": "linux", "architecture": "amd64"}),
            &json!({"os": "linux", "architecture": "arm64"}),
            &json!({"os": "linux", "architecture": "arm", "variant": "v7"}),
        ]
    );
    for (artifact, descriptor) in world.artifacts.iter().zip(index["manifests"].as_array().unwrap()) {
        assert_eq!(descriptor["annotations"], json!(artifact.annotations));
        assert_eq!(descriptor["artifactType"], media::ARTIFACT);
        assert_eq!(descriptor["mediaType"], media::IMAGE_MANIFEST);
        assert_eq!(descriptor["digest"], written.manifests[&artifact.arch].to_string());
        let manifest = blob(written.manifests[&artifact.arch]);
        assert_eq!(manifest["mediaType"], media::IMAGE_MANIFEST);
        assert_eq!(manifest["artifactType"], media::ARTIFACT);
        assert_eq!(manifest["annotations"], json!(artifact.annotations));
        let config = Digest::of(b"{\"name\":\"x\"}").to_string();
        assert_eq!(manifest["config"], json!({"mediaType": media::CONFIG, "digest": config, "size": 12}));
        let tar = artifact.arch.debian().repeat(700_000);
        assert_eq!(
            manifest["layers"][0],
            json!({
                "mediaType": media::TAR, "digest": Digest::of(tar.as_bytes()).to_string(), "size": tar.len(),
                "annotations": {annotation::TITLE: "module.tar"},
            })
        );
    }
    let entries = json_of(&directory.join("index.json"));
    let tags: Vec<&Value> = entries["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["annotations"][annotation::REF_NAME])
        .collect();
    assert_eq!(tags, ["v1", "v1-amd64", "v1-arm64", "v1-armhf"]);
}

#[test]
fn order_place_and_repetition_leave_no_trace() {
    let world = world();
    let wanted = snapshot(&world.written());
    for (number, rotation) in [1, 2, 0].into_iter().enumerate() {
        let mut artifacts = world.artifacts.clone();
        artifacts.rotate_left(rotation);
        let directory = world.root.path().join(format!("other/{number}"));
        write(&directory, "v1", &artifacts).unwrap();
        write(&directory, "v1", &artifacts).unwrap();
        assert!(snapshot(&directory) == wanted);
    }
    for (path, (mode, content)) in wanted {
        assert_eq!(mode & 0o7777, if content.is_some() { 0o644 } else { 0o755 }, "{}", path.display());
    }
}

#[test]
fn files_are_copied_not_shared() {
    let world = world();
    let directory = world.written();
    for entry in fs::read_dir(directory.join("blobs/sha256")).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().nlink(), 1);
    }
    assert!(world.root.path().join("amd64.tar").exists());
}

#[test]
fn what_was_written_reads_back() {
    let world = world();
    let directory = world.root.path().join("oci");
    let written = write(&directory, "v1", &world.artifacts).unwrap();
    let Layout { indexes, manifests, .. } = layout::read(&directory).unwrap();
    assert_eq!((indexes.len(), manifests.len()), (1, 3));
    assert_eq!(indexes[0].descriptor.tag(), Some("v1"));
    assert_eq!(indexes[0].descriptor.digest, written.index);
    for ((artifact, inside), tagged) in world.artifacts.iter().zip(&indexes[0].manifests).zip(&manifests) {
        assert_eq!(tagged.descriptor.tag(), Some(&*format!("v1-{}", artifact.arch)));
        assert_eq!(inside.descriptor.annotations, artifact.annotations);
        for Listed { descriptor, manifest } in [inside, tagged] {
            assert_eq!(descriptor.arch(), Some(artifact.arch));
            assert_eq!(manifest.artifact_type.as_deref(), Some(media::ARTIFACT));
            assert_eq!(manifest.annotations, artifact.annotations);
            assert_eq!(descriptor.digest, written.manifests[&artifact.arch]);
            let config = directory.join("blobs/sha256").join(manifest.config.digest.hex());
            assert_eq!(fs::read(config).unwrap(), b"{\"name\":\"x\"}");
            let titles: Vec<_> = manifest.layers.iter().map(Descriptor::title).collect();
            assert_eq!(titles, [Some("module.tar"), Some("module.cfs"), Some("file-list.txt")]);
        }
    }
}

#[test]
fn a_layout_is_replaced_and_other_directories_are_left_alone() {
    let world = world();
    let directory = world.written();
    let first = snapshot(&directory);
    write(&directory, "v2", &world.artifacts[..1]).unwrap();
    assert!(snapshot(&directory) != first);
    assert_eq!(layout::read(&directory).unwrap().manifests.len(), 1);

    let precious = world.root.path().join("precious");
    fs::create_dir(&precious).unwrap();
    write(&precious, "v1", &world.artifacts).unwrap();
    fs::remove_dir_all(&precious).unwrap();
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("thesis.txt"), "years of work").unwrap();
    let refused = write(&precious, "v1", &world.artifacts);
    assert!(matches!(refused, Err(Error::NotALayout { .. })));
    assert!(precious.join("thesis.txt").exists());
    fs::write(directory.join("blobs/sha256/thesis"), "years of work").unwrap();
    assert!(matches!(write(&directory, "v1", &world.artifacts), Err(Error::NotALayout { .. })));
    fs::rename(directory.join("blobs/sha256/thesis"), directory.join("blobs/sha256").join("a".repeat(64))).unwrap();
    assert!(matches!(write(&directory, "v1", &world.artifacts), Err(Error::NotALayout { .. })));
    fs::remove_file(directory.join("blobs/sha256").join("a".repeat(64))).unwrap();
    write(&directory, "v1", &world.artifacts).unwrap();
    let file = world.root.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(write(&file, "v1", &world.artifacts), Err(Error::NotALayout { .. })));
    assert_eq!(hidden(world.root.path()), 0);
}

/// How many directories in the making are left.
fn hidden(directory: &Path) -> usize {
    fs::read_dir(directory)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().as_encoded_bytes().starts_with(b"."))
        .count()
}

#[test]
fn a_failure_half_way_leaves_what_was_there_and_nothing_else() {
    let world = world();
    let directory = world.written();
    let before = snapshot(&directory);
    let mut artifacts = world.artifacts.clone();
    artifacts[2].layers[0].content = file(&world.root.path().join("none"));
    assert!(matches!(write(&directory, "v2", &artifacts), Err(Error::Host(error)) if error.is_not_found()));
    artifacts[2].layers[0].content = file(Path::new("/dev/null"));
    let refused = write(&directory, "v2", &artifacts);
    assert!(matches!(refused, Err(Error::Host(host::Error::Place { fault: Fault::NotAFile(_), .. }))));
    assert!(snapshot(&directory) == before);
    assert_eq!(hidden(directory.parent().unwrap()), 0);
    let absent = world.root.path().join("absent");
    assert!(write(&absent, "v2", &artifacts).is_err());
    assert!(!absent.exists());
}

#[test]
fn a_file_that_is_moved_becomes_the_blob_that_a_copy_would_have_been() {
    let world = world();
    let copied = world.written();
    let mut artifacts = world.artifacts.clone();
    for artifact in &mut artifacts {
        let Content::File { is_moved, .. } = &mut artifact.layers[0].content else { panic!("the tar is a file") };
        *is_moved = true;
    }
    let moved = world.root.path().join("moved");
    write(&moved, "v1", &artifacts).unwrap();
    assert!(snapshot(&moved) == snapshot(&copied));
    for artifact in &mut artifacts {
        let Content::File { directory, name, size, .. } = &mut artifact.layers[0].content else {
            panic!("as set above")
        };
        let path = directory.join(name);
        assert!(!path.exists(), "the file is the blob now");
        fs::write(path, "shorter").unwrap();
        *size = 8;
    }
    assert!(matches!(write(&moved, "v1", &artifacts), Err(Error::Changed { expected: 8, found: 7, .. })));
}

#[test]
fn what_a_killed_build_left_is_removed() {
    let world = world();
    let dead = |name: &str| {
        let left = world.root.path().join("dist").join(name);
        fs::create_dir_all(left.join("new/blobs/sha256")).unwrap();
        fs::write(left.join("new/index.json"), "{").unwrap();
        left
    };
    let (left, theirs) = (dead(".oci.partial-dead"), dead(".oci.partial-mine"));
    let marked = Scratch::new(&Dir::open(world.root.path()).unwrap(), ".").unwrap();
    fs::copy(marked.path().join(MARK), left.join(MARK)).unwrap();
    world.written();
    assert!(!left.exists());
    assert!(theirs.join("new/index.json").exists(), "no run marked it");
}

#[test]
fn bad_tags_and_bad_sets_of_artifacts_are_refused() {
    let world = world();
    let directory = world.root.path().join("oci");
    let long = "a".repeat(123);
    for tag in ["", ".a", "-a", "a/b", "a:b", "a b", "\u{e4}", "a\n", &long] {
        assert!(matches!(write(&directory, tag, &world.artifacts), Err(Error::Malformed(_))), "{tag}");
    }
    assert!(matches!(write(&directory, "v1", &[]), Err(Error::NoArtifact)));
    let twice = [world.artifacts[0].clone(), world.artifacts[0].clone()];
    assert!(matches!(write(&directory, "v1", &twice), Err(Error::DuplicateArch { arch: Arch::Amd64 })));
    assert!(!directory.exists());
}

/// Applies `change` to a JSON file of the layout and gives what reading says then.
fn after(path: &str, change: impl FnOnce(&mut Value)) -> Result<Layout, Error> {
    let world = world();
    let directory = world.written();
    let file = directory.join(path);
    let mut value = json_of(&file);
    change(&mut value);
    fs::write(&file, serde_json::to_vec(&value).unwrap()).unwrap();
    layout::read(&directory)
}

#[test]
fn unknown_versions_and_media_types_are_refused() {
    let version = |result| matches!(result, Err(Error::UnknownVersion { .. }));
    assert!(version(after("oci-layout", |v| v["imageLayoutVersion"] = json!("1.1.0"))));
    assert!(version(after("index.json", |v| v["schemaVersion"] = json!(1))));
    let media = |result| matches!(result, Err(Error::MediaType { .. }));
    assert!(media(after("index.json", |v| v["mediaType"] = json!(media::IMAGE_MANIFEST))));
    assert!(media(after("index.json", |v| v["manifests"][0]["mediaType"] = json!("application/x"))));
    // An index that poses as a manifest has no config.
    let posing = after("index.json", |v| v["manifests"][0]["mediaType"] = json!(media::IMAGE_MANIFEST));
    assert!(media(posing));
    assert!(after("index.json", |v| v["manifests"] = json!(null)).is_err());
    assert!(after("oci-layout", |v| *v = json!([])).is_err());
}

#[test]
fn paths_out_of_the_layout_are_impossible() {
    for digest in ["sha256:../../../../etc/passwd", "sha512:00", "md5:00", "", "../x", "sha256:AB"] {
        let result = after("index.json", |v| v["manifests"][0]["digest"] = json!(digest));
        assert!(matches!(result, Err(Error::Json { .. })), "{digest}: {result:?}");
    }
    let sha512 = format!("sha512:{}", "0".repeat(128));
    let result = after("index.json", |v| v["manifests"][0]["digest"] = json!(sha512));
    assert!(matches!(result, Err(Error::Json { .. })), "{result:?}");
}

#[test]
fn sizes_and_digests_are_checked() {
    let result = after("index.json", |v| v["manifests"][0]["size"] = json!(7));
    assert!(matches!(result, Err(Error::SizeMismatch { expected: 7, .. })));
    let result = after("index.json", |v| v["manifests"][1] = v["manifests"][0].clone());
    assert!(matches!(result, Err(Error::DuplicateTag { .. })));
    let world = world();
    let directory = world.written();
    for entry in fs::read_dir(directory.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(matches!(layout::read(&directory), Err(Error::DigestMismatch { .. })));
        fs::write(&path, &good[1..]).unwrap();
        assert!(matches!(layout::read(&directory), Err(Error::SizeMismatch { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(layout::read(&directory), Err(Error::Missing { .. })));
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(matches!(layout::read(&directory), Err(Error::Misplaced(_))));
        fs::remove_file(&path).unwrap();
        fs::write(&path, &good).unwrap();
    }
    assert!(layout::read(&directory).is_ok());
    fs::write(directory.join("index.json"), vec![b' '; 5 << 20]).unwrap();
    assert!(matches!(layout::read(&directory), Err(Error::TooLarge { .. })));
}

#[test]
fn a_document_that_is_listed_again_and_again_is_not_read_for_ever() {
    let list = |times: usize| {
        let world = world();
        let directory = world.written();
        let index = json_of(&directory.join("index.json"));
        let manifest = index["manifests"].as_array().unwrap().iter().find(|v| v["mediaType"] == media::IMAGE_MANIFEST);
        let mut manifest = manifest.unwrap().clone();
        manifest["annotations"] = json!({});
        let digest: model::Digest = manifest["digest"].as_str().unwrap().parse().unwrap();
        let mut bytes = fs::read(directory.join("blobs/sha256").join(digest.hex())).unwrap();
        // Blanks are JSON, too.
        bytes.resize(1 << 20, b' ');
        let digest = model::Digest::of(&bytes);
        fs::write(directory.join("blobs/sha256").join(digest.hex()), &bytes).unwrap();
        manifest["digest"] = json!(digest.to_string());
        manifest["size"] = json!(bytes.len());
        let listed = json!({ "schemaVersion": 2, "manifests": vec![manifest; times] });
        fs::write(directory.join("index.json"), listed.to_string()).unwrap();
        layout::read(&directory)
    };
    assert_eq!(list(64).unwrap().manifests.len(), 64);
    assert!(matches!(list(65), Err(Error::TooManyDocuments { .. })));
}

#[test]
fn no_damage_to_the_documents_makes_the_reader_panic() {
    let mut random = testkit::Random::from_environment();
    let world = world();
    let directory = world.root.path().join("small");
    let mut artifacts = world.artifacts[..1].to_vec();
    artifacts[0].layers[0].content = Content::Bytes(b"a small archive".to_vec());
    write(&directory, "v1", &artifacts).unwrap();
    for name in ["index.json", "oci-layout"] {
        let path = directory.join(name);
        let good = fs::read(&path).unwrap();
        for _ in 0..1000 {
            let mut bad = good.clone();
            let at = usize::try_from(random.below(bad.len() as u64)).unwrap();
            match random.below(3) {
                0 => bad[at] = (random.bits() & 0xff) as u8,
                1 => bad.truncate(at),
                _ => drop(bad.remove(at)),
            }
            fs::write(&path, &bad).unwrap();
            let _ = layout::read(&directory);
        }
        fs::write(&path, &good).unwrap();
    }
    assert!(layout::read(&directory).is_ok());
}
