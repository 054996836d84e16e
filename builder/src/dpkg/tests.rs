#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use super::*;

const STATUS: &str = "Package: libc6\nStatus: install ok installed\nMulti-Arch: same\nArchitecture: amd64\nSource: glibc\nVersion: 2.41-12\nDescription: x\n Status: a trap in a folded line\n\nPackage: dash\nStatus: install ok unpacked\nArchitecture: amd64\nSource: dash (0.5-1)\nVersion: 0.5-1+b1\n\nPackage: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5\nConffiles:\n /etc/bash.bashrc 00\n\n";

fn files() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("/var/lib/dpkg/status", STATUS),
        ("/var/lib/dpkg/info/libc6:amd64.list", "/.\n/lib\n/lib/ld.so\n"),
        ("/var/lib/dpkg/info/dash.list", "/.\n/bin/sh\n/bin/dash\n"),
        ("/var/lib/dpkg/info/bash.list", "/.\n/bin/sh\n/etc/bash.bashrc\n"),
        ("/var/lib/dpkg/info/bash.conffiles", "/etc/bash.bashrc\nremove-on-upgrade /etc/old\n"),
        ("/var/lib/dpkg/diversions", "/bin/sh\n/bin/sh.distrib\ndash\n/usr/x\n/usr/y\n:\n"),
        ("/var/lib/dpkg/statoverride", "root crontab 2755 /usr/bin/cron tab\n"),
        (
            "/var/lib/dpkg/alternatives/pager",
            "auto\n/usr/bin/pager\npager.1.gz\n/usr/share/man/man1/pager.1.gz\n\n/bin/more\n50\n/usr/share/man/man1/more.1.gz\n/bin/cat\n1\n\n\n",
        ),
    ])
}

fn parse(files: &BTreeMap<&str, &str>) -> Result<Database, Error> {
    let names = |folder: &str| -> Vec<Vec<u8>> {
        files.keys().filter_map(|path| path.strip_prefix(folder)).map(|name| name.as_bytes().to_vec()).collect()
    };
    let mut read = |path: &ImagePath| files.get(path.to_string().as_str()).map(|text| text.as_bytes().to_vec());
    Database::parse(&mut read, &names("/var/lib/dpkg/info/"), &names("/var/lib/dpkg/alternatives/"))
}

fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

#[test]
fn packages_come_with_their_source_and_state() {
    let database = parse(&files()).unwrap();
    let seen: Vec<_> = database
        .packages
        .iter()
        .map(|p| (p.package.name.as_str(), p.package.source.as_str(), p.package.source_version.as_str(), p.state))
        .collect();
    assert_eq!(
        seen,
        [
            ("bash", "bash", "5", State::Installed),
            ("dash", "dash", "0.5-1", State::Unpacked),
            ("libc6", "glibc", "2.41-12", State::Installed)
        ]
    );
}

#[test]
fn a_path_has_its_owner_through_architectures_and_diversions() {
    let database = parse(&files()).unwrap();
    let owner = |text: &str| database.owner(&path(text)).map(|o| (o.package.name.clone(), o.diverted_to.cloned()));
    assert_eq!(owner("/lib/ld.so"), Some(("libc6".into(), None)));
    assert_eq!(owner("/bin/sh"), Some(("dash".into(), None)), "bash's file was diverted away");
    assert_eq!(owner("/bin/sh.distrib"), Some(("bash".into(), Some(path("/bin/sh.distrib")))));
    assert_eq!(owner("/nowhere"), None);
    assert!(database.owner(&path("/etc/bash.bashrc")).unwrap().conffile);
    assert!(!database.owner(&path("/bin/dash")).unwrap().conffile);
    assert_eq!(database.owners(&path("/")).len(), 3);
}

#[test]
fn alternatives_and_overrides_are_read() {
    let database = parse(&files()).unwrap();
    for link in ["/usr/bin/pager", "/usr/share/man/man1/pager.1.gz", "/etc/alternatives/pager"] {
        assert_eq!(database.alternative(&path(link)).unwrap().name, "pager");
    }
    let choices: Vec<_> = database.alternatives[0].choices.iter().map(ToString::to_string).collect();
    assert_eq!(choices, ["/bin/more", "/usr/share/man/man1/more.1.gz", "/bin/cat"]);
    assert_eq!(
        (database.overrides[0].mode, database.overrides[0].path.to_string()),
        (0o2755, "/usr/bin/cron tab".into())
    );
}

#[test]
fn the_base_is_what_is_required_with_all_that_it_depends_on() {
    let status = "Package: dash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nEssential: yes\n\
                  Pre-Depends: libc6 (>= 2.41), awk:any\nDepends: debconf (>= 0.5) | debconf-2.0,\n cdebconf\n\n\
                  Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n\
                  Package: mawk\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nPriority: required\nProvides: awk (= 1)\n\n\
                  Package: cdebconf\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nProvides: x, debconf-2.0\nDepends: libnewt\n\n\
                  Package: libnewt\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n\
                  Package: apt\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nPriority: important\nDepends: libssl\n\n\
                  Package: libssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nDepends: dash\n\n\
                  Package: nginx\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nDepends: libssl\n";
    let database = parse(&BTreeMap::from([("/var/lib/dpkg/status", status)])).unwrap();
    let names: Vec<&str> =
        database.base().into_iter().map(|index| database.packages[index].package.name.as_str()).collect();
    assert_eq!(names, ["apt", "cdebconf", "dash", "libc6", "libssl", "mawk"]);
    assert!(parse(&BTreeMap::new()).unwrap().base().is_empty());
}

#[test]
fn no_status_file_is_an_empty_database() {
    assert_eq!(parse(&BTreeMap::new()).unwrap(), Database::default());
}

#[test]
fn damage_is_an_error_and_no_mutation_makes_the_parser_panic() {
    for (file, text) in [
        ("/var/lib/dpkg/status", "Version: 1\n"),
        ("/var/lib/dpkg/status", "Package: x\nStatus: install ok sleeping\n"),
        ("/var/lib/dpkg/diversions", "/a\n/b\n"),
        ("/var/lib/dpkg/statoverride", "root root 9999 /x\n"),
        ("/var/lib/dpkg/alternatives/pager", "auto\n/usr/bin/pager\n"),
        ("/var/lib/dpkg/info/dash.list", "/../etc\n"),
    ] {
        let mut files = files();
        files.insert(file, text);
        assert!(parse(&files).is_err(), "{file}: {text:?}");
    }
    let mut random = testkit::Random::from_environment();
    for _ in 0..3000 {
        let all = files();
        let names: Vec<_> = all.keys().copied().collect();
        let name = *random.pick(&names);
        let mut text = all[name].as_bytes().to_vec();
        let index = usize::try_from(random.below(text.len() as u64)).unwrap();
        text[index] = *random.pick(b"\n\0/: .a\xff");
        let mut read = |path: &ImagePath| {
            let path = path.to_string();
            if path == name { Some(text.clone()) } else { all.get(path.as_str()).map(|t| t.as_bytes().to_vec()) }
        };
        let infos: Vec<Vec<u8>> = names
            .iter()
            .filter_map(|path| path.strip_prefix("/var/lib/dpkg/info/"))
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let _ = Database::parse(&mut read, &infos, &[b"pager".to_vec()]);
    }
}
