//! Archives beside Debian's: each with its own keys, flat ones, and what both have.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use model::Digest;
use testkit::run;

use crate::archive::{World, debs};

const LOCK: [&str; 5] = ["lock", "-C", "module", "--arch", "amd64"];

/// A vendor's archive in the directory `vendor` of a world, with a key of its own.
pub struct Vendor<'a> {
    world: &'a World,
    name: &'static str,
}

impl<'a> Vendor<'a> {
    /// A vendor with a new key, which is in the module, too.
    pub fn new(world: &'a World, name: &'static str) -> Self {
        let vendor = Self { world, name };
        let home = vendor.path("gnupg");
        fs::create_dir_all(&home).unwrap();
        run(Command::new("chmod").arg("700").arg(&home));
        let key = ["--passphrase", "", "--quick-gen-key", "vendor@example.org", "ed25519", "sign", "never"];
        run(vendor.gpg().args(key));
        fs::write(world.path(&format!("module/{name}.gpg")), run(vendor.gpg().arg("--export")).stdout).unwrap();
        vendor
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.path(self.name).join(name)
    }

    /// The address of the archive.
    pub fn uri(&self) -> String {
        format!("file:{}", self.world.path(self.name).display())
    }

    /// gpg with the vendor's keys.
    pub fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--yes", "--pinentry-mode", "loopback", "--homedir"]).arg(self.path("gnupg"));
        command
    }

    /// The paragraph of a .deb that is made here; `fields` are added to its control file.
    pub fn deb(&self, name: &str, version: &str, content: &str, fields: &str) -> String {
        let root = self.path(&format!("packages/{name}-{version}"));
        fs::create_dir_all(root.join("usr/share/small")).unwrap();
        fs::create_dir_all(root.join("DEBIAN")).unwrap();
        fs::write(root.join("usr/share/small").join(name), content).unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: V <v@example.org>\n{fields}Description: a test\n"
        );
        fs::write(root.join("DEBIAN/control"), &control).unwrap();
        let file = format!("{name}_{version}_amd64.deb");
        let mut build = Command::new("dpkg-deb");
        build.args(["--root-owner-group", "-Zgzip", "--build"]).arg(&root).arg(self.path(&file));
        run(build.env("SOURCE_DATE_EPOCH", "1600000000"));
        let bytes = fs::read(self.path(&file)).unwrap();
        format!("{control}Filename: ./{file}\nSize: {}\nSHA256: {}\n\n", bytes.len(), Digest::of(&bytes).hex())
    }

    /// Signs a flat archive of these paragraphs in `below`, which is empty or ends in a slash.
    pub fn publish(&self, below: &str, paragraphs: &[String], fields: &str) {
        let folder = self.path(below);
        fs::create_dir_all(&folder).unwrap();
        let index = paragraphs.concat();
        fs::write(folder.join("Packages"), &index).unwrap();
        let sum = Digest::of(index.as_bytes()).hex();
        let release =
            format!("{fields}Date: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n {sum} {} Packages\n", index.len());
        fs::write(self.path("Release.text"), release).unwrap();
        run(self.gpg().arg("--clearsign").arg("--output").arg(folder.join("InRelease")).arg(self.path("Release.text")));
    }

    /// The table for `builder.toml`.
    fn table(&self, suite: &str, keyring: &str) -> String {
        format!("[[repository]]\nuri = \"{}\"\nsuite = \"{suite}\"\nkeyring = \"{keyring}\"\n", self.uri())
    }
}

