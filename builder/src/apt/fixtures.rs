//! Small resolutions for tests.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use model::package::{Package, PackageFields, PackageRequest};
use model::resolution::{ReleaseFields, ResolutionFields, ResolvedFields};
use model::{Arch, Digest, Epoch, archive};

use super::{Reason, ReleaseInfo, Resolution, Resolved, Variant};

pub(super) const ARCHIVE: &str = "http://mirror.example.org/debian";

/// A resolution of packages whose .deb holds just their name.
pub(super) fn resolution(names: &[&str]) -> Resolution {
    from(ARCHIVE, names)
}

/// The same from another archive.
pub(super) fn from(uri: &str, names: &[&str]) -> Resolution {
    let release = ReleaseFields {
        uri: uri.to_owned(),
        path: "trixie".to_owned(),
        inrelease: Digest::of(b"inrelease"),
        date: Epoch::from_seconds(1_700_000_000).unwrap(),
        valid_until: None,
        suite: "stable".to_owned(),
        codename: "trixie".to_owned(),
        origin: "Debian".to_owned(),
        label: String::new(),
    };
    let fields = ResolutionFields {
        arch: Arch::Amd64,
        suite: "trixie".to_owned(),
        variant: Variant::Minbase,
        requests: names.iter().map(|name| PackageRequest::parse(name).unwrap()).collect(),
        release: Some(ReleaseInfo::new(release).unwrap()),
        more_releases: Vec::new(),
        packages: names.iter().map(|name| resolved(uri, name)).collect(),
    };
    Resolution::new(fields).unwrap()
}

fn resolved(uri: &str, name: &str) -> Resolved {
    let path = format!("pool/{name}_1_all.deb");
    let fields = ResolvedFields {
        package: package(name, "1"),
        url: archive::url(uri, &path),
        path,
        size: name.len() as u64,
        sha256: Digest::of(name.as_bytes()),
        reason: Reason::Requested,
        archive: 0,
        base: false,
        module: None,
    };
    Resolved::new(fields).unwrap()
}

/// A package for all architectures from a source of its own name.
pub(super) fn package(name: &str, version: &str) -> Package {
    let text = |text: &str| text.to_owned();
    let fields = PackageFields {
        name: text(name),
        arch: text("all"),
        version: text(version),
        source: text(name),
        source_version: text(version),
    };
    Package::new(fields).unwrap()
}

/// `resolution` with another package at the place `number`.
pub(super) fn with(
    resolution: &Resolution,
    number: usize,
    change: impl FnOnce(&mut ResolvedFields, &mut PackageFields),
) -> Resolution {
    let changed = resolution.packages[number].changed(|fields| {
        let mut package = fields.package.clone().into_inner();
        change(fields, &mut package);
        fields.package = Package::new(package).unwrap();
    });
    resolution.changed(|fields| fields.packages[number] = changed.unwrap()).unwrap()
}
