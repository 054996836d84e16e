//! The system units that a module ships, each with its drop-ins, and what they need.

use std::collections::{BTreeMap, BTreeSet};

use image::tree::{Kind, Node, Tree};
use model::ImagePath;
use model::path::escape;
use model::unit::{Command, Condition, DIRECTORIES as UNITS, Unit, UnitKind, UnitName, Value};

use super::text::Program;
use super::world::{Reach, World, best};
use super::{Need, Unmet, of_program, open, read_small};
use crate::error::Error;
use crate::scan::Source;

/// The largest unit file that is read.
const UNIT_LIMIT: u64 = 256 << 10;

/// The kinds of unit that run programs or belong to someone, whose `KIND.d/` holds what is said of all of them.
const KINDS: [&str; 5] = ["service", "socket", "mount", "swap", "scope"];

/// A unit with its drop-ins.
pub(super) struct Shipped {
    pub(super) unit: Unit,
    /// The files that it was read from, as `model::unit::At` counts them.
    files: Vec<ImagePath>,
}

/// A unit's own file, and its drop-ins by file name.
#[derive(Default)]
struct Parts<'a> {
    own: Option<(ImagePath, &'a Source)>,
    /// A link to nothing that hides the unit of the later directories.
    is_masked: bool,
    drop_ins: DropIns<'a>,
}

/// Drop-ins by file name.
type DropIns<'a> = BTreeMap<Vec<u8>, (ImagePath, &'a Source)>;

/// Every unit that is shipped, and every unit that a shipped drop-in belongs to, by name, and last what drop-ins say of
/// every unit of a kind, which is read once and not with each of these. A template stands for
/// each of its instances that a shipped link starts, or for itself.
///
/// # Errors
/// When the host cannot read a file.
pub(super) fn shipped(world: World<'_>) -> Result<Vec<Shipped>, Error> {
    let links = enabling_links(world.shipped);
    let mut units = Vec::new();
    for (name, parts) in parts(world.shipped) {
        let Parts { own, is_masked: false, drop_ins } = parts else { continue };
        let instances: BTreeSet<UnitName> = links.iter().filter_map(unit_name).collect();
        let instances = instances.into_iter().filter(|instance| instance.template().as_ref() == Some(&name));
        let mut names: Vec<UnitName> = instances.collect();
        if names.is_empty() {
            names.push(name);
        }
        let mut files: Vec<(ImagePath, Vec<u8>)> = Vec::new();
        match own {
            Some((path, source)) => files.push((path, read_small(source, UNIT_LIMIT)?)),
            // The unit is someone else's, and says nothing here.
            None => files.extend(drop_ins.values().next().map(|(path, _)| (path.clone(), Vec::new()))),
        }
        for (path, source) in drop_ins.into_values() {
            files.push((path, read_small(source, UNIT_LIMIT)?));
        }
        units.extend(names.into_iter().map(|name| read(Some(name), &files)));
    }
    for (path, source) in of_kinds(world.shipped) {
        let bytes = read_small(source, UNIT_LIMIT)?;
        units.push(read(None, &[(path, bytes)]));
    }
    Ok(units)
}

/// The drop-ins of every unit of a kind, as in `service.d/`.
fn of_kinds(tree: &Tree<Source>) -> Vec<(ImagePath, &Source)> {
    let mut all: BTreeMap<&str, DropIns<'_>> = BTreeMap::new();
    for directory in UNITS {
        for kind in KINDS {
            if let Ok(path) = ImagePath::new(format!("{directory}/{kind}.d")) {
                add_files(tree, &path, all.entry(kind).or_default());
            }
        }
    }
    all.into_values().flat_map(BTreeMap::into_values).collect()
}

fn read(name: Option<UnitName>, files: &[(ImagePath, Vec<u8>)]) -> Shipped {
    let mut unit = Unit::parse(name, files.first().map_or(&[], |(_, bytes)| bytes));
    for (_, bytes) in files.iter().skip(1) {
        unit.add_drop_in(bytes);
    }
    Shipped { unit, files: files.iter().map(|(path, _)| path.clone()).collect() }
}

fn parts(tree: &Tree<Source>) -> BTreeMap<UnitName, Parts<'_>> {
    let mut all: BTreeMap<UnitName, Parts<'_>> = BTreeMap::new();
    for directory in UNITS.iter().filter_map(|directory| ImagePath::new(directory).ok()) {
        for path in entries(tree, &directory) {
            let Some(node) = tree.lookup(&path).map(|id| tree.node(id)) else { continue };
            match (&node.kind, unit_name(&path)) {
                (Kind::Regular(source), Some(name)) => {
                    let parts = all.entry(name).or_default();
                    // An empty file masks as a link to nothing does.
                    parts.is_masked |= parts.own.is_none() && source.size() == 0;
                    parts.own.get_or_insert((path, source));
                }
                (Kind::Symlink(target), Some(name)) if **target == *b"/dev/null" => {
                    let parts = all.entry(name).or_default();
                    parts.is_masked |= parts.own.is_none();
                }
                (Kind::Directory(_), None) => add_drop_ins(tree, &path, &mut all),
                _ => {}
            }
        }
    }
    all
}

