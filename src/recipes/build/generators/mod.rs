//! What programs of the root file system compute from the author's own files, which no trigger of a package has seen.
//!
//! An overlay that brings a certificate wants it in the bundle, one that brings a schema wants it compiled. The programs
//! of [`builder::generators`] that read such a file run in the root file system as it will be, and what they write
//! becomes part of it and ships. What cannot be run is named.

mod findings;
mod remembered;
mod workroom;

use std::collections::BTreeMap;

use builder::cache::Cache;
use builder::generators::{Generator, How, Need};
use builder::ownership::Ownership;
use composer::overlay::{Overlay, OverlayReport};
use composer::scan::Source;
use image::tree::{Kind, Tree};
use model::observe::Observer;
use model::{Digest, Epoch, ImagePath};

use crate::error::Error;
use remembered::Remembered;
use workroom::{Computed, Failure};

pub(crate) use findings::find;

/// What errors call the layer of what was computed.
const LAYER: &str = "what programs of the root file system computed";

/// Whether programs of a root file system may run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Programs<'a> {
    /// They may: its packages were installed by this build.
    Run {
        /// Where what they computed is kept.
        cache: &'a Cache,
        /// What the root file system was, before anything was laid over it.
        root: Digest,
        /// Whether nothing that is kept counts.
        fresh: bool,
    },
    /// They do not, for this reason.
    Stay(&'static str),
    /// No one asks: only names are known.
    Unknown,
}

/// A generator that reads files of the author's.
#[derive(Debug, Clone)]
struct Wanted {
    generator: &'static Generator,
    place: ImagePath,
    inputs: Vec<ImagePath>,
}

/// Why a generator did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    /// Programs of this root file system are not run.
    Stays(&'static str),
    /// It is not there.
    NoProgram,
    /// Its output depends on the machine.
    Unsorted,
    /// It said this, and failed.
    Failed(String),
}

/// What became of the author's files that are read by a generator.
#[derive(Debug, Default)]
pub(crate) struct Fed {
    /// What was computed, as it was laid over the tree.
    pub(crate) laid: OverlayReport,
    /// What was not.
    unfed: Vec<(Wanted, Why)>,
}

impl Fed {
    /// Whether what is at `path` was computed.
    pub(crate) fn has(&self, path: &ImagePath) -> bool {
        [&self.laid.added, &self.laid.replaced].iter().any(|paths| paths.binary_search(path).is_ok())
    }

    /// Every path that was computed.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &ImagePath> {
        self.laid.added.iter().chain(&self.laid.replaced)
    }
}

/// Runs the generators that read one of the files `authored`, which are in `whole`, and lays what they write over it.
///
/// # Errors
/// When a file cannot be read, or the machine runs no program in a root file system.
pub(crate) fn feed(
    whole: &mut Tree<Source>,
    authored: &[&OverlayReport],
    programs: Programs<'_>,
    epoch: Epoch,
    observer: &dyn Observer,
) -> Result<Fed, Error> {
    let wanted = wanted(whole, authored);
    let mut fed = Fed::default();
    let mut run = Vec::new();
    for wanted in wanted {
        let why = match (programs, wanted.generator.how) {
            (Programs::Unknown, _) | (_, How::Node) => continue,
            (_, How::Unsorted) => Why::Unsorted,
            (Programs::Stay(reason), How::Build(_)) => Why::Stays(reason),
            (Programs::Run { .. }, How::Build(words)) => match wanted.generator.program(whole) {
                Some(program) => {
                    run.push((wanted, program, words));
                    continue;
                }
                None => Why::NoProgram,
            },
        };
        fed.unfed.push((wanted, why));
    }
    let Programs::Run { cache, root, fresh } = programs else { return Ok(fed) };
    if run.is_empty() {
        return Ok(fed);
    }
    let remembered = Remembered::of((root, epoch), &run, whole, authored, cache)?;
    let known = if fresh { None } else { remembered.get() };
    let Computed { files, failures } = match known {
        Some(computed) => computed,
        None => {
            let computed = workroom::run(&run, whole, cache, epoch, observer)?;
            remembered.put(&computed);
            computed
        }
    };
    for Failure { index, said } in failures {
        fed.unfed.extend(run.get(index).map(|(wanted, ..)| (wanted.clone(), Why::Failed(said))));
    }
    fed.laid = lay(files, whole, epoch, observer)?;
    Ok(fed)
}

/// The generators that read files of the author's, each with the directory that it reads.
fn wanted(whole: &Tree<Source>, authored: &[&OverlayReport]) -> Vec<Wanted> {
    let mut found: BTreeMap<(usize, ImagePath), Vec<ImagePath>> = BTreeMap::new();
    for path in authored.iter().flat_map(|laid| laid.added.iter().chain(&laid.replaced)) {
        let is_file = whole.lookup(path).is_some_and(|id| !whole.node(id).is_directory());
        for (row, generator) in Generator::all().iter().enumerate().filter(|_| is_file) {
            if let Some(place) = generator.place(path) {
                found.entry((row, place)).or_default().push(path.clone());
            }
        }
    }
    let wanted =
        |((row, place), inputs): ((usize, ImagePath), _)| Wanted { generator: &Generator::all()[row], place, inputs };
    // What is not there leads no one astray.
    let matters = |wanted: &Wanted| match wanted.generator.need {
        Need::Always => true,
        Need::Faster => whole.walk().any(|(path, ..)| wanted.generator.writes(&wanted.place, &path)),
    };
    found.into_iter().map(wanted).filter(matters).collect()
}

/// Lays `files` over `whole`, as the rules of scrubbing leave them.
fn lay(
    files: Tree<Source>,
    whole: &mut Tree<Source>,
    epoch: Epoch,
    observer: &dyn Observer,
) -> Result<OverlayReport, Error> {
    let mut files = files;
    let ownership = Ownership::read(&files)?;
    builder::scrub::apply(&mut files, &ownership, epoch, observer)?;
    Ok(Overlay::of(LAYER.into(), files).apply(whole, epoch)?)
}

/// Whether two files or links are the same to those who read them.
fn is_same(one: &Kind<Source>, other: &Kind<Source>) -> Result<bool, Error> {
    Ok(match (one, other) {
        (Kind::Symlink(one), Kind::Symlink(other)) => one == other,
        (Kind::Regular(one), Kind::Regular(other)) => {
            one.size() == other.size() && one.read(one.size())? == other.read(other.size())?
        }
        _ => false,
    })
}
