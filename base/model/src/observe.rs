//! How long work reports its progress without printing anything.

/// What a stage counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things: packages, files.
    Items,
    /// Bytes.
    Bytes,
}

/// One step of long work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A stage begins. Stages do not nest; a new one ends the one before.
    Stage {
        /// A short verb phrase, such as `fetch packages`.
        name: &'static str,
        /// How much there is to do, where that is known.
        total: Option<u64>,
        /// What `total` and [`Event::Progress`] count.
        unit: Unit,
    },
    /// The stage has come this far, counted from its beginning.
    Progress {
        /// How much is done.
        done: u64,
    },
    /// What is being worked on now, such as a package's name.
    Item(String),
    /// Something worth a line in a log, such as `rootfs taken from the cache`.
    Note(String),
    /// A warning for the user that does not stop the work.
    Warning {
        /// What was noticed.
        message: String,
        /// How to mend it; may be empty.
        cure: String,
    },
    /// The stage is done.
    Done,
}

/// Who listens to the progress of long work. Called from any thread.
pub trait Observer: Send + Sync {
    /// Takes one event. It must be quick.
    fn event(&self, event: Event);
}

impl dyn Observer + '_ {
    /// Says something that the user may want to know.
    pub fn note(&self, text: &str) {
        self.event(Event::Note(text.to_owned()));
    }

    /// Warns of something that does not stop the work. `cure` may be empty.
    pub fn warning(&self, message: &str, cure: &str) {
        self.event(Event::Warning { message: message.to_owned(), cure: cure.to_owned() });
    }
}

/// Listens to nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: Event) {}
}
