//! What strangers make of a build's results, and what `inspect`, `diff` and `rebuild` make of what strangers wrote.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[allow(dead_code, reason = "other tests use the rest")]
mod small;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use small::Small;
use testkit::{peer, run};

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Pulls `reference` of the layout `dist/oci` into `into`.
fn pull(small: &Small, dist: &str, reference: &[&str], into: &str) -> PathBuf {
    let mut command = peer("oras");
    command.arg("pull").args(&reference[1..]).arg("--oci-layout");
    command.arg(format!("{}/oci:{}", small.path(dist).display(), reference[0])).arg("-o").arg(small.path(into));
    run(&mut command);
    small.path(into)
}

#[test]
fn oras_pulls_the_artifact_and_nothing_else_and_its_folder_is_read() {
    let small = Small::new();
    small.edit("m/manifest.yaml", |text| text + "display_name: A web page\n");
    for (compression, archive) in [("zstd", "module.tar.zst"), ("none", "module.tar")] {
        let dist = format!("dist-{compression}");
        small.build_with(&dist, &["--compression", compression]);
        // Where a directory of the module's name is, too.
        for (reference, into) in [(&["latest-amd64"][..], "one"), (&["latest", "--platform", "linux/amd64"], "two")] {
            let into = format!("{into}-{compression}");
            fs::create_dir_all(small.path(&into).join("web")).unwrap();
            let folder = pull(&small, &dist, reference, &into);
            assert_eq!(names(&folder), ["manifest.json", "module.cfs", archive, "web"].map(str::to_owned).into());
            fs::remove_dir(folder.join("web")).unwrap();
        }
        let folder = format!("one-{compression}");
        let (code, inspected) = small.json(&["inspect", &folder]);
        let (_, wanted) = small.json(&["inspect", &dist]);
        assert_eq!((code, &inspected["kind"]), (0, &Value::from("pulled")));
        let (inspected, wanted) = (&inspected["modules"][0], &wanted["modules"][0]);
        for key in ["name", "composefs_digest", "image"] {
            assert_eq!(inspected[key], wanted[key], "{key}");
        }
        assert_eq!(inspected["blobs"][archive], wanted["blobs"][archive]);
        let (code, out, err) = small.run(&["diff", &folder, &dist]);
        assert_eq!(code, 0, "{out}{err}");
        let record = format!("{dist}/build.json");
        let again = ["rebuild", &folder, "-C", "m", "--record", &record, "--rootfs", "root"];
        let (code, out, err) = small.run(&again);
        assert!(code == 0 && out.contains("came out again, byte for byte: 3 files"), "{out}{err}");
        // What is not what the build made is named.
        fs::write(small.path(&folder).join("module.cfs"), "no image").unwrap();
        fs::write(small.path(&folder).join("more"), "").unwrap();
        assert_eq!(small.run(&["inspect", &folder]).0, 3);
        let (code, out, _) = small.run(&again);
        assert!(code == 5 && out.contains("2 of 4 files differ") && out.contains("changed after the build"), "{out}");
    }
}

#[test]
fn a_pulled_folder_of_two_artifacts_is_refused() {
    let small = Small::new();
    small.build("one");
    small.write("root/etc/other", "another module's file\n");
    small.build("two");
    let (one, two) =
        (pull(&small, "one", &["latest-amd64"], "pulled-one"), pull(&small, "two", &["latest-amd64"], "pulled-two"));
    let (image, archive) = (one.join("module.cfs"), one.join("module.tar.zst"));
    let sound = fs::read(&image).unwrap();
    fs::copy(two.join("module.cfs"), &image).unwrap();
    assert_eq!(small.run(&["inspect", "pulled-one"]).0, 3);
    fs::write(&image, sound).unwrap();
    fs::copy(two.join("module.tar.zst"), &archive).unwrap();
    assert_eq!(small.run(&["inspect", "pulled-one"]).0, 3);
    // A plain archive under the name of a compressed one.
    fs::copy(small.path("one/module.tar"), &archive).unwrap();
    let (code, _, err) = small.run(&["inspect", "pulled-one"]);
    assert!(code == 3 && err.contains("not compressed as its name says"), "{err}");
}

