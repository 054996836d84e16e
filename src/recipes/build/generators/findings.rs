//! What ships without the file that a program would have computed from it.

use std::collections::BTreeMap;

use builder::generators::{Generator, How, Need};
use composer::filter::Verdict;
use composer::scan::Source;
use image::tree::{Kind, Tree};
use model::{Diagnostic, ImagePath, Severity};

use super::{Wanted, Why};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::known::Known;
use crate::recipes::build::select::Selected;
use crate::recipes::results::path_list;

/// A program that computes a file from others, and did not see what ships.
pub(crate) const CODE: &str = "generator-not-run";

/// The most files that one finding names.
const MAX_NAMED: usize = 3;

/// What of the author's files, and of what ships of packages, no generator has seen.
pub(crate) fn find(inputs: &Inputs, selected: &Selected, known: Known) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> =
        selected.fed.unfed.iter().map(|(wanted, why)| unfed(inputs, wanted, why)).collect();
    if known == Known::Contents {
        found.extend(unshipped(selected).into_iter().map(|(wanted, output)| left(inputs, &wanted, &output)));
    }
    found
}

fn unfed(inputs: &Inputs, wanted: &Wanted, why: &Why) -> Diagnostic {
    let Wanted { generator, place, inputs: files } = wanted;
    let name = generator.name;
    let (verb, them) = if files.len() == 1 { ("is", "it") } else { ("are", "them") };
    let output = generator.output(place).unwrap_or_default();
    let state = format!("{} of the module {verb} read by {name} alone", path_list::some(files, MAX_NAMED));
    let (message, hint) = match why {
        Why::Stays(reason) => (
            format!("{state}, which did not run over {them}: {reason}"),
            format!(
                "bring what it writes (`{output}`) in the overlay, too, or install the packages: leave `variant` and --rootfs out"
            ),
        ),
        Why::NoProgram => (
            format!("{state}, and the root file system has no such program"),
            format!("add the package that brings {name} to package_spec, or leave {them} out"),
        ),
        Why::Unsorted => (
            format!("{state}, which did not run over {them}: what it writes depends on the disk"),
            format!("run it where the module is used, or bring what it writes (`{output}`) in the overlay, too"),
        ),
        Why::Failed(said) => (
            format!("{state}, which failed: {said}"),
            "correct what it names: it runs in the root file system with the overlay".to_owned(),
        ),
    };
    Diagnostic::new(Severity::Warning, CODE, message, hint).in_file(inputs.file.clone())
}

fn left(inputs: &Inputs, wanted: &Wanted, output: &ImagePath) -> Diagnostic {
    let Wanted { generator, place, inputs: files } = wanted;
    let name = generator.name;
    let pattern = generator.output(place).unwrap_or_else(|| output.to_string());
    let (verb, no) = if files.len() == 1 { ("has", "it has") } else { ("have", "they have") };
    let message = format!(
        "{} {verb} no effect without {output}, which {name} computes and which is not shipped",
        path_list::some(files, MAX_NAMED)
    );
    let hint = format!("add `{pattern}` to file_spec, or run {name} where the module is used: {no} no effect before");
    Diagnostic::new(Severity::Warning, CODE, message, hint).in_file(inputs.file.clone())
}

/// What ships of packages and is read by a generator of whose outputs none is shipped, with the first of these. What the base
/// has is there, and what an exclude keeps out is meant to be missing.
fn unshipped(selected: &Selected) -> Vec<(Wanted, ImagePath)> {
    let mut groups: BTreeMap<(usize, ImagePath), Vec<ImagePath>> = BTreeMap::new();
    let is_new = |path: &ImagePath| !selected.ownership.is_base(path) && !selected.is_authored(path);
    for (path, _, node) in selected.selection.tree.walk().filter(|(_, _, node)| !node.is_directory()) {
        for (row, generator) in Generator::all().iter().enumerate() {
            let counts = generator.need == Need::Always && generator.how != How::Node && !node.is_directory();
            if let Some(place) = generator.place(&path).filter(|_| counts && is_new(&path)) {
                groups.entry((row, place)).or_default().push(path.clone());
            }
        }
    }
    let output = |wanted: &Wanted| {
        let writes = |path: &ImagePath| wanted.generator.writes(&wanted.place, path);
        let outputs = selected.whole.walk().filter(|(path, _, node)| !node.is_directory() && writes(path));
        let outputs: Vec<ImagePath> = outputs.map(|(path, ..)| path).collect();
        let is_there = |path: &ImagePath| {
            selected.selection.tree.lookup(path).is_some()
                || selected.ownership.is_base(path)
                || matches!(selected.filter.verdict(path, false), Verdict::Excluded { .. })
        };
        if outputs.iter().any(is_there) { None } else { main(outputs, &selected.whole) }
    };
    let wanted =
        |((row, place), inputs): ((usize, ImagePath), _)| Wanted { generator: &Generator::all()[row], place, inputs };
    let wanted = groups.into_iter().map(wanted);
    wanted.filter_map(|wanted| output(&wanted).map(|output| (wanted, output))).collect()
}

/// The output that stands for all: a file rather than one of many links.
fn main(outputs: Vec<ImagePath>, whole: &Tree<Source>) -> Option<ImagePath> {
    let is_link =
        |path: &ImagePath| whole.lookup(path).is_none_or(|id| matches!(whole.node(id).kind, Kind::Symlink(_)));
    outputs.into_iter().min_by_key(|path| (is_link(path), path.components().count(), path.clone()))
}
