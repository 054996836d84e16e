//! One file of a build's results.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::Path;

use composer::filter;
use host::Dir;
use image::composefs::Entry;
use image::object::{Extent, Objects};
use image::tree::Kind;
use model::{ImagePath, VerityDigest};
use node::unpack;

use crate::error::Error;
use crate::recipes::results::artifact::{self, Artifact};
use crate::recipes::results::damage::REBUILD;

/// The content of the file at `path` in the results at `source`, from its beginning, checked against the digest that the
/// image has of it. Links are followed within the module, as on a node that has nothing else.
///
/// # Errors
/// When there is no such file, the results hold no contents, or it is not what the image says.
pub(crate) fn content(source: &Path, path: &ImagePath, scratch: &Path) -> Result<File, Error> {
    let Artifact { mut modules, .. } = artifact::open(source)?;
    let (Some(module), true) = (modules.pop(), modules.is_empty()) else {
        return Err(Error::input(format!("{} holds modules of several architectures", source.display()))
            .hint("name the dist directory or the module.tar of one"));
    };
    let entry = match module.tree.resolve(path).map(|id| &module.tree.node(id).kind) {
        Some(Kind::Regular(entry)) => entry,
        Some(Kind::Directory(_)) => {
            let hint = "name a file in it; `module-builder inspect --dump` shows every name";
            return Err(Error::input(format!("{path} is a directory")).hint(hint));
        }
        Some(_) => return Err(Error::input(format!("{path} is neither a file nor a link to one"))),
        None => return Err(missing(&module.tree, path)),
    };
    let opened = module.contents(scratch)?;
    if opened.is_none() && matches!(entry, Entry::Object { .. } | Entry::Backing(_)) {
        let message = format!("{} holds no contents of files", source.display());
        return Err(
            Error::input(message).hint("name the dist directory, its OCI layout or the module.tar of the build")
        );
    }
    let mut out = Dir::open(scratch)?.unnamed()?;
    let written = match &opened {
        Some(opened) => unpack::checked_content(path, entry, opened, &mut out),
        None => unpack::checked_content(path, entry, &NoObjects, &mut out),
    };
    written.map_err(|error| match error {
        node::Error::Digest { .. } => {
            Error::refused(format!("{path} is not what its digest in the image says")).hint(REBUILD)
        }
        other => other.into(),
    })?;
    out.seek(SeekFrom::Start(0)).map_err(|error| Error::io("read", scratch, &error))?;
    Ok(out)
}

fn missing(tree: &image::tree::Tree<Entry>, path: &ImagePath) -> Error {
    let at = tree.resolve_parent(path);
    let node = tree.lookup(&at).map(|id| &tree.node(id).kind);
    if let Some(Kind::Symlink(target)) = node {
        let target = model::path::escape(target);
        return Error::input(format!("{path} leads to {target}, which the module does not have"))
            .hint("look for it in the base, or in the module that brings it");
    }
    let near = filter::near(tree, &at);
    let error = Error::input(format!("the module has no {path}"));
    match near.first() {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("`module-builder inspect --dump` shows every name"),
    }
}

/// The contents of a module whose files are all in its image.
struct NoObjects;

impl Objects for NoObjects {
    fn locate(&self, digest: &VerityDigest, size: u64) -> Result<Extent, image::Error> {
        Err(image::Error::MissingObject { digest: *digest, size })
    }
}
