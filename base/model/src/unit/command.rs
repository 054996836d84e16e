//! The commands of `Exec...=` (`systemd.service(5)`, "Command lines").

use super::words::{self, Word};
use super::{Assignment, At, EXEC_SECTIONS, Unit, Value};

/// The most commands that one unit has; what follows is passed over.
const MAX_COMMANDS: usize = 256;

/// A program that a unit runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The setting: `ExecStart`, `ExecStartPre`, `ExecReload`, ...
    pub key: String,
    /// The program: a path, or a name to be looked up. It is unknown where a variable is in it.
    pub program: Value,
    /// What the program sees as its own name, where `@` says it.
    pub argv0: Option<Value>,
    /// The arguments after the program. Variables (`$X`) are left as they are written.
    pub arguments: Vec<Value>,
    /// `-`: a failure is ignored.
    pub ignores_failure: bool,
    /// `+`, `!` or `!!`: it runs with more rights than `User=` would leave it.
    pub is_privileged: bool,
    /// `|`: a shell runs it.
    pub in_shell: bool,
    /// `:`: no variables are replaced.
    pub keeps_variables: bool,
    /// Where it stands.
    pub at: At,
}

impl Unit {
    /// The commands of every `Exec...=`, in the order in which they are written.
    #[must_use]
    pub fn commands(&self) -> Vec<Command> {
        let is_command = |one: &&Assignment| EXEC_SECTIONS.contains(&one.section.as_str()) && is_command_key(&one.key);
        let mut lines: Vec<&Assignment> = Vec::new();
        for one in self.assignments.iter().filter(is_command) {
            // An empty value takes back what this setting said before.
            if one.value.is_empty() {
                lines.retain(|other| other.key != one.key);
            } else {
                lines.push(one);
            }
        }
        lines.into_iter().flat_map(|line| self.commands_of(line)).take(MAX_COMMANDS).collect()
    }

    /// The commands of one setting, such as `ExecStart`.
    #[must_use]
    pub fn commands_for(&self, key: &str) -> Vec<Command> {
        self.commands().into_iter().filter(|command| command.key == key).collect()
    }

    fn commands_of(&self, line: &Assignment) -> Vec<Command> {
        let words = words::command(&line.value).unwrap_or_default();
        words.split(|word| word.separates).filter_map(|words| self.command(line, words)).collect()
    }

    fn command(&self, line: &Assignment, words: &[Word]) -> Option<Command> {
        let (first, rest) = words.split_first()?;
        let name = first.text.trim_start_matches(['@', '-', ':', '+', '!', '|']);
        let prefix = &first.text[..first.text.len() - name.len()];
        if name.is_empty() || name.ends_with('/') {
            return None;
        }
        // systemd replaces no variables in a program's name.
        let program = if name.contains('$') { Value::Unknown(name.to_owned()) } else { self.resolve(name) };
        let mut rest = rest.iter().map(|word| self.resolve(&word.text));
        Some(Command {
            key: line.key.clone(),
            program,
            argv0: if prefix.contains('@') { rest.next() } else { None },
            arguments: rest.collect(),
            ignores_failure: prefix.contains('-'),
            is_privileged: prefix.contains(['+', '!']),
            in_shell: prefix.contains('|'),
            keeps_variables: prefix.contains(':'),
            at: line.at,
        })
    }
}

/// Whether a key takes commands. `ExecSearchPath` and `ExecPaths` begin as those do and name directories.
fn is_command_key(key: &str) -> bool {
    const KEYS: [&str; 9] = [
        "ExecCondition",
        "ExecStartPre",
        "ExecStart",
        "ExecStartPost",
        "ExecReload",
        "ExecReloadPost",
        "ExecStop",
        "ExecStopPre",
        "ExecStopPost",
    ];
    KEYS.contains(&key)
}
