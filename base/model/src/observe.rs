//! How long work reports its progress without printing anything.
//!
//! Work is reported as tasks. A [`Task`] has a number of its own and perhaps a parent, so that what goes on side by
//! side can be shown side by side, and it is done when the value is dropped, so that no error leaves one open.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What a task counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things: packages, files.
    Items,
    /// Bytes.
    Bytes,
}

/// The number of a task, which no other task of the run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u64);

impl TaskId {
    /// The number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Numbers the tasks of one run: 1, 2, 3, in the order in which they begin.
#[derive(Debug, Default)]
pub struct Numbers(AtomicU64);

impl Numbers {
    /// The next number.
    pub fn next(&self) -> TaskId {
        TaskId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// One step of long work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A task begins.
    Begin {
        /// Its number.
        task: TaskId,
        /// The task that it is a part of.
        parent: Option<TaskId>,
        /// A short verb phrase, such as `fetch packages`, or what a part is about, such as a package's name.
        name: Cow<'static, str>,
        /// How much there is to do, where that is known.
        total: Option<u64>,
        /// What `total` and [`Event::Progress`] count.
        unit: Unit,
    },
    /// The task has come this far, counted from its beginning. Of two that come in another order, the larger counts.
    Progress {
        /// The task.
        task: TaskId,
        /// How much is done.
        done: u64,
    },
    /// How much there is to do, where that was not known when the task began, or is more now.
    Total {
        /// The task.
        task: TaskId,
        /// What [`Event::Progress`] comes to.
        total: u64,
    },
    /// What is being worked on now, such as a package's name.
    Item {
        /// The task.
        task: TaskId,
        /// The name.
        name: String,
    },
    /// Something worth a line in a log, such as `rootfs taken from the cache`.
    Note {
        /// The task that it is about, where there is one.
        task: Option<TaskId>,
        /// What is to be said.
        text: String,
    },
    /// A warning for the user that does not stop the work.
    Warning {
        /// The task that it is about, where there is one.
        task: Option<TaskId>,
        /// What was noticed.
        message: String,
        /// How to fix it; may be empty.
        hint: String,
    },
    /// The task is over, also where it failed.
    Done {
        /// The task.
        task: TaskId,
    },
}

/// Who listens to the progress of long work. Called from any thread.
pub trait Observer: Send + Sync {
    /// Takes one event. It must be quick.
    fn event(&self, event: Event);

    /// The number of the next task, from [`Numbers`] or from another observer.
    fn number(&self) -> TaskId;
}

impl dyn Observer + '_ {
    /// Says something that the user may want to know.
    pub fn note(&self, text: &str) {
        self.event(Event::Note { task: None, text: text.to_owned() });
    }

    /// Warns of something that does not stop the work. `hint` may be empty.
    pub fn warning(&self, message: &str, hint: &str) {
        self.event(Event::Warning { task: None, message: message.to_owned(), hint: hint.to_owned() });
    }
}

/// A task that has begun. Dropping it ends it.
#[must_use = "a task that is dropped is done"]
pub struct Task<'a> {
    observer: &'a dyn Observer,
    id: TaskId,
    done: AtomicU64,
}

impl<'a> Task<'a> {
    /// Begins a task that is no part of another.
    pub fn start(observer: &'a dyn Observer, name: &'static str, total: Option<u64>, unit: Unit) -> Self {
        Self::begin(observer, None, name.into(), total, unit)
    }

    /// Begins a part of this task. It counts by itself: what it advances, this one does not.
    pub fn child(&self, name: impl Into<Cow<'static, str>>, total: Option<u64>, unit: Unit) -> Self {
        Self::begin(self.observer, Some(self.id), name.into(), total, unit)
    }

    fn begin(
        observer: &'a dyn Observer,
        parent: Option<TaskId>,
        name: Cow<'static, str>,
        total: Option<u64>,
        unit: Unit,
    ) -> Self {
        let task = observer.number();
        observer.event(Event::Begin { task, parent, name, total, unit });
        Self { observer, id: task, done: AtomicU64::new(0) }
    }

