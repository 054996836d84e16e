//! Events of long work become bars, plain lines or JSON Lines.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::observe::{Event, TaskId, Unit};
use model::words::size;
use serde_json::json;
use tracing::Level;

use super::text::{self, clean};
use super::{Options, Progress};

/// How often a plain line about the same task is due.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);
/// How often a JSON line about the same task is due.
const JSON_INTERVAL: Duration = Duration::from_millis(200);

/// From how many rows on the parts of a task have none of their own: a terminal has few lines.
const MOST_ROWS: usize = 10;

/// Something to print.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// As it is.
    Plain(String),
    /// With a severity in front and the hint below.
    Warning { message: String, hint: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Bars,
    Plain,
    Json,
    Silent,
}

/// A task that is not over.
struct Running {
    parent: Option<TaskId>,
    name: String,
    total: Option<u64>,
    unit: Unit,
    done: u64,
    item: String,
    began: Instant,
    /// When a line about it was last printed.
    shown: Instant,
    bar: Option<ProgressBar>,
}

/// The rows of this run, for whoever ends it from outside.
static ROWS: OnceLock<MultiProgress> = OnceLock::new();

/// Whether this run has ended from outside, so that nothing more is said of what goes on.
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Whether rows and lines about what goes on are to be shown no more.
pub(super) fn is_over() -> bool {
    IS_OVER.load(Ordering::SeqCst)
}

