//! What the shipped files need of others: libraries, interpreters, programs, link targets, units, accounts.
//!
//! Pure analysis over two trees, the whole one and what is shipped of it. A need is met when the
//! file is shipped, or someone else brings it ([`World::provided`]). Contents come from packages
//! and overlays and are hostile: they are read by bounded ranges, and what cannot be understood
//! needs nothing.

mod accounts;
mod elf;
mod libraries;
mod text;
mod units;
mod world;

use model::ImagePath;
use model::path::escape;
use model::unit::UnitName;

pub use accounts::{
    Accounts, FloatingOwner, MissingAccount, floating_owners, is_static, missing_accounts, sysusers_lines,
};
pub use units::{Idle, idle_units, unit_names};
pub use world::{Reach, World};

use image::tree::{Kind, Node};

use crate::error::Error;
use crate::scan::Source;
use libraries::Libraries;
use text::Program;

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
    /// A file that a unit's condition, assertion or `EnvironmentFile=` asks for.
    File,
    /// A unit that another one starts or cannot be without.
    Unit,
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
    /// Where a library is that will be there, and that the loader of the node does not find.
    pub elsewhere: Option<ImagePath>,
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
            }
            _ => {}
        }
    }
    found.extend(units::shipped(world)?.iter().flat_map(|unit| unit.unmet(world)));
    found.sort_by(|a, b| a.by.cmp(&b.by));
    Ok(found)
}

/// Whether the program that the command line `line` starts will be there, and its name. None where
/// only a shell could say which program that is.
#[must_use]
pub fn command(world: World<'_>, line: &str) -> Option<(String, Reach)> {
    let program = text::command(line.as_bytes())?;
    Some((escape(&program.name), world.reach_program(&program.name)))
}

/// Whether the units that the command line `line` has `systemctl` start will be there, and their names.
#[must_use]
pub fn started_units(world: World<'_>, line: &str) -> Vec<(String, Reach)> {
    let names = text::started_units(line.as_bytes()).into_iter();
    names.map(|name| (name.to_string(), units::reach_unit(world, &name))).collect()
}

/// Whether a unit will be there.
#[must_use]
pub fn reach_unit(world: World<'_>, name: &UnitName) -> Reach {
    units::reach_unit(world, name)
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
        let reach = libraries.reach(name, &elf, path)?;
        let elsewhere = if reach == Reach::Absent { libraries.elsewhere(name, &elf)? } else { None };
        found.extend(open(Need::Library, name, path, false, reach).map(|unmet| Unmet { elsewhere, ..unmet }));
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
    Some(Unmet { need, name: escape(name), by: by.clone(), soft, missing, elsewhere: None })
}

fn is_inert(path: &ImagePath) -> bool {
    INERT.iter().any(|directory| path.as_bytes().starts_with(format!("{directory}/").as_bytes()))
}

/// The content, or nothing where it is larger than anything that is understood.
fn read_small(source: &Source, limit: u64) -> Result<Vec<u8>, Error> {
    if source.size() > limit { Ok(Vec::new()) } else { Ok(source.read(limit)?) }
}

#[cfg(test)]
mod tests;
