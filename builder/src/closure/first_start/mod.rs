//! What a node makes when a module starts there first: units that run once.

mod own;
mod recipe;
mod unit;

use image::tree::{Stat, Tree};
use model::ImagePath;
use model::closure::{ClosureRules, FirstStart, TextPath};

use super::data::{DataDirectory, DataKind};
use super::secrets::{Secret, SecretKind};
use unit::{Files, Made, Owner, Steps};

/// Something that is shipped and would be made at first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipped {
    /// What is named.
    pub named: TextPath,
    /// What is shipped: that, or a file in it.
    pub path: ImagePath,
    /// Whether it is a directory of data, and no secret.
    pub is_data: bool,
}

/// What a unit makes once on each node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeOnce {
    /// The path of the secret or of the directory of data.
    pub path: ImagePath,
    /// The unit.
    pub unit: ImagePath,
    /// The command that it runs.
    pub start: FirstStart,
}

/// Units of the first start, and what belongs to them.
#[derive(Debug, Clone, Default)]
pub struct FirstStarts {
    /// Units with their texts.
    pub files: Vec<(ImagePath, String)>,
    /// Links in the place of secrets, and those that start the units.
    pub links: Vec<(ImagePath, String)>,
    /// Directories in `/var` that they need.
    pub directories: Vec<(ImagePath, Stat)>,
    /// What of secrets and data no one makes.
    pub unmade: Vec<ImagePath>,
    /// What each unit makes.
    pub made: Vec<MadeOnce>,
    /// What the author has made at first start although it is shipped.
    pub shipped: Vec<Shipped>,
    /// What is made although no package's script made it.
    pub own: Vec<ImagePath>,
}

/// What first starts are made of.
pub struct Context<'a, C> {
    /// The module's name.
    pub name: &'a str,
    /// The root file system, in which programs are looked for.
    pub whole: &'a Tree<C>,
    /// What is shipped.
    pub shipped: &'a Tree<C>,
    /// What the author says.
    pub rules: &'a ClosureRules,
    /// The name of the user and of the group with a number.
    pub names: &'a dyn Fn(&Stat) -> (String, String),
    /// The services that wait for it.
    pub services: &'a [String],
    /// The numbers of a user and of its group, by the user's name.
    pub ids: &'a dyn Fn(&str) -> Option<(u32, u32)>,
    /// The directories that every node has.
    pub base: &'a Tree<C>,
}

impl<C> Context<'_, C> {
    /// Whether every node has what is at `path`.
    fn base_has(&self, path: &ImagePath) -> bool {
        self.base.lookup(path).is_some()
    }
}

/// The units that make `secrets` and `data` on a node: by the author's command, else by what each is known to be made by.
#[must_use]
pub fn first_starts<C>(secrets: &[Secret], data: &[DataDirectory], context: &Context<'_, C>) -> FirstStarts {
    let mut all = FirstStarts::default();
    for secret in secrets {
        secret_start(secret, secrets, context, &mut all);
    }
    for directory in data {
        data_start(directory, context, &mut all);
    }
    own::starts(secrets, data, context, &mut all);
    all.directories.sort_by(|one, other| one.0.cmp(&other.0));
    all.directories.dedup_by(|one, other| one.0 == other.0);
    all
}

fn declared<'a>(
    rules: &'a std::collections::BTreeMap<TextPath, FirstStart>,
    path: &ImagePath,
) -> Option<&'a FirstStart> {
    rules.iter().find(|(declared, _)| declared.path() == path).map(|(_, start)| start)
}

