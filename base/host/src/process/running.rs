//! A program that runs beside this one.

use std::fs::File;
use std::io;
use std::process::ExitStatus;

use super::{Error, Group, Invocation};

/// A program that was started and is not waited for. Dropped it is killed, with all of its process group.
pub struct Running {
    group: Group,
    program: String,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("program", &self.program).field("id", &self.id()).finish()
    }
}

impl Running {
    /// Starts what `invocation` says; what it prints goes to the end of `output`.
    ///
    /// # Errors
    /// When an argument is refused, or the program cannot be started.
    pub fn start(invocation: &Invocation, output: &File) -> Result<Self, Error> {
        let mut command = invocation.command()?;
        let mut started = || {
            command.stdout(output.try_clone()?).stderr(output.try_clone()?);
            Group::spawn(&mut command, invocation.outlives)
        };
        invocation.span();
        let group = started().map_err(invocation.failed())?;
        Ok(Self { group, program: invocation.program() })
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.group.child.id()
    }

    /// How it ended, where it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        let ended = self.group.child.try_wait().map_err(|source| self.failed(source))?;
        if ended.is_some() {
            (self.group.ended, self.group.undo) = (true, None);
        }
        Ok(ended)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// As [`Running::ended`].
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        self.group.wait().map_err(|source| self.failed(source))
    }

    /// Kills it, and what it started in its process group.
    pub fn kill(&mut self) {
        if !self.group.ended {
            self.group.kill();
        }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Io { program: self.program.clone(), source }
    }
}
