//! The only printer: results go to standard output alone, everything else to standard error.
//!
//! Text that may come from outside (file names, package names, a child's log) loses its control
//! characters here ([`text`]), in each format, so that nothing can write to the terminal but this
//! module; so do addresses their passwords.

mod log;
mod progress;
mod snippet;
mod text;

pub(crate) use text::clean;
use text::clean_lines;

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use model::Severity;
use model::observe::{Event, Numbers, Observer, TaskId};
pub(crate) use model::words::size;
use serde::Serialize;

use crate::error::{Error, Findings, Reported, group};

/// How results and errors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text for people
    #[default]
    Human,
    /// JSON for programs
    Json,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Progress {
    /// Bars on a terminal, plain lines elsewhere
    #[default]
    Auto,
    /// A line a stage, and one every few seconds in between
    Plain,
    /// One JSON object a line
    Json,
    /// Nothing
    None,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What the printer has to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// How results and errors are written.
    pub(crate) format: Format,
    /// How progress is shown; `Auto` is decided by `terminal`.
    pub(crate) progress: Progress,
    /// Whether to use colours.
    pub(crate) color: bool,
    /// Whether to keep notes and progress to oneself.
    pub(crate) quiet: bool,
    /// Whether standard error is a terminal that can redraw lines.
    pub(crate) terminal: bool,
    /// The monotonic clock, for rates and for how often a line is due; nothing else.
    pub(crate) clock: fn() -> Instant,
}

/// The printer.
pub(crate) struct Ui {
    screen: Arc<Screen>,
    out: Mutex<Box<dyn Write + Send>>,
    numbers: Numbers,
}

/// Standard error, and what is drawn there.
struct Screen {
    options: Options,
    err: Mutex<Box<dyn Write + Send>>,
    progress: Mutex<progress::State>,
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere is reported by its own hook; the printer must still be able to print.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ui {
    /// A printer to the process's own streams.
    pub(crate) fn new(options: Options) -> Self {
        Self::with_streams(options, Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// A printer to given streams.
    pub(crate) fn with_streams(options: Options, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        let progress = Mutex::new(progress::State::new(&options));
        let screen = Arc::new(Screen { options, err: Mutex::new(err), progress });
        Self { screen, out: Mutex::new(out), numbers: Numbers::default() }
    }

    /// Shows from here on what the libraries report of their work: on standard error as much as `verbosity` says, and all
    /// of it at the end of `file`, with the time of day.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn listen(&self, verbosity: u8, file: Option<&Path>, now: fn() -> SystemTime) -> Result<(), Error> {
        log::listen(&self.screen, verbosity, file, now)
    }

    /// Whether results are wanted as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.screen.options.format == Format::Json
    }

    /// Prints the result of the command: `human` and a line break, or `value` as JSON.
    ///
    /// # Errors
    /// When standard output cannot be written. A reader that has gone away is no error.
    pub(crate) fn result(&self, human: &str, value: &impl Serialize) -> Result<(), Error> {
        let text = match self.screen.options.format {
            Format::Human => text::gate(human, false),
            Format::Json => text::json(value, true)
                .map_err(|error| Error::bug("cannot write the result as JSON").because(&error))?,
        };
        self.raw_result(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
    }

    /// Prints `bytes` as the result whatever the format, for results that have a form of their own
    /// (a schema, a completion script).
    ///
    /// # Errors
    /// As [`Ui::result`].
    pub(crate) fn raw_result(&self, bytes: &[u8]) -> Result<(), Error> {
        lock(&self.screen.progress).suspend();
        let mut out = lock(&self.out);
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::outside("cannot write to standard output").because(&error))
            }
            _ => Ok(()),
        }
    }

    /// Prints what is in `file` as the result whatever the format.
    ///
    /// # Errors
    /// As [`Ui::result`], and when the file cannot be read.
    pub(crate) fn raw_file(&self, mut file: std::fs::File) -> Result<(), Error> {
        lock(&self.screen.progress).suspend();
        let mut out = lock(&self.out);
        match io::copy(&mut file, &mut *out).and_then(|_| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::outside("cannot write to standard output").because(&error))
            }
            _ => Ok(()),
        }
    }

    /// Says something that the user may want to know; not with `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        let observer: &dyn Observer = self;
        observer.note(text);
    }

    /// Warns of something that does not stop the work.
    pub(crate) fn warning(&self, message: &str, hint: &str) {
        let observer: &dyn Observer = self;
        observer.warning(message, hint);
    }

    /// Shows findings with their source lines, the worst first, in each file from top to bottom; then conflicts. Where progress
    /// is JSON, each is an event.
    pub(crate) fn findings(&self, findings: &Findings) {
        let Options { quiet, color, progress, .. } = self.screen.options;
        for found in group::in_order(&findings.diagnostics) {
            let head = &found.head;
            if quiet && head.severity == Severity::Note {
                continue;
            }
            tracing::info!("{:?} {}: {}", head.severity, head.code, head.message);
            if progress == Progress::Json {
                self.finding_event(&found);
                continue;
            }
            let source = head.file.as_ref().and_then(|file| findings.sources.get(&**file));
            self.say(&format!("{}\n", snippet::finding(&found, source.map(Vec::as_slice), color)));
        }
        for conflict in &findings.conflicts {
            match progress {
                Progress::Json => self.finding_event(conflict),
                Progress::Auto | Progress::Plain | Progress::None => {
                    let source = findings.sources.get(&*conflict.own.origin.file).map(Vec::as_slice);
                    self.say(&snippet::conflict(conflict, source, color));
                }
            }
        }
    }

    /// Writes a finding as one line among the events.
    fn finding_event(&self, found: &impl Serialize) {
        #[derive(Serialize)]
        struct Event<'a, T> {
            event: &'static str,
            #[serde(flatten)]
            found: &'a T,
        }
        self.say(&text::json(&Event { event: "finding", found }, false).unwrap_or_default());
    }

    /// Shows what a recipe found, and gives what it made.
    pub(crate) fn reported<T>(&self, reported: Reported<T>) -> T {
        self.findings(&reported.findings);
        reported.value
    }

    /// Shows why the command failed.
    pub(crate) fn error(&self, error: &Error) {
        tracing::error!("{error}");
        if self.is_json() {
            if !error.message.is_empty() {
                let value = serde_json::json!({ "error": error.to_json() });
                self.say(&text::json(&value, false).unwrap_or_default());
            }
            return;
        }
        self.findings(&error.findings);
        if error.message.is_empty() {
            return;
        }
        let mut text = format!("{} {}", self.paint("error:", "1;31"), clean(&error.message));
        for cause in &error.causes {
            text.push_str(&format!("\n  caused by: {}", indent(&clean_lines(cause), "             ")));
        }
        if let Some(log) = &error.log {
            text.push_str(&format!("\n  log:\n    | {}", indent(&clean_lines(log), "    | ")));
        }
        if let Some(hint) = &error.hint {
            text.push_str(&format!("\n  {} {}", self.paint("help:", "1;36"), indent(&clean_lines(hint), "        ")));
        }
        if error.kind == crate::error::Kind::Bug {
            text.push_str(&format!("\n  {} {REPORT}", self.paint("help:", "1;36")));
        }
        self.say(&text);
    }

    /// Shows what clap has to say: help and version are results, the rest is an error, which repeats
    /// `arguments`.
    pub(crate) fn clap(&self, error: &clap::Error, arguments: &[std::ffi::OsString]) -> Result<(), Error> {
        let text = error.render();
        // A colour that stands in an argument could not be distinguished from one that clap gives.
        let is_plain = |text: &std::ffi::OsString| !text.to_string_lossy().chars().any(text::is_dangerous);
        let color = self.screen.options.color && arguments.iter().all(is_plain);
        let text = if color { text.ansi().to_string() } else { text.to_string() };
        if error.use_stderr() {
            self.say(text.trim_end());
            Ok(())
        } else {
            self.raw_result(text.as_bytes())
        }
    }

    fn say(&self, text: &str) {
        self.screen.say(text);
    }

    fn paint(&self, text: &str, style: &str) -> String {
        self.screen.paint(text, style)
    }
}

