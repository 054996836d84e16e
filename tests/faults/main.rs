//! What happens when the world does not play along: damaged caches, lying mirrors, full disks,
//! killed processes, no network. Each ends in a clear error or in the right bytes.
//!
//! Needs root (namespaces, a tmpfs), gpg and mmdebstrap; `cargo xtask test` runs it.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]
#![allow(unreachable_pub, reason = "the modules of a test program are reached by nobody else")]

mod archive;
mod candidates;
mod closure;
mod draft;
mod fetch;
mod files;
mod host;
mod https;
mod listing;
mod lock;
mod lower;
mod own;
mod proxy;
mod refusals;
mod repositories;
mod requirements;
mod server;
mod several;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use archive::{BUILD, World, debs, finished, manifest};
use testkit::{Mounted, Random, run};

fn locked() -> World {
    let world = World::new(&debs("1"));
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64"]));
    world
}

/// The cached .debs.
fn cached(world: &World) -> Vec<PathBuf> {
    let subdirs = fs::read_dir(world.path("cache/debs/sha256")).unwrap();
    let files = subdirs.flat_map(|subdir| fs::read_dir(subdir.unwrap().path()).unwrap());
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn flip(path: &Path) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let at = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

fn truncate(path: &Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
}

#[test]
fn a_damaged_package_in_the_cache_is_never_used() {
    let world = locked();
    let sound = manifest(&world.build(&[]).unwrap()).to_owned();
    for damage in [flip, truncate] {
        cached(&world).iter().for_each(|path| damage(path));
        world.build(&["--no-cache", "--frozen"]).unwrap_err().is(4, "the cache does not hold ");
        assert_eq!(manifest(&world.build(&["--no-cache"]).unwrap()), sound, "the mirror still has them");
        cached(&world).iter().for_each(|path| damage(path));
        fs::rename(world.path("archive"), world.path("away")).unwrap();
        world.build(&["--no-cache"]).unwrap_err().is(4, "tool");
        fs::rename(world.path("away"), world.path("archive")).unwrap();
        assert_eq!(manifest(&world.build(&["--no-cache"]).unwrap()), sound);
    }
}

#[test]
fn an_empty_cache_and_no_network_are_said_in_three_lines() {
    let many: Vec<archive::Deb> = debs("1").into_iter().chain(MANY.map(archive::Deb::small)).collect();
    let world = World::new(&many);
    world.ask_for(&["tool"].into_iter().chain(MANY).collect::<Vec<_>>().join(", "));
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64"]));
    fs::remove_dir_all(world.path("cache")).unwrap();
    let offline: [&[&str]; 4] =
        [&["--frozen"], &["--offline"], &["--frozen", "--dry-run"], &["--frozen", "--no-cache"]];
    for more in offline {
        let output = world.command().args(["build", "-C", "module", "--arch", "amd64"]).args(more).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        let [error, cause, help] = lines.as_slice() else { panic!("{more:?}:\n{said}") };
        assert_eq!(*error, "error: 14 packages could not be fetched");
        assert!(cause.starts_with("  caused by: offline, and the cache does not hold "), "{cause}");
        assert!(cause.ends_with(" and 7 more"), "{cause}");
        assert!(help.starts_with("  help: run `module-builder fetch` where there is a network, or "), "{help}");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(4), &b""[..]), "{more:?}");
    }
    // What the help says, and a cache that lacks one.
    run(world.command().args(["fetch", "-C", "module", "--arch", "amd64"]));
    world.build(&["--frozen"]).unwrap();
    fs::remove_file(&cached(&world)[0]).unwrap();
    world.build(&["--frozen", "--no-cache"]).unwrap_err().is(4, "1 package could not be fetched");
}

/// Names of packages that need nothing.
const MANY: [&str; 12] = ["a1", "b1", "c1", "d1", "e1", "f1", "g1", "h1", "i1", "j1", "k1", "l1"];

#[test]
fn a_mirror_that_serves_other_bytes_is_refused() {
    let world = locked();
    flip(&world.tool("1"));
    world.build(&[]).unwrap_err().is(3, "the mirror serves other bytes than were locked");
    truncate(&world.tool("1"));
    world.build(&[]).unwrap_err().is(3, "tool");
    fs::remove_file(world.tool("1")).unwrap();
    world.build(&[]).unwrap_err().is(4, "the mirror does not have it");
    assert!(!world.path("module/dist").exists(), "nothing was built");
    world.publish(&debs("1"), "");
    world.build(&[]).unwrap();
}

