use super::*;

const URI: &str = "http://mirror.example.org/debian";

fn package(name: &str) -> PackageFields {
    let text = |text: &str| text.to_owned();
    let (name, source) = (text(name), text(name));
    PackageFields { name, arch: text("all"), version: text("1"), source, source_version: text("1") }
}

fn resolved(name: &str) -> ResolvedFields {
    let path = format!("pool/{name}_1_all.deb");
    ResolvedFields {
        package: Package::new(package(name)).unwrap(),
        url: archive::url(URI, &path),
        path,
        size: 5,
        sha256: Digest::of(name.as_bytes()),
        reason: Reason::Requested,
        archive: 0,
        base: false,
        module: None,
    }
}

fn release() -> ReleaseFields {
    let text = |text: &str| text.to_owned();
    ReleaseFields {
        uri: text(URI),
        path: text("trixie"),
        inrelease: Digest::of(b"inrelease"),
        date: Epoch::from_seconds(1_700_000_000).unwrap(),
        valid_until: None,
        suite: text("stable"),
        codename: text("trixie"),
        origin: text("Débian"),
        label: String::new(),
    }
}

fn fields() -> ResolutionFields {
    ResolutionFields {
        arch: Arch::Amd64,
        suite: "trixie".to_owned(),
        variant: Variant::Minbase,
        requests: vec![PackageRequest::parse("g++").unwrap()],
        release: Some(ReleaseInfo::new(release()).unwrap()),
        more_releases: Vec::new(),
        packages: ["g++", "libfoo"].map(|name| Resolved::new(resolved(name)).unwrap()).into(),
    }
}

