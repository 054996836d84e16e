#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::observe::{Task, Unit};
use model::{Diagnostic, Position};

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn options(progress: Progress) -> Options {
    Options { format: Format::Human, progress, color: false, quiet: false, terminal: false, clock: still }
}

fn still() -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Advances by half a second whenever it is looked at.
fn ticking() -> Instant {
    static HALVES: AtomicU64 = AtomicU64::new(0);
    still() + Duration::from_millis(500 * HALVES.fetch_add(1, Ordering::Relaxed))
}

fn ui(options: Options) -> (Ui, Sink, Sink) {
    let (out, err) = (Sink::default(), Sink::default());
    (Ui::with_streams(options, Box::new(out.clone()), Box::new(err.clone())), out, err)
}

fn fetch(ui: &Ui) {
    let task = Task::start(ui, "fetch packages", Some(4 << 20), Unit::Bytes);
    for step in 1..=4 {
        let transfer = task.child(format!("package-{step}\x1b[31m"), Some(1 << 20), Unit::Bytes);
        transfer.advance(1 << 20);
        task.advance(1 << 20);
    }
}

#[test]
fn plain_progress_is_a_line_a_stage_and_one_now_and_then() {
    let (ui, out, err) = ui(Options { clock: ticking, ..options(Progress::Auto) });
    fetch(&ui);
    let text = err.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "fetch packages");
    assert_eq!(lines.len(), 2, "nine seconds and a line every five, none for a package: {text}");
    assert!(lines[1].starts_with("fetch packages: 3.0 MiB of 4.0 MiB, "), "{text}");
    assert!(lines[1].ends_with("(package-3\\u{1b}[31m)"), "{text}");
    assert_eq!(out.text(), "");
}

#[test]
fn a_total_that_is_known_later_is_shown_from_then_on() {
    let (ui, _, err) = ui(Options { clock: ticking, ..options(Progress::Auto) });
    let task = Task::start(&ui, "fetch files", None, Unit::Bytes);
    task.advance(1 << 20);
    task.expect(4 << 20);
    (0..9).for_each(|_| task.advance(1 << 10));
    drop(task);
    let text = err.text();
    assert!(text.contains("fetch files: 1.0 MiB of 4.0 MiB, "), "{text}");
}

#[test]
fn json_progress_is_one_object_a_line() {
    let (ui, _, err) = ui(options(Progress::Json));
    fetch(&ui);
    ui.warning("odd", "mend it");
    ui.note("from the cache");
    let events: Vec<serde_json::Value> = err.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let whole: Vec<&serde_json::Value> = events.iter().filter(|event| event["parent"].is_null()).collect();
    let names: Vec<&str> = whole.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["stage", "done", "warning", "note"]);
    assert_eq!(whole[1]["done"], 4 << 20);
    assert_eq!(whole[2]["hint"], "mend it");
    let number = |event: &serde_json::Value, key: &str| event[key].as_u64();
    assert_eq!([0, 1, 2].map(|at| number(whole[at], "id")), [Some(1), Some(1), None]);
    let parts: Vec<_> = events.iter().filter(|event| number(event, "parent") == Some(1)).collect();
    let of = |id| parts.iter().filter(move |event| number(event, "id") == Some(id)).map(|event| &event["event"]);
    for id in 2..=5 {
        assert_eq!(of(id).collect::<Vec<_>>(), ["stage", "done"], "{parts:?}");
    }
}

#[test]
fn transfers_side_by_side_have_rows_of_their_own_on_a_terminal() {
    let mut state = progress::State::new(&Options { terminal: true, ..options(Progress::Auto) });
    let numbers = Numbers::default();
    let begin = |state: &mut progress::State, parent: Option<TaskId>, name: &'static str| {
        let task = numbers.next();
        let event = Event::Begin { task, parent, name: name.into(), total: Some(9), unit: Unit::Bytes };
        assert_eq!(state.take(event, still()), None, "a row, and no line");
        task
    };
    let whole = begin(&mut state, None, "fetch packages");
    let parts: Vec<TaskId> = (0..100).map(|_| begin(&mut state, Some(whole), "libc6")).collect();
    assert_eq!(state.rows(), 10, "a terminal has few lines");
    for task in &parts {
        assert_eq!(state.take(Event::Progress { task: *task, done: 9 }, still()), None);
        assert_eq!(state.take(Event::Done { task: *task }, still()), None);
    }
    assert_eq!(state.rows(), 1);
    let summary = state.take(Event::Done { task: whole }, still());
    assert_eq!(summary, Some(progress::Line::Plain("fetch packages (0.0 s)".to_owned())));
}

