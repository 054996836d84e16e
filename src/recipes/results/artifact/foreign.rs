//! An image alone, which others may have made, and a dump.

use std::collections::BTreeMap;
use std::path::Path;

use image::composefs::{Entry, Foreign, Form};
use image::tree::Tree;
use image::{archive, verity};
use model::VerityDigest;

use super::{Artifact, Module, blob, misplaced, one, refused};
use crate::error::Error;

/// The largest dump that is read, in bytes: a line of 200 bytes for each of a million files.
const DUMP_LIMIT: u64 = 256 << 20;

/// What only an image or a dump has that no build made.
#[derive(Debug)]
pub(crate) struct Others {
    /// How C tools write the tree.
    pub(crate) form: Form,
    /// Of a dump the digest of its image in format version 0, where C tools write that.
    pub(crate) version_zero: Option<VerityDigest>,
}

/// Opens the image at `path`: one that a build writes, or one that C `mkcomposefs` writes.
pub(super) fn image(path: &Path) -> Result<Artifact, Error> {
    let bytes = host::open::read(path, archive::IMAGE_LIMIT).map_err(misplaced)?;
    let foreign = Foreign::read(&bytes).map_err(|error| refused(error, path))?;
    let is_built = foreign.is_built();
    let (tree, form) = foreign.into_parts();
    let blobs = BTreeMap::from([("module.cfs".to_owned(), blob(&bytes))]);
    let others = (!is_built).then_some(Others { form, version_zero: None });
    let module = Module::of(None, verity::digest(&bytes), tree);
    Ok(one(super::Form::Image, Module { blobs, others, ..module }))
}

/// Opens the dump at `path`. Its digest is that of its image in the format version that a build writes.
pub(super) fn dump(path: &Path) -> Result<Artifact, Error> {
    let text = host::open::read(path, DUMP_LIMIT)?;
    let wrong = |error: image::Error| match &error {
        image::Error::Image(problem) if !is_about_memory(problem) => {
            Error::input(format!("{} is no dump of which an image can be made", path.display()))
                .because(&error)
                .hint("`composefs-info dump IMAGE`, or `module-builder inspect --dump PATH`, writes one")
        }
        _ => error.into(),
    };
    let foreign = Foreign::of_dump(&text).map_err(wrong)?;
    drop(text);
    let digest = |version| foreign.write(version).map(|image| verity::digest(&image)).map_err(wrong);
    let composefs = digest(1)?;
    let version_zero = if foreign.version() == 0 { Some(digest(0)?) } else { None };
    let (tree, form) = foreign.into_parts();
    let module = Module::of(None, composefs, tree);
    Ok(one(super::Form::Dump, Module { others: Some(Others { form, version_zero }), ..module }))
}

fn is_about_memory(error: &image::composefs::ImageError) -> bool {
    use image::composefs::ImageError as E;
    matches!(error, E::NoMemory { .. } | E::Memory { .. })
}

/// The dump of what is at `path`, as C `composefs-info dump` prints it.
///
/// # Errors
/// When it cannot be read, or holds several modules.
pub(crate) fn print(path: &Path) -> Result<Vec<u8>, Error> {
    let opened = super::open(path)?;
    let [module] = opened.modules.as_slice() else {
        let count = opened.modules.len();
        return Err(Error::input(format!("{} holds {count} modules, and a dump is of one image", path.display()))
            .hint("name the module.cfs of one of them"));
    };
    dump_of(&module.tree, module.others.as_ref()).map_err(Error::from)
}

fn dump_of(tree: &Tree<Entry>, others: Option<&Others>) -> Result<Vec<u8>, image::Error> {
    match others {
        Some(others) => image::composefs::dump_as(tree, &others.form),
        None => image::composefs::dump(tree),
    }
}
