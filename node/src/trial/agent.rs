//! Services without units, started as the platform's agent starts them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitStatus;

use host::process::{Inside, Invocation, Running, User};

use super::accounts::Accounts;
use super::{Trial, room, tail};
use crate::Error;

/// When a service that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Not at all.
    Never,
    /// When it ended with an error.
    OnFailure,
    /// Whenever it ended.
    Always,
}

/// A service without a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The words of its command; the first is the program.
    pub command: Vec<String>,
    /// The account that it runs as; root where there is none.
    pub user: Option<String>,
    /// The directory that it starts in.
    pub directory: Option<String>,
    /// Variables of its environment.
    pub environment: BTreeMap<String, String>,
    /// When it is started again.
    pub restart: Restart,
    /// Capabilities that it has all the same, by number.
    pub capabilities: Vec<u32>,
}

/// A service that was started.
#[derive(Debug)]
pub struct Supervised {
    service: Service,
    /// None where it could not be started at all.
    running: Option<Running>,
    output: File,
    log: PathBuf,
    user: Option<User>,
    /// How often it was started again.
    pub restarts: u32,
    /// How it ended last.
    pub ended: Option<ExitStatus>,
    /// Whether it has ended for good.
    pub is_over: bool,
}

/// The number of a capability by its name in capabilities(7); none where the kernel that this was written for has none.
#[must_use]
pub fn capability(name: &str) -> Option<u32> {
    let found = rustix::thread::CapabilitySet::from_name(name.strip_prefix("CAP_").unwrap_or(name))?;
    Some(found.bits().trailing_zeros())
}

/// The words of a command line: blanks separate, quotes join, a backslash takes the next character as it is. No shell
/// reads it.
#[must_use]
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(characters.next()),
            (character, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (character, None) if character.is_whitespace() => words.extend(word.take()),
            (character, _) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

impl Supervised {
    /// Starts a service in the trial; what it prints goes to a file in `logs`. As a user who is not there it is not started.
    ///
    /// # Errors
    /// When nothing can be started; a service that fails is no error.
    pub fn start(trial: &Trial, service: Service, accounts: &Accounts, logs: &host::Dir) -> Result<Self, Error> {
        let name = format!("{}.log", service.name);
        let output = logs.create(&name, 0o600)?;
        let log = logs.join(&name);
        let (mut running, mut user) = (None, None);
        let named = service.user.as_ref().filter(|name| *name != "root");
        if let Some(account) = named.and_then(|name| accounts.users.get(name)) {
            let groups = accounts.groups_of(named.map_or("", String::as_str));
            let capabilities = service.capabilities.clone();
            user = Some(User { uid: account.uid, gid: account.gid, groups, capabilities });
        }
        if named.is_none() || user.is_some() {
            running = Some(run(trial, &service, user.as_ref(), &output)?);
        }
        let is_over = running.is_none();
        Ok(Self { service, running, output, log, user, restarts: 0, ended: None, is_over })
    }

    /// The user who is not there, where that kept it from being started.
    #[must_use]
    pub fn missing_user(&self) -> Option<&str> {
        self.service.user.as_deref().filter(|_| self.running.is_none())
    }

    /// Looks whether it has ended, and starts it again where it says so.
    ///
    /// # Errors
    /// When the system does not say, or it cannot be started again.
    pub fn look(&mut self, trial: &Trial) -> Result<(), Error> {
        let Some(running) = self.running.as_mut().filter(|_| !self.is_over) else { return Ok(()) };
        let Some(status) = running.ended()? else { return Ok(()) };
        self.ended = Some(status);
        let again = match self.service.restart {
            Restart::Never => false,
            Restart::OnFailure => !status.success(),
            Restart::Always => true,
        };
        if !again || self.restarts >= MOST_RESTARTS {
            self.is_over = true;
            return Ok(());
        }
        self.restarts += 1;
        self.running = Some(run(trial, &self.service, self.user.as_ref(), &self.output)?);
        Ok(())
    }

    /// The last lines that it printed.
    #[must_use]
    pub fn log(&self, count: usize) -> Vec<String> {
        tail(&self.log, count)
    }

    /// Whether processes of it are there, although the one that was started has ended.
    #[must_use]
    pub fn leaves_others(&self, trial: &Trial) -> bool {
        self.is_over && !trial.processes(&self.cgroup(trial)).is_empty()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.service.name
    }

    /// Its cgroup, from the root of the trial's.
    #[must_use]
    pub fn cgroup(&self, trial: &Trial) -> String {
        trial.service_cgroup(&self.service.name).0
    }
}

/// A service that ended so often is not started again: it is down.
const MOST_RESTARTS: u32 = 5;

fn run(trial: &Trial, service: &Service, user: Option<&User>, output: &File) -> Result<Running, Error> {
    let inside = Inside {
        user: user.cloned(),
        directory: service.directory.as_ref().map(PathBuf::from),
        cgroup: Some(trial.service_cgroup(&service.name).1),
        environment: service.environment.clone(),
        ..trial.inside()
    };
    let mut words = service.command.iter();
    // The program's name comes from a manifest, so it is an operand: it cannot be taken for an option of ours.
    let mut invocation = Invocation::inside(&inside)?;
    invocation = invocation.operands(words.next()).verbatim(words);
    Ok(Running::start(&room::environment(invocation), output)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_has_a_number() {
        assert_eq!(capability("CAP_NET_BIND_SERVICE"), Some(10));
        assert_eq!(capability("CHOWN"), Some(0));
        assert_eq!(capability("CAP_NONSENSE"), None);
    }

    #[test]
    fn a_command_line_is_words_and_no_shells_text() {
        assert_eq!(words("/usr/bin/x -a  'b c' \"d\\\"e\" f\\ g ''"), ["/usr/bin/x", "-a", "b c", "d\"e", "f g", ""]);
        assert_eq!(words("x $HOME; y > z"), ["x", "$HOME;", "y", ">", "z"]);
        assert_eq!(words("  "), [""; 0]);
        assert_eq!(words("x 'open"), ["x", "open"]);
    }
}
