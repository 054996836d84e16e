//! What comes with the sources vouches for nothing: settings, caches, results.

use crate::small::Small;

#[test]
fn a_modules_settings_name_no_cache_and_no_proxy() {
    let small = Small::new();
    for line in ["cache_dir = \".cache\"", "proxy = \"http://proxy.example.org:3128\"", "jobs = 1", "color = \"never\""]
    {
        small.write("m/builder.toml", &format!("suite = \"bookworm\"\n\n{line}\n"));
        for verb in [
            &["build", "-C", "m", "--rootfs", "root"][..],
            &["validate", "m"],
            &["env", "-C", "m"],
            &["lock", "-C", "m"],
        ] {
            let (code, out, err) = small.run(verb);
            assert_eq!((code, out.as_str()), (1, ""), "{verb:?} {err}");
            assert!(err.contains("m/builder.toml:3:1"), "{err}");
            assert!(err.contains("is not for a module to say"), "{err}");
            assert!(err.contains("~/.config/module-builder/config.toml"), "{err}");
        }
    }
    assert!(!small.path("m/.cache").exists());
}

#[test]
fn every_run_that_writes_into_a_cache_notes_where_it_was_made() {
    let small = Small::new();
    small.build("m/dist");
    let cache = small.path("home/.cache/module-builder");
    assert!(cache.join("place").is_file() && cache.join("digests").is_dir());
    let carried = small.path("carried");
    let copied = std::process::Command::new("cp").arg("-a").args([&cache, &carried]).status().unwrap();
    assert!(copied.success());
    let build = ["build", "-C", "m", "--rootfs", "root", "--cache-dir", carried.to_str().unwrap()];
    let (code, _, err) = small.run(&build);
    assert!(code == 0 && err.contains("was not made there"), "{err}");
    let (code, _, err) = small.run(&build);
    assert!(code == 0 && !err.contains("was not made there"), "{err}");
}

#[test]
fn a_directory_of_the_users_is_no_cache() {
    let small = Small::new();
    let key = "0123456789abcdef".repeat(4);
    let thesis = format!("ud/rootfs/{key}/thesis");
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n";
    for (mark, text) in
        [("mine", "x"), ("place", ""), ("place", "where I live\n"), ("place", "17"), ("CACHEDIR.TAG", tag)]
    {
        let _ = std::fs::remove_dir_all(small.path("ud"));
        small.write(&thesis, "years of work");
        small.write("ud/mine", "x");
        small.write(&format!("ud/{mark}"), text);
        let build = ["build", "-C", "m", "--rootfs", "root", "--cache-dir", "ud"];
        for verb in [
            &build[..],
            &["build", "-C", "m", "--cache-dir", "ud"],
            &["cache", "gc", "--older-than", "0s", "--cache-dir", "ud"],
        ] {
            let (code, _, err) = small.run(verb);
            assert!(
                code == 4 && err.contains("was not made by this program: it holds"),
                "{mark} {verb:?}: {code} {err}"
            );
            assert!(err.contains("name another directory by --cache-dir"), "{err}");
        }
        assert_eq!(std::fs::read_to_string(small.path(&thesis)).unwrap(), "years of work");
        let mut names: Vec<_> =
            std::fs::read_dir(small.path("ud")).unwrap().map(|it| it.unwrap().file_name()).collect();
        names.sort();
        let mut wanted = vec![mark, "mine", "rootfs"];
        wanted.sort_unstable();
        wanted.dedup();
        assert_eq!(names, wanted, "nothing is written there");
    }
    // What a file system brings, a killed run left or an earlier version made is a cache's.
    std::fs::create_dir_all(small.path("other/lost+found")).unwrap();
    small.write("other/.place.0123456789abcdef", "");
    small.write("other/debs/sha256/aa/x", "");
    let (code, _, err) = small.run(&["build", "-C", "m", "--rootfs", "root", "--cache-dir", "other"]);
    assert!(code == 0 && !err.contains("warning"), "{err}");
    assert!(small.path("other/place").is_file());
    // In a cache of its own the user may put what they like.
    small.write("other/mine", "x");
    assert_eq!(small.run(&["cache", "gc", "--older-than", "0s", "--cache-dir", "other"]).0, 0);
    assert!(small.path("other/mine").is_file());
}

