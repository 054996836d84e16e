//! A layout as a store of content: whatever any tool wrote, read blob by blob, and more put beside it.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::PathBuf;

use host::{Dir, Links, Scratch};
use model::Digest;
use serde_json::{Value, json};

use super::extent::{INDEX, LAYOUT};
use super::read::{open_blob, version};
use super::{VERSION, read};
use crate::content::{ContentStore, DOCUMENT_LIMIT, Descriptor, Document, Verified};
use crate::error::Error;
use crate::media::annotation;
use crate::place::Place;
use crate::reference::Tag;

/// The mode of every file.
const MODE: u32 = 0o644;

/// The most bytes of documents that are read in search of referrers.
const SEARCH_LIMIT: u64 = 64 << 20;

/// A layout as a store of content.
///
/// `index.json` is replaced whole, and what another tool wrote into it stays. Two programs that change one layout at the
/// same time can lose a tag to each other, as with every tool for layouts.
#[derive(Debug)]
pub struct Store {
    directory: Dir,
    blobs: Dir,
}

impl Store {
    /// Opens the layout in `directory`.
    ///
    /// # Errors
    /// When there is none, or its version is not known.
    pub fn open(directory: Dir) -> Result<Self, Error> {
        version(&directory)?;
        let blobs = directory.directory(read::BLOBS, Links::Refuse).map_err(read::misplaced)?;
        Ok(Self { directory, blobs })
    }

    /// Makes an empty layout in the empty directory `directory`.
    ///
    /// # Errors
    /// When something is in it, or it cannot be written to.
    pub fn create(directory: Dir) -> Result<Self, Error> {
        if !directory.names()?.is_empty() {
            return Err(Error::NotALayout { path: directory.path().to_owned() });
        }
        let all_blobs = directory.create_directory("blobs", 0o755)?;
        let blobs = all_blobs.create_directory("sha256", 0o755)?;
        all_blobs.sync()?;
        let store = Self { directory, blobs };
        store.write_entries(&json!({ "schemaVersion": 2, "mediaType": crate::media::IMAGE_INDEX, "manifests": [] }))?;
        store.directory.replace(LAYOUT, json!({ "imageLayoutVersion": VERSION }).to_string().as_bytes(), MODE)?;
        Ok(store)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs.join(digest.hex())
    }

    /// `index.json` as it is, and the descriptors in it.
    fn entries(&self) -> Result<(Value, Vec<Descriptor>), Error> {
        let path = self.directory.join(INDEX);
        let bytes = read::document(&self.directory, INDEX, &path, None)?;
        let json = |source| Error::Json { what: "image index", place: (&path).into(), source };
        let value: Value = serde_json::from_slice(&bytes).map_err(json)?;
        // The typed reading checks the version, and that there are descriptors of documents.
        let index = Document::parse(crate::media::IMAGE_INDEX, bytes, &(&path).into())?;
        Ok((value, index.children().into_iter().cloned().collect()))
    }

    fn write_entries(&self, entries: &Value) -> Result<(), Error> {
        let bytes = crate::json::canonical("index.json", entries)?;
        let size = bytes.len() as u64;
        if size > DOCUMENT_LIMIT {
            let place = self.directory.join(INDEX).into();
            return Err(Error::TooLarge { place, size, limit: DOCUMENT_LIMIT });
        }
        Ok(self.directory.replace(INDEX, &bytes, MODE)?)
    }

    /// Puts an entry of `descriptor` into `index.json`, with a tag or without one. An entry that loses its tag stays, so
    /// that nothing becomes unreachable.
    fn list(&self, descriptor: &Descriptor, tag: Option<&Tag>) -> Result<(), Error> {
        let (mut value, listed) = self.entries()?;
        let is_free = |entry: &Descriptor| tag.is_none_or(|tag| is_untagged(entry) || has_tag(entry, tag));
        let at = listed.iter().position(|entry| entry.digest == descriptor.digest && is_free(entry));
        let entries = value.get_mut("manifests").and_then(Value::as_array_mut);
        let Some(entries) = entries.filter(|_| tag.is_some() || at.is_none()) else { return Ok(()) };
        if let Some(tag) = tag {
            for (entry, _) in entries.iter_mut().zip(&listed).filter(|(_, listed)| has_tag(listed, tag)) {
                if let Some(annotations) = entry.get_mut("annotations").and_then(Value::as_object_mut) {
                    annotations.remove(annotation::REF_NAME);
                }
            }
        }
        let new = serde_json::to_value(descriptor).map_err(|source| Error::Serialize { what: "descriptor", source })?;
        let at = at.unwrap_or_else(|| {
            entries.push(new);
            entries.len() - 1
        });
        if let (Some(tag), Some(entry)) = (tag, entries.get_mut(at)) {
            entry["annotations"][annotation::REF_NAME] = tag.as_str().into();
        }
        self.write_entries(&value)
    }
}

