//! Where a verb reads and writes: places are checked before the work, and each verb takes the module's directory the same way.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[allow(dead_code, reason = "each part uses some of it")]
mod small;

use std::fs;
use std::process::Command;

use small::Small;

const BUILD: [&str; 6] = ["build", "-C", "m", "--rootfs=root", "--arch=amd64", "--quiet"];

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The run ends with `code`, says `words`, and has not begun to work.
#[track_caller]
fn refused(small: &Small, arguments: &[&str], code: i32, words: &str) {
    let arguments: Vec<&str> = arguments.iter().copied().filter(|word| *word != "--quiet").collect();
    let (found, _, err) = small.run(&arguments);
    assert_eq!(found, code, "{arguments:?}: {err}");
    assert!(err.contains(words) && err.contains("  help: "), "{arguments:?}: {err}");
    assert!(!err.contains("compose"), "{arguments:?} is refused after the work: {err}");
}

#[test]
fn a_place_that_holds_no_files_is_refused_before_the_work() {
    let small = Small::new();
    let kernels =
        if is_root() { &["/proc/x", "/sys/x", "/proc/self/x/y", "/sys/kernel/x"][..] } else { &["/proc/x", "/sys/x"] };
    for place in kernels {
        for flag in ["--output", "--objects"] {
            refused(&small, &[&BUILD[..], &[flag, place]].concat(), 4, place);
        }
        refused(&small, &[&BUILD[..], &["--dry-run", "--output", place]].concat(), 4, place);
        refused(&small, &["init", place], 4, place);
        let (code, _, err) = small.run(&["--log-file", place, "validate", "m"]);
        assert!(code == 4 || place.contains("/x/"), "{place}: {err}");
    }
    small.build("dist");
    small.write("dist/../m/dist/x", "");
    fs::remove_dir_all(small.path("m/dist")).unwrap();
    small.run(&[&BUILD[..], &[]].concat());
    for place in kernels {
        refused(&small, &["rebuild", "m/dist", "--rootfs=root", "--keep", place], 4, place);
    }
}

#[test]
fn the_check_leaves_nothing_where_files_can_be_made() {
    let small = Small::new();
    fs::create_dir(small.path("out")).unwrap();
    // The manifest is read after the places are looked at.
    small.edit("m/manifest.yaml", |text| format!("{text}nonsense: 1\n"));
    for flag in ["--output", "--objects"] {
        let (code, _, err) = small.run(&[&BUILD[..], &[flag, "out/a/b"]].concat());
        assert_eq!(code, 1, "{err}");
    }
    assert_eq!(fs::read_dir(small.path("out")).unwrap().count(), 0);
}

/// Runs `script` with the program as `$MB` in a mount namespace of its own; none where no one may mount.
fn mounted(small: &Small, script: &str) -> Option<String> {
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", script]).current_dir(small.path("")).env_clear();
    unshare.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", small.path("home"));
    let output = unshare.env("MB", env!("CARGO_BIN_EXE_module-builder")).output().ok()?;
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    let may_mount = !err.contains("unshare: ") && !err.contains("mount: ");
    may_mount.then(|| format!("{}{err}", String::from_utf8_lossy(&output.stdout)))
}

#[test]
fn a_place_on_a_file_system_that_is_read_only_or_full_is_refused_before_the_work() {
    let small = Small::new();
    let build = "$MB build -C m --rootfs root --arch amd64";
    fs::create_dir(small.path("ro")).unwrap();
    for place in ["--output ro/dist", "--objects ro/objects/deep", "--dry-run --output ro/x/y"] {
        let script = format!("mount -t tmpfs -o ro none ro; {build} {place}; echo $?");
        let Some(said) = mounted(&small, &script) else { return };
        assert!(said.starts_with("4\n") && said.contains("Read-only file system"), "{said}");
        assert!(!said.contains("compose") && !said.contains("sudo"), "{said}");
        let script = format!(
            "mount -t tmpfs -o size=64k none ro; head -c 65536 /dev/zero > ro/full 2> /dev/null; {build} {place}; echo $?"
        );
        let Some(said) = mounted(&small, &script) else { return };
        assert!(said.starts_with("4\n") && said.contains("make room on the file system"), "{said}");
        assert!(!said.contains("compose"), "{said}");
    }
}

