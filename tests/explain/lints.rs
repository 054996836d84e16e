//! Each finding about what a module lacks, `--strict` and `--allow`.

use serde_json::Value;

use crate::world::World;

fn build(world: &World, more: &[&str]) -> String {
    let arguments = ["build", "-C", "m", "--rootfs", "root.tar", "--emit", "tar", "--progress", "none"];
    world.run(&[&arguments, more].concat())
}

/// The findings with this code, as severity and message.
fn found(world: &World, code: &str) -> Vec<String> {
    let arguments = ["build", "-C", "m", "--rootfs", "root.tar", "--emit", "tar", "--progress", "none"];
    let out = world.run(&arguments);
    let head = format!("[{code}]: ");
    let line = |line: &str| line.split_once(&head).map(|(severity, message)| format!("{severity}: {message}"));
    out.lines().filter_map(line).collect()
}

const LIBRARIES: &str = "  - /usr/lib/x86_64-linux-gnu/libz.so*\n";

#[test]
fn a_whole_module_is_clean() {
    let world = World::new();
    world.edit("  - /usr/bin/editor\n", "");
    let out = build(&world, &["--strict"]);
    assert!(out.starts_with("exit code: 0"), "{out}");
    insta::assert_snapshot!(out.split("--- stderr\n").nth(1).unwrap());
}

#[test]
fn a_dropped_library_is_a_warning_and_strict_makes_it_an_error() {
    let world = World::new();
    world.edit(LIBRARIES, "");
    world.edit("  - /usr/bin/editor\n", "");
    insta::assert_snapshot!(build(&world, &["--strict"]));
    assert!(build(&world, &[]).starts_with("exit code: 0"));
    assert!(build(&world, &["--strict", "--allow", "needs-library"]).starts_with("exit code: 0"));
}

#[test]
fn a_masked_library_names_the_mask() {
    let world = World::new();
    world.edit("mask:\n", "mask:\n  - /usr/lib/**/libz.so.1.*\n");
    insta::assert_snapshot!(build(&world, &["--strict"]));
}

#[test]
fn a_library_that_is_nowhere_is_a_warning() {
    let mut world = World::new();
    world.program("/usr/sbin/httpd", &["libgone.so.4"]);
    let message = "warning: libgone.so.4 is nowhere in the root file system, and /usr/sbin/httpd needs it";
    assert_eq!(found(&world, "needs-library"), [message]);
}

#[test]
fn what_the_base_has_needs_no_rule_and_what_only_the_module_installs_does() {
    let world = World::new();
    assert_eq!(found(&world, "needs-library"), [""; 0], "libc6 is required by what is essential");
    world.edit(LIBRARIES, "");
    assert_eq!(found(&world, "needs-library").len(), 1, "zlib1g is not");
}

#[test]
fn without_dpkgs_database_nobody_knows_the_base() {
    let mut world = World::new();
    world.edit(LIBRARIES, "");
    world.file("/var/lib/dpkg/status", "", 0o644);
    assert!(found(&world, "needs-library").iter().all(|finding| finding.starts_with("note: ")));
}

#[test]
fn a_neighbour_brings_what_it_ships_and_a_required_module_may() {
    let world = World::new();
    world.edit(LIBRARIES, "");
    std::fs::create_dir(world.path("other")).unwrap();
    let other = "schema_version: 1\nname: zlib\nlicense: MIT\nfile_spec: [/usr/lib/*/libz.so*]\n";
    std::fs::write(world.path("other/manifest.yaml"), other).unwrap();
    assert!(!build(&world, &["--with", "other"]).contains("needs-library"));
    world.edit("mask:\n", "dependencies:\n  requires: [acme/zlib@^1.0]\nmask:\n");
    let out = build(&world, &[]);
    assert!(out.contains("note[needs-library]") && out.contains("`acme/zlib@^1.0`"), "{out}");
}

const REQUIRES: &str = "dependencies:\n  requires: [acme/zlib@^1.0]\nmask:\n";

