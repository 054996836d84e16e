//! A program with its arguments and environment, as data.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Error, this_program};

/// One argument, by what it is for the program that gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Argument {
    /// A program: the first of all, or one that the program before it runs.
    Program(OsString),
    /// Something that begins with `-` by our own hand; what is behind its `=` may be anyone's.
    Option(OsString),
    /// Anything else: the value of the option before it, or what the program works on.
    Operand(OsString),
    /// What someone wrote for exactly this program, options and all.
    Verbatim(OsString),
}

impl Argument {
    fn text(&self) -> &OsStr {
        match self {
            Self::Program(text) | Self::Option(text) | Self::Operand(text) | Self::Verbatim(text) => text,
        }
    }
}

/// A program with its arguments and its whole environment, as data: what is run can be shown,
/// compared in a test and hashed into a cache key before anything is started.
///
/// The names of options are constants of this program's source. Whatever comes from elsewhere is an operand,
/// or stands behind an option's `=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    arguments: Vec<Argument>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    /// Whether it ends by itself, a moment after this program, since it has to take away what the kernel keeps of it.
    pub(super) outlives: bool,
}

impl Invocation {
    /// `program` (looked up in the caller's `PATH` when it holds no slash) without arguments, in an empty
    /// environment.
    #[must_use]
    pub fn new(program: &'static str) -> Self {
        Self {
            arguments: vec![Argument::Program(program.into())],
            environment: Vec::new(),
            directory: None,
            outlives: false,
        }
    }

    /// A program of a tree, by its path there: to be run in confinement, with that tree as the root.
    #[must_use]
    pub fn of_tree(path: &[u8]) -> Self {
        let program = Argument::Program(OsStr::from_bytes(path).to_owned());
        Self { arguments: vec![program], environment: Vec::new(), directory: None, outlives: false }
    }

    /// Adds an option, such as `--verbose`, or the mark `--`.
    #[must_use]
    pub fn option(mut self, option: &'static str) -> Self {
        self.arguments.push(Argument::Option(option.into()));
        self
    }

    /// Adds several options.
    #[must_use]
    pub fn options(self, options: impl IntoIterator<Item = &'static str>) -> Self {
        options.into_iter().fold(self, Self::option)
    }

    /// Adds an option and its value as one argument, `NAME=VALUE`.
    #[must_use]
    pub fn assign(mut self, option: &'static str, value: impl AsRef<OsStr>) -> Self {
        let mut text = OsString::from(option);
        text.push("=");
        text.push(value);
        self.arguments.push(Argument::Option(text));
        self
    }

    /// Adds an argument that is no option: what the program works on, or the value of the option before it.
    #[must_use]
    pub fn operand(mut self, operand: impl Into<OsString>) -> Self {
        self.arguments.push(Argument::Operand(operand.into()));
        self
    }

    /// Adds several arguments that are no options.
    #[must_use]
    pub fn operands<T: Into<OsString>>(self, operands: impl IntoIterator<Item = T>) -> Self {
        operands.into_iter().fold(self, Self::operand)
    }

    /// Adds arguments as they were written for the program before them, which is run in confinement: none of them is
    /// looked at. It is for command lines of a user, and for nothing that came with a package or an archive.
    #[must_use]
    pub fn verbatim<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| Argument::Verbatim(argument.into())));
        self
    }

    /// Adds another program with its arguments, which this one runs; its environment is added to this one's.
    #[must_use]
    pub fn runs(mut self, program: Self) -> Self {
        self.arguments.extend(program.arguments);
        self.environment.extend(program.environment);
        self.directory = program.directory.or(self.directory);
        self
    }

    /// Adds a variable to what the child sees.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Has the child see these variables, and those that were added before: for this program itself, which is run
    /// again with all that its user gave it.
    #[must_use]
    pub fn all_variables<'a>(mut self, variables: impl IntoIterator<Item = (&'a OsString, &'a OsString)>) -> Self {
        self.environment.extend(variables.into_iter().map(|(name, value)| (name.clone(), value.clone())));
        self
    }

    /// Runs it in `directory`.
    #[must_use]
    pub fn within(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// The program and its arguments.
    pub fn argv(&self) -> impl Iterator<Item = &OsStr> {
        self.arguments.iter().map(Argument::text)
    }

    /// Every environment variable that the child sees.
    pub fn environment(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.environment.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The first program, or that behind ours.
    pub(super) fn program(&self) -> String {
        let programs = self.arguments.iter().filter(|argument| matches!(argument, Argument::Program(_)));
        let mut programs = programs.map(Argument::text).filter(|program| *program != this_program::PATH);
        programs.next().unwrap_or(OsStr::new("this program")).to_string_lossy().into_owned()
    }

    /// Fails when an argument that is no option could be taken for one.
    ///
    /// # Errors
    /// [`Error::Argument`].
    pub fn check(&self) -> Result<(), Error> {
        let mut program = OsStr::new("");
        for argument in &self.arguments {
            let text = argument.text();
            let is_dashed = text.as_bytes().first() == Some(&b'-');
            let fine = match argument {
                Argument::Option(_) => is_dashed,
                Argument::Program(_) | Argument::Operand(_) => !is_dashed && !text.is_empty(),
                Argument::Verbatim(_) => true,
            };
            if !fine {
                let program = program.to_string_lossy().into_owned();
                let argument = text.to_string_lossy().chars().take(80).collect();
                return Err(Error::Argument { program, argument });
            }
            if matches!(argument, Argument::Program(_)) {
                program = text;
            }
        }
        Ok(())
    }

    pub(super) fn command(&self) -> Result<Command, Error> {
        self.check()?;
        let mut argv = self.argv();
        let mut command = Command::new(argv.next().unwrap_or_default());
        let is_reexec = self.argv().any(|word| word == this_program::PATH);
        let stdin = if is_reexec { this_program::stdin().map_err(self.failed())? } else { Stdio::null() };
        command.args(argv).env_clear().envs(self.environment()).stdin(stdin);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        Ok(command)
    }

    /// Says what is run, and gives the span of the run, which says how it ended and how long it took.
    pub(super) fn span(&self) -> tracing::Span {
        let words: Vec<String> = self.argv().map(|word| shown(&model::path::escape(word.as_bytes()))).collect();
        tracing::info!("run {}", words.join(" "));
        tracing::info_span!("ran", program = self.program(), status = tracing::field::Empty)
    }

    pub(super) fn failed(&self) -> impl FnOnce(io::Error) -> Error + use<'_> {
        |source| Error::Io { program: self.program(), source }
    }
}

/// A word of a command line as it is logged: of a plan, which is longer than any other, its beginning.
fn shown(word: &str) -> String {
    const LONGEST: usize = 1000;
    match word.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &word[..end]),
        None => word.to_owned(),
    }
}
