#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use model::package::Package;

use super::*;
use crate::apt::{Reason, ReleaseInfo, Resolved, Variant};

/// A resolution of packages given by name, version and architecture.
pub(super) fn resolution(packages: &[(&str, &str, &str)]) -> Resolution {
    let release = ReleaseInfo {
        uri: "http://mirror.example.org/debian".to_owned(),
        path: "stable".to_owned(),
        inrelease: Digest::of(b"release"),
        date: Epoch::from_seconds(1_700_000_000).unwrap(),
        valid_until: None,
        suite: "stable".to_owned(),
        codename: "trixie".to_owned(),
        origin: "Debian".to_owned(),
        label: "Debian".to_owned(),
    };
    let resolved = |(name, version, arch): &(&str, &str, &str)| Resolved {
        package: Package {
            name: (*name).to_owned(),
            arch: (*arch).to_owned(),
            version: (*version).to_owned(),
            source: (*name).to_owned(),
            source_version: (*version).to_owned(),
        },
        url: format!("http://mirror.example.org/debian/pool/{name}.deb"),
        path: format!("pool/{name}.deb"),
        size: 1,
        sha256: Digest::of(name.as_bytes()),
        reason: Reason::Requested,
    };
    Resolution {
        arch: model::Arch::Amd64,
        suite: "stable".to_owned(),
        variant: Variant::Minbase,
        requests: Vec::new(),
        release,
        more_releases: Vec::new(),
        packages: packages.iter().map(resolved).collect(),
    }
}

#[test]
fn every_input_that_can_reach_the_bytes_changes_the_key() {
    let tools = |version: &str| vec![tools::Tool { name: "tar", version: version.to_owned() }];
    let epoch = |seconds| Epoch::from_seconds(seconds).unwrap();
    let base = resolution(&[("a1", "1", "amd64")]);
    let of = |resolution: &Resolution| key(&inputs(resolution, epoch(1), &tools("1")));
    let mut keys =
        vec![of(&base), key(&inputs(&base, epoch(2), &tools("1"))), key(&inputs(&base, epoch(1), &tools("2")))];
    let mut changed = |change: &dyn Fn(&mut Resolution)| {
        let mut resolution = base.clone();
        change(&mut resolution);
        keys.push(of(&resolution));
    };
    changed(&|r| r.arch = model::Arch::Arm64);
    changed(&|r| r.variant = Variant::Extract);
    changed(&|r| r.release.codename = "forky".to_owned());
    changed(&|r| r.packages[0].sha256 = Digest::of(b"other"));
    changed(&|r| r.packages[0].package.version = "2".to_owned());
    changed(&|r| r.packages.clear());
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
    // The mirror and the day of the resolution do not reach the bytes.
    let mut elsewhere = base.clone();
    elsewhere.release.uri = "http://other.example.org/debian".to_owned();
    elsewhere.release.inrelease = Digest::of(b"another release");
    assert_eq!(of(&elsewhere), of(&base));
}

#[test]
fn being_no_root_is_no_way_to_build_as_root() {
    if rustix::process::geteuid().is_root() {
        assert!(choose(Mode::Root).is_ok_and(|rights| rights == Rights::Root));
    } else {
        let error = choose(Mode::Root).unwrap_err();
        assert!(matches!(&error, Error::NoRights { tried: "root", .. }) && !error.cure().is_empty());
    }
}