#[test]
fn quiet_keeps_warnings_and_results_only() {
    let (ui, out, err) = ui(Options { quiet: true, ..options(Progress::Auto) });
    fetch(&ui);
    ui.note("from the cache");
    ui.warning("odd", "");
    ui.result("sha256:0", &"sha256:0").unwrap();
    assert_eq!(err.text(), "warning: odd\n");
    assert_eq!(out.text(), "sha256:0\n");
}

#[test]
fn an_error_is_shown_with_causes_log_and_help_and_without_control_characters() {
    let (ui, out, err) = ui(options(Progress::None));
    let error = Error::outside("cannot run\x1b]0;evil\x07")
        .because(&io::Error::other("first\nsecond"))
        .log("a\x1b[2J\nb")
        .hint("try again");
    ui.error(&error);
    assert_eq!(
        err.text(),
        "error: cannot run\\u{1b}]0;evil\\u{7}\n  caused by: first\n             second\n  log:\n    | a\\u{1b}[2J\n    | b\n  help: try again\n"
    );
    assert_eq!(out.text(), "");
}

#[test]
fn with_format_json_an_error_is_an_object_on_standard_error() {
    let (ui, out, err) = ui(Options { format: Format::Json, ..options(Progress::None) });
    ui.error(&Error::input("no manifest"));
    let value: serde_json::Value = serde_json::from_str(&err.text()).unwrap();
    assert_eq!(value["error"]["exit_code"], 1);
    assert_eq!(value["error"]["message"], "no manifest");
    assert_eq!(out.text(), "");
}

fn finding(source: &[u8], span: (usize, usize), line: u32, column: u32) -> (Diagnostic, Findings) {
    let diagnostic = Diagnostic::new(Severity::Error, "unknown-key", "unknown key `maks`", "did you mean `mask`?")
        .in_file("manifest.yaml")
        .at(Position { line, column })
        .spanning(span.0, span.1)
        .in_field("maks")
        .quoting("maks");
    let sources = [("manifest.yaml".to_owned(), source.to_vec())].into();
    (diagnostic.clone(), Findings { diagnostics: vec![diagnostic], sources, ..Findings::default() })
}

#[test]
fn a_finding_points_at_its_text() {
    let (ui, _, err) = ui(options(Progress::None));
    ui.findings(&finding(b"name: x\nmaks: []\nlicense: MIT\n", (8, 12), 2, 1).1);
    insta::assert_snapshot!(err.text());
}

#[test]
fn in_colour_the_severity_stands_out_and_the_text_is_the_same() {
    for source in [&b"name: x\nmaks: []\nlicense: MIT\n"[..], b""] {
        let (plain, _, text) = ui(options(Progress::None));
        plain.findings(&finding(source, (8, 12), 2, 1).1);
        let (coloured, _, colours) = ui(Options { color: true, ..options(Progress::None) });
        coloured.findings(&finding(source, (8, 12), 2, 1).1);
        let colours = colours.text();
        assert!(colours.starts_with("\x1b[1;31merror[unknown-key]:\x1b[0m unknown key `maks`\n"), "{colours:?}");
        let parts = colours.split('\x1b').enumerate();
        let bare: String = parts.map(|(i, part)| if i == 0 { part } else { part.split_once('m').unwrap().1 }).collect();
        let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(lines(&bare), lines(&text.text()));
    }
}

#[test]
fn the_source_of_a_finding_cannot_write_to_the_terminal() {
    let (ui, _, err) = ui(options(Progress::None));
    ui.findings(&finding("a: \x1b[2J\u{202e}\nmaks: \x07\n".as_bytes(), (11, 15), 2, 1).1);
    let text = err.text();
    assert!(!text.chars().any(|c| c != '\n' && text::is_dangerous(c)), "{text:?}");
    assert!(text.contains("␛[2J"), "{text}");
}

#[test]
fn a_finding_without_source_or_with_a_huge_line_says_where_it_is_all_the_same() {
    let huge = "x".repeat(100_000);
    for source in ["", huge.as_str()] {
        let (ui, _, err) = ui(options(Progress::None));
        ui.findings(&finding(source.as_bytes(), (5, 9), 1, 6).1);
        let text = err.text();
        assert!(text.contains("--> manifest.yaml:1:6") && text.contains("| maks") && text.len() < 500, "{text}");
    }
}
