//! Whose maintainer script made a file.

use std::cell::RefCell;
use std::collections::BTreeMap;

use image::Readable;
use image::tree::{Kind, Node, Tree};
use model::ImagePath;

use super::Error;
use crate::ownership::Ownership;

/// The largest script that is searched; the longest of Debian has 60 KiB.
const SCRIPT_LIMIT: u64 = 1 << 20;
/// The largest registry of ucf that is read.
const REGISTRY_LIMIT: u64 = 4 << 20;
/// The scripts that make files.
const SCRIPTS: [&str; 4] = ["postinst", "preinst", "config", "triggers"];

/// The texts of all maintainer scripts, and what else says who made a file.
pub(super) struct Scripts {
    /// Package and text.
    texts: Vec<(String, Vec<u8>)>,
    /// Configuration files that ucf put into place, with the package that asked for it (ucf(1)).
    ucf: BTreeMap<ImagePath, String>,
    /// The first package whose script names a path.
    named: RefCell<BTreeMap<ImagePath, Option<String>>>,
}

impl Scripts {
    pub(super) fn read<C: Readable>(tree: &Tree<C>, ownership: &Ownership) -> Result<Self, Error> {
        let mut texts = Vec::new();
        let directory = ImagePath::new("/var/lib/dpkg/info").ok().and_then(|path| tree.lookup(&path));
        for (name, id) in directory.and_then(|id| tree.node(id).entries()).into_iter().flatten() {
            let name = String::from_utf8_lossy(name);
            let Some((package, suffix)) = name.rsplit_once('.') else { continue };
            let package = package.split(':').next().unwrap_or(package);
            if !SCRIPTS.contains(&suffix) || ownership.is_of_base(package) {
                continue;
            }
            if let Some(text) = read(tree.node(*id), SCRIPT_LIMIT)? {
                texts.push((package.to_owned(), text));
            }
        }
        let registry = ImagePath::new("/var/lib/ucf/registry").ok().and_then(|path| tree.lookup(&path));
        let registry = registry.map(|id| read(tree.node(id), REGISTRY_LIMIT)).transpose()?.flatten();
        let line = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let (package, path) = (words.next()?, words.next()?);
            Some((ImagePath::new(path).ok()?, package.to_owned()))
        };
        let ucf = String::from_utf8_lossy(&registry.unwrap_or_default()).lines().filter_map(line).collect();
        Ok(Self { texts, ucf, named: RefCell::default() })
    }

    /// The package whose script made or changed what is at `path`, as far as it can be said.
    pub(super) fn maker(&self, path: &ImagePath, ownership: &Ownership) -> Option<String> {
        if let Some(package) = self.ucf.get(path).cloned().or_else(|| ownership.chosen_for(path)) {
            return Some(package);
        }
        if let Some(package) = self.naming(path) {
            return Some(package);
        }
        // A directory that the base has too says nothing of what is in it.
        let mut at = path.parent();
        while let Some(path) = at.filter(|path| !path.is_root() && !ownership.is_base(path)) {
            let owner = ownership.owner(&path).map(|package| package.name.clone());
            if let Some(package) = self.naming(&path).or(owner) {
                return Some(package);
            }
            at = path.parent();
        }
        None
    }

    fn naming(&self, path: &ImagePath) -> Option<String> {
        let mut known = self.named.borrow_mut();
        let found = known.entry(path.clone()).or_insert_with(|| {
            let finder = memchr::memmem::Finder::new(path.as_bytes());
            self.texts.iter().find(|(_, text)| finder.find(text).is_some()).map(|(package, _)| package.clone())
        });
        found.clone()
    }
}

fn read<C: Readable>(node: &Node<C>, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    match &node.kind {
        Kind::Regular(content) if content.size() <= limit => Ok(Some(content.read(limit)?)),
        _ => Ok(None),
    }
}
