//! 3 and 5. What is written goes where the run began, and only what is ours is removed or replaced.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::small::Small;

const BUILD: [&str; 5] = ["build", "-C", "m", "--rootfs", "root"];

fn build(small: &Small, more: &[&str]) -> (i32, String) {
    let (code, _, err) = small.run(&[&BUILD, more].concat());
    (code, err)
}

/// Everything below `path` by name, with the contents of files and the targets of links.
fn tree(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut pending = vec![path.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let (entry, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
            let content = match () {
                () if kind.is_symlink() => fs::read_link(&entry).unwrap().into_os_string().into_encoded_bytes(),
                () if kind.is_dir() => Vec::new(),
                () => fs::read(&entry).unwrap(),
            };
            found.push((entry.strip_prefix(path).unwrap().to_str().unwrap().to_owned(), content));
            if kind.is_dir() {
                pending.push(entry);
            }
        }
    }
    found.sort();
    found
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs `work` while someone who owns the directories around does `act` again and again.
fn while_somebody(act: impl Fn() + Sync, work: impl FnOnce()) {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                act();
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let done = catch_unwind(AssertUnwindSafe(work));
        // Also where the work failed: the scope waits for the other thread.
        ended.store(true, Ordering::Relaxed);
        if let Err(panic) = done {
            resume_unwind(panic);
        }
    });
}

/// A module that takes a while to seal, and a directory whose content no one may change.
fn raced() -> Small {
    let small = Small::new();
    small.write("victim/preload", "original\n");
    for name in ["file-list.txt", "module.tar", "build.json", "blobs/sha256/x", "00/x"] {
        small.write(&format!("victim/{name}"), "original\n");
    }
    small.write("root/usr/share/web/large", &"x".repeat(8 << 20));
    small
}

/// Puts a link to `to` in the place of every directory in `around` whose name begins so.
fn swap(around: &Path, beginning: &str, to: &Path) {
    for entry in fs::read_dir(around).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with(beginning) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let aside = around.join(format!("aside-{}", name.trim_start_matches('.')));
            if fs::rename(entry.path(), &aside).is_ok() {
                let _ = symlink(to, entry.path());
            }
        }
    }
}

#[test]
fn nobody_who_swaps_the_staging_directory_leads_a_build_elsewhere() {
    let small = raced();
    let before = tree(&small.path("victim"));
    for beginning in [".dist.partial-", ".rebuild-"] {
        let (around, victim) = (small.path("m"), small.path("victim"));
        while_somebody(
            || swap(&around, beginning, &victim),
            || {
                let (code, err) = build(&small, &[]);
                assert_eq!(code, 0, "{err}");
                small.run(&["rebuild", "m/dist", "--rootfs", "root"]);
            },
        );
        assert!(tree(&small.path("victim")) == before, "{beginning}");
    }
    assert_eq!(small.run(&["inspect", "m/dist"]).0, 0);
}

#[test]
fn nobody_who_swaps_the_module_or_the_store_leads_a_build_elsewhere() {
    let small = raced();
    let before = tree(&small.path("victim"));
    // What the build reads must stay in reach, so its links lead there from the victim's place, too.
    let swapped = small.path("swapped");
    symlink("victim", &swapped).unwrap();
    for (place, more) in [("m", &[][..]), ("deep/store", &["--objects", "deep/store"])] {
        fs::create_dir_all(small.path("deep/store")).unwrap();
        let place = small.path(place);
        for delay in [0, 5, 20, 50, 100, 200] {
            let mut run = start(&small, &[&BUILD, more].concat());
            std::thread::sleep(Duration::from_millis(delay));
            exchange(&place, &swapped);
            wait(&mut run);
            exchange(&place, &swapped);
            assert!(tree(&small.path("victim")) == before, "{} after {delay} ms", place.display());
        }
    }
    assert_eq!(build(&small, &[]).0, 0);
}

