//! Modules of one fleet: a name has one number, and a number one name, whoever gives them.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::run;

struct Fleet {
    folder: tempfile::TempDir,
}

impl Fleet {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A module whose one file belongs to the account `name` with the numbers `uid` and `gid`, as its packages made it.
    fn module(&self, module: &str, name: &str, (uid, gid): (u32, u32)) {
        self.put(
            &format!("{module}/manifest.yaml"),
            &format!("schema_version: 1\nname: {module}\nfile_spec: [/etc/{module}/***]\n"),
        );
        let root = format!("{module}.root");
        self.put(
            &format!("{root}/etc/passwd"),
            &format!("root:x:0:0:root:/root:/bin/sh\n{name}:x:{uid}:{gid}::/:/bin/false\n"),
        );
        self.put(&format!("{root}/etc/group"), &format!("root:x:0:\n{name}:x:{gid}:\n"));
        self.put(&format!("{root}/etc/{module}/{module}.conf"), "secret = 1\n");
        let (folder, tar) = (self.folder.path().join(&root), self.folder.path().join(format!("{module}.tar")));
        let owned = |more: &[&str], names: &[&str]| {
            run(Command::new("tar").args(more).arg("-f").arg(&tar).arg("-C").arg(&folder).args(names));
        };
        owned(&["-c", "--owner=0", "--group=0"], &["./etc/passwd", "./etc/group"]);
        owned(
            &["-r", &format!("--owner={name}:{uid}"), &format!("--group={name}:{gid}")],
            &[&format!("./etc/{module}")],
        );
    }

    fn tell(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_module-builder"));
        command.env_remove("SOURCE_DATE_EPOCH").env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        command.env("MODULE_BUILDER_CACHE_DIR", self.folder.path().join("cache"));
        let output = command.args(arguments).current_dir(self.folder.path()).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    }

    fn build(&self, module: &str, more: &[&str]) -> (Option<i32>, String) {
        let root = format!("{module}.tar");
        let all = ["build", "--quiet", "--arch", "amd64", "-C", module, "--rootfs", &root];
        self.tell(&[&all[..], more].concat())
    }

    fn record(&self, module: &str) -> String {
        fs::read_to_string(self.folder.path().join(module).join("dist/build.json")).unwrap()
    }
}

