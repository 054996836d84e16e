//! `Condition...=` and `Assert...=` (`systemd.unit(5)`, "Conditions and Asserts").

use super::{Assignment, At, Unit, Value};

/// What must hold for a unit to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is asked: `PathExists`, `FileNotEmpty`, `Capability`, ...
    pub kind: String,
    /// Whether it is an assertion: the unit fails where it does not hold. A condition skips the unit instead.
    pub is_assertion: bool,
    /// `!`: it must not hold.
    pub is_negated: bool,
    /// `|`: one of all conditions of this sort is enough.
    pub is_alternative: bool,
    /// What it is asked about, such as a path.
    pub argument: Value,
    /// Where it stands.
    pub at: At,
}

impl Condition {
    /// The path that must be there for it to hold; none where it asks for something else, or for absence.
    #[must_use]
    pub fn wanted_path(&self) -> Option<&str> {
        const PATHS: [&str; 7] = [
            "PathExists",
            "PathIsDirectory",
            "PathIsSymbolicLink",
            "PathIsReadWrite",
            "FileNotEmpty",
            "FileIsExecutable",
            "DirectoryNotEmpty",
        ];
        let is_path = !self.is_negated && PATHS.contains(&self.kind.as_str());
        self.argument.known().filter(|path| is_path && path.starts_with('/'))
    }
}

impl Unit {
    /// The conditions and assertions. An empty value takes back all conditions (all assertions), whatever they
    /// ask.
    #[must_use]
    pub fn conditions(&self) -> Vec<Condition> {
        let of = |prefix: &'static str| {
            let lines = self.matching(&["Unit"], &|key| key.starts_with(prefix));
            lines.into_iter().filter_map(move |line| self.condition(line, prefix))
        };
        of("Condition").chain(of("Assert")).collect()
    }

    fn condition(&self, line: &Assignment, prefix: &str) -> Option<Condition> {
        let kind = line.key.strip_prefix(prefix)?;
        let text = line.value.strip_prefix('|');
        let is_alternative = text.is_some();
        let text = text.unwrap_or(&line.value);
        let negated = text.strip_prefix('!');
        let argument = negated.unwrap_or(text).trim_start_matches([' ', '\t']);
        Some(Condition {
            kind: kind.to_owned(),
            is_assertion: prefix == "Assert",
            is_negated: negated.is_some(),
            is_alternative,
            argument: self.resolve(argument),
            at: line.at,
        })
    }
}
