//! `build --suggest`: what it prints, applied, leaves nothing missing.

use std::fs;

use serde_json::Value;

use crate::world::World;

const SUGGEST: [&str; 8] = ["build", "--suggest", "-C", "m", "--rootfs", "root.tar", "--progress", "none"];
const STRICT: [&str; 8] = ["build", "--strict", "-C", "m", "--rootfs", "root.tar", "--progress", "none"];

/// A package whose service needs a library, a program that needs another library, and a user.
fn lacking() -> World {
    let mut world = World::new();
    let head = "schema_version: 1\nname: web\nlicense: MIT\npackage_spec: [httpd]\n";
    world.module("manifest.yaml", head);
    world.package("httpd-tools", "Depends: libtwo2", "/usr/bin/httpd-check\n/usr/lib/systemd/system/httpd-aux.socket");
    world.package("libtwo2", "", "/usr/lib/x86_64-linux-gnu/libtwo.so.2\n/usr/lib/x86_64-linux-gnu/libtwo.so.2.7.1");
    world.program("/usr/bin/httpd-check", &["libtwo.so.2"]);
    world.file("/usr/lib/x86_64-linux-gnu/libtwo.so.2.7.1", testkit::elf::build(true, false, "", &[], ""), 0o644);
    world.link("/usr/lib/x86_64-linux-gnu/libtwo.so.2", "libtwo.so.2.7.1");
    world.file("/usr/lib/systemd/system/httpd-aux.socket", "[Socket]\nListenStream=81\nService=httpd.service\n", 0o644);
    world.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nhttpd:x:101:102::/:\n", 0o644);
    world.file("/etc/group", "root:x:0:\nhttpd:x:102:\n", 0o644);
    world.owned_file("/etc/httpd/httpd.conf", "Listen 80\n", (0, 102));
    let unit = "[Unit]\nRequires=httpd-aux.socket\n[Service]\nExecStartPre=/usr/bin/httpd-check\nExecStart=/usr/sbin/httpd\n\
                User=httpd\n[Install]\nWantedBy=multi-user.target\n";
    world.file("/usr/lib/systemd/system/httpd.service", unit, 0o644);
    world
}

fn stdout(out: &str) -> &str {
    out.split("--- stdout\n").nth(1).unwrap().split("--- stderr\n").next().unwrap()
}

/// What is missing, by code.
fn missing(out: &str) -> Vec<&str> {
    let codes = ["needs-", "floating-owner", "dangling-link"];
    out.lines().filter(|line| line.starts_with("warning[") && codes.iter().any(|code| line.contains(code))).collect()
}

#[test]
fn what_is_suggested_is_all_that_is_missing_and_mends_it() {
    let world = lacking();
    assert!(missing(&world.run(&STRICT)).len() >= 4, "{}", world.run(&STRICT));
    let out = world.run(&SUGGEST);
    assert!(out.starts_with("exit code: 0"), "{out}");
    assert_eq!(
        stdout(&out),
        "package_spec:\n  - httpd-tools\n  - libtwo2\n  - zlib1g\n# and these lines to rootfs/usr/lib/sysusers.d/web.conf:\n\
         #   g httpd 102\n#   u httpd -\n"
    );
    assert!(!world.path("m/dist").exists(), "nothing is written");
    let (code, json) = world.json(&SUGGEST);
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    assert_eq!(
        (code, texts(&json["package_spec"])),
        (0, vec!["httpd-tools".into(), "libtwo2".into(), "zlib1g".into()])
    );
    assert_eq!((&json["file_spec"], &json["open"]), (&serde_json::json!([]), &serde_json::json!([])));
    let lines = texts(&json["overlay"]["rootfs/usr/lib/sysusers.d/web.conf"]);
    assert!(!json["findings"].as_array().unwrap().is_empty());
    // What it says to do.
    let manifest = fs::read_to_string(world.path("m/manifest.yaml")).unwrap();
    let packages = texts(&json["package_spec"]).join(", ");
    world.module("manifest.yaml", &manifest.replace("[httpd]", &format!("[httpd, {packages}]")));
    world.module("rootfs/usr/lib/sysusers.d/web.conf", &(lines.join("\n") + "\n"));
    let out = world.run(&STRICT);
    assert!(out.starts_with("exit code: 0") && missing(&out).is_empty(), "{out}");
    assert_eq!(stdout(&world.run(&SUGGEST)), "# nothing is missing\n");
}

#[test]
fn with_a_file_spec_patterns_are_suggested_that_ship_the_same() {
    let world = lacking();
    let manifest = fs::read_to_string(world.path("m/manifest.yaml")).unwrap();
    world.module(
        "manifest.yaml",
        &(manifest.clone() + "file_spec:\n  - /usr/sbin/httpd\n  - /usr/lib/systemd/system/httpd.service\n"),
    );
    let out = world.run(&SUGGEST);
    let patterns = "file_spec:\n  - /usr/bin/httpd-check\n  - /usr/lib/*/libtwo.so.2*\n  - /usr/lib/*/libz.so.1*\n  \
                    - /usr/lib/systemd/system/httpd-aux.socket\n  - /usr/lib/sysusers.d/web.conf\n";
    assert!(stdout(&out).starts_with(patterns), "{out}");
    let spec = stdout(&out)
        .split('#')
        .next()
        .unwrap()
        .replace("file_spec:\n", "file_spec:\n  - /usr/sbin/httpd\n  - /usr/lib/systemd/system/httpd.service\n");
    world.module("manifest.yaml", &(manifest + &spec));
    world.module("rootfs/usr/lib/sysusers.d/web.conf", "g httpd 102\nu httpd -\n");
    let out = world.run(&STRICT);
    assert!(missing(&out).is_empty(), "{out}");
}

#[test]
fn what_no_package_brings_stands_in_remarks_and_the_exit_code_is_the_builds() {
    let mut world = lacking();
    world.program("/usr/sbin/httpd", &["libgone.so.4", "libz.so.1"]);
    let out = world.run(&SUGGEST);
    assert!(out.starts_with("exit code: 0") && stdout(&out).contains("package_spec:\n  - httpd-tools\n"), "{out}");
    assert!(
        stdout(&out).contains("# missing all the same:\n#   libgone.so.4 is nowhere in the root file system"),
        "{out}"
    );
    let strict = world.run(&[&SUGGEST[..], &["--strict"]].concat());
    assert!(strict.starts_with("exit code: 1") && stdout(&strict) == stdout(&out), "{strict}");
    assert!(strict.contains("error: the module has warnings"), "{strict}");
    assert!(world.run(&[&SUGGEST[..], &["--dry-run"]].concat()).starts_with("exit code: 2"));
}
