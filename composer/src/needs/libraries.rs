//! Where the dynamic loader of the node would find a library. Source: `ld.so(8)`, `ldconfig(8)`.

use std::collections::{BTreeMap, HashMap, HashSet};

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

/// The largest cache of the linker that is read: that of a desktop has 200 KB.
const CACHE_LIMIT: u64 = 16 << 20;

/// A directory that the linker's configuration names.
struct Configured {
    directory: Vec<u8>,
    /// Whether the node has the line that names it, so that a cache that is made there knows it.
    is_on_node: bool,
}

/// The libraries of a whole tree.
pub(super) struct Libraries<'a> {
    world: World<'a>,
    /// Where every loader looks.
    fixed: Vec<Vec<u8>>,
    /// What the linker's configuration names: a loader finds there what its cache has.
    configured: Vec<Configured>,
    /// The paths in the linker's cache that is shipped.
    cache: HashSet<Vec<u8>>,
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
        let (configured, cache) = (configured(world)?, shipped_cache(world)?);
        Ok(Self { world, fixed: fixed(world), configured, cache, by_name, machines: BTreeMap::new() })
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
        let in_directory = |directory: Vec<u8>| [directory.as_slice(), b"/", name].concat();
        let mut configured = Vec::new();
        for Configured { directory, is_on_node } in &self.configured {
            configured.extend(Some(in_directory(directory.clone())).filter(|path| self.is_cached(path, *is_on_node)));
        }
        let looked = run_path.map(in_directory).chain(configured);
        let mut places: Vec<Vec<u8>> = looked.chain(self.fixed.iter().cloned().map(in_directory)).collect();
        if elf.interpreter.is_none() {
            // A program may have loaded it from a place of its own before.
            places.extend(self.named(name));
        }
        let mut reached = Vec::new();
        for path in places {
            if self.is_for(&path, elf.machine)? {
                reached.push(self.world.reach(None, &path));
            }
        }
        // A program's library that is nowhere of these and not shipped: shipping it is the first step.
        if reached.is_empty() && elf.interpreter.is_some() {
            for path in self.named(name) {
                if self.is_for(&path, elf.machine)? {
                    reached.extend(Some(self.world.reach(None, &path)).filter(|reach| *reach != Reach::Met));
                }
            }
        }
        Ok(best(reached.into_iter()))
    }

    /// Where the library `name` will be, that the loader of `elf` does not find.
    ///
    /// # Errors
    /// When the host cannot read a file that has the name.
    pub(super) fn elsewhere(&mut self, name: &[u8], elf: &Elf) -> Result<Option<ImagePath>, Error> {
        for path in self.named(name) {
            if self.is_for(&path, elf.machine)? && self.world.reach(None, &path) == Reach::Met {
                return Ok(ImagePath::new(path).ok());
            }
        }
        Ok(None)
    }

    /// Every path of the whole tree that ends in `name`.
    fn named(&self, name: &[u8]) -> Vec<Vec<u8>> {
        self.by_name.get(name).into_iter().flatten().map(|path| path.as_bytes().to_vec()).collect()
    }

    /// Whether the node's cache has the library at `path`: the cache is made there, where the line is that names the
    /// directory, or it is shipped and has it, or the base has the library and so its cache.
    fn is_cached(&self, path: &[u8], is_on_node: bool) -> bool {
        let is_base = || ImagePath::new(path).is_ok_and(|path| (self.world.provided)(&path));
        (self.world.makes_cache && is_on_node) || self.cache.contains(path) || is_base()
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

/// What `ld.so.conf` and the files of `ld.so.conf.d` name.
fn configured(world: World<'_>) -> Result<Vec<Configured>, Error> {
    let mut files = vec![b"/etc/ld.so.conf".to_vec()];
    let below = names(world, b"/etc/ld.so.conf.d").into_iter().filter(|name| name.ends_with(b".conf"));
    files.extend(below.map(|name| [&b"/etc/ld.so.conf.d/"[..], &name].concat()));
    let mut directories = Vec::new();
    for file in files {
        let text = world.file(&file).map(|(_, source)| read_small(source, CONF_LIMIT)).transpose()?.unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let is_on_node = world.reach(None, &file) == Reach::Met;
        let lines = lines.filter(|line| line.starts_with(b"/"));
        directories.extend(lines.map(|line| Configured { directory: line.to_vec(), is_on_node }));
    }
    Ok(directories)
}

/// The multiarch and default directories.
fn fixed(world: World<'_>) -> Vec<Vec<u8>> {
    let mut directories = Vec::new();
    for base in ["/usr/lib", "/lib"] {
        let triplets = names(world, base.as_bytes()).into_iter().filter(|name| is_triplet(name));
        directories.extend(triplets.map(|name| [base.as_bytes(), b"/", &name].concat()));
    }
    directories.extend(DEFAULTS.map(|directory| directory.as_bytes().to_vec()));
    directories
}

/// The paths in the cache that is shipped. Each ends in NUL, whatever the cache's version.
fn shipped_cache(world: World<'_>) -> Result<HashSet<Vec<u8>>, Error> {
    let id = ImagePath::new("/etc/ld.so.cache").ok().and_then(|path| world.shipped.lookup(&path));
    let Some(Kind::Regular(source)) = id.map(|id| &world.shipped.node(id).kind) else { return Ok(HashSet::new()) };
    let bytes = read_small(source, CACHE_LIMIT)?;
    let texts = bytes.split(|byte| *byte == 0).filter(|text| text.starts_with(b"/"));
    Ok(texts.map(<[u8]>::to_vec).collect())
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
