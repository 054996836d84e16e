//! Users and groups that the module needs and that nothing brings to the node, as findings for the author.

use std::collections::BTreeMap;

use composer::needs::{self, Accounts, FloatingOwner, MissingAccount, World};
use model::closure::{AccountName, Ship};
use model::record::Owners;
use model::unit::AccountKind;
use model::{Additions, Diagnostic, Position, Severity};

use crate::error::Error;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::open_needs::OpenNeeds;
use crate::recipes::build::select::Selected;
use crate::recipes::build::shipped_by;
use crate::recipes::results::path_list;

/// A user or group that a unit or the manifest names.
const USER: &str = "needs-user";
/// An owner of shipped files whose number means nothing on the node.
const OWNER: &str = "floating-owner";

/// The most files that one finding names.
const MAX_NAMED: usize = 3;

/// The accounts that units, `services` and owners of shipped files name, and that neither the node nor `others` has:
/// the accounts that are known to be made by other means. Those of units and `services` go to `needs`, too.
///
/// # Errors
/// When a file of the root file system cannot be read.
pub(crate) fn find(
    (inputs, selected): (&Inputs, &Selected),
    world: World<'_>,
    others: &Accounts,
    needs: &mut OpenNeeds,
) -> Result<Vec<Diagnostic>, Error> {
    let is_optional = severity(inputs) == Severity::Note;
    let placed = |found, paths: &[_]| shipped_by::placed(found, paths, inputs, selected);
    let known = Accounts::of_node(world, others)?;
    let mut floating_owners = needs::floating_owners(world, &known);
    for owner in floating_owners.iter_mut().filter(|owner| owner.name.is_none()) {
        // The author gave the number to someone, whom nothing makes.
        let holder = owner.numbers.values().find_map(|number| inputs.settings.closure.accounts.holder(*number));
        owner.name = holder.map(ToString::to_string);
    }
    let lines = |kind, name: &str| -> Vec<String> {
        match floating_owners.iter().find(|owner| owner.name.as_deref() == Some(name)) {
            // With its number, so that one line fixes both findings. A group alone makes no user.
            Some(owner) if kind == AccountKind::User && !owner.numbers.contains_key(&kind) => {
                [lines(name, owner), vec![line(kind, name)]].concat()
            }
            Some(owner) => lines(name, owner),
            None => vec![line(kind, name)],
        }
    };
    let missing = needs::missing_accounts(world, &known)?;
    let by = |one: &MissingAccount| [&one.by[..], &one.owner_by].concat();
    missing.iter().for_each(|one| needs.add_account(one.kind, &one.name, &by(one), is_optional));
    let is_user = |name: &str| missing.iter().any(|one| one.kind == AccountKind::User && one.name == name);
    // The line that makes the user makes a group of its name.
    let causes = missing.iter().filter(|one| one.kind == AccountKind::User || !is_user(&one.name));
    // A near name that is there was most likely meant.
    let or_meant = |found: Diagnostic, kind, name: &str| match known.near(kind, name) {
        Some(near) => Diagnostic { hint: format!("did you mean {near}? Else {}", found.hint), ..found },
        None => found,
    };
    let of_units = |one: &MissingAccount| {
        let found = of_units(inputs, one, &lines(one.kind, &one.name));
        placed(or_meant(found, one.kind, &one.name), &by(one))
    };
    // What `services` says of the same account is said below.
    let of_services: Vec<&str> = inputs.manifest.services.iter().filter_map(|one| one.value.user.as_deref()).collect();
    let is_said = |one: &MissingAccount| one.by.is_empty() && of_services.iter().any(|user| names(user, &one.name));
    let mut found: Vec<Diagnostic> = causes.filter(|one| !is_said(one)).map(of_units).collect();
    for (index, service) in inputs.manifest.services.iter().enumerate() {
        let Some(user) = &service.value.user else { continue };
        let (name, group) = user.split_once(':').map_or((user.as_str(), None), |(name, group)| (name, Some(group)));
        let accounts = [(AccountKind::User, Some(name)), (AccountKind::Group, group)];
        for (kind, name) in accounts.into_iter().filter_map(|(kind, name)| Some((kind, name?))) {
            if !is_number(name) && name != "root" && !known.has(kind, name) {
                let place = (format!("services[{index}].user"), service.position);
                needs.add_account(kind, name, &[], is_optional);
                found.push(or_meant(of_service(inputs, (kind, name), place, &lines(kind, name)), kind, name));
            }
        }
    }
    found.extend(floating_owners.iter().map(|owner| placed(floating(inputs, owner), &owner.paths)));
    Ok(found)
}

