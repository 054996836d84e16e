//! `env`: every effective setting and where it came from.

use std::collections::BTreeMap;

use clap::Args;

use crate::commands::{Context, Module, ModuleDirectory, Verb};
use crate::error::Error;
use crate::recipes::build::inputs;
use crate::recipes::packages::host;
use crate::settings::{self, Flags};
use crate::ui::clean;

/// Show every effective setting and where it came from
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(crate) struct EnvArgs {
    #[command(flatten)]
    pub(crate) module: ModuleDirectory,
    #[command(flatten)]
    pub(crate) settings: settings::Flags,
}

fn after_help() -> String {
    format!("{SOURCES}\n\n{}\n{EXAMPLES}", settings::help())
}

const SOURCES: &str = "\
Where settings come from, the strongest last:
  default
  /etc/module-builder/config.toml                   user: place and speed, accounts
  $XDG_CONFIG_HOME/module-builder/config.toml       user: place and speed, accounts
  builder.toml in the module                        module: what changes bytes
  MODULE_BUILDER_CACHE_DIR, _JOBS, _PROXY, ...      user: place and speed
  flags

What changes bytes is taken from builder.toml and flags alone, so that a module comes out the same
whoever builds it. Place and speed are the user's to say: builder.toml, which comes with the
sources, may not name them. A fleet's table of accounts is the one exception: module.lock keeps what
a build took of it.";

const EXAMPLES: &str = "\
Also honoured: XDG_CACHE_HOME, XDG_CONFIG_HOME, NO_COLOR.
Not read: http_proxy, https_proxy, no_proxy.

Examples:
  module-builder env -C nginx
  module-builder env --format json";

impl Verb for EnvArgs {
    fn settings(&self) -> (Module, Flags) {
        (self.module.module(), self.settings.clone())
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// The widest value that the column of origins stands behind, in characters.
const WIDEST: usize = 60;

/// Prints the settings.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: EnvArgs, context: &Context) -> Result<(), Error> {
    inputs::check_directory(args.module.path())?;
    host::report(&context.settings.host_apt, &context.ui);
    let entries = context.settings.entries();
    let widest = |of: fn(&settings::Entry) -> usize| entries.iter().map(of).max().unwrap_or(0);
    // Long lists are not worth a column of blanks for all the others.
    let column =
        |entry: &settings::Entry| Some(entry.text().chars().count()).filter(|width| *width <= WIDEST).unwrap_or(0);
    let (name, value) = (widest(|entry| entry.name.len()), widest(column));
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| format!("{:name$}  {:value$}  # {}", entry.name, entry.text(), clean(&entry.origin.to_string())))
        .collect();
    let object: BTreeMap<&str, _> = entries.iter().map(|entry| (entry.name, entry.json())).collect();
    context.ui.result(&lines.join("\n"), &object)
}
