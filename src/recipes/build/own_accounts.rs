//! Accounts that the author's own files make, and the names that owners may have.

use builder::accounts::{Assigned, asked, fixed};
use composer::needs;
use composer::overlay::{Names, Overlay};
use model::closure::{AccountName, Ids};
use model::document::nearest;
use model::sysusers::Line;

use crate::error::Error;
use crate::recipes::build::files::FetchedFile;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::select::Selected;

/// The lines of sysusers.d in the overlay and in the files from addresses.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn lines(overlay: &Overlay, files: &[FetchedFile]) -> Result<Vec<Line>, Error> {
    let mut all = Vec::new();
    for tree in [overlay.files()].into_iter().chain(files.iter().map(FetchedFile::files)).flatten() {
        all.extend(needs::sysusers_lines(tree, &|_| true)?);
    }
    Ok(all)
}

/// The accounts that owners of the author's files may have, beside those of the root file system: those of `lines`, as far
/// as their numbers are known, those of `[accounts]`, and those that have one number on every Debian.
pub(crate) fn names(assigned: Option<&Assigned>, lines: &[Line], inputs: &Inputs) -> Names {
    let mut names = Names::default();
    let mut add = |name: &AccountName, ids: Ids| {
        names.users.entry(name.to_string()).or_insert(ids.uid);
        names.groups.entry(name.to_string()).or_insert(ids.gid);
    };
    assigned.into_iter().flat_map(|assigned| assigned.ids.iter()).for_each(|(name, ids)| add(name, ids));
    for (name, asked) in asked(lines) {
        if let Some(ids) = asked.ids(inputs.settings.closure.accounts.get(&name)) {
            add(&name, ids);
        }
    }
    inputs.settings.closure.accounts.iter().for_each(|(name, ids)| add(name, ids));
    for (name, uid) in fixed::USERS {
        names.users.entry(name.to_owned()).or_insert(uid);
    }
    for (name, gid) in fixed::GROUPS {
        names.groups.entry(name.to_owned()).or_insert(gid);
    }
    names
}

/// How the author gives `name` a number that every node knows.
pub(crate) fn hint(name: &str, inputs: &Inputs, selected: &Selected) -> String {
    let assigned = selected.closed.iter().flat_map(|closed| closed.assigned.ids.iter().map(|(name, _)| name.as_str()));
    let of_base = selected.closed.iter().flat_map(|closed| closed.base.users.keys().map(AccountName::as_str));
    let known: Vec<&str> = assigned.chain(of_base).collect();
    let meant = nearest(name, &known).map(|near| format!("did you mean {near}? Else ")).unwrap_or_default();
    let file = format!("rootfs/usr/lib/sysusers.d/{}.conf", inputs.manifest.name);
    let table = &inputs.settings.closure.accounts;
    let number = AccountName::parse(name).ok().and_then(|name| table.propose(&name, |_| false));
    let number = match (inputs.settings.closure.ship, number) {
        // A build gives it a number.
        (model::closure::Ship::Closure, _) | (_, None) => "-".to_owned(),
        (model::closure::Ship::Owned, Some(number)) => number.to_string(),
    };
    format!("{meant}make it by a line `u {name} {number}` in {file}, or name one whom a package makes")
}
