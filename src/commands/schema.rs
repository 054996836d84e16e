//! `schema`: the JSON Schema of `manifest.yaml`, for editors, and of what a build writes.

use clap::{Args, ValueEnum};
use model::manifest::Kind;

use crate::commands::{Context, Module, Verb};
use crate::error::Error;
use crate::settings::Flags;

/// Print the JSON Schema of manifest.yaml, or of requirements.json
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SchemaArgs {
    /// Whose schema
    #[arg(value_name = "FILE", default_value = "manifest")]
    of: Document,
}

/// A file that has a JSON Schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Document {
    /// manifest.yaml, which an author writes
    Manifest,
    /// requirements.json, which a build writes
    Requirements,
}

const EXAMPLES: &str = "\
Examples:
  module-builder schema > manifest.schema.json
      Then let the editor use it: put `# yaml-language-server: $schema=manifest.schema.json` on the
      first line of manifest.yaml.
  module-builder schema requirements
      That of what a module asks of its node, for programs that read it.";

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
fn run(args: SchemaArgs, context: &Context) -> Result<(), Error> {
    let schema = match args.of {
        Document::Manifest => Kind::Module.json_schema(),
        Document::Requirements => model::requirements::json_schema(),
    };
    let schema =
        serde_json::to_string_pretty(&schema).map_err(|error| Error::bug("cannot write the schema").because(&error))?;
    context.ui.raw_result(format!("{schema}\n").as_bytes())
}
