//! Modules of real packages that lack one thing each: exactly one finding says what, and what it says to do mends it.
//!
//! Needs root, mmdebstrap, the archive, and a cgroup file system of version 2.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Output, Stdio};

/// The finding, and what has to be in the text that it has.
type Expected<'a> = (&'a str, &'a [&'a str]);

const SETTINGS: &str = "ship = \"closure\"\ndocumentation = false\n\n[base]\npackages = [\"systemd\", \"dbus\"]\n";

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
        command.env_remove("SOURCE_DATE_EPOCH").env("MODULE_BUILDER_CACHE_DIR", testkit::warm_cache());
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

/// The module of a package that is made here, in an archive of its own: its script makes data of a service.
fn keeper() -> Module {
    let module = Module::new("keeper");
    let path = |name: &str| module.folder.path().join(name);
    let files = [
        (
            "usr/lib/systemd/system/keeper.service",
            "[Service]\nUser=keeper\nExecStart=/usr/bin/perl /usr/lib/keeper/serve.pl\n",
            0o644,
        ),
        ("usr/lib/keeper/make.pl", KEEPER_MAKES, 0o644),
        ("usr/lib/keeper/serve.pl", KEEPER_SERVES, 0o644),
        ("DEBIAN/postinst", KEEPER_INSTALLS, 0o755),
        (
            "DEBIAN/control",
            "Package: keeper\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: a test\n",
            0o644,
        ),
    ];
    for (name, text, mode) in files {
        module.put(&format!("deb/{name}"), text);
        fs::set_permissions(path("deb").join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir_all(path("archive")).unwrap();
    let mut build = Command::new("dpkg-deb");
    testkit::run(build.args(["--root-owner-group", "--build"]).arg(path("deb")).arg(path("archive/keeper_1_all.deb")));
    let bytes = fs::read(path("archive/keeper_1_all.deb")).unwrap();
    let control = fs::read_to_string(path("deb/DEBIAN/control")).unwrap();
    let sum = model::Digest::of(&bytes).hex();
    let index = format!("{control}Filename: ./keeper_1_all.deb\nSize: {}\nSHA256: {sum}\n\n", bytes.len());
    module.put("archive/Packages", &index);
    let sum = model::Digest::of(index.as_bytes()).hex();
    let release = format!("Date: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n {sum} {} Packages\n", index.len());
    module.put("Release", &release);
    let home = tempfile::tempdir().unwrap();
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--yes", "--pinentry-mode", "loopback", "--homedir"]).arg(home.path());
        testkit::run(command.args(arguments).current_dir(module.folder.path())).stdout
    };
    gpg(&["--passphrase", "", "--quick-gen-key", "keeper@example.org", "ed25519", "sign", "never"]);
    fs::write(path("keeper.gpg"), gpg(&["--export"])).unwrap();
    gpg(&["--clearsign", "--output", "archive/InRelease", "Release"]);
    module
}

impl Module {
    /// Gives it the archive of [`keeper`], and `more` settings.
    fn keeps(&self, more: &str) {
        let uri = self.folder.path().join("archive").display().to_string();
        let archive = format!("[[repository]]\nuri = \"file:{uri}\"\nsuite = \"./\"\nkeyring = \"keeper.gpg\"\n");
        self.put("builder.toml", &format!("{SETTINGS}\n{archive}\n{more}"));
    }
}

const KEEPER_INSTALLS: &str = "#!/bin/sh\nset -e\nuseradd --system --no-create-home --home-dir /var/lib/keeper keeper\n\
    mkdir -p /var/lib/keeper /etc/systemd/system/multi-user.target.wants\nperl /usr/lib/keeper/make.pl /var/lib/keeper\n\
    chown -R keeper:keeper /var/lib/keeper\n\
    ln -s /usr/lib/systemd/system/keeper.service /etc/systemd/system/multi-user.target.wants/keeper.service\n";
const KEEPER_MAKES: &str = "my ($at) = @ARGV;\nopen my $half, '>', \"$at/half\" or die \"$at/half: $!\";\nclose $half;\n\
    sleep 600 if -e '/run/slow';\nopen my $whole, '>', \"$at/whole\" or die \"$at/whole: $!\";\nprint $whole \"all of it\\n\";\n";
const KEEPER_SERVES: &str = "use IO::Socket::INET;\nopen my $data, '<', '/var/lib/keeper/whole' or die \"/var/lib/keeper/whole: $!\\n\";\n\
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 7041, Listen => 5) or die \"$!\";\nsleep 600;\n";

/// What a shell in the trial does: it ends the unit while it makes the data, and starts it again.
const INTERRUPTS: &str = "U=module-broken-var-lib-keeper.service; systemctl stop keeper; rm -f /var/lib/keeper/*; touch /run/slow; \
    systemctl start --no-block $U; sleep 2; echo BEGUN:$(ls /var/lib/.keeper.new); systemctl kill -s KILL $U; sleep 1; \
    echo CUT:$(ls -A /var/lib/keeper | wc -l):$(systemctl is-failed $U); rm /run/slow; systemctl reset-failed; \
    systemctl start $U keeper; sleep 1; \
    echo THEN:$(cat /var/lib/keeper/whole):$(ls -A /var/lib | grep -c keeper):$(stat -c %U:%a /var/lib/keeper):$(systemctl is-active keeper); \
    exit\n";

#[test]
fn data_that_no_one_makes_is_one_finding_and_is_made_whole_or_not_at_all() {
    let module = keeper();
    module.keeps("");
    let hint = "in [closure.data] of builder.toml: \"/var/lib/keeper\" = { command = [...], user = \"keeper\" }";
    module.builds(Some(("data-not-shipped", &["/var/lib/keeper holds ", "that an install script made", hint])));
    module.is_tried(Some(("service-down", &["keeper.service is down: /var/lib/keeper/whole is missing"])));
    let command = "[\"/usr/bin/perl\", \"/usr/lib/keeper/make.pl\", \"/var/lib/keeper\"]";
    module.keeps(&format!("[closure.data]\n\"/var/lib/keeper\" = {{ command = {command}, user = \"keeper\" }}\n"));
    module.builds(None);
    module.is_tried(None);

    // By --shell, which wants a terminal.
    let line = format!(
        "exec {} test --settle 1 --shell {}",
        env!("CARGO_BIN_EXE_module-builder"),
        module.folder.path().display()
    );
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("MODULE_BUILDER_CACHE_DIR", testkit::warm_cache());
    let mut child = script.env("SHELL", "/bin/sh").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut said, mut bytes) = (String::new(), [0; 4096]);
    let mut is_asked = false;
    while let Ok(count @ 1..) = output.read(&mut bytes) {
        said += &String::from_utf8_lossy(&bytes[..count]);
        // The shell's prompt is behind the result.
        if !is_asked && said.split("broken: up").nth(1).is_some_and(|rest| rest.contains('#')) {
            is_asked = true;
            input.write_all(INTERRUPTS.as_bytes()).unwrap();
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    for wanted in ["BEGUN:half", "CUT:0:failed", "THEN:all of it:1:keeper:755:active"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}
