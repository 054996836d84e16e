//! The numbers of a module's accounts.

use std::collections::BTreeMap;
use std::path::Path;

use builder::accounts::{self, Accounts, Added, Assigned, Fault, Mapping, Tables};
use composer::scan::Source;
use image::tree::{Kind, Tree};
use model::closure::{AccountName, Accounts as Table, Ids};
use model::observe::Observer;
use model::requirements::Origin;
use model::{Diagnostic, ImagePath, Severity};

use crate::error::{Error, Findings};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::packages::lock;
use crate::recipes::results::lower::LowerModule;
use crate::settings;

/// The findings' code.
const CODE: &str = "account-number";

/// Gives each account of `added` its number: that of `[accounts]`, else of `pinned`, else of the lock.
///
/// # Errors
/// When one cannot have the number that a table gives, or there is none.
pub(super) fn assign(
    (full, added): (&Accounts, &Added),
    base: &Accounts,
    pinned: &Table,
    inputs: &Inputs,
) -> Result<Assigned, Error> {
    let (own, fleet) = (&inputs.settings.closure.accounts, inputs.fleet.numbers());
    let declared = pinned.iter().chain(fleet.iter()).chain(own.iter());
    let declared: Table = declared.map(|(name, ids)| (name.clone(), ids)).collect();
    let tables = Tables { declared: &declared, locked: &inputs.locked_accounts };
    let assigned = accounts::assign((full, added), base, tables).map_err(|faults| {
        let finding = |fault: &Fault| of_fault(fault, own, inputs);
        let diagnostics = faults.iter().map(finding).collect();
        Error::refused("the module's accounts cannot have their numbers")
            .findings(Findings { diagnostics, ..Findings::default() })
    })?;
    // Another machine has no table of the fleet: the lock keeps what came from there.
    let Assigned { ids, mut proposed, mapping } = assigned;
    let from_fleet = |name: &AccountName| fleet.get(name).is_some() && own.get(name).is_none();
    let is_new = |(name, ids): &(&AccountName, Ids)| inputs.locked_accounts.get(name) != Some(*ids);
    ids.iter()
        .filter(|(name, _)| from_fleet(name))
        .filter(is_new)
        .for_each(|(name, ids)| proposed.set(name.clone(), ids));
    Ok(Assigned { ids, proposed, mapping })
}

/// The finding about `fault`, at the line of `own`, the module's table, that causes it, where there is one.
fn of_fault(fault: &Fault, own: &Table, inputs: &Inputs) -> Diagnostic {
    let is_said = |name: &&AccountName| own.get(name).is_some();
    let name = match fault {
        Fault::Taken { name, .. } | Fault::Double { name, .. } | Fault::OfBase { name, .. } | Fault::Full { name } => {
            Some(name).filter(is_said)
        }
        Fault::Shared { name, other, .. } => [other, name].into_iter().find(is_said),
        Fault::Name { .. } => None,
    };
    let (message, hint) = (fault.to_string(), hint(fault));
    let place = name.and_then(|name| {
        let keys = ["accounts", &name.to_string()];
        settings::naming::entry(&inputs.settings, CODE, &keys).diagnostics.pop()
    });
    match place {
        Some(place) => Diagnostic { severity: Severity::Error, message, hint, ..place },
        None => Diagnostic::new(Severity::Error, CODE, message, hint).in_file(inputs.file.clone()),
    }
}

fn hint(fault: &Fault) -> String {
    match fault {
        Fault::Taken { name, .. } | Fault::Full { name } => {
            format!("give {name} a free number in [accounts] of builder.toml, as in {name} = 312")
        }
        Fault::Double { name, holder, .. } => {
            format!(
                "have the script that makes {name} give it a number of its own, or write files for the other {holder}"
            )
        }
        Fault::OfBase { name, .. } => {
            format!("take {name} out of [accounts] of builder.toml: its number is the base's")
        }
        Fault::Name { .. } => {
            "have the script make an account of letters, digits, `_` and `-`, at most 31, and a letter or `_` first"
                .to_owned()
        }
        Fault::Shared { other, .. } => format!("give {other} another number in [accounts] of builder.toml"),
    }
}

/// Refuses numbers that neither a table nor the lock has, where the lock may not change.
///
/// # Errors
/// When there is one.
pub(crate) fn require_locked(proposed: &Table, inputs: &Inputs) -> Result<(), Error> {
    let finding = |(name, ids): (&AccountName, Ids)| {
        let message = match inputs.locked_accounts.get(name) {
            Some(locked) => {
                let place = inputs.fleet.place(name).unwrap_or_else(|| "a table".to_owned());
                format!("account {name} has the number {} in module.lock, and {} in {place}", locked.uid, ids.uid)
            }
            None => format!("account {name} has no number"),
        };
        let hint = format!(
            "add {name} = {} to [accounts] of builder.toml, or build once without --locked and --frozen, which writes it into \
             module.lock",
            ids.uid
        );
        Diagnostic::new(Severity::Error, CODE, message, hint).in_file(inputs.file.clone())
    };
    let diagnostics: Vec<Diagnostic> = proposed.iter().map(finding).collect();
    if diagnostics.is_empty() {
        return Ok(());
    }
    Err(Error::refused("the lock has no number for the module's accounts")
        .findings(Findings { diagnostics, ..Findings::default() }))
}

