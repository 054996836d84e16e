//! Accounts that the author's own files make, and the names that owners may have.

use builder::accounts::{Assigned, asked, fixed};
use composer::needs;
use composer::overlay::{Names, Overlay};
use model::closure::{AccountName, Ids};
use model::sysusers::Line;

use crate::error::Error;
use crate::recipes::build::files::FetchedFile;
use crate::recipes::build::inputs::Inputs;

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