#[test]
fn a_lock_that_cannot_be_written_is_said_before_anything_is_resolved() {
    let small = Small::new();
    small.edit("m/manifest.yaml", |text| format!("{text}package_spec: [hello]\n"));
    // A mirror that would fail at once, were it asked.
    small.write("m/builder.toml", "suite = \"test\"\nmirrors = [\"http://127.0.0.1:1/debian\"]\n");
    for (way, words) in [
        ("mount --bind m m; mount -o remount,bind,ro m;", "Read-only file system"),
        ("mkdir -p m/real; ln -sf real/lock m/module.lock; mount -t tmpfs -o ro none m/real;", "Read-only file system"),
        ("ln -sfn /tmp/module.lock m/module.lock;", "leads out of its directory"),
    ] {
        let Some(said) = mounted(&small, &format!("{way} $MB lock m --arch amd64 --update; echo $?")) else { return };
        assert!(said.contains("module.lock") && said.contains(words), "{said}");
        assert!(!said.contains("127.0.0.1"), "{said}");
    }
}

#[test]
fn a_build_that_cannot_be_replaced_is_not_told_to_be_removed_where_nothing_can_be() {
    let small = Small::new();
    small.build("m/dist");
    let script =
        "mount --bind m/dist m/dist; mount -o remount,bind,ro m/dist; $MB build -C m --rootfs root --arch amd64";
    let Some(said) = mounted(&small, script) else { return };
    assert!(said.contains("name another directory with --output") && !said.contains("sudo"), "{said}");
    assert!(!said.contains("compose"), "{said}");
}

#[test]
fn a_lock_that_an_attribute_or_a_sticky_directory_keeps_is_said_before_anything_is_resolved() {
    let small = Small::new();
    small.edit("m/manifest.yaml", |text| format!("{text}package_spec: [hello]\n"));
    // A mirror that would fail at once, were it asked.
    small.write("m/builder.toml", "suite = \"test\"\nmirrors = [\"http://127.0.0.1:1/debian\"]\n");
    let lock = || small.run(&["lock", "m", "--arch", "amd64", "--update"]).2;
    let chattr = |change: &str, path: &str| {
        Command::new("chattr").arg(change).arg(small.path(path)).status().is_ok_and(|status| status.success())
    };
    small.write("m/module.lock", "");
    for path in ["m", "m/module.lock"] {
        for (on, off, word) in [("+i", "-i", "immutable"), ("+a", "-a", "append-only")] {
            if !chattr(on, path) {
                return;
            }
            let said = lock();
            assert!(chattr(off, path));
            assert!(said.contains(word) && said.contains("help: "), "{path} {on}: {said}");
            assert!(!said.contains("127.0.0.1"), "{path} {on}: {said}");
        }
    }
    assert!(lock().contains("127.0.0.1"), "{}", lock());
    // As another user than the one whose lock it is, where both may make files.
    let script = "chmod 1777 m; chmod 755 .; mkdir -m 777 c; setpriv --reuid 65534 --clear-groups \
                  $MB lock m --arch amd64 --update --cache-dir c/c";
    if let Some(said) = is_root().then(|| mounted(&small, script)).flatten().filter(|said| !said.contains("setpriv: "))
    {
        assert!(said.contains("sticky") && !said.contains("127.0.0.1"), "{said}");
    }
}

