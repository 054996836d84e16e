#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use model::Digest;
use model::file_input::FileInputFields;
use model::observe::{Collected, Event, Silent};

use super::*;
use crate::test_server::{Answer, Server, http};

const CONTENT: &[u8] = b"abcdefghij";

fn input(url: String, content: &[u8]) -> FileInput {
    let sha256 = Digest::of(content);
    let destination = "/opt/x".to_owned();
    let fields =
        FileInputFields { url, sha256, architectures: Vec::new(), destination, mode: None, owner: None, unpack: None };
    FileInput::new(fields).unwrap()
}

fn options() -> FetchOptions {
    FetchOptions { retries: 2, backoff: Duration::from_millis(1), ..FetchOptions::default() }
}

/// A server, an empty cache, and what is wanted from there.
struct World {
    server: Server,
    folder: tempfile::TempDir,
    cache: Cache,
    input: FileInput,
}

impl World {
    fn new(answer: Answer) -> Self {
        let (server, folder) = (Server::new(answer), tempfile::tempdir().unwrap());
        let input = input(format!("http://{}/d/tool-1.tar?token=abc", server.address), CONTENT);
        Self { server, cache: Cache::new(folder.path().join("cache")), folder, input }
    }

    fn part(&self) -> PathBuf {
        self.cache.files().unwrap().join(self.input.sha256.hex()).with_extension("part")
    }

    /// The same after an earlier run left `part`.
    fn resuming(part: &[u8], answer: Answer) -> Self {
        let world = Self::new(answer);
        fs::write(world.part(), part).unwrap();
        world
    }

    fn fetch(&self, observer: &dyn Observer) -> Result<String, Error> {
        self.ask(Ask::Missing, observer)
    }

    fn ask(&self, ask: Ask, observer: &dyn Observer) -> Result<String, Error> {
        let mut files = fetch(&[(self.input.clone(), ask)], &self.cache, &options(), observer)?;
        Ok(std::io::read_to_string(files.remove(0)).unwrap())
    }

