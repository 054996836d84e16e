//! An image layout made of the input: a layout or an error, and every blob of a layout is the file that
//! its digest names.
//!
//! The input is documents with the byte 0xff between them. The first is `oci-layout`, the second
//! `index.json`, the others are blobs. In each, `$D3` and `$S3` stand for the digest and the size of the
//! third blob, which must come later, so that a reference that fits is more than luck.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use model::Digest;

/// Puts digests and sizes of later documents in their places.
fn fill(document: &[u8], blobs: &[(Digest, usize)]) -> Vec<u8> {
    let mut filled = Vec::with_capacity(document.len());
    let mut rest = document;
    while let Some((first, after)) = rest.split_first() {
        match rest {
            [b'$', what @ (b'D' | b'S'), number @ b'0'..=b'9', after @ ..] => {
                if let Some((digest, size)) = blobs.get(usize::from(number - b'0')) {
                    filled.extend(if *what == b'D' { digest.to_string() } else { size.to_string() }.bytes());
                }
                rest = after;
            }
            _ => {
                filled.push(*first);
                rest = after;
            }
        }
    }
    filled
}

fuzz_target!(|bytes: &[u8]| {
    let documents: Vec<&[u8]> = bytes.splitn(9, |byte| *byte == 0xff).collect();
    let directory = fuzz::scratch().join("layout");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(directory.join("blobs/sha256")).expect("a directory can be made");
    let unknown = (Digest::new([0; 32]), 0);
    let mut blobs = vec![unknown; documents.len()];
    for (number, document) in documents.iter().enumerate().rev() {
        let content = fill(document, &blobs);
        let name = match number {
            0 => "oci-layout".to_owned(),
            1 => "index.json".to_owned(),
            _ => format!("blobs/sha256/{}", Digest::of(&content).hex()),
        };
        blobs[number] = (Digest::of(&content), content.len());
        fs::write(directory.join(name), content).expect("a file can be written");
    }
    let Ok(layout) = oci::layout::read(&directory) else { return };
    for blob in layout.documents().flat_map(|listed| listed.blobs()) {
        let path = directory.join("blobs/sha256").join(blob.digest.hex());
        let content = fs::read(path).expect("a blob that was checked is there");
        assert_eq!((Digest::of(&content), content.len() as u64), (blob.digest, blob.size));
    }
});
