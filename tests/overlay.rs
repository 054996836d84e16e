//! What the overlay says in the checkout, in the image, and in the findings of a build.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[allow(dead_code, reason = "other tests use the rest")]
mod small;

use std::fs;

use image::composefs;
use model::ImagePath;
use small::Small;

/// Mode, user and group of `path` in the image that `output` holds.
fn stat(small: &Small, output: &str, path: &str) -> (u16, u32, u32) {
    let tree = composefs::read(&fs::read(small.path(output).join("module.cfs")).unwrap()).unwrap();
    let stat = &tree.node(tree.lookup(&ImagePath::new(path).unwrap()).unwrap()).stat;
    (stat.mode, stat.uid, stat.gid)
}

/// The fingerprint of a build into `output`.
fn fingerprint(small: &Small, output: &str) -> String {
    let output = small.path(output);
    let (code, result) = small.json(&[&BUILD[..], &["--output", output.to_str().unwrap()]].concat());
    assert_eq!(code, 0, "{result}");
    result["fingerprint"].as_str().unwrap().to_owned()
}

fn sample() -> Small {
    let small = Small::new();
    for (name, mode) in [("tunnel.conf", 0o600), ("helper", 0o4755), ("group", 0o640)] {
        small.write(&format!("m/rootfs/etc/{name}"), "x\n");
        small.mode(&format!("m/rootfs/etc/{name}"), mode);
    }
    small
}

const BUILD: [&str; 7] = ["build", "-C", "m", "--rootfs", "root", "--arch", "amd64"];

#[test]
fn modes_are_kept_and_each_special_one_is_named() {
    let small = sample();
    let output = small.path("out");
    let (code, _, err) = small.run(&[&BUILD[..], &["--output", output.to_str().unwrap()]].concat());
    assert_eq!(code, 0, "{err}");
    assert_eq!(stat(&small, "out", "/etc/tunnel.conf"), (0o600, 0, 0));
    assert_eq!(stat(&small, "out", "/etc/helper"), (0o4755, 0, 0));
    assert_eq!(stat(&small, "out", "/etc/group"), (0o640, 0, 0));
    for (code, path) in [("overlay-closed", "/etc/tunnel.conf"), ("special-rights", "/etc/helper")] {
        assert!(err.contains(code) && err.contains(path), "{code}: {err}");
    }
    let (code, _, err) = small.run(&[&BUILD[..], &["--output", output.to_str().unwrap(), "--strict"]].concat());
    assert_eq!(code, 1, "{err}");
}

#[test]
fn directories_are_asked_about_as_files_are_and_a_rule_is_the_answer() {
    let small = sample();
    for (name, mode) in [("closed", 0o700), ("team", 0o2755), ("shared", 0o775)] {
        small.write(&format!("m/rootfs/etc/{name}/file"), "x");
        small.mode(&format!("m/rootfs/etc/{name}"), mode);
    }
    let build = || small.run(&BUILD).2;
    let err = build();
    for (code, path) in
        [("overlay-closed", "/etc/closed"), ("special-rights", "/etc/team"), ("overlay-writable", "/etc/shared")]
    {
        assert!(err.lines().any(|line| line.contains(code) && line.contains(path)), "{code}: {err}");
    }
    small.write(
        "m/builder.toml",
        "[overlay]\n\"/etc/closed\" = { mode = \"0700\" }\n\"/etc/team\" = { mode = \"2755\" }\n\"/etc/shared\" = { mode = \"0775\" }\n",
    );
    let err = build();
    for path in ["/etc/closed", "/etc/team", "/etc/shared"] {
        assert!(!err.contains(path), "{path}: {err}");
    }
}

#[test]
fn a_rule_gives_owner_and_mode_and_counts_in_the_fingerprint() {
    let small = sample();
    let rules =
        "[overlay]\n\"/etc/tunnel.conf\" = { mode = \"0400\", owner = \"7:8\" }\n\"/etc/hel*\" = { mode = \"0755\" }\n";
    let plain = fingerprint(&small, "plain");
    small.write("m/builder.toml", rules);
    small.build_with("ruled", &["--strict"]);
    assert_eq!(stat(&small, "ruled", "/etc/tunnel.conf"), (0o400, 7, 8));
    assert_eq!(stat(&small, "ruled", "/etc/helper"), (0o755, 0, 0));
    let ruled = fingerprint(&small, "ruled");
    assert_ne!(plain, ruled);
    small.write("m/builder.toml", &rules.replace("7:8", "7:9"));
    assert_ne!(fingerprint(&small, "other"), ruled);
    let (_, env) = small.json(&["env", "-C", "m"]);
    assert!(env.to_string().contains("/etc/tunnel.conf mode=0400 owner=7:9"), "{env}");
}

