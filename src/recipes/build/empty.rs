//! Packages of `package_spec` that have no files of their own, and what they stand for.

use model::closure::Ship;
use model::{Diagnostic, Severity};

use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::select::Selected;

/// The finding's code.
const CODE: &str = "package-without-files";
/// The most packages that one finding names.
const MAX_NAMED: usize = 5;

/// A note for each package that ships nothing by itself, at its place in the manifest.
pub(crate) fn find(inputs: &Inputs, selected: &Selected) -> Vec<Diagnostic> {
    let entries = inputs.manifest.package_spec.iter();
    let note = |entry: &model::document::Entry<model::package::PackageRequest>| {
        let names: Vec<&str> =
            selected.ownership.stands_for(&entry.value)?.into_iter().map(|package| package.name.as_str()).collect();
        let name = &entry.value.name;
        let (message, hint) = words(inputs, name, &names);
        let found = Diagnostic::new(Severity::Note, CODE, message, hint).in_file(inputs.file.clone());
        Some(found.at(entry.position).in_field("package_spec").quoting(entry.value.to_string()))
    };
    entries.filter_map(note).collect()
}

fn words(inputs: &Inputs, name: &str, names: &[&str]) -> (String, String) {
    if names.is_empty() {
        let hint = "take it out of package_spec, unless a maintainer script of it is meant";
        return (format!("{name} has no files of its own and stands for no other package"), hint.to_owned());
    }
    let shown = match names.len().saturating_sub(MAX_NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..MAX_NAMED].join(", ")),
    };
    let requests = inputs.manifest.requests();
    let new: Vec<String> = names
        .iter()
        .filter(|name| requests.iter().all(|request| request.name != **name))
        .take(MAX_NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    let hint = match (inputs.settings.closure.ship, new.is_empty()) {
        (Ship::Closure, _) => "nothing has to be done: what it depends on ships".to_owned(),
        (Ship::Owned, true) => format!("nothing has to be done: `{name}` may as well be taken out of package_spec"),
        (Ship::Owned, false) if inputs.manifest.file_spec.is_empty() => {
            format!("name in package_spec what is to ship: {}", new.join(", "))
        }
        (Ship::Owned, false) => "nothing has to be done where file_spec names the files that are to ship".to_owned(),
    };
    (format!("{name} has no files of its own and stands for {shown}"), hint)
}
