//! Differences that `rebuild` must blame on the right step, by the right bytes.
//!
//! A build by another tool, of which one step works differently, is made up: the results of a build
//! from other inputs are put in the place of the first build's, with a record that says the true
//! inputs, the true digests of the steps before, and the other build's from there on. Where the step is
//! one that only writes, its output is written differently, and everything that holds it with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use image::{archive, composefs, diff, verity};
use model::Arch;
use model::manifest::Kind;
use oci::Descriptor;
use oci::layout::{self, Artifact, Blob, Content};
use oci::media;
use serde_json::{Value, json};

use crate::small::Small;

const DIST: &str = "m/dist";
const STAGES: [&str; 4] = ["rootfs", "scrub", "overlay", "filter"];

/// A module with a root file system that holds a key of the host, which is scrubbed.
fn world() -> Small {
    let small = Small::new();
    small.write("root/etc/ssh/ssh_host_rsa_key", "a key of this host\n");
    small
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn write_json(path: &Path, value: &Value) {
    fs::write(path, format!("{value:#}\n")).unwrap();
}

/// Puts the results of a build after `change` in the place of the true one's, as those of a tool whose
/// step `stage` works differently.
fn built_differently(stage: &str, change: impl FnOnce(&Small)) -> Small {
    let (small, other) = (world(), world());
    change(&other);
    small.build(DIST);
    other.build(DIST);
    let truth = read_json(&small.path(DIST).join("build.json"));
    fs::remove_dir_all(small.path(DIST)).unwrap();
    fs::rename(other.path(DIST), small.path(DIST)).unwrap();
    let path = small.path(DIST).join("build.json");
    let mut record = read_json(&path);
    record["inputs"] = truth["inputs"].clone();
    for name in STAGES.iter().take_while(|name| **name != stage) {
        record["stages"][name] = truth["stages"][name].clone();
    }
    if record["stages"][stage] == truth["stages"][stage] {
        // What the change did was seen later only; the made-up tool saw it here.
        record["stages"][stage] = json!(format!("sha256:{}", "5".repeat(64)));
    }
    write_json(&path, &record);
    small
}

/// Writes the outputs of the one build differently, and records them as they are then.
fn written_differently(change: impl FnOnce(&Path)) -> Small {
    let small = world();
    small.build(DIST);
    let dist = small.path(DIST);
    change(&dist);
    let path = dist.join("build.json");
    let mut record = read_json(&path);
    for (name, output) in record["outputs"].as_object_mut().unwrap() {
        let (digest, size) = layout::digest(&dist.join(name)).unwrap();
        *output = json!({ "sha256": digest, "size": size });
    }
    write_json(&path, &record);
    small
}

/// Writes the layout of `dist` again, with layers and annotations as `change` leaves them.
fn relay(dist: &Path, change: impl FnOnce(&mut Artifact)) {
    let read = layout::read(&dist.join("oci")).unwrap();
    let manifest = &read.indexes[0].manifests[0];
    let manifest = &manifest.manifest;
    let blob = |blob: &Descriptor| Blob {
        media_type: blob.media_type.clone(),
        title: blob.title().map(str::to_owned),
        content: Content::Bytes(fs::read(dist.join("oci/blobs/sha256").join(blob.digest.hex())).unwrap()),
    };
    let mut artifact = Artifact {
        kind: Kind::Module,
        arch: Arch::Amd64,
        config: blob(&manifest.config),
        layers: manifest.layers.iter().map(blob).collect(),
        annotations: manifest.annotations.clone(),
    };
    let before = fs::read(dist.join("oci/index.json")).unwrap();
    let directory = host::Dir::open(dist).unwrap();
    fs::remove_dir_all(dist.join("oci")).unwrap();
    layout::write(&directory, "oci", "latest", std::slice::from_ref(&artifact)).unwrap();
    assert_eq!(fs::read(dist.join("oci/index.json")).unwrap(), before, "the test writes as the tool does");
    fs::remove_dir_all(dist.join("oci")).unwrap();
    change(&mut artifact);
    layout::write(&directory, "oci", "latest", &[artifact]).unwrap();
}

fn layer<'a>(artifact: &'a mut Artifact, media_type: &str) -> &'a mut Blob {
    artifact.layers.iter_mut().find(|layer| layer.media_type == media_type).unwrap()
}

