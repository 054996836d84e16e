//! A `module.tar`, plain or compressed: it is read or refused, what is read is the one archive of its
//! manifest, image and time, and every object of it can be found. Sums and digests are fixed, too, so that
//! what is behind them is reached.

#![no_main]

use std::path::Path;

use image::archive::{TarBytes, check, open};
use image::object::Objects;
use libfuzzer_sys::fuzz_target;
use tar::{Builder, Header};

fn look(bytes: &[u8]) {
    let Ok(archive) = check(&mut &*bytes, Path::new("module.tar")) else { return };
    assert_eq!(image::verity::digest(&archive.image), archive.image_digest);
    let path = fuzz::file("module.tar", bytes);
    let file = std::fs::File::open(&path).expect("the file is there");
    let opened = open(file, &path, fuzz::scratch()).expect("it was read before");
    for (digest, member) in &opened.archive.objects {
        assert!(opened.locate(digest, member.size).is_ok());
        assert!(opened.locate(digest, member.size + 1).is_err());
    }
    let length = opened.boundaries().last().copied().unwrap_or_default();
    assert!(archive.is_compressed || length == bytes.len() as u64);
}

/// An archive with this image and no object.
fn around(image: &[u8]) -> Vec<u8> {
    let digest = format!("{}\n", image::verity::digest(image));
    let mut tar = Builder::new(Vec::new());
    for (name, content) in
        [("manifest.json", &b"{}"[..]), ("composefs.digest", digest.as_bytes()), ("module.cfs", image)]
    {
        let mut header = Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        tar.append_data(&mut header, name, content).expect("a short name fits");
    }
    tar.into_inner().expect("nothing fails in memory")
}

fuzz_target!(|bytes: &[u8]| {
    look(bytes);
    look(&fuzz::with_right_sums(bytes));
    look(&around(bytes));
});
