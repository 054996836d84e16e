//! Finding D: layouts whose documents, descriptors and layers do not say the same.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::{Forgery, accepted, built, forged, refused, run};
use crate::small::Small;

const ARCHIVE: &str = "module.tar.zst";
const TITLE: &str = "org.opencontainers.image.title";

#[test]
fn an_archive_that_is_none_or_another_modules_is_found() {
    forged("is not a module's archive", |_, layout| layout.fill(ARCHIVE, b"the tar of another module\n"));
    forged("is not a module's archive", |_, layout| layout.fill(ARCHIVE, b""));
    let other = |change: fn(&Small)| {
        let other = Small::new();
        change(&other);
        other.build("m/dist");
        let mut forgery = Forgery::new(&other, "m/dist/oci");
        let layer = forgery.layer(ARCHIVE).clone();
        forgery.blob(&layer)
    };
    let content = other(|small| small.edit("root/etc/conf", |text| text.to_uppercase()));
    let manifest = other(|small| small.edit("m/manifest.yaml", |text| text + "description: of another\n"));
    for archive in [content, manifest] {
        forged("is not the archive of the module beside it", |_, layout| layout.fill(ARCHIVE, &archive));
    }
    forged("is not the archive of the module beside it", |small, layout| {
        // Plain, where its media type says compressed.
        layout.fill(ARCHIVE, &fs::read(small.path("m/dist/module.tar")).unwrap());
    });
}

