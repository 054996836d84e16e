//! systemd's unit files: the one reader of them.
//!
//! Bytes become assignments with their sections and lines ([`Unit::parse`]), drop-ins are added in their order
//! ([`Unit::add_drop_in`]), and accessors answer what the product asks. Source of the format:
//! `systemd.syntax(7)`, `systemd.unit(5)`, `systemd.exec(5)` and the pages of each kind of unit.
//!
//! The files come from packages and overlays and are hostile. There are no errors: what systemd passes over with a
//! warning is passed over here, and everything has an end (see the `MAX_` constants). What only the node knows,
//! such as `%H`, is [`Value::Unknown`].

mod command;
mod condition;
mod exec;
mod install;
mod lines;
mod name;
mod socket;
mod specifier;
#[cfg(test)]
mod tests;
mod variables;
mod words;

/// Where systemd looks for the system's units, by real path; a file in an earlier one hides those of its name in the later
/// ones (systemd.unit(5), "Unit File Load Path").
pub const DIRECTORIES: [&str; 3] = ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];

pub use command::Command;
pub use condition::Condition;
pub use exec::{Account, AccountKind, DirectoryKind, EnvironmentFile, WorkingDirectory, environment_of};
pub use install::Install;
pub use name::{ParseUnitNameError, UnitKind, UnitName};
pub use socket::{Listen, ListenKind};
pub use specifier::Value;
pub use variables::expand;

/// The most bytes of one file that are read; what follows is passed over.
pub const MAX_BYTES: usize = 1 << 20;
/// The most assignments that a unit has, its drop-ins counted; what follows is passed over.
pub const MAX_ASSIGNMENTS: usize = 16 << 10;
/// The most words that one assignment has; one that has more says nothing.
pub const MAX_WORDS: usize = 1024;

/// `[Service]` and the other sections that may run programs.
const EXEC_SECTIONS: [&str; 4] = ["Service", "Socket", "Mount", "Swap"];

/// Where an assignment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// 0 for the unit itself, 1 for its first drop-in and so on.
    pub file: usize,
    /// The line on which the assignment begins, from 1.
    pub line: usize,
}

/// A line `Key=value` of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The section, without brackets.
    pub section: String,
    /// What is assigned to.
    pub key: String,
    /// The value as it is written, continued lines joined.
    pub value: String,
    /// Where it stands.
    pub at: At,
}

/// A unit with its drop-ins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    name: Option<UnitName>,
    assignments: Vec<Assignment>,
    files: usize,
}

impl Unit {
    /// Reads the unit `name` from the bytes of its file. Without a name every specifier that needs one is
    /// unknown.
    #[must_use]
    pub fn parse(name: Option<UnitName>, bytes: &[u8]) -> Self {
        let mut unit = Self { name, assignments: Vec::new(), files: 0 };
        unit.add_drop_in(bytes);
        unit
    }

    /// Adds a drop-in (`NAME.d/*.conf`). They are added in the order in which systemd reads them: by file name,
    /// whatever the directory.
    pub fn add_drop_in(&mut self, bytes: &[u8]) {
        let room = MAX_ASSIGNMENTS - self.assignments.len();
        let file = self.files;
        let read = lines::assignments(&bytes[..bytes.len().min(MAX_BYTES)], room);
        self.assignments.extend(read.into_iter().map(|(section, key, value, line)| Assignment {
            section,
            key,
            value,
            at: At { file, line },
        }));
        self.files += 1;
    }

    /// The unit's name.
    #[must_use]
    pub fn name(&self) -> Option<&UnitName> {
        self.name.as_ref()
    }

    /// Every assignment as it is written, those that are taken back later too.
    #[must_use]
    pub fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// The assignments to `key` in `section` that count: an empty one takes back those before it.
    #[must_use]
    pub fn all(&self, section: &str, key: &str) -> Vec<&Assignment> {
        self.matching(&[section], &|other| other == key)
    }

    /// The last value of `key` in `section`; none where there is none, or it was taken back.
    #[must_use]
    pub fn last(&self, section: &str, key: &str) -> Option<&Assignment> {
        self.all(section, key).pop()
    }

    /// The units that a setting of `[Unit]` such as `Requires` names. Dependencies cannot be taken back, so an
    /// empty value does nothing.
    #[must_use]
    pub fn dependencies(&self, key: &str) -> Vec<Value> {
        let of_key = self.assignments.iter().filter(|one| one.section == "Unit" && one.key == key);
        of_key.flat_map(|one| self.names(&one.value)).collect()
    }

    /// The unit that a timer, path or socket starts: what `Unit=` or `Service=` names, else the service of the
    /// same name. Of a socket with `Accept=yes` that is a template.
    #[must_use]
    pub fn activates(&self) -> Option<Value> {
        let name = self.name.as_ref()?;
        let (section, key) = match name.kind() {
            UnitKind::Timer => ("Timer", "Unit"),
            UnitKind::Path => ("Path", "Unit"),
            UnitKind::Socket => ("Socket", "Service"),
            _ => return None,
        };
        match self.last(section, key) {
            Some(named) => Some(self.resolve(&named.value)),
            None if self.accepts() => name.beside(UnitKind::Service, true).map(Value::Known),
            None => name.beside(UnitKind::Service, false).map(Value::Known),
        }
    }

    /// What `text` is when its specifiers (`%i`, `%n`, ...) are replaced.
    #[must_use]
    pub fn resolve(&self, text: &str) -> Value {
        specifier::resolve(text, self.name.as_ref())
    }

    /// The assignments in one of `sections` to a key that `is_key` takes; an empty one takes back all of them.
    fn matching(&self, sections: &[&str], is_key: &dyn Fn(&str) -> bool) -> Vec<&Assignment> {
        let mut found: Vec<&Assignment> = Vec::new();
        for one in self.assignments.iter().filter(|one| sections.contains(&one.section.as_str()) && is_key(&one.key)) {
            if one.value.is_empty() {
                found.clear();
            } else {
                found.push(one);
            }
        }
        found
    }

    /// As [`Unit::all`], in any section that may run programs.
    fn in_exec(&self, key: &str) -> Vec<&Assignment> {
        self.matching(&EXEC_SECTIONS, &|other| other == key)
    }

    /// The words of a list of names, each with its specifiers replaced.
    fn names(&self, value: &str) -> Vec<Value> {
        words::names(value).iter().map(|word| self.resolve(word)).collect()
    }
}

/// Whether a value says yes, as systemd reads it.
fn is_yes(value: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}
