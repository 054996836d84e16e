//! Where the author's files say that a file is shipped: the place of a finding that a shipped file causes.

use composer::filter::{By, Verdict};
use model::rules::Field;
use model::{Diagnostic, ImagePath};

use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::origin;
use crate::recipes::build::select::Selected;
use crate::recipes::results::file_lists::From;

/// `found` at the place of the entry that ships the first of `paths` of which that is known: the pattern of `file_spec` that
/// takes it, the entry of `package_spec` that brings its package, the table of `[[file]]`, or the overlay.
pub(crate) fn placed(found: Diagnostic, paths: &[ImagePath], inputs: &Inputs, selected: &Selected) -> Diagnostic {
    let place = paths.iter().find_map(|path| place(&found, path, inputs, selected));
    place.unwrap_or(found)
}

fn place(found: &Diagnostic, path: &ImagePath, inputs: &Inputs, selected: &Selected) -> Option<Diagnostic> {
    let closed = selected.closed.as_ref();
    let place = closed.map_or(path, |closed| closed.place(path));
    if let Some(found) = by_pattern(found, place, inputs, selected) {
        return Some(found);
    }
    let laid = (&selected.laid, &selected.fed);
    let (from, package, _) = origin::of_shipped(closed, &selected.ownership, laid, &selected.files, path);
    match from {
        // The finding names the file; those of one kind are grouped by their place.
        From::Overlay => Some(found.clone().in_file(inputs.file.beside("rootfs"))),
        From::File => {
            let is_its =
                |laid: &composer::overlay::OverlayReport| laid.added.contains(place) || laid.replaced.contains(place);
            let table = selected.files.iter().rev().find(|file| is_its(&file.laid))?.place("destination")?;
            let Diagnostic { severity, code, .. } = *found;
            let (message, hint, add) = (found.message.clone(), found.hint.clone(), found.add.clone());
            Some(Diagnostic { severity, code, message, hint, add, ..table })
        }
        From::Package | From::MaintainerScript => {
            let requests = inputs.manifest.requests();
            let request = selected.ownership.requester(&package?.name, &requests)?;
            let position = inputs.manifest.position_of(request);
            let found = found.clone().in_file(inputs.file.clone()).at(position).in_field("package_spec");
            Some(found.quoting(request.to_string()))
        }
        From::Generated => None,
    }
}

/// The same at the pattern of the module's own that takes `path`.
fn by_pattern(found: &Diagnostic, path: &ImagePath, inputs: &Inputs, selected: &Selected) -> Option<Diagnostic> {
    let Verdict::Included(By::Rule(rule)) = selected.filter.verdict(path, false) else { return None };
    let rule = inputs.rules.includes.get(rule)?;
    let origin = &rule.origin;
    if origin.field == Field::Default || origin.module != inputs.manifest.name {
        return None;
    }
    let found = found.clone().in_file(origin.file.clone()).at(origin.position).in_field(origin.field.key());
    Some(found.quoting(rule.pattern.to_string()))
}
