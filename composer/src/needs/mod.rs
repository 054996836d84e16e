//! What the shipped files need of others: libraries, interpreters, programs, link targets.
//!
//! Pure analysis over two trees, the whole one and what is shipped of it. A need is met when the
//! file is shipped, or someone else brings it ([`World::provided`]). Contents come from packages
//! and overlays and are hostile: they are read by bounded ranges, and what cannot be understood
//! needs nothing.

mod elf;
mod libraries;
mod text;
mod world;

use model::ImagePath;
use model::path::escape;
use model::unit::{Command, Unit, UnitName, Value};

pub use world::{Reach, World};

use image::tree::{Kind, Node, Tree};

use crate::error::Error;
use crate::scan::Source;
use libraries::Libraries;
use text::Program;

/// The largest unit file that is read.
const UNIT_LIMIT: u64 = 256 << 10;
/// Where systemd looks for the system's units, by real path.
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/usr/local/lib/systemd/system"];
/// Where nothing is run: documentation's examples, and debugging symbols.
const INERT: [&str; 3] = ["/usr/share/doc", "/usr/share/doc-base", "/usr/lib/debug"];

/// How something is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// A shared library that an ELF file names.
    Library,
    /// The loader of an ELF file, or the interpreter of a script.
    Interpreter,
    /// A program that a unit or the manifest runs.
    Command,
    /// The target of a symbolic link.
    Target,
}

/// A need that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// How it is needed.
    pub need: Need,
    /// What is needed, as the file names it, unusual bytes escaped.
    pub name: String,
    /// The shipped file that needs it.
    pub by: ImagePath,
    /// Whether the file says that it can do without.
    pub soft: bool,
    /// The real paths of the whole tree that would have to be shipped; none when it does not have it.
    pub missing: Vec<ImagePath>,
}

/// A unit that asks to be enabled, and that nothing enables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// The unit.
    pub unit: ImagePath,
    /// The units that it wants to be started with.
    pub wanted_by: Vec<String>,
    /// The link of the whole tree that would enable it and is not shipped, where there is one.
    pub link: Option<ImagePath>,
}

