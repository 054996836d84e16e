//! `man`: the manual pages, made from the same text as `--help`.

use std::path::PathBuf;

use clap::{Args, Command};
use model::path::json::Alone;

use crate::commands::Context;
use crate::error::Error;
use crate::ui::clean;

/// Print the manual page, or write the pages of all verbs into a directory
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ManArgs {
    /// Write module-builder.1 and a page for each verb into DIR, which must exist
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  module-builder man | man -l -
  module-builder man --output ~/.local/share/man/man1";

/// Prints or writes the pages of `command`.
pub(crate) fn run(args: ManArgs, command: Command, context: &Context) -> Result<(), Error> {
    let Some(directory) = args.output else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Error::bug("cannot write the manual page").because(&error))?;
        page.push(b'\n');
        return context.ui.raw_result(&page);
    };
    clap_mangen::generate_to(command, &directory).map_err(|error| Error::io("write pages into", &directory, &error))?;
    context.ui.result(&clean(&directory.display().to_string()), &Alone(&directory))
}
