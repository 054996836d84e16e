//! `man`: the manual pages, made from the same text as `--help`.

use std::path::PathBuf;

use clap::{Args, Command};
use host::Dir;
use model::path::json::Alone;

use crate::commands::{Context, Module, Verb};
use crate::error::Error;
use crate::settings::Flags;
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

impl Verb for ManArgs {
    fn settings(&self) -> (Module, Flags) {
        (Module::None, Flags::default())
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Prints or writes the pages of `command`.
fn run(args: ManArgs, context: &Context) -> Result<(), Error> {
    let command = (context.command)();
    let Some(directory) = args.output else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Error::bug("cannot write the manual page").because(&error))?;
        page.push(b'\n');
        return context.ui.raw_result(&page);
    };
    // The help of `help` has no page.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    write_pages(&command, &Dir::open(&directory)?)?;
    context.ui.result(&clean(&directory.display().to_string()), &Alone(&directory))
}

/// Writes the page of `command` and those of its verbs.
fn write_pages(command: &Command, directory: &Dir) -> Result<(), Error> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write_pages(verb, directory)?;
    }
    let manual = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    manual.render(&mut page).map_err(|error| Error::bug("cannot write the manual page").because(&error))?;
    Ok(directory.replace(manual.get_filename(), &page, 0o644)?)
}
