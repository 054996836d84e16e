//! One tree, however it is made: real packages installed, unpacked and listed give the same files, but for what maintainer
//! scripts make.
//!
//! Needs root, mmdebstrap and the archive.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use image::composefs;
use image::tree::Kind;
use serde_json::Value;

/// Some have alternatives, some directories from before the merge of /usr, some links between packages.
const PACKAGES: &str = "vim-tiny, netcat-openbsd, iptables, nftables, systemd, util-linux, openssh-server, python3, \
                        ca-certificates, redis-server, mawk, kmod";

struct Module(tempfile::TempDir);

impl Module {
    fn new(settings: &str, more: &str) -> Self {
        let module = Self(tempfile::tempdir().unwrap());
        fs::write(module.path("builder.toml"), format!("suite = \"trixie\"\n{settings}")).unwrap();
        let manifest = format!("schema_version: 1\nname: lists\npackage_spec: [{PACKAGES}]\n{more}");
        fs::write(module.path("manifest.yaml"), manifest).unwrap();
        module
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_module-builder"));
        command
            .env_remove("SOURCE_DATE_EPOCH")
            .env("MODULE_BUILDER_CACHE_DIR", testkit::warm_cache())
            .current_dir(self.0.path());
        let output = command.args(["build", "--progress", "none"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    fn list(&self, output: &str) -> BTreeSet<String> {
        let text = fs::read_to_string(self.path(output).join("file-list.txt")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn installed_unpacked_and_listed_are_one_tree_but_for_what_scripts_make() {
    let (installed, unpacked) = (Module::new("", ""), Module::new("variant = \"extract\"\n", ""));
    installed.run(&[]);
    installed.run(&["--dry-run", "--output", "dry"]);
    unpacked.run(&[]);
    let (built, listed, extracted) = (installed.list("dist"), installed.list("dry"), unpacked.list("dist"));
    assert!(listed.len() > 1000, "{}", listed.len());
    assert_eq!(listed, extracted);
    assert_eq!(listed.difference(&built).collect::<Vec<_>>(), [""; 0]);
    let entries: Value = serde_json::from_slice(&fs::read(installed.path("dist/file-list.json")).unwrap()).unwrap();
    let made = |path: &str| {
        let entry = entries.as_array().unwrap().iter().find(|entry| entry["path"] == path).unwrap();
        entry["from"] == "maintainer_script"
    };
    let more: Vec<&String> = built.difference(&listed).collect();
    assert!(more.iter().any(|path| *path == "/etc/alternatives/vi") && more.iter().all(|path| made(path)), "{more:?}");
    for list in [&built, &listed] {
        let aliased =
            |path: &&String| ["bin", "sbin", "lib", "lib64"].iter().any(|name| path.split('/').nth(1) == Some(name));
        assert_eq!(list.iter().find(aliased), None);
    }
    for module in [&installed, &unpacked] {
        let tree = composefs::read(&fs::read(module.path("dist/module.cfs")).unwrap()).unwrap();
        let mut links = tree.walk().filter(|(_, _, node)| matches!(node.kind, Kind::Symlink(_)));
        assert!(links.all(|(_, _, node)| node.stat.mode == 0o777), "as tar unpacks them");
    }
}

#[test]
fn a_dry_run_calls_no_pattern_wrong_that_may_take_what_scripts_make() {
    // Each takes something of a build: an alternative, its other half, what is made from a conffile, a directory of state.
    let patterns = ["/usr/bin/vi", "/etc/alternatives/vi", "/etc/ssl/certs/*.0", "/etc/default/locale*"];
    let more: String = patterns.iter().map(|pattern| format!("  - \"{pattern}\"\n")).collect();
    let module = Module::new("", &format!("file_spec:\n{more}"));
    let output = module.run(&["--dry-run", "--output", "dry", "--strict"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("warning["), "{said}");
    assert!(said.contains("note[pattern-takes-nothing]: the pattern takes nothing that packages list"), "{said}");
    assert!(said.contains("a maintainer script may make what it takes, which `build` knows"), "{said}");
}
