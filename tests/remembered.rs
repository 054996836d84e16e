//! A second build reads what changed, and `--paranoid` reads everything.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[path = "small/mod.rs"]
#[allow(dead_code, reason = "every test needs a part of it")]
mod small;

use std::fs;
use std::time::Duration;

use serde_json::Value;
use small::Small;

const BUILD: [&str; 9] = ["build", "-C", "m", "--rootfs", "root", "--arch", "amd64", "--progress", "none"];

/// Three contents of more than 64 bytes, in files that are not too new to be remembered.
fn aged() -> Small {
    let small = Small::new();
    small.write("root/etc/second", &"second\n".repeat(100));
    small.write("m/rootfs/etc/page.html", &"<p>hello</p>\n".repeat(100));
    std::thread::sleep(Duration::from_millis(3100));
    small
}

/// What a build says it did not read, and its digest.
fn build(small: &Small, more: &[&str]) -> (u64, Value) {
    let (code, built) = small.json(&[&BUILD, more].concat());
    assert_eq!(code, 0, "{built}");
    (built["files_not_read"].as_u64().unwrap(), built["composefs_digest"].clone())
}

#[test]
fn what_did_not_change_is_not_read_and_the_result_is_the_same() {
    let small = aged();
    let (not_read, digest) = build(&small, &[]);
    assert_eq!(not_read, 0);
    let files = |small: &Small| {
        ["module.tar", "module.cfs", "oci/index.json", "build.json"]
            .map(|name| fs::read(small.path("m/dist").join(name)).unwrap())
    };
    let first = files(&small);
    assert_eq!(build(&small, &[]), (3, digest.clone()));
    assert!(files(&small) == first);
    assert_eq!(build(&small, &["--paranoid"]), (0, digest.clone()));
    assert!(files(&small) == first);

    // Only the kernel's own time says that this file changed.
    let path = small.path("root/etc/second");
    let time = path.metadata().unwrap().modified().unwrap();
    small.edit("root/etc/second", |text| text.replacen("second", "SECOND", 1));
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let (not_read, changed) = build(&small, &[]);
    assert_eq!(not_read, 2);
    assert_ne!(changed, digest);
    assert_eq!(build(&small, &["--paranoid"]), (0, changed));
}

#[test]
fn a_store_is_filled_again_where_it_lost_something_and_checked_on_demand() {
    let small = aged();
    let arguments = ["--objects", "store"];
    let (_, digest) = build(&small, &arguments);
    assert_eq!(build(&small, &arguments), (3, digest.clone()));
    let objects = || {
        let subdirs = fs::read_dir(small.path("store")).unwrap().map(|entry| entry.unwrap().path());
        let mut objects: Vec<_> =
            subdirs.flat_map(|subdir| fs::read_dir(subdir).unwrap().map(|entry| entry.unwrap().path())).collect();
        objects.sort();
        objects
    };
    let all = objects();
    assert_eq!(all.len(), 3);
    fs::remove_file(&all[0]).unwrap();
    assert_eq!(build(&small, &arguments), (2, digest.clone()));
    assert_eq!(objects(), all);
    // Other bytes of the same length: the times show that someone wrote to the object.
    let good = fs::read(&all[1]).unwrap();
    fs::write(&all[1], vec![b'x'; good.len()]).unwrap();
    assert_eq!(build(&small, &arguments), (2, digest.clone()));
    assert!(fs::read(&all[1]).unwrap() == good);
    assert_eq!(build(&small, &arguments), (3, digest.clone()));
    assert_eq!(build(&small, &["--objects", "store", "--paranoid"]), (0, digest));
}

#[test]
fn without_a_cache_that_can_be_used_every_file_is_read() {
    let small = aged();
    small.write("no-directory", "");
    let arguments = [&BUILD[..], &["--cache-dir", "no-directory/cache"]].concat();
    for _ in 0..2 {
        let (code, _, err) = small.run(&arguments);
        assert_eq!(code, 0, "{err}");
        assert!(err.contains("every file is read, since no digests can be remembered"), "{err}");
    }
}