#[test]
fn nothing_goes_into_a_builds_directory_but_its_own_dry_run() {
    let small = Small::new();
    small.build("out");
    for inside in ["out/dry-run", "out/oci", "out/oci/blobs/new", "out/amd64", "out/amd64/deep", "out/a/b"] {
        refused(&small, &[&BUILD[..], &["--output", inside]].concat(), 1, "out, which holds a build");
        refused(&small, &[&BUILD[..], &["--output=other", "--objects", inside]].concat(), 1, "out holds a build");
        let is_new = inside.contains("new") || !inside.contains("oci");
        if is_new {
            let cache = [&BUILD[..], &["--output=other", "--cache-dir", inside]].concat();
            refused(&small, &cache, 2, "out, which holds a build");
        }
        refused(&small, &["init", inside], 1, "out holds a build");
        if inside != "out/dry-run" {
            refused(&small, &[&BUILD[..], &["--dry-run", "--output", inside]].concat(), 1, "out, which holds a build");
        }
    }
    small.link("way", "out/oci");
    refused(&small, &[&BUILD[..], &["--output=way/x"]].concat(), 1, "out, which holds a build");
    for output in ["out", "out/dry-run"] {
        small.command().args(BUILD).args(["--dry-run", "--output", output]).assert().success();
    }
    assert!(!small.path("out/dry-run/dry-run").exists());
    // A dry run's directory alone is one, too.
    small.command().args(BUILD).args(["--dry-run", "--output=lists"]).assert().success();
    refused(&small, &[&BUILD[..], &["--output=lists/x"]].concat(), 1, "lists, which holds a build");
    // And all the while a build into it is as good as the first.
    small.build("out");
    small.build_with("other", &["--objects", small.path("objects").to_str().unwrap()]);
}

#[test]
fn no_verb_puts_its_cache_or_log_into_a_build_or_into_what_ships() {
    let small = Small::new();
    small.build("dist");
    small.write("m/rootfs/etc/x", "");
    let before = listing(&small);
    for verb in [
        &["build", "-C", "m", "--rootfs=root", "--arch=amd64"][..],
        &["fetch", "m"],
        &["lock", "m"],
        &["explain", "/x", "m"],
        &["rebuild", "dist"],
        &["validate", "m"],
        &["env"],
        &["inspect", "dist"],
        &["schema"],
    ] {
        for place in ["dist/log", "dist/oci/log", "m/rootfs/log", "m/rootfs/etc/y/log"] {
            refused(&small, &[verb, &["--log-file", place]].concat(), 2, "the log ");
            if !["validate", "inspect", "schema"].contains(&verb[0]) {
                refused(&small, &[verb, &["--cache-dir", place]].concat(), 2, "the cache ");
            }
        }
    }
    refused(&small, &[&BUILD[..], &["--output", "m/rootfs/z"]].concat(), 2, "");
    small.write("other/manifest.yaml", "schema_version: 1\nname: other\n");
    small.write("other/rootfs/etc/x", "");
    refused(&small, &[&BUILD[..], &["--output", "other/rootfs/z"]].concat(), 1, "which ships with a module");
    fs::remove_dir_all(small.path("other")).unwrap();
    assert_eq!(listing(&small), before, "nothing is made");
}

/// Every path of the results and of the module.
fn listing(small: &Small) -> Vec<String> {
    let output = Command::new("find").args(["dist", "m"]).current_dir(small.path("")).output().unwrap();
    let mut paths: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    paths.sort();
    paths
}

#[test]
fn another_modules_build_is_not_replaced_but_in_the_modules_own_directory() {
    let small = Small::new();
    small.build("out");
    small.command().args(BUILD).args(["--dry-run", "--output=lists"]).assert().success();
    small.command().args(BUILD).assert().success();
    small.write("n/manifest.yaml", "schema_version: 1\nname: other\nfile_spec: [/etc/***]\n");
    let other = ["build", "-C", "n", "--rootfs=root", "--arch=amd64"];
    for more in [&["--output=out"][..], &["--output=m/dist"], &["--output=out", "--dry-run"], &["--output=lists"]] {
        refused(&small, &[&other[..], more].concat(), 1, "a build of another module, web");
    }
    refused(&small, &[&other[..], &["--output=lists", "--dry-run"]].concat(), 1, "a build of another module, web");
    small.command().args(BUILD).args(["--output=out"]).assert().success();
    // A module that got another name.
    small.edit("m/manifest.yaml", |text| text.replace("name: web", "name: renamed"));
    small.command().args(BUILD).assert().success();
    refused(&small, &[&BUILD[..], &["--output=out"]].concat(), 1, "a build of another module, web");
}

