#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use model::observe::{Collected, Silent};

use super::super::fixtures;
use super::*;
use crate::test_server::{Server, http};

/// The body of every test package is its name.
fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default().trim_end_matches("_1_all.deb")
}

fn good(path: &str) -> Vec<u8> {
    http("200 OK", "", name(path).len(), name(path).as_bytes())
}

fn at(server: &Server, names: &[&str]) -> Resolution {
    fixtures::from(&format!("http://{}/debian", server.address), names)
}

fn options() -> FetchOptions {
    FetchOptions { backoff: Duration::from_millis(1), ..FetchOptions::default() }
}

fn cache() -> (tempfile::TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path().join("cache"));
    (directory, cache)
}

fn faults(outcome: Result<Vec<PathBuf>, Error>) -> Vec<FetchFault> {
    match outcome {
        Err(Error::Fetch { failures }) => failures.into_iter().map(|failure| failure.fault).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_certificate_store_that_is_a_pipe_is_not_waited_for() {
    let server = Server::new(Box::new(|_, path, _| good(path)));
    let (directory, cache) = cache();
    let pipe = directory.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let options = FetchOptions { certificates: Some(pipe), ..options() };
    let resolution = at(&server, &["alpha"]);
    assert_eq!(fetch(&resolution, &cache, &options, &Silent).unwrap().len(), 1, "http needs none");
    let resolution = fixtures::from(&format!("https://{}/debian", server.address), &["beta"]);
    let found = faults(fetch(&resolution, &cache, &options, &Silent));
    assert!(
        matches!(&found[..], [FetchFault::CaBundle { message }] if message.contains("it is a named pipe")),
        "{found:?}"
    );
}

#[test]
fn files_come_in_order_and_the_second_call_asks_nobody() {
    let server = Server::new(Box::new(|_, path, _| good(path)));
    let (_guard, cache) = cache();
    let resolution = at(&server, &["alpha", "beta", "delta", "gamma"]);
    for _ in 0..2 {
        let paths = fetch(&resolution, &cache, &options(), &Silent).unwrap();
        let contents: Vec<_> = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert_eq!(contents, ["alpha", "beta", "delta", "gamma"]);
        assert_eq!(server.requests(), 4);
    }
}

#[test]
fn a_passing_fault_is_tried_again() {
    let server = Server::new(Box::new(|number, path, _| match number {
        0 => http("503 Busy", "", 0, b""),
        1 => Vec::new(),
        _ => good(path),
    }));
    let (_guard, cache) = cache();
    fetch(&at(&server, &["alpha"]), &cache, &options(), &Silent).unwrap();
    assert_eq!(server.requests(), 3);
}

#[test]
fn a_server_that_asks_to_be_left_alone_is_and_that_is_told() {
    let server = Server::new(Box::new(|number, path, _| match number {
        0 => http("429 Too Many Requests", "Retry-After: 1\r\n", 0, b""),
        _ => good(path),
    }));
    let (_guard, cache) = cache();
    let (notes, began) = (Collected::default(), Instant::now());
    fetch(&at(&server, &["alpha"]), &cache, &options(), &notes).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(server.requests(), 2);
    let told = format!("{}: the server answered with status 429; trying again in 1 second (1 of 4)", server.address);
    assert_eq!(notes.texts(), [told]);
}

#[test]
fn a_cut_body_is_resumed_where_it_ended() {
    let server = Server::new(Box::new(|number, path, range| match number {
        0 => http("200 OK", "", name(path).len(), &name(path).as_bytes()[..4]),
        _ => {
            assert_eq!(range, "4-");
            let rest = &name(path).as_bytes()[4..];
            http("206 Partial Content", "Content-Range: bytes 4-9/10\r\n", rest.len(), rest)
        }
    }));
    let (_guard, cache) = cache();
    let paths = fetch(&at(&server, &["abcdefghij"]), &cache, &options(), &Silent).unwrap();
    assert_eq!(fs::read_to_string(&paths[0]).unwrap(), "abcdefghij");
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_spoilt_part_of_an_earlier_run_is_thrown_away() {
    let server = Server::new(Box::new(|_, path, range| match range {
        "4-" => {
            let rest = &name(path).as_bytes()[4..];
            http("206 Partial Content", "Content-Range: bytes 4-9/10\r\n", rest.len(), rest)
        }
        _ => good(path),
    }));
    let (_guard, cache) = cache();
    let resolution = at(&server, &["abcdefghij"]);
    let part = cache.deb_path(&resolution.packages[0].sha256).with_extension("part");
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    fs::write(&part, "ABCD").unwrap();
    let paths = fetch(&resolution, &cache, &options(), &Silent).unwrap();
    assert_eq!(fs::read_to_string(&paths[0]).unwrap(), "abcdefghij");
    assert!(!part.exists());
}

#[test]
fn what_does_not_pass_is_not_tried_again_and_all_failures_are_told() {
    let server = Server::new(Box::new(|_, path, _| match name(path) {
        "gone" => http("404 Not Found", "", 0, b""),
        "evil" => http("200 OK", "", 4, b"liar"),
        "long" => http("200 OK", "", 9, b"too long!"),
        _ => good(path),
    }));
    let (_guard, cache) = cache();
    let resolution = at(&server, &["evil", "fine", "gone", "long"]);
    let found = faults(fetch(&resolution, &cache, &options(), &Silent));
    let wrong = FetchFault::WrongDigest { expected: model::Digest::of(b"evil"), found: model::Digest::of(b"liar") };
    assert_eq!(found, [wrong, FetchFault::Status(404), FetchFault::WrongSize { expected: 4, found: 9 }]);
    assert_eq!(server.requests(), 4);
    for (package, there) in resolution.packages.iter().zip([false, true, false, false]) {
        assert_eq!(cache.deb_path(&package.sha256).exists(), there, "{}", package.package.name);
    }
}

#[test]
fn an_endless_body_is_cut_at_the_locked_size() {
    let server = Server::new(Box::new(|_, _, _| {
        [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &[b'x'; 1 << 20]].concat()
    }));
    let (_guard, cache) = cache();
    let found = faults(fetch(&at(&server, &["alpha"]), &cache, &options(), &Silent));
    assert!(matches!(found[..], [FetchFault::WrongSize { expected: 5, .. }]), "{found:?}");
}

#[test]
fn a_dead_server_is_given_up_after_the_retries() {
    let server = Server::new(Box::new(|_, _, _| http("500 Broken", "", 0, b"")));
    let (_guard, cache) = cache();
    let options = FetchOptions { retries: 2, ..options() };
    let found = faults(fetch(&at(&server, &["alpha"]), &cache, &options, &Silent));
    assert!(matches!(found[..], [FetchFault::Network { attempts: 3, .. }]), "{found:?}");
    assert_eq!(server.requests(), 3);
}

#[test]
fn a_damaged_file_of_the_cache_is_fetched_again_and_offline_never_used() {
    let server = Server::new(Box::new(|_, path, _| good(path)));
    let (_guard, cache) = cache();
    let resolution = at(&server, &["alpha", "beta"]);
    let paths = fetch(&resolution, &cache, &options(), &Silent).unwrap();
    for damage in ["alphA", "al", ""] {
        fs::write(&paths[0], damage).unwrap();
        let offline = FetchOptions { offline: true, ..options() };
        assert_eq!(faults(fetch(&resolution, &cache, &offline, &Silent)), [FetchFault::Offline]);
        fetch(&resolution, &cache, &options(), &Silent).unwrap();
        assert_eq!(fs::read_to_string(&paths[0]).unwrap(), "alpha");
        fetch(&resolution, &cache, &offline, &Silent).unwrap();
    }
    assert_eq!(server.requests(), 2 + 3);
}

#[test]
fn two_at_once_download_each_file_once() {
    let server = Server::new(Box::new(|_, path, _| good(path)));
    let (_guard, cache) = cache();
    let names: Vec<String> = (0..40).map(|number| format!("package{number:02}")).collect();
    let resolution = at(&server, &names.iter().map(String::as_str).collect::<Vec<_>>());
    thread::scope(|scope| {
        let runs: Vec<_> =
            (0..4).map(|_| scope.spawn(|| fetch(&resolution, &cache, &options(), &Silent).unwrap())).collect();
        for run in runs {
            for (path, name) in run.join().unwrap().iter().zip(&names) {
                assert_eq!(fs::read_to_string(path).unwrap(), *name);
            }
        }
    });
    assert_eq!(server.requests(), 40);
}

#[test]
fn local_archives_are_read_and_missing_files_told() {
    let (guard, cache) = cache();
    let pool = guard.path().join("with blank+plus/pool");
    fs::create_dir_all(&pool).unwrap();
    fs::write(pool.join("alpha_1_all.deb"), "alpha").unwrap();
    let from = |scheme: &str| {
        let base = format!("{scheme}:{}", guard.path().join("with%20blank%2bplus").display());
        fixtures::from(&base, &["alpha", "beta"])
    };
    assert_eq!(faults(fetch(&from("file"), &cache, &options(), &Silent)), [FetchFault::Status(404)]);
    fs::write(pool.join("beta_1_all.deb"), "beta").unwrap();
    fetch(&from("file"), &cache, &options(), &Silent).unwrap();
    fetch(&from("copy"), &Cache::new(guard.path().join("other")), &options(), &Silent).unwrap();
}

#[test]
fn a_local_file_that_is_another_one_tells_nothing_of_itself_and_a_pipe_is_not_opened() {
    let (guard, cache) = cache();
    let pool = guard.path().join("pool");
    fs::create_dir(&pool).unwrap();
    let resolution = fixtures::from(&format!("file:{}", guard.path().display()), &["alpha"]);
    let path = pool.join("alpha_1_all.deb");
    // Of another size, and of the same.
    for foreign in ["a secret", "words"] {
        fs::write(&path, foreign).unwrap();
        assert_eq!(faults(fetch(&resolution, &cache, &options(), &Silent)), [FetchFault::OtherFile]);
        let error = fetch(&resolution, &cache, &options(), &Silent).unwrap_err().to_string();
        let digest = model::Digest::of(foreign.as_bytes()).to_string();
        assert!(!error.contains(&digest) && !error.contains("bytes"), "{error}");
    }
    fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let found = faults(fetch(&resolution, &cache, &options(), &Silent));
    assert!(matches!(&found[..], [FetchFault::NoFile { message }] if message.contains("a named pipe")), "{found:?}");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    let found = faults(fetch(&resolution, &cache, &options(), &Silent));
    assert!(matches!(&found[..], [FetchFault::NoFile { message }] if message.contains("a device")), "{found:?}");
}

#[test]
fn nothing_in_a_shared_cache_leads_elsewhere_or_makes_anybody_wait() {
    let server = Server::new(Box::new(|_, path, _| good(path)));
    let (guard, cache) = cache();
    let resolution = at(&server, &["alpha"]);
    let target = cache.deb_path(&resolution.packages[0].sha256);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    let pipe = |path: &Path| {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    };
    pipe(&target);
    fetch(&resolution, &cache, &options(), &Silent).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"alpha", "the package took the pipe's place");
    fs::remove_file(&target).unwrap();
    let victim = guard.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    let part = target.with_extension("part");
    std::os::unix::fs::symlink(&victim, &part).unwrap();
    assert!(matches!(&faults(fetch(&resolution, &cache, &options(), &Silent))[..], [FetchFault::Io { .. }]));
    assert_eq!(fs::read(&victim).unwrap(), b"mine");
    fs::remove_file(&part).unwrap();
    pipe(&part);
    assert!(matches!(&faults(fetch(&resolution, &cache, &options(), &Silent))[..], [FetchFault::Io { .. }]));
}

#[test]
fn a_redirect_leads_to_the_web_only_and_not_for_ever() {
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("alpha"), "alpha").unwrap();
    let target = format!("Location: file://{}/alpha\r\n", secret.path().display());
    let server = Server::new(Box::new(move |_, path, _| match name(path) {
        "alpha" => http("302 Found", &target, 0, b""),
        "beta" => http("302 Found", "Location: http://user:hunter2@127.0.0.1:9/beta_1_all.deb\r\n", 0, b""),
        "delta" => http("302 Found", "Location: ftp://127.0.0.1/delta_1_all.deb\r\n", 0, b""),
        "gamma" => http("302 Found", "Location: gamma_1_all.deb\r\n", 0, b""),
        _ if path.starts_with("/moved") => good(path),
        _ => http("302 Found", &format!("Location: /moved{path}\r\n"), 0, b""),
    }));
    let (_guard, cache) = cache();
    let resolution = at(&server, &["alpha", "beta", "delta", "gamma", "theta"]);
    let found = faults(fetch(&resolution, &cache, &options(), &Silent));
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().all(|fault| matches!(fault, FetchFault::Redirect { .. })), "{found:?}");
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    assert_eq!(server.requests(), 3 + 6 + 2, "nothing of this is tried again");
    assert_eq!(fs::read(cache.deb_path(&resolution.packages[4].sha256)).unwrap(), b"theta");
}

