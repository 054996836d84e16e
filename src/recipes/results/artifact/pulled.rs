//! The files of an artifact in one directory, under their titles, as `oras pull` writes them.

use host::{Dir, Links};
use image::archive::IMAGE_LIMIT;
use model::requirements;

use super::{Artifact, Form, MANIFEST_LIMIT, Module, REBUILD, blob, check_archive, checks, misplaced};
use crate::error::Error;

/// The names of the archive, of which a build's artifact has one.
const ARCHIVES: [&str; 2] = ["module.tar.zst", "module.tar"];
/// What only a dist directory has.
const OF_DIST: [&str; 3] = ["build.json", "composefs.digest", "file-list.txt"];

/// The name of the archive, where the directory is such a one.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn archive_of(directory: &Dir) -> Result<Option<&'static str>, Error> {
    let has = |name: &&str| directory.kind(name).map(|kind| kind.is_some());
    for name in OF_DIST.iter().chain(["oci"].iter()) {
        if has(name)? {
            return Ok(None);
        }
    }
    if !has(&"manifest.json")? || !has(&"module.cfs")? {
        return Ok(None);
    }
    for name in ARCHIVES {
        if has(&name)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Opens it. The archive holds all that is beside it, and the image's digest.
pub(super) fn open(directory: &Dir, archive_name: &str) -> Result<Artifact, Error> {
    let read = |name: &str, limit| directory.read(name, Links::Refuse, limit).map_err(misplaced);
    let (manifest, image) = (read("manifest.json", MANIFEST_LIMIT)?, read("module.cfs", IMAGE_LIMIT)?);
    let blobs = [("manifest.json", blob(&manifest)), ("module.cfs", blob(&image))];
    let name = checks::manifest(&manifest, directory.path())?;
    let file = directory.file(archive_name, Links::Refuse).map_err(misplaced)?;
    let (archive, archived) = check_archive(file, &directory.join(archive_name))?;
    let wrong = |what: &str| Error::refused(format!("{} {what}", directory.join(archive_name).display())).hint(REBUILD);
    if archived.is_compressed != archive_name.ends_with(".zst") {
        return Err(wrong("is not compressed as its name says"));
    }
    if archive.manifest != manifest {
        return Err(wrong("holds another manifest.json than the one beside it"));
    }
    let (tree, composefs) = checks::image(&image, archive.image_digest, &directory.join("module.cfs"))?;
    let mut module = Module::of(Some((name, manifest)), composefs, tree);
    module.blobs.extend(blobs.map(|(name, blob)| (name.to_owned(), blob)));
    module.blobs.insert(archive_name.to_owned(), archived.blob.clone());
    module.archives.push(archived);
    let name = requirements::FILE;
    if let Some(bytes) = directory.read_if_there(name, Links::Refuse, requirements::LIMIT).map_err(misplaced)? {
        module.requirements = Some(checks::requirements(&bytes, (&module, None), &directory.join(name))?);
        module.blobs.insert(name.to_owned(), blob(&bytes));
    }
    Ok(super::one(Form::Pulled, module))
}
