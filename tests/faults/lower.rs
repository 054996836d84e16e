//! A module over other modules: what these have is not shipped again, and stays as it is.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use testkit::run;

use crate::archive::{Deb, World};

const ALLOW: [&str; 2] = ["--allow", "scripts-not-run"];

/// `app`, which needs `tool`, which needs `lib`.
fn packages(tool: &'static str) -> Vec<Deb> {
    let app = Deb { depends: "tool", ..Deb::small("app") };
    let tool = Deb { version: tool, depends: "lib", ..Deb::small("tool") };
    vec![app, tool, Deb::small("lib")]
}

/// A module in `directory` that ships the closure of `package`; `base` is what `[base]` says.
fn module(world: &World, directory: &str, (name, package): (&str, &str), base: &str, requires: &str) {
    let archive = world.path("archive");
    fs::create_dir_all(world.path(directory)).unwrap();
    if directory != "module" {
        fs::copy(world.path("module/key.gpg"), world.path(directory).join("key.gpg")).unwrap();
    }
    let settings = format!(
        "suite = \"test\"\nvariant = \"extract\"\nkeyring = \"key.gpg\"\nmirrors = [\"file:{}\"]\nship = \"closure\"\n[base]\n{base}\n",
        archive.display()
    );
    fs::write(world.path(directory).join("builder.toml"), settings).unwrap();
    let requires =
        if requires.is_empty() { String::new() } else { format!("dependencies:\n  requires:\n    - {requires}\n") };
    let manifest = format!("schema_version: 1\nname: {name}\nlicense: MIT\npackage_spec: [{package}]\n{requires}");
    fs::write(world.path(directory).join("manifest.yaml"), manifest).unwrap();
}

/// A world with the module `under`, built, and `small`, which requires it.
fn world() -> World {
    let world = World::new(&packages("1"));
    module(&world, "mods/under", ("under", "tool"), "packages = [\"lib\"]", "");
    module(&world, "module", ("small", "app"), "packages = [\"lib\"]", "acme/under@*");
    under(&world);
    world
}

/// Builds the module `under`.
fn under(world: &World) {
    let told = world.tell(&[&["build", "-C", "mods/under", "--arch", "amd64"], &ALLOW[..]].concat());
    assert!(told.starts_with("exit code: 0"), "{told}");
}

fn build(world: &World, more: &[&str]) -> String {
    world.tell(&[&["build", "-C", "module", "--arch", "amd64"], &ALLOW[..], more].concat())
}

fn lock(world: &World, more: &[&str]) -> String {
    world.tell(&[&["lock", "-C", "module", "--arch", "amd64", "--modules", "mods"], more].concat())
}

