//! Small resolutions for tests.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use model::package::{Package, PackageRequest};
use model::{Arch, Digest, Epoch};

use super::{Reason, ReleaseInfo, Resolution, Resolved, Variant, solve};

pub(super) const ARCHIVE: &str = "http://mirror.example.org/debian";

/// A resolution of packages whose .deb holds just their name.
pub(super) fn resolution(names: &[&str]) -> Resolution {
    let release = ReleaseInfo {
        uri: ARCHIVE.to_owned(),
        path: "trixie".to_owned(),
        inrelease: Digest::of(b"inrelease"),
        date: Epoch::from_seconds(1_700_000_000).unwrap(),
        valid_until: None,
        suite: "stable".to_owned(),
        codename: "trixie".to_owned(),
        origin: "Debian".to_owned(),
        label: String::new(),
    };
    let package = |name: &&str| {
        let (version, path) = ("1".to_owned(), format!("pool/{name}_1_all.deb"));
        Resolved {
            package: Package {
                name: (*name).to_owned(),
                arch: "all".to_owned(),
                source: (*name).to_owned(),
                source_version: version.clone(),
                version,
            },
            url: solve::url(ARCHIVE, &path),
            path,
            size: name.len() as u64,
            sha256: Digest::of(name.as_bytes()),
            reason: Reason::Requested,
        }
    };
    Resolution {
        arch: Arch::Amd64,
        suite: "trixie".to_owned(),
        variant: Variant::Minbase,
        requests: names.iter().map(|name| PackageRequest::parse(name).unwrap()).collect(),
        release,
        more_releases: Vec::new(),
        packages: names.iter().map(package).collect(),
    }
}
