//! Tables of accounts: the module's own, and those that a fleet shares. A name has one number in all of them, and a number
//! one name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::path::Path;

use model::closure::{AccountName, Accounts, Ids};
use model::{Diagnostic, FileName, Position, Severity};

use super::closure;
use super::parse::Table;
use super::{file, layers};
use crate::error::{Error, Findings};

/// The setting's name.
pub(super) const NAME: &str = "accounts";

/// A number that a table gives.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    name: AccountName,
    ids: Ids,
    file: FileName,
    position: Position,
}

impl Given {
    fn place(&self) -> String {
        format!("{}:{}", self.file, self.position)
    }
}

/// What one or more tables give, in the order in which they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AccountTables(Vec<Given>);

impl AccountTables {
    /// Adds the table of a file, in which nothing is wrong.
    pub(super) fn add(&mut self, table: &Table<'_>, file: &FileName, position: &dyn Fn(usize) -> Position) {
        let given = table.entries.iter().filter_map(|entry| {
            let (name, ids) = closure::account(entry).ok()?;
            Some(Given { name, ids, file: file.clone(), position: position(entry.name_span.start) })
        });
        self.0.extend(given);
    }

    /// These and `others`.
    pub(crate) fn and(&self, others: &Self) -> Self {
        Self(self.0.iter().chain(&others.0).cloned().collect())
    }

    /// Those without what the file at `path` gives.
    pub(super) fn without(&self, path: &Path) -> Self {
        let file = FileName::from(path);
        Self(self.0.iter().filter(|given| given.file != file).cloned().collect())
    }

    /// The numbers.
    pub(crate) fn numbers(&self) -> Accounts {
        self.0.iter().map(|given| (given.name.clone(), given.ids)).collect()
    }

    /// Where a name has its number, where one of them gives it.
    pub(crate) fn place(&self, name: &AccountName) -> Option<String> {
        self.0.iter().find(|given| given.name == *name).map(Given::place)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each name with two numbers, and each number with two names, at the later place; the earlier one is named.
    pub(crate) fn conflicts(&self) -> Vec<Diagnostic> {
        let mut names: BTreeMap<&AccountName, &Given> = BTreeMap::new();
        let (mut users, mut groups) = (BTreeMap::new(), BTreeMap::new());
        let mut found = Vec::new();
        for given in &self.0 {
            match names.entry(&given.name) {
                Slot::Occupied(first) if first.get().ids != given.ids => {
                    let first = first.get();
                    let message = format!(
                        "{} has {} here, and {} in {}",
                        given.name,
                        shown(given.ids),
                        shown(first.ids),
                        first.place()
                    );
                    found.push(conflict(given, message));
                    continue;
                }
                Slot::Occupied(_) => continue,
                Slot::Vacant(place) => drop(place.insert(given)),
            }
            let user = users.insert(given.ids.uid, given).map(|other| (given.ids.uid, other));
            let group = groups.insert(given.ids.gid, given).map(|other| (given.ids.gid, other));
            if let Some((id, other)) = user.or(group) {
                let message =
                    format!("{} has the number {id} here, and {} has it in {}", given.name, other.name, other.place());
                found.push(conflict(given, message));
            }
        }
        found
    }
}

fn shown(ids: Ids) -> String {
    match ids {
        Ids { uid, gid } if uid == gid => format!("the number {uid}"),
        Ids { uid, gid } => format!("the numbers {uid} and {gid}"),
    }
}

fn conflict(given: &Given, message: String) -> Diagnostic {
    let hint = "give each name one number of its own, in one of the two tables";
    Diagnostic::new(Severity::Error, "account-conflict", message, hint)
        .in_file(given.file.clone())
        .at(Some(given.position))
        .in_field(format!("{NAME}.{}", given.name))
}

/// What the file at `path` gives, which holds nothing else than a table of accounts. What is wrong in it goes to `findings`.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(path: &Path, findings: &mut Findings) -> Result<AccountTables, Error> {
    const HINT: &str = "name a file with a table [accounts], in which each name has its number";
    match layers::read(path, false) {
        Ok(Some(bytes)) => Ok(file::accounts(path, bytes, findings)),
        Ok(None) => {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            Err(Error::io("read", path, &missing).hint(HINT))
        }
        Err(host::Error::Io { source, .. }) if host::explain::limit(&source).is_none() => {
            Err(Error::io("read", path, &source).hint(HINT))
        }
        Err(error) => Err(Error::from(&error).hint(HINT)),
    }
}
