//! What changed inside text files, from the objects that the builds hold.

use std::path::Path;

use image::archive::{Opened, TarBytes};
use image::composefs::{Entry, Stored};
use image::diff::{Aspect, Change, Difference};
use image::tree::{Kind, Tree};
use model::ImagePath;
use similar::TextDiff;

use crate::error::Error;
use crate::recipes::results::artifact::Module;

/// The largest file that is shown, in bytes.
const LIMIT: u64 = 64 << 10;
/// The most lines of a file that is shown.
const LINES: usize = 4000;

/// For each of `differences` the unified difference, where both sides hold a small text.
///
/// # Errors
/// When an archive cannot be read or is damaged.
pub(super) fn texts(
    a: &Module,
    b: &Module,
    differences: &[Difference],
    scratch: &Path,
) -> Result<Vec<Option<String>>, Error> {
    let (old, new) = (Contents::open(a, scratch)?, Contents::open(b, scratch)?);
    let mut texts = Vec::with_capacity(differences.len());
    for Difference { path, change } in differences {
        let is_content = matches!(change, Change::Changed { aspects, .. } if aspects.contains(&Aspect::Content));
        let both = match is_content {
            true => old.text(&a.tree, path)?.zip(new.text(&b.tree, path)?),
            false => None,
        };
        texts.push(both.map(|(old, new)| unified(path, &old, &new)));
    }
    Ok(texts)
}

fn unified(path: &ImagePath, old: &str, new: &str) -> String {
    let (from, to) = (format!("a{path}"), format!("b{path}"));
    TextDiff::from_lines(old, new).unified_diff().context_radius(3).header(&from, &to).to_string()
}

/// The contents of a module, as far as they are at hand.
struct Contents(Option<Opened>);

impl Contents {
    fn open(module: &Module, scratch: &Path) -> Result<Self, Error> {
        module.contents(scratch).map(Self)
    }

    /// The file at `path` if it is a small text whose content is at hand.
    fn text(&self, tree: &Tree<Entry>, path: &ImagePath) -> Result<Option<String>, Error> {
        let Some(Kind::Regular(entry)) = tree.lookup(path).map(|id| &tree.node(id).kind) else { return Ok(None) };
        if entry.size() > LIMIT {
            return Ok(None);
        }
        let bytes = match (entry, &self.0) {
            (Entry::Empty, _) => Vec::new(),
            (Entry::Inline(bytes), _) => bytes.to_vec(),
            (Entry::Object { digest, .. }, Some(opened)) => {
                let Some(member) = opened.archive.objects.get(digest) else { return Ok(None) };
                // The archive's reader has checked that the object is as large as the image says.
                let mut bytes = vec![0; usize::try_from(member.size).unwrap_or(0)];
                opened.read_exact_at(member.offset, &mut bytes)?;
                bytes
            }
            (Entry::Object { .. }, None) => return Ok(None),
        };
        let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
        Ok(text.filter(|text| text.lines().nth(LINES).is_none()))
    }
}