#[test]
fn every_verb_takes_the_modules_directory_the_same_way() {
    let small = Small::new();
    small.command().args(BUILD).assert().success();
    let verbs: [&[&str]; 8] = [
        &["validate"],
        &["lock", "--check"],
        &["fetch"],
        &["build", "--rootfs=root", "--arch=amd64"],
        &["build", "--dry-run", "--rootfs=root", "--arch=amd64"],
        &["explain", "/etc/conf", "--rootfs=root", "--arch=amd64"],
        &["explain", "--summary", "--rootfs=root", "--arch=amd64"],
        &["env"],
    ];
    let without = |(code, out, err): (i32, String, String)| (code, out, err.replace("[DIR]", ""));
    for verb in verbs {
        let alone = without(small.run(&[verb, &["m"]].concat()));
        for directory in [&["-C", "m"][..], &["--directory", "m"], &["--directory=m"], &["-Cm"]] {
            assert_eq!(without(small.run(&[verb, directory].concat())), alone, "{verb:?} {directory:?}");
        }
        let (code, _, err) = small.run(&[verb, &["m", "-C", "m"]].concat());
        assert_eq!(code, 2, "{verb:?}: {err}");
        assert!(
            err.contains("cannot be used with '--directory <DIR>'") || err.contains("--summary takes a place"),
            "{err}"
        );
    }
    for (way, directory) in [(&["init"][..], "one"), (&["init", "-C"], "two"), (&["init", "--directory"], "three")] {
        small.command().args(way).arg(directory).assert().success();
        assert!(small.path(directory).join("manifest.yaml").is_file());
    }
    assert_eq!(small.run(&["init", "four", "-C", "four"]).0, 2);
    // These look at results: those of the module.
    for verb in [&["inspect"][..], &["rebuild", "--rootfs=root"]] {
        let (code, out, err) = small.run(&[verb, &["-C", "m"]].concat());
        assert_eq!((code, out), (0, small.run(&[verb, &["m/dist"]].concat()).1), "{verb:?}: {err}");
    }
    assert_eq!(small.run(&["inspect", "m/dist", "-C", "m"]).0, 2);
}

#[test]
fn a_root_tar_is_what_it_is_unpacked_to() {
    let small = Small::new();
    small.build("first");
    let tars: [(&str, &[&str]); 4] = [
        ("whole", &["."]),
        ("without_the_top", &["etc", "usr"]),
        ("prefixed", &["./etc", "./usr"]),
        ("files_alone", &["etc/conf", "usr/share/web/list", "usr/share/web/twin", "usr/share/web/link"]),
    ];
    for (name, members) in tars {
        let tar = format!("{name}.tar");
        testkit::run(
            Command::new("tar").arg("-cf").arg(small.path(&tar)).arg("-C").arg(small.path("root")).args(members),
        );
        // Wherever it is unpacked, and whenever.
        fs::create_dir_all(small.path("deep/down")).unwrap();
        let places = [name.to_owned(), format!("deep/down/{name}")];
        for place in &places {
            fs::create_dir(small.path(place)).unwrap();
            testkit::run(Command::new("tar").arg("-xpf").arg(small.path(&tar)).arg("-C").arg(small.path(place)));
        }
        for epoch in [None, Some("1700000000"), Some("1000000000")] {
            let digest = |root: &str| {
                let mut command = small.command();
                command.args(["build", "-C", "m", "--arch=amd64", "--format=json", "--rootfs", root]);
                match epoch {
                    Some(epoch) => command.env("SOURCE_DATE_EPOCH", epoch),
                    None => command.env_remove("SOURCE_DATE_EPOCH"),
                };
                let output = command.output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                (json["composefs_digest"].clone(), json["fingerprint"].clone())
            };
            for place in &places {
                assert_eq!(digest(&tar), digest(place), "{name}, {epoch:?}");
            }
        }
    }
}

