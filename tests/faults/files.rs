//! `[[file]]` beside the packages, and alone: what is locked, fetched and said.

use std::fs;
use std::process::Command;

use model::Digest;
use testkit::{Mounted, run};

use crate::archive::{World, debs, manifest};
use crate::server::Server;

/// A module without packages, of the variant `variant`, whose settings end in `more`.
fn without_packages(variant: &str, more: &str) -> World {
    let world = World::new(&debs("1"));
    let text = "schema_version: 1\nname: small\nlicense: MIT\nfile_spec: [/usr/***]\n";
    fs::write(world.path("module/manifest.yaml"), text).unwrap();
    let settings = world.path("module/builder.toml");
    let text = fs::read_to_string(&settings).unwrap().replace("\"extract\"", &format!("\"{variant}\""));
    fs::write(&settings, text + more).unwrap();
    world
}

/// A table for the file `content`, which is written to `name` in the world and goes to `destination`.
fn table(world: &World, name: &str, content: &str, destination: &str) -> String {
    fs::write(world.path(name), content).unwrap();
    let (url, hex) = (world.path(name).display().to_string(), Digest::of(content.as_bytes()).hex());
    format!("[[file]]\nurl = \"file:{url}\"\nsha256 = \"{hex}\"\ndestination = \"{destination}\"\nmode = \"0755\"\n")
}

fn add(world: &World, text: &str) {
    let settings = world.path("module/builder.toml");
    fs::write(&settings, fs::read_to_string(&settings).unwrap() + text).unwrap();
}

#[test]
fn a_module_without_a_package_is_built_over_an_empty_root() {
    for variant in ["extract", "custom"] {
        for kind in ["file", "overlay", "both"] {
            let world = without_packages(variant, "");
            if kind != "overlay" {
                add(&world, &table(&world, "tool", "#!/bin/sh\n", "/usr/bin/tool"));
            }
            if kind != "file" {
                fs::create_dir_all(world.path("module/rootfs/usr/share/doc")).unwrap();
                fs::write(world.path("module/rootfs/usr/share/doc/read"), "read\n").unwrap();
            }
            let about = format!("{variant}, {kind}");
            let open = world.build(&["--dry-run"]).unwrap_or_else(|failed| panic!("{about}: {failed:?}"));
            assert!(
                !open["findings"].to_string().contains("floating-versions"),
                "{about}: no package's version floats"
            );
            run(world.command().args(["lock", "-C", "module", "--arch", "amd64"]));
            run(world.command().args(["fetch", "module"]));
            fs::rename(world.path("archive"), world.path("away")).unwrap();
            let dry = world.build(&["--frozen", "--dry-run"]).unwrap_or_else(|failed| panic!("{about}: {failed:?}"));
            assert_eq!(dry["packages"], 0, "{about}");
            let first = world.build(&["--frozen"]).unwrap_or_else(|failed| panic!("{about}: {failed:?}"));
            let again = world.build(&["--frozen", "--no-cache", "--output", "again"]).unwrap();
            assert_eq!(manifest(&first), manifest(&again), "{about}");
            let listed = fs::read_to_string(world.path("module/dist/file-list.txt")).unwrap();
            assert_eq!(listed.contains("/usr/bin/tool\n"), kind != "overlay", "{about}: {listed}");
            assert_eq!(listed.contains("/usr/share/doc/read\n"), kind != "file", "{about}: {listed}");
            assert!(world.tell(&["rebuild", "module/dist", "--offline"]).starts_with("exit code: 0"), "{about}");
            let said = world.tell(&["explain", "/usr/bin/tool", "module", "--arch", "amd64", "--frozen"]);
            assert_eq!(said.contains("is shipped"), kind != "overlay", "{about}: {said}");
        }
    }
}

