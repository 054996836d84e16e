//! `completions`: what a shell needs to complete our command line.

use clap::Args;

use crate::commands::{Context, Module, Verb};
use crate::error::Error;
use crate::settings::Flags;

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

impl Verb for CompletionsArgs {
    fn settings(&self) -> (Module, Flags) {
        (Module::None, Flags::default())
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Prints the script for `command`.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(args: CompletionsArgs, context: &Context) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut (context.command)(), "module-builder", &mut script);
    context.ui.raw_result(&script)
}
