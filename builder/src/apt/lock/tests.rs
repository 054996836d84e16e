#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use model::closure::{ModuleRef, ModuleRefFields};
use model::package::PackageRequest;

use super::super::fixtures;
use super::*;
use crate::apt::Reason;

pub(in crate::apt) fn lock() -> Lock {
    let resolution = fixtures::with(&fixtures::resolution(&["base", "libfoo", "nginx"]), 1, |libfoo, _| {
        libfoo.reason = Reason::RequiredBy("nginx".to_owned());
    });
    let inputs = Inputs {
        suite: "trixie".to_owned(),
        variant: Variant::Minbase,
        components: vec!["main".to_owned()],
        mirrors: vec!["http://mirror.example.org/debian".to_owned()],
        snapshot: None,
        keyring: Digest::of(b"keyring"),
        keyring_fingerprints: fingerprints(["A", "B"]).to_vec(),
        repository: Vec::new(),
        file: Vec::new(),
        base: None,
    };
    Lock::new(&wanted(), inputs, vec![resolution])
}

/// Fingerprints of one digit, repeated.
fn fingerprints<const N: usize>(digits: [&str; N]) -> [Fingerprint; N] {
    digits.map(|digit| Fingerprint::parse(&digit.repeat(40)).unwrap())
}

fn keyring(text: &str, digits: [&str; 2]) -> Option<Keys> {
    Some(Keys { sha256: Digest::of(text.as_bytes()), fingerprints: fingerprints(digits).to_vec() })
}

fn settings() -> Settings {
    Settings::new("trixie", vec!["http://mirror.example.org/debian".to_owned()], Arch::Amd64)
}

fn requests(names: &[&str]) -> Vec<PackageRequest> {
    names.iter().map(|name| PackageRequest::parse(name).unwrap()).collect()
}

fn wanted() -> Wanted {
    Wanted::of(&requests(&["nginx", "libfoo", "base", "base"]), &settings(), true).unwrap()
}

#[test]
fn a_value_that_looks_like_the_keys_stays_as_it_is() {
    for keys in [vec![], fingerprints(["A", "B"]).to_vec()] {
        let quoted: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
        let like = format!("keyring_fingerprints = [{}]", quoted.join(", "));
        for value in [like.clone(), format!("\n{like}\n"), format!("x\n{like}\n[[architecture]]\n")] {
            let mut lock = lock();
            lock.inputs.keyring_fingerprints = keys.clone();
            lock.inputs.suite = value.clone();
            lock.inputs.mirrors = vec![value];
            // No lock with such a suite is read, so that the text is taken as TOML.
            let text: toml::Table = text(&lock).unwrap().parse().unwrap();
            assert_eq!(text["inputs"].clone().try_into::<Inputs>().unwrap(), lock.inputs);
        }
    }
}

