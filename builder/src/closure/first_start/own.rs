//! Secrets and data of the author's own: those that `[closure.secrets]` and `[closure.data]` name and no script made.

use image::tree::{Kind, NodeId, Stat, Tree};
use model::ImagePath;
use model::closure::{FirstStart, TextPath};

use super::{Context, DataDirectory, FirstStarts, Made, Secret, Shipped, kept, start_at, unit};

/// The mode of a secret that the author has made.
const SECRET: &str = "0600";
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
            None => directory(path, start, context, all),
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

/// A secret: a link in its place, unless it is in `/var`, and a unit that makes what the link leads to. It belongs to the
/// user who runs the command, and so does the directory around it.
fn secret<C>(path: &ImagePath, start: &FirstStart, context: &Context<'_, C>, all: &mut FirstStarts) {
    let is_in_var = path.as_bytes().starts_with(b"/var/");
    let real = if is_in_var { Some(path.clone()) } else { kept(context.name, path) };
    let Some(real) = real else { return all.unmade.push(path.clone()) };
    let owner = owner(start, context);
    // A directory of another secret's is that one's.
    let is_known = |around: &ImagePath| {
        let is_made = all.directories.iter().any(|(other, _)| other == around);
        is_made || context.shipped.lookup(around).is_some() || context.base_has(around)
    };
    let around = real.parent().filter(|around| !is_known(around));
    if !is_in_var {
        all.links.push((path.clone(), real.to_string()));
        super::directories(context, path, &real, all);
    }
    if let Some(around) = around {
        all.directories.retain(|(other, _)| *other != around);
        all.directories.push((around, stat(owner, AROUND)));
    }
    let name = start.user.as_ref().map_or("root", |user| user.as_str());
    let after = [
        vec!["/usr/bin/chown".to_owned(), format!("{name}:{}", group(owner, name, context)), real.to_string()],
        vec!["/usr/bin/chmod".to_owned(), SECRET.to_owned(), real.to_string()],
    ];
    let made =
        Made { what: path, marker: real.to_string(), start: start_at(start.clone(), path, &real), after: &after };
    unit(&made, context, all);
    all.own.push(path.clone());
}

/// A directory of data, which is made empty and belongs to the user who runs the command, and a unit that fills it.
fn directory<C>(path: &TextPath, start: &FirstStart, context: &Context<'_, C>, all: &mut FirstStarts) {
    let path = path.path();
    if context.shipped.lookup(path).is_none() {
        all.directories.push((path.clone(), stat(owner(start, context), DATA)));
    }
    let made = Made { what: path, marker: String::new(), start: start.clone(), after: &[] };
    unit(&made, context, all);
    all.own.push(path.clone());
}

/// The numbers of the user who runs the command, and of its group.
fn owner<C>(start: &FirstStart, context: &Context<'_, C>) -> (u32, u32) {
    start.user.as_ref().and_then(|user| (context.ids)(user.as_str())).unwrap_or_default()
}

/// The name of a user's group.
fn group<C>((uid, gid): (u32, u32), user: &str, context: &Context<'_, C>) -> String {
    let known = (context.names)(&stat((uid, gid), 0)).1;
    // Of a user whom no one knows a finding says so.
    if uid == 0 && user != "root" { user.to_owned() } else { known }
}

fn stat((uid, gid): (u32, u32), mode: u16) -> Stat {
    Stat { uid, gid, ..Stat::root_owned(mode, Default::default()) }
}
