//! The small types that one text gives: paths, digests, times, requests, patterns. What is read prints
//! as what reads as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::manifest::Requirement;
use model::package::{PackageRequest, is_package_name, is_version};
use model::path::escape;
use model::pattern::Glob;
use model::{Arch, Digest, Epoch, ImagePath, Pattern, VerityDigest};

fn path(bytes: &[u8]) {
    let Ok(path) = ImagePath::new(bytes) else { return };
    assert_eq!(ImagePath::new(path.as_bytes()).as_ref(), Ok(&path));
    assert!(path.as_bytes().starts_with(b"/") && (path.is_root() || !path.as_bytes().ends_with(b"/")));
    assert!(path.starts_with(&ImagePath::root()));
    assert_eq!(path.components().count() == 0, path.is_root());
    for name in path.components() {
        assert!(!name.is_empty() && name.len() <= 255 && name != b"." && name != b".." && !name.contains(&b'/'));
    }
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
        assert_eq!(parent.join(name).as_ref(), Ok(&path));
        assert!(path.starts_with(&parent));
    }
}

fn same<T: std::str::FromStr + ToString + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(&value));
    }
}

fuzz_target!(|bytes: &[u8]| {
    path(bytes);
    assert!(!escape(bytes).contains(char::is_control));
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    same::<Digest>(text);
    same::<VerityDigest>(text);
    same::<Arch>(text);
    if let Ok(epoch) = Epoch::parse(text) {
        assert_eq!(Epoch::from_seconds(epoch.seconds()), Ok(epoch));
        assert_eq!(epoch.rfc3339().len(), 20);
    }
    if let Ok(request) = PackageRequest::parse(text) {
        assert_eq!(PackageRequest::parse(&request.to_string()), Ok(request));
    }
    if let Ok(requirement) = Requirement::parse(text) {
        assert_eq!(Requirement::parse(&requirement.to_string()), Ok(requirement));
    }
    assert!(!is_package_name(text) || !is_version(text) || !text.contains(['/', '\n', ' ']));
    if let Ok(pattern) = Pattern::parse(text) {
        let glob = pattern.glob();
        if let Some(literal) = glob.literal() {
            // What matches one path only matches that path.
            assert!(glob.test(&literal, true).taken || glob.slash_for_directory);
            assert_eq!(glob.test(&literal, false).taken, !glob.directory_only);
        }
        assert_eq!(Glob::parse(text.as_bytes()), glob);
    }
});