/// The accounts of the base, where it is known, and of the modules that lie between: under `ship = "closure"` its root file system was made, too. Those that an
/// exclude keeps out all together are a finding of their own.
pub(crate) fn of_base(inputs: &Inputs, selected: &Selected) -> Accounts {
    let mut accounts = Accounts::default();
    for module in inputs.lower(selected.arch) {
        module.sysusers.iter().for_each(|text| accounts.add_sysusers(text));
        for account in module.requirements.iter().flat_map(|said| &said.accounts) {
            for (kind, number) in [(AccountKind::User, account.uid), (AccountKind::Group, account.gid)] {
                if number.is_some() {
                    accounts.add(kind, account.name.to_string(), number);
                }
            }
        }
    }
    for base in selected.closed.iter().map(|closed| &closed.base) {
        for (name, user) in &base.users {
            accounts.add(AccountKind::User, name.to_string(), Some(user.uid));
        }
        for (name, group) in &base.groups {
            accounts.add(AccountKind::Group, name.to_string(), Some(group.gid));
        }
    }
    let masked = selected.closed.iter().filter_map(|closed| closed.masked_accounts());
    for (name, ids) in masked.flat_map(|table| table.iter()) {
        accounts.add(AccountKind::User, name.to_string(), Some(ids.uid));
        accounts.add(AccountKind::Group, name.to_string(), Some(ids.gid));
    }
    accounts
}

/// The accounts of the root file system to which shipped files belong by numbers that it gave out. Those of a closure have
/// the fleet's, which the record has elsewhere.
///
/// # Errors
/// When a file of accounts cannot be read.
pub(crate) fn owners(selected: &Selected) -> Result<Owners, Error> {
    let mut owners = Owners::default();
    if selected.closed.is_some() {
        return Ok(owners);
    }
    let accounts = builder::accounts::Accounts::read(&selected.whole)?;
    let users: BTreeMap<u32, &AccountName> = accounts.users.iter().map(|(name, user)| (user.uid, name)).collect();
    let groups: BTreeMap<u32, &AccountName> = accounts.groups.iter().map(|(name, group)| (group.gid, name)).collect();
    for (_, _, node) in selected.selection.tree.walk() {
        for (number, names, found) in
            [(node.stat.uid, &users, &mut owners.users), (node.stat.gid, &groups, &mut owners.groups)]
        {
            if let Some(name) = names.get(&number).filter(|_| !needs::is_static(number) && found.len() < MAX_OWNERS) {
                found.insert((*name).clone(), number);
            }
        }
    }
    Ok(owners)
}

/// The most accounts that a record has.
const MAX_OWNERS: usize = 1000;

fn of_units(inputs: &Inputs, missing: &MissingAccount, lines: &[String]) -> Diagnostic {
    let message = if missing.by.is_empty() { gives(missing) } else { runs(missing) };
    let found = Diagnostic::new(severity(inputs), USER, message, hint(inputs, lines)).in_file(inputs.file.clone());
    found.adding(additions(inputs, lines))
}

/// What units that run as an account say.
fn runs(missing: &MissingAccount) -> String {
    let verb = if missing.by.len() == 1 { "runs" } else { "run" };
    let as_what = match missing.kind {
        AccountKind::User => format!("as {}", missing.name),
        AccountKind::Group => format!("with the group {}", missing.name),
    };
    let who = path_list::some(&missing.by, MAX_NAMED);
    format!("{who} {verb} {as_what}, {} nothing shipped makes", whom(missing.kind))
}

/// What files of tmpfiles.d that give something to an account say.
fn gives(missing: &MissingAccount) -> String {
    let verb = if missing.owner_by.len() == 1 { "gives" } else { "give" };
    let who = path_list::some(&missing.owner_by, MAX_NAMED);
    format!(
        "{who} {verb} files to the {} {}, {} nothing shipped makes",
        word(missing.kind),
        missing.name,
        whom(missing.kind)
    )
}

/// Whether `user`, as in `services[].user`, names the account as the user or as the group.
fn names(user: &str, name: &str) -> bool {
    user.split(':').any(|word| word == name)
}

fn of_service(
    inputs: &Inputs,
    (kind, name): (AccountKind, &str),
    (field, position): (String, Position),
    lines: &[String],
) -> Diagnostic {
    let message = format!("{field} names the {} {name}, {} nothing shipped makes", word(kind), whom(kind));
    let found = Diagnostic::new(severity(inputs), USER, message, hint(inputs, lines)).adding(additions(inputs, lines));
    found.in_file(inputs.file.clone()).at(Some(position)).in_field(field)
}

