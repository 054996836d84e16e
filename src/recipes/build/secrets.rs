//! Shipped files that may be secrets which no scrub rule knows.

use builder::scrub;
use composer::scan::Source;
use image::tree::Kind;
use model::closure::Ship;
use model::{Diagnostic, ImagePath, Severity};

use crate::error::Error;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::select::Selected;
use crate::recipes::results::path_list;

/// The finding's code.
pub(crate) const CODE: &str = "possible-secret";

/// How much of a file is looked at.
const HEAD: u64 = 64 << 10;

/// The largest file that is compared with packaged ones.
const COPY: u64 = 4 << 20;

/// The most files that the finding names: each wants to be looked at.
const MAX_NAMED: usize = 50;

/// Shipped files that a maintainer script made and closed to others, as it does with keys, cookies and
/// passwords; none where no one knows which files packages installed.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn find(inputs: &Inputs, selected: &Selected) -> Result<Option<Diagnostic>, Error> {
    if selected.ownership.packages().is_empty() {
        return Ok(None);
    }
    let may_be_secret = |path: &ImagePath, mode, size| {
        scrub::may_be_secret(path, selected.ownership.is_owned(path), mode, size) && {
            // What is for /var is shipped elsewhere, and whose it is is known by the place where it will be.
            let place = selected.closed.as_ref().map_or(path, |closed| closed.place(path));
            !selected.is_authored(place) && !selected.ownership.is_owned(place)
        }
    };
    let mut found = Vec::new();
    for (path, _, node) in selected.selection.tree.walk() {
        if let Kind::Regular(source) = &node.kind
            && may_be_secret(&path, node.stat.mode, source.size())
            && holds_secret(source)?
        {
            found.push((path, source));
        }
    }
    let paths = without_copies(found, selected)?;
    let Some(first) = paths.first() else { return Ok(None) };
    let (verb, whom) = if paths.len() == 1 { ("was", "it") } else { ("were", "them") };
    let message = format!(
        "{} {verb} made by a maintainer script and closed to others, and every machine would share {whom}",
        path_list::some(&paths, MAX_NAMED)
    );
    let made = match inputs.settings.closure.ship {
        Ship::Owned => String::new(),
        Ship::Closure => {
            format!(
                "say who makes a secret at first start, in [closure.secrets] of builder.toml (\"{first}\" = {{ command = [...] }}), "
            )
        }
    };
    let hint = format!("look into {whom}: {made}leave a secret out by `{first}` in mask, or pass it by --allow {CODE}");
    Ok(Some(Diagnostic::new(Severity::Warning, CODE, message, hint).in_file(inputs.file.clone())))
}

/// Those that are no copies of a packaged file: what everyone can read in an archive is no secret.
fn without_copies(mut found: Vec<(ImagePath, &Source)>, selected: &Selected) -> Result<Vec<ImagePath>, Error> {
    let whole = if found.is_empty() { None } else { Some(&selected.whole) };
    for (path, _, node) in whole.into_iter().flat_map(|whole| whole.walk()) {
        let Kind::Regular(source) = &node.kind else { continue };
        let may_be_copied = |copy: &Source| source.size() == copy.size() && source.size() <= COPY;
        if !found.iter().any(|(_, copy)| may_be_copied(copy)) || !selected.ownership.is_owned(&path) {
            continue;
        }
        let original = source.read(COPY).map_err(composer::Error::from)?;
        let mut others = Vec::new();
        for (path, copy) in found {
            if !may_be_copied(copy) || copy.read(COPY).map_err(composer::Error::from)? != original {
                others.push((path, copy));
            }
        }
        found = others;
    }
    Ok(found.into_iter().map(|(path, _)| path).collect())
}

/// Whether the beginning of a file looks like a secret; what is longer is looked at as far as that.
fn holds_secret(source: &Source) -> Result<bool, Error> {
    let length = source.size().min(HEAD);
    Ok(scrub::may_hold_secret(&source.positioned()?.read_at(0, usize::try_from(length).unwrap_or(0))?))
}