#[test]
fn an_expired_or_forged_release_counts_until_there_is_a_lock() {
    let world = World::new(&debs("1"));
    world.publish(&debs("1"), "Valid-Until: Sun, 02 Jan 2022 00:00:00 UTC\n");
    world.build(&[]).unwrap_err().is(3, "not valid at this time");
    world.publish(&debs("1"), "");
    let signed = world.path("archive/dists/test/InRelease");
    let sound = fs::read_to_string(&signed).unwrap();
    fs::write(&signed, sound.replacen("Origin: Test", "Origin: Tost", 1)).unwrap();
    world.build(&[]).unwrap_err().is(3, "the archive's signature is refused");
    fs::write(&signed, sound).unwrap();
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64"]));

    let built = world.build(&[]).unwrap();
    fs::write(&signed, "forged").unwrap();
    assert_eq!(manifest(&world.build(&["--no-cache"]).unwrap()), manifest(&built), "the .debs are held to the lock");
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_wrong() {
    let world = locked();
    let sound = manifest(&world.build(&[]).unwrap()).to_owned();
    let mut full = 0;
    for size in ["200k", "400k", "600k", "900k", "2m", "16m"] {
        fs::remove_dir_all(world.path("cache")).unwrap();
        fs::create_dir(world.path("cache")).unwrap();
        let disk =
            Mounted::new(&["-t", "tmpfs", "-o", &format!("size={size},mode=0755"), "tmpfs"], &world.path("cache"));
        match world.build(&[]) {
            Ok(built) => assert_eq!(manifest(&built), sound, "{size}"),
            Err(failed) => {
                full += 1;
                let said = failed.stderr.to_lowercase();
                assert_eq!(failed.code, Some(4), "{size}: {said}");
                assert!(said.contains("no space left") || said.contains("enough free space"), "{size}: {said}");
                // With room, the same cache is good again.
                run(Command::new("mount").args(["-o", "remount,size=32m"]).arg(disk.path()));
                assert_eq!(manifest(&world.build(&[]).unwrap()), sound, "{size}");
            }
        }
    }
    assert!(full >= 3, "the disk was full {full} times only");
}

#[test]
fn two_processes_share_one_cache() {
    let world = locked();
    let start = |output: &str| {
        let mut command = world.command();
        command.args(BUILD).args(["--output", output]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let running: Vec<_> = ["module/one", "module/two", "module/three"].map(start).into();
    let built: Vec<_> =
        running.into_iter().map(|child| finished(&child.wait_with_output().unwrap()).unwrap()).collect();
    assert!(built.iter().all(|one| manifest(one) == manifest(&built[0])));
    let fresh = built.iter().filter(|one| one.pointer("/rootfs/reused") == Some(&false.into())).count();
    assert_eq!(fresh, 1, "one of them made the root file system");
}

#[test]
fn a_build_that_is_killed_at_any_instant_leaves_nothing_wrong() {
    let world = locked();
    let start = Instant::now();
    world.build(&[]).unwrap();
    let (whole, sound) = (start.elapsed(), world.dist());
    let mut random = Random::from_environment();
    let mut killed = 0;
    for _ in 0..8 {
        fs::remove_dir_all(world.path("cache")).unwrap();
        let mut child = world.command().args(BUILD).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let instant = random.below(u64::try_from(whole.as_millis()).unwrap());
        thread::sleep(Duration::from_millis(instant));
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().code().is_none());
        let there = world.path("module/dist");
        assert!(!there.exists() || world.dist() == sound, "half an output after {instant} ms");
        world.build(&[]).unwrap();
        assert_eq!(world.dist(), sound, "after a kill at {instant} ms");
        if random.one_in(2) {
            fs::remove_dir_all(there).unwrap();
        }
        let beside: Vec<_> =
            fs::read_dir(world.path("module")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!beside.iter().any(|name| name.to_string_lossy().contains("partial")), "{beside:?}");
    }
    assert!(killed >= 4, "only {killed} of 8 were still running");
}

#[test]
fn an_interrupt_is_said_in_one_line_and_leaves_nothing_wrong() {
    let world = locked();
    let first = world.build(&[]).unwrap();
    let sound = manifest(&first);
    for (signal, said) in [(Signal::INT, "interrupted"), (Signal::TERM, "terminated")] {
        // An archive that takes a request and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mirror = format!("--mirror=http://{}/debian", silent.local_addr().unwrap());
        let mut lock = world.command();
        lock.args(["lock", "module", "--update", &mirror]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = lock.spawn().unwrap();
        let held = silent.accept().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "{output:?}");
        let err = String::from_utf8(output.stderr).unwrap();
        let last = format!("{said}: downloads stay, all else that this run made for itself is removed\n");
        assert!(err.ends_with(&last) && err.matches(said).count() == 1, "{err}");
        assert!(output.stdout.is_empty());
        drop(held);
        assert_eq!(manifest(&world.build(&[]).unwrap()), sound);
    }
}

/// The template module, frozen, where there is no network at all.
#[test]
fn the_template_is_built_without_network_from_a_warm_cache_alone() {
    let world = World::new(&debs("1"));
    let warm = testkit::warm_cache();
    run(world.command().args(["init", "--name", "frozen-nginx", "nginx"]));
    run(world.command().env("MODULE_BUILDER_CACHE_DIR", &warm).args(["lock", "-C", "nginx", "--arch", "amd64"]));
    let build = |wrapper: &[&str], cache: &Path, more: &[&str]| {
        let mut command = world.wrapped(wrapper);
        command.env("MODULE_BUILDER_CACHE_DIR", cache).args([
            "build",
            "-C",
            "nginx",
            "--arch",
            "amd64",
            "--format=json",
        ]);
        finished(&command.args(more).output().unwrap())
    };
    let online = build(&[], &warm, &["--locked"]).unwrap();
    let alone = ["unshare", "-n"];
    // The root file system is made again, from the .debs.
    let offline = build(&alone, &warm, &["--frozen", "--no-cache"]).unwrap();
    assert_eq!(manifest(&offline), manifest(&online));
    let failed = build(&alone, &world.path("cold"), &["--frozen"]).unwrap_err();
    failed.is(4, "offline, and the cache does not hold ");
    failed.is(4, "run `module-builder fetch` where there is a network");
    fs::remove_file(world.path("nginx/module.lock")).unwrap();
    build(&alone, &warm, &["--frozen"]).unwrap_err().is(1, "a lock is required");
}
