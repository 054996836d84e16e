//! `schema`: the JSON Schema of `manifest.yaml`, for editors.

use clap::Args;
use model::manifest::Kind;

use crate::commands::{Context, Module, Verb};
use crate::error::Error;
use crate::settings::Flags;

/// Print the JSON Schema of manifest.yaml
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SchemaArgs {}

const EXAMPLES: &str = "\
Examples:
  module-builder schema > manifest.schema.json
      Then let the editor use it: put `# yaml-language-server: $schema=manifest.schema.json` on the
      first line of manifest.yaml.";

impl Verb for SchemaArgs {
    fn settings(&self) -> (Module, Flags) {
        (Module::None, Flags::default())
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Prints the schema.
#[allow(clippy::needless_pass_by_value, reason = "every verb takes its arguments whole")]
fn run(_args: SchemaArgs, context: &Context) -> Result<(), Error> {
    let schema = serde_json::to_string_pretty(&Kind::Module.json_schema())
        .map_err(|error| Error::bug("cannot write the schema").because(&error))?;
    context.ui.raw_result(format!("{schema}\n").as_bytes())
}
