#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use model::observe::{Collected, Silent};

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
    let held = cache.lock("rootfs-1", &Silent).unwrap();
    assert!(cache.try_lock("rootfs-1").unwrap().is_none());
    assert!(cache.try_lock("rootfs-2").unwrap().is_some());
    drop(held);
    assert!(cache.try_lock("rootfs-1").unwrap().is_some());
    for name in ["", "../x", "a/b", ".hidden", "a b"] {
        assert!(matches!(cache.lock(name, &Silent), Err(Error::LockName { .. })), "{name:?}");
    }
}

#[test]
fn old_entries_go_and_used_ones_stay() {
    let (_guard, cache) = cache();
    drop(cache.in_use(&Silent).unwrap());
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
    let file = cache.files().unwrap().join(Digest::of(b"program").hex());
    fs::write(&file, b"program").unwrap();
    File::open(&file).unwrap().set_modified(old).unwrap();
    touch(&used).unwrap();
    touch(&fresh).unwrap();
    let now = fs::metadata(&used).unwrap().modified().unwrap() + Duration::from_secs(60);
    let mut options = GcOptions { now, unused_for: Duration::from_secs(3600), dry_run: true, only: None };

    let usage: Vec<_> = cache.usage().unwrap().into_iter().map(|u| (u.kind, u.entries, u.bytes)).collect();
    let wanted = [
        (Kind::Deb, 2, 10),
        (Kind::File, 1, 7),
        (Kind::Apt, 1, 5),
        (Kind::Rootfs, 0, 0),
        (Kind::Digests, 0, 0),
        (Kind::Listings, 2, 6),
        (Kind::Records, 0, 0),
        (Kind::Controls, 0, 0),
        (Kind::Computed, 0, 0),
        (Kind::Temporary, 1, 4),
    ];
    assert_eq!(usage, wanted);

    let plan = cache.gc(options).unwrap();
    assert!(unused.exists() && state.exists(), "a dry run removes nothing");
    let found: Vec<_> = plan.removed.iter().map(|r| (r.kind, r.path.clone(), r.bytes)).collect();
    let old = [
        (Kind::Apt, state.clone(), 5),
        (Kind::Deb, unused.clone(), 6),
        (Kind::File, file, 7),
        (Kind::Listings, stale.clone(), 3),
    ];
    assert_eq!(found, old);
    assert_eq!(plan.kept, BTreeMap::from([(Kind::Deb, 1), (Kind::Listings, 1), (Kind::Temporary, 1)]));

    let user = cache.in_use(&Silent).unwrap();
    options.dry_run = false;
    assert!(matches!(cache.gc(options), Err(Error::Busy { .. })));
    drop(user);
    assert_eq!(cache.gc(options).unwrap(), plan);
    assert!(!unused.exists() && !state.exists() && used.exists() && part.exists());
    assert!(!stale.exists() && fresh.exists());
}

#[test]
fn a_cache_that_was_carried_elsewhere_brings_its_packages_and_nothing_else() {
    let (guard, cache) = cache();
    let told = Collected::default();
    drop(cache.in_use(&told).unwrap());
    let key = Digest::of(b"key");
    let fill = |cache: &Cache| {
        for subdir in
            [cache.rootfs(), cache.listings(), cache.digests(), cache.records(), cache.controls(), cache.computed()]
        {
            fs::write(subdir.unwrap().join(key.hex()), "what a run wrote").unwrap();
        }
        fs::write(cache.apt_state(&key).unwrap().join("status"), "").unwrap();
        let deb = cache.deb_path(&key);
        cache.directory(deb.parent().unwrap(), 0o755).unwrap();
        fs::write(deb, "a package").unwrap();
    };
    fill(&cache);
    let entries = |cache: &Cache| {
        cache.usage().unwrap().into_iter().filter(|u| u.entries > 0).map(|u| u.kind).collect::<Vec<_>>()
    };
    let all = [
        Kind::Deb,
        Kind::Apt,
        Kind::Rootfs,
        Kind::Digests,
        Kind::Listings,
        Kind::Records,
        Kind::Controls,
        Kind::Computed,
    ];
    drop(cache.in_use(&told).unwrap());
    assert_eq!(entries(&cache), all, "where it was made all of it counts");
    assert!(told.texts().is_empty());
    // As a checkout or an unpacked archive has it: the same files, in another directory.
    let copy = Cache::new(guard.path().join("copy"));
    drop(copy.dir().unwrap());
    fill(&copy);
    fs::copy(cache.root().join(place::FILE), copy.root().join(place::FILE)).unwrap();
    drop(copy.in_use(&told).unwrap());
    assert_eq!(entries(&copy), [Kind::Deb, Kind::Temporary]);
    assert!(told.texts()[0].contains("was not made there"), "{told:?}");
    fill(&copy);
    drop(copy.in_use(&told).unwrap());
    assert_eq!(told.texts().len(), 1, "it is told once");
    assert_eq!(entries(&copy), all, "what was put aside went with the run that was alone");
}

