//! Whole runs of `explain`, and of `build` with its findings about what a module lacks, over a small
//! root file system that the test makes.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

mod findings;
mod lints;
mod suggest;
mod world;

use world::{MANIFEST, World};

fn explain(world: &World, path: &str) -> String {
    world.run(&["explain", path, "m", "--rootfs", "root.tar", "--quiet"])
}

#[test]
fn a_path_is_in_by_a_rule_and_a_package() {
    insta::assert_snapshot!(explain(&World::new(), "/usr/sbin/httpd"));
}

#[test]
fn a_path_through_a_link_is_shown_by_both_names() {
    insta::assert_snapshot!(explain(&World::new(), "/lib/systemd/system/httpd.service"));
}

#[test]
fn a_configuration_file_a_script_made_one_and_a_diversion_are_told() {
    let world = World::new();
    insta::assert_snapshot!(explain(&world, "/etc/httpd/httpd.conf"));
    insta::assert_snapshot!("made_by_a_script", explain(&world, "/etc/httpd/generated.conf"));
    insta::assert_snapshot!("alternative", explain(&world, "/usr/bin/editor"));
    insta::assert_snapshot!("diverted", explain(&world, "/etc/httpd/mime.types.distrib"));
}

#[test]
fn an_alternative_goes_with_the_file_that_is_selected_and_never_alone() {
    let mut world = World::new();
    for (link, target) in [("/usr/bin/view", "/etc/alternatives/editor"), ("/usr/bin/other", "/etc/alternatives/other")]
    {
        world.link(link, target);
    }
    // A choice of a package that the manifest does not name is selected.
    world.link("/etc/alternatives/other", "/usr/bin/dash");
    world.file(
        "/var/lib/dpkg/alternatives/other",
        "auto\n/usr/bin/other\n\n/usr/bin/dash\n50\n/usr/bin/vi\n9\n\n",
        0o644,
    );
    world.module("manifest.yaml", "schema_version: 1\nname: web\nlicense: MIT\npackage_spec: [httpd]\n");
    let ships = |path: &str| explain(&world, path).contains("is shipped");
    assert!(ships("/usr/bin/vi") && ships("/usr/bin/editor") && ships("/etc/alternatives/editor"));
    // A link of the same target that no group knows, and one to a file that is not shipped.
    assert!(!ships("/usr/bin/view") && !ships("/usr/bin/other") && !ships("/etc/alternatives/other"));
}

#[test]
fn the_overlay_adds_and_replaces() {
    let world = World::new();
    insta::assert_snapshot!("overlay_adds", explain(&world, "/etc/httpd/own.conf"));
    insta::assert_snapshot!("overlay_replaces", explain(&world, "/etc/httpd/mime.types"));
}

#[test]
fn a_path_is_out_by_a_mask() {
    insta::assert_snapshot!(explain(&World::new(), "/etc/httpd/sites/default"));
}

#[test]
fn a_path_is_out_by_a_neighbour() {
    let world = World::new();
    let other = "schema_version: 1\nname: proxy\nlicense: MIT\nprotected_spec: [/usr/bin/***]\n";
    std::fs::create_dir(world.path("other")).unwrap();
    std::fs::write(world.path("other/manifest.yaml"), other).unwrap();
    let arguments = ["explain", "/usr/bin/editor", "m", "--rootfs", "root.tar", "--with", "other", "--quiet"];
    insta::assert_snapshot!(world.run(&arguments));
}

#[test]
fn a_path_is_out_by_the_scrub_by_no_rule_or_because_it_is_not_there() {
    let mut world = World::new();
    world.file("/etc/ssh/ssh_host_rsa_key", "secret", 0o600);
    world.module("rootfs/etc/ssh/keep", "");
    insta::assert_snapshot!("scrubbed", explain(&world, "/etc/ssh/ssh_host_rsa_key"));
    insta::assert_snapshot!("rewritten", explain(&world, "/etc/machine-id"));
    insta::assert_snapshot!("not_named", explain(&world, "/usr/sbin/tool"));
    insta::assert_snapshot!("missing", explain(&world, "/usr/sbin/htpd"));
}

