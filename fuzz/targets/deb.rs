//! A Debian package: its entries and what it says of itself, or errors. With the control file of a
//! package that reads, the same fields come back from its text.

#![no_main]

use builder::rootfs::deb::{Control, contents, metadata};
use libfuzzer_sys::fuzz_target;

fn check(bytes: &[u8]) {
    let path = fuzz::file("package.deb", bytes);
    let _ = contents(&path);
    let Ok(metadata) = metadata(&path) else { return };
    let text = metadata.control.to_string();
    if !text.is_empty() {
        assert_eq!(Control::parse(&text).expect("our own text reads"), metadata.control);
    }
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
