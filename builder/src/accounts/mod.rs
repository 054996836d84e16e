//! Users and groups of a root file system: `/etc/passwd` and `/etc/group` (passwd(5), group(5)).

mod asked;
mod assign;
mod attributes;
pub mod fixed;
mod mapping;
mod sysusers;

use std::collections::{BTreeMap, BTreeSet};

use image::Readable;
use image::tree::{Kind, Tree};
use model::ImagePath;
use model::closure::AccountName;

pub use asked::{Asked, AskedUser, asked, beside};
pub use assign::{Assigned, Fault, Tables, assign};
pub use attributes::{Holder, access_list, numbers};
pub use mapping::Mapping;
pub use sysusers::sysusers;

/// The largest file of accounts that is read. One of a thousand accounts has 60 KiB.
const LIMIT: u64 = 1 << 20;
/// Where users and groups stand.
const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// The number of its own group.
    pub gid: u32,
    /// Its full name.
    pub gecos: String,
    /// Its home.
    pub home: String,
    /// Its shell.
    pub shell: String,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub gid: u32,
    /// The users that are in it besides those whose own group it is.
    pub members: BTreeSet<AccountName>,
}

/// The users and groups of a root file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// By name.
    pub users: BTreeMap<AccountName, User>,
    /// By name.
    pub groups: BTreeMap<AccountName, Group>,
    /// Names of users and groups that no line of sysusers.d can make.
    pub unusable: BTreeSet<String>,
}

impl Accounts {
    /// Those of `tree`. Lines that are none are passed over, as the C library does.
    ///
    /// # Errors
    /// When a file cannot be read, or is larger than 1 MiB.
    pub fn read<C: Readable>(tree: &Tree<C>) -> Result<Self, image::Error> {
        let text = |path: &str| -> Result<String, image::Error> {
            let node = ImagePath::new(path).ok().and_then(|path| tree.lookup(&path)).map(|id| tree.node(id));
            match node.map(|node| &node.kind) {
                Some(Kind::Regular(content)) => Ok(String::from_utf8_lossy(&content.read(LIMIT)?).into_owned()),
                _ => Ok(String::new()),
            }
        };
        Ok(Self::parse(&text(PASSWD)?, &text(GROUP)?))
    }

    /// Those of the texts of the two files. Of several lines for one name the first counts.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        let mut accounts = Self::default();
        for line in passwd.lines() {
            if let [name, _, uid, gid, gecos, home, shell] = line.split(':').collect::<Vec<_>>()[..]
                && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
                && let Some(name) = accounts.name(name)
            {
                let (gecos, home, shell) = (gecos.to_owned(), home.to_owned(), shell.to_owned());
                accounts.users.entry(name).or_insert(User { uid, gid, gecos, home, shell });
            }
        }
        for line in group.lines() {
            if let [name, _, gid, members] = line.split(':').collect::<Vec<_>>()[..]
                && let Ok(gid) = gid.parse()
                && let Some(name) = accounts.name(name)
            {
                let members = members.split(',').filter_map(|member| AccountName::parse(member).ok()).collect();
                accounts.groups.entry(name).or_insert(Group { gid, members });
            }
        }
        accounts
    }

    /// The name of an account; one that is not taken is remembered.
    fn name(&mut self, text: &str) -> Option<AccountName> {
        let name = AccountName::parse(text).ok();
        // A line without a name is none, for the C library, too.
        if name.is_none() && !text.is_empty() {
            self.unusable.insert(text.to_owned());
        }
        name
    }

    /// The name of the user with this number.
    #[must_use]
    pub fn user(&self, uid: u32) -> Option<&AccountName> {
        self.users.iter().find(|(_, user)| user.uid == uid).map(|(name, _)| name)
    }

    /// The name of the group with this number.
    #[must_use]
    pub fn group(&self, gid: u32) -> Option<&AccountName> {
        self.groups.iter().find(|(_, group)| group.gid == gid).map(|(name, _)| name)
    }

    /// What of these `base` does not have: users, groups, and members of groups.
    #[must_use]
    pub fn beyond(&self, base: &Self) -> Added {
        let users = self.users.iter().filter(|(name, _)| !base.users.contains_key(*name));
        let groups = self.groups.iter().filter(|(name, _)| !base.groups.contains_key(*name));
        let members = self.groups.iter().flat_map(|(name, group)| {
            let known = base.groups.get(name);
            let new =
                group.members.iter().filter(move |member| known.is_none_or(|known| !known.members.contains(*member)));
            new.map(|member| (member.clone(), name.clone()))
        });
        Added {
            users: users.map(|(name, user)| (name.clone(), user.clone())).collect(),
            groups: groups.map(|(name, group)| (name.clone(), group.gid)).collect(),
            members: members.collect(),
            asked: BTreeMap::new(),
        }
    }
}

/// What packages added to the accounts of the base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Added {
    /// Users, with the numbers of the build.
    pub users: BTreeMap<AccountName, User>,
    /// Groups, with the numbers of the build.
    pub groups: BTreeMap<AccountName, u32>,
    /// Users in groups, as pairs of user and group.
    pub members: BTreeSet<(AccountName, AccountName)>,
    /// What lines of sysusers.d ask for besides, which are in no account file.
    pub asked: BTreeMap<AccountName, Asked>,
}

impl Added {
    /// Every name, once.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&AccountName> {
        self.users.keys().chain(self.groups.keys()).chain(self.asked.keys()).collect()
    }

    /// Whether there is a user of the name.
    #[must_use]
    pub fn has_user(&self, name: &AccountName) -> bool {
        self.users.contains_key(name) || self.asked.get(name).is_some_and(|asked| asked.user.is_some())
    }

    /// Whether there is a group of the name.
    #[must_use]
    pub fn has_group(&self, name: &AccountName) -> bool {
        self.groups.contains_key(name) || self.asked.get(name).is_some_and(|asked| asked.gid.is_some())
    }
}

#[cfg(test)]
mod tests;
