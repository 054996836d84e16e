#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::fs;

use super::*;

fn identity(number: u64) -> Identity {
    // Times before 1970 and numbers of every size, so that the order of keys is put to the test.
    let seconds = number.cast_signed().wrapping_mul(7919) - 1_000_000;
    Identity {
        device: number % 3,
        inode: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        file_size: number,
        modified: Mtime { seconds, nanoseconds: 5 },
        changed: Mtime { seconds: -seconds - 2_000_000, nanoseconds: 999_999_999 },
        offset: number * 512,
        size: number,
    }
}

fn known(number: u64) -> Known {
    let bytes = number.to_be_bytes();
    Known { sha256: Digest::of(&bytes), verity: image::verity::digest(&bytes) }
}

/// A cache with 100 entries, written to `path`.
fn write(path: &Path) {
    let cache = DigestCache::open(path).unwrap();
    (0..100).rev().for_each(|number| cache.remember(&identity(number), &known(number)));
    cache.save().unwrap();
}

#[test]
fn what_was_remembered_is_recalled_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("digests");
    write(&path);
    let cache = DigestCache::open(&path).unwrap();
    for number in 0..100 {
        assert_eq!(cache.get(&identity(number)), Some(known(number)), "{number}");
        let other = Identity { offset: 1, ..identity(number) };
        assert_eq!(cache.get(&other), None);
    }
    assert_eq!(cache.get(&identity(100)), None);
    assert_eq!(DigestCache::write_only(&path).unwrap().get(&identity(1)), None);
}

#[test]
fn what_a_build_did_not_use_is_forgotten() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("digests");
    write(&path);
    let cache = DigestCache::open(&path).unwrap();
    cache.get(&identity(5)).unwrap();
    cache.save().unwrap();
    let cache = DigestCache::open(&path).unwrap();
    assert_eq!(cache.get(&identity(5)), Some(known(5)));
    assert_eq!(cache.get(&identity(6)), None);
    assert_eq!(fs::read(&path).unwrap().len(), HEADER + ENTRY + SUM);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "no temporary file stays");
}

#[test]
fn what_changed_just_now_is_not_remembered() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("digests");
    let now = now(root.path()).unwrap();
    let cache = DigestCache::open(&path).unwrap();
    let before = |seconds| Mtime { seconds: now.seconds - seconds, ..now };
    let at = |modified, changed| Identity { modified, changed, ..identity(1) };
    let cases = [(before(100), before(100), true), (before(0), before(100), false), (before(100), before(1), false)];
    for (modified, changed, kept) in cases {
        cache.remember(&at(modified, changed), &known(1));
        assert_eq!(!std::mem::take(&mut *cache.new.lock().unwrap()).is_empty(), kept);
    }
}

#[test]
fn a_damaged_file_is_as_good_as_none() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("digests");
    write(&path);
    let good = fs::read(&path).unwrap();
    let mut random = testkit::Random::from_environment();
    let recalls = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let cache = DigestCache::open(&path).unwrap();
        (0..100).filter(|number| cache.get(&identity(*number)).is_some()).count()
    };
    assert_eq!(recalls(&good), 100);
    for _ in 0..300 {
        let mut bad = good.clone();
        let place = usize::try_from(random.below(good.len() as u64)).unwrap();
        if random.one_in(2) {
            bad[place] ^= 1 << random.below(8);
        } else {
            bad.truncate(place);
        }
        assert_eq!(recalls(&bad), 0);
    }
    assert_eq!(recalls(&[good.clone(), vec![0]].concat()), 0);
    let mut newer = good;
    newer.truncate(newer.len() - SUM);
    newer[11] = 2;
    newer.extend(Digest::of(&newer).as_bytes());
    assert_eq!(recalls(&newer), 0, "a version that is not known");
}