#[test]
fn a_required_module_excuses_nothing_that_the_author_put_in_and_left_out() {
    let mut world = World::new();
    world.edit("mask:\n", REQUIRES);
    // Of httpd, which package_spec names: its program, and the file that its alternative leads to.
    world.edit("  - /usr/sbin/httpd\n", "  - /opt/***\n");
    // Of the overlay, which file_spec does not take.
    world.module("rootfs/srv/own", "own\n");
    world.link("/opt/own", "/srv/own");
    // Of zlib1g, which httpd depends on, and of no one.
    world.edit(LIBRARIES, "");
    world.program("/opt/other", &["libz.so.1", "libnowhere.so.1"]);
    let unseen = |code| found(&world, code);
    assert_eq!(
        unseen("needs-command"),
        [
            "warning: /usr/sbin/httpd is not shipped, and /usr/lib/systemd/system/httpd.service needs it",
            "warning: /usr/sbin/httpd is not shipped, and services[0].start_command needs it",
        ]
    );
    assert_eq!(
        unseen("dangling-link"),
        [
            "warning: /srv/own is not shipped, and /opt/own leads to it",
            "warning: /etc/alternatives/editor is not shipped, and /usr/bin/editor leads to it",
        ]
    );
    assert_eq!(
        unseen("needs-library"),
        [
            "note: libnowhere.so.1 is nowhere in the root file system, and /opt/other needs it",
            "note: libz.so.1 is not shipped, and /opt/other needs it",
        ]
    );
    let strict = build(&world, &["--strict"]);
    assert!(strict.starts_with("exit code: 1"), "{strict}");
    assert!(strict.contains("name the manifest of the module that ships it by --with"), "{strict}");
}

#[test]
fn the_manifest_of_a_required_module_shows_what_it_ships() {
    let world = World::new();
    world.edit("mask:\n", REQUIRES);
    world.edit("  - /usr/bin/editor\n", "  - /usr/bin/editor\n  - /etc/alternatives/editor\n");
    assert_eq!(
        found(&world, "dangling-link"),
        [
            "warning: /usr/bin/vi is not shipped, and /usr/bin/editor leads to it through /etc/alternatives/editor",
            "warning: /usr/bin/vi is not shipped, and /etc/alternatives/editor leads to it",
        ]
    );
    std::fs::create_dir(world.path("other")).unwrap();
    let other = "schema_version: 1\nname: zlib\nlicense: MIT\nfile_spec: [/usr/bin/vi]\n";
    std::fs::write(world.path("other/manifest.yaml"), other).unwrap();
    let out = build(&world, &["--strict", "--with", "other"]);
    assert!(out.starts_with("exit code: 0"), "{out}");
}

#[test]
fn interpreters_of_scripts_and_programs_are_needed() {
    let mut world = World::new();
    world.edit("  - /usr/bin/editor\n", "  - /usr/bin/editor\n  - /opt/***\n");
    world.file("/opt/sh", "#!/bin/sh\n", 0o755);
    world.file("/opt/python", "#!/usr/bin/env python3\n", 0o755);
    world.file("/opt/data", "#!/usr/bin/ruby\n", 0o644);
    world.file("/opt/foreign", testkit::elf::build(true, false, "/lib/ld-musl.so.1", &[], ""), 0o755);
    assert_eq!(
        found(&world, "needs-interpreter"),
        [
            "warning: /lib/ld-musl.so.1 is nowhere in the root file system, and /opt/foreign needs it",
            "warning: /usr/bin/env is nowhere in the root file system, and /opt/python needs it",
            "warning: python3 is nowhere in the root file system, and /opt/python needs it",
        ]
    );
}

#[test]
fn programs_of_units_and_of_the_manifest_are_needed() {
    let world = World::new();
    world.edit("  - /usr/sbin/httpd\n", "");
    world.edit("  - name: httpd\n", "  - name: other\n    start_command: nowhere --now\n  - name: httpd\n");
    insta::assert_snapshot!(build(&world, &["--strict"]));
}

#[test]
fn links_to_what_is_dropped_dangle_and_debians_own_are_a_note() {
    let mut world = World::new();
    world.link("/etc/httpd/elsewhere", "/usr/share/elsewhere");
    world.link("/etc/httpd/log", "/run/httpd");
    world.module("rootfs/etc/httpd/x", "x");
    std::os::unix::fs::symlink("/nowhere", world.path("m/rootfs/etc/httpd/own")).unwrap();
    assert_eq!(
        found(&world, "dangling-link"),
        [
            "warning: /nowhere is nowhere in the root file system, and /etc/httpd/own leads to it",
            "warning: /etc/alternatives/editor is not shipped, and /usr/bin/editor leads to it",
            "note: /usr/share/elsewhere is nowhere in the root file system, and /etc/httpd/elsewhere leads to it",
        ]
    );
}