#[test]
fn a_cache_that_others_may_write_to_is_not_used() {
    use std::os::unix::fs::symlink;
    let (_guard, cache) = cache();
    cache.debs().unwrap();
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for wrong in [0o777, 0o775, 0o1777] {
        set(cache.root(), wrong);
        for outcome in [cache.debs().map(drop), cache.in_use(&Silent).map(drop), cache.temporary().map(drop)] {
            assert!(matches!(outcome, Err(Error::Host(host::Error::Place { .. }))), "{outcome:?}");
        }
        set(cache.root(), 0o755);
    }
    set(&cache.root().join("debs"), 0o777);
    assert!(matches!(cache.debs(), Err(Error::Host(host::Error::Place { .. }))));
    set(&cache.root().join("debs"), 0o755);
    // A link in a cache leads gc to no one's files.
    let home = cache.root().parent().unwrap().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("thesis"), "years of work").unwrap();
    symlink(&home, cache.root().join("tmp")).unwrap();
    let options = GcOptions { now: SystemTime::now(), unused_for: Duration::ZERO, dry_run: false, only: None };
    assert!(matches!(cache.gc(options), Err(Error::Host(host::Error::Place { .. }))));
    assert!(home.join("thesis").is_file());
}

#[test]
fn a_directory_that_is_no_cache_is_not_swept() {
    let (_guard, cache) = cache();
    fs::create_dir_all(cache.root().join("tmp")).unwrap();
    fs::write(cache.root().join("tmp/mine"), "").unwrap();
    fs::write(cache.root().join("letters"), "").unwrap();
    let options = GcOptions { now: SystemTime::now(), unused_for: Duration::ZERO, dry_run: false, only: None };
    assert!(matches!(cache.gc(options), Err(Error::NotACache { .. })));
    assert!(cache.root().join("tmp/mine").is_file());
    fs::remove_file(cache.root().join("letters")).unwrap();
    let entry = cache.root().join("tmp").join(format!("rootfs-{}", Digest::of(b"key").hex()));
    fs::write(&entry, "").unwrap();
    assert_eq!(cache.gc(options).unwrap().removed.len(), 1);
    assert!(cache.root().join("tmp/mine").is_file() && !entry.exists());
}

#[test]
fn what_has_not_the_form_of_an_entry_is_never_removed() {
    let hex = "a".repeat(64);
    // A directory of the user's, which is named as the cache; and one that the cache made.
    for is_own in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("cache");
        let put = |name: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        let cache = Cache::new(root.clone());
        if is_own {
            cache.temporary().unwrap();
        }
        let theirs = [
            "tmp/notes.txt",
            "tmp/thesis/chapter",
            "tmp/.tmpdir12/file",
            "tmp/rootfs-x/file",
            "rootfs/etc/passwd",
            "apt/sources.list",
            "digests/README",
            "files/mine.part",
            "listings/2024",
            "debs/sha256/aa/my.deb",
            "debs/sha256/mine/my.deb",
            &format!("debs/sha256/mine/{hex}.deb"),
            &format!("rootfs/{}/file", hex.to_uppercase()),
            &format!("tmp/notes-{hex}"),
            "records/2024",
        ];
        let ours = [
            &*format!("debs/sha256/aa/{hex}.deb"),
            &format!("debs/sha256/aa/{hex}.part"),
            &format!("files/{hex}.part"),
            &format!("files/{hex}.used"),
            &format!("apt/{hex}/lists/x"),
            &format!("rootfs/{hex}/rootfs.tar"),
            &format!("digests/{hex}"),
            &format!("listings/{hex}"),
            &format!("tmp/rootfs-{hex}/entry/x"),
            &format!("tmp/apt-{hex}xx/lists"),
            &format!("records/{hex}"),
            &format!("controls/{hex}"),
            &format!("computed/{hex}"),
        ];
        theirs.iter().chain(&ours).for_each(|name| put(name));
        put("tmp/.tmpAbC123");
        let options = GcOptions { now: SystemTime::now(), unused_for: Duration::ZERO, dry_run: false, only: None };
        let removed = cache.gc(options).unwrap().removed.len();
        assert_eq!(removed, ours.len() + usize::from(is_own));
        assert_eq!(root.join("tmp/.tmpAbC123").exists(), !is_own, "of this form are files of other programs, too");
        assert!(theirs.iter().all(|name| root.join(name).is_file()));
        assert!(ours.iter().all(|name| !root.join(name).exists()));
    }
}