#[track_caller]
fn is(told: &str, code: i32, words: &[&str]) {
    assert!(told.starts_with(&format!("exit code: {code}\n")), "{told}");
    for words in words {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
}

fn files(world: &World) -> String {
    fs::read_to_string(world.path("module/dist/file-list.txt")).unwrap()
}

fn requirements(world: &World) -> Value {
    serde_json::from_slice(&fs::read(world.path("module/dist/requirements.json")).unwrap()).unwrap()
}

/// The digest of a module by hand.
fn digest(world: &World) -> String {
    let mut sums = Command::new("sha256sum");
    sums.args(["manifest.json", "module.cfs", "requirements.json"]).current_dir(world.path("mods/under/dist"));
    format!("sha256:{}", model::Digest::of(&run(&mut sums).stdout).hex())
}

#[test]
fn what_a_required_module_brings_is_not_shipped_again() {
    let world = world();
    is(&build(&world, &[]), 1, &["error[requires-missing]", "manifest.yaml:7:7", "`--modules DIR`"]);
    is(&build(&world, &["--modules", "mods"]), 0, &[]);
    let files = files(&world);
    assert!(
        files.contains("/usr/share/small/app\n") && !files.contains("small/tool") && !files.contains("small/lib"),
        "{files}"
    );
    let said = requirements(&world);
    assert_eq!(said["requires"], json!([{ "digest": digest(&world), "name": "under" }]));
    assert_eq!(said["base"]["packages"], json!([{ "arch": "all", "name": "lib", "version": "1" }]));
    assert_eq!(said["packages"], json!([{ "arch": "all", "name": "app", "version": "1" }]));
    let explain = |path: &str| world.tell(&["explain", path, "module", "--modules", "mods"]);
    is(&explain("/usr/share/small/tool"), 0, &["under, which the module is laid over, has it"]);
    is(&explain("/usr/share/small/lib"), 0, &["the base has it, and so every node"]);

    // As locked, by whatever of its forms the module is there.
    is(&lock(&world, &[]), 0, &[]);
    let text = fs::read_to_string(world.path("module/module.lock")).unwrap();
    let wanted = format!("[[requires]]\nname = \"under\"\narch = \"amd64\"\ndigest = \"{}\"\n", digest(&world));
    assert!(text.contains(&wanted) && text.contains("base = true\nmodule = \"under\"\n"), "{text}");
    is(&lock(&world, &["--check", "--offline"]), 0, &[]);
    is(&world.tell(&["fetch", "module"]), 0, &[]);
    is(&build(&world, &["--frozen", "--modules", "mods"]), 0, &[]);
    let sound = world.dist();
    is(&world.tell(&["rebuild", "module/dist", "--modules", "mods"]), 0, &["came out again"]);
    is(&world.tell(&["rebuild", "module/dist"]), 1, &["error[requires-missing]"]);
    is(&world.tell(&["validate", "module", "--modules", "mods"]), 0, &[]);
    is(&world.tell(&["inspect", "module/dist"]), 0, &["laid over:        under sha256:"]);
    fs::create_dir(world.path("layouts")).unwrap();
    run(Command::new("cp").arg("-a").arg(world.path("mods/under/dist/oci")).arg(world.path("layouts/one")));
    is(&build(&world, &["--frozen", "--modules", "layouts"]), 0, &[]);
    assert_eq!(world.dist(), sound);

    // Another build of it is another module.
    fs::create_dir_all(world.path("mods/under/rootfs/opt")).unwrap();
    fs::write(world.path("mods/under/rootfs/opt/new"), "new").unwrap();
    under(&world);
    is(
        &build(&world, &["--frozen", "--modules", "mods"]),
        3,
        &["holds other modules than were found", "under for amd64"],
    );
    is(&build(&world, &["--modules", "mods"]), 1, &["the modules that it is laid over were under for amd64"]);
    is(&lock(&world, &["--check", "--offline"]), 5, &["the modules that it is laid over"]);
    is(&lock(&world, &[]), 0, &[]);
    is(&build(&world, &["--frozen", "--modules", "mods"]), 0, &[]);
    // A lock that was written before the module required anything.
    let text = fs::read_to_string(world.path("module/module.lock")).unwrap();
    let (head, tail) = text.split_once("[[requires]]").unwrap();
    let tail = tail.split_once("[[architecture]]").unwrap().1;
    fs::write(world.path("module/module.lock"), format!("{head}[[architecture]]{tail}")).unwrap();
    is(&build(&world, &["--frozen", "--modules", "mods"]), 3, &["were none, and are now under"]);
}

#[test]
fn a_required_module_has_to_be_built_and_of_a_version_that_will_do() {
    let world = world();
    let with = |requires: &str| {
        module(&world, "module", ("small", "app"), "packages = [\"lib\"]", requires);
        build(&world, &["--modules", "mods"])
    };
    let version = |text: &str| {
        let settings = world.path("mods/under/builder.toml");
        let before = fs::read_to_string(&settings).unwrap();
        fs::write(&settings, format!("version = \"{text}\"\n{before}")).unwrap();
    };
    is(&with("acme/under@^1.0"), 1, &["error[requires-version]", "has no version, which satisfies `*` alone"]);
    is(&with("acme/other@*"), 1, &["error[requires-missing]", "no module in mods is acme/other@*"]);
    is(&with("capability:web"), 1, &["error[requires-missing]"]);
    version("1.2.0");
    under(&world);
    is(&with("acme/under@^1.0"), 0, &[]);
    assert_eq!(requirements(&world)["requires"][0]["version"], "1.2.0");
    is(&with("acme/under@>=2"), 1, &["has the version 1.2.0", "change the range"]);
    is(&world.tell(&["validate", "module", "--modules", "mods"]), 1, &["error[requires-version]", "manifest.yaml:7:7"]);
    // Of two that will do no one knows which is meant.
    run(Command::new("cp").arg("-a").arg(world.path("mods/under")).arg(world.path("mods/again")));
    is(&with("acme/under@^1.0"), 0, &[]);
    fs::write(
        world.path("mods/again/manifest.yaml"),
        "schema_version: 1\nname: under\nlicense: MIT\ndescription: other\npackage_spec: [tool]\n",
    )
    .unwrap();
    is(&world.tell(&[&["build", "-C", "mods/again", "--arch", "amd64"], &ALLOW[..]].concat()), 0, &[]);
    is(&with("acme/under@^1.0"), 1, &["error[requires-ambiguous]", "mods/again/dist, mods/under/dist"]);
    fs::remove_dir_all(world.path("mods/again")).unwrap();
    fs::remove_dir_all(world.path("mods/under/dist")).unwrap();
    is(
        &with("acme/under@^1.0"),
        1,
        &["is in mods/under, and not built", "module-builder build -C mods/under --arch amd64"],
    );
}

#[test]
fn a_trial_wants_what_a_module_was_built_over() {
    let world = world();
    under(&world);
    is(&build(&world, &["--modules", "mods"]), 0, &[]);
    let hint = "name the directory in which under is by --modules DIR, or under itself before ";
    let lacks = "was built over the module under, which is not among those that are tried";
    is(&world.tell(&["test", "module", "--base", "."]), 1, &[lacks, hint]);
    let order = "which is named after it";
    is(&world.tell(&["test", "module", "mods/under", "--base", "."]), 1, &[order, "the lowest comes first"]);
}

#[test]
fn another_content_of_what_a_required_module_has_is_declared() {
    let world = world();
    let at = world.path("module/rootfs/usr/share/small");
    fs::create_dir_all(&at).unwrap();
    fs::write(at.join("tool"), "other").unwrap();
    let told = build(&world, &["--modules", "mods"]);
    is(
        &told,
        3,
        &["small and under, which it is laid over, ship different /usr/share/small/tool", "`replaces` of [closure]"],
    );
    // As the hint says.
    let settings = world.path("module/builder.toml");
    let before = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{before}\n[closure]\nreplaces = [\"/usr/share/small/tool\"]\n")).unwrap();
    is(&build(&world, &["--modules", "mods"]), 0, &[]);
    assert!(files(&world).contains("/usr/share/small/tool\n"));
    // The same content is there already.
    fs::write(&settings, before).unwrap();
    fs::copy(world.path("packages/tool-1-all/usr/share/small/tool"), at.join("tool")).unwrap();
    is(&build(&world, &["--modules", "mods"]), 0, &[]);
    assert!(!files(&world).contains("/usr/share/small/tool\n"));
}