#[test]
fn files_of_two_builds_that_one_number_owns_are_a_conflict_without_any_table() {
    let fleet = Fleet::new();
    fleet.module("redis", "redis", (100, 101));
    fleet.module("chrony", "_chrony", (100, 102));
    fleet.module("store", "redis", (104, 101));
    let (code, text) = fleet.build("redis", &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        fleet.record("redis").contains("\"owners\": {\n    \"users\": {\n      \"redis\": 100\n    },\n"),
        "{}",
        fleet.record("redis")
    );
    // Of a neighbour that was not built nothing is known.
    let (code, text) = fleet.tell(&["validate", "redis", "--with", "chrony"]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = fleet.build("chrony", &["--with", "redis"]);
    let conflict = "error[account-conflict]: the user _chrony has the number 100, and so has redis in redis";
    assert!(code == Some(1) && text.contains(conflict) && text.matches("account-conflict").count() == 1, "{text}");
    assert!(text.contains("write ship = \"closure\" into builder.toml of both"), "{text}");
    assert!(!Path::new(&fleet.folder.path().join("chrony/dist")).exists(), "nothing is written");

    for module in ["chrony", "store"] {
        let (code, text) = fleet.build(module, &[]);
        assert_eq!(code, Some(0), "{text}");
    }
    let (code, text) = fleet.tell(&["validate", "redis", "--with", "chrony"]);
    let conflict = "the user redis has the number 100, and so has _chrony in chrony/manifest.yaml";
    assert!(code == Some(1) && text.contains(conflict), "{text}");
    let (code, text) = fleet.tell(&["validate", "redis", "--with", "store", "--format", "json"]);
    assert!(
        code == Some(1) && text.contains("the user redis has the number 100, and 104 in store/manifest.yaml"),
        "{text}"
    );
    // Its files have other numbers when they are built again.
    fleet.module("store", "redis", (100, 101));
    assert_eq!(fleet.build("store", &["--with", "redis"]).0, Some(0));
    let (code, text) = fleet.tell(&["validate", "redis", "--with", "store"]);
    assert_eq!(code, Some(0), "{text}");
    fs::write(fleet.folder.path().join("store/dist/build.json"), "{}").unwrap();
    let (code, text) = fleet.tell(&["validate", "redis", "--with", "store"]);
    assert!(code == Some(3) && text.contains("is no record of a build"), "{text}");
}

#[test]
fn what_closures_propose_is_compared_when_both_are_built_and_said_to_be_unknown_before() {
    let fleet = Fleet::new();
    for module in ["redis", "chrony"] {
        fleet.module(module, module, (0, 0));
        assert_eq!(fleet.build(module, &[]).0, Some(0));
        fleet.put(&format!("{module}/builder.toml"), "ship = \"closure\"\n");
    }
    // As a build of a closure without a lock leaves it.
    let records = ["redis", "chrony"].map(|module| (module, fleet.record(module)));
    let propose = |module: &str, name: &str, number: u32| {
        let (_, record) = records.iter().find(|(of, _)| *of == module).unwrap();
        let (before, after) = record.split_once("\"inputs\": {").unwrap();
        let accounts = format!("{{\"{name}\": {{\"uid\": {number}, \"gid\": {number}}}}}");
        let closure = format!("\"closure\": {{\"documentation\": true, \"accounts\": {accounts}}}");
        fleet.put(&format!("{module}/dist/build.json"), &format!("{before}\"inputs\": {{\n{closure},{after}"));
    };
    let validate = || fleet.tell(&["validate", "redis", "--with", "chrony"]);
    let unknown = |text: &str| text.matches("note[accounts-unknown]").count();
    propose("redis", "redis", 345);
    let (code, text) = validate();
    assert!(code == Some(0) && unknown(&text) == 1, "{text}");
    assert!(text.contains("--> chrony/manifest.yaml") && text.contains("module-builder build -C chrony"), "{text}");
    propose("chrony", "_chrony", 345);
    let (code, text) = validate();
    let conflict =
        "error[account-conflict]: the user redis has the number 345, and so has _chrony in chrony/manifest.yaml";
    assert!(code == Some(1) && text.contains(conflict) && unknown(&text) == 0, "{text}");
    assert!(text.contains("in [accounts] of both builder.toml"), "{text}");
    // The hint, followed.
    fleet.put("redis/builder.toml", "ship = \"closure\"\naccounts.redis = 312\n");
    propose("redis", "redis", 312);
    let (code, text) = validate();
    assert!(code == Some(0) && !text.contains("account-conflict") && unknown(&text) == 0, "{text}");
}

#[test]
fn a_table_of_the_fleet_binds_every_module() {
    let fleet = Fleet::new();
    fleet.module("redis", "redis", (100, 101));
    fleet.module("other", "other", (100, 101));
    fleet.put("redis/rootfs/usr/lib/sysusers.d/redis.conf", "u redis 312\n");
    fleet.put("other/builder.toml", "[accounts]\nredis = 313\n");
    fleet.put("fleet.toml", "# ours\n[accounts]\nredis = 312\n");
    let validate = |more: &[&str]| fleet.tell(&[&["validate", "redis"], more].concat());
    let (code, text) = validate(&["--accounts", "fleet.toml"]);
    assert_eq!(code, Some(0), "{text}");
    // A neighbour that has another number, in its own builder.toml.
    let (code, text) = validate(&["--accounts", "fleet.toml", "--with", "other"]);
    assert!(
        code == Some(1) && text.contains("the user redis has the number 312, and 313 in other/manifest.yaml"),
        "{text}"
    );
    // The module itself, in a line of sysusers.d.
    fleet.put("redis/rootfs/usr/lib/sysusers.d/redis.conf", "u redis 314\n");
    let (code, text) = validate(&["--accounts", "fleet.toml"]);
    assert!(
        code == Some(1) && text.contains("the user redis has the number 314, and 312 in the tables of the fleet"),
        "{text}"
    );
    // Its builder.toml, at both places; the same table in the user's configuration.
    fleet.put("redis/builder.toml", "[accounts]\nredis = 314\n");
    for (place, more) in
        [("fleet.toml:3:1", &["--accounts", "fleet.toml"][..]), ("config/module-builder/config.toml:1:10", &[])]
    {
        let (code, text) = validate(more);
        assert!(code == Some(1) && text.contains("redis has the number 314 here, and the number 312 in "), "{text}");
        assert!(text.contains(place) && text.contains("redis/builder.toml:2:1"), "{text}");
        let (code, text) = fleet.build("redis", more);
        assert!(code == Some(1) && text.contains("account-conflict") && text.contains(place), "{text}");
        fleet.put("config/module-builder/config.toml", "accounts.redis = 312\n");
    }
    // What is wrong in a neighbour's is said beside what is wrong in the module's own.
    fleet.put("other/builder.toml", "[accounts]\nredis = 0\n");
    let (code, text) = validate(&["--with", "other"]);
    assert!(
        code == Some(1) && text.contains("other/builder.toml:2:1") && text.contains("redis/builder.toml:2:1"),
        "{text}"
    );
    let (code, text) = validate(&["--accounts", "nowhere.toml"]);
    assert!(
        code == Some(1) && text.contains("nowhere.toml") && text.contains("name a file with a table [accounts]"),
        "{text}"
    );
}