#[test]
fn what_is_fetched_counts_files_beside_packages() {
    let world = without_packages("extract", "");
    let all = table(&world, "one", "#!/bin/sh\n", "/usr/bin/one") + &table(&world, "two", "two\n", "/usr/bin/two");
    add(&world, &all);
    let said = world.tell(&["lock", "-C", "module", "--arch", "amd64"]);
    assert!(said.contains("locked 0 packages for amd64, 2 files"), "{said}");
    let said = world.tell(&["fetch", "module"]);
    assert!(said.contains("2 files, 14 B; 0 packages for amd64, 0 B"), "{said}");
    let said = world.tell(&["fetch", "module", "--format", "json"]);
    assert!(said.contains("\"files\": 2") && said.contains("\"files_size\": 14"), "{said}");
    world.ask_for("lib");
    add(
        &world,
        &table(&world, "three", "3", "/usr/bin/three").replace("[[file]]", "[[file]]\narchitectures = [\"arm64\"]"),
    );
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64,arm64", "--update"]));
    let said = world.tell(&["fetch", "module", "--arch", "amd64"]);
    assert!(said.contains("2 files, 14 B; 1 package for amd64, "), "{said}");
}

#[test]
fn without_a_network_offline_is_advised_only_where_it_helps() {
    let world = World::new(&debs("1"));
    world.take_from("http://127.0.0.1:9/debian");
    for verb in ["lock", "build"] {
        let said = world.tell(&[verb, "-C", "module", "--arch", "amd64"]);
        assert!(said.starts_with("exit code: 4") && said.contains("`--offline` does not help"), "{verb}: {said}");
        let said = world.tell(&[verb, "-C", "module", "--arch", "amd64", "--offline"]);
        assert!(said.starts_with("exit code: 4") && said.contains("where there is a network"), "{verb}: {said}");
    }
    // A mirror that was there once.
    let mirror = Server::mirror(&world);
    world.take_from(&format!("http://127.0.0.1:{}", mirror.port));
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64"]));
    drop(mirror);
    fs::remove_file(world.path("module/module.lock")).unwrap();
    let said = world.tell(&["lock", "-C", "module", "--arch", "amd64"]);
    assert!(said.starts_with("exit code: 4") && said.contains("`--offline` uses what is cached"), "{said}");
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64", "--offline"]));
}

#[test]
fn lock_tries_each_file_before_it_writes() {
    let world = without_packages("extract", "");
    let good = table(&world, "good", "good\n", "/usr/bin/good");
    let lock = |more: &[&str]| {
        let said = world.tell(&[&["lock", "-C", "module", "--arch", "amd64"], more].concat());
        (said, world.path("module/module.lock").exists())
    };
    let with = |text: &str| {
        world.take_from(&format!("file:{}", world.path("archive").display()));
        add(&world, text);
    };
    // An address without a file, and a file with another sha256.
    with(&good.replace("/good\"\nsha256", "/gone\"\nsha256"));
    let (said, is_there) = lock(&[]);
    assert!(said.starts_with("exit code: 4") && said.contains("there is no such file") && !is_there, "{said}");
    assert!(said.contains("module/builder.toml:"), "{said}");
    with(&good.replace(&Digest::of(b"good\n").hex(), &Digest::of(b"other").hex()));
    let (said, is_there) = lock(&[]);
    assert!(said.starts_with("exit code: 3") && said.contains("is not the one whose sha256") && !is_there, "{said}");
    // What is for another architecture is not asked for; offline nothing is, and that is said.
    with(&good.replace("/good\"\nsha256", "/gone\"\narchitectures = [\"arm64\"]\nsha256"));
    let (said, is_there) = lock(&[]);
    assert!(said.starts_with("exit code: 0") && is_there, "{said}");
    with(&good.replace("/good\"\nsha256", "/gone\"\nsha256"));
    let (said, _) = lock(&["--offline"]);
    assert!(said.starts_with("exit code: 0") && said.contains("were not tried"), "{said}");
    // What was tried is in the cache.
    with(&good);
    let (said, _) = lock(&[]);
    assert!(said.contains("locked 0 packages for amd64, 1 file"), "{said}");
    fs::remove_file(world.path("good")).unwrap();
    world.build(&["--frozen"]).unwrap();
    assert!(lock(&[]).0.contains("the lock fits"), "a lock that fits asks for nothing");
}