/// What the JSON form of [`fields`] is taken for after `change`.
fn read(change: impl FnOnce(&mut serde_json::Value)) -> Result<Resolution, String> {
    let mut value = serde_json::to_value(fields()).unwrap();
    change(&mut value);
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn a_resolution_leads_back_to_itself() {
    assert_eq!(read(|_| {}), Ok(Resolution::new(fields()).unwrap()));
    assert_eq!(
        serde_json::to_value(Resolution::new(fields()).unwrap()).unwrap(),
        serde_json::to_value(fields()).unwrap()
    );
}

/// Texts that something or other reads as more than a word.
const ODD: [&str; 21] = [
    "-o",
    "--simulate",
    "-oDPkg::Pre-Invoke::=id",
    "libc6=1",
    "foo/sid",
    "a,b",
    "a b",
    "?essential",
    "~n",
    "foo-",
    "foo^",
    "foo&",
    "a*",
    "^a$",
    "a\nb",
    "a\tb",
    "a\u{0}b",
    "a\u{1b}[2J",
    "a\u{202e}b",
    "bär",
    "",
];

#[test]
fn no_odd_text_stands_in_any_field_of_a_package() {
    let long = "a".repeat(1 << 20);
    for odd in ODD.into_iter().chain(["Upper", "_a", "a", &long]) {
        for field in ["name", "version", "source", "source_version", "arch", "reason"] {
            // One letter is a version, and a version may hold capital letters.
            if ["Upper", "a"].contains(&odd) && field.ends_with("version") {
                continue;
            }
            if odd == "foo-" && field.ends_with("version") {
                continue;
            }
            let error = read(|value| value["packages"][0][field] = odd.into()).unwrap_err();
            assert!(error.len() < 400 && !error.contains(['\n', '\u{1b}', '\u{202e}']), "{field} {odd:?}: {error}");
        }
    }
}

#[test]
fn no_odd_text_stands_in_any_field_of_an_archive() {
    let long = "a".repeat(1 << 20);
    for odd in ODD.into_iter().chain(["../x", "a/../b", "/x", &long]) {
        for field in ["path", "suite", "codename"] {
            // Words with these marks are suites, and a Release file may be without names.
            if ["foo/sid", "foo-"].contains(&odd) || odd.is_empty() && field != "path" {
                continue;
            }
            assert!(read(|value| value["release"][field] = odd.into()).is_err(), "{field} {odd:?}");
        }
        assert!(read(|value| value["suite"] = odd.into()).is_err() || ["foo/sid", "foo-"].contains(&odd), "{odd:?}");
    }
    for odd in ["a\nb", "a\u{0}", "a\u{1b}[2J", "a\u{9b}b", "a\u{202e}b", "a\u{2066}b", &long] {
        for field in ["origin", "label"] {
            assert!(read(|value| value["release"][field] = odd.into()).is_err(), "{field} {odd:?}");
        }
        let odd = || odd.to_owned();
        let told = ReleaseFields { suite: odd(), codename: odd(), origin: odd(), label: odd(), ..release() };
        let told = ReleaseInfo::new(told.without_odd_names()).unwrap();
        assert!(told.suite.is_empty() && told.codename.is_empty() && told.origin.is_empty() && told.label.is_empty());
    }
    for uri in ["", "http://u:p@mirror.example.org", "http://mirror.example.org/debian/", "file:///srv", "ftp://x/y"] {
        let error = read(|value| value["release"]["uri"] = uri.into()).unwrap_err();
        assert!(!error.contains("u:p"), "{error}");
    }
}

#[test]
fn urls_and_paths_stay_below_the_recorded_archives() {
    for (path, url) in [
        ("../x.deb", "http://mirror.example.org/debian/../x.deb"),
        ("/etc/x.deb", "http://mirror.example.org/debian//etc/x.deb"),
        ("pool//x.deb", "http://mirror.example.org/debian/pool//x.deb"),
        ("shadow", "http://mirror.example.org/debian/shadow"),
        ("x.deb", "file:///etc/shadow"),
        ("x.deb", "http://other.example.org/debian/x.deb"),
        ("x.deb", "http://mirror.example.org/debian/y.deb"),
        ("x.deb", "http://mirror.example.org/debian/pool/x.deb"),
        ("x.deb", "http://mirror.example.org/debian/x.deb#"),
        ("x.deb", "http://mirror.example.org/debian/x.deb\n"),
        ("x.deb", "http://mirror.example.org/x.deb"),
        ("x.deb", "http://user@mirror.example.org/debian/x.deb"),
        ("x.deb", "http://mirror.example.org/debian/%2e%2e/x.deb"),
        ("%2e%2e/x.deb", "http://mirror.example.org/debian/%2e%2e/x.deb"),
        ("x.deb", "/x.deb"),
        ("x.deb", ""),
    ] {
        let change = |value: &mut serde_json::Value| {
            let package = &mut value["packages"][0];
            (package["path"], package["url"]) = (path.into(), url.into());
        };
        assert!(read(change).is_err(), "{path:?} {url:?}");
    }
}

#[test]
fn sizes_numbers_and_orders_have_limits() {
    for size in [serde_json::json!(DEB_LIMIT + 1), serde_json::json!(1_u64 << 63), serde_json::json!(-1)] {
        assert!(read(|value| value["packages"][0]["size"] = size).is_err());
    }
    let many = |count: usize, size| {
        let packages = (0..count).map(|number| ResolvedFields { size, ..resolved(&format!("p{number:04}")) });
        let packages = packages.map(|fields| Resolved::new(fields).unwrap()).collect();
        Resolution::new(ResolutionFields { packages, ..fields() })
    };
    assert!(many(32, DEB_LIMIT).is_ok());
    assert!(matches!(many(33, DEB_LIMIT), Err(Fault::Many { limit: TOTAL_LIMIT, .. })));
    let archives = |count| vec![ReleaseInfo::new(release()).unwrap(); count];
    let with = |more_releases| Resolution::new(ResolutionFields { more_releases, ..fields() });
    assert!(with(archives(ARCHIVE_LIMIT - 1)).is_ok() && with(archives(ARCHIVE_LIMIT)).is_err());
    let ordered = |names: &[&str]| {
        let packages = names.iter().map(|name| Resolved::new(resolved(name)).unwrap()).collect();
        Resolution::new(ResolutionFields { packages, ..fields() }).map(|_| ())
    };
    let name = || "libfoo".to_owned();
    assert_eq!(ordered(&["libfoo", "libfoo"]), Err(Fault::Twice { name: name(), arch: Arch::Amd64 }));
    assert_eq!(ordered(&["zlib", "libfoo"]), Err(Fault::Order { name: name(), arch: Arch::Amd64 }));
}

#[test]
fn unknown_keys_and_foreign_architectures_are_refused() {
    assert!(read(|value| value["packages"][0]["more"] = "x".into()).is_err());
    assert!(read(|value| value["release"]["more"] = "x".into()).is_err());
    assert!(read(|value| value["more"] = "x".into()).is_err());
    for arch in ["arm64", "--simulate", "all,amd64", "any", ""] {
        assert!(read(|value| value["packages"][0]["arch"] = arch.into()).is_err(), "{arch:?}");
    }
    assert!(read(|value| value["packages"][0]["arch"] = "amd64".into()).is_ok());
}

#[test]
fn a_request_that_was_put_together_by_hand_is_looked_at_too() {
    let odd = PackageRequest { name: "-o".to_owned(), arch: None, version: None, suite: None };
    assert!(matches!(
        Resolution::new(ResolutionFields { requests: vec![odd], ..fields() }),
        Err(Fault::Request { .. })
    ));
    assert!(read(|value| value["requests"][0] = "g++=1/sid".into()).is_err());
}

#[test]
fn the_newest_archive_gives_the_time_and_packages_can_be_left_out() {
    let at =
        |seconds| ReleaseInfo::new(ReleaseFields { date: Epoch::from_seconds(seconds).unwrap(), ..release() }).unwrap();
    let dated = |first, more: &[i64]| {
        let more_releases = more.iter().copied().map(at).collect();
        Resolution::new(ResolutionFields { release: Some(at(first)), more_releases, ..fields() }).unwrap()
    };
    assert_eq!(dated(5, &[]).newest().map(Epoch::seconds), Some(5));
    assert_eq!(dated(5, &[7, 6]).newest().map(Epoch::seconds), Some(7));
    assert_eq!(dated(9, &[7]).newest().map(Epoch::seconds), Some(9));
    assert_eq!(dated(9, &[7, 8]).archives().map(|release| release.date.seconds()).collect::<Vec<_>>(), [9, 7, 8]);
    let names = |numbers: &[usize]| {
        let narrowed = dated(5, &[7]).narrowed(numbers).unwrap();
        assert_eq!(narrowed.archives().count(), 2);
        narrowed.packages.iter().map(|package| package.package.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&[0, 1]), names(&[1]), names(&[])),
        (vec!["g++".into(), "libfoo".into()], vec!["libfoo".into()], vec![])
    );
    assert!(dated(5, &[]).narrowed(&[1, 0]).is_err());
}

