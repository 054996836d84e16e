//! Users and groups that shipped files and units name, and that nothing brings to the node.

use std::collections::{BTreeMap, BTreeSet};

use image::tree::{Kind, Tree};
use model::ImagePath;
use model::document::nearest;
use model::sysusers::{self, Line};
use model::tmpfiles;
use model::unit::AccountKind;

use super::units;
use super::world::World;
use crate::error::Error;
use crate::overlay::rules::numbers;
use crate::scan::Source;

/// The numbers below it are given out by Debian policy, and are the same everywhere.
const FIRST_FLOATING: u32 = 100;
/// `nobody` and `nogroup`.
const NOBODY: u32 = 65534;
/// The last numbers that mean no account.
const NO_ID: [u32; 2] = [0xffff, u32::MAX];

/// Users and groups by name, with the number where it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    users: BTreeMap<String, Option<u32>>,
    groups: BTreeMap<String, Option<u32>>,
}

/// An account that shipped units or lines of tmpfiles.d name and that nothing brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingAccount {
    /// Whether it is a user or a group.
    pub kind: AccountKind,
    /// Its name.
    pub name: String,
    /// The units' files that name it.
    pub by: Vec<ImagePath>,
    /// The files of `tmpfiles.d` that give it something.
    pub owner_by: Vec<ImagePath>,
}

/// An owner that is a number which was given out while the root file system was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatingOwner {
    /// Its name in the root file system, where it has one.
    pub name: Option<String>,
    /// Its numbers, as a user and as a group.
    pub numbers: BTreeMap<AccountKind, u32>,
    /// What it owns.
    pub paths: Vec<ImagePath>,
}

impl Accounts {
    /// Adds an account.
    pub fn add(&mut self, kind: AccountKind, name: impl Into<String>, number: Option<u32>) {
        let entry = self.of_mut(kind).entry(name.into()).or_default();
        *entry = number.or(*entry);
    }

    /// Whether there is an account of the name.
    #[must_use]
    pub fn has(&self, kind: AccountKind, name: &str) -> bool {
        self.of(kind).contains_key(name)
    }

    /// The name that `name` was most likely meant to be, of those that are there.
    #[must_use]
    pub fn near(&self, kind: AccountKind, name: &str) -> Option<&str> {
        let known: Vec<&str> = self.of(kind).keys().map(String::as_str).collect();
        nearest(name, &known)
    }

    /// Adds those that the lines of a file of `sysusers.d` make.
    pub fn add_sysusers(&mut self, bytes: &[u8]) {
        for line in sysusers::lines(bytes) {
            match line {
                Line::User { name, uid, group: None, .. } => {
                    self.add(AccountKind::Group, name.as_str(), uid);
                    self.add(AccountKind::User, name, uid);
                }
                Line::User { name, uid, group: Some(_), .. } => self.add(AccountKind::User, name, uid),
                Line::Group { name, gid, .. } => self.add(AccountKind::Group, name, gid),
                Line::Member { user, group } => {
                    self.add(AccountKind::User, user, None);
                    self.add(AccountKind::Group, group, None);
                }
            }
        }
    }

    /// Those that a node has which mounts the module: the static ones of the whole tree's `/etc/passwd` and `/etc/group`, what
    /// sysusers.d files and account files make that are shipped or someone else's, and `others`.
    ///
    /// # Errors
    /// When the host cannot read a file.
    pub fn of_node(world: World<'_>, others: &Self) -> Result<Self, Error> {
        let mut all = others.clone();
        let tables = [(AccountKind::User, "/etc/passwd"), (AccountKind::Group, "/etc/group")];
        for (kind, path) in tables {
            let known = numbers(world.whole, path.as_bytes()).into_iter().filter(|(_, number)| is_static(*number));
            let shipped = numbers(world.shipped, path.as_bytes());
            for (name, number) in known.chain(shipped) {
                all.add(kind, name, Some(number));
            }
        }
        // What was generated is in the shipped tree alone, what others bring in the whole one.
        let others = sysusers_files(world.whole).into_iter().filter(|(path, _)| (world.provided)(path));
        for (_, source) in sysusers_files(world.shipped).into_iter().chain(others) {
            all.add_sysusers(&super::read_small(source, sysusers::MAX_BYTES as u64)?);
        }
        Ok(all)
    }

    fn of(&self, kind: AccountKind) -> &BTreeMap<String, Option<u32>> {
        match kind {
            AccountKind::User => &self.users,
            AccountKind::Group => &self.groups,
        }
    }

    fn of_mut(&mut self, kind: AccountKind) -> &mut BTreeMap<String, Option<u32>> {
        match kind {
            AccountKind::User => &mut self.users,
            AccountKind::Group => &mut self.groups,
        }
    }

    /// Whether `number` means the same on the node: it is `name`'s, or anyone's where it has no name here.
    fn has_number(&self, kind: AccountKind, number: u32, name: Option<&String>) -> bool {
        let known = self.of(kind);
        is_static(number)
            || match name {
                Some(name) => known.get(name).is_some_and(|known| *known == Some(number)),
                None => known.values().any(|known| *known == Some(number)),
            }
    }
}

