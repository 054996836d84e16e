//! What belongs to a layout that is somewhere: the files that its `index.json` leads to.
//!
//! It is asked before a layout is replaced, so nothing is trusted and nothing need be right: what cannot be
//! read leads to nothing, and what nothing leads to is someone else's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use host::{Dir, Links, Listing, Whose};
use model::Digest;
use serde_json::Value;

use super::files::{BLOBS, DOCUMENTS_LIMIT, INDEX, LAYOUT};
use super::store;
use crate::content::DOCUMENT_LIMIT;
use crate::error::Error;
use crate::media;

/// The paths of every file and directory that belongs to the layout in `directory`; none when it is no layout.
///
/// `known` are blobs of the one artifact that was written there, as a record elsewhere names them. Where the
/// layout's own documents were damaged, the manifest that lists all of these still says what belongs to it.
///
/// # Errors
/// When a file cannot be read that is there.
pub fn paths(directory: &Dir, known: &[Digest]) -> Result<BTreeSet<PathBuf>, Error> {
    let mut extent = Extent { directory, paths: BTreeSet::new(), read: 0 };
    if known.is_empty() && !extent.is_layout()? {
        return Ok(extent.paths);
    }
    extent.paths.extend([LAYOUT, INDEX, "blobs", BLOBS].map(PathBuf::from));
    extent.follow(PathBuf::from(INDEX))?;
    if !known.is_empty() {
        extent.recover(known)?;
    }
    Ok(extent.paths)
}

struct Extent<'a> {
    directory: &'a Dir,
    paths: BTreeSet<PathBuf>,
    /// The bytes of the documents that were read.
    read: u64,
}

impl Extent<'_> {
    fn is_layout(&mut self) -> Result<bool, Error> {
        let version = self.document(Path::new(LAYOUT))?;
        Ok(version.is_some_and(|(value, _)| value.get("imageLayoutVersion").is_some_and(Value::is_string)))
    }

    /// Adds what the document at `from` leads to.
    fn follow(&mut self, from: PathBuf) -> Result<(), Error> {
        let mut pending = vec![from];
        while let Some(path) = pending.pop() {
            let Some((value, _)) = self.document(&path)? else { continue };
            for (digest, is_document) in descriptors(&value) {
                let blob = Path::new(BLOBS).join(digest.hex());
                if self.paths.insert(blob.clone()) && is_document {
                    pending.push(blob);
                }
            }
        }
        Ok(())
    }

    /// Adds the manifests that nothing leads to any more and that list all of `known`, what they list, and
    /// the indexes that list no other manifest.
    fn recover(&mut self, known: &[Digest]) -> Result<(), Error> {
        let lost = self.lost_documents()?;
        for (path, value) in &lost {
            let listed: BTreeSet<Digest> = descriptors(value).map(|(digest, _)| digest).collect();
            if value.get("layers").is_some() && known.iter().all(|digest| listed.contains(digest)) {
                self.paths.insert(path.clone());
                self.follow(path.clone())?;
            }
        }
        for (path, value) in lost {
            let mut listed = descriptors(&value).map(|(digest, _)| Path::new(BLOBS).join(digest.hex())).peekable();
            if value.get("manifests").is_some() && listed.peek().is_some() && listed.all(|it| self.paths.contains(&it))
            {
                self.paths.insert(path);
            }
        }
        Ok(())
    }

    /// The documents among the blobs that nothing leads to, whose content is what their name says.
    fn lost_documents(&mut self) -> Result<Vec<(PathBuf, Value)>, Error> {
        let names = match self.directory.directory(BLOBS, Links::Refuse) {
            Ok(blobs) => blobs.names()?,
            Err(_) => Vec::new(),
        };
        let mut lost = Vec::new();
        for name in names {
            let path = Path::new(BLOBS).join(&name);
            if self.paths.contains(&path) {
                continue;
            }
            if let Some((value, digest)) = self.document(&path)?
                && name.to_str() == Some(&*digest.hex())
            {
                lost.push((path, value));
            }
        }
        Ok(lost)
    }

    /// The JSON at `path`, and the digest of its bytes; none when there is no file, or one that no layout has.
    fn document(&mut self, path: &Path) -> Result<Option<(Value, Digest)>, Error> {
        match self.directory.read(path, Links::Refuse, DOCUMENT_LIMIT.min(DOCUMENTS_LIMIT - self.read)) {
            Ok(bytes) => {
                self.read += bytes.len() as u64;
                Ok(serde_json::from_slice(&bytes).ok().map(|value| (value, Digest::of(&bytes))))
            }
            Err(host::Error::Place { .. }) => Ok(None),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is in `directory`; ours is what belongs to the layout.
pub(super) fn list(directory: &Dir) -> Result<Listing, Error> {
    host::scratch::remove_abandoned(directory, store::SCRATCH);
    let ours = paths(directory, &[])?;
    let whose = |path: &Path, _| if ours.contains(path) { Whose::Ours } else { Whose::Foreign };
    Ok(Listing::new(directory, &whose)?)
}

/// The blobs that a document lists, and whether each is a document that lists others.
fn descriptors(document: &Value) -> impl Iterator<Item = (Digest, bool)> + '_ {
    let many = |name: &str| document.get(name).and_then(Value::as_array).into_iter().flatten();
    let all = many("manifests").chain(many("layers")).chain(document.get("config")).chain(document.get("subject"));
    all.filter_map(|descriptor| {
        let digest = descriptor.get("digest")?.as_str()?.parse().ok()?;
        let media_type = descriptor.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        Some((digest, [media::IMAGE_INDEX, media::IMAGE_MANIFEST].contains(&media_type)))
    })
}
