//! Findings D, J and K: dist directories whose files do not say the same, are no files, or are huge.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode};
use serde_json::json;

use super::{built, limited, read_json, record_again, refused, run};
use crate::small::Small;

const FILES: [&str; 7] = [
    "manifest.json",
    "module.cfs",
    "composefs.digest",
    "file-list.txt",
    "package-list.txt",
    "module.tar",
    "build.json",
];

/// Refused, whatever the record says: the files have to show it by themselves.
fn refused_anyway(small: &Small, why: &str) {
    refused(small, "m/dist", "");
    record_again(&small.path("m/dist"));
    refused(small, "m/dist", why);
}

#[test]
fn files_that_do_not_fit_the_image_are_found() {
    for (file, change, why) in [
        (
            "file-list.txt",
            (|text| text + "/srv/evil.so\n") as fn(String) -> String,
            "does not list what the image holds",
        ),
        ("file-list.txt", |text| text.replacen("/etc/conf\n", "", 1), "does not list what the image holds"),
        (
            "file-list.txt",
            |text| text.replacen("/etc/conf", "/etc/c\u{1b}[2J", 1),
            "does not list what the image holds",
        ),
        ("file-list.txt", |_| String::new(), "does not list what the image holds"),
        ("package-list.txt", |text| text + "hello\n", "is no list of packages"),
        ("package-list.txt", |text| text + "hello\t1\tamd64", "is no list of packages"),
        ("package-list.txt", |_| "b\t1\tall\na\t1\tall\n".to_owned(), "is no list of packages"),
        ("package-list.txt", |_| "a\t1\tall\na\t1\tall\n".to_owned(), "is no list of packages"),
        ("package-list.txt", |_| "a \t1\tall\n".to_owned(), "is no list of packages"),
        ("composefs.digest", |text| text.trim().to_owned(), "is not written as a build writes it"),
        ("composefs.digest", |text| text + "\n", "is not written as a build writes it"),
        ("manifest.json", |text| text + "\n", "not written as a build writes it"),
        ("manifest.json", |text| text.replace("\"web\"", "\"wec\""), "holds another manifest.json"),
    ] {
        let small = built();
        small.edit(&format!("m/dist/{file}"), change);
        refused_anyway(&small, why);
    }
}

#[test]
fn files_of_two_builds_are_found() {
    let other = Small::new();
    other.edit("root/etc/conf", |text| text.to_uppercase());
    other.build("m/dist");
    for file in ["module.tar", "oci"] {
        let small = built();
        let (here, there) = (small.path("m/dist").join(file), other.path("m/dist").join(file));
        if file == "oci" {
            fs::remove_dir_all(&here).unwrap();
            symlink(&there, &here).unwrap();
            refused_anyway(&small, "symbolic link");
            fs::remove_file(&here).unwrap();
            fs::rename(&there, &here).unwrap();
        } else {
            fs::copy(&there, &here).unwrap();
        }
        refused_anyway(&small, "holds the image");
    }
    // The same files at another time.
    let small = built();
    let path = small.path("m/dist/module.tar");
    let mut tar = fs::read(&path).unwrap();
    super::archives::at_another_time(&mut tar);
    fs::write(&path, &tar).unwrap();
    refused_anyway(&small, "have two times");
    let small = built();
    let path = small.path("m/dist/module.tar");
    let layer = super::Forgery::new(&small, "m/dist/oci").layer("module.tar.zst").clone();
    fs::write(&path, super::Forgery::new(&small, "m/dist/oci").blob(&layer)).unwrap();
    refused_anyway(&small, "is not compressed, and this one is");
}

