//! The verbs, one file each.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod env;
pub(crate) mod explain;
pub(crate) mod fetch;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod lock;
pub(crate) mod man;
pub(crate) mod rebuild;
pub(crate) mod schema;
pub(crate) mod validate;

use std::path::PathBuf;

use crate::environment::Environment;
use crate::error::Error;
use crate::settings::{Flags, Settings};
use crate::ui::Ui;

/// What a verb answers for. No method has a default: a new verb has to say whether a `builder.toml` counts.
pub(crate) trait Verb: clap::Args {
    /// The module whose `builder.toml` counts, and the flags that override settings.
    fn settings(&self) -> (Module, Flags);

    /// Does the work and shows the result.
    ///
    /// # Errors
    /// Whatever keeps the verb from its result.
    fn run(self, context: &Context) -> Result<(), Error>;
}

/// Whose `builder.toml` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Module {
    /// That of the module's repository at this path.
    At(PathBuf),
    /// The settings of the machine and of the user hold alone.
    None,
}

/// What every command gets.
pub(crate) struct Context {
    /// The printer, which is also the observer of long work.
    pub(crate) ui: Ui,
    /// The effective settings, `builder.toml` of the command's module included.
    pub(crate) settings: Settings,
    /// What `main.rs` saw of the world.
    pub(crate) environment: Environment,
    /// The whole command line, for verbs that describe it.
    pub(crate) command: fn() -> clap::Command,
}
