//! What an error means for whoever runs the program: whose fault it is, why it happened, what to do about it.
//!
//! Every library explains its own errors, beside them and variant by variant, so that a new one does not get its exit
//! code by accident. The binary knows no error of a library: it prints explanations.

use std::borrow::Cow;
use std::error::Error;

use crate::Diagnostic;

/// Whose fault an error is, which decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The input is wrong: manifest, lock, settings, a missing package.
    Input,
    /// The command line is wrong.
    Usage,
    /// Verification or policy said no.
    Refused,
    /// The outside world failed: network, registry, mmdebstrap, disk.
    Outside,
    /// Differences were looked for and found.
    Differences,
    /// The program itself is wrong.
    Bug,
}

impl Kind {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Input => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Outside => 4,
            Self::Differences => 5,
            Self::Bug => 70,
        }
    }

    /// The kind's name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Outside => "outside",
            Self::Differences => "differences",
            Self::Bug => "bug",
        }
    }
}

/// An error that can be explained.
pub trait Explain {
    /// What the error means.
    fn explain(&self) -> Explanation<'_>;
}

impl<E: Explain + ?Sized> Explain for &E {
    fn explain(&self) -> Explanation<'_> {
        (**self).explain()
    }
}

/// What an error means.
#[derive(Debug, Clone)]
#[must_use]
pub struct Explanation<'a> {
    /// Whose fault it is.
    pub kind: Kind,
    /// What could not be done, in one line without a full stop.
    pub message: String,
    /// The outermost reason; the next ones are its sources.
    pub cause: Option<&'a (dyn Error + 'static)>,
    /// What to do about it, where something general can be said.
    pub hint: Option<Cow<'static, str>>,
    /// The end of another program's log, or a list that is too long for a line; may be empty.
    pub log: String,
    /// The places in the user's files that are to blame.
    pub findings: Vec<Diagnostic>,
}

impl<'a> Explanation<'a> {
    /// The error's own text is the message, and its source the reason.
    pub fn new(kind: Kind, error: &'a (dyn Error + 'static)) -> Self {
        Self { cause: error.source(), ..Self::under(error.to_string(), kind, error) }
    }

    /// The error is the reason for a message that says less exactly what could not be done.
    pub fn under(message: impl Into<String>, kind: Kind, error: &'a (dyn Error + 'static)) -> Self {
        let message = message.into();
        Self { kind, message, cause: Some(error), hint: None, log: String::new(), findings: Vec::new() }
    }

    /// Says what to do about it. An empty hint leaves the one that is there.
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into()).filter(|hint| !hint.is_empty()).or(self.hint);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_exit_code_of_the_contract() {
        let kinds = [Kind::Input, Kind::Usage, Kind::Refused, Kind::Outside, Kind::Differences, Kind::Bug];
        assert_eq!(kinds.map(Kind::code), [1, 2, 3, 4, 5, 70]);
        assert_eq!(kinds.map(Kind::name), ["input", "usage", "refused", "outside", "differences", "bug"]);
    }

    #[test]
    fn a_better_hint_takes_the_place_of_a_general_one_and_none_does_not() {
        let general = || Explanation::new(Kind::Outside, &std::fmt::Error).hint("general");
        assert_eq!(general().hint("").hint.as_deref(), Some("general"));
        assert_eq!(general().hint("better").hint.as_deref(), Some("better"));
    }
}