    fn refused(&self) -> String {
        match fetch_up_to(1000, &[(self.input.clone(), Ask::Missing)], &self.cache, &options(), &Silent) {
            Err(Error::Fetch { failures }) => failures[0].fault.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

/// What a server says that can begin anywhere.
fn ranged(range: &str) -> Vec<u8> {
    let from = range.strip_suffix('-').map_or(0, |from| from.parse().unwrap());
    let Some(rest) = CONTENT.get(from..) else { return http("416 Range Not Satisfiable", "", 0, b"") };
    if from == 0 {
        return http("200 OK", "", CONTENT.len(), CONTENT);
    }
    http("206 Partial Content", &format!("Content-Range: bytes {from}-9/10\r\n"), rest.len(), rest)
}

#[test]
fn what_was_interrupted_is_resumed_where_it_ended() {
    // In one run, and by another one.
    let world = World::new(Box::new(|number, _, range| match number {
        0 => http("200 OK", "", CONTENT.len(), &CONTENT[..4]),
        _ => {
            assert_eq!(range, "4-");
            ranged(range)
        }
    }));
    assert_eq!(world.fetch(&Silent).unwrap(), "abcdefghij");
    assert_eq!(world.server.requests(), 2);
    let world = World::resuming(
        b"abcdef",
        Box::new(|_, _, range| {
            assert_eq!(range, "6-");
            ranged(range)
        }),
    );
    assert_eq!(world.fetch(&Silent).unwrap(), "abcdefghij");
    assert_eq!(world.server.requests(), 1);
    assert!(!world.part().exists());
}

#[test]
fn what_was_interrupted_before_its_name_is_asked_for_no_more() {
    let world = World::resuming(CONTENT, Box::new(|_, _, _| panic!("nothing is missing")));
    assert_eq!(world.fetch(&Silent).unwrap(), "abcdefghij");
    assert_eq!(world.server.requests(), 0);
}

#[test]
fn a_part_of_other_content_is_thrown_away_and_the_whole_fetched_once() {
    // Of another content; longer than the file is now, where some servers say 416 and some send all of it.
    for (part, requests) in [(&b"ABC"[..], 2), (b"abcdefghijk", 2), (&[b'x'; 99], 2), (b"ABCDEFGHIJ", 2)] {
        let world = World::resuming(part, Box::new(|_, _, range| ranged(range)));
        assert_eq!(world.fetch(&Silent).unwrap(), "abcdefghij", "{part:?}");
        assert_eq!(world.server.requests(), requests, "{part:?}");
    }
    // A server that knows no ranges.
    for part in [&b"ABC"[..], b"abc", b"abcdefghijklm"] {
        let world = World::resuming(part, Box::new(|_, _, _| http("200 OK", "", CONTENT.len(), CONTENT)));
        assert_eq!(world.fetch(&Silent).unwrap(), "abcdefghij");
        assert_eq!(world.server.requests(), 1);
    }
    // One that answers with another range than was asked for, and one whose answer is wrong wherever it begins.
    let other = |_: u32, _: &str, range: &str| match range {
        "" => ranged(range),
        _ => http("206 Partial Content", "Content-Range: bytes 2-9/10\r\n", 8, &CONTENT[2..]),
    };
    let world = World::resuming(b"abcd", Box::new(other));
    assert_eq!(world.fetch(&Silent).unwrap(), "abcdefghij");
    let world = World::resuming(b"abcd", Box::new(|_, _, _| http("200 OK", "", 4, b"evil")));
    assert!(world.refused().contains(&Digest::of(b"evil").to_string()));
    assert_eq!(world.server.requests(), 1, "it sent all of it");
    assert!(!world.part().exists(), "nothing is left of it");
}

#[test]
fn what_a_server_says_of_the_length_is_not_believed() {
    let endless = [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &[b'x'; 1 << 20]].concat();
    let world = World::new(Box::new(move |_, _, _| endless.clone()));
    assert_eq!(world.refused(), "it has more than 1000 bytes");
    assert!(fs::metadata(world.part()).map_or(0, |part| part.len()) <= 1000);
    let world = World::new(Box::new(|_, _, _| http("200 OK", "", 1 << 40, b"x")));
    assert_eq!(world.refused(), "it has more than 1000 bytes");
    // It says more than it sends: where it is the whole all the same, its sha256 says so. It says less than it sends.
    let world = World::new(Box::new(|_, _, _| http("200 OK", "", 400, &CONTENT[..4])));
    assert!(world.refused().ends_with("(tried 3 times)"), "{}", world.refused());
    let world = World::new(Box::new(|_, _, _| http("200 OK", "", 400, CONTENT)));
    assert_eq!(world.fetch(&Silent).unwrap(), "abcdefghij");
    let world = World::new(Box::new(|_, _, _| http("200 OK", "", 4, CONTENT)));
    assert!(world.refused().contains(&Digest::of(b"abcd").to_string()));
    // No length at all.
    let plain = [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], CONTENT].concat();
    let world = World::new(Box::new(move |_, _, _| plain.clone()));
    assert_eq!(world.fetch(&Silent).unwrap(), "abcdefghij");
}

#[test]
fn two_at_once_fetch_it_once_and_none_waits_for_itself() {
    let world = World::new(Box::new(|_, _, _| {
        thread::sleep(Duration::from_millis(1500));
        ranged("")
    }));
    let observers = [Collected::default(), Collected::default()];
    thread::scope(|scope| {
        let runs: Vec<_> = observers.iter().map(|observer| scope.spawn(|| world.fetch(observer).unwrap())).collect();
        assert!(runs.into_iter().all(|run| run.join().unwrap() == "abcdefghij"));
    });
    assert_eq!(world.server.requests(), 1);
    let said = observers.iter().flat_map(Collected::texts).collect::<Vec<_>>();
    assert!(said.iter().all(|line| !line.contains("held by")), "{said:?}");
}

#[test]
fn a_transfer_has_a_name_and_a_total_and_counts_nothing_twice() {
    let world = World::resuming(
        b"ABCD",
        Box::new(|number, _, range| match number {
            0 => http("206 Partial Content", "Content-Range: bytes 4-9/10\r\n", 6, &CONTENT[4..]),
            _ => ranged(range),
        }),
    );
    let observer = Collected::default();
    world.fetch(&observer).unwrap();
    let events = observer.events();
    let begun = |event: &Event| match event {
        Event::Begin { name, total, .. } => Some((name.to_string(), *total)),
        _ => None,
    };
    let tool = || ("tool-1.tar".to_owned(), Some(10));
    let begun: Vec<_> = events.iter().filter_map(begun).collect();
    assert_eq!(begun, [("fetch files".to_owned(), None), tool(), tool()]);
    let Event::Begin { task: whole, .. } = events[0] else { panic!("{events:?}") };
    let done = events.iter().filter_map(|event| match event {
        Event::Progress { task, done } if *task == whole => Some(*done),
        _ => None,
    });
    assert_eq!(done.max(), Some(10), "{events:?}");
    assert!(events.contains(&Event::Total { task: whole, total: 10 }), "{events:?}");
}

#[test]
fn a_file_of_this_machine_says_nothing_of_itself() {
    let world = World::new(Box::new(|_, _, _| panic!("no one asks")));
    let path = world.folder.path().join("tool");
    let local = World { input: input(format!("file:{}", path.display()), CONTENT), ..world };
    assert_eq!(local.refused(), "there is no such file");
    fs::write(&path, "a secret").unwrap();
    assert_eq!(local.refused(), "the file there is not the one whose sha256 is wanted");
    assert!(!local.part().exists(), "nothing of it is kept");
    fs::write(&path, CONTENT).unwrap();
    assert_eq!(local.fetch(&Silent).unwrap(), "abcdefghij");
    fs::remove_file(&path).unwrap();
    // A file of the system that has no length is not read.
    let system = World { input: input("file:/proc/self/status".to_owned(), b"other"), ..local };
    assert_eq!(system.refused(), "the file there is not the one whose sha256 is wanted");
    let local = system;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    let other = World { input: input(format!("file:{}", path.display()), b"other"), ..local };
    assert!(other.refused().contains("a named pipe"));
}

#[test]
fn a_redirect_leads_to_the_web_only_and_not_for_ever() {
    for location in ["/d/tool-1.tar", "file:///etc/passwd", "ftp://127.0.0.1/x", "//user:hunter2@127.0.0.1:9/x"] {
        let header = format!("Location: {location}\r\n");
        let world = World::new(Box::new(move |_, _, _| http("302 Found", &header, 0, b"")));
        let said = world.refused();
        assert!(said.starts_with("the server sends on") && !said.contains("hunter2"), "{location}: {said}");
    }
}

/// Several files of one server, by the number of bytes of each.
fn several(server: &Server, sizes: &[usize]) -> Vec<(FileInput, Ask)> {
    let one = |(number, size): (usize, &usize)| {
        let content = vec![b'a' + u8::try_from(number).unwrap(); *size];
        (input(format!("http://{}/{number}", server.address), &content), Ask::Missing)
    };
    sizes.iter().enumerate().map(one).collect()
}

/// What a server of [`several`] says: to a HEAD request the length alone.
fn body(path: &str, sizes: &[usize]) -> Vec<u8> {
    let number: usize = path.trim_start_matches('/').parse().unwrap();
    http("200 OK", "", sizes[number], &vec![b'a' + u8::try_from(number).unwrap(); sizes[number]])
}

#[test]
fn every_file_that_fails_is_in_one_report() {
    let server = Server::new(Box::new(|_, path, _| match path {
        "/0" => body(path, &[3]),
        "/1" => http("404 Not Found", "", 0, b""),
        "/2" => http("200 OK", "", 4, b"evil"),
        _ => panic!("{path}"),
    }));
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().join("cache"));
    let asked = several(&server, &[3, 3, 3]);
    let error = fetch(&asked, &cache, &options(), &Silent).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("2 files could not be fetched:\n"), "{text}");
    assert!(text.contains("/1: the server answered with status 404") && text.contains("/2: its sha256 is"), "{text}");
    assert_eq!(error.inputs().iter().map(|(_, key)| *key).collect::<Vec<_>>(), ["url", "sha256"]);
    use model::Explain as _;
    assert_eq!(error.explain().kind, model::explain::Kind::Refused, "other bytes weigh more than none");
    // The good one stays.
    let options = FetchOptions { offline: true, ..options() };
    assert_eq!(fetch(&asked[..1], &cache, &options, &Silent).unwrap().len(), 1);
    let text = fetch(&asked, &cache, &options, &Silent).unwrap_err().to_string();
    assert_eq!(text, "offline, and the cache does not hold 1 and 2");
}

