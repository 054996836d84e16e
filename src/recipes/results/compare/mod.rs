//! What differs between two builds, and which difference explains which digest.

mod content;
mod digests;
pub(crate) mod json;
mod packages;

use std::path::{Path, PathBuf};

use image::diff::{self, Aspect, Change, Difference};
use model::Arch;
use model::path::json::keys;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::recipes::results::artifact::{self, Artifact, Form, Module};
use crate::recipes::results::inspect::{is_none, summarise};
use crate::recipes::results::record;

pub(crate) use digests::DigestChange;
pub(crate) use json::ValueChange;
pub(crate) use packages::{Direction, PackageChange};

/// How to compare.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Whether to show what changed in text files whose contents are at hand.
    pub(crate) content: bool,
    /// Where compressed archives are unpacked to, as files without a name.
    pub(crate) scratch: PathBuf,
}

/// What two builds have in common, and what not.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// Whether everything that both sides hold is the same.
    pub(crate) same: bool,
    /// The first side.
    pub(crate) before: Side,
    /// The second side.
    pub(crate) after: Side,
    /// The modules that both have.
    pub(crate) modules: Vec<ModuleComparison>,
    /// Modules that one side has only, by architecture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unpaired: Vec<Unpaired>,
    /// The image indexes of layouts.
    pub(crate) indexes: Vec<DigestChange>,
}

/// One side.
#[derive(Debug, Serialize)]
pub(crate) struct Side {
    /// As the user named it.
    #[serde(flatten, serialize_with = "keys::path")]
    pub(crate) path: PathBuf,
    /// Its form.
    pub(crate) form: Form,
}

/// A module that one side has only.
#[derive(Debug, Serialize)]
pub(crate) struct Unpaired {
    /// Its name.
    pub(crate) name: Option<String>,
    /// Its architecture.
    pub(crate) arch: Option<Arch>,
    /// Whether the second side has it, not the first.
    pub(crate) added: bool,
}

/// One module in both builds.
#[derive(Debug, Serialize)]
pub(crate) struct ModuleComparison {
    /// Its name.
    pub(crate) name: Option<String>,
    /// Its architecture.
    pub(crate) arch: Option<Arch>,
    /// The files.
    pub(crate) files: Files,
    /// `manifest.json`, by JSON pointer.
    pub(crate) manifest: Vec<ValueChange>,
    /// The packages of the root file systems, where both sides list them.
    pub(crate) packages: Vec<PackageChange>,
    /// The recorded inputs of the builds by JSON pointer, where both sides have a record.
    pub(crate) inputs: Vec<ValueChange>,
    /// Every digest that differs, and why.
    pub(crate) digests: Vec<DigestChange>,
}

/// The files of two images.
#[derive(Debug, Serialize)]
pub(crate) struct Files {
    /// How many paths only the second has.
    pub(crate) added: usize,
    /// How many paths only the first has.
    pub(crate) removed: usize,
    /// How many paths differ.
    pub(crate) changed: usize,
    /// The bytes of all files of the first, each inode once.
    pub(crate) size_before: u64,
    /// The bytes of all files of the second, each inode once.
    pub(crate) size_after: u64,
    /// How many files of the first have no digest, each inode once: only others make such.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) without_digest_before: u64,
    /// How many files of the second have none.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) without_digest_after: u64,
    /// Each path that differs, in the order of a walk.
    pub(crate) differences: Vec<FileDifference>,
}

/// One path that differs.
#[derive(Debug, Serialize)]
pub(crate) struct FileDifference {
    /// What differs.
    #[serde(flatten)]
    pub(crate) difference: Difference,
    /// The unified difference of a text file's lines, where it was asked for and can be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) diff: Option<String>,
}

/// Compares what is at two paths.
///
/// # Errors
/// When one of them cannot be read, or its files contradict each other.
pub(crate) fn compare(before: &Path, after: &Path, options: &Options) -> Result<Comparison, Error> {
    let (old, new) = (artifact::open(before)?, artifact::open(after)?);
    let side = |path: &Path, opened: &Artifact| Side { path: path.to_owned(), form: opened.form };
    let sides = (side(before, &old), side(after, &new));
    let mut modules = Vec::new();
    let (pairs, unpaired) = pairs(&old.modules, &new.modules);
    for (a, b) in pairs {
        modules.push(module(&Compared { a, b, sides: (&sides.0, &sides.1) }, options)?);
    }
    let indexes = digests::indexes(&old, &new);
    let same = modules.iter().all(is_same) && unpaired.is_empty() && indexes.is_empty();
    Ok(Comparison { same, before: sides.0, after: sides.1, modules, unpaired, indexes })
}

fn is_same(module: &ModuleComparison) -> bool {
    module.files.differences.is_empty()
        && module.manifest.is_empty()
        && module.packages.is_empty()
        && module.inputs.is_empty()
        && module.digests.is_empty()
}

/// The bytes of a file of the first side and of the second.
type Both = (Vec<u8>, Vec<u8>);

/// A module of each side.
struct Compared<'a> {
    a: &'a Module,
    b: &'a Module,
    sides: (&'a Side, &'a Side),
}

