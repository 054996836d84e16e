//! Accounts: what sysusers.d asks for, and what came of it.
//!
//! `systemd-sysusers` ends with 0 where it took another id, and where it made no account at all; so what is there
//! afterwards is compared with what was asked.

use std::collections::BTreeMap;

use model::path::escape;
use model::sysusers::{self, Line};

/// What a line of sysusers.d asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The account's or group's name.
    pub name: String,
    /// Whether it is a group.
    pub is_group: bool,
    /// Its number, where the line says one.
    pub id: Option<u32>,
    /// The number of its group, where the line of a user says one.
    pub group: Option<u32>,
}

/// An account or group that did not come out as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Its name.
    pub name: String,
    /// What is wrong with it, as the predicate of a sentence.
    pub what: String,
    /// Whether it is missing altogether.
    pub is_missing: bool,
}

/// The accounts that the lines of a file of sysusers.d make.
#[must_use]
pub fn wanted(text: &str) -> Vec<Wanted> {
    sysusers::lines(text.as_bytes()).into_iter().filter_map(line).collect()
}

fn line(line: Line) -> Option<Wanted> {
    match line {
        Line::User { name, uid, group, .. } => {
            let group = group.and_then(|group| group.parse().ok());
            Some(Wanted { name, is_group: false, id: uid, group })
        }
        Line::Group { name, gid, .. } => Some(Wanted { name, is_group: true, id: gid, group: None }),
        // What they make has whatever number is free.
        Line::Member { .. } => None,
    }
}

/// An account of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// Its group's.
    pub gid: u32,
}

/// `passwd` and `group` of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// The accounts by name.
    pub users: BTreeMap<String, Account>,
    /// The groups by name: number, and the names of their members.
    pub groups: BTreeMap<String, (u32, Vec<String>)>,
}

impl Accounts {
    /// Reads both files. A line that is none counts as none, and of several lines for one name the first counts, as the C library
    /// has it.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        let users = passwd.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, ..] = fields.as_slice() else { return None };
            Some(((*name).to_owned(), Account { uid: uid.parse().ok()?, gid: gid.parse().ok()? }))
        });
        let groups = group.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = fields.as_slice() else { return None };
            let members = members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
            Some(((*name).to_owned(), (gid.parse().ok()?, members)))
        });
        // The last one that is put in counts, and of several lines for one name the C library takes the first.
        let (users, groups): (Vec<_>, Vec<_>) = (users.collect(), groups.collect());
        Self { users: users.into_iter().rev().collect(), groups: groups.into_iter().rev().collect() }
    }

    /// All groups of the account `name`, by number, its own first.
    #[must_use]
    pub fn groups_of(&self, name: &str) -> Vec<u32> {
        let own = self.users.get(name).map(|account| account.gid);
        let others = self
            .groups
            .values()
            .filter(|(gid, members)| Some(*gid) != own && members.iter().any(|member| member == name));
        own.into_iter().chain(others.map(|(gid, _)| *gid)).collect()
    }

    /// What of `wanted` is not there, or has another number than it asked for.
    #[must_use]
    pub fn wrong(&self, wanted: &[Wanted]) -> Vec<Wrong> {
        wanted.iter().filter_map(|wanted| self.check(wanted)).collect()
    }

    fn check(&self, wanted: &Wanted) -> Option<Wrong> {
        let name = &wanted.name;
        let found = match wanted.is_group {
            true => self.groups.get(name).map(|(gid, _)| (*gid, None)),
            false => self.users.get(name).map(|account| (account.uid, Some(account.gid))),
        };
        let kind = if wanted.is_group { "group" } else { "account" };
        let shown = escape(name.as_bytes());
        let wrong = |what: String, is_missing| Some(Wrong { name: shown.clone(), what, is_missing });
        let Some((id, gid)) = found else {
            return wrong(format!("the {kind} {shown} was not made"), true);
        };
        match (wanted.id, wanted.group.zip(gid)) {
            (Some(asked), _) if asked != id => {
                wrong(format!("the {kind} {shown} has the id {id}, and {asked} was asked for"), false)
            }
            (_, Some((asked, gid))) if asked != gid => {
                wrong(format!("the {kind} {shown} has the group {gid}, and {asked} was asked for"), false)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read() {
        let text = "# comment\ng redis 312\nu redis 312:312 \"Redis\" /var/lib/redis\nu! x -:nogroup \"a b\" / /bin/sh\n\
                    m redis adm\nr - 300-400\nu %i 3\ng y -\n";
        let names: Vec<_> = wanted(text).into_iter().map(|it| (it.name, it.is_group, it.id, it.group)).collect();
        let name = |text: &str| text.to_owned();
        assert_eq!(
            names,
            [
                (name("redis"), true, Some(312), None),
                (name("redis"), false, Some(312), Some(312)),
                (name("x"), false, None, None),
                (name("y"), true, None, None)
            ]
        );
    }

    #[test]
    fn an_account_that_came_out_otherwise_is_found() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nredis:x:999:998::/:/bin/false\nbroken\nredis:x:1:1::/:\n";
        let group = "root:x:0:\nredis:x:312:\nssl-cert:x:104:redis,other\nredis:x:1:\n";
        let accounts = Accounts::parse(passwd, group);
        assert_eq!(accounts.groups_of("redis"), [998, 104]);
        let wanted = wanted("g redis 312\nu redis 312:312\nu lost 313\ng gone -\nu root 0:7\n");
        let wrong: Vec<String> = accounts.wrong(&wanted).into_iter().map(|wrong| wrong.what).collect();
        assert_eq!(
            wrong,
            [
                "the account redis has the id 999, and 312 was asked for",
                "the account lost was not made",
                "the group gone was not made",
                "the account root has the group 0, and 7 was asked for"
            ]
        );
    }
}