fn has_tag(entry: &Descriptor, tag: &Tag) -> bool {
    entry.annotations.get(annotation::REF_NAME).is_some_and(|name| name == tag.as_str())
}

fn is_untagged(entry: &Descriptor) -> bool {
    !entry.annotations.contains_key(annotation::REF_NAME)
}

impl ContentStore for Store {
    fn place(&self) -> Place {
        self.directory.path().into()
    }

    fn stat(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let name = descriptor.digest.hex();
        if self.blobs.kind(&name)?.is_none() {
            return Ok(false);
        }
        open_blob(&self.blobs, &name, &self.path(&descriptor.digest), Some(descriptor.size)).map(|_| true)
    }

    fn open(&self, descriptor: &Descriptor) -> Result<Verified<Box<dyn Read + '_>>, Error> {
        let path = self.path(&descriptor.digest);
        let file = open_blob(&self.blobs, &descriptor.digest.hex(), &path, Some(descriptor.size))?;
        Ok(Verified::new(Box::new(file), descriptor, path.into()))
    }

    fn put(&self, descriptor: &Descriptor, content: &mut dyn Read) -> Result<(), Error> {
        let name = descriptor.digest.hex();
        let path = self.path(&descriptor.digest);
        let mut content = Verified::new(content, descriptor, (&path).into());
        let mut document = None;
        let scratch = Scratch::new(&self.directory, ".put.")?;
        let mut file = scratch.dir().create(&name, MODE)?;
        let failed = |error: io::Error| Error::read(error, &(&path).into());
        if descriptor.is_document() {
            let bytes = content.bytes(DOCUMENT_LIMIT)?;
            io::copy(&mut &bytes[..], &mut file).map_err(failed)?;
            document = Some(Document::parse(&descriptor.media_type, bytes, &(&path).into())?);
        } else {
            io::copy(&mut content, &mut file).map_err(failed)?;
        }
        file.sync_all().map_err(Error::io("sync", &path))?;
        scratch.dir().rename(&name, &self.blobs, &name)?;
        self.blobs.sync()?;
        match document {
            // Nothing else leads to a referrer.
            Some(document) if document.subject().is_some() => self.list(&document.descriptor(), None),
            _ => Ok(()),
        }
    }

    fn resolve(&self, tag: &Tag) -> Result<Option<Descriptor>, Error> {
        let (_, entries) = self.entries()?;
        let mut found = entries.into_iter().filter(|entry| has_tag(entry, tag));
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Error::DuplicateTag { place: self.directory.join(INDEX).into(), tag: tag.to_string() }),
            (found, None) => Ok(found),
        }
    }

    fn tag(&self, descriptor: &Descriptor, tag: &Tag) -> Result<(), Error> {
        self.document(descriptor)?;
        self.list(descriptor, Some(tag))
    }

    fn tags(&self) -> Result<Vec<Tag>, Error> {
        let (_, entries) = self.entries()?;
        // Some tools write whole references there, which are no tags.
        let names = entries.iter().filter_map(|entry| entry.annotations.get(annotation::REF_NAME)?.parse().ok());
        Ok(names.collect::<BTreeSet<Tag>>().into_iter().collect())
    }

    fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, Error> {
        let (_, entries) = self.entries()?;
        let (mut seen, mut read, mut found) = (BTreeSet::new(), 0_u64, Vec::new());
        for entry in entries.iter().filter(|entry| entry.is_document()) {
            if !seen.insert(entry.digest) {
                continue;
            }
            read = read.saturating_add(entry.size);
            if read > SEARCH_LIMIT {
                return Err(Error::TooManyDocuments { place: self.place(), limit: SEARCH_LIMIT });
            }
            let document = self.document(entry)?;
            let descriptor = document.descriptor();
            let is_wanted = artifact_type.is_none_or(|wanted| descriptor.artifact_type.as_deref() == Some(wanted));
            if document.refers_to(subject) && is_wanted {
                found.push(descriptor);
            }
        }
        Ok(found)
    }
}
