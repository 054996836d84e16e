//! What neighbours protect and this module would ship otherwise, by the paths that the root file system really has.

use std::collections::{BTreeMap, BTreeSet};

use composer::filter::{Filter, Verdict};
use composer::scan::Source;
use image::tree::Tree;
use model::rules::Rules;
use model::{Diagnostic, ImagePath, Severity};

use crate::error::Error;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::results::path_list;

/// The finding's code.
const CODE: &str = "protected-by-neighbour";
/// The most paths whose rule is looked for: it is a note.
const MAX_ASKED: usize = 1000;
/// The most paths that one finding names.
const MAX_NAMED: usize = 5;

/// Paths by the index of the exclude that keeps them out.
pub(crate) type Protected = BTreeMap<usize, Vec<ImagePath>>;

/// What `filter` keeps out of `whole` only since a neighbour protects it. `shipped` is what it selected, and `with` gives a filter
/// the same paths that are shipped without being named.
///
/// # Errors
/// When the patterns take too much work.
pub(crate) fn find(
    inputs: &Inputs,
    whole: &Tree<Source>,
    (filter, shipped): (&Filter, &Tree<Source>),
    with: impl FnOnce(Filter) -> Filter,
) -> Result<Protected, Error> {
    let own = &inputs.manifest.name;
    let mut rules = Rules { excludes: inputs.rules.excludes.clone(), includes: inputs.rules.includes.clone() };
    rules.excludes.retain(|rule| rule.origin.module == *own);
    if rules.excludes.len() == inputs.rules.excludes.len() {
        return Ok(Protected::new());
    }
    let alone = with(Filter::new(&rules, whole)?).apply(whole)?.tree;
    let kept: BTreeSet<ImagePath> = alone
        .walk()
        .filter(|(path, _, node)| !node.is_directory() && shipped.lookup(path).is_none())
        .map(|(path, ..)| path)
        .take(MAX_ASKED)
        .collect();
    let mut protected = Protected::new();
    for path in kept {
        if let Verdict::Excluded { rule, .. } = filter.verdict(&path, false) {
            protected.entry(rule).or_default().push(path);
        }
    }
    Ok(protected)
}

/// A note for each rule of a neighbour that keeps something out.
pub(crate) fn notes(inputs: &Inputs, protected: &Protected) -> Vec<Diagnostic> {
    let note = |(rule, paths): (&usize, &Vec<ImagePath>)| {
        let rule = inputs.rules.excludes.get(*rule)?;
        let neighbour = &rule.origin.module;
        let is = if paths.len() == 1 { "is" } else { "are" };
        let message =
            format!("{} {is} not shipped: {neighbour} protects what it ships", path_list::some(paths, MAX_NAMED));
        let hint = format!("nothing has to be done where {neighbour} ships the same; else narrow its pattern");
        let found = Diagnostic::new(Severity::Note, CODE, message, hint).in_file(rule.origin.file.clone());
        let found = found.at(rule.origin.position).in_field(rule.origin.field.key());
        Some(found.quoting(rule.pattern.to_string()))
    };
    protected.iter().filter_map(note).collect()
}