#[test]
fn layers_that_are_missing_doubled_or_misnamed_are_found() {
    let tar = "application/vnd.powernode.module.v1+tar";
    let image = "application/vnd.powernode.composefs.v1";
    forged("has two layers with the title \"module.cfs\"", |_, layout| layout.add("module.cfs", image, b"other"));
    forged("has two layers with the title \"notes\"", |_, layout| {
        layout.add("notes", "text/plain", b"one");
        layout.add("notes", "text/plain", b"two");
    });
    forged("do not go together", |_, layout| layout.add("more.cfs", image, b"other"));
    forged("2 layers that are the archive", |_, layout| layout.add("module.tar", tar, b"other"));
    for (title, what) in [(ARCHIVE, "0 layers that are the archive"), ("module.cfs", "0 layers that are the image")] {
        forged(what, |_, layout| {
            let layers = layout.manifest["layers"].as_array_mut().unwrap();
            layers.retain(|layer| layer["annotations"][TITLE] != title);
        });
    }
    for title in ["", " ", "a b", "\u{202e}x", "../x", "/etc/passwd", ".bashrc", "a\nb", "a/b", "-rf", "a\\b"] {
        forged("is no plain file name", |_, layout| layout.add(title, "text/plain", b"text"));
    }
    forged("is no plain file name", |_, layout| drop(layout.layer(ARCHIVE)["annotations"].take()));
    for title in ["manifest.json", "composefs.digest", "build.json", "sbom.cdx.json", "module.tar"] {
        forged("do not go together", |_, layout| layout.add(title, "text/plain", b"text"));
    }
    forged("has a config that is no manifest.json", |_, layout| {
        layout.manifest["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
    });
    forged("does not list what the image holds", |_, layout| layout.add("file-list.txt", "text/plain", b"/etc/x\n"));
    // What a module asks of its node has one name and one type, and is read.
    let requirements = "application/vnd.powernode.module.requirements.v1+json";
    forged("do not go together", |_, layout| layout.add("requirements.json", "application/json", b"{}"));
    forged("do not go together", move |_, layout| layout.add("notes.json", requirements, b"{}"));
    forged("is no requirements as a build writes them", move |_, layout| {
        layout.add("requirements.json", requirements, b"{}");
    });
}

#[test]
fn layers_stand_in_one_order() {
    forged("has layers in another order", |_, layout| layout.manifest["layers"].as_array_mut().unwrap().swap(0, 1));
    forged("has layers in another order", |_, layout| {
        layout.add("notes", "text/plain", b"text");
        layout.manifest["layers"].as_array_mut().unwrap().rotate_right(1);
    });
}

#[test]
fn the_mark_of_a_layout_says_its_version_and_no_more() {
    let small = built();
    fs::write(small.path("m/dist/oci/oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\",\"more\":1}").unwrap();
    super::record_again(&small.path("m/dist"));
    refused(&small, "m/dist/oci", "oci-layout is not a valid oci-layout file");
    refused(&small, "m/dist", "oci-layout is not a valid oci-layout file");
}

#[test]
fn a_layer_that_is_not_known_is_listed() {
    let small = built();
    let mut layout = Forgery::new(&small, "m/dist/oci");
    layout.add("notes.json", "application/vnd.example+json", b"{}");
    layout.write();
    let (code, text) = run(&small, &["inspect", "m/dist/oci"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("sha256 of notes.json"), "{text}");
}

#[test]
fn descriptors_that_do_not_say_what_the_manifest_says_are_found() {
    const TIME: &str = "io.powernode.built_at";
    let in_index =
        |change: fn(&mut Value)| move |_: &Small, layout: &mut Forgery| change(&mut layout.index["manifests"][0]);
    let at_tag =
        |change: fn(&mut Value)| move |_: &Small, layout: &mut Forgery| change(&mut layout.top["manifests"][1]);
    for change in [
        (|one: &mut Value| one["annotations"][TIME] = "2020-01-01T00:00:00Z".into()) as fn(&mut Value),
        |one| one["annotations"]["io.powernode.module_id"] = "another".into(),
        |one| one["annotations"]["io.powernode.fsverity_root_hash"] = "ab".repeat(32).into(),
    ] {
        forged("which the manifest itself does not have so", in_index(change));
        forged("which the manifest itself does not have so", at_tag(change));
    }
    forged(
        "does not repeat the annotation",
        in_index(|one| drop(one["annotations"].as_object_mut().unwrap().remove(TIME))),
    );
    for change in [(|one: &mut Value| one["platform"]["os"] = "windows".into()) as fn(&mut Value), |one| {
        one["platform"]["architecture"] = "vax".into()
    }] {
        forged("no platform that is known", in_index(change));
        forged("no platform that is known", at_tag(change));
    }
    forged("no platform that is known", in_index(|one| drop(one.as_object_mut().unwrap().remove("platform"))));
    forged(
        "another platform than another descriptor does",
        at_tag(|one| one["platform"]["architecture"] = "arm64".into()),
    );
    // Both descriptors lie, and so does the tag, then.
    forged("leads the tag \"latest-amd64\" elsewhere", |_, layout| {
        layout.index["manifests"][0]["platform"]["architecture"] = "arm64".into();
        layout.top["manifests"][1]["platform"]["architecture"] = "arm64".into();
    });
    forged("names the artifactType", in_index(|one| one["artifactType"] = "application/x".into()));
    forged("names the artifactType", at_tag(|one| one["artifactType"] = "application/x".into()));
    forged("names the artifactType", |_, layout| layout.index["artifactType"] = "application/x".into());
    forged("contents or addresses of its own", in_index(|one| one["urls"] = json!(["http://mirror.example.org/x"])));
    forged("contents or addresses of its own", |_, layout| layout.layer(ARCHIVE)["data"] = "eA==".into());
    forged("says of its file", |_, layout| layout.layer(ARCHIVE)["annotations"]["io.powernode.x"] = "y".into());
    forged("says of its file", |_, layout| {
        layout.manifest["config"]["platform"] = layout.top["manifests"][1]["platform"].clone()
    });
    forged("has a subject", |_, layout| layout.manifest["subject"] = layout.top["manifests"][0].clone());
}

#[test]
fn annotations_that_the_module_itself_contradicts_are_found() {
    for name in ["io.powernode.built_at", "org.opencontainers.image.created"] {
        forged("is not what the module itself says", |_, layout| layout.annotate(name, "2020-01-01T00:00:00Z"));
    }
    for name in ["org.opencontainers.image.description", "org.opencontainers.image.licenses"] {
        forged("is not what the module itself says", |_, layout| layout.annotate(name, "other"));
    }
    forged("the files beside it say", |_, layout| {
        layout.annotate("io.powernode.fsverity_root_hash", &"ab".repeat(32));
    });
}

#[test]
fn tags_that_lead_elsewhere_than_the_index_are_found() {
    let small = built();
    let other = Small::new();
    other.edit("root/etc/conf", |text| text.to_uppercase());
    other.build("m/dist");
    let (root, theirs) = (small.path("m/dist/oci"), other.path("m/dist/oci"));
    for entry in fs::read_dir(theirs.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, root.join("blobs/sha256").join(path.file_name().unwrap())).unwrap();
    }
    let mut top = super::read_json(&root.join("index.json"));
    top["manifests"][1] = super::read_json(&theirs.join("index.json"))["manifests"][1].clone();
    fs::write(root.join("index.json"), super::canonical(&top)).unwrap();
    super::record_again(&small.path("m/dist"));
    refused(&small, "m/dist/oci", "leads the tag \"latest-amd64\" elsewhere");
    top["manifests"][1]["annotations"]["org.opencontainers.image.ref.name"] = "latest-arm64".into();
    fs::write(root.join("index.json"), super::canonical(&top)).unwrap();
    refused(&small, "m/dist/oci", "leads the tag \"latest-arm64\" elsewhere");
    // A version of its own is none of this index's business, but no part of a dist directory.
    top["manifests"][1]["annotations"]["org.opencontainers.image.ref.name"] = "v2-amd64".into();
    fs::write(root.join("index.json"), super::canonical(&top)).unwrap();
    accepted(&small, "m/dist/oci");
    refused(&small, "m/dist", "oci/ holds 2 modules");
    // Without the index the module is there all the same, as after a copy of this one tag.
    let small = built();
    let path = small.path("m/dist/oci/index.json");
    let mut top = super::read_json(&path);
    top["manifests"].as_array_mut().unwrap().remove(0);
    fs::write(&path, super::canonical(&top)).unwrap();
    super::record_again(&small.path("m/dist"));
    accepted(&small, "m/dist/oci");
    refused(&small, "m/dist", "has not the one index");
    forged("lists two manifests for amd64", |_, layout| {
        let one = layout.index["manifests"][0].clone();
        layout.index["manifests"].as_array_mut().unwrap().push(one);
    });
}

#[test]
fn documents_that_are_written_otherwise_are_found() {
    let raw = |change: fn(String) -> String| {
        move |_: &Small, layout: &mut Forgery| {
            let text = String::from_utf8(super::canonical(&layout.manifest)).unwrap();
            layout.raw_manifest = Some(change(text).into_bytes());
        }
    };
    forged("is not written as a build writes it", raw(|text| text.replacen('{', "{ ", 1)));
    forged("is not written as a build writes it", raw(|text| text.replacen('{', "{\"more\":1,", 1)));
    // Of two values a reader takes the first, and another one the second.
    forged(
        "",
        raw(|text| text.replace("\"annotations\":{\"io.", "\"annotations\":{\"io.powernode.built_at\":\"x\",\"io.")),
    );
    forged("is not written as a build writes it", |_, layout| layout.index["more"] = 1.into());
    let small = built();
    let path = small.path("m/dist/oci/index.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen('{', "{ ", 1)).unwrap();
    accepted(&small, "m/dist/oci");
    super::record_again(&small.path("m/dist"));
    refused(&small, "m/dist", "is not written as a build writes it");
}

#[test]
fn links_in_a_layout_are_not_followed() {
    for part in ["blobs", "blobs/sha256", "index.json", "oci-layout"] {
        let small = built();
        let path = small.path("m/dist/oci").join(part);
        fs::rename(&path, small.path("aside")).unwrap();
        symlink(small.path("aside"), &path).unwrap();
        refused(&small, "m/dist/oci", "symbolic link");
        refused(&small, "m/dist", "symbolic link");
    }
    let small = built();
    let blobs: Vec<_> =
        fs::read_dir(small.path("m/dist/oci/blobs/sha256")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in blobs {
        fs::rename(&path, small.path("aside")).unwrap();
        symlink(small.path("aside"), &path).unwrap();
        refused(&small, "m/dist/oci", "symbolic link");
        fs::remove_file(&path).unwrap();
        refused(&small, "m/dist/oci", "there is no");
        fs::rename(small.path("aside"), &path).unwrap();
    }
    accepted(&small, "m/dist/oci");
    // What the user names may be a link.
    symlink("m/dist", small.path("link")).unwrap();
    accepted(&small, "link");
    fs::rename(small.path("m/dist/oci"), small.path("oci")).unwrap();
    symlink("../../oci", small.path("m/dist/oci")).unwrap();
    refused(&small, "m/dist", "symbolic link");
    accepted(&small, "m/dist/oci");
}
