//! The command line: one verb, one file under `commands`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    build, cache, completions, diff, env, explain, init, inspect, lock, man, rebuild, schema, validate,
};
use crate::error::{Error, Kind};
use crate::settings::{self, Settings};
use crate::ui::{self, Color, Format, Progress, Ui};

/// What `main.rs` saw of the world; tests make it up.
#[derive(Clone)]
pub(crate) struct Environment {
    /// The environment variables.
    pub(crate) variables: BTreeMap<OsString, OsString>,
    /// The current directory.
    pub(crate) current_dir: PathBuf,
    /// How many processors this process may use.
    pub(crate) processors: usize,
    /// The machine's architecture, by Rust's name.
    pub(crate) machine: &'static str,
    /// Whether standard error is a terminal.
    pub(crate) stderr_is_terminal: bool,
    /// The monotonic clock, for progress only.
    pub(crate) clock: fn() -> Instant,
    /// The time of day, by which the cache's entries are old or not; it reaches no output.
    pub(crate) now: fn() -> SystemTime,
    /// Reads the files that name the host's apt mirrors: path and text.
    pub(crate) apt_sources: fn() -> Vec<(PathBuf, String)>,
}

impl Environment {
    /// A variable's value; an empty one counts as unset.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Where large files without a name may lie for a while.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.variable("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
    }
}

/// What every command gets.
pub(crate) struct Context {
    /// The printer, which is also the observer of long work.
    pub(crate) ui: Ui,
    /// The effective settings, `builder.toml` of the command's module included.
    pub(crate) settings: Settings,
    /// What `main.rs` saw of the world.
    pub(crate) environment: Environment,
}

/// Builds, verifies and mounts file-system modules for immutable Linux nodes
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

/// Flags of every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Global {
    /// Write results and errors for people or for programs
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// How to show progress [default: auto]
    #[arg(long, global = true, value_enum, value_name = "HOW")]
    pub(crate) progress: Option<Progress>,
    /// When to use colours [default: auto]
    #[arg(long, global = true, value_enum, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
    /// Say nothing but the result, warnings and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Validate(validate::ValidateArgs),
    Lock(lock::LockArgs),
    Build(Box<build::BuildArgs>),
    Inspect(inspect::InspectArgs),
    Explain(Box<explain::ExplainArgs>),
    Diff(diff::DiffArgs),
    Rebuild(rebuild::RebuildArgs),
    Schema(schema::SchemaArgs),
    Cache(cache::CacheArgs),
    Env(env::EnvArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    /// The module whose `builder.toml` counts, and the flags that override it.
    fn settings(&self) -> (Option<PathBuf>, settings::Flags) {
        match self {
            Self::Build(args) => (Some(args.directory.clone()), args.settings.clone()),
            Self::Lock(args) => (Some(args.directory.clone()), args.flags()),
            Self::Cache(args) => (None, args.flags()),
            Self::Env(args) => (Some(args.directory.clone()), args.settings.clone()),
            Self::Explain(args) => args.settings(),
            Self::Rebuild(args) => (args.directory.clone(), args.flags()),
            _ => (None, settings::Flags::default()),
        }
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Init(args) => init::run(args, context),
            Self::Validate(args) => validate::run(args, context),
            Self::Lock(args) => lock::run(args, context),
            Self::Build(args) => build::run(*args, context),
            Self::Inspect(args) => inspect::run(args, context),
            Self::Explain(args) => explain::run(*args, context),
            Self::Diff(args) => diff::run(args, context),
            Self::Rebuild(args) => rebuild::run(args, context),
            Self::Schema(args) => schema::run(args, context),
            Self::Cache(args) => cache::run(args, context),
            Self::Env(args) => env::run(args, context),
            Self::Completions(args) => completions::run(args, context),
            Self::Man(args) => man::run(args, context),
        }
    }
}

/// Runs the command that `arguments` ask for and gives the exit code.
pub(crate) fn run(arguments: Vec<OsString>, environment: Environment) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &environment),
    };
    let (directory, flags) = cli.command.settings();
    let layers = settings::Layers::read(directory.as_deref().map(Path::new), &environment);
    let settings = match Settings::new(layers, &flags, &cli.global, &environment) {
        Ok(settings) => settings,
        Err(error) => {
            let ui = printer(&cli.global, cli.global.progress, cli.global.color, &environment);
            ui.error(&error);
            return error.kind.code();
        }
    };
    let ui = printer(&cli.global, Some(settings.progress.value), Some(settings.color.value), &environment);
    for warning in &settings.warnings {
        ui.warning(&warning.message, &warning.cure);
    }
    let context = Context { ui, settings, environment };
    match cli.command.run(&context) {
        Ok(()) => 0,
        Err(error) => {
            context.ui.error(&error);
            error.kind.code()
        }
    }
}

fn usage(error: &clap::Error, environment: &Environment) -> u8 {
    let global = Global { format: Format::Human, progress: None, color: None, quiet: false };
    let ui = printer(&global, None, None, environment);
    match ui.clap(error) {
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
