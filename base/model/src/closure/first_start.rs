//! A command that makes what is not shipped, when a service starts first on a node.

use serde::{Deserialize, Serialize};

use super::AccountName;

/// The longest word of a command, in bytes.
const LONGEST_WORD: usize = 1024;
/// The most words of a command.
const MOST_WORDS: usize = 64;

/// A command that makes a secret or a directory of data, once, on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirstStart {
    /// The program by its absolute path, and its arguments. No shell reads them.
    pub command: Vec<String>,
    /// Who runs it; root where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<AccountName>,
}

/// Why a command cannot be one of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FirstStartError {
    /// It is empty, or too long.
    #[error("give a program and at most 63 arguments of at most 1024 bytes each")]
    Length,
    /// Its program has no absolute path.
    #[error("begin with the absolute path of the program")]
    Program,
    /// A word holds what no line of a unit can hold.
    #[error("leave line breaks and other control characters out")]
    Control,
}

impl FirstStart {
    /// Checks the words of a command.
    ///
    /// # Errors
    /// When they cannot stand in a unit.
    pub fn check(command: &[String]) -> Result<(), FirstStartError> {
        if command.is_empty() || command.len() > MOST_WORDS || command.iter().any(|word| word.len() > LONGEST_WORD) {
            return Err(FirstStartError::Length);
        }
        if !command[0].starts_with('/') {
            return Err(FirstStartError::Program);
        }
        if command.iter().any(|word| word.chars().any(char::is_control)) {
            return Err(FirstStartError::Control);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_what_a_line_of_a_unit_can_hold() {
        let check =
            |words: &[&str]| FirstStart::check(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(check(&["/usr/bin/ssh-keygen", "-N", "", "-f", "%h $x \"y\""]), Ok(()));
        assert_eq!(check(&[]), Err(FirstStartError::Length));
        assert_eq!(check(&["/x", &"y".repeat(1025)]), Err(FirstStartError::Length));
        assert_eq!(check(&["ssh-keygen"]), Err(FirstStartError::Program));
        assert_eq!(check(&["/x", "a\nExecStart=/y"]), Err(FirstStartError::Control));
    }
}