fn secret_start<C>(secret: &Secret, secrets: &[Secret], context: &Context<'_, C>, all: &mut FirstStarts) {
    let place = |path: &ImagePath| kept_at(context.name, path);
    let places = place(&secret.path).and_then(|real| Some((stage(&secret.path, &real, context)?, real)));
    let Some((stage, real)) = places else { return all.unmade.push(secret.path.clone()) };
    let staged = |path: &ImagePath| unit::worked_at(&stage, path);
    let own = declared(&context.rules.secrets, &secret.path);
    // A command that does not say where it makes it finds its place by the link.
    let is_beside = own.is_none_or(|start| names(start, &secret.path));
    let made_at = if is_beside { staged(&secret.path) } else { Some(real.clone()) };
    let start = match (own, &made_at) {
        (Some(start), Some(at)) => Some(start_at(start.clone(), &secret.path, at)),
        (Some(_), None) => None,
        (None, _) => recipe::of_secret(secret, &staged, context),
    };
    let is_companion = own.is_none() && matches!(secret.kind, SecretKind::Companion { .. });
    if start.is_none() && !is_companion {
        return all.unmade.push(secret.path.clone());
    }
    if real != secret.path {
        all.links.push((secret.path.clone(), real.to_string()));
        directories(context, &secret.path, &real, all);
    }
    let Some(start) = start else { return };
    // What was made along with it has an owner and a mode of its own, too.
    let is_companion =
        |other: &&Secret| matches!(&other.kind, SecretKind::Companion { of } if own.is_none() && *of == secret.path);
    let files: Vec<&Secret> = std::iter::once(secret).chain(secrets.iter().filter(is_companion)).collect();
    let user = start.user.as_ref().map(ToString::to_string);
    let steps = if is_beside {
        let file = |secret: &&'_ Secret| Some((secret.path.clone(), place(&secret.path)?, secret.stat.clone()));
        let files: Vec<_> = files.iter().filter_map(file).collect();
        if stage.parent() != real.parent() {
            all.directories.extend(stage.parent().map(|own| (own, Stat::root_owned(0o755, secret.stat.mtime))));
        }
        let keeper = keeper(&secret.path, context);
        Steps::of_files(&Files { files: &files, stage: &stage, user: user.as_deref(), keeper }, context.names)
    } else {
        Steps::in_place(&real, &secret.stat, user.as_deref(), context.names)
    };
    unit::add(&Made { what: &secret.path, marker: real.to_string(), start, steps }, context, all);
}

/// The directory in which what is kept at `real` for `path` is made: beside its place, or where only root can change the way to it.
fn stage<C>(path: &ImagePath, real: &ImagePath, context: &Context<'_, C>) -> Option<ImagePath> {
    let mut around = std::iter::successors(path.parent(), ImagePath::parent);
    let is_roots = keeper(path, context).is_none() && around.all(|around| owner_of(&around, context).is_none());
    if is_roots {
        return unit::beside(real);
    }
    let own = ImagePath::new(format!("/var/lib/module-{}", context.name)).ok()?;
    own.join(unit::stage_name(path).as_bytes()).ok()
}

/// Who has the directory in which what people know at `path` is kept, where it is not root: the user of another secret of the author's,
/// whose command writes there itself, or the owner of the directory that it stands for.
fn keeper<C>(path: &ImagePath, context: &Context<'_, C>) -> Option<Owner> {
    let around = path.parent()?;
    let writes = |(other, start): (&TextPath, &FirstStart)| {
        let user = start.user.as_ref().filter(|_| other.path().parent().as_ref() == Some(&around))?;
        let (uid, gid) = (context.ids)(user.as_str()).filter(|_| !names(start, other.path()))?;
        Some((context.names)(&Stat { uid, gid, ..Stat::root_owned(0, Default::default()) }))
    };
    owner_of(&around, context).or_else(|| context.rules.secrets.iter().find_map(writes))
}

/// The owner of the directory at `path`, where it is not root.
fn owner_of<C>(path: &ImagePath, context: &Context<'_, C>) -> Option<Owner> {
    let stat = &context.whole.node(context.whole.lookup(path)?).stat;
    (stat.uid != 0).then(|| (context.names)(stat))
}

/// Whether a command says where it makes `path`.
fn names(start: &FirstStart, path: &ImagePath) -> bool {
    let path = path.to_string();
    start.command.iter().any(|word| replaced(word, &path, "") != *word)
}

/// The word with `to` for `path`, where it stands for itself and is no part of a longer one.
fn replaced(word: &str, path: &str, to: &str) -> String {
    let is_of_path = |c: char| c.is_alphanumeric() || "/._-+@~%".contains(c);
    // A short option may be written together with its value.
    let ends_before = |before: &str| {
        let run = &before[before.trim_end_matches(is_of_path).len()..];
        run.is_empty() || run.starts_with('-') && !run.contains('/')
    };
    let (mut out, mut rest, mut at) = (String::new(), word, 0);
    while let Some(found) = rest[at..].find(path).map(|found| at + found) {
        let end = found + path.len();
        let is_whole = ends_before(&rest[..found]) && !rest[end..].starts_with(is_of_path);
        if is_whole {
            out += &rest[..found];
            out += to;
            (rest, at) = (&rest[end..], 0);
        } else {
            at = end;
        }
    }
    out + rest
}