#[test]
fn a_disk_that_is_full_is_not_the_files_fault() {
    let script = "import sys, tarfile, zipfile
path = sys.argv[1]
open('zeros', 'wb').write(bytes(30 << 20))
with zipfile.ZipFile(path + '.zip', 'w', zipfile.ZIP_DEFLATED) as out: out.write('zeros')
with tarfile.open(path + '.tgz', 'w:gz') as out: out.add('zeros')
";
    let world = without_packages("extract", "");
    run(Command::new("python3").args(["-c", script]).arg(world.path("a")).current_dir(world.path("")));
    fs::create_dir(world.path("cache")).unwrap();
    for (name, unpack) in [("zeros", ""), ("a.zip", "zip"), ("a.tgz", "tar")] {
        world.take_from(&format!("file:{}", world.path("archive").display()));
        let hex = Digest::of(&fs::read(world.path(name)).unwrap()).hex();
        let mut text = format!("[[file]]\nurl = \"file:{}\"\nsha256 = \"{hex}\"\n", world.path(name).display());
        text += "destination = \"/usr/share/zeros\"\n";
        if !unpack.is_empty() {
            text += &format!("unpack = \"{unpack}\"\n");
        }
        add(&world, &text);
        let disk = Mounted::new(&["-t", "tmpfs", "-o", "size=8m,mode=0755", "tmpfs"], &world.path("cache"));
        let failed = world.build(&["--dry-run"]).unwrap_err();
        failed.is(4, "o space left on device");
        let helps = ["free some space", "make room"].iter().any(|hint| failed.stderr.contains(hint));
        assert!(helps, "{name}: {}", failed.stderr);
        assert!(!failed.stderr.contains("check that `unpack`"), "{name}: {}", failed.stderr);
        run(Command::new("mount").args(["-o", "remount,size=99m"]).arg(disk.path()));
        world.build(&["--dry-run"]).unwrap();
    }
}

#[test]
fn one_file_of_several_architectures_is_the_same_for_each() {
    let world = without_packages("extract", "");
    let one = table(&world, "one", "#!/bin/sh\n", "/usr/bin/one");
    let own =
        table(&world, "two", "two\n", "/usr/bin/two").replace("[[file]]", "[[file]]\narchitectures = [\"amd64\"]");
    add(&world, &(one + &own));
    let both =
        |verb: &str, more: &[&str]| world.tell(&[&[verb, "-C", "module", "--arch", "amd64,arm64"], more].concat());
    assert!(both("lock", &[]).starts_with("exit code: 0"));
    let said = both("build", &["--frozen"]);
    assert!(said.starts_with("exit code: 0"), "{said}");
    for (arch, listed) in [("amd64", "/usr/bin/one\n/usr/bin/two\n"), ("arm64", "/usr/bin/one\n")] {
        let list = fs::read_to_string(world.path(&format!("module/dist/{arch}/file-list.txt"))).unwrap();
        assert!(list.ends_with(listed), "{list}");
    }
    // Nor does a run beside it change anything.
    let said = both("build", &["--frozen"]);
    assert!(said.contains("nothing changed"), "{said}");
}

#[test]
fn no_file_comes_below_a_real_directory_where_a_node_has_a_link() {
    for variant in ["extract", "custom"] {
        let world = without_packages(variant, "");
        let mut all = String::new();
        for (name, destination) in [("one", "/bin/one"), ("two", "/lib/two/data"), ("three", "/usr/sbin/three")] {
            all += &table(&world, name, name, destination);
        }
        add(&world, &all);
        run(world.command().args(["lock", "-C", "module", "--arch", "amd64"]));
        let wanted = "/usr/bin/one\n/usr/lib/two/data\n/usr/sbin/three\n";
        for more in [&["--dry-run", "--output", "dry"][..], &["--output", "built"]] {
            world.build(more).unwrap();
            let list = fs::read_to_string(world.path(more.last().unwrap()).join("file-list.txt")).unwrap();
            let files: String = list.split_inclusive('\n').filter(|line| !line.ends_with("/\n")).collect();
            assert_eq!(files, wanted, "{variant}: {list}");
        }
        let said = world.tell(&["explain", "/bin/one", "module", "--arch", "amd64"]);
        assert!(said.contains("/usr/bin/one is shipped"), "{variant}: {said}");
    }
}

