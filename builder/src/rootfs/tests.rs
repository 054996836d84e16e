#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]
#![allow(clippy::disallowed_methods, reason = "a test writes what it reads")]

use model::Explain;
use model::package::{Package, PackageFields};
use model::resolution::{ReleaseFields, ResolutionFields, ResolvedFields};

use super::*;
use crate::apt::{Reason, ReleaseInfo, Resolved, Variant};

/// A resolution of packages given by name, version and architecture.
pub(super) fn resolution(packages: &[(&str, &str, &str)]) -> Resolution {
    changed(packages, |_| {})
}

/// The same, changed before it is checked.
pub(super) fn changed(packages: &[(&str, &str, &str)], change: impl FnOnce(&mut ResolutionFields)) -> Resolution {
    let release = ReleaseFields {
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
    let mut fields = ResolutionFields {
        arch: model::Arch::Amd64,
        suite: "stable".to_owned(),
        variant: Variant::Minbase,
        requests: Vec::new(),
        release: Some(ReleaseInfo::new(release).unwrap()),
        more_releases: Vec::new(),
        packages: packages.iter().map(|(name, version, arch)| resolved(name, version, arch, name.as_bytes())).collect(),
    };
    change(&mut fields);
    Resolution::new(fields).unwrap()
}

/// A package whose .deb is `bytes`.
pub(super) fn resolved(name: &str, version: &str, arch: &str, bytes: &[u8]) -> Resolved {
    let package = PackageFields {
        name: name.to_owned(),
        arch: arch.to_owned(),
        version: version.to_owned(),
        source: name.to_owned(),
        source_version: version.to_owned(),
    };
    let path = format!("pool/{name}.deb");
    let fields = ResolvedFields {
        package: Package::new(package).unwrap(),
        url: model::archive::url("http://mirror.example.org/debian", &path),
        path,
        size: bytes.len() as u64,
        sha256: Digest::of(bytes),
        reason: Reason::Requested,
        archive: 0,
        base: false,
        module: None,
    };
    Resolved::new(fields).unwrap()
}

#[test]
fn every_input_that_can_reach_the_bytes_changes_the_key() {
    let tools = |version: &str| vec![tools::Tool { name: "tar", version: version.to_owned() }];
    let epoch = |seconds| Epoch::from_seconds(seconds).unwrap();
    let base = resolution(&[("a1", "1", "amd64")]);
    let of = |resolution: &Resolution| inputs(resolution, epoch(1), &tools("1")).key();
    let mut keys =
        vec![of(&base), inputs(&base, epoch(2), &tools("1")).key(), inputs(&base, epoch(1), &tools("2")).key()];
    let mut with = |packages: &[(&str, &str, &str)], change: &dyn Fn(&mut ResolutionFields)| {
        keys.push(of(&changed(packages, change)));
    };
    let one = [("a1", "1", "amd64")];
    with(&[("a1", "1", "arm64")], &|fields| fields.arch = model::Arch::Arm64);
    with(&one, &|fields| fields.variant = Variant::Extract);
    with(&one, &|fields| fields.release = Some(release(fields, |release| release.codename = "forky".to_owned())));
    with(&one, &|fields| fields.packages = vec![resolved("a1", "1", "amd64", b"other")]);
    with(&[("a1", "2", "amd64")], &|_| {});
    with(&[], &|_| {});
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
    // The mirror and the day of the resolution do not reach the bytes.
    let elsewhere = changed(&one, |fields| {
        fields.release = Some(release(fields, |release| release.inrelease = Digest::of(b"another release")));
    });
    assert_eq!(of(&elsewhere), of(&base));
}

/// What is made over a base may differ from what is made from nothing.
#[test]
fn the_base_counts_where_packages_are_installed_over_it() {
    let both = [("a1", "1", "amd64"), ("b2", "1", "amd64")];
    let marked = |variant, names: &[&str]| {
        changed(&both, |fields| {
            fields.variant = variant;
            for one in &mut fields.packages {
                let base = names.contains(&one.package.name.as_str());
                *one = one.changed(|fields| fields.base = base).unwrap();
            }
        })
    };
    let of = |resolution: &Resolution| inputs(resolution, Epoch::from_seconds(1).unwrap(), &[]);
    let from_nothing = of(&marked(Variant::Minbase, &[]));
    let over = of(&marked(Variant::Minbase, &["a1"]));
    assert_eq!(over.over, Some(of(&resolution(&both[..1])).key()));
    assert_ne!(over.key(), from_nothing.key());
    assert_ne!(over.key(), of(&marked(Variant::Minbase, &["b2"])).key());
    assert_eq!(over.closure, from_nothing.closure);
    let base = over::base(&marked(Variant::Minbase, &["a1"])).unwrap();
    assert_eq!(of(&base).over, None, "a base is made from nothing");
    assert_eq!(of(&marked(Variant::Minbase, &["a1", "b2"])).key(), from_nothing.key(), "there is nothing to install");
    for variant in [Variant::Extract, Variant::Custom] {
        assert_eq!(of(&marked(variant, &["a1"])).over, None, "{variant}");
    }
    let before = changes(&from_nothing, &over);
    assert_eq!(before.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(), ["base"]);
}

/// The release of `fields`, changed.
fn release(fields: &ResolutionFields, change: impl FnOnce(&mut ReleaseFields)) -> ReleaseInfo {
    let mut release = fields.release.clone().unwrap().into_inner();
    change(&mut release);
    ReleaseInfo::new(release).unwrap()
}

#[test]
fn being_no_root_is_no_way_to_build_as_root() {
    if rustix::process::geteuid().is_root() {
        // The tests' own `main` does not know what is done ahead of a program: it is not started again.
        let error = choose(IsolationMode::Root).unwrap_err();
        assert!(
            matches!(&error, Error::Start { source, .. } if source.kind() == io::ErrorKind::Unsupported),
            "{error:?}"
        );
    } else {
        let error = choose(IsolationMode::Root).unwrap_err();
        assert!(matches!(&error, Error::NoPrivilege { tried: "root", .. }) && error.explain().hint.is_some());
    }
}

#[test]
fn an_entry_that_cannot_be_read_is_counted_when_a_build_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().join("cache"));
    let entry = cache.rootfs().unwrap().join(Digest::of(b"entry").hex());
    cache.directory(&entry, 0o755).unwrap();
    fs::write(entry.join("record.json"), "{}").unwrap();
    let options = Options {
        epoch: Epoch::from_seconds(1).unwrap(),
        mode: IsolationMode::Auto,
        fresh: false,
        from_nothing: false,
    };
    let explained = explain(&resolution(&[]), &options, &cache).unwrap();
    assert_eq!((explained.cached, explained.compared, explained.unreadable), (false, false, 1));
}