/// Where what is made for `path` really is: itself in `/var`, else below the directory of a module in `/var/lib`.
fn kept_at(name: &str, path: &ImagePath) -> Option<ImagePath> {
    if path.as_bytes().starts_with(b"/var/") {
        return Some(path.clone());
    }
    ImagePath::new([format!("/var/lib/module-{name}").as_bytes(), path.as_bytes()].concat()).ok()
}

/// The author's command, with the path where the secret really is for the one where it was made.
fn start_at(start: FirstStart, path: &ImagePath, real: &ImagePath) -> FirstStart {
    let (path, real) = (path.to_string(), real.to_string());
    FirstStart { command: start.command.iter().map(|word| replaced(word, &path, &real)).collect(), ..start }
}

/// The directories around `real`, each like the one around `path` of which it is the image.
fn directories<C>(context: &Context<'_, C>, path: &ImagePath, real: &ImagePath, all: &mut FirstStarts) {
    let (mut of, mut at) = (path.parent(), real.parent());
    while let (Some(original), Some(kept)) = (of, at) {
        let node = context.whole.lookup(&original).map(|id| context.whole.node(id));
        let mut stat = node.map_or_else(|| Stat::root_owned(0o755, Default::default()), |node| node.stat.clone());
        if original.is_root() {
            stat = Stat::root_owned(0o755, stat.mtime);
        }
        all.directories.push((kept.clone(), stat));
        if original.is_root() {
            return;
        }
        (of, at) = (original.parent(), kept.parent());
    }
}

fn data_start<C>(data: &DataDirectory, context: &Context<'_, C>, all: &mut FirstStarts) {
    let own = declared(&context.rules.data, &data.path).cloned();
    let Some(start) = own.or_else(|| recipe::of_data(data, context)) else {
        return all.unmade.push(data.path.clone());
    };
    let node = context.whole.lookup(&data.path).map(|id| &context.whole.node(id).stat);
    let stat = node.cloned().unwrap_or_else(|| Stat { uid: data.uid, ..Stat::root_owned(0o700, Default::default()) });
    data_unit((&data.path, data.kind), start, &stat, context, all);
}

/// The unit that fills the directory of data at `path`, which has the owner and mode of `stat`.
fn data_unit<C>(
    (path, kind): (&ImagePath, DataKind),
    start: FirstStart,
    stat: &Stat,
    context: &Context<'_, C>,
    all: &mut FirstStarts,
) {
    let Some(real) = kept_at(context.name, path) else { return all.unmade.push(path.clone()) };
    let marker = match kind {
        DataKind::PostgresCluster => format!("{real}/PG_VERSION"),
        DataKind::InnoDb => format!("{real}/ibdata1"),
        DataKind::Unknown => String::new(),
    };
    if real != *path {
        // The command finds it by the link, at the path that it knows.
        all.links.push((path.clone(), real.to_string()));
        directories(context, path, &real, all);
        all.directories.push((real.clone(), stat.clone()));
    }
    let stage = unit::beside(&real);
    let is_around_own = path
        .parent()
        .and_then(|around| owner_of(&around, context))
        .is_some_and(|owner| owner.0 == (context.names)(stat).0);
    let steps =
        stage.map(|stage| Steps::of_directory(&real, &stage, stat, is_around_own, context.names)).unwrap_or_default();
    unit::add(&Made { what: path, marker, start, steps }, context, all);
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn a_path_is_replaced_only_where_it_stands_for_itself() {
        for (word, new) in [
            ("/etc/a/key", "NEW"),
            ("--out=/etc/a/key", "--out=NEW"),
            ("file:/etc/a/key,mode=600", "file:NEW,mode=600"),
            ("-f/etc/a/key", "-fNEW"),
            ("umask 77; make >/etc/a/key && chmod 600 \"/etc/a/key\"", "umask 77; make >NEW && chmod 600 \"NEW\""),
            ("/etc/a/key.cnf", "/etc/a/key.cnf"),
            ("/etc/a/key/more", "/etc/a/key/more"),
            ("/etc/a/keys", "/etc/a/keys"),
            ("/usr/share/etc/a/key", "/usr/share/etc/a/key"),
            ("share/etc/a/key", "share/etc/a/key"),
            ("-I/usr/etc/a/key", "-I/usr/etc/a/key"),
            ("/etc/a/key.cnf:/etc/a/key", "/etc/a/key.cnf:NEW"),
            ("/etc/a/key/etc/a/key", "/etc/a/key/etc/a/key"),
        ] {
            assert_eq!(replaced(word, "/etc/a/key", "NEW"), new, "{word}");
        }
    }
}
