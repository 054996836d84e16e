//! The command line: one verb, one file under `commands`.

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::{
    Context, Module, Verb as _, build, cache, completions, diff, env, explain, fetch, init, inspect, lock, man,
    rebuild, schema, test, validate,
};
use crate::environment::Environment;
use crate::error::{Error, Kind};
use crate::recipes::results::writable;
use crate::settings::{Flags, Global, Layers, Settings};
use crate::ui::{self, Color, Format, Progress, Ui};

/// Builds file-system modules for immutable Linux nodes, and says what is in them
#[derive(Debug, Parser)]
#[command(
    name = "module-builder",
    bin_name = "module-builder",
    version,
    propagate_version = true,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = EXIT_CODES
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   the input is wrong: manifest, lock, settings, a missing package
  2   the command line is wrong
  3   refused: verification or policy said no
  4   the outside world failed: network, registry, mmdebstrap, disk
  5   differences were found
  70  a bug in module-builder

The result stands alone on standard output; everything else goes to standard error.";

/// Makes the verbs of the command line: a name, and the arguments that are its [`Verb`].
macro_rules! verbs {
    ($($name:ident($arguments:ty),)*) => {
        #[derive(Debug, Subcommand)]
        enum Command {
            $($name(Box<$arguments>),)*
        }

        impl Command {
            fn settings(&self) -> (Module, Flags) {
                match self {
                    $(Self::$name(verb) => verb.settings(),)*
                }
            }

            fn run(self, context: &Context) -> Result<(), Error> {
                match self {
                    $(Self::$name(verb) => verb.run(context),)*
                }
            }
        }
    };
}

// In the order of `--help`.
verbs! {
    Init(init::InitArgs),
    Validate(validate::ValidateArgs),
    Lock(lock::LockArgs),
    Fetch(fetch::FetchArgs),
    Build(build::BuildArgs),
    Inspect(inspect::InspectArgs),
    Explain(explain::ExplainArgs),
    Diff(diff::DiffArgs),
    Rebuild(rebuild::RebuildArgs),
    Test(test::TestArgs),
    Schema(schema::SchemaArgs),
    Cache(cache::CacheArgs),
    Env(env::EnvArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs the command that `arguments` ask for and gives the exit code.
pub(crate) fn run(arguments: &[OsString], environment: Environment) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, arguments, &environment),
    };
    let (module, flags) = cli.command.settings();
    let layers = match &module {
        Module::At(directory) => Layers::read(Some(directory), &environment),
        Module::None => Layers::read(None, &environment),
    };
    let Cli { global, command } = cli;
    let settings = Settings::new(layers, &flags, &global, &environment);
    let shown = settings.as_ref().ok().map(|settings| (settings.progress.value, settings.color.value));
    let (progress, color) =
        shown.map_or((global.progress, global.color), |(progress, color)| (Some(progress), Some(color)));
    let ui = printer(&global, progress, color, &environment);
    if let Err(error) = check_places(&global, settings.as_ref().ok(), &environment) {
        return failed(&error, &ui);
    }
    let listening = ui.listen(global.verbose, global.log_file.as_deref(), environment.now);
    tracing::info!("module-builder {}: {:?}", env!("CARGO_PKG_VERSION"), arguments.iter().skip(1).collect::<Vec<_>>());
    let settings = match listening.and(settings) {
        Ok(settings) => settings,
        Err(error) => return failed(&error, &ui),
    };
    for warning in &settings.warnings {
        ui.warning(&warning.message, &warning.hint);
    }
    let context = Context { ui, settings, environment, command: Cli::command };
    match use_threads(context.settings.jobs.value).and_then(|()| command.run(&context)) {
        Ok(()) => {
            tracing::info!("exit code 0");
            0
        }
        Err(error) => failed(&error, &context.ui),
    }
}

/// Checks the places that every verb may write to.
fn check_places(global: &Global, settings: Option<&Settings>, environment: &Environment) -> Result<(), Error> {
    if let Some(log) = &global.log_file {
        let place = environment.absolute(log);
        writable::check_around(&place, "the log", "name another file by --log-file")?;
    }
    let cache = settings.and_then(|settings| settings.cache_dir.value.as_deref());
    cache.map_or(Ok(()), |cache| {
        writable::check_around(&environment.absolute(cache), "the cache", "name another directory by --cache-dir")
    })
}

/// Shows why the command failed, and gives the exit code.
fn failed(error: &Error, ui: &Ui) -> u8 {
    ui.error(error);
    tracing::info!("exit code {}", error.kind.code());
    error.kind.code()
}

fn use_threads(jobs: usize) -> Result<(), Error> {
    image::use_threads(jobs).map_err(|error| {
        let hint = host::explain::limit(&error).unwrap_or("do fewer things at once: `--jobs N`");
        Error::outside(format!("cannot start {jobs} threads")).because(&error).hint(hint)
    })
}

/// The format that a command line asks for, also one that is wrong.
fn wanted_format(arguments: &[OsString]) -> Format {
    let before_files: Vec<&OsString> = arguments.iter().take_while(|argument| *argument != "--").collect();
    let is_pair = |pair: &[&OsString]| pair[0] == "--format" && pair[1] == "json";
    match before_files.windows(2).any(is_pair) || before_files.iter().any(|argument| *argument == "--format=json") {
        true => Format::Json,
        false => Format::Human,
    }
}

fn usage(error: &clap::Error, arguments: &[OsString], environment: &Environment) -> u8 {
    let format = wanted_format(arguments);
    let global = Global { format, progress: None, color: None, quiet: false, verbose: 0, log_file: None };
    let ui = printer(&global, None, None, environment);
    if error.use_stderr() && ui.is_json() {
        ui.error(&Error::of_command_line(error));
        return Kind::Usage.code();
    }
    match ui.clap(error, arguments) {
        Ok(()) if error.use_stderr() => Kind::Usage.code(),
        Ok(()) => 0,
        Err(error) => error.kind.code(),
    }
}

fn printer(global: &Global, progress: Option<Progress>, color: Option<Color>, environment: &Environment) -> Ui {
    let dumb = environment.variable("TERM").is_none_or(|term| term == "dumb");
    let terminal = environment.stderr_is_terminal && !dumb;
    Ui::new(ui::Options {
        format: global.format,
        progress: progress.unwrap_or_default(),
        color: match color.unwrap_or_default() {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && environment.variable("NO_COLOR").is_none(),
        },
        quiet: global.quiet,
        terminal,
        clock: environment.clock,
    })
}
