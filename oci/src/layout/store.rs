//! A layout as a store of content: whatever any tool wrote, read blob by blob, and more put beside it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use host::{Dir, Links, Scratch};
use model::Digest;
use serde_json::{Value, json};

use super::files::{self, BLOBS, DOCUMENTS_LIMIT, INDEX, LAYOUT, VERSION};
use crate::content::{ContentStore, DOCUMENT_LIMIT, Descriptor, Document, Index, Verified};
use crate::error::Error;
use crate::media::annotation;
use crate::place::Place;
use crate::reference::Tag;

/// How the names of directories begin in which content is until all of it came.
pub(super) const SCRATCH: &str = ".put.";

/// The mode of every file.
const MODE: u32 = 0o644;

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
        files::version(&directory)?;
        let blobs = directory.directory(BLOBS, Links::Refuse).map_err(files::misplaced)?;
        Ok(Self { directory, blobs })
    }

    /// Makes an empty layout in the empty directory `directory`.
    ///
    /// # Errors
    /// When something is in it, or it cannot be written to.
    pub fn create(directory: Dir) -> Result<Self, Error> {
        let store = Self::begin(directory)?;
        store.write_index(&Index::new(None, Vec::new())?.raw)?;
        Ok(store)
    }

    /// As [`Store::create`], but it is no layout before its index is written.
    pub(super) fn begin(directory: Dir) -> Result<Self, Error> {
        if !directory.names()?.is_empty() {
            return Err(Error::NotALayout { path: directory.path().to_owned() });
        }
        let all_blobs = directory.create_directory("blobs", 0o755)?;
        let blobs = all_blobs.create_directory("sha256", 0o755)?;
        all_blobs.sync()?;
        directory.replace(LAYOUT, json!({ "imageLayoutVersion": VERSION }).to_string().as_bytes(), MODE)?;
        Ok(Self { directory, blobs })
    }

    /// Where the blob of this digest is.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs.join(digest.hex())
    }

    /// The file of a blob, whose size was looked at.
    fn blob(&self, descriptor: &Descriptor) -> Result<File, Error> {
        files::open(&self.blobs, &descriptor.digest.hex(), Some(descriptor.size))
    }

    /// Checks that the content is there, in the size that is said. Its bytes are not read.
    pub(super) fn check_size(&self, descriptor: &Descriptor) -> Result<(), Error> {
        self.blob(descriptor).map(drop)
    }

    /// Makes the file `name` in `directory` the blob, whose bytes are not read: whoever wrote them computed the digest.
    pub(super) fn adopt(&self, descriptor: &Descriptor, directory: &Dir, name: &str) -> Result<(), Error> {
        let path = directory.join(name);
        let file = directory.file(name, Links::Refuse)?;
        let found = file.metadata().map_err(Error::io("read", &path))?.len();
        if found != descriptor.size {
            return Err(Error::Changed { path, expected: descriptor.size, found });
        }
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(MODE))
            .map_err(|errno| Error::io("change the mode of", &path)(errno.into()))?;
        file.sync_all().map_err(Error::io("sync", &path))?;
        directory.rename(name, &self.blobs, descriptor.digest.hex())?;
        Ok(self.blobs.sync()?)
    }

    /// `index.json` as it is, and the descriptors in it.
    fn entries(&self) -> Result<(Value, Vec<Descriptor>), Error> {
        let place = Place::from(self.directory.join(INDEX));
        let bytes = files::document(&self.directory, INDEX)?;
        let json = |source| Error::Json { what: "image index", place: place.clone(), source };
        let value: Value = serde_json::from_slice(&bytes).map_err(json)?;
        // The typed reading checks the version, and that there are descriptors of documents.
        Ok((value, Index::parse(bytes, &place)?.manifests))
    }

    /// Writes `index.json`.
    pub(super) fn write_index(&self, bytes: &[u8]) -> Result<(), Error> {
        let size = bytes.len() as u64;
        if size > DOCUMENT_LIMIT {
            let place = self.directory.join(INDEX).into();
            return Err(Error::TooLarge { place, size, limit: DOCUMENT_LIMIT });
        }
        Ok(self.directory.replace(INDEX, bytes, MODE)?)
    }

    /// Puts an entry of `descriptor` into `index.json`, with a tag or without one. An entry that loses its tag stays, so
    /// that nothing becomes unreachable.
    fn list(&self, descriptor: &Descriptor, tag: Option<&Tag>) -> Result<(), Error> {
        let (mut value, listed) = self.entries()?;
        let is_free = |entry: &Descriptor| tag.is_none_or(|tag| entry.tag().is_none_or(|own| own == tag.as_str()));
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
        let bytes = model::canonical::json(&value).map_err(|source| Error::Serialize { what: "index.json", source })?;
        self.write_index(&bytes)
    }
}

fn has_tag(entry: &Descriptor, tag: &Tag) -> bool {
    entry.tag() == Some(tag.as_str())
}

impl ContentStore for Store {
    fn place(&self) -> Place {
        self.directory.path().into()
    }

    fn stat(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        if self.blobs.kind(descriptor.digest.hex())?.is_none() {
            return Ok(false);
        }
        self.blob(descriptor).map(|_| true)
    }

    fn open(&self, descriptor: &Descriptor) -> Result<Verified<Box<dyn Read + '_>>, Error> {
        Ok(Verified::new(Box::new(self.blob(descriptor)?), descriptor, self.path(&descriptor.digest).into()))
    }

    fn put(&self, descriptor: &Descriptor, content: &mut dyn Read) -> Result<(), Error> {
        let name = descriptor.digest.hex();
        let path = self.path(&descriptor.digest);
        let mut content = Verified::new(content, descriptor, (&path).into());
        let mut document = None;
        let scratch = Scratch::new(&self.directory, SCRATCH)?;
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
        let names = entries.iter().filter_map(|entry| entry.tag()?.parse().ok());
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
            if read > DOCUMENTS_LIMIT {
                return Err(Error::TooManyDocuments { place: self.place(), limit: DOCUMENTS_LIMIT });
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
