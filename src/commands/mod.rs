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

use crate::environment::Environment;
use crate::settings::Settings;
use crate::ui::Ui;

/// What every command gets.
pub(crate) struct Context {
    /// The printer, which is also the observer of long work.
    pub(crate) ui: Ui,
    /// The effective settings, `builder.toml` of the command's module included.
    pub(crate) settings: Settings,
    /// What `main.rs` saw of the world.
    pub(crate) environment: Environment,
}
