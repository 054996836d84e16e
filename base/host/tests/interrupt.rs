//! What a run undoes when a signal ends it. The state is that of a whole process, so this is one test alone.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use host::process::{Invocation, Running};
use host::{Dir, Scratch, interrupt};

#[test]
fn what_is_held_is_undone_the_newest_first_and_no_thread_goes_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let parent = Dir::open(folder.path()).unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |word: &'static str| {
        let order = Arc::clone(&order);
        interrupt::on_interrupt(move || order.lock().unwrap().push(word))
    };
    drop(note("let go of"));
    let _first = note("first");
    let kept = Scratch::new(&parent, ".kept-").unwrap().keep();
    let scratch = Scratch::new(&parent, ".gone-").unwrap();
    scratch.dir().write("file", b"content", 0o600).unwrap();
    let output = File::create(folder.path().join("output")).unwrap();
    let mut running = Running::start(&Invocation::new("sleep").operand("60"), &output).unwrap();
    let _last = note("last");

    let whole = interrupt::whole();
    let is_whole = Arc::new(AtomicBool::new(false));
    let (done, went_on) = (Arc::clone(&is_whole), Arc::new(AtomicBool::new(false)));
    let past = Arc::clone(&went_on);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        done.store(true, Ordering::SeqCst);
        drop(whole);
        // As in any run: an ended child stays a process until it was waited for.
        let _ended = running.wait();
        past.store(true, Ordering::SeqCst);
    });
    let began = Instant::now();
    interrupt::undo();
    assert!(is_whole.load(Ordering::SeqCst), "what must not be ended in its middle was waited for");
    assert!(began.elapsed() < Duration::from_secs(4), "the program was ended");
    assert_eq!(*order.lock().unwrap(), ["last", "first"]);
    assert!(kept.is_dir() && !scratch.path().exists());
    thread::sleep(Duration::from_millis(200));
    assert!(!went_on.load(Ordering::SeqCst), "nothing is made of the end of the program");
}