#[test]
fn names_that_are_as_they_should_be_stay() {
    let odd = ReleaseFields { label: "a\nb".to_owned(), ..release() };
    assert_eq!(odd.without_odd_names(), release());
}

#[test]
fn each_part_of_a_package_has_its_fault() {
    let text = |text: &str| text.to_owned();
    let fault = |fields: ResolvedFields| Resolved::new(fields).unwrap_err();
    let odd = PackageFields { version: String::new(), ..package("g++") };
    let (name, field) = (text("g++"), "version");
    let wanted = Fault::Package { name, field, text: String::new() };
    assert_eq!(fault(ResolvedFields { package: Package::new(odd).unwrap(), ..resolved("g++") }), wanted);
    let name = || text("g++");
    assert_eq!(fault(ResolvedFields { path: text("../a.deb"), ..resolved("g++") }), Fault::Outside { name: name() });
    let wanted = Fault::Path { name: name(), path: text("a") };
    assert_eq!(fault(ResolvedFields { path: text("a"), ..resolved("g++") }), wanted);
    let reason = Reason::Base(text("A"));
    assert_eq!(fault(ResolvedFields { reason, ..resolved("g++") }), Fault::Reason { name: name() });
    assert_eq!(fault(ResolvedFields { size: DEB_LIMIT + 1, ..resolved("g++") }), Fault::Size { name: name() });
    assert!(Resolved::new(ResolvedFields { size: DEB_LIMIT, ..resolved("g++") }).is_ok());
    let fault = |fields: ReleaseFields| ReleaseInfo::new(fields).unwrap_err();
    for (fields, field) in [
        (ReleaseFields { path: text("-a"), ..release() }, "path"),
        (ReleaseFields { suite: text("-a"), ..release() }, "suite"),
        (ReleaseFields { codename: text("-a"), ..release() }, "codename"),
    ] {
        assert_eq!(fault(fields), Fault::Archive { field, text: text("-a") });
    }
    let foreign = PackageFields { arch: text("arm64"), ..package("g++") };
    let packages =
        vec![Resolved::new(ResolvedFields { package: Package::new(foreign).unwrap(), ..resolved("g++") }).unwrap()];
    let wanted = Fault::Arch { name: name(), found: text("arm64"), arch: Arch::Amd64 };
    assert_eq!(Resolution::new(ResolutionFields { packages, ..fields() }), Err(wanted));
    let wanted = Fault::Suite { text: text("-a") };
    assert_eq!(Resolution::new(ResolutionFields { suite: text("-a"), ..fields() }), Err(wanted));
}
