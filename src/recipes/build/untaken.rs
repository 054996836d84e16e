//! Files of the overlay that no rule takes, as far as they are known without a root file system.

use std::collections::BTreeSet;

use builder::rootfs::merged;
use composer::filter::{Filter, Verdict};
use image::tree::{Mtime, Stat, Tree};
use model::closure::Ship;
use model::rules::Rules;
use model::{Diagnostic, Epoch, FileName, ImagePath, Manifest, Severity};

use crate::error::{Error, Findings};
use crate::recipes::build::authored;
use crate::recipes::build::request::ModuleSource;
use crate::recipes::results::path_list;

/// The most files that the finding names.
const MAX_NAMED: usize = 50;

/// Adds to `found` the files in the overlay of `module` that its own rules leave where they are. Directories of the system that
/// are links on every merged `/usr` are links here; what else a root file system has decides nothing.
///
/// # Errors
/// When the overlay cannot be read.
pub(crate) fn check(
    module: &ModuleSource,
    manifest: &Manifest,
    file: &FileName,
    found: &mut Findings,
) -> Result<(), Error> {
    if module.settings.closure.ship == Ship::Closure {
        return Ok(());
    }
    let overlay = module.overlay()?;
    if overlay.files().is_none() {
        return Ok(());
    }
    let mut tree = Tree::new(Stat::root_owned(0o755, Mtime::default()));
    for name in merged::ALIASES {
        merged::alias(&mut tree, name).map_err(image::Error::from)?;
    }
    let epoch = Epoch::from_seconds(0).map_err(|error| Error::bug(error.to_string()))?;
    // Whether it fits into the root file system is seen there.
    let Ok(laid) = overlay.apply(&mut tree, epoch) else { return Ok(()) };
    let paths: Vec<ImagePath> = laid.added.iter().chain(&laid.replaced).cloned().collect();
    let owned: BTreeSet<ImagePath> = paths.iter().cloned().collect();
    let filter = Filter::new(&Rules::new(manifest.lists(file), &[]), &tree)?.with_owned(owned);
    let is_left = |path: &&ImagePath| {
        let is_file = tree.lookup(path).is_some_and(|id| !tree.node(id).is_directory());
        is_file && matches!(filter.verdict(path, false), Verdict::NotNamed)
    };
    let left: Vec<ImagePath> = paths.iter().filter(is_left).cloned().collect();
    if !left.is_empty() {
        let message = format!("{} {}", path_list::some(&left, MAX_NAMED), authored::IS_LEFT);
        let finding = Diagnostic::new(Severity::Warning, authored::LEFT, message, authored::NAME_IT);
        found.diagnostics.push(finding.in_file(file.clone()));
    }
    Ok(())
}