#[test]
fn several_files_come_at_once_and_their_sum_is_known_before() {
    let sizes = [10, 200, 3000];
    let (together, most) = (std::sync::Arc::new(AtomicUsize::new(0)), std::sync::Arc::new(AtomicUsize::new(0)));
    let servers: Vec<Server> = (0..3)
        .map(|_| {
            let (together, most) = (std::sync::Arc::clone(&together), std::sync::Arc::clone(&most));
            Server::new(Box::new(move |_, path, _| {
                most.fetch_max(together.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(300));
                together.fetch_sub(1, Ordering::SeqCst);
                body(path, &sizes)
            }))
        })
        .collect();
    let asked: Vec<_> =
        servers.iter().enumerate().map(|(number, server)| several(server, &sizes).swap_remove(number)).collect();
    let folder = tempfile::tempdir().unwrap();
    let observer = Collected::default();
    let files = fetch(&asked, &Cache::new(folder.path().join("cache")), &options(), &observer).unwrap();
    assert_eq!(files.iter().map(|file| file.metadata().unwrap().len()).collect::<Vec<_>>(), [10, 200, 3000]);
    assert!(most.load(Ordering::SeqCst) > 1, "one after the other");
    let events = observer.events();
    let totals: Vec<u64> = events
        .iter()
        .filter_map(|event| if let Event::Total { total, .. } = event { Some(*total) } else { None })
        .collect();
    assert_eq!(totals, [3210], "it moves");
    let at = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    let is_total = |event: &Event| matches!(event, Event::Total { .. });
    assert!(at(&is_total) < at(&|event: &Event| matches!(event, Event::Progress { .. })), "{events:?}");
}

