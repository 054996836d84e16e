#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::Position;
use model::observe::Unit;

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

/// Advances by two seconds whenever it is looked at.
fn ticking() -> Instant {
    static SECONDS: AtomicU64 = AtomicU64::new(0);
    still() + Duration::from_secs(SECONDS.fetch_add(2, Ordering::Relaxed))
}

fn ui(options: Options) -> (Ui, Sink, Sink) {
    let (out, err) = (Sink::default(), Sink::default());
    (Ui::with_streams(options, Box::new(out.clone()), Box::new(err.clone())), out, err)
}

fn fetch(ui: &Ui) {
    ui.event(Event::Stage { name: "fetch packages", total: Some(4 << 20), unit: Unit::Bytes });
    for step in 1..=4 {
        ui.event(Event::Item(format!("package-{step}\x1b[31m")));
        ui.event(Event::Progress { done: step << 20 });
    }
    ui.event(Event::Done);
}

#[test]
fn plain_progress_is_a_line_a_stage_and_one_now_and_then() {
    let (ui, out, err) = ui(Options { clock: ticking, ..options(Progress::Auto) });
    fetch(&ui);
    let text = err.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "fetch packages");
    assert_eq!(lines.len(), 3, "16 seconds and a line every 6: {text}");
    assert!(lines[1].starts_with("fetch packages: 1.0 MiB of 4.0 MiB, "), "{text}");
    assert!(lines[1].ends_with("(package-2\\u{1b}[31m)"), "{text}");
    assert_eq!(out.text(), "");
}

#[test]
fn json_progress_is_one_object_a_line() {
    let (ui, _, err) = ui(options(Progress::Json));
    fetch(&ui);
    ui.warning("odd", "mend it");
    ui.note("from the cache");
    let events: Vec<serde_json::Value> = err.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["stage", "done", "warning", "note"]);
    assert_eq!(events[1]["done"], 4 << 20);
    assert_eq!(events[2]["cure"], "mend it");
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
    let diagnostic = Diagnostic {
        severity: Severity::Error,
        code: "unknown-key",
        file: Some("manifest.yaml".into()),
        position: Some(Position { line, column }),
        span: Some(span),
        field: "maks".to_owned(),
        text: "maks".to_owned(),
        message: "unknown key `maks`".to_owned(),
        cure: "did you mean `mask`?".to_owned(),
    };
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
