//! Shipped files that may be secrets which no scrub rule knows.

use builder::ownership::Originals;
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

/// Where files of `/var` are shipped, which a node makes from it.
const FACTORY: &str = "/usr/share/factory";

/// Shipped files that a maintainer script made and that may be secrets, as two findings: those that it closed to others, as it does
/// with keys, cookies and passwords, and those whose content looks so; none where no one knows which files packages installed.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn find(inputs: &Inputs, selected: &Selected) -> Result<Vec<Diagnostic>, Error> {
    if selected.ownership.packages().is_empty() {
        return Ok(Vec::new());
    }
    let mut originals = Originals::new(&selected.whole, &selected.ownership);
    let (mut closed, mut open) = (Vec::new(), Vec::new());
    for (path, _, node) in selected.selection.tree.walk() {
        let Kind::Regular(source) = &node.kind else { continue };
        match look(&path, (source, node.stat.mode), selected, &mut originals)? {
            Some(Suspicion::Closed) => closed.push((path, source)),
            Some(Suspicion::Content) => open.push((path, source)),
            None => {}
        }
    }
    let closed =
        finding(inputs, &without_copies(closed, selected)?, "made by a maintainer script and closed to others, and");
    let open =
        finding(inputs, &without_copies(open, selected)?, "made by a maintainer script and may be drawn at random:");
    Ok(closed.into_iter().chain(open).collect())
}

/// Why a file may be a secret.
enum Suspicion {
    /// Others may not read it, and its content does not say that it is none.
    Closed,
    /// Its content looks so.
    Content,
}

/// What there is against the file at `path` of the module, of which a package may have brought another content.
fn look(
    path: &ImagePath,
    (source, mode): (&Source, u16),
    selected: &Selected,
    originals: &mut Originals<'_, Source>,
) -> Result<Option<Suspicion>, Error> {
    let place = origin(path);
    let is_closed = scrub::may_be_secret(&place, false, mode, source.size());
    let owned = [path, &place].iter().any(|path| selected.ownership.is_owned(path));
    let is_candidate = match owned {
        true => is_closed && scrub::may_be_written_over(&place) && source.size() <= HEAD,
        false => is_closed || (1..=HEAD).contains(&source.size()),
    };
    if !is_candidate || selected.is_authored(path) || selected.is_authored(&place) {
        return Ok(None);
    }
    let head = head(source)?;
    if owned && originals.has(&place, &head).map_err(scrub::Error::from)? {
        return Ok(None);
    }
    if is_closed {
        return Ok(scrub::may_hold_secret(&head).then_some(Suspicion::Closed));
    }
    let may_be =
        scrub::resembles_secret(&place, &head) && !scrub::is_digest_of_neighbour(&selected.whole, &place, &head)?;
    Ok(may_be.then_some(Suspicion::Content))
}

/// Where a file of the factory was.
fn origin(path: &ImagePath) -> ImagePath {
    let below = path.as_bytes().strip_prefix(FACTORY.as_bytes());
    below.and_then(|path| ImagePath::new(path).ok()).unwrap_or_else(|| path.clone())
}

fn finding(inputs: &Inputs, paths: &[ImagePath], how: &str) -> Option<Diagnostic> {
    let first = paths.first()?;
    let (verb, whom) = if paths.len() == 1 { ("was", "it") } else { ("were", "them") };
    let message = format!("{} {verb} {how} every machine would share {whom}", path_list::some(paths, MAX_NAMED));
    let made = match inputs.settings.closure.ship {
        Ship::Owned => String::new(),
        Ship::Closure => {
            format!(
                "say who makes a secret at first start, in [closure.secrets] of builder.toml (\"{}\" = {{ command = [...] }}), ",
                origin(first)
            )
        }
    };
    let hint = format!("look into {whom}: {made}leave a secret out by `{first}` in mask, or pass it by --allow {CODE}");
    Some(Diagnostic::new(Severity::Warning, CODE, message, hint).in_file(inputs.file.clone()))
}

/// Those that are no copies of a packaged file: what everyone can read in an archive is no secret.
fn without_copies(mut found: Vec<(ImagePath, &Source)>, selected: &Selected) -> Result<Vec<ImagePath>, Error> {
    let whole = if found.is_empty() { None } else { Some(&selected.whole) };
    let mut originals = Originals::new(&selected.whole, &selected.ownership);
    for (path, _, node) in whole.into_iter().flat_map(|whole| whole.walk()) {
        let Kind::Regular(source) = &node.kind else { continue };
        let may_be_copied = |copy: &Source| source.size() == copy.size() && source.size() <= COPY;
        if !found.iter().any(|(_, copy)| may_be_copied(copy)) || !selected.ownership.is_owned(&path) {
            continue;
        }
        let original = source.read(COPY).map_err(composer::Error::from)?;
        // What a script wrote over is no longer what everyone can read.
        if !originals.has(&path, &original).map_err(scrub::Error::from)? {
            continue;
        }
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

/// The beginning of a file; what is longer is looked at as far as that.
fn head(source: &Source) -> Result<Vec<u8>, Error> {
    let length = source.size().min(HEAD);
    Ok(source.positioned()?.read_at(0, usize::try_from(length).unwrap_or(0))?)
}
