//! The verbs, one file each.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod env;
pub(crate) mod explain;
pub(crate) mod fetch;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod lock;
pub(crate) mod man;
pub(crate) mod rebuild;
pub(crate) mod schema;
pub(crate) mod test;
pub(crate) mod validate;

use std::path::{Path, PathBuf};

use clap::Args;
use model::Arch;

use crate::environment::Environment;
use crate::error::Error;
use crate::recipes::build::lower::LowerSource;
use crate::settings::{Flags, Settings};
use crate::ui::Ui;

/// What a verb answers for. No method has a default: a new verb has to say whether a `builder.toml` counts.
pub(crate) trait Verb: clap::Args {
    /// The module whose `builder.toml` counts, and the flags that override settings.
    fn settings(&self) -> (Module, Flags);

    /// Does the work and shows the result.
    ///
    /// # Errors
    /// Whatever keeps the verb from its result.
    fn run(self, context: &Context) -> Result<(), Error>;
}

/// Whose `builder.toml` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Module {
    /// That of the module's repository at this path.
    At(PathBuf),
    /// The settings of the machine and of the user hold alone.
    None,
}

/// Where the module is, which a verb takes alone or after `-C`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ModuleDirectory {
    /// The module's repository, which holds manifest.yaml [default: .]
    #[arg(value_name = "DIR", conflicts_with = "directory")]
    alone: Option<PathBuf>,
    /// The same as DIR
    #[arg(short = 'C', long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Where the modules are that a module requires.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RequiredModules {
    /// A directory with modules that `dependencies.requires` means, built ones or their repositories; may be repeated
    #[arg(id = "required", long = "modules", value_name = "DIR")]
    pub(crate) modules: Vec<PathBuf>,
}

impl RequiredModules {
    /// Where they are looked for.
    pub(crate) fn source(&self, archs: &[Arch], environment: &Environment) -> LowerSource {
        LowerSource { modules: self.modules.clone(), archs: archs.to_vec(), scratch: environment.scratch() }
    }
}

impl ModuleDirectory {
    /// That at `path`.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { alone: Some(path), directory: None }
    }

    /// Its path; the current directory where the user named none.
    pub(crate) fn path(&self) -> &Path {
        self.alone.as_deref().or(self.directory.as_deref()).unwrap_or(Path::new("."))
    }

    /// Its `builder.toml` counts.
    pub(crate) fn module(&self) -> Module {
        Module::At(self.path().to_owned())
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
    /// The whole command line, for verbs that describe it.
    pub(crate) command: fn() -> clap::Command,
}
