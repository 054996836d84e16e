//! A Debian package: its entries and what it says of itself, or errors. With the control file of a
//! package that reads, the same fields come back from its text. One reading of both finds the same, and the
//! cache gives it back.

#![no_main]

use builder::rootfs::deb::{Control, DebContents, contents, listing, metadata};
use builder::rootfs::deb_contents::{decode, encode};
use libfuzzer_sys::fuzz_target;
use model::Digest;

fn check(bytes: &[u8]) {
    let path = fuzz::file("package.deb", bytes);
    let deb = Digest::of(bytes);
    let (entries, metadata, both) = (contents(&path), metadata(&path), listing(&path, &deb));
    assert_eq!(both.is_ok(), entries.is_ok() && metadata.is_ok());
    let Ok(metadata) = metadata else { return };
    let text = metadata.control.to_string();
    if !text.is_empty() {
        assert_eq!(Control::parse(&text).expect("our own text reads"), metadata.control);
    }
    let (Ok(both), Ok(entries)) = (both, entries) else { return };
    assert_eq!(both, DebContents { metadata, entries });
    let kept = encode(&both, &deb).expect("no text has 4 GiB");
    assert_eq!(decode(&kept, &deb), Some(both));
}

/// A package whose two archives are these bytes, not compressed.
fn around(tar: &[u8]) -> Vec<u8> {
    let mut deb = b"!<arch>\n".to_vec();
    for (name, content) in [("debian-binary", &b"2.0\n"[..]), ("control.tar", tar), ("data.tar", tar)] {
        deb.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes());
        deb.extend(content);
        deb.extend(&b"\n"[..content.len() % 2]);
    }
    deb
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&around(&fuzz::with_right_sums(bytes)));
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(control) = Control::parse(text)
    {
        assert_eq!(Control::parse(&control.to_string()).expect("our own text reads"), control);
    }
});
