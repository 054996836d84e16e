//! Files of the base that programs computed anew, since packages of the module brought what they read.

use std::collections::BTreeMap;

use model::ImagePath;

use super::{Changed, Closure, Difference};
use crate::generators::{Generator, How};

/// A file of the base that a program computed anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recomputed {
    /// The file.
    pub path: ImagePath,
    /// The program, as messages call it.
    pub program: &'static str,
    /// The first of the files that it read and that the base does not have.
    pub from: ImagePath,
    /// How many these are.
    pub count: usize,
}

impl Closure {
    /// The files of the base that have another content, because a program of the table of generators reads files that the base does
    /// not have and writes those. What has another owner or mode, too, is not among them, nor what the node computes.
    #[must_use]
    pub fn recomputed(&self) -> Vec<Recomputed> {
        let is_content = |changed: &&Changed| changed.difference == Some(Difference::Content);
        let changed: Vec<&Changed> = self.changed.iter().filter(is_content).collect();
        if changed.is_empty() {
            return Vec::new();
        }
        let read = self.read();
        let recomputed = |changed: &&Changed| {
            let path = &changed.path;
            let is_output = |(row, place): &(usize, ImagePath)| Generator::all()[*row].writes(place, path);
            let ((row, _), (from, count)) = read.iter().find(|(key, _)| is_output(key))?;
            let (path, from) = (path.clone(), (*from).clone());
            Some(Recomputed { path, program: Generator::all()[*row].name, from, count: *count })
        };
        changed.iter().filter_map(recomputed).collect()
    }

    /// The directories that generators of a build read, with the first of the files there that the base does not have and how many
    /// these are.
    fn read(&self) -> BTreeMap<(usize, ImagePath), (&ImagePath, usize)> {
        let mut found: BTreeMap<(usize, ImagePath), (&ImagePath, usize)> = BTreeMap::new();
        let generators = || Generator::all().iter().enumerate().filter(|(_, generator)| generator.how != How::Node);
        for path in self.parts.keys() {
            for (row, generator) in generators() {
                if let Some(place) = generator.place(path) {
                    found.entry((row, place)).or_insert((path, 0)).1 += 1;
                }
            }
        }
        found
    }
}