/// The world's own settings with `more` behind them.
fn settings(world: &World, more: &str) {
    world.take_from(&format!("file:{}", world.path("archive").display()));
    let path = world.path("module/builder.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap() + more).unwrap();
}

fn lock(world: &World, more: &[&str]) -> String {
    world.tell(&[&LOCK, more].concat())
}

fn locked(world: &World) -> toml::Table {
    fs::read_to_string(world.path("module/module.lock")).unwrap().parse().unwrap()
}

/// Version and number of the archive of the package `name` in the lock.
fn package(lock: &toml::Table, name: &str) -> (String, i64) {
    let packages = lock["architecture"][0]["package"].as_array().unwrap();
    let found = packages.iter().find(|package| package["name"].as_str() == Some(name)).unwrap();
    let number = found.get("archive").map_or(0, |number| number.as_integer().unwrap());
    (found["version"].as_str().unwrap().to_owned(), number)
}

#[test]
fn a_vendors_flat_archive_is_locked_fetched_built_and_rebuilt_by_its_own_key() {
    let world = World::new(&debs("1"));
    let vendor = Vendor::new(&world, "vendor");
    vendor.publish("", &[vendor.deb("agent", "3", "agent", "Depends: lib\n")], "Origin: Vendor\n");
    world.ask_for("tool, agent");
    settings(&world, &vendor.table("./", "vendor.gpg"));
    let said = lock(&world, &[]);
    assert!(said.starts_with("exit code: 0") && said.contains("/vendor ./: 1 package, key "), "{said}");
    let lock_now = locked(&world);
    assert_eq!(package(&lock_now, "agent"), ("3".to_owned(), 1));
    assert_eq!(package(&lock_now, "lib"), ("1".to_owned(), 0));
    let added = &lock_now["inputs"]["repository"][0];
    assert_eq!(added["suite"].as_str(), Some("./"));
    assert_ne!(added["keyring_fingerprints"], lock_now["inputs"]["keyring_fingerprints"]);
    assert!(lock(&world, &[]).contains("the lock fits"));
    assert!(lock(&world, &["--check"]).starts_with("exit code: 0"));
    // Everything comes from the cache, without the archives.
    assert!(world.tell(&["fetch", "-C", "module"]).starts_with("exit code: 0"));
    for name in ["vendor", "archive"] {
        fs::rename(world.path(name), world.path(&format!("{name}.away"))).unwrap();
    }
    world.build(&["--frozen"]).unwrap();
    let first = world.dist();
    let list = fs::read_to_string(world.path("module/dist/file-list.txt")).unwrap();
    assert!(list.contains("usr/share/small/agent") && list.contains("usr/share/small/tool"), "{list}");
    let record = fs::read_to_string(world.path("module/dist/build.json")).unwrap();
    assert!(record.contains("\"origin\": \"Vendor\"") && record.contains("\"archive\": 1"), "{record}");
    let rebuilt = world.tell(&["rebuild", "module/dist", "--offline"]);
    assert!(rebuilt.starts_with("exit code: 0"), "{rebuilt}");
    world.build(&["--frozen", "--no-cache"]).unwrap();
    assert_eq!(world.dist(), first);
    // What it was locked from is not to be had without the archive, and a changed table does not fit.
    settings(&world, "");
    world.build(&["--frozen"]).unwrap_err().is(1, "repository was file:");
}

#[test]
fn each_key_vouches_for_its_own_archive_alone() {
    let world = World::new(&debs("1"));
    let vendor = Vendor::new(&world, "vendor");
    vendor.publish("", &[vendor.deb("agent", "3", "agent", "")], "");
    world.ask_for("tool, agent");
    let refused = |more: &str, keyring: &str| {
        settings(&world, more);
        let path = world.path("module/builder.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("keyring = \"key.gpg\"", &format!("keyring = \"{keyring}\""), 1)).unwrap();
        let said = lock(&world, &[]);
        assert!(said.starts_with("exit code: 3") && said.contains("a key that is not in the keyring"), "{said}");
        said
    };
    // The Debian archive's key for the vendor's, by name and because none is named, and the other way round.
    let said = refused(&vendor.table("./", "key.gpg"), "key.gpg");
    assert!(said.contains("/vendor ./"), "{said}");
    let unnamed = vendor.table("./", "x").replace("keyring = \"x\"\n", "");
    refused(&unnamed, "key.gpg");
    let said = refused(&vendor.table("./", "vendor.gpg"), "vendor.gpg");
    assert!(said.contains("/archive test"), "{said}");
    // Both keys exchanged.
    refused(&vendor.table("./", "key.gpg"), "vendor.gpg");
    // A keyring that is not there, or none, is named.
    settings(&world, &vendor.table("./", "nowhere.gpg"));
    assert!(lock(&world, &[]).contains("there is no keyring module/nowhere.gpg"), "{}", lock(&world, &[]));
    fs::write(world.path("module/none.gpg"), "none").unwrap();
    settings(&world, &vendor.table("./", "none.gpg"));
    let said = lock(&world, &[]);
    assert!(said.starts_with("exit code: 1") && said.contains("module/none.gpg cannot be used"), "{said}");
    assert!(said.contains("`repository` names no keyring that can be used\n"), "{said}");
    assert!(said.contains("keyring = \"none.gpg\""), "the line is shown: {said}");
    // Neither is an unsigned archive taken, whatever keyring it has.
    settings(&world, &vendor.table("./", "vendor.gpg"));
    fs::remove_file(vendor.path("InRelease")).unwrap();
    assert!(lock(&world, &[]).starts_with("exit code: "), "{}", lock(&world, &[]));
    assert!(!lock(&world, &[]).starts_with("exit code: 0"));
}

