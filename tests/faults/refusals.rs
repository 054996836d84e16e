//! What is refused of a closure, each by its words and at its place.
//!
//! Others lie where their kind does: a version that the base does not have and two days of an archive in `closure.rs`, another
//! content than a lower module's in `lower.rs`, an account without a number in `own.rs`, and what only a maintainer script can
//! make, data and secrets, in `broken_peer.rs`.

use std::fs;

use crate::archive::{Deb, World};
use crate::closure::{lock, over};

/// A world whose base has `core` with accounts of its own, and whose module asks for `tool`; `more` are files of `tool` besides
/// its own.
fn world(tool: Deb, more: &[(&str, &str)]) -> World {
    let world = World::new(&[Deb::small("other")]);
    let put = |path: String, text: &str| {
        let path = world.path(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("packages/core-1-all/etc/passwd".to_owned(), "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n");
    put("packages/core-1-all/etc/group".to_owned(), "root:x:0:\ndaemon:x:1:\n");
    more.iter().for_each(|(path, text)| put(format!("packages/tool-1-all/{path}"), text));
    world.publish(&[Deb::small("core"), tool], "");
    over(&world, "\"core\"");
    world
}

fn append(world: &World, file: &str, text: &str) {
    let path = world.path(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(path, before + text).unwrap();
}

fn build(world: &World) -> String {
    world.tell(&["build", "-C", "module", "--arch", "amd64", "--allow=scripts-not-run"])
}

#[track_caller]
fn is(told: &str, code: i32, words: &[&str]) {
    assert!(told.starts_with(&format!("exit code: {code}\n")), "{told}");
    for words in words {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
}

#[test]
fn a_changed_file_of_the_base() {
    let world = world(Deb::small("tool"), &[("usr/share/small/core", "other")]);
    let message = "error[base-changed]: small changes /usr/share/small/core, a file of the base, in its content";
    is(&build(&world), 3, &[message, "name it in `replaces` of [closure] in builder.toml, or mask it"]);
    append(&world, "module/builder.toml", "[closure]\nreplaces = [\"/usr/share/small/core\"]\n");
    is(&build(&world), 0, &[]);
}

#[test]
fn a_removed_package_of_the_base() {
    let world = world(Deb { depends: "other\nConflicts: core", ..Deb::small("tool") }, &[]);
    world.publish(
        &[Deb::small("core"), Deb::small("other"), Deb { depends: "other\nConflicts: core", ..Deb::small("tool") }],
        "",
    );
    let told = lock(&world, &[]);
    let words = ["installing tool removes core from the base", "take the package that conflicts with it away"];
    is(&told, 3, &words);
    // What cannot be installed anyhow is no matter of the base.
    world.publish(&[Deb::small("core"), Deb { depends: "other", ..Deb::small("tool") }], "");
    is(&lock(&world, &[]), 1, &["cannot be installed together for amd64"]);
}

#[test]
fn numbers_of_the_base() {
    let world = world(Deb::small("tool"), &[]);
    append(&world, "module/rootfs/usr/lib/sysusers.d/app.conf", "u app -\n");
    let settings = fs::read_to_string(world.path("module/builder.toml")).unwrap();
    let line = settings.lines().count() + 2;
    let place = format!("module/builder.toml:{line}:1");
    append(&world, "module/builder.toml", "[accounts]\napp = 1\n");
    let message = "error[account-number]: app cannot have the number 1: it is daemon's in the base";
    is(&build(&world), 3, &[message, &place, "give app a free number in [accounts] of builder.toml, as in app = 312"]);
    fs::write(world.path("module/builder.toml"), format!("{settings}[accounts]\ndaemon = 400\n")).unwrap();
    let message = "error[account-number]: daemon is an account of the base, which has the number 1";
    is(&build(&world), 3, &[message, &place, "take daemon out of [accounts] of builder.toml"]);
    // As each hint says.
    fs::write(world.path("module/builder.toml"), format!("{settings}[accounts]\napp = 312\n")).unwrap();
    is(&build(&world), 0, &[]);
}

#[test]
fn an_owner_whom_no_table_has_of_a_setgid_file_too() {
    let world = world(Deb::small("tool"), &[]);
    append(&world, "module/rootfs/usr/bin/agent", "#!/bin/sh\n");
    append(&world, "module/builder.toml", "[overlay]\n\"/usr/bin/agent\" = { owner = \"0:101\", mode = \"2755\" }\n");
    let message = "error[unknown-owner]: /usr/bin/agent belongs to the group 101 of this build, whom neither the base nor the \
                   module has";
    is(&build(&world), 3, &[message, "say who has it by a line `g NAME 101` in rootfs/usr/lib/sysusers.d/small.conf"]);
    append(&world, "module/rootfs/usr/lib/sysusers.d/small.conf", "g agents 101\n");
    is(&build(&world), 0, &[]);
}

/// What a shipped file lacks is said at the entry that ships the file.
#[test]
fn a_missing_user_has_the_place_of_what_ships_the_unit() {
    let unit = "[Service]\nExecStart=/usr/share/small/tool\nUser=nosuch\n";
    let world = world(Deb::small("tool"), &[("usr/lib/systemd/system/tool.service", unit)]);
    let message = "/usr/lib/systemd/system/tool.service runs as nosuch, whom nothing shipped makes";
    is(&build(&world), 0, &[&format!("warning[needs-user]: {message}"), "module/manifest.yaml:4:16"]);
    // By a drop-in for each service that there is.
    append(&world, "module/rootfs/usr/lib/systemd/system/service.d/all.conf", "[Service]\nUser=nosuch\n");
    append(&world, "module/rootfs/usr/lib/sysusers.d/small.conf", "# none\n");
    let told = build(&world);
    is(&told, 0, &["/usr/lib/systemd/system/service.d/all.conf", "run as nosuch"]);
    fs::write(world.path("module/rootfs/usr/lib/sysusers.d/small.conf"), "u nosuch -\n").unwrap();
    let told = build(&world);
    assert!(told.starts_with("exit code: 0") && !told.contains("needs-user"), "{told}");
}