#[test]
fn a_base_and_accounts_lead_back_to_themselves_and_are_checked() {
    let name = |text: &str| model::closure::AccountName::parse(text).unwrap();
    let mut lock = lock();
    let base = BaseRequest { variant: Variant::Minbase, packages: requests(&["systemd"]), module: None };
    lock.inputs.base = Some(base);
    lock.resolutions[0] = fixtures::with(&lock.resolutions[0], 0, |line, _| line.base = true);
    lock.accounts.set(name("redis"), model::closure::Ids::both(312));
    let good = text(&lock).unwrap();
    insta::assert_snapshot!(good);
    assert_eq!(parse(&good).unwrap(), lock);
    let of_base = lock.resolutions[0].of_base().unwrap();
    assert_eq!(of_base.packages.iter().map(|one| one.package.name.as_str()).collect::<Vec<_>>(), ["base"]);
    for (from, to) in [
        ("variant = \"minbase\"\npackages", "variant = \"none\"\npackages"),
        ("packages = [\"systemd\"]", "packages = [\"-x\"]"),
        ("uid = 312", "uid = -1"),
        ("[accounts.redis]", "[accounts.\"re dis\"]"),
        ("[accounts.redis]", "[accounts.other]\nuid = 312\ngid = 1\n\n[accounts.redis]"),
        ("base = true", "base = 1"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        assert!(parse(&text).is_err(), "{to}");
    }
    // A base that is asked for later, or no more, is a change of the module.
    let wanted = |base| Wanted { base, ..wanted() };
    let drifts = |wanted: &Wanted| check(&lock, wanted, &[]).iter().map(ToString::to_string).collect::<Vec<_>>();
    let other = wanted(Some(BaseRequest::default()));
    assert!(drifts(&other)[0].contains("base was minbase with systemd, and is now minbase"), "{:?}", drifts(&other));
    assert!(drifts(&wanted(None))[0].ends_with("and is now none"));
}

#[test]
fn modules_below_lead_back_to_themselves_and_are_compared_by_architecture() {
    let module = |name: &str, version: Option<&str>, byte: &[u8]| {
        let (name, version) = (name.to_owned(), version.map(str::to_owned));
        ModuleRef::new(ModuleRefFields { name, version, digest: Digest::of(byte) }).unwrap()
    };
    let under = |byte| LockedModule { module: module("under", Some("1.2.0"), byte), arch: Arch::Amd64 };
    let other = LockedModule { module: module("other", None, b"1"), arch: Arch::Arm64 };
    let mut lock = lock();
    lock.inputs.base = Some(BaseRequest { module: Some("../under".to_owned()), ..BaseRequest::default() });
    lock.requires = vec![other.clone(), under(b"1")];
    lock.resolutions[0] = fixtures::with(&lock.resolutions[0], 0, |line, _| {
        (line.base, line.module) = (true, Some("under".to_owned()));
    });
    let good = text(&lock).unwrap();
    assert!(good.contains("[[requires]]\nname = \"under\"\nversion = \"1.2.0\"\narch = \"amd64\"\n"), "{good}");
    assert_eq!(parse(&good).unwrap(), lock);
    assert!(lock.resolutions[0].of_base().is_some() && lock.resolutions[0].of_base_alone().is_none());
    for (from, to) in [
        ("name = \"under\"", "name = \"../under\""),
        ("name = \"under\"", "name = \"a\""),
        ("version = \"1.2.0\"", "version = \"1\""),
        ("arch = \"arm64\"\ndigest", "arch = \"pdp\"\ndigest"),
        ("base = true\nmodule = \"under\"", "module = \"under\""),
        ("base = true\nmodule = \"under\"", "base = true\nmodule = \"../x\""),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        assert!(parse(&text).is_err(), "{to}");
    }
    let drifts = |requires: Option<Vec<LockedModule>>| -> Vec<String> {
        let wanted = Wanted { requires, base: lock.inputs.base.clone(), ..wanted() };
        let mut lock = lock.clone();
        lock.settings = wanted.settings_digest(&lock.inputs.mirrors);
        check(&lock, &wanted, &[Arch::Amd64]).iter().map(ToString::to_string).collect()
    };
    // Where no one looked for them, and of another architecture, nothing is said.
    assert_eq!(drifts(None), [""; 0]);
    assert_eq!(drifts(Some(vec![under(b"1")])), [""; 0]);
    assert_eq!(drifts(Some(vec![other, under(b"1")])), [""; 0]);
    assert!(
        drifts(Some(vec![under(b"2")]))[0].starts_with("the modules that it is laid over were under 1.2.0 for amd64")
    );
    assert!(drifts(Some(Vec::new()))[0].ends_with("and are now none"));
}

#[test]
fn a_lock_leads_back_to_itself_whatever_the_order() {
    let lock = lock();
    let text = text(&lock).unwrap();
    insta::assert_snapshot!(text);
    assert_eq!(parse(&text).unwrap(), lock);
    let (head, packages) = text.split_at(text.find("[[architecture.package]]").unwrap());
    let packages: Vec<&str> = packages.split_inclusive("\n\n").collect();
    let shuffled: String = [head].into_iter().chain(packages.into_iter().rev()).collect();
    let shuffled = shuffled.replace("\"\n[[", "\"\n\n[[");
    assert_ne!(shuffled, text);
    assert_eq!(super::text(&parse(&shuffled).unwrap()).unwrap(), text);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("module.lock");
    write(&path, &lock).unwrap();
    let module = host::Dir::open(directory.path()).unwrap();
    assert_eq!(read(&module, "module.lock").unwrap(), lock);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    // A lock that is kept elsewhere in the module stays there.
    std::fs::rename(&path, directory.path().join("kept.lock")).unwrap();
    std::os::unix::fs::symlink("kept.lock", &path).unwrap();
    let mut other = lock;
    other.inputs.suite = "forky".to_owned();
    write(&path, &other).unwrap();
    assert!(path.is_symlink());
    assert_eq!(std::fs::read_to_string(directory.path().join("kept.lock")).unwrap(), super::text(&other).unwrap());
}

#[test]
fn a_lock_that_breaks_the_format_is_refused() {
    let good = text(&lock()).unwrap();
    assert!(matches!(
        parse(&good.replace("version = 1\n", "version = 2\nnew = 1\n")),
        Err(Error::Version { found: 2 })
    ));
    for (from, to) in [
        ("name = \"nginx\"", "name = \"base\""),
        ("name = \"nginx\"", "name = \"nginx\"\nname = \"nginx\""),
        ("name = \"nginx\"", "name = \"nginx\"\nnew = 1"),
        ("path = \"pool/nginx", "path = \"../nginx"),
        ("reason = \"requested\"", "reason = \"because\""),
        ("arch = \"all\"", "arch = \"arm64\""),
        ("size = 5", "size = -5"),
        ("size = 5", "size = 18446744073709551615"),
        ("size = 5", "size = 34359738369"),
        ("uri = \"http://mirror", "uri = \"http://other"),
        ("path = \"trixie\"", "path = \"forky\""),
        ("mirrors = [\"http://mirror", "mirrors = [\"http://user:word@mirror"),
        ("mirrors = [\"http://mirror.example.org/debian\"]", "mirrors = []"),
        ("suite = \"trixie\"", "suite = \"tri xie\""),
        ("components = [\"main\"]", "components = [\"-main\"]"),
        ("sha256 = \"sha256:", "sha256 = \"md5:"),
        ("sha256 = ", "# sha256 = "),
        (" \"AAAA", " \"aAAA"),
        (" \"AAAA", " \"AAA"),
        (" \"AAAA", " \"DAAA"),
        (" \"AAAA", " \"BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\", \"AAAA"),
        ("[[architecture]]", "[[architecture"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        assert!(matches!(parse(&text), Err(Error::Syntax { .. })), "{to}");
    }
    let merged = good.replacen(
        "version = \"1\"\n",
        "<<<<<<< HEAD\nversion = \"1\"\n=======\nversion = \"2\"\n>>>>>>> other\n",
        1,
    );
    let line = 1 + u32::try_from(merged.lines().position(|line| line == "<<<<<<< HEAD").unwrap()).unwrap();
    assert!(matches!(parse(&merged), Err(Error::Conflict { line: found }) if found == line));
    let Err(Error::Syntax { position, .. }) = parse("version = 1\nmanifest = 5\n") else { panic!() };
    assert_eq!(position.unwrap().line, 2);
}

#[test]
fn the_digests_see_what_packages_depend_on_and_nothing_else() {
    let base = wanted();
    let mut same = Wanted::of(&requests(&["libfoo", "base", "nginx"]), &settings(), true).unwrap();
    assert_eq!(same, base);
    assert_eq!(same.manifest_digest(), base.manifest_digest());
    same.mirrors = None;
    let locked = settings().mirrors;
    assert_eq!(same.settings_digest(&locked), base.settings_digest(&locked), "the lock's own mirrors count");
    let manifest = |change: fn(&mut Wanted)| {
        let mut other = wanted();
        change(&mut other);
        other.manifest_digest() != base.manifest_digest()
    };
    assert!(manifest(|wanted| wanted.requests.truncate(1)));
    assert!(manifest(|wanted| wanted.snapshot = Some("20250520T000000Z".to_owned())));
    assert!(!manifest(|wanted| wanted.suite = "forky".to_owned()));
    let settings = |change: fn(&mut Wanted)| {
        let mut other = wanted();
        change(&mut other);
        other.settings_digest(&locked) != base.settings_digest(&locked)
    };
    assert!(settings(|wanted| wanted.suite = "forky".to_owned()));
    assert!(settings(|wanted| wanted.variant = Variant::Extract));
    assert!(settings(|wanted| wanted.components.push("contrib".to_owned())));
    assert!(settings(|wanted| wanted.mirrors = Some(Vec::new())));
    assert!(settings(|wanted| wanted.keyring = keyring("k", ["A", "B"])));
    assert!(!settings(|wanted| wanted.requests.truncate(1)));
}

fn drifts(lock: &Lock, wanted: &Wanted, archs: &[Arch]) -> Vec<String> {
    check(lock, wanted, archs).iter().map(ToString::to_string).collect()
}

#[test]
fn drift_is_named() {
    let lock = lock();
    assert_eq!(drifts(&lock, &wanted(), &[Arch::Amd64]), [""; 0]);
    let mut now = wanted();
    now.suite = "forky".to_owned();
    now.requests = requests(&["base", "curl", "libfoo"]);
    now.keyring = keyring("newer", ["B", "C"]);
    now.mirrors = Some(vec!["http://other.example.org/debian".to_owned()]);
    insta::assert_snapshot!(drifts(&lock, &now, &[Arch::Amd64, Arch::Arm64]).join("\n"));
    let mut edited = lock;
    edited.manifest = Digest::of(b"x");
    edited.settings = Digest::of(b"y");
    assert_eq!(check(&edited, &wanted(), &[]), [Drift::Manifest, Drift::Edited]);
}

#[test]
fn the_machines_mirrors_and_keyring_are_no_drift_and_the_modules_are() {
    let lock = lock();
    let mut now = wanted();
    now.mirrors = None;
    assert_eq!(check(&lock, &now, &[Arch::Amd64]), [], "the machine has other mirrors");
    now.keyring = keyring("keyring", ["A", "B"]);
    assert_eq!(check(&lock, &now, &[Arch::Amd64]), [Drift::Settings], "the module names the same keyring now");
    let named = Lock::new(&now, lock.inputs, lock.resolutions);
    assert_eq!(check(&named, &now, &[Arch::Amd64]), []);
    assert_eq!(check(&named, &wanted(), &[Arch::Amd64]), [Drift::Settings], "and here it no longer does");
}

#[test]
fn the_keys_of_the_modules_keyring_are_compared_where_the_lock_has_them() {
    let mut now = wanted();
    now.keyring = keyring("keyring", ["A", "B"]);
    let mut lock = Lock::new(&now, lock().inputs, lock().resolutions);
    assert_eq!(check(&lock, &now, &[]), []);
    lock.inputs.keyring_fingerprints = fingerprints(["B", "C"]).to_vec();
    let [a, c] = fingerprints(["A", "C"]).map(|key| key.to_string());
    assert_eq!(check(&lock, &now, &[]), [Drift::Keys { added: vec![a], removed: vec![c] }]);
    assert!(!check(&lock, &now, &[])[0].keeps_versions());
    // The form of a lock that was written before keys were recorded.
    lock.inputs.keyring_fingerprints.clear();
    let text = text(&lock).unwrap();
    assert!(!text.contains("fingerprints"), "{text}");
    assert_eq!(check(&parse(&text).unwrap(), &now, &[]), []);
}

#[test]
fn a_diff_says_what_came_and_went() {
    let old = lock();
    let mut new = old.clone();
    let other = fixtures::with(&new.resolutions[0], 0, |base, _| base.sha256 = Digest::of(b"other"));
    let other = fixtures::with(&other, 1, |_, libfoo| libfoo.version = "2".to_owned());
    new.resolutions[0] = fixtures::with(&other, 2, |_, nginx| nginx.name = "zlib".to_owned());
    let lines: Vec<_> = diff(&old, &new).iter().map(|change| change.to_string()).collect();
    assert!(lines[0].starts_with("! base 1 has other bytes"), "{lines:?}");
    assert_eq!(lines[1..], ["~ libfoo 1 -> 2 (amd64)", "- nginx 1 (amd64)", "+ zlib 1 (amd64, requested)"]);
    assert_eq!(diff(&old, &old), []);
}