impl Screen {
    /// Writes whole lines to standard error. When that fails, there is no place left to report it.
    fn say(&self, text: &str) {
        lock(&self.progress).suspend();
        self.line(text);
    }

    fn line(&self, text: &str) {
        let mut err = lock(&self.err);
        let _ = writeln!(err, "{}", text::gate(&net::url::redact(text), self.options.color));
        let _ = err.flush();
    }

    fn paint(&self, text: &str, style: &str) -> String {
        if self.options.color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Prints what `take` makes of the progress, above the rows.
    fn print(&self, take: impl FnOnce(&mut progress::State) -> Option<progress::Line>) {
        // The lock is kept while printing, so that lines of two threads stay in order.
        let mut state = lock(&self.progress);
        if progress::is_over() {
            return;
        }
        let Some(line) = take(&mut state) else { return };
        let text = match line {
            progress::Line::Plain(text) => text,
            progress::Line::Warning { message, hint } => {
                let mut text = format!("{} {message}", self.paint("warning:", "1;33"));
                if !hint.is_empty() {
                    text.push_str(&format!("\n  {} {hint}", self.paint("help:", "1;36")));
                }
                text
            }
        };
        state.print(&text, |text| self.line(text));
    }
}

impl Observer for Ui {
    fn event(&self, event: Event) {
        log::shown(&event);
        self.screen.print(|state| state.take(event, (self.screen.options.clock)()));
    }

    fn number(&self) -> TaskId {
        self.numbers.next()
    }
}

const REPORT: &str = "this is a bug in module-builder: please report it with the command and this output";

/// Says that the run ends because `signal` came, in one line in place of the rows.
pub(crate) fn interrupted(signal: &str) {
    progress::take_away();
    let _ = writeln!(io::stderr(), "{signal}: downloads stay, all else that this run made for itself is removed");
}

/// Tells of a panic; called by the panic hook, when no printer may be within reach.
pub(crate) fn bug(panic: &str) {
    let _ = writeln!(io::stderr(), "error: internal error: {}\n  help: {REPORT}", clean_lines(panic));
}

fn indent(text: &str, by: &str) -> String {
    text.replace('\n', &format!("\n{by}"))
}

#[cfg(test)]
mod tests;