#[test]
fn packages_of_a_required_module_stay_in_their_versions() {
    let world = world();
    // The newer one is of no account, as long as the old one is there.
    let both: Vec<Deb> = packages("2").into_iter().chain(packages("1").into_iter().skip(1).take(1)).collect();
    world.publish(&both, "");
    is(&build(&world, &["--modules", "mods"]), 0, &[]);
    let list = fs::read_to_string(world.path("module/dist/package-list.txt")).unwrap();
    assert!(list.contains("tool\t1\tall\n"), "{list}");
    world.publish(&packages("2"), "");
    is(
        &build(&world, &["--modules", "mods"]),
        1,
        &["the archives no longer have what under was built with: tool 1 (the archive has 2)"],
    );
}

#[test]
fn a_built_module_is_a_base() {
    let world = world();
    let over = |base: &str| {
        module(&world, "module", ("small", "app"), base, "");
        build(&world, &[])
    };
    is(&over("module = \"../mods/under/dist\""), 0, &[]);
    let first = fs::read_to_string(world.path("module/dist/composefs.digest")).unwrap();
    let files = files(&world);
    assert!(
        files.contains("/usr/share/small/app\n") && !files.contains("small/tool") && !files.contains("small/lib"),
        "{files}"
    );
    let said = requirements(&world);
    assert_eq!(said["base"]["module"], json!({ "digest": digest(&world), "name": "under" }));
    assert_eq!((&said["requires"], &said["base"]["packages"][0]["name"]), (&json!([]), &json!("lib")));
    is(&lock(&world, &[]), 0, &[]);
    let text = fs::read_to_string(world.path("module/module.lock")).unwrap();
    assert!(text.contains("[inputs.base]\n") && text.contains("module = \"../mods/under/dist\"\n"), "{text}");
    assert!(text.contains(&digest(&world)), "{text}");
    is(&build(&world, &["--locked"]), 0, &[]);
    is(&world.tell(&["rebuild", "module/dist"]), 0, &["came out again"]);
    is(&world.tell(&["lock", "-C", "module", "--check", "--offline"]), 0, &[]);
    fs::remove_file(world.path("module/module.lock")).unwrap();

    // A layout, the repository, and what `oras pull` leaves are the same module.
    let pulled = world.path("pulled");
    fs::create_dir(&pulled).unwrap();
    for name in ["manifest.json", "module.cfs", "module.tar", "requirements.json"] {
        fs::copy(world.path("mods/under/dist").join(name), pulled.join(name)).unwrap();
    }
    for base in ["../mods/under/dist/oci", "../mods/under", "../pulled"] {
        is(&over(&format!("module = \"{base}\"")), 0, &[]);
        assert_eq!(fs::read_to_string(world.path("module/dist/composefs.digest")).unwrap(), first, "{base}");
    }
    const WANTED: &str = "name a dist directory, a folder that `oras pull` writes, or an OCI image layout";
    is(&over("module = \"registry.example.org/os/under:v1\""), 1, &["registries are not read yet", WANTED]);
    is(&over("module = \"../gone\""), 1, &["there is no module/../gone", WANTED]);
    is(&over("module = \"../mods/under/dist/module.tar\""), 1, &[WANTED]);
    is(&over("module = \"../mods/under/dist\"\nvariant = \"apt\""), 1, &["has a `module` and `variant`"]);
    // One that is damaged is none.
    fs::write(pulled.join("requirements.json"), "{}").unwrap();
    is(&over("module = \"../pulled\""), 3, &["no requirements as a build writes them"]);
}