fn add_drop_ins<'a>(tree: &'a Tree<Source>, directory: &ImagePath, all: &mut BTreeMap<UnitName, Parts<'a>>) {
    let name = directory.file_name().and_then(|name| name.strip_suffix(b".d"));
    let name = name.and_then(|name| UnitName::parse(std::str::from_utf8(name).ok()?).ok());
    let Some(name) = name else { return };
    add_files(tree, directory, &mut all.entry(name).or_default().drop_ins);
}

fn add_files<'a>(tree: &'a Tree<Source>, directory: &ImagePath, drop_ins: &mut DropIns<'a>) {
    for path in entries(tree, directory).into_iter().filter(|path| path.as_bytes().ends_with(b".conf")) {
        if let Some(Kind::Regular(source)) = tree.lookup(&path).map(|id| &tree.node(id).kind) {
            let key = path.file_name().unwrap_or_default().to_vec();
            drop_ins.entry(key).or_insert((path, source));
        }
    }
}

impl Shipped {
    /// The file that an assignment of it stands in.
    pub(super) fn file(&self, at: model::unit::At) -> Option<&ImagePath> {
        self.files.get(at.file)
    }

    /// The unit's own file.
    pub(super) fn path(&self) -> Option<&ImagePath> {
        self.files.first()
    }

    /// Everything that it needs and that will not be there.
    pub(super) fn unmet(&self, world: World<'_>) -> Vec<Unmet> {
        let conditions = self.unit.conditions();
        // systemd passes over a unit whose condition does not hold: that is what the unit asks for.
        let asked: Vec<&str> =
            conditions.iter().filter(|one| !one.is_assertion).filter_map(Condition::wanted_path).collect();
        let mut found = self.programs(world, &asked);
        found.extend(conditions.iter().filter_map(|condition| self.condition(world, condition)));
        found.extend(self.environment_files(world, &asked));
        found.extend(self.units(world));
        found
    }

    fn programs(&self, world: World<'_>, asked: &[&str]) -> Vec<Unmet> {
        // Below another root the programs are not the node's.
        if self.unit.root().is_some_and(|root| root.known() != Some("/")) {
            return Vec::new();
        }
        let has_search_path = self.unit.last("Service", "ExecSearchPath").is_some();
        let program = |command: &Command| {
            let name = command.program.known().filter(|name| name.contains('/') || !has_search_path)?;
            let soft = command.ignores_failure || command.key == "ExecCondition" || asked.contains(&name);
            let program = Program { name: name.as_bytes().to_vec(), soft };
            of_program(world, self.file(command.at)?, Need::Command, &program)
        };
        self.unit.commands().iter().filter_map(program).collect()
    }

    /// A path that is left out and that the unit asks for. One that is nowhere may be for the node to make; an
    /// assertion makes the unit fail without it.
    fn condition(&self, world: World<'_>, condition: &Condition) -> Option<Unmet> {
        let path = condition.wanted_path().filter(|_| !condition.is_alternative)?;
        let is_program = self.unit.commands().iter().any(|command| command.program.known() == Some(path));
        let reach = world.reach(None, path.as_bytes());
        if is_program || (reach == Reach::Absent && (!condition.is_assertion || is_state(path))) {
            return None;
        }
        open(Need::File, path.as_bytes(), self.file(condition.at)?, false, reach)
    }

    fn environment_files(&self, world: World<'_>, asked: &[&str]) -> Vec<Unmet> {
        let files = self.unit.environment_files().into_iter().filter(|file| !file.is_optional);
        let need = |file: model::unit::EnvironmentFile| {
            let path = file.path.known().filter(|path| path.starts_with('/') && !path.contains(['*', '?', '[']))?;
            let reach = world.reach(None, path.as_bytes());
            let soft = asked.contains(&path) || (reach == Reach::Absent && is_state(path));
            open(Need::File, path.as_bytes(), self.file(file.at)?, soft, reach)
        };
        files.filter_map(need).collect()
    }

    /// The units that it starts or cannot be without, and those that are to start it.
    fn units(&self, world: World<'_>) -> Vec<Unmet> {
        let Some(path) = self.path() else { return Vec::new() };
        let need = |value: &Value, soft: &dyn Fn(&Reach) -> bool| {
            let name = unit_of(value)?;
            let reach = reach_unit(world, &name);
            let soft = soft(&reach);
            open(Need::Unit, name.as_str().as_bytes(), path, soft, reach)
        };
        let mut found: Vec<Unmet> = self.unit.activates().iter().filter_map(|value| need(value, &|_| false)).collect();
        let required = ["Requires", "BindsTo"].into_iter().flat_map(|key| self.unit.dependencies(key));
        found.extend(required.filter_map(|value| need(&value, &|reach| *reach == Reach::Absent)));
        let install = self.unit.install();
        found.extend(install.also.iter().filter_map(|value| need(value, &|_| true)));
        // One that starts it is enough.
        let starters: Vec<Unmet> = install.starters().filter_map(|value| need(value, &|_| false)).collect();
        if starters.len() == install.starters().count() {
            found.extend(starters.into_iter().filter(|unmet| !unmet.missing.is_empty()).take(1));
        }
        found
    }
}

