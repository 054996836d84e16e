//! The verbs `lock` and `cache`, and the flags of `build` that go with them: whole runs.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use testkit::run;

use model::Digest;

use crate::archive::{Deb, World, debs, manifest};

const LOCK: [&str; 5] = ["lock", "-C", "module", "--arch", "amd64"];

fn lock(world: &World, more: &[&str]) -> String {
    world.tell(&[&LOCK, more].concat())
}

#[test]
fn a_lock_is_written_kept_updated_and_checked() {
    let world = World::new(&debs("1"));
    assert_snapshot!("check_without_lock", lock(&world, &["--check"]));
    assert_snapshot!("first", lock(&world, &[]));
    let text = fs::read_to_string(world.path("module/module.lock")).unwrap();
    assert!(text.contains("reason = \"required by tool\""), "{text}");
    assert_snapshot!("again", lock(&world, &[]));
    assert_snapshot!("check", lock(&world, &["--check", "--format=json"]));

    // The archive gets newer versions beside the old ones.
    world.publish(&[debs("1"), debs("2")].into_iter().flatten().collect::<Vec<_>>(), "");
    assert_snapshot!("check_newer", lock(&world, &["--check"]));
    assert_snapshot!("check_newer_json", lock(&world, &["--check", "--format=json"]));
    assert_snapshot!("check_newer_offline", lock(&world, &["--check", "--offline"]));
    assert_eq!(fs::read_to_string(world.path("module/module.lock")).unwrap(), text, "a check writes nothing");
    assert_snapshot!("update_one", lock(&world, &["--update", "lib"]));
    assert_snapshot!("update_unknown", lock(&world, &["--update", "lob"]));
    assert_snapshot!("update_all", lock(&world, &["--update", "--format=json"]));

    // The old versions leave; what stays must be there.
    world.publish(&debs("3"), "");
    assert_snapshot!("update_gone", lock(&world, &["--update", "tool"]));
    assert_snapshot!("update_both", lock(&world, &["--update", "tool,lib"]));
}

/// Makes the manifest ask for `tool` as it was at `moment`.
fn pin(world: &World, moment: &str) {
    world.ask_for("tool");
    let path = world.path("module/manifest.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}build:\n  apt_snapshot: {moment}\n")).unwrap();
}

#[test]
fn a_file_from_an_address_is_locked_fetched_and_built_without_network() {
    let world = World::new(&debs("1"));
    fs::write(world.path("tool.sh"), "#!/bin/sh\n").unwrap();
    let hex = |text: &str| Digest::of(text.as_bytes()).hex();
    let settings = world.path("module/builder.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let ask = |hex: &str| {
        let url = format!("file:{}", world.path("tool.sh").display());
        let file = format!(
            "[[file]]\nurl = \"{url}\"\nsha256 = \"{hex}\"\ndestination = \"/usr/bin/tool.sh\"\nmode = \"0755\"\n"
        );
        fs::write(&settings, format!("{text}{file}")).unwrap();
    };
    ask(&hex("#!/bin/sh\n"));
    assert!(lock(&world, &[]).starts_with("exit code: 0"));
    let locked = fs::read_to_string(world.path("module/module.lock")).unwrap();
    assert!(locked.contains("[[inputs.file]]") && locked.contains(&hex("#!/bin/sh\n")), "{locked}");
    // Written and read, the lock is the same.
    assert!(lock(&world, &[]).contains("the lock fits"));
    assert!(world.tell(&["fetch", "module"]).starts_with("exit code: 0"));
    fs::remove_file(world.path("tool.sh")).unwrap();
    fs::rename(world.path("archive"), world.path("gone")).unwrap();
    let first = manifest(&world.build(&["--frozen"]).unwrap()).to_owned();
    fs::remove_dir_all(world.path("module/dist")).unwrap();
    assert_eq!(manifest(&world.build(&["--frozen", "--no-cache"]).unwrap()), first);
    // Another file than the locked one.
    ask(&hex("another"));
    let told = world.tell(&["build", "-C", "module", "--locked"]);
    assert!(told.starts_with("exit code: 1") && told.contains("file was file:"), "{told}");
    assert!(!told.contains("it was edited"), "{told}");
    // A lock that comes with the sources can name anything, and nothing of it is fetched.
    let evil = locked.replace("url = \"file:", "url = \"ftp:");
    fs::write(world.path("module/module.lock"), evil).unwrap();
    let told = world.tell(&["build", "-C", "module", "--locked"]);
    assert!(told.starts_with("exit code: 1") && told.contains("the address of a file is wrong"), "{told}");
}