    /// Counts `count` more.
    pub fn advance(&self, count: u64) {
        self.observer.event(Event::Progress { task: self.id, done: self.count(count) });
    }

    /// Counts `count` more without a report, and gives how much is done: for what is counted too often to be
    /// reported each time.
    pub fn count(&self, count: u64) -> u64 {
        self.done.fetch_add(count, Ordering::Relaxed).saturating_add(count)
    }

    /// Says how much there is to do, now that it is known.
    pub fn expect(&self, total: u64) {
        self.observer.event(Event::Total { task: self.id, total });
    }

    /// How much is done.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Says what is being worked on now.
    pub fn item(&self, name: impl Into<String>) {
        self.observer.event(Event::Item { task: self.id, name: name.into() });
    }

    /// Says something about the task that the user may want to know.
    pub fn note(&self, text: &str) {
        self.observer.event(Event::Note { task: Some(self.id), text: text.to_owned() });
    }

    /// Warns of something about the task that does not stop the work. `hint` may be empty.
    pub fn warning(&self, message: &str, hint: &str) {
        self.observer.event(Event::Warning { task: Some(self.id), message: message.to_owned(), hint: hint.to_owned() });
    }

    /// Who listens.
    #[must_use]
    pub fn observer(&self) -> &'a dyn Observer {
        self.observer
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.observer.event(Event::Done { task: self.id });
    }
}

/// Listens to nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: Event) {}

    fn number(&self) -> TaskId {
        TaskId(0)
    }
}

/// Keeps what is reported to it, for whoever looks at it later.
#[derive(Debug, Default)]
pub struct Collected {
    numbers: Numbers,
    events: Mutex<Vec<Event>>,
}

impl Collected {
    /// Every event so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What notes and warnings say, without tasks, progress and hints.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let text = |event| match event {
            Event::Note { text, .. } | Event::Warning { message: text, .. } => Some(text),
            Event::Begin { .. }
            | Event::Progress { .. }
            | Event::Total { .. }
            | Event::Item { .. }
            | Event::Done { .. } => None,
        };
        self.events().into_iter().filter_map(text).collect()
    }
}

impl Observer for Collected {
    fn event(&self, event: Event) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    fn number(&self) -> TaskId {
        self.numbers.next()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn what_is_said_without_a_task_reaches_the_observer() {
        let collected = Collected::default();
        let observer: &dyn Observer = &collected;
        observer.note("a");
        observer.warning("b", "c");
        let events = collected.events();
        assert!(matches!(&events[0], Event::Note { task: None, text } if text == "a"), "{events:?}");
        assert!(matches!(&events[1], Event::Warning { message, hint, .. } if message == "b" && hint == "c"));
    }

    #[test]
    fn tasks_are_numbered_know_their_parent_and_end_by_themselves() {
        let collected = Collected::default();
        let fails = || -> Result<(), ()> {
            let whole = Task::start(&collected, "fetch packages", Some(5), Unit::Bytes);
            let part = whole.child("libc6".to_owned(), Some(5), Unit::Bytes);
            part.advance(2);
            part.advance(3);
            whole.note("slow");
            Err(())
        };
        fails().unwrap_err();
        let (whole, part) = (TaskId(1), TaskId(2));
        let begin = |task, parent, name: &'static str| Event::Begin {
            task,
            parent,
            name: name.into(),
            total: Some(5),
            unit: Unit::Bytes,
        };
        let events = [
            begin(whole, None, "fetch packages"),
            begin(part, Some(whole), "libc6"),
            Event::Progress { task: part, done: 2 },
            Event::Progress { task: part, done: 5 },
            Event::Note { task: Some(whole), text: "slow".to_owned() },
            Event::Done { task: part },
            Event::Done { task: whole },
        ];
        assert_eq!(collected.events(), events);
    }
}
