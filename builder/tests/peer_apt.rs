//! Resolution by the real apt: against Debian's archive over the network, and against broken archives made here.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a panic is a failed test, and one test says what it compared"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use builder::apt::{
    Error, FetchOptions, KeyringFile, Reason, Settings, SignatureFault, Variant, fetch, fingerprints, host_sources,
    resolve,
};
use builder::cache::Cache;
use model::observe::Silent;
use model::package::PackageRequest;
use model::{Arch, Digest};
use testkit::run;

/// A cache, for runs that start this test's own program ahead of apt or mmdebstrap.
fn cache_at(path: PathBuf) -> Cache {
    host::process::register(Path::new(env!("CARGO_BIN_EXE_build-rootfs"))).unwrap();
    Cache::new(path)
}

fn mirror() -> String {
    let mut files: Vec<PathBuf> = vec!["/etc/apt/sources.list".into()];
    files.extend(fs::read_dir("/etc/apt/sources.list.d").unwrap().map(|entry| entry.unwrap().path()));
    let files: Vec<_> =
        files.into_iter().filter_map(|path| Some((path.clone(), Ok(fs::read_to_string(path).ok()?)))).collect();
    let found = host_sources(&files, &|_| None).debian("trixie", None);
    found.archives.first().expect("the host has a Debian archive in /etc/apt").uri.clone()
}

fn requests(names: &[&str]) -> Vec<PackageRequest> {
    names.iter().map(|name| PackageRequest::parse(name).unwrap()).collect()
}

#[test]
fn nginx_resolves_for_two_architectures_and_all_wrong_names_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let cache = cache_at(directory.path().join("a cache"));
    for arch in [Arch::Amd64, Arch::Arm64] {
        let mut settings = Settings::new("trixie", vec![mirror()], arch);
        let resolution = resolve(&requests(&["nginx"]), &settings, &cache, &Silent).unwrap();
        assert_eq!(resolution.release.as_ref().unwrap().codename, "trixie");
        let find = |name: &str| resolution.packages.iter().find(|p| p.package.name == name).unwrap();
        assert_eq!(find("nginx").reason, Reason::Requested);
        assert_eq!(find("nginx-common").reason, Reason::RequiredBy("nginx".to_owned()));
        assert_eq!(find("bash").reason, Reason::Base("essential".to_owned()));
        assert_eq!(find("apt").reason, Reason::Base("required".to_owned()));
        assert!(resolution.packages.iter().all(|p| ["all", arch.debian()].contains(&p.package.arch.as_str())));
        settings.access.offline = true;
        let again = resolve(&requests(&["nginx", "nginx"]), &settings, &cache, &Silent).unwrap();
        assert_eq!(again, resolution);
    }
    let settings = Settings::new("trixie", vec![mirror()], Arch::Amd64);
    let wrong = requests(&["ngnix", "nginx=1.0", "nginx:arm64", "mail-transport-agent", "intel-microcode", "g++"]);
    let Err(Error::Missing { missing }) = resolve(&wrong, &settings, &cache, &Silent) else { panic!() };
    let of = |name: &str| missing.iter().find(|entry| entry.request.to_string() == name).unwrap();
    assert_eq!(missing.len(), 5, "{missing:?}");
    assert_eq!(of("ngnix").near[0], "nginx");
    assert!(!of("nginx=1.0").versions.is_empty());
    assert_eq!(of("nginx:arm64").foreign.as_deref(), Some("arm64"));
    assert!(of("mail-transport-agent").providers.contains(&"postfix".to_owned()));
    assert_eq!(of("intel-microcode").components, ["non-free-firmware"]);
}

#[test]
fn a_small_package_comes_and_the_installed_base_equals_mmdebstraps() {
    let directory = tempfile::tempdir().unwrap();
    let cache = cache_at(directory.path().join("cache"));
    let mut settings = Settings::new("trixie", vec![mirror()], Arch::Amd64);
    let root = directory.path().join("root");
    let mut real = Command::new("mmdebstrap");
    real.args(["--variant=minbase", "--include=nginx", "--format=directory", "trixie"]).arg(&root).arg(mirror());
    run(&mut real);
    let status = fs::read_to_string(root.join("var/lib/dpkg/status")).unwrap();
    let mut wanted: Vec<&str> = status.lines().filter_map(|line| line.strip_prefix("Package: ")).collect();
    wanted.sort_unstable();
    let resolution = resolve(&requests(&["nginx"]), &settings, &cache, &Silent).unwrap();
    let names: Vec<&str> = resolution.packages.iter().map(|p| p.package.name.as_str()).collect();
    assert!(wanted.len() > 60, "{wanted:?}");
    assert_eq!(names, wanted);

    settings.variant = Variant::Extract;
    let resolution = resolve(&requests(&["hostname"]), &settings, &cache, &Silent).unwrap();
    let paths = fetch(&resolution, &cache, &FetchOptions::default(), &Silent).unwrap();
    for (path, package) in paths.iter().zip(&resolution.packages) {
        assert_eq!(Digest::of(&fs::read(path).unwrap()), package.sha256);
    }
}

