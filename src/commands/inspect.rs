//! `inspect`: what a build's results hold.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Context;
use crate::error::Error;

/// Show what a dist directory, an OCI layout or a module.tar holds
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArgs {
    /// A dist directory, an OCI image layout or a module.tar
    #[arg(value_name = "DIST|LAYOUT|TAR", default_value = "dist")]
    pub(crate) path: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  module-builder inspect
      Shows what dist/ holds, with its three digests under their three names.
  module-builder inspect dist/module.tar --format json
      The same of one file, for programs.";

/// Shows what the path holds.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
pub(crate) fn run(args: InspectArgs, context: &Context) -> Result<(), Error> {
    let _ = (args, context);
    Err(Error::bug("inspect has no recipe yet"))
}