impl Compared<'_> {
    /// A file of both dist directories, where both sides are such.
    fn dist_file(&self, name: &str) -> Result<Option<Both>, Error> {
        let read = |module: &Module| match &module.dist {
            Some(dist) => artifact::read_text(&dist.join(name)),
            None => Ok(None),
        };
        Ok(read(self.a)?.zip(read(self.b)?))
    }
}

/// Pairs modules by architecture; a single one on each side is a pair whatever it says.
fn pairs<'a>(old: &'a [Module], new: &'a [Module]) -> (Vec<(&'a Module, &'a Module)>, Vec<Unpaired>) {
    if let ([old], [new]) = (old, new) {
        return (vec![(old, new)], Vec::new());
    }
    let find = |list: &'a [Module], arch| list.iter().find(|module| module.arch == arch);
    let lone = |module: &Module, added| Unpaired { name: module.name.clone(), arch: module.arch, added };
    let pairs = old.iter().filter_map(|a| Some((a, find(new, a.arch)?))).collect();
    let removed = old.iter().filter(|a| find(new, a.arch).is_none()).map(|a| lone(a, false));
    let added = new.iter().filter(|b| find(old, b.arch).is_none()).map(|b| lone(b, true));
    (pairs, removed.chain(added).collect())
}

fn module(compared: &Compared<'_>, options: &Options) -> Result<ModuleComparison, Error> {
    let (a, b) = (compared.a, compared.b);
    let differences = if is_same_image(a, b) { Vec::new() } else { diff::compare(&a.tree, &b.tree) };
    let diffs = match options.content {
        true => content::texts(a, b, &differences, &options.scratch)?,
        false => vec![None; differences.len()],
    };
    let files = files(compared, differences, diffs);
    let manifest = match (&a.manifest, &b.manifest) {
        (Some(old), Some(new)) => json::compare(&parse("manifest.json", old)?, &parse("manifest.json", new)?),
        _ => Vec::new(),
    };
    let packages = compared.dist_file("package-list.txt")?.map_or_else(Vec::new, |(old, new)| {
        packages::compare(&String::from_utf8_lossy(&old), &String::from_utf8_lossy(&new))
    });
    let inputs = match compared.dist_file(record::FILE)? {
        Some((old, new)) => json::compare(&inputs(&old)?, &inputs(&new)?),
        None => Vec::new(),
    };
    let digests = digests::changes(compared, &files, &manifest);
    Ok(ModuleComparison {
        name: a.name.clone().or_else(|| b.name.clone()),
        arch: a.arch.or(b.arch),
        files,
        manifest,
        packages,
        inputs,
        digests,
    })
}

/// Whether the two are of one image. A dump may say more than its image: the marks of a directory that holds whiteouts take
/// the place of the attributes with their names.
fn is_same_image(a: &Module, b: &Module) -> bool {
    let version_zero = |module: &Module| module.others.as_ref().and_then(|others| others.version_zero);
    a.composefs == b.composefs || version_zero(a) == Some(b.composefs) || version_zero(b) == Some(a.composefs)
}

fn parse(name: &str, bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::refused(format!("{name} is no JSON")).because(&error))
}

/// The inputs in a record. Any version of it will do for looking.
fn inputs(record: &[u8]) -> Result<Value, Error> {
    Ok(parse(record::FILE, record)?.get("inputs").cloned().unwrap_or(Value::Null))
}

fn files(compared: &Compared<'_>, differences: Vec<Difference>, diffs: Vec<Option<String>>) -> Files {
    let count = |is: fn(&Change) -> bool| differences.iter().filter(|difference| is(&difference.change)).count();
    let (before, after) = (summarise(&compared.a.tree), summarise(&compared.b.tree));
    Files {
        added: count(|change| matches!(change, Change::Added { .. })),
        removed: count(|change| matches!(change, Change::Removed { .. })),
        changed: count(|change| matches!(change, Change::Changed { .. })),
        size_before: before.content_size,
        size_after: after.content_size,
        without_digest_before: before.without_digest,
        without_digest_after: after.without_digest,
        differences: differences
            .into_iter()
            .zip(diffs)
            .map(|(difference, diff)| FileDifference { difference, diff })
            .collect(),
    }
}

impl Files {
    /// What differs in one line: `3 files differ (1 added, 2 changed: content 1, mode 2)`.
    pub(crate) fn describe(&self) -> String {
        let mut parts = Vec::new();
        for (count, name) in [(self.added, "added"), (self.removed, "removed")] {
            if count > 0 {
                parts.push(format!("{count} {name}"));
            }
        }
        if self.changed > 0 {
            let aspects = self.aspects();
            let aspects: Vec<String> =
                aspects.iter().map(|(aspect, count)| format!("{} {count}", aspect.name())).collect();
            parts.push(format!("{} changed: {}", self.changed, aspects.join(", ")));
        }
        let total = self.differences.len();
        let paths = if total == 1 { "1 path differs".to_owned() } else { format!("{total} paths differ") };
        format!("{paths} ({})", parts.join(", "))
    }

    /// How often each aspect changed.
    fn aspects(&self) -> Vec<(Aspect, usize)> {
        let mut counts = std::collections::BTreeMap::new();
        for file in &self.differences {
            if let Change::Changed { aspects, .. } = &file.difference.change {
                for aspect in aspects {
                    *counts.entry(*aspect).or_insert(0) += 1;
                }
            }
        }
        counts.into_iter().collect()
    }
}