/// A unit of a kind that has a file. Devices, mounts and slices are made while the node runs.
fn unit_of(value: &Value) -> Option<UnitName> {
    let name = UnitName::parse(value.known()?).ok()?;
    let has_file = match name.kind() {
        UnitKind::Service | UnitKind::Socket | UnitKind::Target | UnitKind::Timer | UnitKind::Path => true,
        UnitKind::Mount
        | UnitKind::Automount
        | UnitKind::Swap
        | UnitKind::Slice
        | UnitKind::Scope
        | UnitKind::Device => false,
    };
    has_file.then_some(name)
}

/// Whether a unit will be there, by its own file or that of its template.
pub(super) fn reach_unit(world: World<'_>, name: &UnitName) -> Reach {
    let names = [Some(name.clone()), name.template()];
    let paths = names.iter().flatten().flat_map(|name| UNITS.map(|directory| format!("{directory}/{name}")));
    best(paths.map(|path| world.reach(None, path.as_bytes())))
}

/// Whether the node makes what is at `path` itself.
fn is_state(path: &str) -> bool {
    path.starts_with("/var/")
}

pub(super) fn unit_name(path: &ImagePath) -> Option<UnitName> {
    UnitName::parse(std::str::from_utf8(path.file_name()?).ok()?).ok()
}

/// Every name in a `.wants`, `.requires` or `.upholds` directory of `tree`.
pub(super) fn enabling_links(tree: &Tree<Source>) -> Vec<ImagePath> {
    let directories = UNITS.iter().filter_map(|directory| ImagePath::new(directory).ok());
    let wants = |path: &ImagePath| {
        [&b".wants"[..], b".requires", b".upholds"].iter().any(|suffix| path.as_bytes().ends_with(suffix))
    };
    let below = directories.flat_map(|directory| entries(tree, &directory)).filter(wants);
    below.flat_map(|directory| entries(tree, &directory)).collect()
}

fn entries(tree: &Tree<Source>, at: &ImagePath) -> Vec<ImagePath> {
    let node = tree.lookup(at).map(|id| tree.node(id));
    let names = node.and_then(Node::entries).into_iter().flatten();
    names.filter_map(|(name, _)| at.join(name).ok()).collect()
}

/// The names of the system units that are in `tree`.
#[must_use]
pub fn unit_names(tree: &Tree<Source>) -> BTreeSet<UnitName> {
    let directories = UNITS.iter().filter_map(|directory| ImagePath::new(directory).ok());
    directories.flat_map(|directory| entries(tree, &directory)).filter_map(|path| unit_name(&path)).collect()
}

/// A shipped unit that asks to be enabled, and that nothing enables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// The unit.
    pub unit: ImagePath,
    /// The units that it wants to be started with.
    pub wanted_by: Vec<String>,
    /// The link of the whole tree that would enable it and is not shipped, where there is one.
    pub link: Option<ImagePath>,
}

/// The shipped system units with an `[Install]` section that no link will start. A template is enabled by a link to
/// any of its instances; one that no link of the whole tree starts is for the node to enable.
///
/// # Errors
/// When the host cannot read a unit.
pub fn idle_units(world: World<'_>) -> Result<Vec<Idle>, Error> {
    let mut links = enabling_links(world.whole);
    links.extend(enabling_links(world.shipped));
    let mut idle = Vec::new();
    for (name, parts) in parts(world.shipped) {
        let Some((path, source)) = parts.own.filter(|_| !parts.is_masked) else { continue };
        let bytes = read_small(source, UNIT_LIMIT)?;
        let wanted_by: Vec<Value> = Unit::parse(Some(name.clone()), &bytes).install().starters().cloned().collect();
        if wanted_by.is_empty() {
            continue;
        }
        let starts =
            |link: &&ImagePath| unit_name(link).is_some_and(|of| of == name || of.template().as_ref() == Some(&name));
        let mut of_unit = links.iter().filter(starts).peekable();
        let link = of_unit.peek().map(|link| (*link).clone());
        let is_for_the_node = name.is_template() && link.is_none();
        if !is_for_the_node && !of_unit.any(|link| world.has(link)) {
            let wanted_by = wanted_by.iter().map(|name| escape(name.to_string().as_bytes())).collect();
            idle.push(Idle { unit: path, wanted_by, link });
        }
    }
    idle.sort_by(|a, b| a.unit.cmp(&b.unit));
    Ok(idle)
}
