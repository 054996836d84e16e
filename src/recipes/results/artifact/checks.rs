//! What several forms of results are checked for.

use std::path::Path;

use image::composefs::{self, Entry};
use image::tree::Tree;
use image::{archive, verity};
use model::path::escape;
use model::requirements::{self, Requirements};
use model::{Arch, VerityDigest};

use super::{Module, REBUILD, refused};
use crate::error::Error;
use crate::recipes::results::file_lists;

/// The module's name by its `manifest.json`, which must be the one way to write what it says.
pub(super) fn manifest(bytes: &[u8], path: &Path) -> Result<String, Error> {
    let is_none = |why: &str| Error::refused(format!("manifest.json in {} is {why}", path.display())).hint(REBUILD);
    let manifest = model::Manifest::parse(bytes).manifest.ok_or_else(|| is_none("no valid manifest"))?;
    match manifest.canonical_json() == bytes {
        true => Ok(manifest.name),
        false => Err(is_none("not written as a build writes it")),
    }
}

/// `requirements.json`, which must be written as a build writes it, and be those of `module`.
pub(super) fn requirements(
    bytes: &[u8],
    (module, arch): (&Module, Option<Arch>),
    path: &Path,
) -> Result<Requirements, Error> {
    let wrong = |why: &str| Error::refused(format!("{} is {why}", path.display())).hint(REBUILD);
    let found = Requirements::parse(bytes).map_err(|error| match error {
        requirements::ReadError::Version { .. } => {
            let hint = "use the version of module-builder that made it, or a newer one";
            wrong("of a version that is not known").because(&error).hint(hint)
        }
        requirements::ReadError::Size | requirements::ReadError::Damaged(_) | requirements::ReadError::Form => {
            wrong("no requirements as a build writes them").because(&error)
        }
    })?;
    let is_own = module.name.as_ref() == Some(&found.name) && arch.is_none_or(|arch| arch == found.arch);
    if is_own { Ok(found) } else { Err(wrong("of another module than the files beside it")) }
}

/// The image's tree and digest, which must be `claimed`.
pub(super) fn image(bytes: &[u8], claimed: VerityDigest, path: &Path) -> Result<(Tree<Entry>, VerityDigest), Error> {
    let composefs = verity::digest(bytes);
    if claimed != composefs {
        return Err(Error::refused(format!(
            "module.cfs has the fs-verity digest {composefs}, and the files beside it say {claimed}"
        ))
        .hint(REBUILD));
    }
    Ok((composefs::read_canonical(bytes).map_err(|error| refused(error, path))?, composefs))
}

/// `composefs.digest`, which has one form.
pub(super) fn digest_file(bytes: &[u8], path: &Path) -> Result<VerityDigest, Error> {
    let text = String::from_utf8_lossy(bytes);
    let digest: VerityDigest = text
        .trim()
        .parse()
        .map_err(|error| Error::refused(format!("{} holds no digest", path.display())).because(&error).hint(REBUILD))?;
    match archive::digest_file(&digest).as_bytes() == bytes {
        true => Ok(digest),
        false => Err(Error::refused(format!("{} is not written as a build writes it", path.display())).hint(REBUILD)),
    }
}

/// `file-list.txt` must list what the image holds.
pub(super) fn file_list(bytes: &[u8], tree: &Tree<Entry>, path: &Path) -> Result<(), Error> {
    let expected = file_lists::files(&file_lists::listed(tree));
    if expected == bytes {
        return Ok(());
    }
    let mut error = Error::refused(format!("{} does not list what the image holds", path.display())).hint(REBUILD);
    let lines = |text| <[u8]>::split(text, |byte| *byte == b'\n');
    let differs = lines(&expected).zip(lines(bytes)).find(|(wanted, found)| wanted != found);
    let shown = |line: &[u8]| if line.is_empty() { "nothing".to_owned() } else { escape(line) };
    let cause = |(wanted, found)| format!("{} stands where {} should", shown(found), shown(wanted));
    error.causes.extend(differs.map(cause));
    Err(error)
}

/// `file-list.json` must say of each path what the image says.
pub(super) fn file_entries(bytes: &[u8], tree: &Tree<Entry>, path: &Path) -> Result<(), Error> {
    file_lists::check_entries(&file_lists::listed(tree), bytes).map_err(|line| {
        Error::refused(format!("{}:{line} is not what a build writes of the image's files", path.display()))
            .hint(REBUILD)
    })
}

/// `package-list.txt` has a line `name<TAB>version<TAB>arch` for each package, each once, in order.
pub(super) fn package_list(bytes: &[u8], path: &Path) -> Result<(), Error> {
    let is_word = |field: &str| !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_graphic());
    let is_line = |line: &str| line.split('\t').count() == 3 && line.split('\t').all(is_word);
    let text = std::str::from_utf8(bytes).unwrap_or("?");
    let is_whole = text.is_empty() || text.ends_with('\n');
    // Line by line: a file of line breaks has more lines than there is memory for.
    let lines = || text.split_terminator('\n');
    if is_whole && lines().all(is_line) && lines().is_sorted_by(|a, b| a < b) {
        return Ok(());
    }
    Err(Error::refused(format!("{} is no list of packages as a build writes it", path.display())).hint(REBUILD))
}