#[test]
fn nobody_who_swaps_the_output_leads_a_build_elsewhere() {
    let small = raced();
    assert_eq!(build(&small, &[]).0, 0);
    let before = tree(&small.path("victim"));
    symlink("../victim", small.path("m/link")).unwrap();
    let (dist, link) = (small.path("m/dist"), small.path("m/link"));
    while_somebody(
        || exchange(&dist, &link),
        || {
            for _ in 0..6 {
                assert!(matches!(build(&small, &[]).0, 0 | 1 | 4));
            }
        },
    );
    assert!(tree(&small.path("victim")) == before);
    // A part of the output, too.
    let _ = fs::remove_file(&link);
    fs::remove_dir_all(small.path("m")).unwrap();
    let small = raced();
    let before = tree(&small.path("victim"));
    assert_eq!(build(&small, &[]).0, 0);
    symlink(small.path("victim/blobs"), small.path("m/blobs")).unwrap();
    exchange(&small.path("m/dist/oci/blobs"), &small.path("m/blobs"));
    let (code, err) = build(&small, &[]);
    assert!(code == 1 && err.contains("dist/oci/blobs\n"), "{code}: {err}");
    assert!(tree(&small.path("victim")) == before);
}

fn exchange(a: &Path, b: &Path) {
    let _ = renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE);
}

