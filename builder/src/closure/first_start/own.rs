//! Secrets and data of the author's own: those that `[closure.secrets]` and `[closure.data]` name and no script made.

use image::tree::{Kind, NodeId, Stat, Tree};
use model::ImagePath;
use model::closure::FirstStart;

use super::{Context, FirstStarts, Shipped, data_unit, kept_at, names, secret_start};
use crate::closure::data::{DataDirectory, DataKind};
use crate::closure::secrets::{Secret, SecretKind};

/// The mode of a secret that the author has made.
const SECRET: u16 = 0o600;
/// That of a directory of data.
const DATA: u16 = 0o750;
/// That of a directory around a secret.
const AROUND: u16 = 0o755;

/// Adds the units for all that is not among `secrets` and `data`.
pub(super) fn starts<C>(secrets: &[Secret], data: &[DataDirectory], context: &Context<'_, C>, all: &mut FirstStarts) {
    let own = context.rules.secrets.iter().filter(|(path, _)| !secrets.iter().any(|one| one.path == *path.path()));
    for (path, start) in own {
        match first_file(context.shipped, path.path()) {
            Some(shipped) => all.shipped.push(Shipped { named: path.clone(), path: shipped, is_data: false }),
            None => secret(path.path(), start, context, all),
        }
    }
    let own = context.rules.data.iter().filter(|(path, _)| !data.iter().any(|one| one.path == *path.path()));
    for (path, start) in own {
        match first_file(context.shipped, path.path()) {
            Some(shipped) => all.shipped.push(Shipped { named: path.clone(), path: shipped, is_data: true }),
            None => directory(path.path(), start, context, all),
        }
    }
}

/// The first file at or below `path` in `tree`.
fn first_file<C>(tree: &Tree<C>, path: &ImagePath) -> Option<ImagePath> {
    let id = tree.lookup(path)?;
    if !tree.node(id).is_directory() {
        return Some(path.clone());
    }
    let mut open: Vec<(ImagePath, NodeId)> = vec![(path.clone(), id)];
    while let Some((path, id)) = open.pop() {
        for (name, id) in tree.node(id).entries().into_iter().flatten().rev() {
            let Ok(path) = path.join(name) else { continue };
            if matches!(tree.node(*id).kind, Kind::Directory(_)) {
                open.push((path, *id));
            } else {
                return Some(path);
            }
        }
    }
    None
}

/// A secret, which belongs to the user who runs the command, as the directory around it does where the command writes there.
fn secret<C>(path: &ImagePath, start: &FirstStart, context: &Context<'_, C>, all: &mut FirstStarts) {
    let owner = owner(start, context);
    // A directory of another secret's is that one's.
    let is_known = |around: &ImagePath| {
        let is_made = all.directories.iter().any(|(other, _)| other == around);
        is_made || context.shipped.lookup(around).is_some() || context.base_has(around)
    };
    let around = kept_at(context.name, path).and_then(|real| real.parent()).filter(|around| !is_known(around));
    let secret = Secret { path: path.clone(), kind: SecretKind::Unknown, stat: stat(owner, SECRET) };
    secret_start(&secret, &[], context, all);
    if let Some(around) = around.filter(|_| !names(start, path)) {
        all.directories.retain(|(other, _)| *other != around);
        all.directories.push((around, stat(owner, AROUND)));
    }
    all.own.push(path.clone());
}

/// A directory of data, which is made empty and belongs to the user who runs the command, and a unit that fills it.
fn directory<C>(path: &ImagePath, start: &FirstStart, context: &Context<'_, C>, all: &mut FirstStarts) {
    let shipped = context.shipped.lookup(path).map(|id| context.shipped.node(id).stat.clone());
    let is_shipped = shipped.is_some();
    let stat = shipped.unwrap_or_else(|| stat(owner(start, context), DATA));
    // Another place than in /var is made along with the link to it.
    if !is_shipped && kept_at(context.name, path).as_ref() == Some(path) {
        all.directories.push((path.clone(), stat.clone()));
    }
    data_unit((path, DataKind::Unknown), start.clone(), &stat, context, all);
    all.own.push(path.clone());
}

/// The numbers of the user who runs the command, and of its group.
fn owner<C>(start: &FirstStart, context: &Context<'_, C>) -> (u32, u32) {
    start.user.as_ref().and_then(|user| (context.ids)(user.as_str())).unwrap_or_default()
}

fn stat((uid, gid): (u32, u32), mode: u16) -> Stat {
    Stat { uid, gid, ..Stat::root_owned(mode, Default::default()) }
}
