//! `[accounts]`: the numbers that a module gives, and those that a fleet shares. A name has one number in all tables, and a
//! number one name.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use model::closure::{AccountName, Accounts, Ids, LARGEST_ID};
use model::{Diagnostic, FileName, Position, Severity};

use super::parse::{Entry, Input, Part, Table};

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
    /// What a table gives.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub(super) fn read(table: &Table<'_>) -> Result<Self, Vec<Part>> {
        let (mut all, mut wrong) = (Vec::new(), Vec::new());
        for entry in &table.entries {
            match account(entry) {
                Ok((name, ids)) => all.push(Given { name, ids, file: table.file.clone(), position: entry.position }),
                Err(hint) => wrong.push(Part {
                    span: entry.name_span.clone(),
                    field: format!("accounts.{}", entry.name),
                    code: "bad-value",
                    message: format!("the account `{}` is wrong", entry.name),
                    hint,
                }),
            }
        }
        let all = Self(all);
        let numbers = all.numbers();
        if let Some((one, other, id)) = numbers.clash().filter(|_| wrong.is_empty()) {
            let place = table.entries.iter().find(|entry| entry.name == other.as_str());
            wrong.push(Part {
                span: place.map_or_else(|| table.span.clone(), |entry| entry.name_span.clone()),
                field: format!("accounts.{other}"),
                code: "bad-value",
                message: format!("the number {id} of `{other}` is that of `{one}`"),
                hint: "give each account a number of its own".to_owned(),
            });
        }
        if wrong.is_empty() { Ok(all) } else { Err(wrong) }
    }

    /// These and `others`.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Those without what `file` gives.
    pub(super) fn without(&self, file: &FileName) -> Self {
        Self(self.0.iter().filter(|given| given.file != *file).cloned().collect())
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
        .in_field(format!("accounts.{}", given.name))
}

/// The name and the numbers of an entry of `[accounts]`.
///
/// # Errors
/// A hint, where it is wrong.
fn account(entry: &Entry<'_>) -> Result<(AccountName, Ids), String> {
    let name = AccountName::parse(entry.name).map_err(|error| error.to_string())?;
    let id = |input: &Input<'_>| match input {
        Input::Number(Some(number)) => u32::try_from(*number).ok().filter(|id| (1..=LARGEST_ID).contains(id)),
        _ => None,
    };
    const HINT: &str = "give a number from 1 to 65533, or { uid = NUMBER, gid = NUMBER }";
    let ids = match &entry.value {
        Input::Table(table) => {
            let of =
                |key: &str| table.entries.iter().find(|entry| entry.name == key).and_then(|entry| id(&entry.value));
            of("uid").zip(of("gid")).filter(|_| table.entries.len() == 2).map(|(uid, gid)| Ids { uid, gid })
        }
        value => id(value).map(Ids::both),
    };
    ids.map(|ids| (name, ids)).ok_or_else(|| HINT.to_owned())
}
