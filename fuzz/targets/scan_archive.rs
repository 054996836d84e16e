//! A tar of a root file system (ustar, pax, GNU): a tree or an error. Every content of the tree can be
//! read, and the tree can become an image unless that says why not.

#![no_main]

use composer::scan::{Options, XattrFilter, archive};
use image::tree::Kind;
use libfuzzer_sys::fuzz_target;

fn check(bytes: &[u8]) {
    let path = fuzz::file("rootfs.tar", bytes);
    let Ok(tree) = archive(&path, &Options { xattrs: XattrFilter::All }) else { return };
    for (path, id, node) in tree.walk() {
        assert_eq!(tree.lookup(&path), Some(id));
        if let Kind::Regular(source) = &node.kind {
            let content = source.read(u64::MAX).expect("a member's bytes are there");
            assert_eq!(content.len() as u64, source.size());
        }
    }
    let hashed = composer::hashing::hash_files(tree, &[], None, &model::observe::Silent).expect("all was just read");
    if let Ok(image) = image::composefs::write(&hashed) {
        let again = image::composefs::read(&image).expect("our own image reads");
        let names = again.walk().map(|(path, ..)| path);
        assert!(names.eq(hashed.walk().map(|(path, ..)| path)));
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&fuzz::with_right_sums(bytes));
});
