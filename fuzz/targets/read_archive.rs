//! A `module.tar`, plain or compressed: it is read or refused, and every object of what is read can be
//! found. Sums and digests are mended, too, so that what lies behind them is reached.

#![no_main]

use composer::archive::{Objects, Options, read};
use libfuzzer_sys::fuzz_target;
use tar::{Builder, Header};

fn check(bytes: &[u8]) {
    let path = fuzz::file("module.tar", bytes);
    let options = Options { check_objects: true, scratch: fuzz::scratch().to_owned(), limit: 4 << 20 };
    let Ok(archive) = read(&path, &options) else { return };
    for (digest, member) in &archive.objects {
        assert!(archive.locate(digest, member.size).is_ok());
        assert!(archive.locate(digest, member.size + 1).is_err());
    }
    assert_eq!(composer::verity::digest(&archive.image), archive.image_digest);
}

/// An archive with this image and no object.
fn around(image: &[u8]) -> Vec<u8> {
    let digest = composer::verity::digest(image).to_string();
    let mut tar = Builder::new(Vec::new());
    for (name, content) in
        [("manifest.json", &b"{}"[..]), ("composefs.digest", digest.as_bytes()), ("module.cfs", image)]
    {
        let mut header = Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content).expect("a short name fits");
    }
    tar.into_inner().expect("nothing fails in memory")
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&fuzz::with_right_sums(bytes));
    check(&around(bytes));
});