/// Everything that shipped files need and that will not be there, in the order of the files.
///
/// # Errors
/// When the host cannot read a file.
pub fn unmet(world: World<'_>) -> Result<Vec<Unmet>, Error> {
    let mut libraries = Libraries::new(world)?;
    let mut found = Vec::new();
    for (path, _, node) in world.shipped.walk() {
        match &node.kind {
            Kind::Symlink(target) => {
                let reach = world.reach(Some(&path), target);
                found.extend(open(Need::Target, target, &path, false, reach));
            }
            Kind::Regular(source) if !is_inert(&path) => {
                found.extend(of_content(world, &mut libraries, &path, node, source)?);
                if is_unit(&path) {
                    let commands = unit(&path, source)?.commands();
                    let programs = commands.iter().filter_map(program);
                    found.extend(programs.filter_map(|program| of_program(world, &path, Need::Command, &program)));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Whether the program that the command line `line` starts will be there, and its name. None where
/// only a shell could say which program that is.
#[must_use]
pub fn command(world: World<'_>, line: &str) -> Option<(String, Reach)> {
    let program = text::command(line.as_bytes())?;
    Some((escape(&program.name), world.reach_program(&program.name)))
}

/// The shipped system units with an `[Install]` section that no link will start.
///
/// # Errors
/// When the host cannot read a unit.
pub fn idle_units(world: World<'_>) -> Result<Vec<Idle>, Error> {
    let links = enabling_links(world);
    let units = world.shipped.walk().filter_map(|(path, _, node)| match &node.kind {
        Kind::Regular(source) if UNITS.iter().any(|directory| is_in(&path, directory)) => Some((path, source)),
        _ => None,
    });
    let mut idle = Vec::new();
    for (path, source) in units {
        let name = path.file_name().unwrap_or_default();
        let install = unit(&path, source)?.install();
        let wanted_by: Vec<&Value> = install.starters().collect();
        // A template is enabled for an instance, which only the node knows.
        if wanted_by.is_empty() || name.windows(2).any(|part| part == b"@.") {
            continue;
        }
        let mut of_unit = links.iter().filter(|link| link.file_name() == Some(name)).peekable();
        let link = of_unit.peek().map(|link| (*link).clone());
        if !of_unit.any(|link| world.has(link)) {
            let wanted_by = wanted_by.iter().map(|name| escape(name.to_string().as_bytes())).collect();
            idle.push(Idle { unit: path, wanted_by, link });
        }
    }
    Ok(idle)
}

fn of_content(
    world: World<'_>,
    libraries: &mut Libraries<'_>,
    path: &ImagePath,
    node: &Node<Source>,
    source: &Source,
) -> Result<Vec<Unmet>, Error> {
    // The shortest ELF header has 52 bytes, the shortest script four.
    if source.size() < 4 {
        return Ok(Vec::new());
    }
    let file = source.positioned()?;
    let head = file.read_at(0, text::SHEBANG)?;
    if node.stat.mode & 0o111 != 0 && head.starts_with(b"#!") {
        let programs = text::shebang(&head).into_iter();
        return Ok(programs.filter_map(|program| of_program(world, path, Need::Interpreter, &program)).collect());
    }
    let Some(elf) = elf::machine(&head).map(|_| elf::read(&file)).transpose()?.flatten() else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    if let Some(interpreter) = &elf.interpreter {
        found.extend(open(Need::Interpreter, interpreter, path, false, world.reach(None, interpreter)));
    }
    for name in &elf.needed {
        found.extend(open(Need::Library, name, path, false, libraries.reach(name, &elf, path)?));
    }
    Ok(found)
}

fn of_program(world: World<'_>, by: &ImagePath, need: Need, program: &Program) -> Option<Unmet> {
    open(need, &program.name, by, program.soft, world.reach_program(&program.name))
}

fn open(need: Need, name: &[u8], by: &ImagePath, soft: bool, reach: Reach) -> Option<Unmet> {
    let missing = match reach {
        Reach::Met => return None,
        Reach::Dropped(missing) => missing,
        Reach::Absent => Vec::new(),
    };
    Some(Unmet { need, name: escape(name), by: by.clone(), soft, missing })
}

fn is_inert(path: &ImagePath) -> bool {
    INERT.iter().any(|directory| path.as_bytes().starts_with(format!("{directory}/").as_bytes()))
}

fn is_in(path: &ImagePath, directory: &str) -> bool {
    path.parent().is_some_and(|parent| parent.as_bytes() == directory.as_bytes())
}

/// Whether systemd reads the file as a unit, or as a drop-in of one.
fn is_unit(path: &ImagePath) -> bool {
    let Some(parent) = path.parent() else { return false };
    let is_drop_in = parent.as_bytes().ends_with(b".d") && path.as_bytes().ends_with(b".conf");
    UNITS.iter().any(|directory| is_in(path, directory) || (is_drop_in && is_in(&parent, directory)))
}

fn unit(path: &ImagePath, source: &Source) -> Result<Unit, Error> {
    let name = path.file_name().and_then(|name| std::str::from_utf8(name).ok());
    Ok(Unit::parse(name.and_then(|name| UnitName::parse(name).ok()), &read_small(source, UNIT_LIMIT)?))
}

/// The program of a command; none where only the node knows its name.
fn program(command: &Command) -> Option<Program> {
    let name = command.program.known()?.as_bytes().to_vec();
    Some(Program { name, soft: command.ignores_failure })
}

/// The content, or nothing where it is larger than anything that is understood.
fn read_small(source: &Source, limit: u64) -> Result<Vec<u8>, Error> {
    if source.size() > limit { Ok(Vec::new()) } else { Ok(source.read(limit)?) }
}

/// Every name in a `.wants`, `.requires` or `.upholds` directory of the whole tree.
fn enabling_links(world: World<'_>) -> Vec<ImagePath> {
    let entries = |tree: &Tree<Source>, at: &ImagePath| -> Vec<ImagePath> {
        let node = tree.lookup(at).map(|id| tree.node(id));
        let names = node.and_then(Node::entries).into_iter().flatten();
        names.filter_map(|(name, _)| at.join(name).ok()).collect()
    };
    let directories = UNITS.iter().filter_map(|directory| ImagePath::new(directory).ok());
    let wants = |path: &ImagePath| {
        [&b".wants"[..], b".requires", b".upholds"].iter().any(|suffix| path.as_bytes().ends_with(suffix))
    };
    let below = directories.flat_map(|directory| entries(world.whole, &directory)).filter(wants);
    below.flat_map(|directory| entries(world.whole, &directory)).collect()
}

#[cfg(test)]
mod tests;