#[test]
fn an_address_is_tried_although_the_cache_has_the_file() {
    // It answers, with a file of that length: nothing but its end is asked for.
    let world = World::new(Box::new(|_, _, range| ranged(range)));
    world.fetch(&Silent).unwrap();
    assert_eq!(world.ask(Ask::Answer, &Silent).unwrap(), "abcdefghij");
    assert_eq!(world.ask(Ask::Missing, &Silent).unwrap(), "abcdefghij");
    assert_eq!(world.server.requests(), 2);
    // The whole is, where its sha256 is in question; the cache's file stays as it is.
    let before = world.cache.file(&world.part().with_extension("")).unwrap().metadata().unwrap();
    assert_eq!(world.ask(Ask::Whole, &Silent).unwrap(), "abcdefghij");
    let after = world.cache.file(&world.part().with_extension("")).unwrap().metadata().unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()));
    assert!(!world.part().exists());
    let is = |answer: Answer, ask: Ask, words: &str| {
        let other = World::new(answer);
        let asked = [(
            FileInput::new(model::file_input::FileInputFields {
                url: other.input.url.clone(),
                ..(*world.input).clone()
            })
            .unwrap(),
            ask,
        )];
        let said = fetch(&asked, &world.cache, &options(), &Silent).unwrap_err().to_string();
        assert!(said.contains(words), "{ask:?}: {said}");
    };
    for ask in [Ask::Answer, Ask::Whole] {
        is(Box::new(|_, _, _| http("404 Not Found", "", 0, b"")), ask, "status 404");
    }
    is(Box::new(|_, _, _| http("200 OK", "", 3, b"abc")), Ask::Answer, "it has 3 bytes, and 10 are wanted");
    is(Box::new(|_, _, _| http("200 OK", "", 11, b"abcdefghijk")), Ask::Answer, "it has more than 10 bytes");
    is(Box::new(|_, _, _| http("200 OK", "", 10, b"ABCDEFGHIJ")), Ask::Whole, "its sha256 is");
    assert_eq!(world.fetch(&Silent).unwrap(), "abcdefghij");
}
