//! How findings look: one shape, grouped, at their place, in text, in JSON and as events; and what they say of neighbours,
//! masks and packages without files.

use std::fs;

use serde_json::Value;

use crate::world::World;

const BUILD: [&str; 7] = ["build", "-C", "m", "--rootfs", "root.tar", "--emit", "tar"];
const HEAD: &str = "schema_version: 1\nname: web\nlicense: MIT\npackage_spec: [httpd]\n";

fn build(world: &World, more: &[&str]) -> String {
    world.run(&[&BUILD, more].concat())
}

fn of<'a>(found: &'a Value, code: &str) -> Vec<&'a Value> {
    found.as_array().unwrap().iter().filter(|found| found["code"] == code).collect()
}

#[test]
fn three_hundred_links_of_one_kind_are_one_finding_in_every_form() {
    let world = World::new();
    world.module("manifest.yaml", HEAD);
    fs::create_dir_all(world.path("m/rootfs/srv")).unwrap();
    for number in 0..300 {
        std::os::unix::fs::symlink(format!("/nowhere/{number}"), world.path(&format!("m/rootfs/srv/l{number}")))
            .unwrap();
    }
    for dry_run in [&[][..], &["--dry-run"]] {
        let arguments = [&BUILD[..5], dry_run].concat();
        let out = world.run(&arguments);
        assert_eq!(out.matches("[dangling-link]").count(), 1, "{out}");
        let head = "warning[dangling-link]: 300 times: a shipped link leads to what is not there\n  --> m/rootfs\n";
        assert!(out.contains(head), "{out}");
        assert!(out.contains("    | and 295 more: `--format json` lists them\n  help: correct the link"), "{out}");
        let (code, json) = world.json(&arguments);
        let links = of(&json["findings"], "dangling-link");
        assert_eq!((code, links.len(), &links[0]["count"]), (0, 1, &Value::from(300)));
        assert_eq!(links[0]["each"].as_array().unwrap().len(), 300);
        let events = world.run(&[&arguments[..], &["--progress", "json"]].concat());
        let events: Vec<Value> = events
            .split("--- stderr\n")
            .nth(1)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let found: Vec<&Value> = events.iter().filter(|event| event["event"] == "finding").collect();
        assert_eq!(found.iter().filter(|event| event["code"] == "dangling-link" && event["count"] == 300).count(), 1);
    }
    let (code, json) = world.json(&[&BUILD[..5], &["--strict", "--progress", "none"]].concat());
    assert_eq!((code, of(&json["error"]["diagnostics"], "dangling-link")[0]["count"].as_u64()), (1, Some(300)));
}

#[test]
fn a_mask_that_takes_nothing_is_a_note_at_its_line() {
    let world = World::new();
    world.module("manifest.yaml", &format!("{HEAD}mask:\n  - /etc/nothing/*\n"));
    let out = build(&world, &["--strict", "--allow", "needs-library"]);
    assert!(out.starts_with("exit code: 0"), "{out}");
    assert!(
        out.contains("note[pattern-takes-nothing]: the pattern takes nothing\n   ╭─[m/manifest.yaml:6:5]\n"),
        "{out}"
    );
    assert!(out.contains("\n   ·     ───────┬──────\n"), "{out}");
    world.module("manifest.yaml", &format!("{HEAD}file_spec:\n  - /etc/nothing/*\n  - /usr/sbin/httpd\n"));
    assert!(build(&world, &[]).contains("warning[pattern-takes-nothing]"), "what should ship is missing");
}

#[test]
fn a_rule_of_the_overlay_that_takes_nothing_is_shown_where_it_stands() {
    let world = World::new();
    world.module("builder.toml", "[overlay]\n\"/etc/none/*\" = { mode = \"0440\" }\n");
    let out = build(&world, &[]);
    assert!(out.contains("warning[overlay-rule]") && out.contains("[m/builder.toml:2:1]"), "{out}");
    let (_, json) = world.json(&BUILD);
    let found = of(&json["findings"], "overlay-rule");
    assert_eq!(found[0]["position"], serde_json::json!({ "line": 2, "column": 1 }));
}

