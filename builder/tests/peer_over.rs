//! Root file systems that are made over that of a base, from the real archive: by root and by a user, and against what is
//! made from nothing. Needs root, mmdebstrap, uidmap and the host's Debian mirror.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use builder::apt::{Resolution, Variant};
use builder::closure::State;
use builder::rootfs::{self, Error, Failure, IsolationMode, Options};
use model::observe::{Collected, Silent};
use model::{Arch, ImagePath};
use support::{Files, User, add_package, by_user, cache_at, differences, files, locked, options};

/// What `requests` need over minbase, each package that this has marked as the base's.
fn over_minbase(requests: &[&str]) -> (Resolution, Vec<PathBuf>) {
    let (base, _) = locked(&[], Variant::Minbase, Arch::Amd64);
    let (resolution, debs) = locked(requests, Variant::Minbase, Arch::Amd64);
    let names: BTreeSet<&str> = base.packages.iter().map(|resolved| resolved.package.name.as_str()).collect();
    let marked = resolution.changed(|fields| {
        for resolved in &mut fields.packages {
            let is_base = names.contains(resolved.package.name.as_str());
            *resolved = resolved.changed(|fields| fields.base = is_base).unwrap();
        }
    });
    (marked.unwrap(), debs)
}

/// Owners by their names: the numbers depend on which package's script ran first, and a module has those of the fleet.
fn by_name(files: &Files) -> Files {
    let names = |path: &str| -> BTreeMap<String, String> {
        let text = String::from_utf8(files[path].1.clone()).unwrap();
        let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
        fields.map(|fields| (fields[2].to_owned(), fields[0].to_owned())).collect()
    };
    let (users, groups) = (names("/etc/passwd"), names("/etc/group"));
    let named = |header: &str| {
        let mut words: Vec<String> = header.split(' ').map(str::to_owned).collect();
        let (user, group) = words[2].split_once(':').unwrap();
        words[2] = format!("{}:{}", users[user], groups[group]);
        words.join(" ")
    };
    files.iter().map(|(path, (header, content))| (path.clone(), (named(header), content.clone()))).collect()
}

/// The paths in which two trees differ that are no state, which no module ships.
fn but_for_state(one: &Files, two: &Files) -> Vec<String> {
    let is_state = |path: &String| State::of(&ImagePath::new(path.as_bytes()).unwrap()).is_some();
    differences(one, two).into_iter().filter(|path| !is_state(path)).collect()
}

/// Scripts see the same, accounts are made, a file has a capability, a name odd letters.
#[test]
fn over_a_base_comes_what_is_made_from_nothing_but_for_state() {
    let folder = tempfile::tempdir().unwrap();
    let (mut resolution, mut debs) = over_minbase(&["chrony", "redis-server", "iputils-ping"]);
    let script =
        "mkdir -p /etc/mb-probe\n{ ls -A / /dev/shm /run; cat /etc/apt/sources.list | wc -l; } > /etc/mb-probe/seen";
    add_package(&mut resolution, &mut debs, folder.path(), script);
    let cache = cache_at(folder.path().join("a cache with ü & 'odd' letters"));
    let with = |options: &Options| rootfs::build(&resolution, &debs, options, &cache, &Silent).unwrap();
    let over = with(&options(IsolationMode::Root));
    let base = resolution.of_base().unwrap();
    let of_base = rootfs::find(&base, &options(IsolationMode::Root), &cache, &Silent).unwrap().expect("it is kept");
    assert_eq!(over.record.inputs.over, Some(of_base.key));
    assert_eq!((of_base.record.inputs.over, fs::read_dir(cache.rootfs().unwrap()).unwrap().count()), (None, 2));
    let tree = files(&over.archive);
    assert!(tree.contains_key("/usr/bin/redis-server") && tree["/usr/bin/ping"].0.contains('['));

    let warned = Collected::default();
    let anew = Options { fresh: true, ..options(IsolationMode::Root) };
    let again = rootfs::build(&resolution, &debs, &anew, &cache, &warned).unwrap();
    assert_eq!(differences(&files(&again.archive), &tree), BTreeSet::new(), "it is the same again");
    assert_eq!(again.record.sha256, over.record.sha256);

    let from_nothing = Options { from_nothing: true, ..anew };
    let other = with(&from_nothing);
    assert_eq!(other.key, over.key, "it takes the place of the one over the base");
    let nothing = files(&other.archive);
    assert_eq!(but_for_state(&by_name(&tree), &by_name(&nothing)), Vec::<String>::new());
    assert!(!differences(&tree, &nothing).is_empty(), "it was made in another way");

    let user = User::new();
    let (_home, archive) = by_user(&user, &resolution, &debs);
    assert_eq!(differences(&files(&archive), &tree), BTreeSet::new(), "a user makes the same");
}

/// What was written to the base's tar since it was made does not reach a module.
#[test]
fn a_base_that_was_changed_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut resolution, mut debs) = over_minbase(&[]);
    add_package(&mut resolution, &mut debs, folder.path(), "true");
    let cache = cache_at(folder.path().join("cache"));
    let build = |seen: &Collected| rootfs::build(&resolution, &debs, &options(IsolationMode::Root), &cache, seen);
    let first = build(&Collected::default()).unwrap();
    let base = rootfs::find(&resolution.of_base().unwrap(), &options(IsolationMode::Root), &cache, &Silent);
    let base = base.unwrap().unwrap();
    fs::write(&base.archive, b"no tar").unwrap();
    fs::remove_dir_all(first.archive.parent().unwrap()).unwrap();
    let seen = Collected::default();
    let second = build(&seen).unwrap();
    assert_eq!(second.record.sha256, first.record.sha256);
    assert!(format!("{:?}", seen.events()).contains("is not used: "), "{:?}", seen.events());
}

#[test]
fn a_script_that_fails_over_a_base_is_named_and_the_base_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (mut resolution, mut debs) = over_minbase(&[]);
    add_package(&mut resolution, &mut debs, folder.path(), "echo this went wrong >&2\nexit 7");
    let cache = cache_at(folder.path().join("cache"));
    let error = rootfs::build(&resolution, &debs, &options(IsolationMode::Root), &cache, &Silent).unwrap_err();
    let Error::Failed { failure: Failure::MaintainerScript { package, what, .. }, log } = &error else {
        panic!("{error:?}")
    };
    assert!(package == "mb-probe" && what.contains("exit status 7"), "{error:?}");
    assert!(log.iter().any(|line| line.contains("this went wrong")), "{log:?}");
    assert_eq!(fs::read_dir(cache.rootfs().unwrap()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(cache.temporary().unwrap()).unwrap().count(), 0);
}
