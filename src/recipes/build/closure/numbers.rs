//! The numbers of a module's accounts.

use std::fmt::Write as _;
use std::path::Path;

use builder::accounts::{self, Accounts, Added, Assigned, Fault, Tables};
use composer::scan::Source;
use image::tree::Tree;
use model::closure::{AccountName, Accounts as Table, Ids};
use model::observe::Observer;
use model::{Diagnostic, ImagePath, Severity};

use crate::error::{Error, Findings};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::packages::lock;

/// Gives each account of `added` its number.
///
/// # Errors
/// When one cannot have the number that a table gives, or there is none.
pub(super) fn assign((full, added): (&Accounts, &Added), base: &Accounts, inputs: &Inputs) -> Result<Assigned, Error> {
    let tables = Tables { declared: &inputs.closure.accounts, locked: &inputs.locked_accounts };
    accounts::assign((full, added), base, tables).map_err(|faults| {
        let finding = |fault: &Fault| {
            Diagnostic::new(Severity::Error, "account-number", fault.to_string(), hint(fault))
                .in_file(inputs.file.clone())
        };
        let diagnostics = faults.iter().map(finding).collect();
        Error::refused("the module's accounts cannot have their numbers")
            .findings(Findings { diagnostics, ..Findings::default() })
    })
}

fn hint(fault: &Fault) -> String {
    match fault {
        Fault::Taken { name, .. } | Fault::Full { name } => {
            format!("give {name} a free number in [accounts] of builder.toml, as in {name} = 312")
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
        let message = format!("account {name} has no number");
        let hint = format!(
            "add {name} = {} to [accounts] of builder.toml, or build once without --locked and --frozen, which writes it into \
             module.lock",
            ids.uid
        );
        Diagnostic::new(Severity::Error, "account-number", message, hint).in_file(inputs.file.clone())
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
    let lines: Vec<String> = proposed.iter().map(|(name, ids)| format!("{name} = {}", ids.uid)).collect();
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

/// Writes the numbers of the fleet into the account files of `whole`, by which names are looked up afterwards.
///
/// # Errors
/// Never, as far as anyone knows.
pub(super) fn rewrite(whole: &mut Tree<Source>, full: &Accounts, assigned: &Assigned) -> Result<(), Error> {
    let uid = |id: u32| assigned.mapping.uids.get(&id).copied().unwrap_or(id);
    let gid = |id: u32| assigned.mapping.gids.get(&id).copied().unwrap_or(id);
    let (mut passwd, mut group) = (String::new(), String::new());
    for (name, user) in &full.users {
        // Writing to a String cannot fail.
        let (uid, gid) = (uid(user.uid), gid(user.gid));
        let _ = writeln!(passwd, "{name}:x:{uid}:{gid}:{}:{}:{}", user.gecos, user.home, user.shell);
    }
    for (name, entry) in &full.groups {
        let members: Vec<&str> = entry.members.iter().map(|member| member.as_str()).collect();
        let _ = writeln!(group, "{name}:x:{}:{}", gid(entry.gid), members.join(","));
    }
    for (path, text) in [("/etc/passwd", passwd), ("/etc/group", group)] {
        let path = ImagePath::new(path).map_err(|error| Error::bug(error.to_string()))?;
        whole.replace_content(&path, Source::from(text.into_bytes()));
    }
    Ok(())
}
