//! The one error of the binary: what went wrong, why, what to do about it, and the exit code.

pub(crate) mod group;
mod usage;

use std::collections::BTreeMap;
use std::fmt;

use model::rules::Conflict;
use model::{Diagnostic, Explain, Explanation};

pub(crate) use model::explain::Kind;

/// Findings about files, with the text of these files so that the lines can be shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    /// What was found.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The files' contents by the name that [`Diagnostic::file`] has.
    pub(crate) sources: BTreeMap<String, Vec<u8>>,
    /// What the module and its neighbours both claim.
    pub(crate) conflicts: Vec<Conflict>,
}

impl Findings {
    /// Adds what was found later.
    pub(crate) fn extend(&mut self, later: Self) {
        self.diagnostics.extend(later.diagnostics);
        self.sources.extend(later.sources);
        self.conflicts.extend(later.conflicts);
    }
}

/// What a recipe made, and what it found on the way, which the command has to show.
#[derive(Debug)]
pub(crate) struct Reported<T> {
    /// What was made.
    pub(crate) value: T,
    /// What was found.
    pub(crate) findings: Findings,
}

impl<T> Reported<T> {
    /// Gives what `work` makes with the findings that it adds on the way.
    ///
    /// # Errors
    /// The error of `work`, which carries what was found before it.
    pub(crate) fn collect(work: impl FnOnce(&mut Findings) -> Result<T, Error>) -> Result<Self, Error> {
        let mut findings = Findings::default();
        match work(&mut findings) {
            Ok(value) => Ok(Self { value, findings }),
            Err(mut error) => {
                findings.extend(error.findings);
                error.findings = findings;
                Err(error)
            }
        }
    }
}

/// What a command ends with when it does not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Error {
    /// Whose fault it is.
    pub(crate) kind: Kind,
    /// What could not be done, in one line without a full stop. Empty when `findings` say it all
    /// or the command has already shown its result.
    pub(crate) message: String,
    /// Why, from the outermost reason inwards.
    pub(crate) causes: Vec<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// The end of a child program's log.
    pub(crate) log: Option<String>,
    /// The places in the user's files that are to blame.
    pub(crate) findings: Findings,
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hint: None, log: None, findings: Findings::default() }
    }

    /// The input is wrong (exit code 1).
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// The command line is wrong (exit code 2).
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Verification or policy said no (exit code 3).
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// The outside world failed (exit code 4).
    pub(crate) fn outside(message: impl Into<String>) -> Self {
        Self::new(Kind::Outside, message)
    }

    /// Differences were found (exit code 5).
    pub(crate) fn differences(message: impl Into<String>) -> Self {
        Self::new(Kind::Differences, message)
    }

    /// The program itself is wrong (exit code 70).
    pub(crate) fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// The command has shown its result, and the result is bad: nothing more to say.
    pub(crate) fn shown(kind: Kind) -> Self {
        Self::new(kind, "")
    }

    /// Adds `cause` and everything below it.
    #[must_use]
    pub(crate) fn because(mut self, cause: &dyn std::error::Error) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let text = error.to_string();
            // A transparent wrapper prints what it wraps: saying it once is enough.
            if self.causes.last() != Some(&text) && self.message != text {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Says for which of several things it went wrong.
    #[must_use]
    pub(crate) fn about(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Says what to do about it. An empty hint leaves the one that is there.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into()).filter(|hint| !hint.is_empty()).or(self.hint);
        self
    }

    /// Adds the end of a child program's log.
    #[must_use]
    pub(crate) fn log(mut self, log: impl Into<String>) -> Self {
        self.log = Some(log.into()).filter(|log| !log.is_empty());
        self
    }

    /// Adds the places that are to blame.
    #[must_use]
    pub(crate) fn findings(mut self, findings: Findings) -> Self {
        self.findings = findings;
        self
    }

    /// An error of the host's file system about `path`.
    pub(crate) fn io(action: &str, path: &std::path::Path, cause: &std::io::Error) -> Self {
        Self::explained(host::explain::io(action, path, cause))
    }

    fn explained(explanation: Explanation<'_>) -> Self {
        let Explanation { kind, message, cause, hint, log, findings } = explanation;
        let findings = Findings { diagnostics: findings, ..Findings::default() };
        let error = Self::new(kind, message).hint(hint.unwrap_or_default()).log(log).findings(findings);
        match cause {
            Some(cause) => error.because(cause),
            None => error,
        }
    }

    /// The error as a JSON object.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "kind": self.kind.name(),
            "exit_code": self.kind.code(),
            "message": self.message,
            "causes": self.causes,
            "hint": self.hint,
            "log": self.log,
            "diagnostics": group::of(&self.findings.diagnostics),
            "conflicts": self.findings.conflicts,
        })
    }
}

impl<E: Explain> From<E> for Error {
    fn from(error: E) -> Self {
        Self::explained(error.explain())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_repeats_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error(transparent)]
        struct Outer(#[from] std::io::Error);
        let inner = std::io::Error::other("the disk is on fire");
        let error = Error::outside("cannot build").because(&Outer(inner));
        assert_eq!(error.causes, ["the disk is on fire"]);
        assert_eq!(error.to_string(), "cannot build: the disk is on fire");
    }

    #[test]
    fn what_was_found_before_a_failure_is_not_lost() {
        let found = |name: &str| Findings { sources: [(name.to_owned(), Vec::new())].into(), ..Findings::default() };
        let failed = Reported::<()>::collect(|findings| {
            findings.extend(found("before"));
            Err(Error::outside("no network").findings(found("with it")))
        });
        let names = failed.map_err(|error| error.findings.sources.into_keys().collect::<Vec<_>>()).err();
        assert_eq!(names.unwrap_or_default(), ["before", "with it"]);
    }

    #[test]
    fn a_better_hint_takes_the_place_of_a_general_one_and_none_does_not() {
        let denied = || Error::io("read", std::path::Path::new("x"), &std::io::ErrorKind::PermissionDenied.into());
        assert!(denied().hint("").hint.unwrap_or_default().starts_with("this user may not"));
        assert_eq!(denied().hint("better").hint.as_deref(), Some("better"));
    }
}
