//! The file of remembered digests: it is used or is as good as none, and what was used or added is
//! there after it was saved.

#![no_main]

use composer::hashing::{DigestCache, Known};
use image::identity::Identity;
use image::tree::Mtime;
use libfuzzer_sys::fuzz_target;
use model::{Digest, VerityDigest};

fn identity(number: u64) -> Identity {
    let time = Mtime { seconds: 1, nanoseconds: 0 };
    Identity { device: 1, inode: number, file_size: 9, modified: time, changed: time, offset: 0, size: 9 }
}

fn check(bytes: &[u8]) {
    let path = fuzz::file("digests", bytes);
    let cache = DigestCache::open(&path).expect("the directory is there");
    let before: Vec<Option<Known>> = (0..8).map(|number| cache.get(&identity(number))).collect();
    let known = Known { sha256: Digest::new([1; 32]), verity: VerityDigest::new([2; 32]) };
    cache.remember_own(&identity(8), &known);
    cache.save().expect("the directory is there");
    let again = DigestCache::open(&path).expect("the directory is there");
    for (number, before) in (0..8).zip(before) {
        // An entry that is there twice with two values is as good as either of them.
        assert_eq!(again.get(&identity(number)).is_some(), before.is_some());
    }
    assert!(again.get(&identity(8)).is_some());
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut framed = [&b"mbdigest\0\0\0\x01"[..], bytes].concat();
    framed.extend(Digest::of(&framed).as_bytes());
    check(&framed);
});