/// Writes the numbers that a build proposed into the lock of `module`, if it has one; says them where it cannot be
/// written.
///
/// # Errors
/// When the lock cannot be read.
pub(crate) fn remember(module: &Path, proposed: &Table, observer: &dyn Observer) -> Result<(), Error> {
    if proposed.is_empty() {
        return Ok(());
    }
    let Some(mut lock) = lock::read(module)? else { return Ok(()) };
    proposed.iter().for_each(|(name, ids)| lock.accounts.set(name.clone(), ids));
    let path = lock::path(module);
    let ids = |Ids { uid, gid }| if uid == gid { uid.to_string() } else { format!("{{ uid = {uid}, gid = {gid} }}") };
    let lines: Vec<String> = proposed.iter().map(|(name, given)| format!("{name} = {}", ids(given))).collect();
    match builder::apt::lock::write(&path, &lock) {
        Ok(()) => observer.note(&format!("{} has the numbers of accounts now: {}", path.display(), lines.join(", "))),
        Err(_) => observer.note(&format!(
            "{} cannot be written: write the numbers of accounts into [accounts] of builder.toml: {}",
            path.display(),
            lines.join(", ")
        )),
    }
    Ok(())
}

/// Gives the accounts of `modules` the numbers in `base` that they have on a node: their packages were installed there anew,
/// and scripts gave them others.
///
/// # Errors
/// When the account files cannot be read.
pub(super) fn of_modules(base: &mut Tree<Source>, modules: &[LowerModule]) -> Result<(), Error> {
    let accounts = Accounts::read(base)?;
    let mut mapping = Mapping::default();
    let said = modules.iter().filter_map(|module| module.requirements.as_ref()).flat_map(|said| &said.accounts);
    for account in said.filter(|account| account.from == Origin::Module) {
        let user = accounts.users.get(&account.name).zip(account.uid);
        mapping.uids.extend(user.map(|(user, uid)| (user.uid, uid)));
        let group = accounts.groups.get(&account.name).zip(account.gid);
        mapping.gids.extend(group.map(|(group, gid)| (group.gid, gid)));
    }
    mapping.apply(base);
    rewrite(base, &Assigned { mapping, ..Assigned::default() })
}

/// The largest file of accounts.
const LIMIT: u64 = 1 << 20;

/// Writes the numbers of the fleet into the account files of `whole`, by which names are looked up afterwards. All else in
/// them stays as it is.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn rewrite(whole: &mut Tree<Source>, assigned: &Assigned) -> Result<(), Error> {
    let Mapping { uids, gids } = &assigned.mapping;
    let changed = |field: &str, numbers: &BTreeMap<u32, u32>| -> String {
        let number = field.parse().ok().and_then(|id: u32| numbers.get(&id));
        number.map_or_else(|| field.to_owned(), ToString::to_string)
    };
    let passwd = |at: usize, field: &str| match at {
        2 => changed(field, uids),
        3 => changed(field, gids),
        _ => field.to_owned(),
    };
    let group = |at: usize, field: &str| if at == 2 { changed(field, gids) } else { field.to_owned() };
    rewrite_file(whole, "/etc/passwd", &passwd)?;
    rewrite_file(whole, "/etc/group", &group)
}

/// Changes each field of each line of a file by its number in the line.
fn rewrite_file(whole: &mut Tree<Source>, path: &str, change: &dyn Fn(usize, &str) -> String) -> Result<(), Error> {
    let path = ImagePath::new(path).map_err(|error| Error::bug(error.to_string()))?;
    let Some(Kind::Regular(source)) = whole.lookup(&path).map(|id| &whole.node(id).kind) else { return Ok(()) };
    let bytes = source.read(LIMIT).map_err(composer::Error::from)?;
    // A file that is no text names no one that could be looked up.
    let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
    let line =
        |line: &str| line.split(':').enumerate().map(|(at, field)| change(at, field)).collect::<Vec<_>>().join(":");
    let text: String = text.split_inclusive('\n').map(line).collect();
    whole.replace_content(&path, Source::from(text.into_bytes()));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use image::tree::{Entries, Mtime, Node, NodeId, Stat};

    use super::*;

    #[test]
    fn only_numbers_change_in_account_files() {
        let mut tree: Tree<Source> = Tree::new(Stat::root_owned(0o755, Mtime::default()));
        let mut add = |parent: NodeId, name: &[u8], kind| {
            let id = tree.add(Node { stat: Stat::root_owned(0o644, Mtime::default()), kind }).unwrap();
            tree.link(parent, name, id).unwrap();
            id
        };
        let etc = add(NodeId::ROOT, b"etc", Kind::Directory(Entries::new()));
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\n# 100\napp:x:100:101:a 100:/home/100:/bin/sh\nlast.one:x:102:9::/:";
        add(etc, b"passwd", Kind::Regular(Source::from(passwd.as_bytes().to_vec())));
        add(etc, b"group", Kind::Regular(Source::from(b"root:x:0:\napp:x:101:u100,100\n".to_vec())));
        let mapping = Mapping { uids: [(100, 312)].into(), gids: [(101, 313)].into() };
        rewrite(&mut tree, &Assigned { mapping, ..Assigned::default() }).unwrap();
        let read = |name: &str| {
            let id = tree.lookup(&ImagePath::new(format!("/etc/{name}")).unwrap()).unwrap();
            let Kind::Regular(source) = &tree.node(id).kind else { panic!("a file") };
            String::from_utf8(source.read(LIMIT).unwrap()).unwrap()
        };
        assert_eq!(
            read("passwd"),
            "root:x:0:0:root:/root:/bin/sh\n# 100\napp:x:312:313:a 100:/home/100:/bin/sh\nlast.one:x:102:9::/:"
        );
        assert_eq!(read("group"), "root:x:0:\napp:x:313:u100,100\n");
    }
}