/// The primary keys that gpg sees in a keyring, sorted.
fn gpg_shows(home: &Path, keyring: &Path) -> Vec<String> {
    let mut gpg = Command::new("gpg");
    gpg.args(["--batch", "--homedir"]).arg(home).args(["--with-colons", "--show-keys"]).arg(keyring);
    // Old user names are no UTF-8.
    let shown = String::from_utf8_lossy(&run(&mut gpg).stdout).into_owned();
    let (mut keys, mut is_primary) = (Vec::new(), false);
    for line in shown.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[0] {
            "pub" => is_primary = true,
            "sub" => is_primary = false,
            "fpr" if is_primary => keys.push(fields[9].to_owned()),
            _ => {}
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn the_keys_of_every_keyring_are_those_that_gpg_shows() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("gnupg");
    fs::create_dir(&home).unwrap();
    run(Command::new("chmod").arg("700").arg(&home));
    let gpg = || {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--pinentry-mode", "loopback", "--passphrase", "", "--homedir"]).arg(&home);
        gpg
    };
    // Keys of every kind, in both forms, beside those that the host has.
    for kind in ["rsa2048", "dsa1024", "ed25519", "nistp256", "brainpoolP256r1"] {
        run(gpg().args(["--quick-gen-key", &format!("{kind}@example.org"), kind, "sign", "never"]));
    }
    let mut keyrings = vec![directory.path().join("made.gpg"), directory.path().join("made.asc")];
    run(gpg().args(["--export", "--output"]).arg(&keyrings[0]));
    run(gpg().args(["--armor", "--export", "--output"]).arg(&keyrings[1]));
    let hosts =
        ["/usr/share/keyrings", "/etc/apt/trusted.gpg.d"].into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let is_keyring = |path: &PathBuf| {
        path.extension().is_some_and(|end| ["gpg", "asc", "pgp"].map(Into::into).contains(&end.to_owned()))
    };
    keyrings.extend(hosts.map(|entry| entry.unwrap().path()).filter(is_keyring));
    let mut count = 0;
    for keyring in &keyrings {
        let found =
            fingerprints(&fs::read(keyring).unwrap()).unwrap_or_else(|fault| panic!("{}: {fault}", keyring.display()));
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, gpg_shows(&home, keyring), "{}", keyring.display());
        count += found.len();
    }
    println!("{count} keys in {} keyrings", keyrings.len());
    assert!(keyrings.len() > 10 && count > keyrings.len(), "{count} keys in {} keyrings", keyrings.len());
}

/// An archive of one package in a directory, signed by a key that is made for it.
struct Archive {
    directory: tempfile::TempDir,
}

impl Archive {
    fn new() -> Self {
        let archive = Self { directory: tempfile::tempdir().unwrap() };
        let home = archive.path("gnupg");
        fs::create_dir_all(&home).unwrap();
        run(Command::new("chmod").arg("700").arg(&home));
        run(archive.gpg().args([
            "--passphrase",
            "",
            "--quick-gen-key",
            "test@example.org",
            "rsa3072",
            "sign",
            "never",
        ]));
        let key = run(archive.gpg().arg("--export")).stdout;
        fs::write(archive.path("key.gpg"), key).unwrap();
        archive.release("");
        archive
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--yes", "--pinentry-mode", "loopback", "--homedir"]).arg(self.path("gnupg"));
        command
    }

    /// Writes the index and a signed Release file with `fields` added.
    fn release(&self, fields: &str) {
        let index = format!(
            "Package: tool\nVersion: 1\nArchitecture: amd64\nEssential: yes\nFilename: pool/tool_1_amd64.deb\nSize: 4\nSHA256: {}\n\nPackage: needy\nVersion: 1\nArchitecture: amd64\nDepends: tool (>= 2)\nFilename: pool/needy_1_amd64.deb\nSize: 5\nSHA256: {}\n\nPackage: bare\nVersion: 1\nArchitecture: amd64\nFilename: pool/bare_1_amd64.deb\nSize: 4\nMD5sum: 00000000000000000000000000000000\n",
            Digest::of(b"tool").hex(),
            Digest::of(b"needy").hex()
        );
        let dists = self.path("dists/test");
        fs::create_dir_all(dists.join("main/binary-amd64")).unwrap();
        fs::create_dir_all(self.path("pool")).unwrap();
        fs::write(self.path("pool/tool_1_amd64.deb"), "tool").unwrap();
        fs::write(dists.join("main/binary-amd64/Packages"), &index).unwrap();
        let text = format!(
            "Origin: Test\nSuite: test\nCodename: test\nDate: Sat, 01 Jan 2022 00:00:00 UTC\n{fields}Architectures: amd64\nComponents: main\nSHA256:\n {} {} main/binary-amd64/Packages\n",
            Digest::of(index.as_bytes()).hex(),
            index.len()
        );
        fs::write(self.path("Release"), text).unwrap();
        let signed = self.path("dists/test/InRelease");
        run(self.gpg().arg("--clearsign").arg("--output").arg(&signed).arg(self.path("Release")));
    }