#[test]
fn packages_of_a_pinned_moment_come_from_the_snapshot_archive_alone() {
    let world = World::new(&debs("1"));
    let moment = world.path("snapshots/20250520T000000Z");
    fs::create_dir_all(moment.parent().unwrap()).unwrap();
    run(Command::new("cp").arg("-a").arg(world.path("archive")).arg(&moment));
    // The live archive has moved on, and has the old files still.
    world.publish(&debs("2"), "");
    let settings = world.path("module/builder.toml");
    let text = fs::read_to_string(&settings).unwrap();
    pin(&world, "20250520T000000Z");
    assert_snapshot!("snapshot_without_archive", lock(&world, &[]));
    // The user may want none, for this run.
    let now = |verb: &[&str]| world.tell(&[verb, &["--snapshot", "none"]].concat());
    assert!(now(&["build", "-C", "module", "--dry-run"]).starts_with("exit code: 0"));
    assert!(now(&["lock", "module"]).starts_with("exit code: 0"));
    let live = fs::read_to_string(world.path("module/module.lock")).unwrap();
    assert!(live.contains("tool_2_amd64.deb") && !live.contains("20250520"), "{live}");
    assert!(now(&["build", "-C", "module", "--locked", "--dry-run"]).starts_with("exit code: 0"));
    assert!(world.tell(&["build", "-C", "module", "--locked", "--dry-run"]).contains("no-snapshot-archive"));
    let wrong = world.tell(&["build", "-C", "module", "--snapshot", "yesterday"]);
    assert!(wrong.starts_with("exit code: 2") && wrong.contains("20260101T000000Z"), "{wrong}");
    fs::remove_dir_all(world.path("module/dist")).unwrap();
    fs::remove_file(world.path("module/module.lock")).unwrap();
    fs::write(&settings, format!("{text}snapshot_mirror = \"file:{}\"\n", world.path("snapshots").display())).unwrap();
    assert_snapshot!("snapshot", lock(&world, &[]));
    let locked = fs::read_to_string(world.path("module/module.lock")).unwrap();
    assert!(locked.contains("tool_1_amd64.deb") && !locked.contains("tool_2"), "{locked}");
    assert!(!locked.contains(world.path("archive").to_str().unwrap()), "{locked}");
    world.build(&[]).unwrap();

    // What the snapshot lost is not taken from elsewhere.
    fs::remove_dir_all(world.path("cache")).unwrap();
    fs::remove_file(moment.join("pool/tool_1_amd64.deb")).unwrap();
    world.build(&[]).unwrap_err().is(4, "tool_1_amd64.deb");
    // Neither is a moment that the archive does not have.
    pin(&world, "20240520T000000Z");
    assert_snapshot!("snapshot_of_no_moment", lock(&world, &[]));
}

#[test]
fn a_lock_that_drifted_is_named_and_not_built_from() {
    let world = World::new(&debs("1"));
    let build = |more: &[&str]| world.tell(&[&["build", "-C", "module", "--arch", "amd64"], more].concat());
    assert_snapshot!("locked_without_lock", build(&["--locked"]));
    run(world.command().args(LOCK));
    world.ask_for("tool, lib");
    assert_snapshot!("drifted", build(&[]));
    assert_snapshot!("drifted_dry_run", build(&["--dry-run"]));
    assert_snapshot!("relock", lock(&world, &[]));
    assert_snapshot!("other_suite", build(&["--suite", "other"]));
    assert_snapshot!("other_arch", world.tell(&["build", "-C", "module", "--arch", "arm64"]));
    assert_snapshot!("other_archs", world.tell(&["build", "-C", "module", "--arch", "amd64,arm64,riscv64"]));

    let path = world.path("module/module.lock");
    let text = fs::read_to_string(&path).unwrap();
    world.ask_for("tool, lib, lob");
    assert_snapshot!("check_drifted_and_unresolved", lock(&world, &["--check"]));
    world.ask_for("lib, tool");
    assert_snapshot!("order_is_no_drift", build(&["--frozen", "--dry-run"]));
    fs::write(&path, text.replace("version = 1\n", "version = 9\n")).unwrap();
    assert_snapshot!("future_version", build(&[]));
    fs::write(&path, text.replacen("sha256:", "md5:", 1)).unwrap();
    assert_snapshot!("broken", build(&[]));
    assert_snapshot!("broken_relock", lock(&world, &["--update"]));
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "the same lock is the same bytes");
}