#[test]
fn a_lock_from_elsewhere_names_files_and_does_nothing_by_it() {
    let world = without_packages("extract", "");
    add(&world, &table(&world, "tool", "tool\n", "/usr/bin/tool"));
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64"]));
    let path = world.path("module/module.lock");
    let lock = fs::read_to_string(&path).unwrap();
    let table = &lock[lock.find("[[inputs.file]]").unwrap()..lock.find("[[architecture]]").unwrap()];
    let url = table.lines().nth(1).unwrap();
    let hostile = [
        lock.replace(url, "url = \"file:/srv/../etc/shadow\""),
        lock.replace(url, "url = \"https://user:word@h.example.org/x\""),
        lock.replace(url, "url = \"https://h.example.org/\\u001b[31m\""),
        lock.replace(url, "url = \"gopher://h.example.org/x\""),
        lock.replace(url, "url = -1"),
        lock.replace(url, &format!("{url}\nsize = 99999999999999999999")),
        lock.replace(url, &format!("{url}\ndestination = \"/../x\"")),
        lock.replace(url, &format!("{url}\nmode = -1")),
        lock.replace(url, &format!("{url}\narchitectures = [\"../x\"]")),
        lock.replace("sha256 = \"sha256:", "sha256 = \"sha256:.."),
        // Of the right form, and not what the module asks for: twice, and another.
        lock.replace(table, &table.repeat(2)),
        lock.replace(url, "url = \"file:/etc/hostname\""),
    ];
    for text in hostile {
        assert_ne!(text, lock);
        fs::write(&path, &text).unwrap();
        for verb in [&["build", "-C", "module", "--frozen", "--arch", "amd64"][..], &["fetch", "module"]] {
            let said = world.tell(verb);
            assert!(said.starts_with("exit code: 1"), "{said}\n{text}");
            assert!(!said.contains("word@") && !said.contains('\u{1b}'), "{said}");
        }
    }
}

#[test]
fn a_pinned_moment_is_that_of_packages_and_not_of_files() {
    let world = World::new(&debs("1"));
    let moment = world.path("snapshots/20250520T000000Z");
    fs::create_dir_all(moment.parent().unwrap()).unwrap();
    run(Command::new("cp").arg("-a").arg(world.path("archive")).arg(&moment));
    let snapshots = format!("snapshot_mirror = \"file:{}\"\n", world.path("snapshots").display());
    add(&world, &(snapshots + &table(&world, "tool.sh", "#!/bin/sh\n", "/usr/share/small/tool.sh")));
    let said = world.tell(&["lock", "-C", "module", "--arch", "amd64", "--snapshot", "20250520T000000Z"]);
    assert!(said.contains("locked 2 packages for amd64, 1 file"), "{said}");
    let listed = world.build(&["--dry-run", "--snapshot", "20250520T000000Z", "--output", "listed"]);
    listed.unwrap();
    assert!(fs::read_to_string(world.path("listed/file-list.txt")).unwrap().contains("/usr/share/small/tool.sh\n"));
}

#[test]
fn lock_tries_an_address_although_the_cache_has_its_file() {
    let world = without_packages("extract", "");
    let good = table(&world, "good", "good\n", "/usr/bin/good");
    let settings = world.path("module/builder.toml");
    let before = fs::read_to_string(&settings).unwrap();
    let lock = |text: &str, more: &[&str]| {
        fs::write(&settings, format!("{before}{text}")).unwrap();
        world.tell(&[&["lock", "-C", "module", "--arch", "amd64"], more].concat())
    };
    assert!(lock(&good, &[]).starts_with("exit code: 0"));
    // The same file is said to be at an address where there is none, where there is another, and where no one answers.
    fs::write(world.path("other"), "else\n").unwrap();
    let at = |address: &str| good.replace(&format!("file:{}", world.path("good").display()), address);
    for (address, code, words) in [
        (format!("file:{}", world.path("gone").display()), 4, "there is no such file"),
        (format!("file:{}", world.path("other").display()), 3, "is not the one whose sha256"),
        ("http://127.0.0.1:9/good".to_owned(), 4, "127.0.0.1:9/good: "),
    ] {
        let said = lock(&at(&address), &[]);
        assert!(said.starts_with(&format!("exit code: {code}")) && said.contains(words), "{said}");
        assert!(said.contains("module/builder.toml:"), "{said}");
        let said = lock(&at(&address), &["--update"]);
        assert!(said.starts_with(&format!("exit code: {code}")), "{said}");
    }
    // What the lock has is asked whether it answers; a build asks no one.
    assert!(lock(&good, &["--update"]).starts_with("exit code: 0"));
    fs::rename(world.path("good"), world.path("away")).unwrap();
    let said = lock(&good, &["--update"]);
    assert!(said.starts_with("exit code: 4") && said.contains("there is no such file"), "{said}");
    world.build(&["--frozen"]).unwrap();
}