#[test]
fn modules_below_bring_what_they_were_laid_over_themselves() {
    let world = world();
    module(&world, "mods/middle", ("middle", "tool"), "module = \"../under/dist\"", "");
    fs::create_dir_all(world.path("mods/middle/rootfs/opt")).unwrap();
    fs::write(world.path("mods/middle/rootfs/opt/middle"), "middle").unwrap();
    is(&world.tell(&[&["build", "-C", "mods/middle", "--arch", "amd64"], &ALLOW[..]].concat()), 0, &[]);
    module(&world, "module", ("small", "app"), "packages = [\"lib\"]", "acme/middle@*");
    fs::create_dir_all(world.path("module/rootfs/opt")).unwrap();
    fs::write(world.path("module/rootfs/opt/middle"), "middle").unwrap();
    is(&build(&world, &["--modules", "mods"]), 0, &[]);
    let names: Vec<Value> =
        requirements(&world)["requires"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["middle", "under"]);
    let files = files(&world);
    assert_eq!(files, "/usr/share/small/app\n");
    // What it was laid over has to be there, and the same.
    fs::create_dir(world.path("some")).unwrap();
    run(Command::new("cp").arg("-a").arg(world.path("mods/middle")).arg(world.path("some/middle")));
    is(&build(&world, &["--modules", "some"]), 1, &["middle was laid over the module under, which is not there"]);
}

