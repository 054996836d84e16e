//! Modules of real packages that lack one thing each: exactly one finding says what, and what it says to do mends it.
//!
//! Needs root, mmdebstrap, the archive, and a cgroup file system of version 2.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The finding, and what has to be in the text that it has.
type Expected<'a> = (&'a str, &'a [&'a str]);

const SETTINGS: &str = "ship = \"closure\"\ndocumentation = false\n\n[base]\npackages = [\"systemd\", \"dbus\"]\n";

/// A cache that outlives the test, so that packages are fetched and installed once.
fn cache() -> PathBuf {
    Path::new(&env::var_os("HOME").expect("HOME is set")).join(".cache/module-builder/test")
}

/// A module of real packages.
struct Module {
    folder: tempfile::TempDir,
    name: &'static str,
    packages: &'static str,
}

impl Module {
    fn new(packages: &'static str) -> Self {
        Self::named("broken", packages)
    }

    fn named(name: &'static str, packages: &'static str) -> Self {
        let module = Self { folder: tempfile::tempdir().unwrap(), name, packages };
        module.put("builder.toml", SETTINGS);
        module.set("");
        module
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Gives it a manifest with `more`.
    fn set(&self, more: &str) {
        let Self { name, packages, .. } = self;
        self.put("manifest.yaml", &format!("schema_version: 1\nname: {name}\npackage_spec: [{packages}]\n{more}\n"));
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_module-builder"));
        command.env_remove("SOURCE_DATE_EPOCH").env("MODULE_BUILDER_CACHE_DIR", cache());
        command.args(&arguments[..1]).args(["--progress", "none"]).args(&arguments[1..]).arg(self.folder.path());
        command.output().unwrap()
    }

    /// Builds it; what is found is one thing, or nothing.
    #[track_caller]
    fn builds(&self, expected: Option<Expected<'_>>) {
        let output = self.run(&["build", "-C"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        one(&output, "warning[", expected);
    }

    /// Tries it; what is found is one thing, or nothing.
    #[track_caller]
    fn is_tried(&self, expected: Option<Expected<'_>>) {
        self.is_tried_over(&[], expected);
    }

    /// The same, over other modules.
    #[track_caller]
    fn is_tried_over(&self, others: &[&Self], expected: Option<Expected<'_>>) {
        let others = others.iter().map(|other| other.folder.path().to_str().unwrap());
        let output = self.run(&["test", "--settle", "1"].into_iter().chain(others).collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(if expected.is_some() { 3 } else { 0 }), "{}", said(&output));
        one(&output, "error[", expected);
        assert!(!said(&output).contains("warning["), "{}", said(&output));
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// That the findings that begin with `severity` are the one that is expected.
#[track_caller]
fn one(output: &Output, severity: &str, expected: Option<Expected<'_>>) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let found: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with(severity)).collect();
    let Some((code, parts)) = expected else {
        assert!(found.is_empty(), "{text}");
        return;
    };
    assert_eq!(found.len(), 1, "{text}");
    let whole = lines[found[0]..].iter().take_while(|line| !line.is_empty()).copied().collect::<Vec<_>>().join("\n");
    assert!(whole.starts_with(&format!("{severity}{code}]: ")), "{whole}");
    for part in parts {
        assert!(whole.contains(part), "{part}: {whole}");
    }
}

#[test]
fn what_a_mask_takes_from_a_module_is_one_finding_that_names_the_mask() {
    let module = Module::new("redis-server");
    module.builds(None);
    let masked = |pattern: &str, code: &str, parts: &[&str]| {
        module.set(&format!("mask: [\"{pattern}\"]"));
        let hint = format!("kept out by mask `{pattern}`");
        let parts: Vec<&str> = parts.iter().copied().chain([hint.as_str(), "narrow it"]).collect();
        module.builds(Some((code, &parts)));
    };
    masked("/usr/lib/*/libjemalloc.so.2", "needs-library", &["libjemalloc.so.2 is not shipped, and "]);
    masked("/usr/bin/redis-server", "needs-command", &["/usr/lib/systemd/system/redis-server.service"]);
    masked(
        "/usr/lib/sysusers.d/00-module-broken.conf",
        "generated-masked",
        &["which makes the module's users and groups on the node"],
    );
    module.is_tried(Some(("service-down", &["redis-server.service is down: the user redis is missing"])));
    masked(
        "/usr/lib/tmpfiles.d/zz-module-*",
        "generated-masked",
        &["which makes what the module has in /var on the node"],
    );
    module.is_tried(Some(("service-down", &["/var/lib/redis is missing", "/usr/lib/tmpfiles.d"])));
    // A link that enables a unit may well be unwanted.
    module.set("mask: [\"/usr/lib/systemd/system/multi-user.target.wants/*\"]");
    module.builds(None);
    // What the findings say to do.
    module.set("");
    module.builds(None);
    module.is_tried(None);
}

#[test]
fn what_an_overlay_needs_beyond_the_packages_is_one_finding() {
    let module = Module::new("redis-server");
    module.put("rootfs/usr/bin/own", "#!/usr/bin/busybox sh\n");
    let own = module.folder.path().join("rootfs/usr/bin/own");
    fs::set_permissions(own, fs::Permissions::from_mode(0o755)).unwrap();
    let hint = "add the package that brings it to package_spec";
    module.builds(Some(("needs-interpreter", &["/usr/bin/busybox is nowhere", "/usr/bin/own needs it", hint])));
    let module = Module { packages: "redis-server, busybox", ..module };
    module.set("");
    module.builds(None);
    let wants = module.folder.path().join("rootfs/usr/lib/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink("../nowhere.service", wants.join("nowhere.service")).unwrap();
    module.builds(Some(("dangling-link", &["../nowhere.service is nowhere", "correct the link"])));
    module.put("rootfs/usr/lib/systemd/system/nowhere.service", "[Service]\nExecStart=/usr/bin/own\n");
    module.builds(None);
}

#[test]
fn a_service_without_its_configuration_listens_wider() {
    let module = Module::new("memcached");
    module.set("mask: [\"/etc/memcached.conf\"]");
    module.builds(None);
    let wide =
        "memcached.service listens on tcp 0.0.0.0:11211, tcp [::]:11211, and in the full tree on tcp 127.0.0.1:11211";
    module.is_tried(Some(("listens-wider", &[wide, "ship what a maintainer script made below /etc"])));
    // Each is compared with the tree that it was built from, and another module changes nothing of that.
    let other = Module::named("other", "redis-server");
    other.builds(None);
    module.is_tried_over(&[&other], Some(("listens-wider", &[wide])));
    module.set("");
    module.builds(None);
    module.is_tried_over(&[&other], None);
}

#[test]
fn a_secret_that_nothing_leads_to_is_one_finding() {
    let module = Module::new("openssh-server");
    module.set("mask: [\"/etc/ssh/ssh_host_*\"]");
    let links = "others are not shipped, which lead to what is made at first start";
    module.builds(Some(("generated-masked", &[links, "kept out by mask `/etc/ssh/ssh_host_*`: narrow it"])));
    module.set("");
    module.builds(None);
    module.is_tried(None);
}

#[test]
fn what_build_suggests_for_an_owned_module_leaves_nothing_missing() {
    let module = Module::new("redis-server");
    module.put("builder.toml", "ship = \"owned\"\n");
    let missing = |output: &Output| -> Vec<String> {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let codes = ["[needs-", "[floating-owner]", "[dangling-link]"];
        let is_missing = |line: &&str| line.starts_with("warning") && codes.iter().any(|code| line.contains(code));
        text.lines().filter(is_missing).map(str::to_owned).collect()
    };
    let before = module.run(&["build", "-C"]);
    // What these need in turn is not said yet.
    for what in ["/usr/bin/redis-check-rdb is not shipped", "run as redis"] {
        assert!(missing(&before).iter().any(|line| line.contains(what)), "{what}: {}", said(&before));
    }
    let suggested = module.run(&["build", "--suggest", "--quiet", "-C"]);
    let yaml = String::from_utf8(suggested.stdout).unwrap();
    assert_eq!(suggested.status.code(), Some(0), "{yaml}");
    let packages: Vec<&str> = yaml.lines().filter_map(|line| line.strip_prefix("  - ")).collect();
    assert!(yaml.starts_with("package_spec:\n") && !yaml.contains("file_spec"), "{yaml}");
    for package in ["redis-tools", "libjemalloc2", "liblzf1"] {
        assert!(packages.contains(&package), "{yaml}");
    }
    let lines: Vec<&str> = yaml.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    assert!(yaml.contains("# and these lines to rootfs/usr/lib/sysusers.d/broken.conf:\n"), "{yaml}");
    assert!(!yaml.contains("missing all the same"), "{yaml}");
    // Applied, it leaves nothing missing.
    module.put("rootfs/usr/lib/sysusers.d/broken.conf", &(lines.join("\n") + "\n"));
    let all = format!("redis-server, {}", packages.join(", "));
    let applied = Module { packages: all.leak(), ..module };
    applied.set("");
    let after = applied.run(&["build", "-C"]);
    assert_eq!((after.status.code(), missing(&after)), (Some(0), Vec::new()), "{}", said(&after));
    let again = applied.run(&["build", "--suggest", "--quiet", "-C"]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), "# nothing is missing\n");
}