#[test]
fn lock_and_validate_try_to_unpack() {
    let world = without_packages("extract", "");
    fs::write(world.path("tool"), "#!/bin/sh\n").unwrap();
    run(Command::new("tar").arg("-czf").arg(world.path("a.tgz")).arg("-C").arg(world.path("")).arg("tool"));
    let content = fs::read(world.path("a.tgz")).unwrap();
    let (url, hex) = (world.path("a.tgz").display().to_string(), Digest::of(&content).hex());
    let settings = world.path("module/builder.toml");
    let before = fs::read_to_string(&settings).unwrap();
    let asked = |keys: &str| {
        let table = format!("[[file]]\nurl = \"file:{url}\"\nsha256 = \"{hex}\"\ndestination = \"/usr/bin\"\n{keys}\n");
        fs::write(&settings, format!("{before}{table}")).unwrap();
    };
    asked("unpack = \"tar\"");
    assert!(world.tell(&["validate", "module"]).starts_with("exit code: 0"), "the cache has nothing of it");
    let said = world.tell(&["lock", "-C", "module", "--arch", "amd64"]);
    assert!(said.starts_with("exit code: 0"), "{said}");
    assert!(world.tell(&["validate", "module"]).starts_with("exit code: 0"));
    for (keys, words, key) in [
        ("unpack = \"zip\"", "cannot be unpacked", "unpack = \"zip\""),
        ("unpack = \"tar\"\nstrip = 3", "`strip` leaves no file", "strip = 3"),
        ("unpack = \"tar\"\ninclude = [\"/none\"]", "takes nothing of", "include = "),
    ] {
        asked(keys);
        let said = world.tell(&["lock", "-C", "module", "--arch", "amd64", "--update"]);
        assert!(said.starts_with("exit code: 1") && said.contains(words) && said.contains(key), "{said}");
        let said = world.tell(&["validate", "module"]);
        assert!(said.starts_with("exit code: 1") && said.contains(words) && said.contains(key), "{said}");
        assert!(said.contains("  help: ") || said.contains("= help: "), "{said}");
    }
}

#[test]
fn a_module_without_packages_is_told_of_extract_and_not_of_versions_that_float() {
    for (variant, is_told) in [("extract", false), ("custom", false), ("minbase", true), ("essential", true)] {
        let world = without_packages(variant, "");
        add(&world, &table(&world, "tool", "#!/bin/sh\n", "/usr/bin/tool"));
        for more in [&[][..], &["--dry-run"]] {
            let said = world.tell(&[&["build", "-C", "module", "--arch", "amd64"], more].concat());
            assert_eq!(said.contains("variant = \"extract\" in builder.toml"), is_told, "{variant}: {said}");
            assert!(!said.contains("float"), "{variant}: {said}");
        }
    }
}