#[test]
fn accounts_of_required_modules_are_known() {
    let world = world();
    module(&world, "mods/accounts", ("accounts", "lib"), "packages = [\"lib\"]", "");
    let settings = world.path("mods/accounts/builder.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.split("ship = ").next().unwrap()).unwrap();
    let sysusers = world.path("mods/accounts/rootfs/usr/lib/sysusers.d");
    fs::create_dir_all(&sysusers).unwrap();
    let line = format!("# {}\nu worker 512\n", "long ".repeat(40));
    fs::write(sysusers.join("worker.conf"), line).unwrap();
    is(&world.tell(&["build", "-C", "mods/accounts", "--arch", "amd64"]), 0, &[]);
    assert!(!world.path("mods/accounts/dist/requirements.json").exists(), "it ships what its packages own");

    let units = world.path("module/rootfs/usr/lib/systemd/system");
    fs::create_dir_all(&units).unwrap();
    fs::write(units.join("app.service"), "[Service]\nExecStart=/usr/share/small/tool\nUser=worker\n").unwrap();
    let told = build(&world, &["--modules", "mods"]);
    is(&told, 0, &["warning[needs-user]"]);
    let manifest = fs::read_to_string(world.path("module/manifest.yaml")).unwrap();
    fs::write(world.path("module/manifest.yaml"), manifest + "    - acme/accounts@*\n").unwrap();
    let told = build(&world, &["--modules", "mods"]);
    assert!(told.starts_with("exit code: 0") && !told.contains("needs-user"), "{told}");
    assert_eq!(requirements(&world)["needs"], json!([]), "the tool is the required module's");

    // What a required module keeps out is missing here, too, although its package has it.
    let masked = world.path("mods/under/manifest.yaml");
    let text = fs::read_to_string(&masked).unwrap();
    fs::write(&masked, text + "mask: [/usr/share/small/tool]\nfile_spec: [/usr/share/small/***]\n").unwrap();
    fs::create_dir_all(world.path("mods/under/rootfs/opt")).unwrap();
    fs::write(world.path("mods/under/rootfs/opt/something"), "text").unwrap();
    under(&world);
    let told = build(&world, &["--modules", "mods"]);
    is(&told, 0, &["warning[needs-command]", "/usr/share/small/tool"]);
}

#[test]
fn modules_that_require_each_other_are_refused() {
    let world = world();
    let owned = |directory: &str, name: &str, requires: &str| {
        module(&world, directory, (name, "lib"), "", requires);
        let settings = world.path(directory).join("builder.toml");
        let text = fs::read_to_string(&settings).unwrap();
        fs::write(&settings, text.split("ship = ").next().unwrap()).unwrap();
        is(&world.tell(&["build", "-C", directory, "--arch", "amd64"]), 0, &[]);
    };
    owned("mods/one", "one", "acme/two@*");
    owned("mods/two", "two", "acme/one@*");
    module(&world, "module", ("small", "app"), "packages = [\"lib\"]", "acme/one@*");
    is(&build(&world, &["--modules", "mods"]), 1, &["modules require each other: small, one, two, one"]);
    // One that requires this very module.
    owned("mods/two", "two", "acme/small@*");
    run(Command::new("cp").arg("-a").arg(world.path("mods/under")).arg(world.path("mods/small")));
    module(&world, "mods/small", ("small", "app"), "packages = [\"lib\"]", "");
    is(&world.tell(&[&["build", "-C", "mods/small", "--arch", "amd64"], &ALLOW[..]].concat()), 0, &[]);
    is(&build(&world, &["--modules", "mods"]), 1, &["modules require each other: small, one, two, small"]);
}
