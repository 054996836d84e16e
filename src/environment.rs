//! The world outside of this process, as data.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use builder::apt::HostFile;

/// What `main.rs` saw of the world; tests make it up.
#[derive(Clone)]
pub(crate) struct Environment {
    /// All that the program was started with, its own name first.
    pub(crate) arguments: Vec<OsString>,
    /// The environment variables.
    pub(crate) variables: BTreeMap<OsString, OsString>,
    /// The current directory.
    pub(crate) current_dir: PathBuf,
    /// How many processors this process may use.
    pub(crate) processors: usize,
    /// The machine's architecture, by Rust's name.
    pub(crate) machine: &'static str,
    /// Whether standard error is a terminal.
    pub(crate) stderr_is_terminal: bool,
    /// The monotonic clock, for progress only.
    pub(crate) clock: fn() -> Instant,
    /// The time of day, by which the cache's entries are old or not; it reaches no output.
    pub(crate) now: fn() -> SystemTime,
    /// Reads the files that name the host's apt archives.
    pub(crate) apt_sources: fn() -> Vec<HostFile>,
    /// Reads a list of mirrors that such a file names.
    pub(crate) apt_mirrors: fn(&Path) -> Option<String>,
}

impl Environment {
    /// A variable's value; an empty one counts as unset.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// `path` below the current directory, unless it is absolute.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.current_dir.join(path)
    }

    /// Where large files without a name may be for a while.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.variable("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
    }
}
