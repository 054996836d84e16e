//! The numbers of a fleet for accounts that packages added.

use std::collections::BTreeMap;

use model::closure::{AccountName, Accounts as Table, Ids};

use super::attributes::Holder;
use super::mapping::Mapping;
use super::{Accounts, Added};

/// The tables that give numbers, the strongest first.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    /// The module's own, or the fleet's.
    pub declared: &'a Table,
    /// What earlier builds proposed, from the lock.
    pub locked: &'a Table,
}

/// Why an account cannot have a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The base has another account with the number that a table gives.
    #[error("{name} cannot have the number {id}: it is {holder}'s in the base")]
    Taken {
        /// The account.
        name: AccountName,
        /// The number.
        id: u32,
        /// Whose it is.
        holder: AccountName,
    },
    /// Two accounts that packages added have one number.
    #[error("{name} and {other} have one number, {id}")]
    Shared {
        /// One of them.
        name: AccountName,
        /// The other one.
        other: AccountName,
        /// The number.
        id: u32,
    },
    /// Packages gave a user or group the number of another one, whose files would become its own.
    #[error("{name} has the number {id}, which is that of the {holder} {other}")]
    Double {
        /// The account that packages added.
        name: AccountName,
        /// The other one.
        other: AccountName,
        /// What they are.
        holder: Holder,
        /// Their number in the build.
        id: u32,
    },
    /// A table gives an account of the base another number than the base has.
    #[error("{name} is an account of the base, which has the number {id}")]
    OfBase {
        /// The account.
        name: AccountName,
        /// Its number in the base.
        id: u32,
    },
    /// No line of sysusers.d makes an account of this name.
    #[error("{name:?} is no name of an account that systemd-sysusers makes")]
    Name {
        /// The beginning of the name.
        name: String,
    },
    /// No number that could be proposed is free.
    #[error("there is no free number for {name}")]
    Full {
        /// The account.
        name: AccountName,
    },
}

/// What every account that packages added got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assigned {
    /// The numbers by name, of all that were added.
    pub ids: Table,
    /// Those of them that no table has.
    pub proposed: Table,
    /// What to change files to.
    pub mapping: Mapping,
}

/// Gives each account of `added` its numbers: those of a table, else a proposal that depends on its name. Those accounts of
/// `full`, from which they are, that `base` has, get the numbers of `base`.
///
/// # Errors
/// Everything that stands in the way.
pub fn assign((full, added): (&Accounts, &Added), base: &Accounts, tables: Tables<'_>) -> Result<Assigned, Vec<Fault>> {
    let mut assigned = Assigned::default();
    let mut faults = misfits((full, added), base, tables.declared);
    if !faults.is_empty() {
        return Err(faults);
    }
    let is_taken = |id: u32| base.user(id).is_some() || base.group(id).is_some();
    for name in added.names() {
        let table = tables.declared.get(name).or_else(|| tables.locked.get(name));
        let of_line = |table| added.asked.get(name).map_or(table, |asked| asked.ids(table));
        let ids = of_line(table).or_else(|| {
            // Numbers that tables give to others are not free either.
            let given = |id: u32| [tables.declared, tables.locked].iter().any(|table| table.holder(id).is_some());
            let id = assigned.ids.propose(name, |id| is_taken(id) || given(id));
            of_line(id.map(Ids::both)).inspect(|ids| assigned.proposed.set(name.clone(), *ids))
        });
        match ids {
            Some(ids) => {
                faults.extend(taken(name, ids, added, base));
                assigned.ids.set(name.clone(), ids);
            }
            None => faults.push(Fault::Full { name: name.clone() }),
        }
    }
    if let Some((one, other, id)) = assigned.ids.clash() {
        faults.push(Fault::Shared { name: one.clone(), other: other.clone(), id });
    }
    let of_base = full.users.iter().filter_map(|(name, user)| Some((user.uid, base.users.get(name)?.uid)));
    assigned.mapping.uids.extend(of_base.filter(|(now, before)| now != before));
    let of_base = full.groups.iter().filter_map(|(name, group)| Some((group.gid, base.groups.get(name)?.gid)));
    assigned.mapping.gids.extend(of_base.filter(|(now, before)| now != before));
    for (name, user) in &added.users {
        assigned.mapping.uids.extend(assigned.ids.get(name).map(|ids| (user.uid, ids.uid)));
    }
    for (name, gid) in &added.groups {
        assigned.mapping.gids.extend(assigned.ids.get(name).map(|ids| (*gid, ids.gid)));
    }
    if faults.is_empty() { Ok(assigned) } else { Err(faults) }
}

/// What of the accounts themselves no number mends.
fn misfits((full, added): (&Accounts, &Added), base: &Accounts, declared: &Table) -> Vec<Fault> {
    let unusable = full.unusable.difference(&base.unusable);
    let mut faults: Vec<Fault> = unusable
        .filter_map(|name| AccountName::parse(name).err())
        .map(|error| Fault::Name { name: error.text })
        .collect();
    let users: Vec<_> = full.users.iter().map(|(name, user)| (name, user.uid)).collect();
    let groups: Vec<_> = full.groups.iter().map(|(name, group)| (name, group.gid)).collect();
    faults.extend(doubles(Holder::User, &users, |name| added.users.contains_key(name)));
    faults.extend(doubles(Holder::Group, &groups, |name| added.groups.contains_key(name)));
    for (name, ids) in declared.iter() {
        let uid = base.users.get(name).map(|user| (user.uid, ids.uid));
        let gid = base.groups.get(name).map(|group| (group.gid, ids.gid));
        let other = uid.into_iter().chain(gid).find(|(id, given)| id != given);
        faults.extend(other.map(|(id, _)| Fault::OfBase { name: name.clone(), id }));
    }
    faults
}

/// The accounts that packages added with the number of another one, each pair once.
fn doubles(holder: Holder, all: &[(&AccountName, u32)], is_added: impl Fn(&AccountName) -> bool) -> Vec<Fault> {
    let mut first: BTreeMap<u32, &AccountName> = BTreeMap::new();
    // Those of the base first, and the others in the order of their names.
    let (of_base, added): (Vec<_>, Vec<_>) = all.iter().copied().partition(|(name, _)| !is_added(name));
    for (name, id) in of_base {
        first.entry(id).or_insert(name);
    }
    let mut faults = Vec::new();
    for (name, id) in added {
        match first.get(&id) {
            Some(other) => {
                let (name, other) = (name.clone(), (*other).clone());
                faults.push(Fault::Double { name, other, holder, id });
            }
            None => drop(first.insert(id, name)),
        }
    }
    faults
}

/// Whose the numbers are in the base.
fn taken(name: &AccountName, ids: Ids, added: &Added, base: &Accounts) -> Option<Fault> {
    let user = base.user(ids.uid).filter(|_| added.has_user(name)).map(|holder| (ids.uid, holder));
    let group = base.group(ids.gid).filter(|_| added.has_group(name)).map(|holder| (ids.gid, holder));
    user.or(group).map(|(id, holder)| Fault::Taken { name: name.clone(), id, holder: holder.clone() })
}