    fn settings(&self) -> Settings {
        let uri = format!("copy://{}", self.directory.path().display());
        let keyring = Some(KeyringFile::At(self.path("key.gpg")));
        Settings { keyring, variant: Variant::Essential, ..Settings::new("test", vec![uri], Arch::Amd64) }
    }

    fn resolve(&self, settings: &Settings, names: &[&str]) -> Result<builder::apt::Resolution, Error> {
        resolve(&requests(names), settings, &cache_at(self.path("cache")), &Silent)
    }
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    let changed = text.replacen(from, to, 1);
    assert_ne!(text, changed);
    fs::write(path, changed).unwrap();
}

#[test]
fn a_broken_archive_ends_in_its_own_error() {
    let archive = Archive::new();
    let settings = archive.settings();
    let resolution = archive.resolve(&settings, &[]).unwrap();
    let names: Vec<_> = resolution.packages.iter().map(|p| p.package.name.as_str()).collect();
    assert_eq!(names, ["tool"]);
    assert_eq!(
        resolution.release.as_ref().unwrap().inrelease,
        Digest::of(&fs::read(archive.path("dists/test/InRelease")).unwrap())
    );
    let cache = cache_at(archive.path("cache"));
    fetch(&resolution, &cache, &FetchOptions::default(), &Silent).unwrap();

    let unsatisfiable = archive.resolve(&settings, &["needy"]);
    assert!(
        matches!(&unsatisfiable, Err(Error::Unsatisfiable { explanation, .. }) if explanation.contains("tool (>= 2)")),
        "{unsatisfiable:?}"
    );
    let bare = archive.resolve(&settings, &["bare"]);
    assert!(matches!(&bare, Err(Error::Index { message, .. }) if message.contains("bare has no SHA256")), "{bare:?}");
    let nosuch = Settings { suite: "nosuch".to_owned(), ..settings.clone() };
    let missing = archive.resolve(&nosuch, &[]);
    assert!(matches!(missing, Err(Error::SuiteMissing { .. })), "{missing:?}");
    let component = Settings { components: vec!["contrib".to_owned()], ..settings.clone() };
    let missing = archive.resolve(&component, &[]);
    assert!(matches!(missing, Err(Error::SuiteMissing { .. })), "{missing:?}");

    let foreign = Settings { keyring: None, ..settings.clone() };
    let unknown = archive.resolve(&foreign, &[]);
    assert!(matches!(unknown, Err(Error::Signature { fault: SignatureFault::UnknownKey, .. })), "{unknown:?}");

    archive.release("Valid-Until: Sun, 02 Jan 2022 00:00:00 UTC\n");
    let expired = archive.resolve(&settings, &[]);
    assert!(matches!(expired, Err(Error::Expired { .. })), "{expired:?}");

    archive.release("");
    replace(&archive.path("dists/test/InRelease"), "Origin: Test", "Origin: Tost");
    let forged = archive.resolve(&settings, &[]);
    assert!(matches!(forged, Err(Error::Signature { fault: SignatureFault::Bad, .. })), "{forged:?}");

    fs::copy(archive.path("Release"), archive.path("dists/test/Release")).unwrap();
    fs::remove_file(archive.path("dists/test/InRelease")).unwrap();
    let unsigned = archive.resolve(&settings, &[]);
    assert!(matches!(unsigned, Err(Error::Signature { fault: SignatureFault::Missing, .. })), "{unsigned:?}");

    // A fresh one: apt does not fetch an index again whose digest it already has.
    let fresh = Archive::new();
    replace(&fresh.path("dists/test/main/binary-amd64/Packages"), "Version: 1", "Version: 9");
    let other = fresh.resolve(&fresh.settings(), &[]);
    assert!(matches!(other, Err(Error::IndexMismatch { .. })), "{other:?}");
}

#[test]
fn versions_stand_in_dpkgs_order() {
    const PARTS: [&str; 20] = [
        "0", "1", "9", "10", "00", "2024", "a", "Z", "rc", "dfsg", "~", "~~", "+", ".", "-", "+b1", "~bpo", "1~", "-1",
        "+deb13u2",
    ];
    let mut random = testkit::Random::from_environment();
    let mut version = || {
        let epoch = if random.one_in(4) { format!("{}:", random.below(3)) } else { String::new() };
        let count = random.below(5);
        let rest: String = (0..count).map(|_| *random.pick(&PARTS)).collect();
        // An empty revision is no version.
        let end = if rest.ends_with('-') { "0" } else { "" };
        format!("{epoch}{}{rest}{end}", random.below(3))
    };
    let mut seen = [0; 3];
    for _ in 0..400 {
        let (a, b) = (version(), version());
        let order = model::version::compare(&a, &b);
        let word = ["lt", "eq", "gt"][usize::try_from(order as i8 + 1).unwrap()];
        seen[usize::try_from(order as i8 + 1).unwrap()] += 1;
        let output = Command::new("dpkg").args(["--compare-versions", &a, word, &b]).output().unwrap();
        // dpkg warns of a version that policy does not allow, and compares it all the same.
        assert!(output.status.success(), "{a:?} is not {word} {b:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(seen[0] > 50 && seen[2] > 50, "the versions differ: {seen:?}");
}
