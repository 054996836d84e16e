#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::*;

fn cache() -> (tempfile::TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path().join("cache"));
    (directory, cache)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn directories_are_made_with_their_modes() {
    let (_guard, cache) = cache();
    assert_eq!(mode(&cache.debs().unwrap()), 0o755);
    assert_eq!(mode(&cache.rootfs().unwrap()), 0o755);
    assert_eq!(mode(&cache.listings().unwrap()), 0o755);
    assert_eq!(mode(&cache.temporary().unwrap()), 0o700);
    assert_eq!(mode(&cache.apt_state(&Digest::of(b"x")).unwrap()), 0o700);
}

#[test]
fn a_lock_is_held_by_one_until_it_is_dropped() {
    let (_guard, cache) = cache();
    let held = cache.lock("rootfs-1").unwrap();
    assert!(cache.try_lock("rootfs-1").unwrap().is_none());
    assert!(cache.try_lock("rootfs-2").unwrap().is_some());
    drop(held);
    assert!(cache.try_lock("rootfs-1").unwrap().is_some());
    for name in ["", "../x", "a/b", ".hidden", "a b"] {
        assert!(matches!(cache.lock(name), Err(Error::LockName { .. })), "{name:?}");
    }
}

#[test]
fn old_entries_go_and_used_ones_stay() {
    let (_guard, cache) = cache();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let deb = |content: &[u8]| {
        let path = cache.deb_path(&Digest::of(content));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        File::open(&path).unwrap().set_modified(old).unwrap();
        path
    };
    let (unused, used) = (deb(b"unused"), deb(b"used"));
    let part = unused.with_extension("part");
    fs::write(&part, b"half").unwrap();
    let state = cache.apt_state(&Digest::of(b"state")).unwrap();
    fs::write(state.join("list"), b"12345").unwrap();
    File::open(&state).unwrap().set_modified(old).unwrap();
    cache.listings().unwrap();
    let (stale, fresh) = (cache.listing_path(&Digest::of(b"unused")), cache.listing_path(&Digest::of(b"used")));
    for path in [&stale, &fresh] {
        fs::write(path, b"123").unwrap();
        File::open(path).unwrap().set_modified(old).unwrap();
    }
    touch(&used).unwrap();
    touch(&fresh).unwrap();
    let now = fs::metadata(&used).unwrap().modified().unwrap() + Duration::from_secs(60);
    let mut options = GcOptions { now, unused_for: Duration::from_secs(3600), dry_run: true };

    let usage: Vec<_> = cache.usage().unwrap().into_iter().map(|u| (u.kind, u.entries, u.bytes)).collect();
    let wanted = [
        (Kind::Deb, 2, 10),
        (Kind::Apt, 1, 5),
        (Kind::Rootfs, 0, 0),
        (Kind::Digests, 0, 0),
        (Kind::Listings, 2, 6),
        (Kind::Temporary, 1, 4),
    ];
    assert_eq!(usage, wanted);

    let plan = cache.gc(options).unwrap();
    assert!(unused.exists() && state.exists(), "a dry run removes nothing");
    let found: Vec<_> = plan.removed.iter().map(|r| (r.kind, r.path.clone(), r.bytes)).collect();
    let old = [(Kind::Apt, state.clone(), 5), (Kind::Deb, unused.clone(), 6), (Kind::Listings, stale.clone(), 3)];
    assert_eq!(found, old);
    assert_eq!(plan.kept, BTreeMap::from([(Kind::Deb, 1), (Kind::Listings, 1), (Kind::Temporary, 1)]));

    let user = cache.in_use().unwrap();
    options.dry_run = false;
    assert!(matches!(cache.gc(options), Err(Error::Busy { .. })));
    drop(user);
    assert_eq!(cache.gc(options).unwrap(), plan);
    assert!(!unused.exists() && !state.exists() && used.exists() && part.exists());
    assert!(!stale.exists() && fresh.exists());
}