#[test]
fn a_link_by_way_of_another_is_told_as_it_is() {
    let mut world = World::new();
    world.link("/etc/httpd/one", "two");
    world.link("/etc/httpd/two", "/usr/share/nowhere");
    assert_eq!(
        found(&world, "dangling-link")[1..],
        [
            "note: two leads nowhere in the root file system, and /etc/httpd/one leads to it",
            "note: /usr/share/nowhere is nowhere in the root file system, and /etc/httpd/two leads to it",
        ]
    );
}

#[test]
fn the_hint_is_a_pattern_that_ships_what_is_missing() {
    let mut world = World::new();
    world.edit("  - /usr/bin/editor\n", "  - /usr/bin/editor\n  - /etc/alternatives/editor\n  - /usr/bin/vi\n");
    world.link("/etc/httpd/empty", "/srv/empty");
    world.link("/etc/httpd/full", "/srv/full");
    world.file("/srv/full/a[1]", "x", 0o644);
    world.link("/etc/httpd/odd", "/srv/full/a[1]");
    world.directory("/srv/empty/");
    let out = build(&world, &["--strict"]);
    let patterns: Vec<&str> = out.lines().filter_map(|line| line.split('`').nth(1)).collect();
    assert_eq!(patterns, ["/srv/empty/", "/srv/full/***", "/srv/full/a\\[1]"], "{out}");
    let cured: String = patterns.iter().map(|pattern| format!("  - {pattern}\n")).collect();
    world.edit("mask:\n", &format!("{cured}mask:\n"));
    let out = build(&world, &["--strict", "--allow", "pattern-shadowed"]);
    assert!(out.starts_with("exit code: 0"), "{out}");
}

#[test]
fn a_unit_that_nothing_starts_is_a_note() {
    let world = World::new();
    assert_eq!(found(&world, "unit-not-enabled"), [""; 0], "a service of the manifest has its name");
    world.edit("  - name: httpd\n", "  - name: other\n");
    let message =
        "note: /usr/lib/systemd/system/httpd.service is shipped, and no link starts it with multi-user.target";
    assert_eq!(found(&world, "unit-not-enabled"), [message]);
    world.edit("file_spec:\n", "file_spec:\n  - /etc/systemd/system/*.wants/httpd.service\n");
    assert_eq!(found(&world, "unit-not-enabled"), [""; 0]);
}

#[test]
fn what_is_allowed_is_recorded() {
    let world = World::new();
    let arguments = ["build", "-C", "m", "--rootfs", "root.tar", "--quiet"];
    let (code, plain) = world.json(&arguments);
    assert_eq!(code, 0, "{plain}");
    let allow = ["--allow", "needs-library", "--allow", "dangling-link", "--allow", "needs-library"];
    let (code, allowed) = world.json(&[&arguments[..], &allow].concat());
    assert_eq!(code, 0);
    assert_eq!(plain["composefs_digest"], allowed["composefs_digest"]);
    assert_ne!(plain["fingerprint"], allowed["fingerprint"]);
    let manifest = manifest(&world, &allowed);
    assert_eq!(manifest["annotations"]["io.powernode.allowed_lints"], "dangling-link,needs-library");
    let (_, again) = world.json(&arguments);
    assert_eq!(plain["fingerprint"], again["fingerprint"]);
    assert_eq!(self::manifest(&world, &again)["annotations"].get("io.powernode.allowed_lints"), None);
    assert!(build(&world, &["--allow", "no-such-lint"]).starts_with("exit code: 2"));
}

fn manifest(world: &World, built: &Value) -> Value {
    let digest = built["oci"]["manifests"]["amd64"].as_str().unwrap();
    let blob = world.path("m/dist/oci/blobs/sha256").join(digest.strip_prefix("sha256:").unwrap());
    serde_json::from_slice(&std::fs::read(blob).unwrap()).unwrap()
}

