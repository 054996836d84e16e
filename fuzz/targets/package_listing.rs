//! What the cache has of a package's files: there is one form for each listing, and nothing else is read.

#![no_main]

use builder::rootfs::deb_contents::{decode, encode};
use libfuzzer_sys::fuzz_target;
use model::Digest;

fn check(bytes: &[u8], deb: &Digest) {
    if let Some(listing) = decode(bytes, deb) {
        assert_eq!(encode(&listing, deb).expect("what was read can be written"), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let deb = Digest::new([7; 32]);
    check(bytes, &deb);
    let mut framed = [&b"mblisted\0\0\0\x01"[..], deb.as_bytes(), bytes].concat();
    framed.extend(Digest::of(&framed).as_bytes());
    check(&framed, &deb);
});
