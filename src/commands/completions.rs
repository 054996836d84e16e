//! `completions`: what a shell needs to complete our command line.

use clap::{Args, Command};

use crate::commands::Context;
use crate::error::Error;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: clap_complete::Shell,
}

const EXAMPLES: &str = "\
Examples:
  module-builder completions bash > ~/.local/share/bash-completion/completions/module-builder";

/// Prints the script for `command`.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
pub(crate) fn run(args: CompletionsArgs, mut command: Command, context: &Context) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "module-builder", &mut script);
    context.ui.raw_result(&script)
}
