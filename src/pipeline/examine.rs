//! What a build's results hold, read back and recomputed: nothing that a file says of itself is
//! repeated without having been checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use composer::archive;
use composer::image::{self, Entry};
use composer::tree::{Kind, Tree};
use composer::verity;
use model::{Digest, VerityDigest};
use oci::layout::{self, Layout};
use oci::media;
use serde::Serialize;

use crate::error::Error;

/// The largest image that is read, in bytes.
const IMAGE_LIMIT: u64 = 4 << 30;
/// The most bytes that a compressed module.tar may unpack to.
const TAR_LIMIT: u64 = 1 << 40;

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Examined {
    /// `dist`, `layout` or `module.tar`.
    pub(crate) kind: &'static str,
    /// The modules in it: one, but for layouts of several architectures.
    pub(crate) modules: Vec<Module>,
    /// The image indexes of the layout by tag.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) index_digests: BTreeMap<String, Digest>,
}

/// One module.
#[derive(Debug, Serialize)]
pub(crate) struct Module {
    /// Its name.
    pub(crate) name: String,
    /// Its architecture, where the results tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arch: Option<String>,
    /// The fs-verity digest of `module.cfs`, computed now.
    pub(crate) composefs_digest: VerityDigest,
    /// The sha256 of the OCI manifest's bytes, where there is a layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) manifest_digest: Option<Digest>,
    /// The blobs: sha256 and size by name.
    pub(crate) blobs: BTreeMap<String, BlobSummary>,
    /// What the image holds.
    pub(crate) image: ImageSummary,
}

/// A blob.
#[derive(Debug, Serialize)]
pub(crate) struct BlobSummary {
    /// The sha256 of its bytes.
    pub(crate) digest: Digest,
    /// Its length in bytes.
    pub(crate) size: u64,
}

/// What an image holds.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ImageSummary {
    /// Names of regular files.
    pub(crate) files: u64,
    /// Directories.
    pub(crate) directories: u64,
    /// Symbolic links.
    pub(crate) symlinks: u64,
    /// Devices, pipes, sockets.
    pub(crate) special: u64,
    /// Bytes of all files, each inode once.
    pub(crate) content_size: u64,
    /// How many objects the image needs.
    pub(crate) objects: u64,
}

/// Examines a `dist/` directory, an OCI layout or a `module.tar`.
pub(crate) fn examine(path: &Path) -> Result<Examined, Error> {
    if path.is_file() {
        tar(path)
    } else if path.join("oci-layout").is_file() {
        layout_at(path)
    } else if path.join("module.cfs").is_file() {
        dist(path)
    } else if path.join("file-list.txt").is_file() {
        Err(Error::input(format!("{} holds the lists of a dry run only", path.display()))
            .hint("build the module without --dry-run to have an image to inspect"))
    } else if path.exists() {
        Err(Error::input(format!("{} is neither a dist directory, an OCI layout nor a module.tar", path.display())))
    } else {
        Err(Error::input(format!("there is no {}", path.display()))
            .hint("build the module first, or name another path"))
    }
}

fn tar(path: &Path) -> Result<Examined, Error> {
    let read = read_tar(path)?;
    let module = module(&read.manifest, &read.image, read.image_digest)?;
    Ok(Examined { kind: "module.tar", modules: vec![module], index_digests: BTreeMap::new() })
}

fn read_tar(path: &Path) -> Result<archive::Archive, Error> {
    let scratch = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let options = archive::Options { check_objects: true, scratch: scratch.to_owned(), limit: TAR_LIMIT };
    archive::read(path, &options).map_err(refused)
}

fn refused(error: composer::Error) -> Error {
    match error {
        composer::Error::Io { .. } => error.into(),
        damaged => Error::refused("the module's files contradict each other").because(&damaged).hint(REBUILD),
    }
}

const REBUILD: &str = "they were damaged or changed after the build: fetch or build them again";

fn dist(path: &Path) -> Result<Examined, Error> {
    let file = |name: &str| read_file(&path.join(name));
    let (manifest, image) = (file("manifest.json")?, file("module.cfs")?);
    let claimed = String::from_utf8_lossy(&file("composefs.digest")?).trim().parse();
    let claimed = claimed.map_err(|error| Error::refused("composefs.digest holds no digest").because(&error))?;
    let mut module = module(&manifest, &image, claimed)?;
    for name in ["manifest.json", "module.cfs"] {
        let bytes = file(name)?;
        module.blobs.insert(name.to_owned(), BlobSummary { digest: Digest::of(&bytes), size: bytes.len() as u64 });
    }
    if path.join("module.tar").is_file() {
        let read = read_tar(&path.join("module.tar"))?;
        if read.image_digest != module.composefs_digest {
            return Err(mismatch("module.tar", &read.image_digest, &module.composefs_digest));
        }
    }
    let mut index_digests = BTreeMap::new();
    if path.join("oci").is_dir() {
        let examined = layout_at(&path.join("oci"))?;
        for other in examined.modules {
            if other.composefs_digest == module.composefs_digest {
                (module.arch, module.manifest_digest) = (other.arch, other.manifest_digest);
                module.blobs.extend(other.blobs);
            } else {
                return Err(mismatch("oci/", &other.composefs_digest, &module.composefs_digest));
            }
        }
        index_digests = examined.index_digests;
    }
    Ok(Examined { kind: "dist", modules: vec![module], index_digests })
}