#[test]
fn a_wrong_rule_is_an_error_at_its_line() {
    let small = sample();
    for rule in [
        "\"/a\" = { mode = \"999\" }",
        "\"/a\" = { mode = 440 }",
        "\"a\" = { mode = \"0440\" }",
        "\"/a\" = { owner = \"a:b:c\" }",
        "\"/a\" = { group = \"a\" }",
        "\"/a\" = \"0440\"",
        "\"/a\" = {}",
    ] {
        small.write("m/builder.toml", &format!("[overlay]\n{rule}\n"));
        let (code, out, err) = small.run(&["validate", "m"]);
        assert_eq!(code, 1, "{rule}: {out}{err}");
        assert!(err.contains("m/builder.toml:"), "{rule}: {err}");
    }
}

#[test]
fn keys_files_without_a_rule_and_idle_rules_are_warnings_that_name_them() {
    let small = Small::new();
    small.write("m/rootfs/etc/tls.pem", "remark\n-----BEGIN EC PRIVATE KEY-----\nx\n");
    small.write("m/rootfs/etc/ssh", "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n");
    small.write("m/rootfs/etc/cert.pem", "-----BEGIN CERTIFICATE-----\nx\n");
    small.write("m/rootfs/opt/left", "x\n");
    small.write("m/rootfs/etc/masked", "x\n");
    small.edit("m/manifest.yaml", |text| text + "mask: [/etc/masked]\n");
    small.write(
        "m/builder.toml",
        "[overlay]\n\"/none\" = { owner = \"root\" }\n\"/etc/ssh\" = { owner = \"web:web\" }\n",
    );
    let output = small.path("out");
    let (code, _, err) = small.run(&[&BUILD[..], &["--output", output.to_str().unwrap()]].concat());
    assert_eq!(code, 0, "{err}");
    for words in [
        "possible-secret",
        "/etc/tls.pem",
        "/etc/ssh",
        "overlay-not-shipped",
        "/opt/left",
        "overlay-rule",
        "/none",
        "`web`",
    ] {
        assert!(err.contains(words), "{words}: {err}");
    }
    assert!(!err.contains("cert.pem") && !err.contains("/etc/masked"), "{err}");
}

#[test]
fn a_dry_run_lists_what_a_build_of_a_given_root_file_system_ships() {
    let small = sample();
    small.build("out");
    let dry = small.path("dry");
    let (code, _, err) = small.run(&[&BUILD[..], &["--dry-run", "--output", dry.to_str().unwrap()]].concat());
    assert_eq!(code, 0, "{err}");
    for name in ["manifest.json", "file-list.txt", "package-list.txt"] {
        let read = |output: &str| fs::read(small.path(output).join(name)).unwrap();
        assert_eq!(read("dry"), read("out"), "{name}");
    }
    assert!(!dry.join("module.cfs").exists());
}

#[test]
fn build_and_validate_take_the_directory_by_both_ways_and_not_by_two() {
    let small = Small::new();
    for way in [&["-C", "m"][..], &["--directory", "m"], &["m"]] {
        let (code, _, err) = small.run(&[&["validate"], way].concat());
        assert_eq!(code, 0, "{way:?}: {err}");
        let build = ["build", "--rootfs", "root", "--arch", "amd64", "--dry-run"];
        let (code, _, err) = small.run(&[&build, way].concat());
        assert_eq!(code, 0, "{way:?}: {err}");
    }
    for verb in ["validate", "build"] {
        assert_eq!(small.run(&[verb, "-C", "m", "m"]).0, 2, "{verb}");
    }
}

#[test]
fn validate_names_files_of_the_overlay_that_no_rule_takes() {
    let small = Small::new();
    let warned = |more: &[&str]| {
        let (code, _, err) = small.run(&[&["validate", "m"], more].concat());
        (code, err)
    };
    assert_eq!(warned(&["--strict"]).0, 0, "{}", warned(&[]).1);
    small.write("m/rootfs/opt/left", "x\n");
    small.write("m/rootfs/opt/masked", "x\n");
    small.write("m/rootfs/usr/lib/here", "x\n");
    let manifest = "schema_version: 1\nname: web\nfile_spec:\n  - /etc/***\n  - /lib/here\nmask: [/opt/masked]\n";
    small.write("m/manifest.yaml", manifest);
    let (code, said) = warned(&[]);
    assert!(code == 0 && said.contains("warning[overlay-not-shipped]: /opt/left of the overlay"), "{said}");
    assert!(!said.contains("masked of") && !said.contains("here of"), "a link of the system leads to it: {said}");
    assert_eq!(warned(&["--strict"]).0, 1);
    // Without a file_spec, and with the closure, all of it ships.
    small.write("m/manifest.yaml", "schema_version: 1\nname: web\n");
    assert!(!warned(&[]).1.contains("overlay-not-shipped"));
    small.write("m/manifest.yaml", manifest);
    small.write("m/builder.toml", "ship = \"closure\"\n[base]\nvariant = \"minbase\"\n");
    assert!(!warned(&[]).1.contains("overlay-not-shipped"), "{}", warned(&[]).1);
}
