//! `diff` and `rebuild` on small trees, by the binary: what they say and how they end.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

mod small;

use std::fs;

use serde_json::json;
use small::Small;

#[test]
fn the_same_build_in_every_form_is_the_same() {
    let small = Small::new();
    small.build("a");
    small.build("b");
    for (a, b) in [
        ("a", "b"),
        ("a", "b/oci"),
        ("a/oci", "b/module.tar"),
        ("a/module.cfs", "b/module.cfs"),
        ("a/module.cfs", "b"),
        ("a/module.tar", "b/module.cfs"),
    ] {
        assert_eq!(small.run(&["diff", a, b]), (0, "the builds are the same\n".to_owned(), String::new()), "{a} {b}");
    }
    let (code, report) = small.json(&["diff", "a", "b"]);
    assert_eq!((code, &report["same"], &report["modules"][0]["digests"]), (0, &json!(true), &json!([])));
}

#[test]
fn every_kind_of_change_is_told_with_the_digests_that_it_explains() {
    let small = Small::new();
    small.build("a");
    small.edit("root/usr/share/web/list", |text| text.replace("line 50\n", "line fifty\n"));
    small.mode("root/etc/conf", 0o600);
    small.write("root/etc/new", "new\n");
    small.link("root/usr/share/web/link", "twin");
    small.remove("root/usr/share/web/other");
    small.edit("m/manifest.yaml", |text| text.replace("name: web", "name: web\ndescription: Pages"));
    small.build("b");
    insta::assert_snapshot!("diff_everything", small.show(&["diff", "--content", "a", "b"]));
    insta::assert_snapshot!("diff_images", small.show(&["diff", "a/module.cfs", "b/module.cfs"]));
    let (code, report) = small.json(&["diff", "a", "b"]);
    assert_eq!(code, 5);
    insta::assert_snapshot!(
        "diff_everything_json",
        small.mask(&serde_json::to_string_pretty(&report["modules"][0]["files"]).unwrap())
    );
}

#[test]
fn one_change_of_the_manifest_leaves_the_image_alone() {
    let small = Small::new();
    small.build("a");
    small.edit("m/manifest.yaml", |text| text.replace("name: web", "name: web\ndescription: Pages"));
    small.build("b");
    let (code, report) = small.json(&["diff", "a/oci", "b/oci"]);
    assert_eq!(code, 5);
    let module = &report["modules"][0];
    assert_eq!(module["files"]["differences"], json!([]));
    assert_eq!(module["manifest"], json!([{ "pointer": "/description", "after": "Pages" }]));
    let because = |what: &str| {
        let digests = module["digests"].as_array().unwrap();
        digests.iter().find(|digest| digest["what"] == what).map(|digest| digest["because"].clone())
    };
    assert_eq!(because("composefs digest"), None);
    assert_eq!(because("module.tar.zst"), Some(json!(["manifest.json in it differs"])));
    assert_eq!(
        because("manifest digest"),
        Some(json!([
            "manifest.json differs",
            "module.tar.zst differs",
            "the annotations differ: io.powernode.fingerprint, org.opencontainers.image.description"
        ]))
    );
    assert_eq!(report["indexes"][0]["because"], json!(["the manifest digest of amd64 differs"]));
}

#[test]
fn an_annotation_or_the_compression_alone_is_named() {
    let small = Small::new();
    small.build("a");
    small.build_with("b", &["--module-id", "7"]);
    let reasons = |b: &str| {
        let (code, report) = small.json(&["diff", "a", b]);
        assert_eq!(code, 5);
        let digests = report["modules"][0]["digests"].as_array().unwrap().clone();
        let line = |digest: &serde_json::Value| format!("{}: {}", digest["what"], digest["because"]);
        digests.iter().map(line).collect::<Vec<_>>()
    };
    let found = reasons("b");
    assert!(
        found.contains(&"\"manifest digest\": [\"only the annotations differ: io.powernode.module_id\"]".to_owned()),
        "{found:?}"
    );
    small.build_with("c", &["--compression", "none"]);
    let found = reasons("c");
    let none = "\"module.tar.zst\": [\"only the first build has it\"]".to_owned();
    assert!(found.contains(&none) && !found.iter().any(|line| line.starts_with("\"composefs")), "{found:?}");
}

#[test]
fn long_lists_are_cut_with_a_count_and_all_shows_them() {
    let small = Small::new();
    small.build("a");
    for number in 0..60 {
        small.write(&format!("root/etc/many/{number:02}"), "x");
    }
    small.build("b");
    let (_, short, _) = small.run(&["diff", "a/module.cfs", "b/module.cfs"]);
    let (_, long, _) = small.run(&["diff", "--all", "a/module.cfs", "b/module.cfs"]);
    // The directory and its files.
    assert!(short.contains("... and 21 more: --all shows them") && !short.contains("/etc/many/39"), "{short}");
    assert!(long.contains("/etc/many/59") && !long.contains("--all"), "{long}");
    let (_, report) = small.json(&["diff", "a/module.cfs", "b/module.cfs"]);
    assert_eq!(report["modules"][0]["files"]["differences"].as_array().unwrap().len(), 61);
}

#[test]
fn what_is_damaged_or_missing_is_refused_and_not_compared() {
    let small = Small::new();
    small.build("a");
    small.build("b");
    let mut image = fs::read(small.path("b/module.cfs")).unwrap();
    *image.last_mut().unwrap() ^= 1;
    fs::write(small.path("b/module.cfs"), image).unwrap();
    let (code, out, err) = small.run(&["diff", "a", "b"]);
    assert_eq!((code, out.as_str()), (3, ""), "{err}");
    let (code, _, err) = small.run(&["diff", "a", "none"]);
    assert!(code == 1 && err.contains("there is no none"), "{err}");
    let (code, _, err) = small.run(&["diff", "a", "m/manifest.yaml"]);
    assert!(code != 0 && code != 70, "{err}");
}