fn mismatch(what: &str, found: &VerityDigest, wanted: &VerityDigest) -> Error {
    Error::refused(format!("{what} holds the image {found}, and module.cfs is {wanted}")).hint(REBUILD)
}

fn layout_at(path: &Path) -> Result<Examined, Error> {
    let Layout { indexes, manifests } = layout::read(path)?;
    let mut index_digests = BTreeMap::new();
    let mut found: BTreeMap<Digest, layout::Manifest> = BTreeMap::new();
    for index in indexes {
        index_digests.insert(index.tag.unwrap_or_default(), index.digest);
        found.extend(index.manifests.into_iter().map(|manifest| (manifest.digest, manifest)));
    }
    for manifest in manifests {
        found.entry(manifest.digest).or_insert(manifest);
    }
    let modules = found
        .values()
        .filter(|manifest| manifest.artifact_type.as_deref() == Some(media::ARTIFACT))
        .map(layout_module)
        .collect::<Result<Vec<_>, _>>()?;
    if modules.is_empty() {
        return Err(Error::input(format!("the layout {} holds no module", path.display())));
    }
    Ok(Examined { kind: "layout", modules, index_digests })
}

fn layout_module(manifest: &layout::Manifest) -> Result<Module, Error> {
    let image = manifest.layers.iter().find(|layer| layer.media_type == media::COMPOSEFS);
    let image = image.ok_or_else(|| Error::refused("an artifact of the layout has no composefs image"))?;
    let claimed = manifest.annotations.get(media::annotation::FSVERITY).and_then(|hex| VerityDigest::from_hex(hex));
    let claimed = claimed.ok_or_else(|| Error::refused("an artifact of the layout names no fs-verity digest"))?;
    let mut module = module(&read_file(&manifest.config.path)?, &read_file(&image.path)?, claimed)?;
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        let name = blob.title.clone().unwrap_or_else(|| blob.media_type.clone());
        module.blobs.insert(name, BlobSummary { digest: blob.digest, size: blob.size });
    }
    module.arch = manifest.arch.map(|arch| arch.to_string());
    module.manifest_digest = Some(manifest.digest);
    Ok(module)
}

fn module(manifest: &[u8], image: &[u8], claimed: VerityDigest) -> Result<Module, Error> {
    let composefs_digest = verity::digest(image);
    if claimed != composefs_digest {
        return Err(Error::refused(format!(
            "module.cfs has the fs-verity digest {composefs_digest}, and {claimed} is claimed"
        ))
        .hint(REBUILD));
    }
    let parsed = model::Manifest::parse(manifest);
    let name = parsed.manifest.map(|manifest| manifest.name);
    let name = name.ok_or_else(|| Error::refused("manifest.json is no valid manifest").hint(REBUILD))?;
    let tree = image::read(image).map_err(refused)?;
    let image = summarise(&tree);
    Ok(Module { name, arch: None, composefs_digest, manifest_digest: None, blobs: BTreeMap::new(), image })
}

fn summarise(tree: &Tree<Entry>) -> ImageSummary {
    let mut summary = ImageSummary::default();
    let mut seen = vec![false; tree.node_count()];
    let mut objects: BTreeSet<&VerityDigest> = BTreeSet::new();
    for (_, id, node) in tree.walk() {
        let first = !std::mem::replace(&mut seen[id.index()], true);
        match &node.kind {
            Kind::Directory(_) => summary.directories += 1,
            Kind::Symlink(_) => summary.symlinks += 1,
            Kind::Regular(entry) => {
                summary.files += 1;
                summary.content_size += if first { image::Stored::size(entry) } else { 0 };
                objects.extend(image::Stored::verity(entry));
            }
            _ => summary.special += 1,
        }
    }
    summary.objects = objects.len() as u64;
    summary
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    use std::io::Read;
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let mut bytes = Vec::new();
    let read = fs::File::open(path).map_err(failed)?.take(IMAGE_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if read as u64 > IMAGE_LIMIT {
        return Err(Error::input(format!("{} is larger than any module can be", path.display())));
    }
    Ok(bytes)
}