/// An HTTP server on loopback that keeps connections, counts them, and answers the requests on each by
/// `answer`. The threads of connections end when the client hangs up.
fn keeping(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    let connections = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming() {
            connections.fetch_add(1, Ordering::SeqCst);
            let (stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            thread::spawn(move || serve(stream, &*answer));
        }
    });
    (address, count)
}

fn serve(mut stream: std::net::TcpStream, answer: &dyn Fn(&str) -> Vec<u8>) {
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stream.try_clone().unwrap()));
    while let Some(Ok(request)) = lines.next() {
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let body = answer(request.split(' ').nth(1).unwrap_or_default());
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

#[test]
fn as_many_files_as_jobs_come_at_once_over_connections_that_are_kept() {
    // Nothing is answered before all eight are asked for: one file at a time would wait for ever.
    let gate = std::sync::Barrier::new(8);
    let (address, connections) = keeping(move |path| {
        gate.wait();
        name(path).as_bytes().to_vec()
    });
    let (_guard, cache) = cache();
    let names: Vec<String> = (0..64).map(|number| format!("package{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let resolution = fixtures::from(&format!("http://{address}/debian"), &names);
    let options = FetchOptions { jobs: 8, retries: 0, ..options() };
    assert_eq!(fetch(&resolution, &cache, &options, &Silent).unwrap().len(), 64);
    // The library may open a connection while another one becomes free, and keeps both.
    let connections = connections.load(Ordering::SeqCst);
    assert!((8..=16).contains(&connections), "{connections} connections for 64 files");
}

#[test]
fn the_largest_and_the_smallest_files_are_begun_in_turns() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let order = Arc::clone(&asked);
    let server = Server::new(Box::new(move |_, path, _| {
        order.lock().unwrap().push(name(path).to_owned());
        good(path)
    }));
    let (_guard, cache) = cache();
    let resolution = at(&server, &["aaa", "bbbbb", "cc", "dddd"]);
    let paths = fetch(&resolution, &cache, &FetchOptions { jobs: 1, ..options() }, &Silent).unwrap();
    assert_eq!(*asked.lock().unwrap(), ["bbbbb", "cc", "dddd", "aaa"]);
    assert_eq!(fs::read_to_string(&paths[2]).unwrap(), "cc");
}

/// A server that sends `head` at once and then, if it drips, a byte now and then, until the client goes away: nothing depends
/// on how busy the machine is. A client that never goes is cut off after a minute, which it reports otherwise.
fn slow(head: &'static [u8], drips: bool) -> (std::net::SocketAddr, thread::JoinHandle<()>) {
    const END: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_millis(50);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = thread::spawn(move || {
        // It serves two attempts, and ends by itself.
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let mut rest = [0; 1024];
            // What comes before the request is no answer to it.
            let _ = stream.read(&mut rest);
            let _ = stream.write_all(head);
            stream.set_read_timeout(Some(if drips { PAUSE } else { END })).unwrap();
            let begin = std::time::Instant::now();
            while begin.elapsed() < END {
                use std::io::ErrorKind::{TimedOut, WouldBlock};
                match stream.read(&mut rest) {
                    Ok(1..) => {}
                    Err(error) if matches!(error.kind(), TimedOut | WouldBlock) && drips => {
                        if stream.write_all(b"a").is_err() {
                            break;
                        }
                    }
                    Ok(0) | Err(_) => break,
                }
            }
        }
    });
    (address, serve)
}

#[test]
fn a_mirror_that_is_silent_or_drips_is_given_up_and_told() {
    const UNFINISHED: &[u8] = b"HTTP/1.1 200 OK\r\nX: ";
    const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    const LONG: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 99000\r\n\r\n";
    for (head, drips, wanted) in [
        // Not a byte, and for longer than anyone waits.
        (&b""[..], false, "nothing came in 1 seconds"),
        // A head without an end, of which nothing is known until then.
        (UNFINISHED, true, "nothing came in 1 seconds"),
        (SHORT, false, "nothing came in 1 seconds"),
        // Some bytes, or nothing where the server had no turn for so long.
        (LONG, true, " came in 1 seconds"),
    ] {
        let (_guard, cache) = cache();
        let (address, serve) = slow(head, drips);
        let resolution = fixtures::from(&format!("http://{address}/debian"), &["alpha"]);
        let resolution = fixtures::with(&resolution, 0, |fields, _| {
            fields.size = if head == LONG { 99_000 } else { 5 };
        });
        let options = FetchOptions { patience: Duration::from_secs(1), retries: 1, ..options() };
        let notes = Collected::default();
        let found = faults(fetch(&resolution, &cache, &options, &notes));
        let [FetchFault::Network { message, attempts: 2 }] = &found[..] else { panic!("{found:?}") };
        assert!(message.contains(wanted), "{message}");
        let notes = notes.texts();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with(&address.to_string()) && notes[0].ends_with("trying again (1 of 1)"), "{notes:?}");
        serve.join().unwrap();
    }
}

