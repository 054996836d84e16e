//! Where the dynamic loader of the node would find a library. Source: `ld.so(8)`, `ldconfig(8)`.

use std::collections::{BTreeMap, HashMap};

use image::tree::{Kind, NodeId};
use model::ImagePath;

use super::elf::{self, Elf, Machine};
use super::read_small;
use super::world::{Reach, World, best};
use crate::error::Error;

/// The largest file of `ld.so.conf` that is read.
const CONF_LIMIT: u64 = 64 << 10;
/// Where every loader looks.
const DEFAULTS: [&str; 4] = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"];

/// The libraries of a whole tree.
pub(super) struct Libraries<'a> {
    world: World<'a>,
    directories: Vec<Vec<u8>>,
    /// Files and links that are named as libraries are, wherever they are.
    by_name: HashMap<Vec<u8>, Vec<ImagePath>>,
    machines: BTreeMap<NodeId, Option<Machine>>,
}

impl<'a> Libraries<'a> {
    /// # Errors
    /// When the host cannot read a file of the linker's configuration.
    pub(super) fn new(world: World<'a>) -> Result<Self, Error> {
        let mut by_name: HashMap<Vec<u8>, Vec<ImagePath>> = HashMap::new();
        for (path, _, node) in world.whole.walk() {
            if let (false, Some(name)) = (node.is_directory(), path.file_name())
                && name.windows(3).any(|part| part == b".so")
            {
                by_name.entry(name.to_vec()).or_default().push(path);
            }
        }
        Ok(Self { world, directories: directories(world)?, by_name, machines: BTreeMap::new() })
    }

    /// Whether the library `name` that the file `elf` at `at` names will be there.
    ///
    /// # Errors
    /// When the host cannot read a file that has the name.
    pub(super) fn reach(&mut self, name: &[u8], elf: &Elf, at: &ImagePath) -> Result<Reach, Error> {
        if name.contains(&b'/') {
            return Ok(self.world.reach(None, name));
        }
        let origin = at.parent().unwrap_or_else(ImagePath::root);
        let run_path = elf.run_path.iter().filter_map(|path| expand(path, &origin));
        let looked: Vec<Vec<u8>> = run_path.chain(self.directories.iter().cloned()).collect();
        let looked = looked.into_iter().map(|directory| [directory.as_slice(), b"/", name].concat());
        // A program may have loaded it from a place of its own before.
        let others = self.by_name.get(name).into_iter().flatten().map(|path| path.as_bytes().to_vec());
        let mut places = Vec::new();
        for path in looked.chain(others.collect::<Vec<_>>()) {
            if self.is_for(&path, elf.machine)? {
                places.push(self.world.reach(None, &path));
            }
        }
        Ok(best(places.into_iter()))
    }

    fn is_for(&mut self, path: &[u8], machine: Machine) -> Result<bool, Error> {
        let Some((id, source)) = self.world.file(path) else { return Ok(false) };
        let known = match self.machines.get(&id) {
            Some(known) => *known,
            None => {
                let known = elf::machine(&source.positioned()?.read_at(0, 20)?);
                self.machines.insert(id, known);
                known
            }
        };
        Ok(known == Some(machine))
    }
}

/// `$ORIGIN` in an entry of a run path; none where another token makes it depend on the loader.
fn expand(path: &[u8], origin: &ImagePath) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(path).ok()?;
    let origin = std::str::from_utf8(origin.as_bytes()).ok()?;
    let text = text.replace("${ORIGIN}", origin).replace("$ORIGIN", origin);
    (text.starts_with('/') && !text.contains('$')).then(|| text.into_bytes())
}

/// What `ld.so.conf` and the files of `ld.so.conf.d` name, then the multiarch and default directories.
fn directories(world: World<'_>) -> Result<Vec<Vec<u8>>, Error> {
    let mut files = vec![b"/etc/ld.so.conf".to_vec()];
    let below = names(world, b"/etc/ld.so.conf.d").into_iter().filter(|name| name.ends_with(b".conf"));
    files.extend(below.map(|name| [&b"/etc/ld.so.conf.d/"[..], &name].concat()));
    let mut directories = Vec::new();
    for file in files {
        let text = world.file(&file).map(|(_, source)| read_small(source, CONF_LIMIT)).transpose()?.unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        directories.extend(lines.filter(|line| line.starts_with(b"/")).map(<[u8]>::to_vec));
    }
    for base in ["/usr/lib", "/lib"] {
        let triplets = names(world, base.as_bytes()).into_iter().filter(|name| is_triplet(name));
        directories.extend(triplets.map(|name| [base.as_bytes(), b"/", &name].concat()));
    }
    directories.extend(DEFAULTS.map(|directory| directory.as_bytes().to_vec()));
    Ok(directories)
}

/// Such as `x86_64-linux-gnu`.
fn is_triplet(name: &[u8]) -> bool {
    name.windows(7).any(|part| part == b"-linux-")
}

fn names(world: World<'_>, directory: &[u8]) -> Vec<Vec<u8>> {
    let id = ImagePath::new(directory).ok().and_then(|path| world.whole.resolve(&path));
    let entries = id.map(|id| &world.whole.node(id).kind);
    match entries {
        Some(Kind::Directory(entries)) => entries.keys().map(|name| name.to_vec()).collect(),
        _ => Vec::new(),
    }
}
