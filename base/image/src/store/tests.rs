#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, reason = "a panic is a failed test")]

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use host::Pinned;
use host::scratch::MARK;

use super::*;

fn create(path: &Path) -> Store {
    Store::create(Pinned::new(path).unwrap().create().unwrap()).unwrap()
}

fn digest_of(path: &Path, size: u64) -> VerityDigest {
    verity::digest_of_file(&File::open(path).unwrap(), size).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = walkdir::WalkDir::new(directory)
        .min_depth(1)
        .into_iter()
        .map(|entry| entry.unwrap().path().strip_prefix(directory).unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn put(store: &Store, content: &[u8]) -> VerityDigest {
    let digest = verity::digest(content);
    store.small(&digest, content).unwrap();
    digest
}

fn put_large(store: &Store, content: &[u8]) -> VerityDigest {
    let digest = verity::digest(content);
    let mut object = store.large(content.len() as u64).unwrap();
    content.chunks(1000).for_each(|chunk| object.write(chunk).unwrap());
    object.finish(&digest).unwrap();
    digest
}

#[test]
fn objects_lie_under_their_digest_with_fixed_modes_and_nothing_else_is_there() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("deep/store");
    let store = create(&path);
    let mut random = testkit::Random::from_environment();
    let mut wanted = Vec::new();
    for size in [65, 4096, 5000, 100_000] {
        let content = random.bytes(size);
        for digest in [put(&store, &content), put_large(&store, &content), put_large(&store, &random.bytes(size))] {
            wanted.extend([digest.object_path()[..2].to_owned(), digest.object_path()]);
            assert_eq!(digest_of(&path.join(digest.object_path()), content.len() as u64), digest);
        }
    }
    store.sync().unwrap();
    drop(store);
    wanted.sort();
    wanted.dedup();
    assert_eq!(names(&path), wanted);
    for name in names(&path) {
        let metadata = path.join(name).metadata().unwrap();
        let mode = if metadata.is_dir() { 0o755 } else { 0o644 };
        assert_eq!(metadata.permissions().mode() & 0o7777, mode);
        assert!(metadata.is_dir() || metadata.nlink() == 1);
    }
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn a_wrong_object_is_replaced_and_a_good_one_stays() {
    let root = tempfile::tempdir().unwrap();
    let content = testkit::Random::new(5).bytes(50_000);
    let digest = {
        let store = create(root.path());
        let digest = put(&store, &content);
        store.sync().unwrap();
        digest
    };
    let path = root.path().join(digest.object_path());
    let inode = |path: &Path| path.symlink_metadata().unwrap().ino();
    let good = inode(&path);
    let again = |put: fn(&Store, &[u8]) -> VerityDigest| {
        let store = create(root.path());
        put(&store, &content);
        store.sync().unwrap();
    };
    for put in [put, put_large] {
        again(put);
        assert_eq!(inode(&path), good, "a good object is not written again");
    }
    // Cut short, linked elsewhere, of another mode: seen without reading.
    let damages: [fn(&Path); 3] = [
        |path| std::fs::write(path, b"short").unwrap(),
        |path| {
            std::fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
        },
        |path| std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap(),
    ];
    for damage in damages {
        for put in [put, put_large] {
            damage(&path);
            again(put);
            assert_eq!(std::fs::read(&path).unwrap(), content);
            assert_eq!(path.symlink_metadata().unwrap().mode(), 0o100_644);
        }
    }
    // Other bytes of the same length: seen only by reading.
    for put in [put, put_large] {
        std::fs::write(&path, vec![6; 50_000]).unwrap();
        again(put);
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}

#[test]
fn what_a_killed_build_left_is_removed_and_what_a_living_one_uses_stays() {
    let root = tempfile::tempdir().unwrap();
    let left = root.path().join(format!("{TEMPORARY}dead"));
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("0"), b"half an obj").unwrap();
    let theirs = root.path().join(format!("{TEMPORARY}notes"));
    std::fs::create_dir(&theirs).unwrap();
    std::fs::write(theirs.join("thesis"), b"years of work").unwrap();
    let copied = create(root.path());
    std::fs::copy(copied.scratch.path().join(MARK), left.join(MARK)).unwrap();
    drop(copied);
    let first = create(root.path());
    assert!(!left.exists());
    let second = create(root.path());
    let digest = put(&first, &[1; 100]);
    put(&second, &[1; 100]);
    drop(second);
    put(&first, &[2; 100]);
    first.sync().unwrap();
    drop(first);
    assert!(root.path().join(digest.object_path()).exists());
    let left: Vec<String> = names(root.path()).into_iter().filter(|name| name.starts_with(TEMPORARY)).collect();
    assert_eq!(left, [".incoming-notes", ".incoming-notes/thesis"], "no run marked it");
}

#[test]
fn many_threads_and_builds_put_objects_into_a_new_store_at_once() {
    for round in 0..20_u32 {
        let root = tempfile::tempdir().unwrap();
        let stores = [create(root.path()), create(root.path())];
        std::thread::scope(|scope| {
            for thread in 0..8_usize {
                let store = &stores[thread % 2];
                scope.spawn(move || {
                    for number in 0..64_u32 {
                        put(store, &[round, number].map(u32::to_le_bytes).concat());
                    }
                });
            }
        });
        drop(stores);
        for name in names(root.path()).iter().filter(|name| name.len() == 2) {
            assert_eq!(root.path().join(name).metadata().unwrap().permissions().mode() & 0o7777, 0o755);
        }
    }
}

#[test]
fn an_unfinished_object_and_an_unfinished_store_leave_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = create(root.path());
    let mut object = store.large(1000).unwrap();
    object.write(&[0; 500]).unwrap();
    drop(object);
    assert_eq!(store.scratch.dir().names().unwrap(), [MARK]);
    let mut object = store.large(1000).unwrap();
    object.write(&[0; 500]).unwrap();
    drop(object);
    drop(store);
    assert_eq!(names(root.path()), [""; 0]);
}

#[test]
fn a_link_in_place_of_a_directory_does_not_lead_out_of_the_store() {
    let root = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let content = [9; 100];
    let digest = verity::digest(&content);
    std::os::unix::fs::symlink(elsewhere.path(), root.path().join(&digest.object_path()[..2])).unwrap();
    let store = create(root.path());
    assert!(store.small(&digest, &content).is_err());
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
