//! An OCI layout: every blob is hashed, and what a module's blobs hold is compared with each other.

use std::collections::{BTreeMap, BTreeSet};

use host::Dir;
use image::archive::{self, IMAGE_LIMIT};
use model::{Digest, Epoch, VerityDigest, requirements};
use oci::content::{ContentStore as _, Descriptor};
use oci::layout::{self, Layout, Listed, ListedIndex, Store};
use oci::media::{self, annotation};

use super::{Archived, Artifact, Blob, Form, MANIFEST_LIMIT, Module, REBUILD, TEXT_LIMIT, checks, refused};
use crate::error::Error;

/// The most bytes of images that are read in one layout: all of them are in memory together.
const IMAGES_LIMIT: u64 = 2 * IMAGE_LIMIT;

/// The most modules that are read in one layout: several versions for each architecture.
const MODULES_LIMIT: usize = 256;

/// A layout whose blobs are being read.
struct Reader {
    store: Store,
    /// Blobs whose digests were checked.
    checked: BTreeSet<Digest>,
    /// The archives that were read: several manifests may share one.
    archives: BTreeMap<Digest, Held>,
    /// The bytes of the images that were read.
    images: u64,
}

/// What an archive holds.
#[derive(Clone)]
struct Held {
    manifest: Digest,
    image: VerityDigest,
    archived: Archived,
}

/// Opens the layout.
pub(super) fn open(directory: &Dir) -> Result<Artifact, Error> {
    Ok(read(directory)?.0)
}

/// Opens the layout, and says whether its `index.json` is as a build writes it.
pub(super) fn read(directory: &Dir) -> Result<(Artifact, bool), Error> {
    let (layout, store) = layout::open(directory.try_clone()?)?;
    let mut found: BTreeMap<Digest, Listed> = BTreeMap::new();
    for manifest in layout.documents() {
        found.entry(manifest.descriptor.digest).or_insert_with(|| manifest.clone());
    }
    let Layout { indexes, is_canonical, .. } = layout;
    let mut reader = Reader { store, checked: BTreeSet::new(), archives: BTreeMap::new(), images: 0 };
    let mut modules = Vec::new();
    for manifest in found.into_values() {
        if manifest.kind().is_some() {
            if modules.len() == MODULES_LIMIT {
                return Err(Error::refused(format!("the layout holds more than {MODULES_LIMIT} modules")));
            }
            modules.push(reader.module(manifest)?);
        } else {
            manifest.blobs().try_for_each(|blob| reader.check(blob))?;
        }
    }
    if modules.is_empty() {
        return Err(Error::input(format!("the layout {} holds no module", directory.path().display())));
    }
    let is_other = |listed: &&ListedIndex| listed.is_ours() && !listed.index.is_canonical();
    if let Some(index) = indexes.iter().find(is_other) {
        return Err(not_canonical("index", index.descriptor.digest));
    }
    let indexes = indexes.into_iter().map(|listed| (listed.descriptor.tag().unwrap_or_default().to_owned(), listed));
    let indexes = indexes.collect();
    Ok((Artifact { form: Form::Layout, modules, indexes }, is_canonical))
}

fn not_canonical(what: &str, digest: Digest) -> Error {
    Error::refused(format!("the {what} {digest} of the layout is not written as a build writes it")).hint(REBUILD)
}

impl Reader {
    /// Checks the blob's digest, once for each blob.
    fn check(&mut self, blob: &Descriptor) -> Result<(), Error> {
        if self.checked.insert(blob.digest) { Ok(self.store.open(blob)?.finish()?) } else { Ok(()) }
    }

    fn bytes(&self, blob: &Descriptor, limit: u64) -> Result<Vec<u8>, Error> {
        Ok(self.store.open(blob)?.bytes(limit)?)
    }

