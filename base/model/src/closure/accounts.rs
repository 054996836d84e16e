//! One number for a name, in a whole fleet.
//!
//! What a package's script gives an account depends on what else is installed: alone, most packages get the same number.
//! A module's files are changed to the numbers of this table, so that they belong to the same account on every node.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::words::beginning;

/// The largest number of an account: 65534 is nobody's, and 65535 no one's (user_namespaces(7), systemd's `UIDS-GIDS`).
pub const LARGEST_ID: u32 = 65_533;
/// The numbers that are proposed: above what adduser gives from 100 on, and below what systemd-sysusers gives from 999
/// down.
pub const PROPOSED: std::ops::RangeInclusive<u32> = 300..=799;
/// The longest name that systemd-sysusers takes; useradd(8) takes one letter more.
const LONGEST_NAME: usize = 31;

/// The name of a user or group, as systemd's strict mode has it (systemd.io/USER_NAMES).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

/// Why a text is no account's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no account's name: give letters, digits, `_` and `-`, at most 31, and a letter or `_` first")]
pub struct ParseAccountError {
    /// The beginning of the text.
    pub text: String,
}

impl AccountName {
    /// Parses a name.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, ParseAccountError> {
        let is_first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
        let is_valid = text.len() <= LONGEST_NAME
            && text.as_bytes().first().is_some_and(is_first)
            && text.bytes().all(|byte| is_first(&byte) || byte.is_ascii_digit() || byte == b'-');
        if is_valid { Ok(Self(text.to_owned())) } else { Err(ParseAccountError { text: beginning(text) }) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AccountName {
    type Error = ParseAccountError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0
    }
}

/// The numbers of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ids {
    /// That of the user.
    pub uid: u32,
    /// That of the group.
    pub gid: u32,
}

impl Ids {
    /// The same number for user and group.
    #[must_use]
    pub fn both(id: u32) -> Self {
        Self { uid: id, gid: id }
    }
}

/// A table of accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Accounts(BTreeMap<AccountName, Ids>);

impl Accounts {
    /// Adds or replaces a name.
    pub fn set(&mut self, name: AccountName, ids: Ids) {
        self.0.insert(name, ids);
    }

    /// The numbers of a name.
    #[must_use]
    pub fn get(&self, name: &AccountName) -> Option<Ids> {
        self.0.get(name).copied()
    }

    /// Every name with its numbers, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&AccountName, Ids)> {
        self.0.iter().map(|(name, ids)| (name, *ids))
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who has `id` as a user or as a group.
    #[must_use]
    pub fn holder(&self, id: u32) -> Option<&AccountName> {
        self.0.iter().find(|(_, ids)| ids.uid == id || ids.gid == id).map(|(name, _)| name)
    }

    /// A free number for `name`: the same for everyone who has the same table, and wherever it can be, for everyone.
    /// None where no number of [`PROPOSED`] is free.
    #[must_use]
    pub fn propose(&self, name: &AccountName, is_taken: impl Fn(u32) -> bool) -> Option<u32> {
        let count = PROPOSED.end() - PROPOSED.start() + 1;
        let digest = Digest::of(name.as_str().as_bytes());
        let first = digest
            .hex()
            .chars()
            .filter_map(|digit| digit.to_digit(16))
            .fold(0, |rest, digit| (rest * 16 + digit) % count);
        let candidates = (0..count).map(|step| PROPOSED.start() + (first + step) % count);
        candidates.into_iter().find(|id| self.holder(*id).is_none() && !is_taken(*id))
    }

    /// The first name whose number another name has, with that other one.
    #[must_use]
    pub fn clash(&self) -> Option<(&AccountName, &AccountName, u32)> {
        let (mut users, mut groups) = (BTreeMap::new(), BTreeMap::new());
        self.0.iter().find_map(|(name, ids)| {
            let user = users.insert(ids.uid, name).map(|other| (other, name, ids.uid));
            let group = groups.insert(ids.gid, name).map(|other| (other, name, ids.gid));
            user.or(group)
        })
    }
}

impl FromIterator<(AccountName, Ids)> for Accounts {
    fn from_iter<T: IntoIterator<Item = (AccountName, Ids)>>(names: T) -> Self {
        Self(names.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    fn name(text: &str) -> AccountName {
        AccountName::parse(text).unwrap()
    }

    #[test]
    fn a_table_is_gone_through_by_name() {
        let table: Accounts = [(name("b"), Ids::both(2)), (name("a"), Ids::both(1))].into_iter().collect();
        let all: Vec<_> = table.iter().map(|(name, ids)| (name.to_string(), ids.uid)).collect();
        assert_eq!(all, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    }

    #[test]
    fn a_name_is_what_every_tool_takes() {
        for text in ["redis", "_chrony", "www-data", "Debian-exim", "a1"] {
            assert_eq!(name(text).to_string(), text);
        }
        for text in ["", "1a", "-a", "a b", "a:b", "a\n", "ä", &"a".repeat(32)] {
            assert!(AccountName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_number_is_proposed_by_the_name_and_never_twice() {
        let mut table = Accounts::default();
        let first = table.propose(&name("redis"), |_| false).unwrap();
        assert!(PROPOSED.contains(&first));
        assert_eq!(Accounts::default().propose(&name("redis"), |_| false), Some(first), "the name alone decides");
        table.set(name("other"), Ids::both(first));
        let next = table.propose(&name("redis"), |_| false).unwrap();
        assert_eq!(next, if first == *PROPOSED.end() { *PROPOSED.start() } else { first + 1 });
        assert_eq!(table.propose(&name("redis"), |id| id == next), Some(next + 1).filter(|id| PROPOSED.contains(id)));
        assert_eq!(table.propose(&name("redis"), |_| true), None);
    }

    #[test]
    fn the_number_is_that_of_the_contract() {
        // 300 + sha256("redis") mod 500, by another program: python3 -c
        // "import hashlib; print(300 + int(hashlib.sha256(b'redis').hexdigest(), 16) % 500)"
        assert_eq!(Accounts::default().propose(&name("redis"), |_| false), Some(743));
    }

    #[test]
    fn two_names_with_one_number_clash() {
        let mut table = Accounts::default();
        table.set(name("a"), Ids { uid: 300, gid: 301 });
        table.set(name("b"), Ids { uid: 301, gid: 302 });
        assert_eq!(table.clash(), None, "a user and a group may share a number");
        assert_eq!(table.holder(301), Some(&name("a")));
        table.set(name("c"), Ids { uid: 303, gid: 302 });
        assert_eq!(table.clash(), Some((&name("b"), &name("c"), 302)));
    }
}