#[test]
fn architectures_are_locked_together_or_not_at_all() {
    let arm = |version| Deb { arch: "arm64", ..debs(version).swap_remove(0) };
    let mut packages = debs("1");
    packages.push(arm("1"));
    let world = World::new(&packages);
    let both = |more: &[&str]| world.tell(&[&["lock", "-C", "module", "--arch", "amd64,arm64"], more].concat());
    assert_snapshot!("both", both(&[]));
    // tool 2 was built for amd64 only, and 1 is still there: all stay at 1.
    packages.push(debs("2").swap_remove(0));
    world.publish(&packages, "");
    assert_snapshot!("older_for_both", both(&["--update"]));
    // Now the archive has no version in common.
    packages.remove(0);
    world.publish(&packages, "");
    assert_snapshot!("nothing_in_common", both(&["--update"]));
    assert_snapshot!("alone", lock(&world, &["--update"]));
}

#[test]
fn the_cache_is_explained_listed_and_cleared() {
    let world = World::new(&debs("1"));
    run(world.command().args(LOCK));
    let build = |more: &[&str]| {
        let quiet = ["build", "-C", "module", "--arch", "amd64"];
        world.tell(&[&quiet, more].concat())
    };
    assert_snapshot!("explain_first", build(&["--explain-cache"]));
    let again = build(&["--explain-cache"]);
    assert!(again.contains("is there: no input changed") && again.contains("taken from the cache"), "{again}");
    let anew = build(&["--no-cache"]);
    assert!(anew.contains("came out as it is in the cache"), "{anew}");

    world.publish(&debs("2"), "");
    run(world.command().args(LOCK).arg("--update"));
    let changed = build(&["--explain-cache"]);
    assert!(changed.contains("~ package lib:all: 1 sha256:"), "{changed}");
    let built = world.build(&["--explain-cache"]).unwrap();
    assert_eq!(built.pointer("/rootfs/explanation/cached"), Some(&true.into()));

    let cache = |arguments: &[&str]| world.tell(&[&["cache"], arguments].concat());
    assert_snapshot!("cache_dir", cache(&["dir"]));
    let listed: serde_json::Value =
        serde_json::from_slice(&run(world.command().args(["cache", "list", "--format=json"])).stdout).unwrap();
    let entries = [0, 1, 2, 3, 4, 5, 6, 7].map(|kind| listed["purposes"][kind]["entries"].as_u64().unwrap());
    assert_eq!(entries, [4, 0, 1, 2, 1, 4, 1, 0], "{listed}");
    let list = cache(&["list"]);
    assert!(list.contains("root file systems"));
    for usage in listed["purposes"].as_array().unwrap() {
        let name = usage["kind"].as_str().unwrap();
        assert!(list.contains(&format!("  {name} ")), "{name} is what --only takes: {list}");
        assert!(cache(&["gc", "--only", name, "--dry-run"]).starts_with("exit code: 0"), "{name}");
    }
    let young = cache(&["gc"]);
    assert!(young.contains("removed 0 with 0 B; 13 with"), "{young}");
    let plan = cache(&["gc", "--older-than", "0s", "--dry-run"]);
    assert!(plan.contains("would remove 13 with") && plan.contains("       4  deb        packages\n"), "{plan}");
    assert!(cache(&["gc", "--older-than", "0s"]).contains("removed 13 with"));
    assert!(cache(&["list"]).contains("       0 B       0  in [WORLD]/cache"));
    assert_snapshot!("frozen_after_gc", build(&["--frozen"]));
}

/// Whether an apt-get runs in a state of the world's cache.
fn apt_runs(world: &World) -> bool {
    let cache = world.path("cache");
    let is_ours = |process: std::path::PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        fs::read_to_string(process.join("comm")).is_ok_and(|name| name == "apt-get\n")
            && environment.contains(cache.to_str().unwrap())
    };
    fs::read_dir("/proc").unwrap().any(|entry| is_ours(entry.unwrap().path()))
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn apt_ends_with_the_run_that_started_it() {
    let world = World::new(&debs("1"));
    // The system takes the connection, and no one ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}/debian", silent.local_addr().unwrap());
    let mut command = world.command();
    let mut run = command.args(LOCK).args(["--mirror", &mirror]).stderr(Stdio::null()).spawn().unwrap();
    wait_until("apt-get starts", || apt_runs(&world));
    run.kill().unwrap();
    run.wait().unwrap();
    wait_until("apt-get dies", || !apt_runs(&world));
    assert_snapshot!("after_a_kill", lock(&world, &[]));
}