#[test]
fn a_record_that_does_not_fit_is_found() {
    let other = format!("sha256:{}", "5".repeat(64));
    for (change, why) in [
        (("/outputs/module.cfs/sha256", json!(other)), "records another module.cfs"),
        (("/outputs/file-list.txt/size", json!(1)), "records another file-list.txt"),
        (("/inputs/name", json!("other")), "of another module"),
        (("/inputs/arch", json!("arm64")), "of another module"),
        (("/inputs/epoch", json!(5)), "of another module"),
        (("/inputs/options/tag", json!("v9")), "of another module"),
        (("/inputs/options/emit_tar", json!(false)), "other outputs than the ones"),
        (("/inputs/options/emit_oci", json!(false)), "other outputs than the ones"),
        (("/inputs/manifest", json!(other)), "of another module"),
        (("/outputs/~1etc~1passwd", json!({ "sha256": other, "size": 1 })), "a build has no output \"/etc/passwd\""),
        (("/outputs/module.tar", json!(null)), "does not record module.tar"),
    ] {
        let small = built();
        let path = small.path("m/dist/build.json");
        let mut record = read_json(&path);
        let (pointer, value) = change;
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = record.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        let name = name.replace("~1", "/");
        if value.is_null() {
            drop(parent.remove(&name))
        } else {
            drop(parent.insert(name, value))
        }
        fs::write(&path, record.to_string()).unwrap();
        refused(&small, "m/dist", why);
    }
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    for file in FILES.into_iter().chain(["oci/index.json", "oci/oci-layout"]) {
        let small = built();
        let path = small.path("m/dist").join(file);
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        refused(&small, "m/dist", "not a regular file");
        fs::remove_file(&path).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        refused(&small, "m/dist", "not a regular file");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        refused(&small, "m/dist", "not a regular file");
        fs::remove_dir(&path).unwrap();
        symlink("/dev/zero", &path).unwrap();
        refused(&small, "m/dist", "symbolic link");
    }
    let small = built();
    let blob = fs::read_dir(small.path("m/dist/oci/blobs/sha256")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&blob).unwrap();
    rustix::fs::mknodat(CWD, &blob, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    refused(&small, "m/dist/oci", "is not a regular file");
    let pipe = small.path("pipe");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert_eq!(run(&small, &["inspect", "pipe"]).0, 1);
    assert_eq!(run(&small, &["inspect", "/dev/zero"]).0, 1);
}

#[test]
fn what_should_be_a_directory_of_a_layout_and_is_none_is_damage() {
    for part in ["oci/blobs", "oci/blobs/sha256"] {
        let small = built();
        let path = small.path("m/dist").join(part);
        fs::remove_dir_all(&path).unwrap();
        fs::write(&path, "text").unwrap();
        let named = |kind: &str| format!("m/dist/{part} is {kind}, not a directory");
        refused(&small, "m/dist/oci", &named("a file"));
        refused(&small, "m/dist", &named("a file"));
        let (code, text) = run(&small, &["build", "-C", "m", "--rootfs", "root", "--arch", "amd64"]);
        assert!(code == 1 && text.contains("holds files that no build wrote") && text.contains(part), "{text}");
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        refused(&small, "m/dist/oci", &named("a named pipe"));
        refused(&small, "m/dist", &named("a named pipe"));
    }
}

#[test]
fn texts_of_many_small_parts_take_memory_by_their_size() {
    let small = built();
    let path = small.path("m/dist/package-list.txt");
    fs::write(&path, "\n".repeat(100 << 20)).unwrap();
    let (code, text) = limited(&small, "ulimit -v 1000000", &["inspect", "m/dist"]);
    assert!(code == 3 && text.contains("is no list of packages"), "{code}: {text}");
    let small = built();
    small.edit("m/dist/build.json", |text| {
        text.replacen("\"from\": ", &format!("\"x\": [{}0], \"from\": ", "{\"\":0},".repeat(2_000_000)), 1)
    });
    let (code, text) = limited(&small, "ulimit -v 820000", &["inspect", "m/dist"]);
    assert!(code == 3 && text.contains("is no record of a build"), "{code}: {text}");
    for (count, why) in [(500_000, "the neighbour 0 is no valid manifest"), (8_500_000, "is larger than the")] {
        let small = built();
        let many = format!("[{}0]", "{\"\":0},".repeat(count));
        small.edit("m/dist/build.json", |text| {
            text.replacen("\"inputs\": {", &format!("\"inputs\": {{\"neighbours\":[{many}],"), 1)
        });
        let (code, text) = limited(&small, "ulimit -v 1000000", &["inspect", "m/dist"]);
        assert!(code == 3 && text.contains(why), "{code}: {text}");
    }
}

#[test]
fn a_file_of_any_size_takes_little_memory_and_no_time() {
    for file in FILES.into_iter().chain(["oci/index.json", "oci/oci-layout"]) {
        for size in [5_u64 << 30, 1 << 40] {
            let small = built();
            let path = small.path("m/dist").join(file);
            fs::File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
            let (code, text) = limited(&small, "ulimit -v 1000000", &["inspect", "m/dist"]);
            assert_eq!(code, 3, "{file}: {text}");
        }
    }
    // What is not larger than an image can be, and still more than there is memory for, is no crash.
    let small = built();
    fs::write(small.path("holes.cfs"), fs::read(small.path("m/dist/module.cfs")).unwrap()).unwrap();
    fs::File::options().write(true).open(small.path("holes.cfs")).unwrap().set_len(1 << 30).unwrap();
    let (code, text) = limited(&small, "ulimit -v 600000", &["inspect", "holes.cfs"]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("memory"), "{text}");
}