#[test]
fn a_modules_keyring_leads_nowhere_else() {
    let small = Small::new();
    small.write("m/builder.toml", "keyring = \"../../etc/keys.gpg\"\n");
    let told = |small: &Small| small.run(&["build", "-C", "m", "--rootfs", "root"]);
    let (code, _, err) = told(&small);
    assert!(
        code == 1 && err.contains("m/builder.toml:1:11") && err.contains("leads out of the module"),
        "{code} {err}"
    );
    small.write("m/builder.toml", "keyring = \"key.gpg\"\n");
    small.link("m/key.gpg", "/etc/passwd");
    let (code, _, err) = told(&small);
    assert!(code == 1 && err.contains("leads out of the module"), "{code} {err}");
}

#[cfg(feature = "peer-tests")]
mod packages {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output, Stdio};
    use std::time::Duration;

    use serde_json::{Value, json};

    use crate::archive::{World, debs, finished, manifest};

    /// A locked module, its results, and everything in the cache.
    fn built() -> (World, String) {
        let world = World::new(&debs("1"));
        testkit::run(world.command().args(["lock", "-C", "module", "--arch", "amd64"]));
        let honest = manifest(&world.build(&[]).unwrap()).to_owned();
        (world, honest)
    }

    /// `build --frozen` with a cache of one's own choice; it ends by itself or is an error.
    fn frozen(world: &World, cache: &Path, more: &[&str]) -> Output {
        let mut command = world.wrapped(&["timeout", "60"]);
        command.args(["build", "-C", "module", "--arch", "amd64", "--format=json", "--frozen"]).args(more);
        command.env("MODULE_BUILDER_CACHE_DIR", cache).output().unwrap()
    }

    fn stderr(output: &Output) -> String {
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn copy(from: &Path, to: &Path) {
        testkit::run(Command::new("cp").arg("-a").arg(from).arg(to));
    }

    /// The one entry of a subdirectory of the cache.
    fn only(folder: &Path) -> PathBuf {
        let mut entries = fs::read_dir(folder).unwrap();
        let only = entries.next().unwrap().unwrap().path();
        assert!(entries.next().is_none());
        only
    }

    /// Puts another tar into the root file system's entry, with a record that says so.
    fn plant(cache: &Path, keep_seal: bool) {
        let entry = only(&cache.join("rootfs"));
        let mut tar = fs::read(entry.join("rootfs.tar")).unwrap();
        // A byte of a file's content: no checksum of a tar covers it.
        let header = tar.windows(22).position(|text| text.starts_with(b"./usr/share/small/tool")).unwrap();
        tar[header / 512 * 512 + 512] ^= 1;
        fs::write(entry.join("rootfs.tar"), &tar).unwrap();
        let record = fs::read_to_string(entry.join("record.json")).unwrap();
        let mut record: Value = serde_json::from_str(&record).unwrap();
        record["sha256"] = json!(model::Digest::of(&tar).to_string());
        fs::write(entry.join("record.json"), serde_json::to_vec_pretty(&record).unwrap()).unwrap();
        if !keep_seal {
            fs::remove_file(entry.join("seal.json")).unwrap();
        }
    }

    #[test]
    fn a_root_file_system_that_only_its_record_vouches_for_is_made_again() {
        for keep_seal in [false, true] {
            let (world, honest) = built();
            plant(&world.path("cache"), keep_seal);
            let output = frozen(&world, &world.path("cache"), &[]);
            assert_eq!(manifest(&finished(&output).unwrap()), honest);
            assert!(stderr(&output).contains("is not used"), "{}", stderr(&output));
        }
    }

    #[test]
    fn a_cache_that_comes_with_the_sources_brings_packages_and_nothing_else() {
        let (world, honest) = built();
        let shipped = world.path("module/.cache");
        copy(&world.path("cache"), &shipped);
        plant(&shipped, true);
        // What the package lists, without the file that the module wants: the trailer's sum is made anew.
        let dist = world.path("module/dist");
        for removed in [false, true] {
            if removed {
                fs::remove_dir_all(&dist).unwrap();
            }
            let _ = fs::remove_dir_all(shipped.join("tmp"));
            let output = frozen(&world, &shipped, &[]);
            assert_eq!(manifest(&finished(&output).unwrap()), honest);
            let told = stderr(&output).contains("was not made there");
            assert_eq!(told, !removed, "it is told once: {}", stderr(&output));
        }
        // The same as a verb that builds again.
        let again = world.path("again");
        copy(&world.path("cache"), &again);
        plant(&again, true);
        let mut command = world.wrapped(&["timeout", "60"]);
        command.args(["rebuild", "module/dist", "--offline"]).env("MODULE_BUILDER_CACHE_DIR", &again);
        testkit::run(&mut command);
    }

    #[test]
    fn a_record_that_anybody_may_have_written_runs_no_script_to_be_explained() {
        let (world, _) = built();
        let theirs = world.path("theirs");
        copy(&world.path("module"), &theirs);
        let path = theirs.join("dist/build.json");
        let record = fs::read_to_string(&path).unwrap();
        let forged = record.replace("\"variant\": \"extract\"", "\"variant\": \"custom\"");
        assert_ne!(forged, record);
        fs::write(&path, forged).unwrap();
        let explain = |more: &[&str]| {
            let mut command = world.wrapped(&["timeout", "60"]);
            command.args(["explain", "/usr/share/small/tool", "theirs/dist", "--offline"]).args(more);
            command.output().unwrap()
        };
        let output = explain(&[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("its packages are unpacked, and no script runs"), "{}", stderr(&output));
        let output = explain(&["--variant", "extract"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("says itself what it was made from"), "{}", stderr(&output));
    }

    /// Results of another overlay under a record that says they are those of the honest one.
    fn forge(world: &World) -> Value {
        let dist = world.path("module/dist");
        let read =
            |path: &Path| -> Value { serde_json::from_slice(&fs::read(path.join("build.json")).unwrap()).unwrap() };
        let mut record = read(&dist);
        fs::create_dir_all(world.path("module/rootfs/usr/share/small")).unwrap();
        fs::write(world.path("module/rootfs/usr/share/small/tool"), "BACKDOOR\n".repeat(20)).unwrap();
        world.build(&["--output", world.path("evil").to_str().unwrap()]).unwrap();
        fs::remove_dir_all(world.path("module/rootfs")).unwrap();
        record["outputs"] = read(&world.path("evil"))["outputs"].clone();
        fs::remove_dir_all(&dist).unwrap();
        copy(&world.path("evil"), &dist);
        record
    }

    #[test]
    fn results_that_come_with_the_sources_are_written_again() {
        let (world, honest) = built();
        let (cache, dist) = (world.path("cache"), world.path("module/dist"));
        copy(&dist, &world.path("honest"));
        let record = forge(&world);
        let write =
            |record: &Value| fs::write(dist.join("build.json"), serde_json::to_vec_pretty(record).unwrap()).unwrap();
        let check = |how: &str, cache: &Path, more: &[&str]| {
            let output = frozen(&world, cache, more);
            assert_eq!(manifest(&finished(&output).unwrap()), honest, "{how}");
            assert!(!stderr(&output).contains("nothing changed"), "{how}");
            for name in ["module.tar", "module.cfs", "build.json", "composefs.digest"] {
                assert!(
                    fs::read(dist.join(name)).unwrap() == fs::read(world.path("honest").join(name)).unwrap(),
                    "{how}"
                );
            }
        };
        write(&record);
        check("forged", &cache, &[]);
        copy_over(&world.path("evil"), &dist);
        write(&record);
        check("forged, --no-cache", &cache, &["--no-cache"]);
        copy_over(&world.path("evil"), &dist);
        let mut shorter = record.clone();
        let outputs = shorter["outputs"].as_object_mut().unwrap();
        outputs.retain(|name, _| name == "module.cfs");
        write(&shorter);
        fs::write(dist.join("module.tar"), "garbage").unwrap();
        // Of what such a record does not list no one knows that a build wrote it.
        let output = frozen(&world, &cache, &[]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains("holds files that no build wrote"), "{}", stderr(&output));
        copy_over(&world.path("evil"), &dist);
        write(&record);
        check("forged again", &cache, &[]);
        let output = frozen(&world, &cache, &[]);
        assert!(finished(&output).is_ok() && stderr(&output).contains("nothing changed"), "{}", stderr(&output));

        // Someone else's honest results are only theirs.
        let other = world.path("other");
        copy(&cache, &other);
        let output = frozen(&world, &other, &[]);
        assert!(!stderr(&output).contains("nothing changed"), "{}", stderr(&output));
    }

    fn copy_over(from: &Path, to: &Path) {
        fs::remove_dir_all(to).unwrap();
        copy(from, to);
    }

    #[test]
    fn results_count_only_as_a_whole() {
        let (world, honest) = built();
        let (cache, dist) = (world.path("cache"), world.path("module/dist"));
        copy(&dist, &world.path("honest"));
        let layer = fs::read_dir(dist.join("oci/blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
        let layer = layer.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
        let flip = |path: &Path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        };
        let names =
            ["module.tar", "module.cfs", "manifest.json", "composefs.digest", "file-list.txt", "package-list.txt"];
        let mut damages: Vec<(String, Box<dyn Fn()>)> = Vec::new();
        for name in names.into_iter().chain(["oci/index.json", "oci/oci-layout"]).map(str::to_owned) {
            let path = dist.join(&name);
            damages.push((
                format!("{name} flipped"),
                Box::new({
                    let path = path.clone();
                    move || flip(&path)
                }),
            ));
            damages.push((
                format!("{name} gone"),
                Box::new({
                    let path = path.clone();
                    move || fs::remove_file(&path).unwrap()
                }),
            ));
            damages.push((
                format!("{name} a link"),
                Box::new({
                    let target = world.path("honest").join(&name);
                    move || {
                        fs::remove_file(&path).unwrap();
                        symlink(&target, &path).unwrap();
                    }
                }),
            ));
        }
        damages.push((
            "the layer".to_owned(),
            Box::new({
                let layer = layer.clone();
                move || flip(&layer)
            }),
        ));
        damages.push(("the layer gone".to_owned(), Box::new(move || fs::remove_file(&layer).unwrap())));
        for (how, damage) in damages {
            damage();
            let output = frozen(&world, &cache, &[]);
            if how.ends_with("a link") {
                // No build writes links, so this one is someone's own.
                assert_eq!(output.status.code(), Some(1), "{how}: {}", stderr(&output));
                copy_over(&world.path("honest"), &dist);
                continue;
            }
            assert_eq!(manifest(&finished(&output).unwrap()), honest, "{how}");
            assert!(!stderr(&output).contains("nothing changed"), "{how}");
            let same = Command::new("diff").arg("-r").args([&dist, &world.path("honest")]).status().unwrap();
            assert!(same.success(), "{how}");
        }
        // What no build wrote is neither passed off as one's results nor removed.
        fs::write(dist.join("oci/blobs/sha256/foreign"), "").unwrap();
        let output = frozen(&world, &cache, &[]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(dist.join("oci/blobs/sha256/foreign").is_file());
        copy_over(&world.path("honest"), &dist);
        // Another choice of outputs is another whole.
        fs::remove_dir_all(dist.join("oci")).unwrap();
        let output = frozen(&world, &cache, &["--emit", "tar"]);
        assert!(finished(&output).is_ok() && !stderr(&output).contains("nothing changed"));
    }

    fn pipe(path: &Path) {
        let _ = fs::remove_file(path);
        testkit::run(Command::new("mkfifo").arg(path));
    }

    #[test]
    fn what_others_may_have_written_into_the_cache_is_not_used_and_nothing_hangs() {
        let (world, honest) = built();
        let cache = world.path("cache");
        let entry = only(&cache.join("rootfs"));
        let listing = fs::read_dir(cache.join("listings")).unwrap().next().unwrap().unwrap().path();
        let (digests, record) = (only(&cache.join("digests")), only(&cache.join("records")));
        for path in [
            entry.join("record.json"),
            entry.join("seal.json"),
            entry.join("rootfs.tar"),
            listing,
            digests,
            record.clone(),
        ] {
            for (how, change) in [
                (
                    "writable",
                    &(|path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap())
                        as &dyn Fn(&Path),
                ),
                ("a pipe", &pipe),
                ("a link", &|path: &Path| {
                    let aside = path.with_extension("aside");
                    fs::rename(path, &aside).unwrap();
                    symlink(&aside, path).unwrap();
                }),
                ("another user's", &|path: &Path| std::os::unix::fs::chown(path, Some(65534), None).unwrap()),
            ] {
                change(&path);
                if path != record {
                    // Else nothing but the record is asked for.
                    fs::remove_dir_all(world.path("module/dist")).unwrap();
                }
                let output = frozen(&world, &cache, &[]);
                let built = finished(&output).unwrap_or_else(|failed| panic!("{path:?} {how}: {}", failed.stderr));
                assert_eq!(manifest(&built), honest, "{path:?} {how}");
                let _ = fs::remove_file(path.with_extension("aside"));
                assert!(finished(&frozen(&world, &cache, &[])).is_ok(), "{path:?} {how}");
            }
        }
    }

    #[test]
    fn a_cache_of_others_is_refused_with_a_hint() {
        let (world, _) = built();
        let cache = world.path("cache");
        let refused = |words: &str| {
            let output = frozen(&world, &cache, &[]);
            let failed = finished(&output).unwrap_err();
            failed.is(4, words);
            failed.is(4, "--cache-dir");
        };
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
        refused("may be written to by others (mode 0777)");
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::chown(&cache, Some(65534), None).unwrap();
        refused("belongs to another user (id 65534)");
        std::os::unix::fs::chown(&cache, Some(0), None).unwrap();
        let lock = cache.join("locks/use.lock");
        std::os::unix::fs::chown(&lock, Some(65534), None).unwrap();
        refused("belongs to another user (id 65534)");
        pipe(&lock);
        refused("is a named pipe, not a regular file");
    }

    #[test]
    fn who_waits_for_a_lock_says_so() {
        let (world, honest) = built();
        let cache = world.path("cache");
        for lock in fs::read_dir(cache.join("locks")).unwrap() {
            let mode = lock.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600, "nobody else can hold it");
        }
        let held = fs::File::options().write(true).open(cache.join("locks/use.lock")).unwrap();
        held.lock().unwrap();
        let said = world.path("said");
        let mut command = world.wrapped(&["timeout", "60"]);
        command.args(["build", "-C", "module", "--arch", "amd64", "--format=json", "--progress=none"]);
        command.stdout(Stdio::piped()).stderr(fs::File::create(&said).unwrap());
        let run = command.spawn().unwrap();
        for _ in 0..400 {
            if fs::read_to_string(&said).unwrap().contains("waiting for the lock") {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(held);
        let output = run.wait_with_output().unwrap();
        let said = fs::read_to_string(&said).unwrap();
        assert!(said.contains("waiting for the lock") && said.contains("locks/use.lock"), "{said}");
        assert_eq!(manifest(&finished(&output).unwrap()), honest);
    }
}

/// Gives a directory away; only root can.
fn give_away(path: &std::path::Path) -> bool {
    std::os::unix::fs::chown(path, Some(65534), Some(65534)).is_ok()
}

#[test]
fn a_cache_in_somebody_elses_directory_is_not_used() {
    let small = Small::new();
    small.write("m/manifest.yaml", "schema_version: 1\nname: web\npackage_spec: [hello]\nfile_spec: [/usr/***]\n");
    small.write("m/builder.toml", "mirrors = [\"http://127.0.0.1:9/debian\"]\n");
    std::fs::create_dir_all(small.path("theirs/deep")).unwrap();
    std::fs::create_dir(small.path("own")).unwrap();
    small.link("theirs/link", "../own");
    if !give_away(&small.path("theirs")) {
        return small.mode("theirs", 0o777);
    }
    for place in ["theirs/.cache", "theirs/deep/cache", "theirs/link/cache"] {
        let (code, _, err) = small.run(&["lock", "-C", "m", "--arch", "amd64", "--cache-dir", place]);
        assert_eq!(code, 4, "{err}");
        assert!(err.contains("the cache cannot be used") && err.contains("[SMALL]/theirs"), "{err}");
        assert!(err.contains("--cache-dir"), "{err}");
    }
    assert_eq!(std::fs::read_dir(small.path("own")).unwrap().count(), 0, "nothing was made by way of their link");
    assert!(!small.path("theirs/.cache").exists());
}

#[test]
fn settings_that_somebody_else_wrote_are_neither_taken_nor_shown() {
    let small = Small::new();
    small.write("home/.config/module-builder/config.toml", "cache_dir = \"/elsewhere\"\nsecret = 1\n");
    if !give_away(&small.path("home/.config/module-builder/config.toml")) {
        return;
    }
    let (code, out, err) = small.run(&["env"]);
    assert_eq!(code, 0, "{err}");
    assert!(!out.contains("/elsewhere") && !err.contains("secret"), "{out}{err}");
    assert!(err.contains("config.toml are not taken"), "{err}");
    small.remove("home/.config/module-builder/config.toml");
    small.link("home/.config/module-builder/config.toml", "/etc/passwd");
    std::os::unix::fs::lchown(small.path("home/.config/module-builder/config.toml"), Some(65534), None).unwrap();
    let (code, _, err) = small.run(&["validate", "m"]);
    assert_eq!(code, 0, "{err}");
    assert!(!err.contains("root:"), "{err}");
}

#[test]
fn a_second_build_lies_where_nobody_can_put_another_in_its_place() {
    let small = Small::new();
    small.build("m/dist");
    if !give_away(&small.path("m")) {
        return;
    }
    small.write("root/usr/share/web/large", "");
    std::fs::remove_dir_all(small.path("m/dist")).unwrap();
    std::os::unix::fs::chown(small.path("m"), Some(0), Some(0)).unwrap();
    small.build("m/dist");
    give_away(&small.path("m"));
    // A directory of a run would be in the way of the owner's own: none is made there.
    let before: Vec<_> = std::fs::read_dir(small.path("m")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let trace = small.path("m").metadata().unwrap().modified().unwrap();
    let (code, _, err) = small.run(&["rebuild", "m/dist", "--rootfs", "root"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(small.path("m").metadata().unwrap().modified().unwrap(), trace, "nothing was made or removed there");
    let after: Vec<_> = std::fs::read_dir(small.path("m")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(before, after);
}