#[test]
fn every_notation_of_a_flat_archive_is_read() {
    let world = World::new(&debs("1"));
    let vendor = Vendor::new(&world, "vendor");
    let agent = vendor.deb("agent", "3", "agent", "");
    world.ask_for("agent");
    for (suite, below) in [("/", ""), ("./", ""), ("deb/", "deb/"), ("a/b-1/", "a/b-1/")] {
        vendor.publish(below, std::slice::from_ref(&agent), "");
        settings(&world, &vendor.table(suite, "vendor.gpg"));
        let said = lock(&world, &["--update"]);
        assert!(said.starts_with("exit code: 0"), "{suite}: {said}");
        assert_eq!(package(&locked(&world), "agent").1, 1, "{suite}");
        world.build(&["--dry-run"]).unwrap();
    }
    // As a mirror, signed as the others are.
    let text = format!(
        "suite = \"test\"\nvariant = \"extract\"\nkeyring = \"vendor.gpg\"\nmirrors = [\"{} ./\"]\n",
        vendor.uri()
    );
    fs::write(world.path("module/builder.toml"), text).unwrap();
    let said = lock(&world, &["--update"]);
    assert!(said.starts_with("exit code: 0"), "{said}");
    assert!(lock(&world, &[]).contains("the lock fits"));
    // An index that is not there.
    settings(&world, &vendor.table("none/", "vendor.gpg"));
    let said = lock(&world, &["--update"]);
    assert!(said.starts_with("exit code: 1") && said.contains("none/"), "{said}");
    // It is said of the archive that lacks it, and not of the suite of all others.
    assert!(said.contains("error[suite-missing]") && said.contains("repository[0].suite"), "{said}");
}

#[test]
fn of_two_archives_apts_candidate_counts_and_bytes_are_those_of_the_archive_that_is_named() {
    let world = World::new(&debs("1"));
    let vendor = Vendor::new(&world, "vendor");
    // The same version with other bytes, and a higher one.
    vendor.publish("", &[vendor.deb("lib", "1", "other", "")], "");
    settings(&world, &vendor.table("./", "vendor.gpg"));
    assert!(lock(&world, &[]).starts_with("exit code: 0"));
    let lock_now = locked(&world);
    assert_eq!(package(&lock_now, "lib"), ("1".to_owned(), 0), "of equal versions the first archive's");
    world.build(&[]).unwrap();
    vendor.publish("", &[vendor.deb("lib", "1.5", "newer", "")], "");
    assert!(lock(&world, &["--update"]).starts_with("exit code: 0"));
    assert_eq!(package(&locked(&world), "lib"), ("1.5".to_owned(), 1));
    world.build(&[]).unwrap();
}

#[test]
fn an_archive_that_calls_itself_debians_suite_brings_nothing_into_the_base() {
    let world = World::new(&debs("1"));
    let vendor = Vendor::new(&world, "vendor");
    let trojan = vendor.deb("trojan", "9", "x", "Essential: yes\nPriority: required\n");
    vendor.publish("", &[trojan], "Origin: Test\nSuite: test\nCodename: test\n");
    settings(&world, &vendor.table("./", "vendor.gpg"));
    let path = world.path("module/builder.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"extract\"", "\"minbase\"", 1)).unwrap();
    let said = lock(&world, &[]);
    assert!(said.starts_with("exit code: 0"), "{said}");
    let text = fs::read_to_string(world.path("module/module.lock")).unwrap();
    assert!(!text.contains("trojan"), "{text}");
}

#[test]
fn an_archive_that_calls_itself_otherwise_is_warned_of() {
    let world = World::new(&debs("1"));
    let vendor = Vendor::new(&world, "vendor");
    let agent = vendor.deb("agent", "3", "agent", "");
    vendor.publish("", std::slice::from_ref(&agent), "Origin: Vendor\nLabel: Vendor\n");
    world.ask_for("agent");
    settings(&world, &vendor.table("./", "vendor.gpg"));
    assert!(!lock(&world, &[]).contains("warning"));
    vendor.publish("", &[agent, vendor.deb("more", "1", "more", "")], "Origin: Debian\nLabel: Vendor\n");
    let said = lock(&world, &["--update"]);
    assert!(said.starts_with("exit code: 0"), "{said}");
    assert!(said.contains("changed its Origin from \"Vendor\" to \"Debian\""), "{said}");
    assert!(!said.contains("changed its Label"), "{said}");
}