/// Rebuilds, and checks that every difference is blamed on a layer that `expected` names for the file,
/// by the bytes that really differ. Without a name of its own a file has that of `*`.
fn check(small: &Small, target: &str, expected: &[(&str, &str)]) -> Vec<String> {
    let again = small.path("again");
    let _ = fs::remove_dir_all(&again);
    let arguments = ["rebuild", target, "-C", "m", "--rootfs", "root", "--keep", "again"];
    let (code, report) = small.json(&arguments);
    assert_eq!((code, &report["same"]), (5, &json!(false)), "{report}");
    let expected: BTreeMap<&str, &str> = expected.iter().copied().collect();
    let second = if target.ends_with("oci") { again.join("oci") } else { again };
    let (old, new) = (paths(&small.path(target)), paths(&second));
    let mut seen = Vec::new();
    for difference in report["differences"].as_array().unwrap() {
        let file = difference["file"].as_str().unwrap();
        let wanted = expected.get(file).or_else(|| expected.get("*")).unwrap_or_else(|| panic!("{file} differs"));
        assert_eq!(difference["layer"], *wanted, "{file}: {report:#}");
        match (old.get(file), new.get(file)) {
            (Some(before), Some(after)) => bytes_are_right(difference, before, after),
            (before, after) => {
                assert_eq!(difference.get("bytes"), None, "{file}");
                assert_eq!(difference.get("size_before").is_some(), before.is_some(), "{file}");
                assert_eq!(difference.get("size_after").is_some(), after.is_some(), "{file}");
            }
        }
        seen.push(file.to_owned());
    }
    // And nothing that differs is left out.
    let differs = |name: &&String| match (old.get(*name), new.get(*name)) {
        (Some(a), Some(b)) => fs::read(a).unwrap() != fs::read(b).unwrap(),
        _ => true,
    };
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).filter(differs).collect();
    assert_eq!(seen.iter().collect::<BTreeSet<_>>(), all);
    seen
}

/// Each file by the name that `rebuild` gives it.
fn paths(directory: &Path) -> BTreeMap<String, PathBuf> {
    let inside = if directory.ends_with("oci") { directory.to_owned() } else { directory.join("oci") };
    let prefix = if directory == inside { "" } else { "oci/" };
    let mut found = BTreeMap::new();
    for (folder, prefix) in [(directory, ""), (inside.as_path(), prefix)] {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            found.insert(format!("{prefix}{}", entry.file_name().to_str().unwrap()), entry.path());
        }
    }
    let index = &layout::read(&inside).unwrap().indexes[0];
    let blob = |digest: &model::Digest| inside.join("blobs/sha256").join(digest.hex());
    found.insert(format!("{prefix}index of latest"), blob(&index.descriptor.digest));
    found.insert(format!("{prefix}manifest of amd64"), blob(&index.manifests[0].descriptor.digest));
    let parts = index.manifests[0].blobs();
    found.extend(parts.map(|part| (format!("{prefix}{} of amd64", part.title().unwrap()), blob(&part.digest))));
    found
}

/// Whether the bytes that are reported are those that a plain comparison finds.
fn bytes_are_right(difference: &Value, before: &Path, after: &Path) {
    let (a, b) = (fs::read(before).unwrap(), fs::read(after).unwrap());
    let at = |index: &usize| a.get(*index) != b.get(*index);
    let places: Vec<usize> = (0..a.len().max(b.len())).filter(at).collect();
    let bytes = &difference["bytes"];
    assert_eq!(bytes["differing"], places.len(), "{difference}");
    assert_eq!((&difference["size_before"], &difference["size_after"]), (&json!(a.len()), &json!(b.len())));
    assert_eq!(bytes["ranges"][0]["offset"], places[0], "{difference}");
    for range in bytes["ranges"].as_array().unwrap() {
        let offset = usize::try_from(range["offset"].as_u64().unwrap()).unwrap();
        let length = usize::try_from(range["length"].as_u64().unwrap()).unwrap();
        assert!(at(&offset) && at(&(offset + length - 1)), "a place begins and ends with a difference: {range}");
        for (side, told) in [(&a, &range["before"]), (&b, &range["after"])] {
            let shown = side.get(offset..).unwrap_or_default().iter().take(length.min(16));
            let hex: String = shown.map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(*told, hex, "{range}");
        }
    }
}