fn command(small: &Small, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_module-builder"));
    command.env_clear().env("HOME", small.path("home")).env("SOURCE_DATE_EPOCH", "1700000000");
    command.current_dir(small.path("")).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn start(small: &Small, arguments: &[&str]) -> std::process::Child {
    command(small, arguments).spawn().unwrap()
}

fn wait(child: &mut std::process::Child) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if began.elapsed() > Duration::from_secs(60) {
            let _ = child.kill();
            panic!("it hangs");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_link_that_the_sources_bring_is_not_written_through() {
    let small = Small::new();
    small.write("victim/file", "original\n");
    // A directory of a template.
    fs::create_dir(small.path("other")).unwrap();
    small.link("other/rootfs", "../victim");
    let before = tree(&small.path("victim"));
    let (code, _, err) = small.run(&["init", "--name", "x", "other"]);
    assert!(code == 1 && err.contains("other/rootfs") && err.contains("symbolic link"), "{code}: {err}");
    assert_eq!(names(&small.path("other")), ["rootfs"], "nothing is half made");
    // A page of the manual.
    fs::create_dir(small.path("man")).unwrap();
    small.link("man/module-builder.1", "../victim/file");
    assert_eq!(small.run(&["man", "--output", "man"]).0, 0);
    assert!(fs::symlink_metadata(small.path("man/module-builder.1")).unwrap().is_file(), "the link is gone");
    // A subdirectory of a store.
    for subdir in 0..256 {
        fs::create_dir_all(small.path("store")).unwrap();
        small.link(&format!("store/{subdir:02x}"), "../victim");
    }
    let (code, err) = build(&small, &["--objects", "store"]);
    assert!(code == 1 && err.contains("symbolic link"), "{code}: {err}");
    assert!(tree(&small.path("victim")) == before);
}

#[test]
fn what_is_not_ours_in_the_output_is_an_error_before_the_work_begins() {
    let small = Small::new();
    assert_eq!(build(&small, &[]).0, 0);
    let digest = fs::read(small.path("m/dist/composefs.digest")).unwrap();
    let put: [(&str, &dyn Fn()); 8] = [
        ("dist/signing.key", &|| small.write("m/dist/signing.key", "secret\n")),
        ("dist/.env", &|| small.write("m/dist/.env", "secret\n")),
        ("dist/notes", &|| small.write("m/dist/notes/thesis", "years of work\n")),
        ("dist/objects", &|| small.write("m/dist/objects/00/x", "x\n")),
        ("dist/oci/notes", &|| small.write("m/dist/oci/notes", "x\n")),
        ("dist/oci/blobs/sha256/aaaa", &|| small.write(&format!("m/dist/oci/blobs/sha256/{}", "a".repeat(64)), "x\n")),
        ("dist/sbom.cdx.json", &|| fs::create_dir(small.path("m/dist/sbom.cdx.json")).unwrap()),
        ("dist/provenance.json", &|| small.link("m/dist/provenance.json", "../manifest.yaml")),
    ];
    for (name, put) in put {
        put();
        let before = tree(&small.path("m"));
        // Nothing is even read: the root file system is not there.
        let (code, _, err) = small.run(&["build", "-C", "m", "--rootfs", "none"]);
        let said = err.contains("holds files that no build wrote") && err.contains(name) && err.contains("--output");
        assert!(code == 1 && said, "{name}: {code}: {err}");
        assert!(tree(&small.path("m")) == before, "{name}");
        fs::rename(small.path("m/dist"), small.path("kept")).unwrap();
        assert_eq!(build(&small, &[]).0, 0);
        fs::remove_dir_all(small.path("kept")).unwrap();
    }
    assert_eq!(fs::read(small.path("m/dist/composefs.digest")).unwrap(), digest);
    small.write("m/dist/vex.cdx.json", "{}");
    assert_eq!(build(&small, &[]).0, 0, "what later verbs put there is ours");
}

#[test]
fn an_output_of_pipes_and_other_odd_files_is_refused_at_once() {
    let small = Small::new();
    fs::create_dir(small.path("m/dist")).unwrap();
    for name in ["build.json", "manifest.json", "oci", ".module-builder-unfinished", "dry-run"] {
        let path = small.path("m/dist").join(name);
        rustix::fs::mknodat(CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let mut run = start(&small, &BUILD);
        assert_eq!(wait(&mut run), Some(1), "{name}");
        assert!(build(&small, &[]).1.contains(&format!("dist/{name}")));
        fs::remove_file(path).unwrap();
    }
    fs::remove_dir(small.path("m/dist")).unwrap();
    small.write("m/dist", "a file\n");
    let (code, err) = build(&small, &[]);
    assert!(code == 1 && err.contains("is no directory") && err.contains("help:"), "{code}: {err}");
    assert!(small.path("m/dist").is_file());
}

#[test]
fn what_comes_into_the_output_while_a_build_works_is_not_lost() {
    let small = raced();
    assert_eq!(build(&small, &[]).0, 0);
    let thesis = small.path("m/dist/thesis");
    let mut run = start(&small, &BUILD);
    let began = Instant::now();
    while !names(&small.path("m")).iter().any(|name| name.starts_with(".dist.partial-")) {
        assert!(began.elapsed() < Duration::from_secs(60));
    }
    fs::write(&thesis, "years of work").unwrap();
    assert_eq!(wait(&mut run), Some(1));
    assert_eq!(fs::read_to_string(&thesis).unwrap(), "years of work");
    assert_eq!(names(&small.path("m")), ["dist", "manifest.yaml", "rootfs"]);
}

#[test]
fn a_directory_of_another_program_is_not_taken_for_an_output() {
    let small = Small::new();
    let record = r#"{"format":1,"inputs":{"tool":"module-builder 1"},"outputs":{"main.c":{},"../manifest.yaml":{}}}"#;
    let shapes: [&[(&str, &str)]; 5] = [
        &[("file-list.txt", "mine\n")],
        &[("build.json", "{}"), ("main.js", "x")],
        &[("manifest.json", "{\"name\":\"web app\"}"), ("file-list.txt", "x"), ("package-list.txt", "x")],
        &[("manifest.json", "{}"), ("index.html", "x")],
        // A record that came with the sources chooses from the names of a build's files only.
        &[("build.json", record), ("main.c", "x")],
    ];
    for files in shapes {
        files.iter().for_each(|(name, text)| small.write(&format!("m/dist/{name}"), text));
        let before = tree(&small.path("m"));
        for more in [&[][..], &["--output", "m/dist"]] {
            let (code, err) = build(&small, more);
            assert!(code == 1 && err.contains("holds files that no build wrote"), "{files:?}: {code}: {err}");
        }
        assert!(tree(&small.path("m")) == before);
        fs::remove_dir_all(small.path("m/dist")).unwrap();
    }
}

#[test]
fn an_output_that_is_a_link_is_refused_and_stays() {
    let small = Small::new();
    small.build("pub");
    for target in ["../pub", "nowhere", "../m/manifest.yaml", "/etc"] {
        small.link("m/dist", target);
        for output in ["m/dist", "m/dist/", "m/dist/."] {
            let (code, err) = build(&small, &["--output", output]);
            assert!(code == 1 && err.contains("is a symbolic link") && err.contains("--output"), "{code}: {err}");
            assert_eq!(fs::read_link(small.path("m/dist")).unwrap(), Path::new(target));
        }
    }
    // The user's own way to a directory may be a link.
    small.link("way", "pub/..");
    assert_eq!(build(&small, &["--output", "way/pub"]).0, 0);
    assert_eq!(build(&small, &["--output", "pub"]).0, 0);
}

#[test]
fn directories_that_only_have_a_name_like_ours_stay() {
    let small = Small::new();
    let theirs =
        ["m/.dist.partial-mine", "m/.rebuild-notes", "store/.incoming-box", "m/.oci.partial-x", "m/.oci-layout-x"];
    for name in theirs {
        small.write(&format!("{name}/thesis"), "years of work\n");
    }
    for _ in 0..2 {
        assert_eq!(build(&small, &["--objects", "store"]).0, 0);
        assert_eq!(small.run(&["rebuild", "m/dist", "--rootfs", "root"]).0, 0);
    }
    assert!(theirs.iter().all(|name| small.path(name).join("thesis").is_file()));
}

#[test]
fn places_that_lie_in_each_others_way_are_wrong_arguments() {
    let small = Small::new();
    small.build("m/dist");
    small.link("overlay", "m/rootfs");
    small.link("dangling", "m/dist/later");
    fs::create_dir(small.path("store")).unwrap();
    let dist = "m/dist";
    let absolute = small.path("m").display().to_string();
    let wrong: &[&[&str]] = &[
        &["--output", "."],
        &["--output", ".."],
        &["--output", "m/dist/.."],
        &["--output", "m"],
        &["--output", &absolute],
        &["--output", "m/rootfs/dist"],
        &["--output", "overlay/new/dist"],
        &["--output", "m/rootfs/none/../dist"],
        &["--output", "root/dist"],
        &["--output", "root"],
        &["--objects", "m/dist/objects"],
        &["--objects", "m/dist"],
        &["--objects", "dangling"],
        &["--objects", "m/none/../dist/objects"],
        &["--objects", "m"],
        &["--objects", "m/rootfs/objects"],
        &["--objects", "overlay/new"],
        &["--objects", "root/objects"],
        &["--objects", "store", "--output", "store/dist"],
        &["--objects", "store", "--output", "store"],
        &["--cache-dir", "m/rootfs/cache"],
        &["--cache-dir", "root/cache"],
        &["--cache-dir", "m/dist/cache"],
        &["--cache-dir", "cache", "--output", "cache/dist"],
        &["--cache-dir", "cache", "--objects", "cache"],
        &["--cache-dir", "cache", "--objects", "cache/objects"],
        &["--cache-dir", "store/cache", "--objects", "store"],
        &["--cache-dir", "x/../cache", "--objects", "none/../cache/new"],
        &["--objects", "home/.cache/module-builder/objects"],
    ];
    let before = tree(&small.path("m"));
    for more in wrong {
        let (code, err) = build(&small, more);
        assert!(code == 2 && err.contains("help:"), "{more:?}: {code}: {err}");
        assert!(tree(&small.path("m")) == before, "{more:?}");
    }
    assert_eq!(names(&small.path("root")), ["etc", "usr"]);
    assert_eq!(names(&small.path("store")), [""; 0]);
    // In the output by another road, and the current directory.
    for (place, output) in [("m/dist", dist), ("m", "m")] {
        let (code, _, err) = small.run(&["build", "-C", "m", "--rootfs", place, "--output", output]);
        assert_eq!(code, 2, "{place}: {err}");
    }
    let mut inside = command(&small, &["build", "-C", "..", "--rootfs", "../../root"]);
    assert_eq!(wait(&mut inside.current_dir(small.path("m/dist")).spawn().unwrap()), Some(2));
}

#[test]
fn every_path_of_the_command_line_starts_where_the_caller_is() {
    let small = Small::new();
    for place in ["dist", "./out", "deep/er/out"] {
        assert_eq!(build(&small, &["--output", place, "--objects", "store"]).0, 0);
        assert!(small.path(place).join("build.json").is_file() && small.path("store").is_dir(), "{place}");
        assert!(!small.path("m").join(place).exists() && !small.path("m/store").exists(), "{place}");
    }
    // From another directory, and with the directory alone.
    let mut inside = command(&small, &["build", "../m", "--rootfs", "../root", "--output", "here"]);
    assert_eq!(wait(&mut inside.current_dir(small.path("deep")).spawn().unwrap()), Some(0));
    assert!(small.path("deep/here/build.json").is_file());
    // Only what no one names is the module's.
    assert!(!small.path("m/dist").exists());
    assert_eq!(build(&small, &[]).0, 0);
    assert!(small.path("m/dist/build.json").is_file());
}

#[test]
fn a_place_that_this_user_may_not_write_to_is_refused_before_the_work() {
    let small = Small::new();
    for (directory, mode) in [("closed", 0o555), ("open", 0o777)] {
        fs::create_dir(small.path(directory)).unwrap();
        fs::set_permissions(small.path(directory), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(small.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    for (places, refused) in [
        (["closed/dist", "open/store"], "--output"),
        (["closed/deep/dist", "open/store"], "--output"),
        (["open/dist", "closed"], "--objects"),
        (["open/dist", "closed/deep/store"], "--objects"),
    ] {
        let arguments = [&BUILD[..], &["-v", "--output", places[0], "--objects", places[1]]].concat();
        let mut run = command(&small, &arguments);
        // root may write anywhere.
        if rustix::process::geteuid().is_root() {
            run.uid(NOBODY).gid(NOBODY);
        }
        let output = run.stderr(Stdio::piped()).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{places:?}: {err}");
        assert!(err.contains("may not write to it") && err.contains(refused), "{places:?}: {err}");
        assert!(!err.contains("compose"), "{places:?}: before the work: {err}");
        assert_eq!(names(&small.path("open")), [""; 0]);
    }
}

#[test]
fn the_second_build_is_never_kept_in_the_first() {
    let small = Small::new();
    small.build("m/dist");
    small.link("dangling", "m/dist/again");
    small.link("way", "m/dist");
    let before = tree(&small.path("m"));
    let keeps =
        ["m/dist", "m/dist/again", "m/dist/a/b", "dangling", "way/again", "m/x/../dist/again", "m/rootfs/x", "m", "."];
    for path in ["m/dist", "m/dist/oci"] {
        for keep in keeps {
            let (code, _, err) = small.run(&["rebuild", path, "-C", "m", "--rootfs", "root", "--keep", keep]);
            assert!(code == 2 && err.contains("help:"), "{path} {keep}: {code}: {err}");
            assert!(tree(&small.path("m")) == before, "{path} {keep}");
        }
    }
    // Nor where it may be removed at any time, whatever the root file system comes from.
    let rebuild = ["rebuild", "m/dist", "-C", "m", "--rootfs", "root"];
    for more in [
        &["--keep", "home/.cache/module-builder/again"][..],
        &["--keep", "home/.cache/module-builder"],
        &["--keep", "home/.cache"],
        &["--keep", "cache/x", "--cache-dir", "cache"],
        &["--keep", "none/../cache", "--cache-dir", "cache"],
        &["--keep", "x", "--cache-dir", "x/cache"],
    ] {
        let (code, _, err) = small.run(&[&rebuild, more].concat());
        assert!(code == 2 && err.contains("the cache") && err.contains("help:"), "{more:?}: {code}: {err}");
    }
    // Nor in the place of what it is made from.
    fs::create_dir(small.path("carried")).unwrap();
    fs::copy(small.path("m/dist/build.json"), small.path("carried/build.json")).unwrap();
    let record = ["rebuild", "m/dist", "--rootfs", "root", "--record", "carried/build.json", "--keep", "carried"];
    let (code, _, err) = small.run(&record);
    assert!(code == 2 && small.path("carried/build.json").is_file(), "{code}: {err}");
    small.write("notes/thesis", "years of work\n");
    let (code, _, err) = small.run(&["rebuild", "m/dist", "--rootfs", "root", "--keep", "notes"]);
    assert!(code == 1 && err.contains("notes/thesis"), "{code}: {err}");
    let (code, _, err) = small.run(&["rebuild", "m/dist", "--rootfs", "root", "--keep", "again"]);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn lists_of_a_dry_run_beside_a_build_are_no_part_of_it() {
    let small = Small::new();
    small.build("m/dist");
    let manifest = fs::read_to_string(small.path("m/dist/manifest.json")).unwrap();
    for name in ["manifest.json", "file-list.txt", "package-list.txt"] {
        small.write(&format!("m/dist/dry-run/{name}"), &manifest);
    }
    assert_eq!(small.run(&["rebuild", "m/dist", "--rootfs", "root"]).0, 0);
    assert_eq!(build(&small, &[]).0, 0, "they are ours");
    small.write("m/dist/dry-run/notes", "x");
    let (code, err) = build(&small, &[]);
    assert!(code == 1 && err.contains("dist/dry-run"), "{err}");
}

/// A module whose directory no one may write, with a `dist` that its owner may: as for a mount point in a
/// container. The run is nobody's where this one is root's, whom rights do not hinder.
struct Within(Small);

impl Within {
    fn new() -> Self {
        let small = Small::new();
        fs::create_dir_all(small.path("home")).unwrap();
        fs::create_dir(small.path("m/dist")).unwrap();
        fs::set_permissions(small.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        if rustix::process::geteuid().is_root() {
            for name in ["home", "m/dist"] {
                chown(small.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        fs::set_permissions(small.path("m"), fs::Permissions::from_mode(0o555)).unwrap();
        Self(small)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(&self.0, arguments);
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments).stderr(Stdio::piped()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn dist(&self) -> PathBuf {
        self.0.path("m/dist")
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        let _ = fs::set_permissions(self.0.path("m"), fs::Permissions::from_mode(0o755));
    }
}

const NOBODY: u32 = 65534;

#[test]
fn where_nothing_may_be_written_beside_the_output_its_files_are_exchanged() {
    let within = Within::new();
    for more in [&["--emit", "oci"][..], &[], &["--emit", "tar"], &[]] {
        if more.contains(&"tar") {
            // A build that makes less takes no other's place.
            let (code, err) = within.run(&[&BUILD, more].concat());
            assert!(code == 1 && err.contains("m/dist holds the OCI layout, which this build would remove"), "{err}");
            fs::remove_dir_all(within.dist().join("oci")).unwrap();
        }
        let (code, err) = within.run(&[&BUILD, more].concat());
        assert_eq!(code, 0, "{err}");
        assert_eq!(within.run(&["inspect", "m/dist"]).0, 0);
        let has = |name: &str| names(&within.dist()).contains(&name.to_owned());
        assert_eq!((has("module.tar"), has("oci")), (!more.contains(&"oci"), !more.contains(&"tar")));
        assert!(names(&within.dist()).iter().all(|name| !name.starts_with('.')), "{:?}", names(&within.dist()));
    }
    let (code, err) = within.run(&["rebuild", "m/dist", "--rootfs", "root"]);
    assert_eq!(code, 0, "{err}");
    fs::write(within.dist().join("thesis"), "years of work").unwrap();
    let before = tree(&within.dist());
    let (code, err) = within.run(&BUILD);
    assert!(code == 1 && err.contains("dist/thesis"), "{code}: {err}");
    assert!(tree(&within.dist()) == before);
}

#[test]
fn an_output_that_another_user_built_is_told_of_before_the_work_begins() {
    if !rustix::process::geteuid().is_root() {
        // Only root can make what is another's.
        return;
    }
    let within = Within::new();
    fs::set_permissions(within.0.path("m"), fs::Permissions::from_mode(0o755)).unwrap();
    chown(within.0.path("m"), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::remove_dir(within.dist()).unwrap();
    within.0.build("m/dist");
    let before = tree(&within.dist());
    // Had the work begun, then it would end with this root file system, which is none.
    for rootfs in ["root", "m/manifest.yaml"] {
        let (code, err) = within.run(&["build", "-C", "m", "--rootfs", rootfs, "--arch", "amd64"]);
        assert!(code == 4 && err.contains("belongs to the user id 0") && err.contains("sudo rm -r "), "{code}: {err}");
    }
    within.0.build("m/my dist");
    let odd = ["build", "-C", "m", "--rootfs", "root", "--arch", "amd64", "--output", "m/my dist"];
    let (code, err) = within.run(&odd);
    assert!(code == 4 && err.contains("`sudo rm -r 'm/my dist'`"), "as a shell reads it: {code}: {err}");
    fs::remove_dir_all(within.0.path("m/my dist")).unwrap();
    let (code, err) = within.run(&["build", "-C", "m", "--arch", "amd64", "--dry-run"]);
    assert!(code == 4 && err.contains("belongs to the user id 0"), "{code}: {err}");
    assert!(tree(&within.dist()) == before);
    fs::remove_dir_all(within.dist()).unwrap();
    chown(within.0.path("m"), Some(0), Some(0)).unwrap();
    let (code, err) = within.run(&["build", "-C", "m", "--rootfs", "m/manifest.yaml", "--arch", "amd64"]);
    assert!(code == 4 && err.contains("the directory around it"), "{code}: {err}");
}

#[test]
fn a_build_that_is_killed_while_it_exchanges_files_leaves_nothing_that_is_believed() {
    let within = Within::new();
    assert_eq!(within.run(&BUILD).0, 0);
    for round in 0..40 {
        let mut run = within.command(&BUILD).spawn().unwrap();
        // As soon as the record is gone, or after a while that grows.
        let (began, patience) = (Instant::now(), Duration::from_millis(4 * round));
        while within.dist().join("build.json").exists() && began.elapsed() < patience {
            std::hint::spin_loop();
        }
        let _ = run.kill();
        let _ = run.wait();
        let (code, err) = within.run(&["inspect", "m/dist"]);
        if !within.dist().join("build.json").exists() {
            assert!(code == 3 && err.contains("is not whole") && err.contains("help:"), "{code}: {err}");
        } else {
            assert!(code == 0 || err.contains("is not whole"), "{code}: {err}");
        }
        if round % 5 == 4 {
            let (code, err) = within.run(&BUILD);
            assert_eq!(code, 0, "the next run works: {err}");
            assert_eq!(within.run(&["inspect", "m/dist"]).0, 0);
            assert!(names(&within.dist()).iter().all(|name| !name.starts_with('.')));
        }
    }
    // As a kill between the two leaves it, should none have come there.
    fs::remove_file(within.dist().join("build.json")).unwrap();
    let (code, err) = within.run(&["inspect", "m/dist"]);
    assert!(code == 3 && err.contains("is not whole"), "{code}: {err}");
}

#[test]
fn a_mount_point_is_written_to_from_inside() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let small = Small::new();
    for name in ["m/dist", "out"] {
        fs::create_dir(small.path(name)).unwrap();
    }
    let program = env!("CARGO_BIN_EXE_module-builder");
    let script = format!(
        "set -e; mount --bind out m/dist; mount --bind m m; mount -o remount,bind,ro m; mount --bind out m/dist; \
         for i in 1 2; do {program} build -q -C m --rootfs root > /dev/null; {program} inspect m/dist > /dev/null; done; \
         echo x > m/dist/thesis; {program} build -q -C m --rootfs root"
    );
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", &script]).current_dir(small.path(""));
    unshare.env("HOME", small.path("home")).env("SOURCE_DATE_EPOCH", "1700000000");
    let output = unshare.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    // A sandbox may allow root no mounts.
    if err.contains("unshare failed") || err.contains("mount:") {
        return;
    }
    assert!(output.status.code() == Some(1) && err.contains("m/dist/thesis"), "{:?}: {err}", output.status);
    assert_eq!(fs::read_to_string(small.path("out/thesis")).unwrap(), "x\n");
    assert!(small.path("out/build.json").is_file() && names(&small.path("m/dist")).is_empty());
}

#[test]
fn killed_at_any_instant_the_output_is_whole_and_the_next_build_works() {
    let small = Small::new();
    assert_eq!(build(&small, &[]).0, 0);
    let digest = fs::read(small.path("m/dist/composefs.digest")).unwrap();
    for round in 0..40 {
        let mut run = start(&small, &BUILD);
        std::thread::sleep(Duration::from_millis(3 * round));
        let _ = run.kill();
        let _ = run.wait();
        let (code, _, err) = small.run(&["inspect", "m/dist"]);
        assert_eq!(code, 0, "after {} ms: {err}", 3 * round);
    }
    assert_eq!(build(&small, &[]).0, 0);
    assert_eq!(names(&small.path("m")), ["dist", "manifest.yaml", "rootfs"], "nothing is left");
    assert_eq!(fs::read(small.path("m/dist/composefs.digest")).unwrap(), digest);
}
