//! Events of long work become bars, plain lines or JSON Lines.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use model::observe::{Event, Unit};
use model::words::size;
use serde_json::json;

use super::text::{self, clean};
use super::{Options, Progress};

/// How often a plain line about the same stage is due.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);
/// How often a JSON line about the same stage is due.
const JSON_INTERVAL: Duration = Duration::from_millis(200);

/// Something to print.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// As it is.
    Plain(String),
    /// With a severity in front and the cure below.
    Warning { message: String, cure: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Bars,
    Plain,
    Json,
    Silent,
}

struct Stage {
    name: &'static str,
    total: Option<u64>,
    unit: Unit,
    done: u64,
    item: String,
    began: Instant,
    /// When a line about it was last printed.
    told: Instant,
    bar: Option<ProgressBar>,
}

/// What is going on.
pub(super) struct State {
    mode: Mode,
    quiet: bool,
    stage: Option<Stage>,
}

impl State {
    pub(super) fn new(options: &Options) -> Self {
        let mode = match options.progress {
            Progress::Json => Mode::Json,
            Progress::None => Mode::Silent,
            _ if options.quiet => Mode::Silent,
            Progress::Auto if options.terminal => Mode::Bars,
            Progress::Auto | Progress::Plain => Mode::Plain,
        };
        Self { mode, quiet: options.quiet, stage: None }
    }

    /// Takes the bar off the screen, so that lines can be written.
    pub(super) fn suspend(&mut self) {
        if let Some(bar) = self.stage.as_mut().and_then(|stage| stage.bar.take()) {
            bar.finish_and_clear();
        }
    }

    /// Lets `write` print `text` above the bar.
    pub(super) fn print(&self, text: &str, write: impl FnOnce(&str)) {
        match self.stage.as_ref().and_then(|stage| stage.bar.as_ref()) {
            Some(bar) => bar.suspend(|| write(text)),
            None => write(text),
        }
    }

    /// Takes an event and gives the lines that are due at `now`.
    pub(super) fn take(&mut self, event: Event, now: Instant) -> Vec<Line> {
        match event {
            Event::Stage { name, total, unit } => {
                let mut lines = self.end(now);
                let bar = (self.mode == Mode::Bars).then(|| bar(name, total, unit));
                let stage = Stage { name, total, unit, done: 0, item: String::new(), began: now, told: now, bar };
                lines.extend(match self.mode {
                    Mode::Plain => Some(Line::Plain(name.to_owned())),
                    Mode::Json => json_line(&json!({
                        "event": "stage", "name": name, "total": total, "unit": unit_name(unit)
                    })),
                    Mode::Bars | Mode::Silent => None,
                });
                self.stage = Some(stage);
                lines
            }
            Event::Progress { done } => {
                let Some(stage) = &mut self.stage else { return Vec::new() };
                stage.done = done;
                if let Some(bar) = &stage.bar {
                    bar.set_position(done);
                }
                self.due(now)
            }
            Event::Item(item) => {
                let Some(stage) = &mut self.stage else { return Vec::new() };
                stage.item = clean(&item);
                if let Some(bar) = &stage.bar {
                    bar.set_message(stage.item.clone());
                }
                self.due(now)
            }
            Event::Note(text) => match self.mode {
                Mode::Json => json_line(&json!({ "event": "note", "message": text })).into_iter().collect(),
                _ if self.quiet => Vec::new(),
                _ => vec![Line::Plain(clean(&text))],
            },
            Event::Warning { message, cure } => match self.mode {
                Mode::Json => {
                    json_line(&json!({ "event": "warning", "message": message, "cure": cure })).into_iter().collect()
                }
                _ => vec![Line::Warning { message: clean(&message), cure: clean(&cure) }],
            },
            Event::Done => self.end(now),
        }
    }

    /// A line about where the stage is, when one is due.
    fn due(&mut self, now: Instant) -> Vec<Line> {
        let interval = match self.mode {
            Mode::Plain => PLAIN_INTERVAL,
            Mode::Json => JSON_INTERVAL,
            Mode::Bars | Mode::Silent => return Vec::new(),
        };
        let Some(stage) = &mut self.stage else { return Vec::new() };
        if now.saturating_duration_since(stage.told) < interval {
            return Vec::new();
        }
        stage.told = now;
        let line = if self.mode == Mode::Json { stage.json("progress", now) } else { Some(stage.plain(now)) };
        line.into_iter().collect()
    }

    fn end(&mut self, now: Instant) -> Vec<Line> {
        let Some(stage) = self.stage.take() else { return Vec::new() };
        let line = match self.mode {
            Mode::Bars => {
                if let Some(bar) = &stage.bar {
                    bar.finish_and_clear();
                }
                Some(Line::Plain(format!("{} ({})", stage.name, stage.summary(now))))
            }
            Mode::Json => stage.json("done", now),
            Mode::Plain | Mode::Silent => None,
        };
        line.into_iter().collect()
    }
}

impl Stage {
    fn plain(&self, now: Instant) -> Line {
        let item = if self.item.is_empty() { String::new() } else { format!(" ({})", self.item) };
        let amount = match self.total {
            Some(total) => format!("{} of {}", amount(self.done, self.unit), amount(total, self.unit)),
            None => amount(self.done, self.unit),
        };
        Line::Plain(format!(
            "{}: {amount}, {}/s{item}",
            self.name,
            amount_a_second(self.done, self.unit, self.age(now))
        ))
    }

    fn summary(&self, now: Instant) -> String {
        let seconds = format!("{:.1} s", self.age(now).as_secs_f64());
        if self.done == 0 { seconds } else { format!("{}, {seconds}", amount(self.done, self.unit)) }
    }

    fn json(&self, event: &str, now: Instant) -> Option<Line> {
        json_line(&json!({
            "event": event, "name": self.name, "done": self.done, "total": self.total, "unit": unit_name(self.unit),
            "item": self.item, "seconds": (self.age(now).as_secs_f64() * 1000.0).round() / 1000.0,
        }))
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }
}

fn json_line(value: &serde_json::Value) -> Option<Line> {
    text::json(value, false).ok().map(Line::Plain)
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Items => "items",
        Unit::Bytes => "bytes",
    }
}

/// `12`, or `3.4 MiB`.
fn amount(count: u64, unit: Unit) -> String {
    match unit {
        Unit::Items => count.to_string(),
        Unit::Bytes => size(count),
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people to read"
)]
fn amount_a_second(count: u64, unit: Unit, age: Duration) -> String {
    let seconds = age.as_secs_f64().max(0.001);
    amount((count as f64 / seconds) as u64, unit)
}

fn bar(name: &'static str, total: Option<u64>, unit: Unit) -> ProgressBar {
    let template = match (total.is_some(), unit) {
        (true, Unit::Bytes) => "{prefix} [{bar:24}] {bytes}/{total_bytes} {binary_bytes_per_sec} {wide_msg}",
        (true, Unit::Items) => "{prefix} [{bar:24}] {human_pos}/{human_len} {per_sec:.0} {wide_msg}",
        (false, Unit::Bytes) => "{spinner} {prefix} {bytes} {binary_bytes_per_sec} {wide_msg}",
        (false, Unit::Items) => "{spinner} {prefix} {human_pos} {wide_msg}",
    };
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(name);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
