//! The verb `fetch`: whole runs.

use std::fs;

use insta::assert_snapshot;
use testkit::run;

use crate::archive::{Deb, World, debs};

#[test]
fn what_the_lock_names_is_fetched_for_builds_without_network() {
    let mut packages = debs("1");
    packages.push(Deb { arch: "arm64", ..debs("1").swap_remove(0) });
    let world = World::new(&packages);
    assert_snapshot!("without_lock", world.tell(&["fetch", "-C", "module"]));
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64,arm64"]));
    assert_snapshot!("one", world.tell(&["fetch", "-C", "module", "--arch", "arm64"]));
    world.build(&["--frozen"]).unwrap_err().is(4, "tool");
    assert_snapshot!("all", world.tell(&["fetch", "-C", "module", "--format=json"]));
    // What is there is not asked for again.
    fs::rename(world.path("archive"), world.path("away")).unwrap();
    run(world.command().args(["fetch", "-C", "module"]));
    world.build(&["--frozen"]).unwrap();
}

#[test]
fn nothing_is_fetched_for_a_module_that_is_wrong() {
    let world = World::new(&debs("1"));
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64"]));
    assert_snapshot!("other_arch", world.tell(&["fetch", "-C", "module", "--arch", "arm64"]));
    world.ask_for("lib");
    assert_snapshot!("drifted", world.tell(&["fetch", "-C", "module"]));
    world.ask_for("Tool");
    assert_snapshot!("manifest", world.tell(&["fetch", "-C", "module"]));
    assert!(!world.path("cache/debs").exists());
}
