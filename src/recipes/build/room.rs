//! Whether what is to be shipped can be written at all, seen before a byte of it is read.
//!
//! A file counts by its length, not by the blocks that it takes on the disk: a sparse file ships with
//! all its zeros. Two things are looked at: what a module may hold at most, which the readers of modules
//! take as well, and what the file systems that are written to have left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use composer::scan::Source;
use host::room;
use image::tree::{Kind, Tree};
use model::ImagePath;
use model::observe::{Event, Observer, TaskId};
use model::words::size;

use crate::error::Error;
use crate::recipes::build::request::Outputs;

/// The most bytes of one file.
const FILE_LIMIT: u64 = 256 << 30;
/// The most bytes of all files together: no larger archive is unpacked.
const TOTAL_LIMIT: u64 = 1 << 40;
/// From how many bytes on it is reported how far the overlay was read.
const WORTH_TELLING: u64 = 64 << 20;

/// The files of a tree by size.
struct Sizes {
    /// The bytes of all, each inode once.
    total: u128,
    /// The sizes that there are. Files of one size may be one object, those of two sizes are not.
    distinct: BTreeSet<u64>,
    /// The largest.
    largest: Option<(u64, ImagePath)>,
}

impl Sizes {
    fn of(tree: &Tree<Source>) -> Self {
        let mut sizes = Self { total: 0, distinct: BTreeSet::new(), largest: None };
        let mut seen = vec![false; tree.node_count()];
        for (path, id, node) in tree.walk() {
            let Kind::Regular(source) = &node.kind else { continue };
            if std::mem::replace(&mut seen[id.index()], true) {
                continue;
            }
            let size = source.size();
            sizes.total += u128::from(size);
            sizes.distinct.insert(size);
            if sizes.largest.as_ref().is_none_or(|(largest, _)| size > *largest) {
                sizes.largest = Some((size, path));
            }
        }
        sizes
    }

    /// The bytes that are written at least, however many files have the same content.
    fn least(&self) -> u128 {
        self.distinct.iter().map(|size| u128::from(*size)).sum()
    }

    fn name_largest(&self) -> String {
        let largest = self.largest.as_ref();
        largest.map_or_else(String::new, |(bytes, path)| format!("the largest file is {path} with {}", size(*bytes)))
    }
}

/// Checks the files of an overlay, all of which are read whether they ship or not.
///
/// # Errors
/// As [`limits`].
pub(crate) fn overlay(files: &Tree<Source>) -> Result<(), Error> {
    limits(files, "take it out of rootfs/, or make it smaller: a sparse file ships with all its zeros")
}

/// Checks the files of `tree` against what a module may hold; `hint` says what to do.
///
/// # Errors
/// When a file is too large, or all are together.
fn limits(tree: &Tree<Source>, hint: &str) -> Result<(), Error> {
    let sizes = Sizes::of(tree);
    if let Some((bytes, path)) = sizes.largest.as_ref().filter(|(bytes, _)| *bytes > FILE_LIMIT) {
        let limit = size(FILE_LIMIT);
        return Err(
            Error::input(format!("{path} has {}, and a file of a module has at most {limit}", size(*bytes))).hint(hint)
        );
    }
    if sizes.total > u128::from(TOTAL_LIMIT) {
        let (total, limit) = (text(sizes.total), size(TOTAL_LIMIT));
        let mut error = Error::input(format!("the files have {total} together, and a module has at most {limit}"));
        error.causes.push(sizes.name_largest());
        return Err(error.hint(hint));
    }
    Ok(())
}

/// Checks what is shipped against the limits and against the room that there is for it.
///
/// What is counted is certain to be written: files of one size count once, as they may be one object, and what
/// a store may have already does not count. So nothing is refused that would fit. Contents that are remembered wait where they
/// lie, and take no room.
///
/// # Errors
/// When there is too much of it.
pub(crate) fn check(shipped: &Tree<Source>, outputs: &Outputs, is_remembered: bool) -> Result<(), Error> {
    limits(shipped, "leave it out by `mask`, or make it smaller: a sparse file ships with all its zeros")?;
    let sizes = Sizes::of(shipped);
    let least = sizes.least();
    let mut needs: BTreeMap<u64, (u128, &Path, u64)> = BTreeMap::new();
    for (place, times) in writes(outputs, is_remembered) {
        let room = room::at(place)?;
        if let Some(free) = room.bytes {
            needs.entry(room.device).or_insert((0, place, free)).0 += least * times;
        }
    }
    match needs.into_values().find(|(needed, _, free)| *needed > u128::from(*free)) {
        None => Ok(()),
        Some((needed, place, free)) => {
            let mut error = Error::outside(format!(
                "there is no room for the module in {}: it takes {} at least, and {} are free",
                place.display(),
                text(needed),
                size(free)
            ));
            error.causes.push(sizes.name_largest());
            Err(error.hint("make room, write elsewhere by --output, or leave large files out by `mask`"))
        }
    }
}

/// Where the contents are written to, and how often.
fn writes(outputs: &Outputs, is_remembered: bool) -> Vec<(&Path, u128)> {
    let plain = outputs.is_plain_written();
    // Contents wait in a store or, as they are, where they are; else in a spool beside the archive.
    let spooled = outputs.objects().is_none() && !is_remembered;
    let mut writes = vec![(outputs.directory.as_path(), u128::from(plain) + u128::from(spooled))];
    let is_new = |store: &&Path| std::fs::read_dir(store).map_or(true, |mut entries| entries.next().is_none());
    writes.extend(outputs.objects().filter(is_new).map(|store| (store, 1)));
    writes
}

fn text(bytes: u128) -> String {
    size(u64::try_from(bytes).unwrap_or(u64::MAX))
}

/// Reports how far the overlay was read, where that takes long enough to be reported.
pub(crate) struct Reading<'a> {
    observer: &'a dyn Observer,
    is_told: bool,
}

impl<'a> Reading<'a> {
    /// Tells `observer` about the files of `tree`.
    pub(crate) fn new(tree: &Tree<Source>, observer: &'a dyn Observer) -> Self {
        Self { observer, is_told: Sizes::of(tree).total >= u128::from(WORTH_TELLING) }
    }
}

impl Observer for Reading<'_> {
    fn event(&self, event: Event) {
        match event {
            _ if !self.is_told => {}
            Event::Begin { task, parent, total, unit, .. } => {
                self.observer.event(Event::Begin { task, parent, name: "read the overlay".into(), total, unit });
            }
            event => self.observer.event(event),
        }
    }

    fn number(&self) -> TaskId {
        self.observer.number()
    }
}
