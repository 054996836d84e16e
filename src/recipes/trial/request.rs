//! What a trial is asked.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use builder::cache::Cache;
use model::Arch;

/// What is tried, and how.
#[derive(Debug, Clone)]
pub(crate) struct TrialRequest {
    /// The modules' directories, or what a build wrote; a later one lies over an earlier one.
    pub(crate) modules: Vec<PathBuf>,
    /// What they are laid over: a root file system, as a directory or a tar.
    pub(crate) base: Option<PathBuf>,
    /// The full tree, in which the same services are started for comparison.
    pub(crate) control: Option<PathBuf>,
    /// Where is kept what services did in a full tree.
    pub(crate) cache: Option<Cache>,
    /// How long everything must stay as it is.
    pub(crate) settle: Duration,
    /// How long services may take until they are up.
    pub(crate) timeout: Duration,
    /// Whether the trees stay.
    pub(crate) keep: bool,
    /// Where the trees are written.
    pub(crate) scratch: PathBuf,
    /// The machine's architecture.
    pub(crate) arch: Option<Arch>,
    /// The monotonic clock, by which is waited.
    pub(crate) clock: fn() -> Instant,
}