#[test]
fn a_closed_file_that_no_package_brought_may_be_a_secret() {
    let mut world = World::new();
    world.file("/etc/httpd/cookie", "8c2f0a", 0o600);
    world.file("/etc/httpd/httpd.conf", "Listen 80\n", 0o600);
    world.file("/etc/httpd/empty", "", 0o600);
    let message = "warning: /etc/httpd/cookie was made by a maintainer script and closed to others, and every machine \
                   would share it";
    assert_eq!(found(&world, "possible-secret"), [message], "not what a package brought, and nothing empty");
    world.edit("  - /usr/bin/editor\n", "");
    assert!(build(&world, &["--strict"]).starts_with("exit code: 1"));
    assert!(build(&world, &["--strict", "--allow", "possible-secret"]).starts_with("exit code: 0"));
    world.edit("mask:\n", "mask:\n  - /etc/httpd/cookie\n");
    assert!(build(&world, &["--strict"]).starts_with("exit code: 0"), "a mask leaves it out");
}

/// A module of its own unit over the small root file system, with the accounts that a package made.
fn with_accounts() -> World {
    let mut world = World::new();
    world.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:\nhttpd:x:101:102::/:\n", 0o644);
    world.file("/etc/group", "root:x:0:\nwww-data:x:33:\nhttpd:x:102:\n", 0o644);
    let unit =
        "[Service]\nExecStart=/usr/sbin/httpd\nUser=httpd\nGroup=www-data\n[Install]\nWantedBy=multi-user.target\n";
    world.file("/usr/lib/systemd/system/httpd.service", unit, 0o644);
    world
}

#[test]
fn a_unit_runs_as_a_user_whom_something_makes() {
    let world = with_accounts();
    let message = "warning: /usr/lib/systemd/system/httpd.service runs as httpd, whom nothing shipped makes";
    assert_eq!(found(&world, "needs-user"), [message]);
    let out = build(&world, &["--strict"]);
    let hint = "add the line `u httpd -` to rootfs/usr/lib/sysusers.d/web.conf and that file to file_spec";
    assert!(out.starts_with("exit code: 1") && out.contains(hint), "{out}");
    assert!(!build(&world, &["--strict", "--allow", "needs-user"]).contains("runs as httpd, whom"), "{out}");
    // The hint, applied, mends it.
    world.module("rootfs/usr/lib/sysusers.d/web.conf", "u httpd -\n");
    assert_eq!(found(&world, "needs-user").len(), 1, "the file is not shipped yet");
    world.edit("file_spec:\n", "file_spec:\n  - /usr/lib/sysusers.d/web.conf\n");
    assert_eq!(found(&world, "needs-user"), [""; 0]);
}

#[test]
fn a_service_of_the_manifest_runs_as_a_user_whom_something_makes() {
    let world = World::new();
    world.edit("    start_command", "    user: nosuch:root\n    start_command");
    let message = "warning: services[0].user names the user nosuch, whom nothing shipped makes";
    assert_eq!(found(&world, "needs-user"), [message]);
    for known in ["root", "0:0", "33"] {
        world.edit("nosuch:root", known);
        assert_eq!(found(&world, "needs-user"), [""; 0], "{known}");
        world.edit(&format!("user: {known}"), "user: nosuch:root");
    }
    world.edit("mask:\n", REQUIRES);
    assert!(found(&world, "needs-user")[0].starts_with("note: "));
}

#[test]
fn an_owner_that_holds_in_the_build_alone_is_named() {
    let mut world = with_accounts();
    world.owned_file("/etc/httpd/httpd.conf", "Listen 80\n", (0, 102));
    world.owned_file("/etc/httpd/generated.conf", "x\n", (101, 33));
    let message = "warning: /etc/httpd/generated.conf, /etc/httpd/httpd.conf belong to the user and group httpd, which is 101 \
                   and 102 in this build and nothing shipped makes so";
    assert_eq!(found(&world, "floating-owner"), [message]);
    let out = build(&world, &[]);
    assert_eq!(out.matches("add the lines `g httpd 102` and `u httpd 101:httpd` to").count(), 2, "{out}");
    // The hint, applied, mends it.
    world.module("rootfs/usr/lib/sysusers.d/web.conf", "g httpd 102\nu httpd 101:httpd\n");
    world.edit("file_spec:\n", "file_spec:\n  - /usr/lib/sysusers.d/web.conf\n");
    assert_eq!((found(&world, "floating-owner"), found(&world, "needs-user")), (vec![], vec![]));
    world.owned_file("/etc/httpd/httpd.conf", "Listen 80\n", (777, 0));
    let nameless =
        "warning: /etc/httpd/httpd.conf belongs to the user 777, which has no name here and is anyone's on the node";
    assert_eq!(found(&world, "floating-owner"), [nameless]);
}