#[test]
fn what_two_modules_both_protect_is_an_error_in_validate_and_build_alike() {
    let world = World::new();
    let write = |name: &str, lists: &str| {
        fs::create_dir_all(world.path(name)).unwrap();
        let text = format!("schema_version: 1\nname: {name}\nlicense: MIT\n{lists}");
        fs::write(world.path(&format!("{name}/manifest.yaml")), text).unwrap();
    };
    let with = |arguments: &[&str]| world.run(&[arguments, &["--with", "other"]].concat());
    let cases = [
        ("protected_spec: [/etc/httpd/***]\n", "protected_spec: [/etc/httpd/*.conf]\n", Some("both-protect")),
        ("protected_spec: [/etc/httpd/***]\n", "file_spec: [/etc/httpd/httpd.conf]\n", Some("protected-file")),
        ("file_spec: [/etc/httpd/***]\n", "protected_spec: [/etc/httpd/httpd.conf]\n", Some("protected-file")),
        ("", "protected_spec: [/etc/httpd/httpd.conf]\n", None),
    ];
    for (own, neighbour, code) in cases {
        world.module("manifest.yaml", &format!("{HEAD}{own}"));
        write("other", neighbour);
        for arguments in [&["validate", "m"][..], &BUILD, &["build", "-C", "m", "--rootfs", "root.tar", "--dry-run"]] {
            let out = with(arguments);
            match code {
                Some(code) => {
                    assert!(
                        out.starts_with("exit code: 1") && out.contains(&format!("error[{code}]: ")),
                        "{arguments:?}: {out}"
                    );
                }
                None => assert!(out.starts_with("exit code: 0") && !out.contains("error["), "{arguments:?}: {out}"),
            }
        }
        // To see what happens to a path is no build.
        assert!(with(&["explain", "/etc/httpd/httpd.conf", "m", "--rootfs", "root.tar"]).starts_with("exit code: 0"));
    }
    let out = with(&BUILD);
    let note = "note[protected-by-neighbour]: /etc/httpd/httpd.conf is not shipped: other protects what it ships\n";
    assert!(out.contains(note), "{out}");
    assert!(out.contains("--> other/manifest.yaml:4:18") || out.contains("[other/manifest.yaml:4:18]"), "{out}");
}

#[test]
fn a_package_without_files_says_what_it_stands_for() {
    let mut world = World::new();
    world.package("web-all", "Depends: web-more", "/.\n/usr/share/doc/web-all/copyright");
    world.package("web-more", "Depends: httpd", "/usr/share/doc/web-more/copyright");
    world.module("manifest.yaml", "schema_version: 1\nname: web\nlicense: MIT\npackage_spec: [dash, web-all]\n");
    let out = build(&world, &[]);
    assert!(
        out.contains("note[package-without-files]: web-all has no files of its own and stands for httpd\n"),
        "{out}"
    );
    assert!(
        out.contains("[m/manifest.yaml:4:22]") && out.contains("help: name in package_spec what is to ship: `httpd`"),
        "{out}"
    );
    world.module("manifest.yaml", HEAD);
    assert!(!build(&world, &[]).contains("package-without-files"));
}

#[test]
fn a_hint_names_a_package_first_and_never_what_is_protected() {
    let mut world = World::new();
    world.module("manifest.yaml", HEAD);
    let out = build(&world, &[]);
    assert!(out.contains("help: add `zlib1g` to package_spec, or"), "{out}");
    world.module("manifest.yaml", &format!("{HEAD}protected_spec: [/etc/httpd/***]\n"));
    assert!(build(&world, &[]).contains("help: add `zlib1g` to package_spec, or"), "there is no file_spec yet");
    world.module("manifest.yaml", &format!("{HEAD}file_spec: [/usr/sbin/httpd]\n"));
    assert!(build(&world, &[]).contains("help: add `/usr/lib/*/libz.so.1*` to file_spec (of zlib1g), or"));
    // What a script made, no package brings.
    world.link("/usr/sbin/httpd-link", "/srv/made");
    world.file("/srv/made", "x", 0o644);
    world.package("links", "", "/usr/sbin/httpd-link");
    world.module("manifest.yaml", "schema_version: 1\nname: web\nlicense: MIT\npackage_spec: [links]\n");
    let out = build(&world, &[]);
    let ends = "help: add `/srv/made` to file_spec, which ends that all files of the named packages ship: name those there, too, or";
    assert!(out.contains(ends), "{out}");
}

#[test]
fn a_code_is_explained_anywhere_and_a_path_as_ever() {
    let world = World::new();
    let out = world.run(&["explain", "needs-library"]);
    assert!(
        out.starts_with("exit code: 0\n--- stdout\nneeds-library\n") && out.contains("\nWhy it matters\n"),
        "{out}"
    );
    insta::assert_snapshot!(out);
    let (code, json) = world.json(&["explain", "both-protect"]);
    assert_eq!((code, &json["code"], &json["allowable"]), (0, &Value::from("both-protect"), &Value::from(false)));
    let out = world.run(&["explain", "needs-libary"]);
    assert!(
        out.starts_with("exit code: 2") && out.contains("did you mean `needs-library`? a path begins with `/`"),
        "{out}"
    );
    assert!(world.run(&["explain", "needs-user", "m"]).starts_with("exit code: 2"));
    assert!(
        world.run(&["explain", "usr/sbin/httpd", "m", "--rootfs", "root.tar"]).contains("/usr/sbin/httpd is shipped")
    );
}