#[test]
fn what_a_build_reads_is_not_cleared_away_meanwhile() {
    use std::sync::atomic::{AtomicBool, Ordering};
    // Large enough that a build reads for a while.
    let tool = Deb { size: 12_000_000, ..debs("1").swap_remove(0) };
    let world = World::new(&[tool, debs("1").swap_remove(1)]);
    run(world.command().args(LOCK));
    let done = AtomicBool::new(false);
    let cleared = thread::scope(|scope| {
        let clearing = scope.spawn(|| {
            let mut cleared = 0;
            while !done.load(Ordering::Relaxed) {
                let said = world.tell(&["cache", "gc", "--older-than", "0s"]);
                let busy = said.contains("is in use by another process");
                assert!(busy || said.starts_with("exit code: 0"), "{said}");
                cleared += usize::from(!busy);
            }
            cleared
        });
        let listed: Vec<_> = (0..8).map(|_| world.build(&["--dry-run"])).collect();
        let built = world.build(&["--emit", "tar"]);
        done.store(true, Ordering::Relaxed);
        listed.into_iter().for_each(|listed| drop(listed.unwrap()));
        built.unwrap();
        clearing.join().unwrap()
    });
    assert!(cleared > 0, "the cache was never free");
}

#[test]
fn what_any_architecture_lacks_is_told_at_once() {
    let mut packages = debs("1");
    packages.push(Deb { name: "other", arch: "arm64", script: false, depends: "", ..debs("1").swap_remove(0) });
    let world = World::new(&packages);
    world.ask_for("tool, other, lob, lib=9, lib:arm64");
    let both = |more: &[&str]| world.tell(&[&["lock", "-C", "module", "--arch", "amd64,arm64"], more].concat());
    assert_snapshot!("missing_for_both", both(&[]));
}

#[test]
fn a_lock_that_was_spoilt_says_how_and_what_to_do() {
    let world = World::new(&debs("1"));
    run(world.command().args(LOCK));
    let path = world.path("module/module.lock");
    let text = fs::read_to_string(&path).unwrap();
    let spoil = |from: &str, to: &str| {
        let spoilt = text.replacen(from, to, 1);
        assert_ne!(spoilt, text);
        fs::write(&path, spoilt).unwrap();
        world.tell(&["build", "-C", "module", "--arch", "amd64", "--dry-run"])
    };
    let sides = "<<<<<<< HEAD\narch = \"amd64\"\n=======\narch = \"arm64\"\n>>>>>>> other\n";
    assert_snapshot!("merged", spoil("arch = \"amd64\"\n", sides));
    let elsewhere = format!("uri = \"file:{}/other\"", world.path("archive").display());
    let uri = format!("uri = \"file:{}\"", world.path("archive").display());
    assert_snapshot!("from_elsewhere", spoil(&uri, &elsewhere));
    // Another version of the same bytes: with the names of the files in the cache, and without.
    let edited = || spoil("version = \"1\"", "version = \"2\"");
    let told = edited();
    assert!(told.starts_with("exit code: 1") && told.contains("is not the one that the lock names"), "{told}");
    fs::write(&path, &text).unwrap();
    world.build(&["--dry-run"]).unwrap();
    assert_eq!(edited().lines().next(), Some("exit code: 1"));
    let digest = text.lines().find(|line| line.starts_with("settings = ")).unwrap();
    let other = format!("settings = \"sha256:{}\"", "0".repeat(64));
    assert_snapshot!("edited_settings", spoil(digest, &other));
}

#[test]
fn a_cache_that_cannot_be_used_is_told_with_a_hint() {
    let world = World::new(&debs("1"));
    run(world.command().args(LOCK));
    fs::remove_dir_all(world.path("cache")).unwrap();
    fs::write(world.path("cache"), "no directory").unwrap();
    assert_snapshot!("cache_is_a_file_lock", lock(&world, &["--update"]));
    assert_snapshot!("cache_is_a_file_build", world.tell(&["build", "-C", "module", "--arch", "amd64"]));
}