#[test]
fn units_and_files_that_a_unit_asks_for_are_named() {
    let mut world = World::new();
    let unit = "[Unit]\nRequires=httpd.socket\nConditionPathExists=/etc/httpd/sites/default\n\
                [Service]\nExecStart=/usr/sbin/httpd\nEnvironmentFile=/etc/default/httpd\n[Install]\nWantedBy=multi-user.target\n";
    world.file("/usr/lib/systemd/system/httpd.service", unit, 0o644);
    world.file("/usr/lib/systemd/system/httpd.socket", "[Socket]\nListenStream=80\n", 0o644);
    let needs = "and /usr/lib/systemd/system/httpd.service needs it";
    assert_eq!(
        found(&world, "needs-file"),
        [
            format!("warning: /etc/default/httpd is nowhere in the root file system, {needs}"),
            format!("warning: /etc/httpd/sites/default is not shipped, {needs}"),
        ]
    );
    assert_eq!(found(&world, "needs-unit"), [format!("warning: httpd.socket is not shipped, {needs}")]);
    let out = build(&world, &[]);
    assert!(out.contains("add `/usr/lib/systemd/system/httpd.socket` to file_spec"), "{out}");
    world.edit(
        "file_spec:\n",
        "init:\n  start: systemctl start httpd other.socket\nfile_spec:\n  - /lib/systemd/system/httpd.socket\n",
    );
    let named = "warning: other.socket is nowhere in the root file system, and init.start needs it";
    assert_eq!(found(&world, "needs-unit"), [named]);
}

#[test]
fn a_library_that_only_the_linkers_cache_would_lead_to_is_not_found_on_the_node() {
    let mut world = World::new();
    world.file("/opt/x/lib/libx.so.1", testkit::elf::build(true, false, "", &[], ""), 0o644);
    world.program("/opt/x/prog", &["libx.so.1"]);
    world.file("/etc/ld.so.conf.d/x.conf", "/opt/x/lib\n", 0o644);
    world.edit("file_spec:\n", "file_spec:\n  - /opt/x/***\n  - /etc/ld.so.conf.d/x.conf\n");
    let message = "warning: libx.so.1 is at /opt/x/lib/libx.so.1, where the node's loader does not look, and /opt/x/prog needs it";
    assert_eq!(found(&world, "needs-library"), [message]);
    // The hint, applied, mends it.
    world.link("/usr/lib/x86_64-linux-gnu/libx.so.1", "/opt/x/lib/libx.so.1");
    world.edit("file_spec:\n", "file_spec:\n  - /usr/lib/*/libx.so.1\n");
    assert_eq!(found(&world, "needs-library"), [""; 0]);
}

#[test]
fn a_number_of_two_names_and_a_name_of_two_numbers_are_conflicts_of_neighbours() {
    let world = World::new();
    let manifest = "schema_version: 1\nname: other\nlicense: MIT\n";
    let other = |path: &str, text: &str| {
        let path = world.path(&format!("other/{path}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    other("manifest.yaml", manifest);
    world.module("builder.toml", "[accounts]\nhttpd = 312\nshared = { uid = 320, gid = 321 }\n");
    world.module("rootfs/usr/lib/sysusers.d/a.conf", "u own 330\ng only 340\nu open -\n");
    let validate = || world.run(&["validate", "m", "--with", "other"]);
    let conflicts = |out: &str| -> Vec<String> {
        let line = |line: &str| line.split_once("[account-conflict]: ").map(|(_, message)| message.to_owned());
        out.lines().filter_map(line).collect()
    };
    assert_eq!(conflicts(&validate()), [""; 0]);
    other("builder.toml", "[accounts]\ncache = 312\nshared = { uid = 320, gid = 322 }\nown = 330\n");
    other("rootfs/etc/sysusers.d/b.conf", "g only 341\nu open 350\ng more 321\n");
    let out = validate();
    assert!(out.starts_with("exit code: 1"), "{out}");
    assert_eq!(
        conflicts(&out),
        [
            "the user httpd has the number 312, and so has cache in other/manifest.yaml",
            "the group httpd has the number 312, and so has cache in other/manifest.yaml",
            "the group only has the number 340, and 341 in other/manifest.yaml",
            "the group shared has the number 321, and 322 in other/manifest.yaml",
            "the group shared has the number 321, and so has more in other/manifest.yaml",
        ]
    );
    assert!(build(&world, &["--with", "other"]).contains("[account-conflict]"));
}
