//! What a build ships that a neighbour on the same node has from another day of the archive.

use image::tree::Kind;
use model::{Arch, Diagnostic};

use crate::error::{Error, Findings};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::select::Selected;
use crate::recipes::results::differ;
use crate::settings::ModuleSettings;

/// Where a build leaves its results in a module.
const DIST: &str = "dist";

/// Fails where the build would ship files of a package that the last build of a neighbour has in another version, at the same
/// paths: on a node the upper one's count for both. Contents are compared by `validate` and `test`, when there are some.
///
/// # Errors
/// When there is such a neighbour.
pub(crate) fn check(
    inputs: &Inputs,
    selected: &Selected,
    neighbours: &[&ModuleSettings],
    arch: Arch,
) -> Result<(), Error> {
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    for neighbour in neighbours {
        let (dist, name) = (neighbour.directory.join(DIST), neighbour.directory.display().to_string());
        let several = dist.join(arch.debian());
        let dist = if several.is_dir() { several } else { dist };
        let files = selected.selection.tree.walk().filter(|(_, _, node)| !matches!(node.kind, Kind::Directory(_)));
        let owned = files.filter(|(path, ..)| !selected.is_authored(path)).filter_map(|(path, ..)| {
            let place = selected.closed.as_ref().map_or(&path, |closed| closed.place(&path));
            let package = selected.ownership.owner(place)?;
            let (name, version) = (package.name.as_str(), package.version.to_string());
            Some((path, name, version))
        });
        let found = differ::of_versions(&inputs.manifest.name, owned, (&name, &dist));
        diagnostics.extend(found.map(|found| found.in_file(inputs.file.clone())));
    }
    if diagnostics.is_empty() {
        return Ok(());
    }
    Err(Error::refused("the module and its neighbours are of different days of the archive")
        .findings(Findings { diagnostics, ..Findings::default() }))
}