fn floating(inputs: &Inputs, owner: &FloatingOwner) -> Diagnostic {
    let kinds: Vec<&str> = owner.numbers.keys().map(|kind| word(*kind)).collect();
    let mut numbers: Vec<String> = owner.numbers.values().map(ToString::to_string).collect();
    numbers.dedup();
    let (kinds, numbers) = (kinds.join(" and "), numbers.join(" and "));
    let belong = if owner.paths.len() == 1 { "belongs" } else { "belong" };
    let who = path_list::some(&owner.paths, MAX_NAMED);
    let (message, hint, add) = match &owner.name {
        Some(name) => (
            format!(
                "{who} {belong} to the {kinds} {name}, which is {numbers} in this build and nothing shipped makes so"
            ),
            hint(inputs, &lines(name, owner)),
            additions(inputs, &lines(name, owner)),
        ),
        None => (
            format!("{who} {belong} to the {kinds} {numbers}, which has no name here and is anyone's on the node"),
            "give the files an owner that every node has, or leave them out by mask".to_owned(),
            Additions::default(),
        ),
    };
    Diagnostic::new(severity(inputs), OWNER, message, hint).in_file(inputs.file.clone()).adding(add)
}

/// A module that the manifest requires may make it.
fn severity(inputs: &Inputs) -> Severity {
    let is_open = inputs.lower.is_none() && !inputs.manifest.dependencies.requires.is_empty();
    if is_open { Severity::Note } else { Severity::Warning }
}

/// The lines of sysusers.d that make the owner as it is here. A group of its own stands first: systemd-sysusers
/// makes no user whose group is missing.
fn lines(name: &str, owner: &FloatingOwner) -> Vec<String> {
    let number = |kind| owner.numbers.get(&kind).copied();
    match (number(AccountKind::User), number(AccountKind::Group)) {
        (Some(uid), Some(gid)) if uid != gid => vec![format!("g {name} {gid}"), format!("u {name} {uid}:{name}")],
        (Some(uid), _) => vec![format!("u {name} {uid}")],
        (None, gid) => vec![format!("g {name} {}", gid.map_or_else(|| "-".to_owned(), |gid| gid.to_string()))],
    }
}

fn line(kind: AccountKind, name: &str) -> String {
    match kind {
        AccountKind::User => format!("u {name} -"),
        AccountKind::Group => format!("g {name} -"),
    }
}

/// Where the module makes accounts.
fn sysusers(inputs: &Inputs) -> String {
    format!("usr/lib/sysusers.d/{}.conf", inputs.manifest.name)
}

/// Whether a file of the overlay ships only where file_spec names it.
fn is_to_be_named(inputs: &Inputs) -> bool {
    inputs.settings.closure.ship == Ship::Owned && !inputs.manifest.file_spec.is_empty()
}

/// What fixes a finding about an account, but for where another module makes it.
fn additions(inputs: &Inputs, lines: &[String]) -> Additions {
    if !inputs.manifest.dependencies.requires.is_empty() {
        return Additions::default();
    }
    let file = sysusers(inputs);
    let mut add = Additions::default();
    if is_to_be_named(inputs) {
        add.file_spec.insert(format!("/{file}"));
    }
    add.overlay.insert(format!("rootfs/{file}"), lines.iter().cloned().collect());
    add
}

fn hint(inputs: &Inputs, lines: &[String]) -> String {
    let requires: Vec<String> =
        inputs.manifest.dependencies.requires.iter().map(|entry| format!("`{}`", entry.value)).collect();
    if !requires.is_empty() && inputs.lower.is_none() {
        return format!("see that a module of dependencies.requires makes it: {}", requires.join(", "));
    }
    let ships = if is_to_be_named(inputs) { " and that file to file_spec" } else { "" };
    let word = if lines.len() == 1 { "line" } else { "lines" };
    let lines: Vec<String> = lines.iter().map(|line| format!("`{line}`")).collect();
    let (lines, file) = (lines.join(" and "), sysusers(inputs));
    format!("add the {word} {lines} to rootfs/{file}{ships}, or name the module that makes it in dependencies.requires")
}

fn word(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::User => "user",
        AccountKind::Group => "group",
    }
}

fn whom(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::User => "whom",
        AccountKind::Group => "which",
    }
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}