    /// A module: its image, its archive and its config must be those of one build.
    fn module(&mut self, listed: Listed) -> Result<Module, Error> {
        let manifest = &listed.manifest;
        let find = |types: &[&str]| manifest.layers.iter().find(|layer| types.contains(&layer.media_type.as_str()));
        // The reader of layouts has seen that there is one of each.
        let image = find(&[media::COMPOSEFS]).ok_or_else(|| missing("composefs image"))?;
        let tar = find(&[media::TAR, media::TAR_ZSTD]).ok_or_else(|| missing("archive"))?;
        let claimed = manifest.annotations.get(annotation::FSVERITY).and_then(|hex| VerityDigest::from_hex(hex));
        let claimed = claimed.ok_or_else(|| Error::refused("an artifact of the layout names no fs-verity digest"))?;
        self.images = self.images.saturating_add(image.size);
        if self.images > IMAGES_LIMIT {
            return Err(Error::refused(format!("the images of the layout have more than {IMAGES_LIMIT} bytes")));
        }
        let text = self.bytes(&manifest.config, MANIFEST_LIMIT)?;
        let bytes = self.bytes(image, IMAGE_LIMIT)?;
        self.checked.extend([manifest.config.digest, image.digest]);
        let name = checks::manifest(&text, &self.store.path(&manifest.config.digest))?;
        let (tree, composefs) = checks::image(&bytes, claimed, &self.store.path(&image.digest))?;
        drop(bytes);
        let held = self.archive(tar)?;
        let is_of_this_module = held.image == composefs && held.manifest == manifest.config.digest;
        if !is_of_this_module || held.archived.is_compressed != (tar.media_type == media::TAR_ZSTD) {
            return Err(Error::refused(format!(
                "the layer {} of the layout is not the archive of the module beside it",
                blob_name(tar)
            ))
            .hint(REBUILD));
        }
        annotations(&listed, &text, held.archived.epoch)?;
        let mut module = Module::of(Some((name, text)), composefs, tree);
        for blob in listed.blobs() {
            if blob.title() == Some("file-list.txt") {
                checks::file_list(&self.bytes(blob, TEXT_LIMIT)?, &module.tree, &self.store.path(&blob.digest))?;
            }
            if blob.media_type == media::REQUIREMENTS {
                let (bytes, path) = (self.bytes(blob, requirements::LIMIT)?, self.store.path(&blob.digest));
                let arch = listed.descriptor.arch();
                module.requirements = Some(checks::requirements(&bytes, (&module, arch), &path)?);
            }
            self.check(blob)?;
            module.blobs.insert(blob_name(blob), Blob { digest: blob.digest, size: blob.size });
        }
        if !manifest.is_canonical() {
            return Err(not_canonical("manifest", listed.descriptor.digest));
        }
        module.archives.push(held.archived);
        module.arch = listed.descriptor.arch();
        module.oci = Some(listed);
        Ok(module)
    }

    /// Reads an archive and hashes it in the same pass.
    fn archive(&mut self, layer: &Descriptor) -> Result<Held, Error> {
        if let Some(held) = self.archives.get(&layer.digest) {
            return Ok(held.clone());
        }
        let path = self.store.path(&layer.digest);
        let mut reader = self.store.open(layer)?;
        let read = archive::check(&mut reader, &path);
        // A blob that is not what its name says says nothing else that counts.
        reader.finish()?;
        self.checked.insert(layer.digest);
        let read = read.map_err(|error| refused(error, &path))?;
        let blob = Blob { digest: layer.digest, size: layer.size };
        let held = Held {
            manifest: Digest::of(&read.manifest),
            image: read.image_digest,
            archived: super::archived(&read, &path, blob),
        };
        self.archives.insert(layer.digest, held.clone());
        Ok(held)
    }
}

fn missing(what: &str) -> Error {
    Error::refused(format!("an artifact of the layout has no {what}")).hint(REBUILD)
}

/// The annotations that repeat what the module's own files say.
fn annotations(listed: &Listed, text: &[u8], epoch: Epoch) -> Result<(), Error> {
    let parsed = model::Manifest::parse(text).manifest;
    let about = parsed.as_ref().map(model::Manifest::metadata);
    let time = Some(epoch.rfc3339());
    let expected = [
        (annotation::BUILT_AT, time.clone()),
        (annotation::CREATED, time),
        (annotation::DISPLAY_NAME, about.map(|about| about.title.to_owned())),
        (annotation::TITLE, None),
        (annotation::DESCRIPTION, about.and_then(|about| about.description).map(str::to_owned)),
        (annotation::LICENSES, about.and_then(|about| about.license).map(str::to_owned)),
    ];
    for (name, value) in expected {
        if let Some(found) = listed.manifest.annotations.get(name)
            && value.as_ref() != Some(found)
        {
            return Err(Error::refused(format!(
                "the annotation {name} of the manifest {} is not what the module itself says",
                listed.descriptor.digest
            ))
            .hint(REBUILD));
        }
    }
    Ok(())
}

/// What a blob of a layout is called: its title, or else its media type.
pub(crate) fn blob_name(blob: &Descriptor) -> String {
    blob.title().unwrap_or(&blob.media_type).to_owned()
}
