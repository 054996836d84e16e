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
            "warning: /etc/alternatives/editor is not shipped, and /usr/bin/editor leads to it",
            "warning: /srv/own is not shipped, and /opt/own leads to it",
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