#[test]
fn a_cached_file_that_others_may_have_written_is_fetched_again() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (_guard, cache) = cache();
    let server = Server::new(Box::new(|_, path, _| good(path)));
    let resolution = at(&server, &["alpha"]);
    let path = fetch(&resolution, &cache, &options(), &Silent).unwrap().remove(0);
    let aside = cache.root().join("aside");
    let ways: [&dyn Fn(); 3] = [
        &|| fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap(),
        &|| {
            fs::rename(&path, &aside).unwrap();
            symlink(&aside, &path).unwrap();
        },
        &|| {
            use rustix::fs::{CWD, FileType, Mode};
            fs::remove_file(&path).unwrap();
            rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        },
    ];
    for (number, way) in ways.iter().enumerate() {
        way();
        assert_eq!(
            faults(fetch(&resolution, &cache, &FetchOptions { offline: true, ..options() }, &Silent)),
            [FetchFault::Offline]
        );
        fetch(&resolution, &cache, &options(), &Silent).unwrap();
        assert_eq!(server.requests(), number + 2);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
    }
    if rustix::process::geteuid().is_root() {
        // A hard link to someone else's file is someone else's.
        let theirs = cache.root().join("theirs");
        fs::write(&theirs, "alpha").unwrap();
        std::os::unix::fs::chown(&theirs, Some(65534), None).unwrap();
        fs::remove_file(&path).unwrap();
        fs::hard_link(&theirs, &path).unwrap();
        fetch(&resolution, &cache, &options(), &Silent).unwrap();
        assert_eq!(server.requests(), 5);
    }
}
