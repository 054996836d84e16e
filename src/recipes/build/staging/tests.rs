#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::fs;

use model::observe::Silent;

use super::*;

/// A record as far as it is looked at.
const RECORD: &str = r#"{"format":1,"inputs":{"tool":"module-builder 9.9"},"outputs":{"file-list.txt":{}}}"#;

fn put(target: &Path, list: &str) -> Result<(), Error> {
    let output = Output::new(target)?;
    let staging = Staging::new(&output)?;
    staging.write("file-list.txt", list.as_bytes())?;
    staging.write("build.json", RECORD.as_bytes())?;
    staging.commit("build.json", ("web", Path::new(".")), &Silent)
}

#[test]
fn an_output_appears_whole_and_replaces_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("deep/dist");
    for list in ["one", "two"] {
        put(&target, list).unwrap();
        assert_eq!(fs::read_to_string(target.join("file-list.txt")).unwrap(), list);
    }
    assert_eq!(fs::read_dir(folder.path().join("deep")).unwrap().count(), 1, "nothing is left beside the output");
}

#[test]
fn what_no_build_wrote_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("dist");
    put(&target, "one").unwrap();
    // Names that the record does not list, that no build writes, and that are something else than a file.
    fs::write(target.join("signing.key"), "secret").unwrap();
    fs::write(target.join("module.tar"), "mine").unwrap();
    fs::remove_file(target.join("file-list.txt")).unwrap();
    fs::create_dir(target.join("file-list.txt")).unwrap();
    std::os::unix::fs::symlink("signing.key", target.join("module.cfs")).unwrap();
    let error = put(&target, "two").unwrap_err();
    assert!(error.message.contains("holds files that no build wrote"), "{error}");
    let names: Vec<_> = error.causes.iter().filter_map(|cause| Path::new(cause).file_name()?.to_str()).collect();
    assert_eq!(names, ["file-list.txt", "module.cfs", "module.tar", "signing.key"]);
    fs::write(folder.path().join("thesis.tex"), "years of work").unwrap();
    assert!(Output::new(folder.path()).is_err() && Output::of_dry_run(folder.path()).is_err());
}

#[test]
fn a_dry_run_never_takes_the_place_of_a_build() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("dist");
    let dry_run = || {
        let output = Output::of_dry_run(&target).unwrap();
        let staging = Staging::new(&output).unwrap();
        staging.write("manifest.json", br#"{"name":"web","schema_version":1}"#).unwrap();
        staging.write("file-list.txt", b"").unwrap();
        staging.write("package-list.txt", b"").unwrap();
        staging.commit("manifest.json", ("web", Path::new(".")), &Silent).unwrap();
        output.path().to_owned()
    };
    // Alone it is replaced by the next, and by a build.
    assert_eq!((dry_run(), dry_run()), (target.clone(), target.clone()));
    put(&target, "one").unwrap();
    assert_eq!(fs::read_dir(&target).unwrap().count(), 2);
    // A file of the user's in the build's directory is in no one's way there.
    fs::write(target.join("notes"), "").unwrap();
    assert_eq!((dry_run(), dry_run()), (target.join("dry-run"), target.join("dry-run")));
    assert_eq!(fs::read_to_string(target.join("file-list.txt")).unwrap(), "one");
    fs::write(target.join("dry-run/notes"), "").unwrap();
    assert!(Output::of_dry_run(&target).is_err());
    fs::remove_file(target.join("dry-run/notes")).unwrap();
    fs::remove_file(target.join("notes")).unwrap();
    put(&target, "two").unwrap();
    assert!(!target.join("dry-run").exists(), "it told of the build before");
    let error = put(&target.join("dry-run"), "three").unwrap_err();
    assert!(error.message.ends_with("dist, which holds a build"), "{error}");
    // As an earlier version let one be put there.
    put(&folder.path().join("three"), "three").unwrap();
    fs::rename(folder.path().join("three"), target.join("dry-run")).unwrap();
    let error = Output::of_dry_run(&target).unwrap_err();
    assert!(error.message.contains("dry-run holds a build"), "{error}");
}

#[test]
fn what_is_dropped_leaves_nothing_and_a_directory_without_a_mark_stays() {
    let folder = tempfile::tempdir().unwrap();
    let output = Output::new(&folder.path().join("dist")).unwrap();
    drop(Staging::new(&output).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::create_dir(folder.path().join(".dist.partial-mine")).unwrap();
    drop(Staging::new(&output).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_output_without_a_name_of_its_own_is_a_wrong_argument() {
    for path in ["/", "..", "a/.."] {
        assert_eq!(Output::new(Path::new(path)).unwrap_err().kind.code(), 2, "{path}");
        assert_eq!(Output::of_dry_run(Path::new(path)).unwrap_err().kind.code(), 2, "{path}");
    }
}

#[test]
fn no_objects_go_into_a_build() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("dist");
    put(&target, "one").unwrap();
    fs::create_dir(target.join("oci")).unwrap();
    for place in [target.clone(), target.join("new/store"), target.join("oci"), target.join("oci/blobs/x")] {
        let error = object_store(&place).unwrap_err();
        assert!(error.message.contains("dist holds a build"), "{error}");
    }
    assert!(object_store(&folder.path().join("store")).is_ok());
}

#[test]
fn what_came_there_while_a_run_worked_is_looked_at_again() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("dist");
    let manifest = |name: &str| format!("{{\"name\":\"{name}\",\"schema_version\":1}}");
    let stage = |output: &Output, name: &str, witness: &str| {
        let staging = Staging::new(output).unwrap();
        staging.write("manifest.json", manifest(name).as_bytes()).unwrap();
        if witness == "build.json" {
            let record = RECORD.replace("file-list.txt", "manifest.json");
            staging.write(witness, record.as_bytes()).unwrap();
        } else {
            staging.write("file-list.txt", b"").unwrap();
            staging.write("package-list.txt", b"").unwrap();
        }
        staging.commit(witness, (name, folder.path().join("elsewhere").as_path()), &Silent)
    };
    fs::create_dir(folder.path().join("elsewhere")).unwrap();
    // Three runs began when nothing was there.
    let (slow, dry_run) = (Output::new(&target).unwrap(), Output::of_dry_run(&target).unwrap());
    stage(&Output::new(&target).unwrap(), "quick", "build.json").unwrap();
    let error = stage(&slow, "slow", "build.json").unwrap_err();
    assert!(error.message.ends_with("holds a build of another module, quick"), "{error}");
    let error = stage(&dry_run, "quick", "manifest.json").unwrap_err();
    assert!(error.message.contains("the lists of a dry run would replace it"), "{error}");
    assert_eq!(fs::read_to_string(target.join("manifest.json")).unwrap(), manifest("quick"));
    stage(&slow, "quick", "build.json").unwrap();
}
