//! The verb `fetch`: whole runs.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use insta::assert_snapshot;
use testkit::run;

use crate::archive::{Deb, World, debs};

#[test]
fn what_the_lock_names_is_fetched_for_builds_without_network() {
    let mut packages = debs("1");
    packages.push(Deb { arch: "arm64", ..debs("1").swap_remove(0) });
    let world = World::new(&packages);
    assert_snapshot!("without_lock", world.tell(&["fetch", "-C", "module"]));
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64,arm64"]));
    assert_snapshot!("one", world.tell(&["fetch", "-C", "module", "--arch", "arm64"]));
    world.build(&["--frozen"]).unwrap_err().is(4, "tool");
    assert_snapshot!("all", world.tell(&["fetch", "-C", "module", "--format=json"]));
    // What is there is not asked for again.
    fs::rename(world.path("archive"), world.path("away")).unwrap();
    run(world.command().args(["fetch", "-C", "module"]));
    world.build(&["--frozen"]).unwrap();
}

#[test]
fn nothing_is_fetched_for_a_module_that_is_wrong() {
    let world = World::new(&debs("1"));
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64"]));
    assert_snapshot!("other_arch", world.tell(&["fetch", "-C", "module", "--arch", "arm64"]));
    world.ask_for("lib");
    assert_snapshot!("drifted", world.tell(&["fetch", "-C", "module"]));
    world.ask_for("Tool");
    assert_snapshot!("manifest", world.tell(&["fetch", "-C", "module"]));
    assert!(!world.path("cache/debs").exists());
}

/// A mirror of the world's archive that takes a moment for each file, and counts how many it serves at once.
fn busy_mirror(archive: PathBuf) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    // It ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (archive, now, peak) = (archive.clone(), Arc::clone(&now), Arc::clone(&peak));
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let Some(Ok(line)) = lines.next() else { return };
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).for_each(drop);
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(50));
                let (status, body) = match fs::read(archive.join(path.trim_start_matches('/'))) {
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                now.fetch_sub(1, Ordering::SeqCst);
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            });
        }
    });
    (port, most)
}

#[test]
fn as_many_files_as_jobs_says_come_at_once_and_eight_where_nobody_says_it() {
    const NAMES: [&str; 12] = ["a1", "b2", "c3", "d4", "e5", "f6", "g7", "h8", "i9", "j10", "k11", "l12"];
    let deb = |name| Deb { name, version: "1", arch: "amd64", depends: "", size: 1000, script: false };
    let world = World::new(&NAMES.map(deb));
    world.ask_for(&NAMES.join(", "));
    let (port, most) = busy_mirror(world.path("archive"));
    world.take_from(&format!("http://127.0.0.1:{port}"));
    run(world.command().args(["lock", "-C", "module", "--arch", "amd64"]));
    for (more, expected) in [(&["--jobs", "2"][..], 2), (&["--jobs=1"], 1), (&["--jobs=12"], 12), (&[], 8)] {
        fs::remove_dir_all(world.path("cache/debs")).ok();
        most.store(0, Ordering::SeqCst);
        run(world.command().args(["fetch", "-C", "module"]).args(more));
        assert_eq!(most.load(Ordering::SeqCst), expected, "{more:?}");
    }
}

#[test]
fn that_no_root_file_system_can_be_made_is_said_before_anything_is_fetched() {
    let world = World::new(&debs("1"));
    let settings = world.path("module/builder.toml");
    let text = fs::read_to_string(&settings).unwrap().replace("\"extract\"", "\"custom\"");
    fs::write(world.path("tool"), "#!/bin/sh\n").unwrap();
    let file = format!(
        "[[file]]\nurl = \"file:{}\"\nsha256 = \"{}\"\ndestination = \"/usr/bin/more\"\nmode = \"0755\"\n",
        world.path("tool").display(),
        model::Digest::of(b"#!/bin/sh\n").hex()
    );
    for (more, is_locked) in [("", true), (&file, true), (&file, false)] {
        fs::write(&settings, format!("{text}{more}")).unwrap();
        run(world.command().args(["lock", "-C", "module", "--arch", "amd64", "--update"]));
        if !is_locked {
            fs::remove_file(world.path("module/module.lock")).unwrap();
        }
        fs::remove_dir_all(world.path("cache")).unwrap();
        // A user namespace with one user, in which no package can be unpacked.
        let mut build = std::process::Command::new("unshare");
        build.args(["--user", "--map-root-user"]).arg(world.command().get_program());
        build.args(["build", "-C", "module", "--arch", "amd64"]).current_dir(world.path(""));
        build.envs(world.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = build.output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        if err.contains("unshare: ") {
            return;
        }
        assert_eq!(output.status.code(), Some(4), "{err}");
        assert!(err.contains("this user namespace has the user ids below 1 only"), "{err}");
        assert!(!err.contains("fetch packages") && !err.contains("fetch files"), "{err}");
        assert!(!world.path("cache/debs").exists(), "{err}");
    }
}