/// What differs when other files are shipped: everything but the layout's mark and the two inputs.
const SHIPPED: [&str; 9] = [
    "build.json",
    "composefs.digest",
    "module.cfs",
    "module.tar",
    "oci/index of latest",
    "oci/index.json",
    "oci/manifest of amd64",
    "oci/module.cfs of amd64",
    "oci/module.tar.zst of amd64",
];

fn and_the_lists() -> Vec<&'static str> {
    let mut names = SHIPPED.to_vec();
    names.splice(2..2, ["file-list.json", "file-list.txt"]);
    names
}

#[test]
fn a_root_file_system_that_came_out_differently_is_blamed() {
    let small = built_differently("rootfs", |other| other.write("root/etc/more", "more\n"));
    assert_eq!(check(&small, DIST, &[("*", "rootfs")]), and_the_lists());
}

#[test]
fn scrubbing_that_came_out_differently_is_blamed() {
    // A tool that lets the host's key through: here it comes by the overlay, which no one scrubs.
    let small = built_differently("scrub", |other| other.write("m/rootfs/etc/ssh/ssh_host_rsa_key", "a key\n"));
    assert_eq!(check(&small, DIST, &[("*", "scrub")]), and_the_lists());
    let text = small.show(&["rebuild", DIST, "--rootfs", "root"]);
    assert!(text.contains("file-list.txt (132 B -> 106 B): scrubbing came out differently (scrub)"), "{text}");
}

#[test]
fn an_overlay_that_came_out_differently_is_blamed() {
    let small = built_differently("overlay", |other| other.mode("m/rootfs/etc/page.html", 0o755));
    assert_eq!(check(&small, DIST, &[("*", "overlay")]), SHIPPED);
}

#[test]
fn a_filter_that_came_out_differently_is_blamed_also_by_the_layout_alone() {
    let change = |other: &Small| other.edit("m/manifest.yaml", |text| text.replace("/etc/***", "/etc/conf"));
    let small = built_differently("filter", |other| {
        change(other);
        other.edit("m/manifest.yaml", |text| text.replace("/etc/conf", "/etc/c*"));
    });
    // The other manifest is in the artifact too: a file that is an input, and here was made up with it.
    let names = check(&small, DIST, &[("manifest.json", "filter"), ("*", "filter")]);
    assert!(names.contains(&"file-list.txt".to_owned()), "{names:?}");
    let names = check(&small, "m/dist/oci", &[("*", "filter")]);
    assert!(names.contains(&"module.cfs of amd64".to_owned()), "{names:?}");
}

/// An image that holds the same and is not the same: one byte that no reader of the tree looks at.
fn other_image(bytes: &[u8]) -> Vec<u8> {
    let tree = composefs::read(bytes).unwrap();
    for at in 0..bytes.len() {
        let mut other = bytes.to_vec();
        other[at] ^= 1;
        if composefs::read(&other).is_ok_and(|read| diff::compare(&tree, &read).is_empty()) {
            return other;
        }
    }
    panic!("every byte of the image counts");
}

#[test]
fn an_image_that_holds_the_same_and_is_written_differently_is_blamed() {
    let small = written_differently(|dist| {
        let other = other_image(&fs::read(dist.join("module.cfs")).unwrap());
        let digest = verity::digest(&other);
        fs::write(dist.join("composefs.digest"), archive::digest_file(&digest)).unwrap();
        relay(dist, |artifact| {
            artifact.annotations.insert(media::annotation::FSVERITY.to_owned(), digest.hex());
            layer(artifact, media::COMPOSEFS).content = Content::Bytes(other.clone());
        });
        fs::write(dist.join("module.cfs"), other).unwrap();
    });
    let names: Vec<&str> = SHIPPED.into_iter().filter(|name| !name.contains("module.tar")).collect();
    assert_eq!(check(&small, DIST, &[("*", "image")]), names);
    let names = ["index of latest", "index.json", "manifest of amd64", "module.cfs of amd64"];
    assert_eq!(check(&small, "m/dist/oci", &[("*", "image")]), names);
}

#[test]
fn a_tar_that_is_written_differently_is_blamed() {
    let small = written_differently(|dist| {
        let mut tar = fs::read(dist.join("module.tar")).unwrap();
        tar.extend([0; 10_240]);
        fs::write(dist.join("module.tar"), tar).unwrap();
    });
    assert_eq!(check(&small, DIST, &[("*", "tar")]), ["build.json", "module.tar"]);
}