#[test]
fn a_snapshot_replaces_debians_archives_and_leaves_the_vendors() {
    let world = World::new(&debs("1"));
    let vendor = Vendor::new(&world, "vendor");
    vendor.publish("", &[vendor.deb("agent", "3", "agent", "")], "Valid-Until: Sun, 02 Jan 2022 00:00:00 UTC\n");
    fs::create_dir_all(world.path("snapshots")).unwrap();
    run(Command::new("cp").arg("-a").arg(world.path("archive")).arg(world.path("snapshots/20250520T000000Z")));
    world.publish(&debs("2"), "");
    world.ask_for("tool, agent");
    let manifest = world.path("module/manifest.yaml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("{text}build:\n  apt_snapshot: 20250520T000000Z\n")).unwrap();
    let archive = format!("snapshot_mirror = \"file:{}\"\n", world.path("snapshots").display());
    settings(&world, &(archive + &vendor.table("./", "vendor.gpg")));
    // The snapshot's Release file may be old, the vendor's may not.
    let said = lock(&world, &[]);
    assert!(said.starts_with("exit code: 3") && said.contains("not valid at this time"), "{said}");
    vendor.publish("", &[vendor.deb("agent", "3", "agent", "")], "");
    let said = lock(&world, &[]);
    assert!(said.starts_with("exit code: 0"), "{said}");
    let lock_now = locked(&world);
    assert_eq!((package(&lock_now, "tool").0.as_str(), package(&lock_now, "agent").1), ("1", 1));
    assert!(
        !fs::read_to_string(world.path("module/module.lock"))
            .unwrap()
            .contains(world.path("archive").to_str().unwrap())
    );
}

/// An update suite is empty after each release, and so is many a component of it.
#[test]
fn an_archive_or_a_component_without_a_package_is_no_fault() {
    let world = World::new(&debs("1"));
    let vendor = Vendor::new(&world, "vendor");
    let empty = Digest::of(b"").hex();
    for (suite, components) in [("test", vec!["contrib"]), ("test-updates", vec!["main", "contrib"])] {
        let folder = world.path(&format!("archive/dists/{suite}"));
        fs::create_dir_all(&folder).unwrap();
        let release = folder.join("InRelease");
        let mut text = match fs::read_to_string(world.path("Release")) {
            Ok(text) if suite == "test" => text.replace("Components: main\n", "Components: main contrib\n"),
            _ => format!(
                "Suite: {suite}\nDate: Sat, 01 Jan 2022 00:00:00 UTC\nArchitectures: amd64\nComponents: main contrib\nSHA256:\n"
            ),
        };
        for component in components {
            let index = folder.join(format!("{component}/binary-amd64"));
            fs::create_dir_all(&index).unwrap();
            fs::write(index.join("Packages"), "").unwrap();
            text += &format!(" {empty} 0 {component}/binary-amd64/Packages\n");
        }
        fs::write(world.path("Release.more"), text).unwrap();
        run(world.gpg().arg("--clearsign").arg("--output").arg(&release).arg(world.path("Release.more")));
    }
    vendor.publish("", &[], "");
    let archive = format!("file:{}", world.path("archive").display());
    let settings = format!(
        "suite = \"test\"\nvariant = \"extract\"\nkeyring = \"key.gpg\"\ncomponents = [\"main\", \"contrib\"]\n\
         mirrors = [\"{archive}\", \"{archive} test-updates\"]\n{}",
        vendor.table("./", "vendor.gpg")
    );
    fs::write(world.path("module/builder.toml"), &settings).unwrap();
    let said = lock(&world, &[]);
    assert!(said.starts_with("exit code: 0"), "{said}");
    let releases = locked(&world)["architecture"][0]["archive"].as_array().map_or(0, Vec::len);
    assert_eq!(releases, 3, "each archive is in the lock, also one without a package");
    assert!(lock(&world, &["--check"]).starts_with("exit code: 0"));
    world.build(&[]).unwrap();
    // A component that the archive does not have stays one.
    fs::write(world.path("module/builder.toml"), settings.replace("\"contrib\"]", "\"nosuch\"]")).unwrap();
    let said = lock(&world, &["--update"]);
    assert!(said.starts_with("exit code: 1") && said.contains(" has no nosuch for amd64"), "{said}");
}