#[test]
fn directories_say_what_is_below_them() {
    let world = World::new();
    insta::assert_snapshot!("directory_with", explain(&world, "/usr/sbin/"));
    insta::assert_snapshot!("directory_without", explain(&world, "/var/lib/dpkg"));
}

#[test]
fn without_a_file_spec_the_packages_own_files_are_in() {
    let world = World::new();
    let (start, end) = (MANIFEST.find("file_spec").unwrap(), MANIFEST.find("mask").unwrap());
    world.edit(&MANIFEST[start..end], "");
    insta::assert_snapshot!(explain(&world, "/usr/sbin/tool"));
}

#[test]
fn the_json_has_the_same_facts() {
    let world = World::new();
    let (code, told) =
        world.json(&["explain", "/lib/systemd/system/httpd.service", "m", "--rootfs", "root.tar", "--quiet"]);
    assert_eq!(code, 0);
    insta::assert_json_snapshot!(told);
}

#[test]
fn a_summary_counts_by_rule_and_by_package() {
    let world = World::new();
    world.edit("  - /usr/bin/editor\n", "  - /usr/bin/editor\n  - /etc/httpd/mime.types\n  - /usr/bin/edtior\n");
    let arguments = ["explain", "--summary", "m", "--rootfs", "root.tar", "--quiet"];
    insta::assert_snapshot!(world.run(&arguments));
    let (code, summary) = world.json(&arguments);
    assert_eq!(code, 0);
    let sum =
        |of: &str| summary["brought"].as_array().unwrap().iter().map(|line| line[of].as_u64().unwrap()).sum::<u64>();
    assert_eq!(summary["total"]["files"], sum("files"), "every file came from somebody");
    assert_eq!(summary["total"]["bytes"], sum("bytes"));
    let rules = summary["rules"].as_array().unwrap();
    assert_eq!(rules.iter().filter(|rule| rule["matched"] == false).count(), 1);
    assert_eq!(rules.iter().filter(|rule| rule["shadowed_by"] != serde_json::json!([])).count(), 1);
}

#[test]
fn a_dist_directory_leads_to_its_module_and_alone_tells_what_its_image_holds() {
    let world = World::new();
    let built = world.run(&["build", "-C", "m", "--rootfs", "root.tar", "--emit", "tar", "--quiet"]);
    assert!(built.starts_with("exit code: 0"), "{built}");
    let of = |place: &str| world.run(&["explain", "/lib/systemd/system/httpd.service", place, "--rootfs", "root.tar"]);
    assert!(of("m/dist").contains("m/manifest.yaml:9:5) names it"), "{}", of("m/dist"));
    std::fs::rename(world.path("m/dist"), world.path("alone")).unwrap();
    let alone = |path: &str| world.run(&["explain", path, "alone"]);
    insta::assert_snapshot!("in_image", alone("/usr/lib/systemd/system/httpd.service"));
    insta::assert_snapshot!("not_in_image", alone("/usr/sbin/htpd"));
    assert!(world.run(&["explain", "--summary", "alone"]).starts_with("exit code: 1"));
    let tar = world.run(&["explain", "/usr/sbin/httpd", "alone/module.tar", "--quiet"]);
    assert!(tar.contains("/usr/sbin/httpd is shipped"), "{tar}");
}

#[test]
fn what_cannot_be_explained_is_said() {
    let world = World::new();
    for (arguments, code) in [
        (&["explain"][..], 2),
        (&["explain", "/a", "m", "--summary"], 2),
        (&["explain", "/../etc/passwd", "m", "--rootfs", "root.tar"], 2),
        (&["explain", "/a", "nowhere"], 1),
        (&["explain", "/a", "m/rootfs"], 1),
    ] {
        let out = world.run(arguments);
        assert!(out.starts_with(&format!("exit code: {code}\n--- stdout\n--- stderr\nerror:")), "{arguments:?}: {out}");
    }
}