/// Takes every row off the screen for good.
pub(super) fn take_away() {
    IS_OVER.store(true, Ordering::SeqCst);
    if let Some(rows) = ROWS.get() {
        let _ = rows.clear();
        rows.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// What is going on.
pub(super) struct State {
    mode: Mode,
    quiet: bool,
    bars: MultiProgress,
    tasks: BTreeMap<TaskId, Running>,
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
        let bars = ROWS.get_or_init(MultiProgress::new).clone();
        Self { mode, quiet: options.quiet, bars, tasks: BTreeMap::new() }
    }

    /// Takes the bars off the screen, so that lines can be written.
    pub(super) fn suspend(&mut self) {
        for bar in self.tasks.values_mut().filter_map(|task| task.bar.take()) {
            bar.finish_and_clear();
        }
    }

    /// Lets `write` print `text` above the bars.
    pub(super) fn print(&self, text: &str, write: impl FnOnce(&str)) {
        match self.mode {
            Mode::Bars => self.bars.suspend(|| write(text)),
            Mode::Plain | Mode::Json | Mode::Silent => write(text),
        }
    }

    /// Takes an event and gives the line that is due at `now`.
    pub(super) fn take(&mut self, event: Event, now: Instant) -> Option<Line> {
        match event {
            Event::Begin { task, parent, name, total, unit } => {
                let (name, item) = (clean(&name), String::new());
                let running = Running { parent, name, total, unit, done: 0, item, began: now, shown: now, bar: None };
                self.begin(task, running)
            }
            Event::Progress { task, done } => {
                let running = self.tasks.get_mut(&task)?;
                running.done = running.done.max(done);
                if let Some(bar) = &running.bar {
                    bar.set_position(running.done);
                }
                self.due(task, now)
            }
            Event::Total { task, total } => {
                let running = self.tasks.get_mut(&task)?;
                running.total = Some(total);
                if let Some(bar) = &running.bar {
                    bar.set_length(total);
                    style(bar, running);
                }
                None
            }
            Event::Item { task, name } => {
                let running = self.tasks.get_mut(&task)?;
                running.item = clean(&name);
                if let Some(bar) = &running.bar {
                    bar.set_message(running.item.clone());
                }
                self.due(task, now)
            }
            Event::Note { task, text } => match self.mode {
                Mode::Json => json_line(&self.json(task, "note", json!({ "message": text }))),
                _ if self.quiet => None,
                _ => Some(Line::Plain(clean(&text))),
            },
            Event::Warning { task, message, hint } => match self.mode {
                Mode::Json => json_line(&self.json(task, "warning", json!({ "message": message, "hint": hint }))),
                _ => Some(Line::Warning { message: clean(&message), hint: clean(&hint) }),
            },
            Event::Done { task } => self.end(task, now),
        }
    }

    /// The line for what a library reports of its work.
    pub(super) fn log_line(&self, level: Level, target: &str, text: &str) -> Option<Line> {
        match self.mode {
            Mode::Json => {
                let record = json!({ "level": level.as_str().to_ascii_lowercase(), "target": target, "message": text });
                json_line(&self.json(None, "log", record))
            }
            Mode::Bars | Mode::Plain | Mode::Silent => Some(Line::Plain(format!("{target}: {text}"))),
        }
    }

    /// Begins a task. A part of another one has a row on a terminal and objects in JSON, and no lines of its own:
    /// there it is what the whole is working on.
    fn begin(&mut self, id: TaskId, mut task: Running) -> Option<Line> {
        if let Some(parent) = task.parent.and_then(|parent| self.tasks.get_mut(&parent)) {
            parent.item.clone_from(&task.name);
        }
        let is_part = task.parent.is_some();
        if self.mode == Mode::Bars && !(is_part && self.rows() >= MOST_ROWS) {
            let bar = self.bars.add(bar(&task));
            bar.enable_steady_tick(Duration::from_millis(120));
            task.bar = Some(bar);
        }
        let begun = json!({ "name": task.name, "total": task.total, "unit": unit_name(task.unit) });
        let name = task.name.clone();
        self.tasks.insert(id, task);
        match self.mode {
            Mode::Plain if !is_part => Some(Line::Plain(name)),
            Mode::Json => json_line(&self.json(Some(id), "stage", begun)),
            Mode::Plain | Mode::Bars | Mode::Silent => None,
        }
    }

    /// How many tasks have a row.
    pub(super) fn rows(&self) -> usize {
        self.tasks.values().filter(|task| task.bar.is_some()).count()
    }

    /// A line about where the task is, when one is due.
    fn due(&mut self, id: TaskId, now: Instant) -> Option<Line> {
        let interval = match self.mode {
            Mode::Plain => PLAIN_INTERVAL,
            Mode::Json => JSON_INTERVAL,
            Mode::Bars | Mode::Silent => return None,
        };
        let task = self.tasks.get_mut(&id)?;
        if now.saturating_duration_since(task.shown) < interval {
            return None;
        }
        task.shown = now;
        let task = self.tasks.get(&id)?;
        match self.mode {
            Mode::Json => json_line(&self.json(Some(id), "progress", task.json(now))),
            _ => task.parent.is_none().then(|| task.plain(now)),
        }
    }

    fn end(&mut self, id: TaskId, now: Instant) -> Option<Line> {
        let task = self.tasks.get(&id)?;
        if let Some(bar) = &task.bar {
            bar.finish_and_clear();
            self.bars.remove(bar);
        }
        let line = match self.mode {
            Mode::Bars if task.parent.is_none() => Some(Line::Plain(format!("{} ({})", task.name, task.summary(now)))),
            Mode::Json => json_line(&self.json(Some(id), "done", task.json(now))),
            Mode::Bars | Mode::Plain | Mode::Silent => None,
        };
        self.tasks.remove(&id);
        line
    }

    /// An object about `task`, with its number and its parent's.
    fn json(&self, task: Option<TaskId>, event: &str, mut object: serde_json::Value) -> serde_json::Value {
        let parent = task.and_then(|task| self.tasks.get(&task)?.parent);
        object["event"] = event.into();
        object["id"] = task.map(TaskId::number).into();
        object["parent"] = parent.map(TaskId::number).into();
        object
    }
}

impl Running {
    fn plain(&self, now: Instant) -> Line {
        let item = if self.item.is_empty() { String::new() } else { format!(" ({})", self.item) };
        let amount = match self.total {
            Some(total) => format!("{} of {}", amount(self.done, self.unit), amount(total, self.unit)),
            None => amount(self.done, self.unit),
        };
        let rate = amount_a_second(self.done, self.unit, self.age(now));
        Line::Plain(format!("{}: {amount}, {rate}/s{item}", self.name))
    }

    fn summary(&self, now: Instant) -> String {
        let seconds = format!("{:.1} s", self.age(now).as_secs_f64());
        if self.done == 0 { seconds } else { format!("{}, {seconds}", amount(self.done, self.unit)) }
    }

    fn json(&self, now: Instant) -> serde_json::Value {
        json!({
            "name": self.name, "done": self.done, "total": self.total, "unit": unit_name(self.unit),
            "item": self.item, "seconds": (self.age(now).as_secs_f64() * 1000.0).round() / 1000.0,
        })
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

fn bar(task: &Running) -> ProgressBar {
    // Hidden until it is one of the rows: a bar draws itself whenever it is changed, and no one would take away what it
    // has drawn alone.
    let bar = ProgressBar::with_draw_target(task.total, ProgressDrawTarget::hidden());
    style(&bar, task);
    bar.set_prefix(if task.parent.is_some() { format!("  {:20.20}", task.name) } else { task.name.clone() });
    bar
}

/// Gives `bar` the columns that fit what is known of `task`.
fn style(bar: &ProgressBar, task: &Running) {
    // The amount and the rate first: what does not fit into the terminal is cut off at the end.
    let template = match (task.total.is_some(), task.unit, task.parent.is_some()) {
        (true, Unit::Bytes, true) => "{prefix} {bytes}/{total_bytes} {binary_bytes_per_sec} [{wide_bar}]",
        (true, Unit::Bytes, false) => "{prefix} {bytes}/{total_bytes} {binary_bytes_per_sec} [{bar:10}] {wide_msg}",
        (true, Unit::Items, true) => "{prefix} {human_pos}/{human_len} [{wide_bar}]",
        (true, Unit::Items, false) => "{prefix} {human_pos}/{human_len} [{bar:10}] {wide_msg}",
        (false, Unit::Bytes, _) => "{spinner} {prefix} {bytes} {binary_bytes_per_sec} {wide_msg}",
        (false, Unit::Items, _) => "{spinner} {prefix} {human_pos} {wide_msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}
