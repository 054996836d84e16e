//! Modules that ship what they need over a base, from locked packages.

use std::fs;

use crate::archive::{Deb, World, debs};

/// Makes the module ship its closure over a base that has `packages`.
pub fn over(world: &World, packages: &str) {
    world.take_from(&format!("file:{}", world.path("archive").display()));
    let settings = world.path("module/builder.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let base = format!("ship = \"closure\"\n[base]\nvariant = \"essential\"\npackages = [{packages}]\n");
    fs::write(&settings, text + &base).unwrap();
    let manifest = "schema_version: 1\nname: small\nlicense: MIT\npackage_spec: [tool]\n";
    fs::write(world.path("module/manifest.yaml"), manifest).unwrap();
}

pub fn lock(world: &World, more: &[&str]) -> String {
    world.tell(&[&["lock", "-C", "module", "--arch", "amd64"], more].concat())
}

/// `tool` as its packages say, and `lib`, each in one version.
fn both(needs: &'static str, version: &'static str) -> Vec<Deb> {
    let tool = Deb { name: "tool", version, arch: "amd64", depends: needs, size: 100, script: false };
    let lib = Deb { name: "lib", version, arch: "all", depends: "", size: 100, script: false };
    vec![tool, lib]
}

#[test]
fn what_the_base_has_is_locked_with_it_and_not_shipped() {
    let world = World::new(&debs("1"));
    over(&world, "\"lib\"");
    let told = lock(&world, &[]);
    assert!(told.starts_with("exit code: 0"), "{told}");
    let text = fs::read_to_string(world.path("module/module.lock")).unwrap();
    let paragraph = |name: &str| {
        let paragraphs = text.split("[[architecture.package]]");
        paragraphs.into_iter().find(|one| one.contains(&format!("name = \"{name}\""))).unwrap().to_owned()
    };
    assert!(text.contains("[inputs.base]\nvariant = \"essential\"\npackages = [\"lib\"]\n"), "{text}");
    assert!(paragraph("lib").contains("base = true") && paragraph("lib").contains("reason = \"base: base\""), "{text}");
    assert!(!paragraph("tool").contains("base ="), "{text}");
    assert!(lock(&world, &["--check", "--offline"]).starts_with("exit code: 0"));

    // The base's files are every node's.
    // One download serves the base and the module over it.
    let first = world.tell(&["build", "-C", "module", "--arch", "amd64", "--output", "first"]);
    assert_eq!(first.matches("fetch packages\n").count(), 1, "{first}");
    assert!(world.tell(&["fetch", "module"]).starts_with("exit code: 0"));
    world.build(&["--frozen", "--allow", "scripts-not-run"]).unwrap();
    let files = fs::read_to_string(world.path("module/dist/file-list.txt")).unwrap();
    assert!(files.contains("/usr/share/small/tool\n") && !files.contains("/usr/share/small/lib"), "{files}");
    let told = world.tell(&["rebuild", "module/dist"]);
    assert!(told.starts_with("exit code: 0"), "{told}");
    let told = world.tell(&["explain", "/usr/share/small/lib", "module"]);
    assert!(told.contains("the base has it, and so every node"), "{told}");

    // Without it they are the module's, and the lock says that it does not fit.
    over(&world, "\"lib\", \"tool\"");
    let told = world.tell(&["build", "-C", "module", "--frozen", "--arch", "amd64"]);
    assert!(told.contains("base was essential with lib, and is now essential with lib, tool"), "{told}");
    assert!(lock(&world, &[]).starts_with("exit code: 0"));
}

#[test]
fn a_closure_wants_packages_whose_scripts_ran() {
    let world = World::new(&debs("1"));
    over(&world, "\"lib\"");
    let told = world.tell(&["build", "-C", "module", "--arch", "amd64", "--strict"]);
    assert!(told.contains("warning[scripts-not-run]") && told.starts_with("exit code: 1"), "{told}");
    fs::create_dir_all(world.path("root/etc")).unwrap();
    let root = world.path("root").display().to_string();
    let told = world.tell(&["build", "-C", "module", "--arch", "amd64", "--rootfs", &root]);
    assert!(told.contains("write ship = \"owned\" into builder.toml") && told.starts_with("exit code: 1"), "{told}");
}

#[test]
fn packages_leave_the_versions_of_the_base_as_they_are() {
    let world = World::new(&both("lib", "1"));
    world.publish(&[both("lib (>= 2)", "2"), both("lib", "1")].into_iter().flatten().collect::<Vec<_>>(), "");
    // The newest tool needs the newest lib, which the base does not have.
    over(&world, "\"lib=1\"");
    let told = lock(&world, &[]);
    assert!(told.starts_with("exit code: 3"), "{told}");
    assert!(
        told.contains("lib 2 is needed, and the base has 1") && told.contains("build against a newer base"),
        "{told}"
    );
    // As the advice says.
    over(&world, "\"lib\"");
    assert!(lock(&world, &[]).starts_with("exit code: 0"));
}

/// Two modules that ship the closure of `tool` over the same base, of two days of the archive.
#[test]
fn modules_of_two_days_of_an_archive_are_a_conflict_wherever_they_meet() {
    let day = |version| both("lib", version).into_iter().chain([Deb::small("core")]).collect::<Vec<_>>();
    let world = World::new(&day("1"));
    over(&world, "\"core\"");
    let build = |module: &str, more: &[&str]| {
        let all = ["build", "-C", module, "--arch", "amd64", "--allow", "scripts-not-run", "--quiet"];
        world.tell(&[&all[..], more].concat())
    };
    let told = build("module", &[]);
    assert!(told.starts_with("exit code: 0"), "{told}");
    fs::create_dir(world.path("other")).unwrap();
    for name in ["builder.toml", "key.gpg"] {
        fs::copy(world.path("module").join(name), world.path("other").join(name)).unwrap();
    }
    let manifest =
        fs::read_to_string(world.path("module/manifest.yaml")).unwrap().replace("name: small", "name: other");
    fs::write(world.path("other/manifest.yaml"), manifest).unwrap();
    // On the same day there is no difference.
    assert!(build("other", &["--with", "module"]).starts_with("exit code: 0"));
    let told = world.tell(&["validate", "other", "--with", "module"]);
    assert!(told.starts_with("exit code: 0"), "{told}");
    world.publish(&day("2"), "");
    let told = build("other", &["--with", "module"]);
    let found = "error[modules-differ]: other and module ship different /usr/share/small/lib (lib 2 and 1) and 1 other";
    assert!(told.starts_with("exit code: 3") && told.contains(found), "{told}");
    assert!(told.contains("build both from the same archive day"), "{told}");
    // Built all the same, they are found wherever they are named together.
    assert!(build("other", &[]).starts_with("exit code: 0"));
    let told = world.tell(&["validate", "module", "--with", "other"]);
    let found = "error[modules-differ]: small and other ship different /usr/share/small/lib (lib 1 and 2) and 1 other";
    assert!(told.starts_with("exit code: 1") && told.contains(found), "{told}");
    fs::create_dir_all(world.path("base/usr")).unwrap();
    let told = world.tell(&["test", "module", "other", "--base", "base"]);
    assert!(told.starts_with("exit code: 3") && told.contains(found), "{told}");
    // As the advice says.
    assert!(build("module", &[]).starts_with("exit code: 0"));
    let told = world.tell(&["validate", "module", "--with", "other"]);
    assert!(told.starts_with("exit code: 0"), "{told}");
}
