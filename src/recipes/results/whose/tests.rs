#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;

use super::*;

fn world(files: &[(&str, &str)]) -> (tempfile::TempDir, Dir) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let dir = Dir::open(folder.path()).unwrap();
    (folder, dir)
}

fn foreign(files: &[(&str, &str)]) -> Vec<String> {
    let (folder, dir) = world(files);
    let below = format!("{}/", folder.path().display());
    match list(&dir) {
        Ok(_) => Vec::new(),
        Err(error) => error.causes.iter().map(|cause| cause.replace(&below, "")).collect(),
    }
}

const MANIFEST: &str = r#"{"name":"web","schema_version":1}"#;
const LAYOUT_FILE: (&str, &str) = ("oci/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);

fn record(outputs: &str) -> String {
    format!(r#"{{"format":1,"inputs":{{"tool":"module-builder 0.1"}},"outputs":{{{outputs}}},"more":1}}"#)
}

#[test]
fn a_record_lists_from_fixed_names_only() {
    let listing = record(r#""module.cfs":{},"thesis.tex":{},"../m/manifest.yaml":{},"src/main.c":{},"oci/thesis":{}"#);
    let files =
        [("build.json", &*listing), ("module.cfs", ""), ("thesis.tex", ""), ("src/main.c", ""), ("oci/thesis", "")];
    assert_eq!(foreign(&files), ["oci", "src", "thesis.tex"]);
    assert!(foreign(&[("build.json", &listing), ("module.cfs", ""), ("sbom.cdx.json", "")]).is_empty());
}

#[test]
fn another_build_json_is_no_record() {
    let of_another_program = record(r#""module.cfs":{}"#).replace("module-builder", "webpack");
    for text in [&of_another_program, "{}", "[]", "null", "{", r#"{"format":1}"#] {
        assert_eq!(foreign(&[("build.json", text), ("module.cfs", "")]), ["build.json", "module.cfs"], "{text}");
    }
}

#[test]
fn of_a_layout_only_what_its_index_leads_to_is_ours() {
    let record = record(r#""oci/index.json":{}"#);
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    let index = format!(r#"{{"manifests":[{{"digest":"sha256:{one}"}},{{"digest":"sha256:../../{two}"}}]}}"#);
    let blob = |name: &str| format!("oci/blobs/sha256/{name}");
    let (one, two) = (blob(&one), blob(&two));
    let whole = [("build.json", &*record), LAYOUT_FILE, ("oci/index.json", &*index), (&*one, "x")];
    assert!(foreign(&whole).is_empty());
    for more in [&*two, "oci/notes", "oci/blobs/sha512/x", "oci/blobs/notes", "oci/blobs/sha256/notes"] {
        let found = foreign(&[&whole[..], &[(more, "x")]].concat());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(more.starts_with(&found[0]), "{found:?}");
    }
    // A directory that is called oci and is no layout.
    assert_eq!(foreign(&[("build.json", &record), ("oci/index.json", &index)]), ["oci"]);
}

#[test]
fn the_lists_of_a_dry_run_are_three_files_alone() {
    let lists = [("manifest.json", MANIFEST), ("file-list.txt", "/x\n"), ("package-list.txt", "")];
    assert!(foreign(&lists).is_empty());
    assert_eq!(foreign(&[&lists[..], &[("notes", "")]].concat()).len(), 4);
    assert_eq!(foreign(&lists[..2]).len(), 2);
    for manifest in ["{}", r#"{"name":"web","version":1}"#, "schema_version: 1\nname: web\n"] {
        assert_eq!(foreign(&[("manifest.json", manifest), lists[1], lists[2]]).len(), 3, "{manifest}");
    }
    // Beside a build.
    let record = record(r#""module.cfs":{}"#);
    let below = lists.map(|(name, text)| (format!("dry-run/{name}"), text));
    let mut all = vec![("build.json", &*record)];
    all.extend(below.iter().map(|(name, text)| (&**name, *text)));
    assert!(foreign(&all).is_empty());
    all.push(("dry-run/notes", ""));
    assert_eq!(foreign(&all), ["dry-run"]);
}