#[test]
fn a_directory_that_was_made_for_the_cache_is_marked_as_one_and_no_other() {
    let (_guard, cache) = cache();
    cache.listings().unwrap();
    let tag = fs::read_to_string(cache.root().join("CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"), "{tag}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis"), "years of work").unwrap();
    Cache::new(folder.path().to_owned()).listings().unwrap();
    assert!(!folder.path().join("CACHEDIR.TAG").exists(), "backups would leave it out");
}

#[test]
fn one_kind_is_removed_alone_and_has_the_name_that_json_has() {
    let (_folder, cache) = cache();
    fs::create_dir_all(cache.rootfs().unwrap()).unwrap();
    fs::write(cache.rootfs().unwrap().join("0".repeat(64)), "x").unwrap();
    for key in ["one", "two"] {
        fs::write(cache.apt_state(&Digest::of(key.as_bytes())).unwrap().join("lists"), "x").unwrap();
    }
    let gc = |only, dry_run| {
        cache.gc(GcOptions { now: SystemTime::now(), unused_for: Duration::ZERO, dry_run, only }).unwrap()
    };
    for kind in Kind::ALL {
        let removed = gc(Some(kind), true).removed;
        let count = match kind {
            Kind::Apt => 2,
            Kind::Rootfs => 1,
            Kind::Deb
            | Kind::File
            | Kind::Digests
            | Kind::Listings
            | Kind::Records
            | Kind::Controls
            | Kind::Computed
            | Kind::Temporary => 0,
        };
        assert_eq!(removed.len(), count, "{kind:?}");
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
    let report = gc(Some(Kind::Apt), false);
    assert_eq!((report.removed.len(), report.kept.get(&Kind::Rootfs)), (2, Some(&1)));
    assert_eq!(gc(Some(Kind::Apt), true).removed, []);
    assert_eq!(gc(None, true).removed.len(), 1);
}

#[test]
fn a_file_from_an_address_is_marked_beside_it() {
    use std::os::unix::fs::MetadataExt;
    let (_guard, cache) = cache();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let [used, unused] = [&b"used"[..], b"unused"].map(|content| {
        let path = cache.files().unwrap().join(Digest::of(content).hex());
        fs::write(&path, content).unwrap();
        File::open(&path).unwrap().set_modified(old).unwrap();
        path
    });
    let changed = || fs::metadata(&used).map(|found| (found.ctime(), found.ctime_nsec())).unwrap();
    let before = changed();
    touch_beside(&used).unwrap();
    touch_beside(&used).unwrap();
    assert_eq!(changed(), before, "who has it open sees no change");
    let mark = used.with_extension("used");
    let now = fs::metadata(&mark).unwrap().modified().unwrap() + Duration::from_secs(60);
    let gc =
        |now| cache.gc(GcOptions { now, unused_for: Duration::from_secs(3600), dry_run: false, only: None }).unwrap();
    assert_eq!(gc(now).removed.into_iter().map(|removed| removed.path).collect::<Vec<_>>(), [unused]);
    assert_eq!(fs::read(&used).unwrap(), b"used");
    assert_eq!(gc(now + Duration::from_secs(9999)).removed.len(), 1);
    assert!(!used.exists() && !mark.exists());
    // A link in its place is not followed.
    std::os::unix::fs::symlink("victim", &mark).unwrap();
    assert!(touch_beside(&used).is_err());
    assert!(!mark.with_file_name("victim").exists());
}

#[test]
fn what_was_put_aside_goes_at_once_where_it_is_small_and_else_when_no_other_uses_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().join("cache"));
    let living = cache.in_use(&Silent).unwrap();
    let tmp = cache.temporary().unwrap();
    let key = "0".repeat(64);
    for kind in ["digests", "listings", "records", "controls"] {
        fs::write(tmp.join(format!("{kind}-{key}")), "x").unwrap();
        fs::write(tmp.join(format!("{kind}-{key}xx")), "x").unwrap();
    }
    let large = [format!("rootfs-{key}"), format!("apt-{key}"), format!("apt-{key}x")];
    let others = [format!("digests-{}", &key[1..]), "own".to_owned()];
    for name in large.iter().chain(&others) {
        fs::create_dir(tmp.join(name)).unwrap();
        fs::write(tmp.join(name).join("file"), "x").unwrap();
    }
    let left = || -> BTreeSet<String> {
        fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    drop(cache.in_use(&Silent).unwrap());
    assert_eq!(left(), large.iter().chain(&others).cloned().collect(), "another uses the cache");
    drop(living);
    drop(cache.in_use(&Silent).unwrap());
    assert_eq!(left(), others.into_iter().collect());
}