/// The words in which a verb says how much there is: from a number of files to directories.
fn counts(said: &str) -> Option<String> {
    let line = said.lines().find(|line| line.contains(" symbolic link") && line.contains(" director"))?;
    let start = line.find(" file")?;
    let start = line[..start].rfind(' ').map_or(0, |at| at + 1);
    let end = line.find("director").map(|at| at + line[at..].find([',', ' ', ';']).unwrap_or(line.len() - at))?;
    Some(line[start..end].to_owned())
}

#[test]
fn every_verb_counts_the_same_in_the_same_words() {
    let small = Small::new();
    let check = |wanted: &str| {
        let build = ["build", "-C", "m", "--rootfs=root", "--arch=amd64"];
        let verbs: [&[&str]; 6] = [
            &["build", "-C", "m", "--rootfs=root", "--arch=amd64", "--dry-run"],
            &build,
            // Nothing changed.
            &build,
            &["inspect", "m/dist"],
            &["explain", "--summary", "m", "--rootfs=root", "--arch=amd64"],
            &["explain", "--summary", "m/dist", "--rootfs=root"],
        ];
        for verb in verbs {
            let (code, out, err) = small.run(verb);
            assert_eq!(code, 0, "{verb:?}: {err}");
            assert_eq!(counts(&format!("{out}{err}")).as_deref(), Some(wanted), "{verb:?}: {out}{err}");
        }
    };
    // A hard link is a name of its own, and the top is a directory.
    check("5 files, 1 symbolic link, 5 directories");
    small.write("m/manifest.yaml", "schema_version: 1\nname: web\nfile_spec:\n  - /etc/conf\n");
    check("1 file, 0 symbolic links, 2 directories");
    fs::create_dir_all(small.path("root/srv/empty")).unwrap();
    small.write(
        "m/manifest.yaml",
        "schema_version: 1\nname: web\nfile_spec:\n  - /srv/empty/\n  - /usr/share/web/link\n",
    );
    check("0 files, 1 symbolic link, 6 directories");
}

#[test]
fn a_directory_that_is_none_is_said_by_every_verb() {
    let small = Small::new();
    for verb in [&["env"][..], &["fetch"], &["lock"], &["build"], &["build", "--dry-run"], &["explain", "/etc"]] {
        let (code, _, err) = small.run(&[verb, &["-C", "nowhere"]].concat());
        assert!(code != 0 && err.contains("nowhere") && err.contains("help: "), "{verb:?}: {err}");
    }
    assert_eq!(small.run(&["env", "-C", "m"]).0, 0);
    assert_eq!(small.run(&["env", "-C", "m/manifest.yaml"]).0, 2);
}

#[test]
fn what_a_build_wrote_is_no_module_and_the_module_is_named() {
    let small = Small::new();
    small.build("m/dist");
    small.build("elsewhere");
    for verb in [&["env"][..], &["fetch"], &["lock"], &["build"], &["build", "--dry-run"]] {
        let (code, _, err) = small.run(&[verb, &["-C", "m/dist"]].concat());
        assert!(code == 2 && err.contains("m/dist is what a build wrote, and no module"), "{verb:?}: {err}");
        assert!(err.contains("name the module's directory: `-C ") && err.contains("/m`"), "{err}");
        let (code, _, err) = small.run(&[verb, &["-C", "elsewhere"]].concat());
        assert!(code == 2 && err.contains("holds manifest.yaml"), "{verb:?}: {err}");
    }
}

#[test]
fn diff_takes_the_module_for_its_second_build() {
    let small = Small::new();
    small.build("m/dist");
    small.build("old");
    assert_eq!(small.run(&["diff", "old", "-C", "m"]).0, 0);
    small.write("m/rootfs/etc/page.html", "<h1>other</h1>\n");
    small.build("m/dist");
    let (code, out, _) = small.run(&["diff", "old", "-C", "m"]);
    assert!(code == 5 && out.contains("/etc/page.html"), "{out}");
    assert_eq!(small.run(&["diff", "old", "m/dist"]).1, out);
    assert_eq!(small.run(&["diff", "old", "m/dist", "-C", "m"]).0, 2, "one place in two ways");
    let (code, _, err) = small.run(&["test", "-C", "nowhere"]);
    assert!(code != 2 && code != 0 && err.contains("nowhere"), "{err}");
}