#[test]
fn rsync_takes_the_files_of_the_list() {
    let small = Small::new();
    let odd: [&[u8]; 6] =
        [b"back\\slash", b"\xff\xfe", b"tab\there", b"#hash", b"two  blanks ", "caf\u{e9}".as_bytes()];
    let broken: [&[u8]; 2] = [b"line\nbreak", b"carriage\rreturn"];
    for name in odd.iter().chain(&broken) {
        fs::write(small.path("root/etc").join(OsStr::from_bytes(name)), "").unwrap();
    }
    fs::create_dir(small.path("root/etc/empty")).unwrap();
    small.edit("m/manifest.yaml", |text| text.replace("file_spec:\n", "file_spec:\n  - /etc/empty/\n"));
    small.build("dist");
    // What the module brings lies over the root file system.
    fs::copy(small.path("m/rootfs/etc/page.html"), small.path("root/etc/page.html")).unwrap();
    let into = small.path("copy");
    run(peer("rsync")
        .args(["-a", "--files-from"])
        .arg(small.path("dist/file-list.txt"))
        .arg(small.path("root"))
        .arg(&into));
    for name in odd {
        assert!(into.join("etc").join(OsStr::from_bytes(name)).is_file(), "{name:?}");
    }
    assert!(into.join("etc/empty").is_dir());
    // The names that no line can hold stand in the other list, with all the others.
    let entries: Value = serde_json::from_slice(&fs::read(small.path("dist/file-list.json")).unwrap()).unwrap();
    let entries = entries.as_array().unwrap();
    let find = |path: &str| entries.iter().find(|entry| entry["path"] == path).unwrap();
    for path in ["/etc/line\nbreak", "/etc/carriage\rreturn", "/etc/back\\slash"] {
        assert_eq!(find(path)["rule"]["pattern"], "/etc/***");
    }
    assert_eq!(
        (&find("/etc/empty")["rule"]["pattern"], &find("/etc/empty")["kind"]),
        (&"/etc/empty/".into(), &"directory".into())
    );
    assert!(entries.iter().any(|entry| entry["path_base64"] == "L2V0Yy///g=="));
    let list = find("/usr/share/web/list");
    let content = fs::read(small.path("root/usr/share/web/list")).unwrap();
    assert_eq!(list["sha256"], model::Digest::of(&content).to_string());
    assert_eq!(list["fsverity"], image::verity::digest(&content).to_string());
    assert_eq!((&list["size"], &list["kind"]), (&content.len().into(), &"file".into()));
    assert_eq!((&list["from"], &find("/etc/page.html")["from"]), (&"maintainer_script".into(), &"overlay".into()));
    let lines = fs::read(small.path("dist/file-list.txt")).unwrap();
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    assert_eq!(lines + broken.len(), entries.len());
    assert_eq!(small.run(&["inspect", "dist"]).0, 0);
    // A dry run knows names only.
    small.build_with("dry", &["--dry-run"]);
    assert_eq!(
        names(&small.path("dry")),
        ["file-list.txt", "manifest.json", "package-list.txt"].map(str::to_owned).into()
    );
}

#[test]
fn a_display_name_is_no_path() {
    let small = Small::new();
    let manifest = fs::read_to_string(small.path("m/manifest.yaml")).unwrap();
    for wrong in ["../../evil", "/etc/passwd", "a/b", "..", ".", "a\\\\b", "two\\nlines"] {
        small.write("m/manifest.yaml", &format!("{manifest}display_name: \"{wrong}\"\n"));
        let (code, out, err) = small.run(&["validate", "m"]);
        assert!(code == 1 && (out + &err).contains("no name for people"), "{wrong}");
    }
    for right in ["nginx, the web server", ".NET 9", "caf\u{e9} \u{2014} 2", "..."] {
        small.write("m/manifest.yaml", &format!("{manifest}display_name: \"{right}\"\n"));
        assert_eq!(small.run(&["validate", "m"]).0, 0, "{right}");
    }
}

#[test]
fn a_dist_that_lost_its_image_is_not_taken_for_a_dry_runs() {
    let small = Small::new();
    small.build("dist");
    small.remove("dist/module.cfs");
    for gone in ["dist/oci/oci-layout", "dist/composefs.digest"] {
        small.remove(gone);
        let (code, _, err) = small.run(&["inspect", "dist"]);
        assert!(code == 3 && err.contains("is not whole") && err.contains("it has no module.cfs"), "{gone}: {err}");
    }
    // Without all that, the lists are a dry run's as far as anyone can see.
    small.build_with("dry", &["--dry-run"]);
    let (code, _, err) = small.run(&["inspect", "dry"]);
    assert!(code == 1 && err.contains("the lists of a dry run only"), "{err}");
}

#[test]
fn the_lists_of_a_dry_run_for_several_are_known_as_such() {
    let small = Small::new();
    for arch in ["amd64", "arm64"] {
        for list in ["file-list.txt", "package-list.txt"] {
            small.write(&format!("dist/{arch}/{list}"), "");
        }
    }
    small.write("dist/manifest.json", "{}");
    let (code, _, err) = small.run(&["inspect", "dist"]);
    assert!(code == 1 && err.contains("dist holds the lists of a dry run only"), "{err}");
    small.remove("dist/manifest.json");
    let (code, _, err) = small.run(&["inspect", "dist"]);
    assert!(code == 1 && err.contains("neither a dist directory"), "{err}");
}