#[test]
fn a_module_of_an_archive_alone_comes_out_again() {
    for variant in ["extract", "custom"] {
        let world = without_packages(variant, "");
        fs::create_dir(world.path("packed")).unwrap();
        fs::write(world.path("packed/tool"), "#!/bin/sh\n").unwrap();
        let mut pack = Command::new("tar");
        testkit::run(
            pack.args(["--mtime=@1700000000", "-cf"])
                .arg(world.path("tool.tar"))
                .arg("-C")
                .arg(world.path("packed"))
                .arg("tool"),
        );
        let content = fs::read(world.path("tool.tar")).unwrap();
        let (url, hex) = (world.path("tool.tar"), Digest::of(&content).hex());
        let keys = "destination = \"/usr/lib/tool\"\nunpack = \"tar\"";
        add(&world, &format!("[[file]]\nurl = \"file:{}\"\nsha256 = \"{hex}\"\n{keys}\n", url.display()));
        // The time of the build is that of the newest file, which is known when the archive was read.
        world.build(&[]).unwrap_or_else(|failed| panic!("{variant}: {failed:?}"));
        assert!(fs::read_to_string(world.path("module/dist/build.json")).unwrap().contains("1700000000"), "{variant}");
        let said = world.tell(&["rebuild", "module/dist", "--offline"]);
        assert!(said.starts_with("exit code: 0"), "{variant}: {said}");
    }
}

#[test]
fn a_module_of_files_alone_needs_no_archive() {
    for variant in ["extract", "custom"] {
        let world = without_packages(variant, "");
        add(&world, &table(&world, "tool", "#!/bin/sh\n", "/usr/bin/tool"));
        fs::rename(world.path("archive"), world.path("away")).unwrap();
        let open = world.build(&[]).unwrap_or_else(|failed| panic!("{variant}: {failed:?}"));
        assert!(world.tell(&["build", "-C", "module", "--arch", "amd64", "--dry-run"]).starts_with("exit code: 0"));
        let said = world.tell(&["lock", "-C", "module", "--arch", "amd64,arm64"]);
        assert!(said.starts_with("exit code: 0") && !said.contains("key"), "{variant}: no archive is shown: {said}");
        let lock = fs::read_to_string(world.path("module/module.lock")).unwrap();
        assert!(!lock.contains("architecture.archive"), "{variant}: {lock}");
        for arguments in
            [&["lock", "--check", "module"][..], &["lock", "--update", "-C", "module"], &["fetch", "module"]]
        {
            let said = world.tell(arguments);
            assert!(said.starts_with("exit code: 0"), "{variant}: {arguments:?}: {said}");
        }
        let frozen = world.build(&["--frozen"]).unwrap_or_else(|failed| panic!("{variant}: {failed:?}"));
        assert_eq!(manifest(&frozen), manifest(&open), "{variant}");
        assert!(world.tell(&["rebuild", "module/dist", "--offline"]).starts_with("exit code: 0"), "{variant}");
        world.ask_for("tool");
        fs::remove_file(world.path("module/module.lock")).unwrap();
        assert!(!world.tell(&["lock", "-C", "module", "--arch", "amd64"]).starts_with("exit code: 0"), "{variant}");
    }
}

#[test]
fn nothing_takes_the_place_of_a_link_of_the_node() {
    let world = without_packages("custom", "");
    let manifest = "schema_version: 1\nname: small\nlicense: MIT\nfile_spec: [/usr/***, /bin]\n";
    fs::write(world.path("module/manifest.yaml"), manifest).unwrap();
    let rootfs = world.path("module/rootfs");
    fs::create_dir_all(rootfs.join("bin")).unwrap();
    fs::write(rootfs.join("bin/tool"), "x\n").unwrap();
    world.build(&[]).unwrap();
    let list = fs::read_to_string(world.path("module/dist/file-list.txt")).unwrap();
    assert!(list.contains("/usr/bin/tool\n") && !list.contains("\n/bin/tool"), "{list}");
    fs::remove_dir_all(rootfs.join("bin")).unwrap();
    fs::write(rootfs.join("bin"), "x\n").unwrap();
    world.build(&[]).unwrap_err().is(1, "/bin would be a file of the module");
    fs::remove_file(rootfs.join("bin")).unwrap();
    std::os::unix::fs::symlink("/opt", rootfs.join("bin")).unwrap();
    world.build(&[]).unwrap_err().is(1, "/bin would be a link that leads elsewhere of the module");
    // Two names that a link makes one.
    fs::remove_dir_all(&rootfs).unwrap();
    add(&world, &table(&world, "one", "1\n", "/usr/bin/tool"));
    add(&world, &table(&world, "two", "2\n", "/bin/tool"));
    world.build(&[]).unwrap_err().is(1, "are one file, /usr/bin/tool");
}
