//! What `-v` and `--log-file` show: what the libraries report of their work, by the events and spans of `tracing`.
//!
//! Libraries report and do not know who listens. This module alone listens, and to this product's own crates alone: what
//! other libraries would report, such as the headers of a request, is not for anyone's eyes. Passwords and tokens are taken
//! out here, of every line, whoever reported it ([`net::url::redact`]).

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use host::{Dir, Links};
use model::Epoch;
use model::observe::Event;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::{Screen, lock};
use crate::error::Error;

/// The crates that are listened to, by their names in code.
const OWN: [&str; 9] = ["attest", "builder", "composer", "host", "image", "model", "module_builder", "net", "oci"];

/// What people are shown anyway, and what the file must have, too.
const SHOWN: &str = "module_builder::ui";

/// Starts to listen, for the rest of the process. Where no one wants to know, nothing is done for it.
pub(super) fn listen(
    screen: &Arc<Screen>,
    verbosity: u8,
    file: Option<&Path>,
    now: fn() -> SystemTime,
) -> Result<(), Error> {
    let on_screen = match verbosity {
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let file = file.map(open).transpose()?.map(Mutex::new);
    if on_screen == LevelFilter::OFF && file.is_none() {
        return Ok(());
    }
    let lines = Lines { screen: Arc::clone(screen), on_screen, file, failed: AtomicBool::new(false), now };
    let set = tracing::subscriber::set_global_default(Registry::default().with(lines));
    set.map_err(|error| Error::bug("the log is set up twice").because(&error))
}

/// Opens the file at `path` to write at its end. One that holds something else than a log stays as it is.
fn open(path: &Path) -> Result<File, Error> {
    let (directory, name) = Dir::parent_of(path)?;
    // Anything else than the user's own file is refused where it is opened to write.
    if let Ok(mut file) = directory.file(&name, Links::Refuse) {
        let mut head = [0; 11];
        let count = file.read(&mut head).map_err(|error| Error::io("read", path, &error))?;
        if count > 0 && !is_date(&head[..count]) {
            return Err(Error::usage(format!("{} holds something else than a log", path.display()))
                .hint("name a file that is not there yet, or a log of earlier runs, by --log-file"));
        }
    } else {
        // Where this user may not, opening it says so.
        directory.is_writable()?;
    }
    Ok(directory.append_own(name)?)
}

/// Whether a line begins so: `2026-01-01T`.
fn is_date(head: &[u8]) -> bool {
    let fits = |(index, byte): (usize, &u8)| match index {
        4 | 7 => *byte == b'-',
        10 => *byte == b'T',
        _ => byte.is_ascii_digit(),
    };
    head.len() == 11 && head.iter().enumerate().all(fits)
}

/// Tells the file what people are shown.
pub(super) fn shown(event: &Event) {
    match event {
        Event::Begin { task, name, .. } => tracing::info!("task {} begins: {name}", task.number()),
        Event::Done { task } => tracing::info!("task {} is over", task.number()),
        Event::Note { text, .. } => tracing::info!("{text}"),
        Event::Warning { message, hint, .. } => tracing::warn!("{message}: {hint}"),
        Event::Progress { .. } | Event::Total { .. } | Event::Item { .. } => {}
    }
}

/// Makes lines of events, and of spans when they are over.
struct Lines {
    screen: Arc<Screen>,
    /// How much of it standard error shows.
    on_screen: LevelFilter,
    file: Option<Mutex<File>>,
    /// Whether the file could not be written, which is said once.
    failed: AtomicBool,
    now: fn() -> SystemTime,
}

/// What a span reported of itself, and when it began.
struct Begun {
    text: Text,
    began: Instant,
}

impl Lines {
    fn most(&self) -> LevelFilter {
        if self.file.is_some() { LevelFilter::DEBUG } else { self.on_screen }
    }

    fn line(&self, metadata: &Metadata<'_>, text: &str) {
        let text = super::clean(&net::url::redact(text));
        let target = metadata.target().split("::").next().unwrap_or_default().replace('_', "-");
        if *metadata.level() <= self.on_screen && !metadata.target().starts_with(SHOWN) {
            self.screen.print(|state| state.log_line(*metadata.level(), &target, &text));
        }
        let Some(file) = &self.file else { return };
        let line = format!("{} {:5} {target}: {text}\n", time((self.now)()), metadata.level());
        // In one call, so that the lines of two runs that share a file do not mix.
        if let Err(error) = lock(file).write_all(line.as_bytes())
            && !self.failed.swap(true, Ordering::Relaxed)
        {
            self.screen
                .say(&format!("{} the log file cannot be written: {error}", self.screen.paint("warning:", "1;33")));
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let crate_name = metadata.target().split("::").next().unwrap_or_default();
        *metadata.level() <= self.most() && OWN.contains(&crate_name)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most())
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.line(event.metadata(), &text.0);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut text = Text(attributes.metadata().name().to_owned());
        attributes.record(&mut text);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Begun { text, began: (self.screen.options.clock)() });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(begun) = span.extensions_mut().get_mut::<Begun>()
        {
            values.record(&mut begun.text);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(Begun { text, began }) = span.extensions_mut().remove() else { return };
        let seconds = (self.screen.options.clock)().saturating_duration_since(began).as_secs_f64();
        self.line(span.metadata(), &format!("{} after {seconds:.3} s", text.0));
    }
}

/// The fields of an event or a span: its message, and the others with their names.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let blank = if self.0.is_empty() { "" } else { " " };
        // Writing to a text does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{blank}{value:?}"),
            name => write!(self.0, "{blank}{name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// The time of day in UTC, to a thousandth of a second.
fn time(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = i64::try_from(since.as_secs()).ok().and_then(|seconds| Epoch::from_seconds(seconds).ok());
    let text = epoch.map_or_else(String::new, Epoch::rfc3339);
    format!("{}.{:03}Z", text.trim_end_matches('Z'), since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::super::{Format, Options, Progress, Ui};
    use super::*;

    fn start() -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now)
    }

    /// What stands in the file, and what on standard error, after `work`.
    fn log(progress: Progress, work: impl FnOnce()) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("err");
        let (err, options) = (
            File::create(&path).unwrap(),
            Options { format: Format::Human, progress, color: false, quiet: false, terminal: false, clock: start },
        );
        let ui = Ui::with_streams(options, Box::new(io::sink()), Box::new(err));
        let file = Dir::open(folder.path()).unwrap().append_own("log").unwrap();
        let lines = Lines {
            screen: Arc::clone(&ui.screen),
            on_screen: LevelFilter::INFO,
            file: Some(Mutex::new(file)),
            failed: AtomicBool::new(false),
            now: || UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        };
        tracing::subscriber::with_default(Registry::default().with(lines), work);
        let text = |path: &Path| std::fs::read_to_string(path).unwrap();
        (text(&folder.path().join("log")), text(&path))
    }

    fn work() {
        let span = tracing::info_span!(target: "net::client", "GET", url = "http://u:hunter2@h/x", status = tracing::field::Empty);
        tracing::debug!(target: "net::client", "Authorization: Basic hunter2");
        tracing::info!(target: "hyper::proto", "Authorization: hunter2");
        span.record("status", 200);
        drop(span);
        tracing::info!(target: "module_builder::ui::log", "a note");
        tracing::info!(target: "host::process", "run sh -c \u{1b}[2J\n\u{202e}");
    }

    #[test]
    fn the_file_has_everything_with_times_and_standard_error_the_steps_and_neither_a_secret() {
        let (file, err) = log(Progress::Plain, work);
        let lines = [
            "2023-11-14T22:13:20.123Z DEBUG net: Authorization: ***",
            "2023-11-14T22:13:20.123Z INFO  net: GET url=http://***@h/x status=200 after 0.000 s",
            "2023-11-14T22:13:20.123Z INFO  module-builder: a note",
            "2023-11-14T22:13:20.123Z INFO  host: run sh -c \\u{1b}[2J\\u{a}\\u{202e}",
        ];
        assert_eq!(file.lines().collect::<Vec<_>>(), lines);
        let lines =
            ["net: GET url=http://***@h/x status=200 after 0.000 s", "host: run sh -c \\u{1b}[2J\\u{a}\\u{202e}"];
        assert_eq!(err.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn where_progress_is_json_the_log_is_too() {
        let (_, err) = log(Progress::Json, work);
        let events: Vec<serde_json::Value> = err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 2, "{err}");
        assert_eq!((&events[0]["event"], &events[0]["level"]), (&"log".into(), &"info".into()));
        assert_eq!(events[0]["message"], "GET url=http://***@h/x status=200 after 0.000 s");
    }
}
