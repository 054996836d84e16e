//! Another host: the versions of its programs are recorded, and reach nothing else.

use std::fs;
use std::process::Command;

use crate::archive::{BUILD, World, debs, finished, manifest};

/// The program under test on a host whose dpkg knows of another tar.
fn elsewhere(world: &World) -> Command {
    let text = fs::read_to_string("/var/lib/dpkg/status").unwrap();
    let start = text.find("\nPackage: tar\n").unwrap();
    let field = start + text[start..].find("\nVersion: ").unwrap() + 1;
    let end = field + text[field..].find('\n').unwrap();
    let status = world.path("status");
    fs::write(&status, format!("{}Version: 99{}", &text[..field], &text[end..])).unwrap();
    let script = "mount --bind \"$0\" /var/lib/dpkg/status && exec \"$@\"";
    world.wrapped(&["unshare", "--mount", "--", "sh", "-c", script, status.to_str().unwrap()])
}

#[test]
fn a_module_does_not_depend_on_the_versions_of_the_hosts_programs() {
    let world = World::new(&debs("1"));
    let here = world.build(&[]).unwrap();
    let there = finished(&elsewhere(&world).args(BUILD).args(["--output", "module/there"]).output().unwrap()).unwrap();
    assert_eq!(manifest(&there), manifest(&here));
    assert_eq!(there.pointer("/rootfs/reused"), Some(&false.into()), "a cached one was made by other programs");
    let record = |name: &str| fs::read_to_string(world.path(name)).unwrap();
    assert!(record("module/there/build.json").contains("\"tar\": \"99\""));
    assert!(!record("module/dist/build.json").contains("\"tar\": \"99\""));

    // What was built here is built again there.
    let output = elsewhere(&world).args(["rebuild", "module/dist", "--format=json"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let rebuilt = finished(&output).unwrap();
    assert_eq!(rebuilt["same"], true);
    assert!(told.contains("the root file system was made by other programs: tar was "), "{told}");

    // Any other difference in the record is one all the same.
    let path = world.path("module/dist/build.json");
    let mut value: serde_json::Value = serde_json::from_str(&record("module/dist/build.json")).unwrap();
    value["stages"]["scrub"] = format!("sha256:{}", "5".repeat(64)).into();
    fs::write(&path, value.to_string()).unwrap();
    let output = elsewhere(&world).args(["rebuild", "module/dist", "--format=json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.pointer("/differences/0/file"), Some(&"build.json".into()), "{report}");
}

#[test]
fn a_namespace_with_too_few_ids_is_told_before_anything_is_built() {
    let world = World::new(&debs("1"));
    let mut command = world.wrapped(&["unshare", "--user", "--map-root-user", "--"]);
    let failed = finished(&command.args(BUILD).output().unwrap()).unwrap_err();
    failed.is(4, "this user namespace has the user ids below 1 only");
    failed.is(4, "unshare --map-root-user --map-auto");
    let mut command = world.wrapped(&["unshare", "--user", "--map-root-user", "--"]);
    let output = command.args(["test", "module"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(4) && said.contains("this user namespace has the user ids below 1 only"),
        "{said}"
    );
}
