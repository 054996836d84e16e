//! One build for several architectures: what is where, what strangers read, and what happens when one of them fails.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::Value;
use testkit::{peer, run, stdout};

use crate::archive::{Deb, World, debs, finished};

const BOTH: [&str; 4] = ["build", "-C", "module", "--arch=amd64,arm64"];

/// A world whose `tool` is there for two architectures, with other bytes for each.
fn world() -> World {
    World::new(&both("1"))
}

fn both(version: &'static str) -> Vec<Deb> {
    let mut packages = debs(version);
    packages.push(Deb { arch: "arm64", size: 150_000, ..debs(version).swap_remove(0) });
    packages
}

fn build(world: &World, more: &[&str]) -> Value {
    finished(&world.command().args(BOTH).arg("--format=json").args(more).output().unwrap()).unwrap()
}

/// Every file below the output but blobs, by its name.
fn names(world: &World) -> Vec<String> {
    let root = world.path("module/dist");
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    let all = world.dist().into_iter().map(|(path, _)| name(&root.join(path)));
    all.filter(|name| !name.starts_with("oci/blobs/")).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn each_architecture_is_what_a_build_for_it_alone_would_be() {
    let world = world();
    let built = build(&world, &[]);
    assert_snapshot!("files", names(&world).join("\n"));
    assert_eq!(built["architectures"].as_array().unwrap().len(), 2);
    for (number, arch) in ["amd64", "arm64"].into_iter().enumerate() {
        let alone = finished(
            &world
                .command()
                .args(["build", "-C", "module", "--output=module/alone", "--format=json", "--arch", arch])
                .output()
                .unwrap(),
        )
        .unwrap();
        assert_eq!(alone["oci"]["manifests"][arch], built["oci"]["manifests"][arch]);
        assert_eq!(alone["composefs_digest"], built["architectures"][number]["composefs_digest"]);
        for name in ["module.cfs", "module.tar", "file-list.txt", "package-list.txt", "composefs.digest"] {
            let read = |dist: &str| fs::read(world.path("module").join(dist).join(name)).unwrap();
            assert!(read("alone") == read(&format!("dist/{arch}")), "{name}");
        }
        assert!(world.tell(&["rebuild", &format!("module/dist/{arch}")]).starts_with("exit code: 0"));
    }
    let told = world.tell(&["inspect", "module/dist"]);
    assert!(told.contains("small (amd64)\n") && told.contains("small (arm64)\n"), "{told}");
    assert_snapshot!("rebuild", world.tell(&["rebuild", "module/dist"]));
    assert_snapshot!("explain", world.tell(&["explain", "/usr/share/small/tool", "module/dist/arm64"]));
    assert_snapshot!("explain_all", world.tell(&["explain", "/usr/share/small/tool", "module/dist"]));
    assert_snapshot!(
        "explain_both",
        world.tell(&["explain", "-q", "--arch=amd64,arm64", "/usr/share/small/tool", "module"])
    );
    assert!(world.tell(&["diff", "module/dist", "module/dist/oci"]).starts_with("exit code: 0"));
    assert!(world.tell(&["diff", "module/dist", "module/alone"]).starts_with("exit code: 5"));
}

#[test]
fn strangers_find_every_architecture_by_the_index() {
    let world = world();
    let built = build(&world, &["--tag=v1"]);
    let layout = world.path("module/dist/oci");
    let raw = stdout(peer("skopeo").args(["inspect", "--raw", &format!("oci:{}:v1", layout.display())]));
    let index: Value = serde_json::from_str(&raw).unwrap();
    for (manifest, arch) in index["manifests"].as_array().unwrap().iter().zip(["amd64", "arm64"]) {
        assert_eq!(
            (&manifest["platform"]["architecture"], &manifest["platform"]["os"]),
            (&arch.into(), &"linux".into())
        );
        assert_eq!(manifest["digest"], built["oci"]["manifests"][arch]);
        let pulled = world.path(arch);
        let reference = format!("{}:v1-{arch}", layout.display());
        run(peer("oras").args(["pull", "--oci-layout", &reference, "-o"]).arg(&pulled));
        let own = fs::read(world.path("module/dist").join(arch).join("module.cfs")).unwrap();
        assert!(fs::read(pulled.join("module.cfs")).unwrap() == own);
    }
}

#[test]
fn one_and_several_take_each_others_place_and_nothing_changed_is_seen() {
    let world = world();
    build(&world, &[]);
    let before = world.dist();
    let again = world.tell(&BOTH);
    assert!(again.contains("nothing changed"), "{again}");
    assert!(world.dist() == before);
    fs::write(world.path("module/dist/arm64/file-list.txt"), "").unwrap();
    assert!(!world.tell(&BOTH).contains("nothing changed"));
    assert!(world.dist() == before);
    // What a build would not make again stays until its user says so.
    let one = |more: &[&str]| world.tell(&[&["build", "-C", "module", "--arch=amd64"], more].concat());
    assert_snapshot!("one_over_several", one(&[]));
    assert_snapshot!("less_over_several", one(&["--emit=tar"]));
    assert!(world.dist() == before);
    fs::remove_dir_all(world.path("module/dist")).unwrap();
    assert!(one(&[]).starts_with("exit code: 0"));
    assert!(world.path("module/dist/module.cfs").exists());
    assert_snapshot!("less_over_one", one(&["--emit=oci"]));
    build(&world, &[]);
    assert!(world.dist() == before);
    // A dry run takes the place of nothing but another.
    assert_snapshot!("dry_run", world.tell(&[&BOTH[..], &["--dry-run"]].concat()));
    build(&world, &[]);
    assert!(world.dist() == before);
    fs::remove_dir_all(world.path("module/dist")).unwrap();
    world.tell(&[&BOTH[..], &["--dry-run"]].concat());
    assert_snapshot!("dry_run_files", names(&world).join("\n"));
    build(&world, &[]);
    assert!(world.dist() == before);
}

#[test]
fn strict_shows_the_warnings_of_every_architecture() {
    let one = |name, arch, depends| Deb { arch, depends, ..Deb::small(name) };
    let tool = [one("tool", "amd64", "left"), one("tool", "arm64", "right")];
    let rest = [one("left", "amd64", ""), one("right", "arm64", "")];
    let world = World::new(&[tool, rest].into_iter().flatten().collect::<Vec<_>>());
    let names = |names: &[&str]| {
        let list = names.iter().map(|name| format!("  - /usr/share/small/{name}\n")).collect::<String>();
        let text = format!("schema_version: 1\nname: small\nlicense: MIT\npackage_spec: [tool]\nfile_spec:\n{list}");
        fs::write(world.path("module/manifest.yaml"), text).unwrap();
    };
    names(&["tool", "left", "right"]);
    for more in [&["--strict"][..], &["--strict", "--dry-run"]] {
        let told = world.tell(&[&BOTH[..], more].concat());
        assert!(told.starts_with("exit code: 1") && told.contains("--strict makes them errors"), "{told}");
        for place in ["(for arm64)", "(for amd64)", "manifest.yaml:7:", "manifest.yaml:8:"] {
            assert!(told.contains(place), "{place}: {told}");
        }
        assert!(!world.path("module/dist").exists());
    }
    // What is the same for both is said once, and what stops one does not hide what was found for the other.
    names(&["tool", "nothing"]);
    let told = world.tell(&[&BOTH[..], &["--strict"]].concat());
    assert!(told.matches("the pattern takes nothing").count() == 1 && !told.contains("(for a"), "{told}");
    names(&["left", "nothing"]);
    let told = world.tell(&[&BOTH[..], &["--strict"]].concat());
    assert!(told.contains("arm64: the module would ship no file"), "{told}");
    assert_eq!(told.matches("the pattern takes nothing").count(), 2, "{told}");
    assert!(told.contains("the pattern takes nothing (for arm64)"), "{told}");
    // Without it they are warnings, and nothing is one without them.
    names(&["tool", "left", "right"]);
    assert_eq!(build(&world, &[])["architectures"].as_array().unwrap().len(), 2);
    names(&["tool"]);
    build(&world, &["--strict"]);
}

#[test]
fn what_is_not_a_builds_stays_and_is_named() {
    let world = world();
    build(&world, &[]);
    for name in ["arm64/notes", "riscv64/notes", "arm64/arm64/build.json"] {
        let path = world.path("module/dist").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        for verb in [&BOTH[..], &["build", "-C", "module", "--arch=amd64"]] {
            let told = world.tell(verb);
            assert!(told.starts_with("exit code: 1") && told.contains("that no build wrote"), "{told}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        fs::remove_file(&path).unwrap();
        if name != "arm64/notes" {
            fs::remove_dir(path.parent().unwrap()).unwrap();
        }
    }
    build(&world, &[]);
}

#[test]
fn a_part_of_what_a_dry_run_writes_is_not_a_dry_runs() {
    let world = world();
    world.tell(&[&BOTH[..], &["--dry-run"]].concat());
    let (dist, kept) = (world.path("module/dist"), world.path("kept"));
    fs::rename(&dist, &kept).unwrap();
    for part in ["manifest.json", "arm64"] {
        fs::create_dir(&dist).unwrap();
        fs::rename(kept.join(part), dist.join(part)).unwrap();
        for more in [&[][..], &["--dry-run"]] {
            let told = world.tell(&[&BOTH[..], more].concat());
            assert!(told.starts_with("exit code: 1") && told.contains("that no build wrote"), "{told}");
        }
        assert!(dist.join(part).exists());
        fs::remove_dir_all(&dist).unwrap();
    }
}

#[test]
fn a_mark_that_no_run_made_gives_nothing_away() {
    let world = world();
    for text in ["", "module-builder was about"] {
        let dist = world.path("module/dist");
        fs::create_dir_all(dist.join("s390x")).unwrap();
        let files = [".module-builder-unfinished", "module.tar", "s390x/module.tar"].map(|name| dist.join(name));
        files.iter().for_each(|file| fs::write(file, text).unwrap());
        let told = world.tell(&BOTH);
        assert!(told.starts_with("exit code: 1") && told.contains("that no build wrote"), "{told}");
        assert!(files.iter().all(|file| fs::read(file).unwrap() == text.as_bytes()));
        fs::remove_dir_all(dist).unwrap();
    }
}

#[test]
fn a_directory_that_a_run_did_not_finish_is_not_whole_whatever_is_in_it() {
    let world = world();
    build(&world, &[]);
    let dist = world.path("module/dist");
    let mark = "module-builder was about to replace the files in this directory. Run the build again to finish it.\n";
    fs::write(dist.join(".module-builder-unfinished"), mark).unwrap();
    fs::remove_file(dist.join("build.json")).unwrap();
    // Of what else is there, only what a run left may go.
    fs::create_dir(dist.join("s390x")).unwrap();
    fs::write(dist.join("s390x/module.tar"), "mine").unwrap();
    let told = world.tell(&["inspect", "module/dist"]);
    assert!(told.starts_with("exit code: 3") && told.contains("is not whole"), "{told}");
    let told = world.tell(&BOTH);
    assert!(told.starts_with("exit code: 1") && told.contains("s390x"), "{told}");
    fs::remove_dir_all(dist.join("s390x")).unwrap();
    build(&world, &[]);
    assert!(world.tell(&["inspect", "module/dist"]).starts_with("exit code: 0"));
}

#[test]
fn damage_of_one_architecture_is_found() {
    let world = world();
    build(&world, &[]);
    let dist = world.path("module/dist");
    let copy = |from: &str, to: &str| fs::copy(dist.join(from), dist.join(to)).unwrap();
    let told = || world.tell(&["inspect", "module/dist"]);
    assert!(told().starts_with("exit code: 0"));
    // A whole build of another time, in the place of one.
    let record = fs::read(dist.join("arm64/build.json")).unwrap();
    fs::write(dist.join("arm64/build.json"), String::from_utf8(record.clone()).unwrap().replace("latest", "other"))
        .unwrap();
    assert!(told().contains("records another build for arm64"), "{}", told());
    fs::write(dist.join("arm64/build.json"), record).unwrap();
    for name in ["module.cfs", "composefs.digest", "module.tar"] {
        let path = dist.join("arm64").join(name);
        let own = fs::read(&path).unwrap();
        copy(&format!("amd64/{name}"), &format!("arm64/{name}"));
        assert!(told().starts_with("exit code: 3"), "{name}: {}", told());
        fs::write(&path, own).unwrap();
    }
    let top = fs::read_to_string(dist.join("build.json")).unwrap();
    for (from, to) in [
        ("\"format\": 1", "\"format\": 9"),
        ("\"tool\"", "\"more\": 1, \"tool\""),
        ("\"arm64\"", "\"armhf\""),
        ("\"amd64\"", "\"x86_64\""),
    ] {
        assert!(top.contains(from));
        fs::write(dist.join("build.json"), top.replace(from, to)).unwrap();
        assert!(told().starts_with("exit code: 3"), "{to}: {}", told());
    }
    fs::write(dist.join("build.json"), &top).unwrap();
    fs::write(dist.join("manifest.json"), "{}").unwrap();
    assert!(told().starts_with("exit code: 3"), "{}", told());
    assert_eq!(json(&dist.join("build.json"))["inputs"]["architectures"].as_object().unwrap().len(), 2);
}

#[test]
fn one_architecture_that_fails_is_named_and_leaves_what_was_there() {
    let world = world();
    build(&world, &[]);
    let before = world.dist();
    world.publish(&debs("2"), "");
    assert_snapshot!("missing", world.tell(&BOTH));
    assert!(world.dist() == before);
    assert_snapshot!("rootfs", world.tell(&[&BOTH[..], &["--rootfs", "/nowhere"]].concat()));
    assert_snapshot!("unknown", world.tell(&["build", "-C", "module", "--arch=amd64,vax"]));
    // The same twice is one.
    let twice = finished(
        &world
            .command()
            .args(["build", "-C", "module", "--arch=amd64,amd64", "--format=json", "--output=one"])
            .output()
            .unwrap(),
    );
    assert_eq!(twice.unwrap()["arch"], "amd64");
}

#[test]
fn a_build_that_is_killed_leaves_the_old_results_or_the_new() {
    let world = world();
    build(&world, &[]);
    let old = world.dist();
    world.publish(&both("2"), "");
    build(&world, &["--output=other"]);
    for wait in [0, 20, 60, 120, 200, 300, 400] {
        let mut child = world.command().args(BOTH).stderr(std::process::Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        let told = world.tell(&["inspect", "module/dist"]);
        assert!(told.starts_with("exit code: 0"), "after {wait} ms: {told}");
    }
    build(&world, &[]);
    assert!(world.dist() != old);
    let left =
        fs::read_dir(world.path("module")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.starts_with(".dist")).count(), 0);
}

/// The commands of the hints, where a shell would not read the paths as they are.
#[test]
fn what_is_to_be_named_alone_is_named_as_a_shell_reads_it() {
    let world = world();
    build(&world, &[]);
    fs::rename(world.path("module"), world.path("it's a $(module)")).unwrap();
    let dist = "it's a $(module)/dist";
    let said = world.tell(&["rebuild", dist]);
    let hint = said.split('`').nth(1).expect("a command");
    assert_eq!(hint, r"module-builder rebuild 'it'\''s a $(module)/dist/amd64'", "{said}");
    let said = world.tell(&["explain", "/usr/share/small/tool", dist]);
    assert!(said.contains(r"as in 'it'\''s a $(module)/dist/amd64'"), "{said}");
    let program = Path::new(env!("CARGO_BIN_EXE_module-builder")).parent().unwrap();
    let mut command = world.wrapped(&["sh", "-c", hint]);
    command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", program.display()));
    run(&mut command);
}
