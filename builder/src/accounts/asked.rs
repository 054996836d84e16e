//! Accounts that lines of sysusers.d ask for, beside those of the account files: an author's own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::closure::{AccountName, Accounts as Table, Ids};
use model::sysusers::Line;

use super::{Accounts, Added};

/// What lines ask for under one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The user, where a line makes one.
    pub user: Option<AskedUser>,
    /// The number of the group of this name: none where no line makes one, and none inside where it is left open.
    pub gid: Option<Option<u32>>,
}

/// A user that a line asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskedUser {
    /// Its number; none where the line leaves it open.
    pub uid: Option<u32>,
    /// The number or name of its group, where it is not one of its own name.
    pub group: Option<String>,
    /// Whether it is locked.
    pub is_locked: bool,
    /// What follows the number, as it is written.
    pub rest: String,
}

impl Asked {
    /// Whether a line leaves a number to the node.
    fn is_open(&self) -> bool {
        self.gid == Some(None) || self.user.as_ref().is_some_and(|user| user.uid.is_none())
    }

    /// The numbers that the lines say, and those of `table` for what they leave open.
    #[must_use]
    pub fn ids(&self, table: Option<Ids>) -> Option<Ids> {
        let (uid, gid) = (self.user.as_ref().and_then(|user| user.uid), self.gid.flatten());
        let uid = uid.or_else(|| if self.user.is_some() { table.map(|ids| ids.uid) } else { gid });
        let gid = gid.or_else(|| if self.gid.is_some() { table.map(|ids| ids.gid) } else { uid });
        Some(Ids { uid: uid.or(gid)?, gid: gid.or(uid)? }).filter(|_| table.is_some() || !self.is_open())
    }
}

/// What `lines` ask for, by name. Of several lines for one name the first counts, as systemd-sysusers has it. A number that
/// only the node knows, as that of a path's owner, is no one's to give.
#[must_use]
pub fn asked(lines: &[Line]) -> BTreeMap<AccountName, Asked> {
    let mut all: BTreeMap<AccountName, Asked> = BTreeMap::new();
    let mut groups: BTreeMap<AccountName, Option<u32>> = BTreeMap::new();
    for line in lines {
        match line {
            Line::User { name, uid, group, is_open, is_locked, rest } if *is_open || uid.is_some() => {
                let Ok(name) = AccountName::parse(name) else { continue };
                let user = AskedUser { uid: *uid, group: group.clone(), is_locked: *is_locked, rest: rest.clone() };
                all.entry(name).or_default().user.get_or_insert(user);
            }
            Line::Group { name, gid, is_open } if *is_open || gid.is_some() => {
                let Ok(name) = AccountName::parse(name) else { continue };
                groups.entry(name).or_insert(*gid);
            }
            Line::User { .. } | Line::Group { .. } | Line::Member { .. } => {}
        }
    }
    // A member is made where no other line makes it, and so is its group.
    for line in lines {
        if let Line::Member { user, group } = line {
            if let Ok(user) = AccountName::parse(user) {
                all.entry(user).or_default().user.get_or_insert_default();
            }
            if let Ok(group) = AccountName::parse(group) {
                groups.entry(group).or_insert(None);
            }
        }
    }
    for (name, asked) in &mut all {
        if let Some(user) = asked.user.as_ref().filter(|user| user.group.is_none()) {
            groups.entry(name.clone()).or_insert(user.uid);
        }
    }
    for (name, gid) in groups {
        all.entry(name).or_default().gid = Some(gid);
    }
    all
}

/// Those of `asked` that neither `base` nor the packages have, whose accounts `full` are; and the numbers of a line for an
/// account of a package, which count as those of a table do.
#[must_use]
pub fn beside(asked: &BTreeMap<AccountName, Asked>, full: &Accounts) -> (BTreeMap<AccountName, Asked>, Table) {
    let is_known = |name: &AccountName| full.users.contains_key(name) || full.groups.contains_key(name);
    let new = asked.iter().filter(|(name, _)| !is_known(name));
    let pinned = asked.iter().filter(|(name, _)| is_known(name)).filter_map(|(name, one)| Some((name, one.ids(None)?)));
    (
        new.map(|(name, one)| (name.clone(), one.clone())).collect(),
        pinned.map(|(name, ids)| (name.clone(), ids)).collect(),
    )
}

/// Lines for what the author's lines leave open, with the numbers of `ids`. They stand in a file that sorts before the
/// author's own, of which those for the same names are passed over then.
pub(super) fn lines(added: &Added, ids: &Table) -> String {
    let mut text = String::new();
    let open = || added.asked.iter().filter(|(_, asked)| asked.is_open());
    let numbered = || open().filter_map(|(name, asked)| Some((name, asked, ids.get(name)?)));
    for (name, _, ids) in numbered().filter(|(_, asked, _)| asked.gid.is_some()) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "g {name} {}", ids.gid);
    }
    for (name, asked, ids) in numbered() {
        let Some(user) = &asked.user else { continue };
        let group = user.group.clone().unwrap_or_else(|| ids.gid.to_string());
        let lock = if user.is_locked { "!" } else { "" };
        let line = format!("u{lock} {name} {}:{group} {}", ids.uid, user.rest);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