/// A frame without content, which every decompressor skips.
const EMPTY_FRAME: [u8; 8] = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];

#[test]
fn a_compressor_that_works_differently_is_blamed_for_the_layout_too() {
    let small = written_differently(|dist| {
        relay(dist, |artifact| {
            let Content::Bytes(bytes) = &mut layer(artifact, media::TAR_ZSTD).content else { unreachable!() };
            bytes.extend(EMPTY_FRAME);
        });
    });
    let names: Vec<&str> = SHIPPED
        .into_iter()
        .filter(|name| *name == "build.json" || name.starts_with("oci/") && !name.contains("cfs"))
        .collect();
    assert_eq!(check(&small, DIST, &[("*", "tar")]), names);
    assert_eq!(check(&small, "m/dist/oci", &[("*", "tar")]).len(), names.len() - 1);
}

#[test]
fn a_layout_that_is_written_differently_is_blamed() {
    let small = written_differently(|dist| {
        relay(dist, |artifact| drop(artifact.annotations.insert("org.example.more".to_owned(), "more".to_owned())));
    });
    let names = ["build.json", "oci/index of latest", "oci/index.json", "oci/manifest of amd64"];
    assert_eq!(check(&small, DIST, &[("*", "layout")]), names);
    let (_, out, err) = small.run(&["rebuild", DIST, "--rootfs", "root"]);
    let files: Vec<&str> = out.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).collect();
    let expected = [
        "  build.json: the layout came out differently (layout)",
        "  oci/index of latest (779 B -> 753 B): the layout came out differently (layout)",
        "  oci/index.json (1.0 KiB -> 1015 B): the layout came out differently (layout)",
        "  oci/manifest of amd64 (1.2 KiB -> 1.1 KiB): the layout came out differently (layout)",
    ];
    assert_eq!(files, expected);
    assert!(err.ends_with("and `diff` says by path what differs from it\n"), "{err}");
}

#[test]
fn later_damage_is_told_from_a_step_that_came_out_differently() {
    let small = built_differently("filter", |other| other.write("m/rootfs/etc/zzz", "more\n"));
    // One file was changed since, one taken away, one added.
    small.edit("m/dist/package-list.txt", |text| text + "web\t1\tall\n");
    small.remove("m/dist/composefs.digest");
    small.write("m/dist/stray", "stray");
    small.edit("m/dist/oci/oci-layout", |text| text.replace("1.0.0", "1.0.0 "));
    let (code, report) = small.json(&["rebuild", DIST, "--rootfs", "root"]);
    assert_eq!(code, 5);
    let layers: BTreeMap<&str, &str> = report["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["file"].as_str().unwrap(), it["layer"].as_str().unwrap()))
        .collect();
    for damaged in ["composefs.digest", "oci/oci-layout", "package-list.txt", "stray"] {
        assert_eq!(layers[damaged], "after_the_build", "{layers:?}");
    }
    for different in ["build.json", "file-list.txt", "module.cfs", "module.tar", "oci/index.json"] {
        assert_eq!(layers[different], "filter", "{layers:?}");
    }
}

#[test]
fn a_record_whose_steps_were_changed_later_blames_no_file() {
    let small = world();
    small.build(DIST);
    let path = small.path(DIST).join("build.json");
    let mut record = read_json(&path);
    record["stages"]["overlay"] = json!(format!("sha256:{}", "5".repeat(64)));
    write_json(&path, &record);
    let (code, report) = small.json(&["rebuild", DIST, "--rootfs", "root"]);
    let differences = report["differences"].as_array().unwrap();
    assert_eq!((code, differences.len(), &differences[0]["file"]), (5, 1, &json!("build.json")), "{report}");
    assert_eq!(differences[0]["layer"], "overlay", "which the record says, and nothing proves wrong");

    // The same record in other words.
    small.build(DIST);
    let record = read_json(&path);
    fs::write(&path, record.to_string()).unwrap();
    let (code, report) = small.json(&["rebuild", DIST, "--rootfs", "root"]);
    let differences = report["differences"].as_array().unwrap();
    assert_eq!((code, differences.len(), &differences[0]["layer"]), (5, 1, &json!("after_the_build")), "{report}");
}