/// The accounts that shipped units run as and that shipped lines of tmpfiles.d give something to, and that are not among
/// `known`.
///
/// # Errors
/// When the host cannot read a unit or a file of `tmpfiles.d`.
pub fn missing_accounts(world: World<'_>, known: &Accounts) -> Result<Vec<MissingAccount>, Error> {
    let mut missing: BTreeMap<(AccountKind, String), [BTreeSet<ImagePath>; 2]> = BTreeMap::new();
    for shipped in units::shipped(world)? {
        for account in shipped.unit.accounts() {
            let Some(name) = account.name.known() else { continue };
            let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number && name != "root" && !known.has(account.kind, name) {
                let [by, _] = missing.entry((account.kind, name.to_owned())).or_default();
                by.extend(shipped.file(account.at).cloned());
            }
        }
    }
    for (path, source) in read_files(world.shipped, &tmpfiles::DIRECTORIES) {
        let owners = tmpfiles::owners(&super::read_small(source, tmpfiles::MAX_BYTES as u64)?);
        for (kind, name) in owners.into_iter().filter(|(kind, name)| !known.has(*kind, name)) {
            let [_, owner_by] = missing.entry((kind, name)).or_default();
            owner_by.insert(path.clone());
        }
    }
    let account = |((kind, name), [by, owner_by]): (_, [BTreeSet<_>; 2])| {
        let (by, owner_by) = (by.into_iter().collect(), owner_by.into_iter().collect());
        MissingAccount { kind, name, by, owner_by }
    };
    Ok(missing.into_iter().map(account).collect())
}

/// The owners of shipped files whose numbers mean nothing on the node.
#[must_use]
pub fn floating_owners(world: World<'_>, known: &Accounts) -> Vec<FloatingOwner> {
    let names = |path: &str| -> BTreeMap<u32, String> {
        numbers(world.whole, path.as_bytes()).into_iter().map(|(name, number)| (number, name)).collect()
    };
    let (users, groups) = (names("/etc/passwd"), names("/etc/group"));
    let mut found: BTreeMap<(Option<String>, Option<u32>), FloatingOwner> = BTreeMap::new();
    for (path, _, node) in world.shipped.walk() {
        let ids = [(AccountKind::User, node.stat.uid, &users), (AccountKind::Group, node.stat.gid, &groups)];
        for (kind, number, names) in ids {
            let name = names.get(&number).cloned();
            if known.has_number(kind, number, name.as_ref()) {
                continue;
            }
            let key = (name.clone(), Some(number).filter(|_| name.is_none()));
            let new = || FloatingOwner { name, numbers: BTreeMap::new(), paths: Vec::new() };
            let owner = found.entry(key).or_insert_with(new);
            owner.numbers.insert(kind, number);
            if owner.paths.last() != Some(&path) {
                owner.paths.push(path.clone());
            }
        }
    }
    found.into_values().collect()
}

/// Whether a number means the same on every Debian: it is below those that are given out, or no account's.
#[must_use]
pub fn is_static(number: u32) -> bool {
    number < FIRST_FLOATING || number == NOBODY || NO_ID.contains(&number)
}

/// The lines of the files of `sysusers.d` in `tree` whose paths `takes`, in the order in which systemd-sysusers reads them.
///
/// # Errors
/// When the host cannot read a file.
pub fn sysusers_lines(tree: &Tree<Source>, takes: &dyn Fn(&ImagePath) -> bool) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    for (_, source) in read_files(tree, &sysusers::DIRECTORIES).into_iter().filter(|(path, _)| takes(path)) {
        lines.extend(sysusers::lines(&super::read_small(source, sysusers::MAX_BYTES as u64)?));
    }
    Ok(lines)
}

/// The files of `tree` that systemd reads of `directories`, in its order: one in an earlier directory hides those of its
/// name in the later ones.
fn read_files<'a>(tree: &'a Tree<Source>, directories: &[&str]) -> Vec<(ImagePath, &'a Source)> {
    let mut files: BTreeMap<Vec<u8>, (ImagePath, &Source)> = BTreeMap::new();
    for (path, source) in conf_files(tree, directories) {
        files.entry(path.file_name().unwrap_or_default().to_vec()).or_insert((path, source));
    }
    files.into_values().collect()
}

fn sysusers_files(tree: &Tree<Source>) -> Vec<(ImagePath, &Source)> {
    conf_files(tree, &sysusers::DIRECTORIES)
}

fn conf_files<'a>(tree: &'a Tree<Source>, directories: &[&str]) -> Vec<(ImagePath, &'a Source)> {
    let mut files = Vec::new();
    for directory in directories.iter().filter_map(|directory| ImagePath::new(directory).ok()) {
        let entries = tree.lookup(&directory).and_then(|id| tree.node(id).entries());
        for (name, id) in entries.into_iter().flatten().filter(|(name, _)| name.ends_with(b".conf")) {
            if let (Kind::Regular(source), Ok(path)) = (&tree.node(*id).kind, directory.join(name)) {
                files.push((path, source));
            }
        }
    }
    files
}
