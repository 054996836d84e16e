//! A build's results as they lie on disk, opened and checked: nothing that a file says of itself is
//! taken without having been recomputed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use composer::archive::{self, Archive};
use composer::image::ImageError;
use composer::image::{self, Entry};
use composer::tree::Tree;
use composer::verity;
use model::{Arch, Digest, VerityDigest};
use oci::layout::{self, Layout};
use oci::media;
use serde::Serialize;

use crate::error::{Error, Kind};

/// The largest image that is read, in bytes.
const IMAGE_LIMIT: u64 = 4 << 30;
/// The largest list or other text of a dist directory that is read, in bytes.
const TEXT_LIMIT: u64 = 256 << 20;
/// The most bytes that a compressed module.tar may unpack to.
const TAR_LIMIT: u64 = 1 << 40;

/// How a zstd frame begins (RFC 8878, section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

const REBUILD: &str = "they were damaged or changed after the build: fetch or build them again";

/// In which form results lie there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Form {
    /// The directory that `build` writes.
    #[serde(rename = "dist")]
    Dist,
    /// An OCI image layout.
    #[serde(rename = "layout")]
    Layout,
    /// A `module.tar`, compressed or not.
    #[serde(rename = "module.tar")]
    Tar,
    /// A composefs image alone.
    #[serde(rename = "module.cfs")]
    Image,
}

/// What was found at a path.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Its form.
    pub(crate) form: Form,
    /// The modules in it: one, but for layouts of several architectures.
    pub(crate) modules: Vec<Module>,
    /// The image indexes of the layout by tag.
    pub(crate) indexes: BTreeMap<String, layout::Index>,
}

/// One module.
#[derive(Debug)]
pub(crate) struct Module {
    /// Its name; an image alone does not tell it.
    pub(crate) name: Option<String>,
    /// Its architecture, where the results tell it.
    pub(crate) arch: Option<Arch>,
    /// `manifest.json`; an image alone has none.
    pub(crate) manifest: Option<Vec<u8>>,
    /// The fs-verity digest of `module.cfs`, computed now.
    pub(crate) composefs: VerityDigest,
    /// What the image holds.
    pub(crate) tree: Tree<Entry>,
    /// The blobs: sha256 and size by name.
    pub(crate) blobs: BTreeMap<String, Blob>,
    /// The OCI manifest, where there is a layout.
    pub(crate) oci: Option<layout::Manifest>,
    /// Archives that hold the contents, the one that is read fastest first.
    pub(crate) archives: Vec<PathBuf>,
}

/// A blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Blob {
    /// The sha256 of its bytes.
    pub(crate) digest: Digest,
    /// Its length in bytes.
    pub(crate) size: u64,
}

/// Opens a `dist/` directory, an OCI layout, a `module.tar` or a `module.cfs`.
///
/// # Errors
/// When there is none of these, or its files contradict each other.
pub(crate) fn open(path: &Path) -> Result<Opened, Error> {
    let found = look(path)?;
    if found.is_file() {
        return match form_of(path)? {
            Some(Form::Image) => image_alone(path),
            Some(_) => tar(path),
            None => Err(neither(path)),
        };
    }
    if !found.is_dir() {
        return Err(neither(path));
    }
    // Without the right to read it, everything in it would seem to be missing.
    fs::read_dir(path).map_err(|error| Error::io("read", path, &error))?;
    if path.join("oci-layout").is_file() {
        layout_at(path)
    } else if path.join("module.cfs").is_file() {
        dist(path)
    } else if path.join("file-list.txt").is_file() {
        Err(Error::input(format!("{} holds the lists of a dry run only", path.display()))
            .hint("build the module without --dry-run to have an image"))
    } else {
        Err(neither(path))
    }
}

fn neither(path: &Path) -> Error {
    let dist = path.join("dist");
    let hint = match dist.join("module.cfs").is_file() {
        true => format!("the module's results are in {}", dist.display()),
        false => "name what `build` wrote".to_owned(),
    };
    Error::input(format!(
        "{} is neither a dist directory, an OCI layout, a module.tar nor a module.cfs",
        path.display()
    ))
    .hint(hint)
}

/// What lies at a path that the user named.
///
/// # Errors
/// When there is nothing, or one may not look.
pub(crate) fn look(path: &Path) -> Result<fs::Metadata, Error> {
    fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound if path.is_symlink() => {
            Error::input(format!("{} is a link that leads nowhere", path.display())).hint("name another path")
        }
        std::io::ErrorKind::NotFound => {
            Error::input(format!("there is no {}", path.display())).hint("build the module first, or name another path")
        }
        _ => Error::io("read", path, &error),
    })
}

/// Whether a file begins as an image or as an archive does.
fn form_of(path: &Path) -> Result<Option<Form>, Error> {
    use std::io::Read;
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let mut head = Vec::new();
    fs::File::open(path).map_err(failed)?.take(512).read_to_end(&mut head).map_err(failed)?;
    let is_tar = head.starts_with(&ZSTD) || head.get(257..262) == Some(b"ustar");
    Ok(if image::is_image(&head) { Some(Form::Image) } else { is_tar.then_some(Form::Tar) })
}

fn one(form: Form, module: Module) -> Opened {
    Opened { form, modules: vec![module], indexes: BTreeMap::new() }
}

/// What the image at `path` holds.
///
/// # Errors
/// When it cannot be read or is damaged.
pub(crate) fn image(path: &Path) -> Result<Tree<Entry>, Error> {
    image::read(&read_file(path, IMAGE_LIMIT)?).map_err(refused)
}

fn image_alone(path: &Path) -> Result<Opened, Error> {
    let bytes = read_file(path, IMAGE_LIMIT)?;
    let tree = image::read(&bytes).map_err(refused)?;
    let blobs = BTreeMap::from([("module.cfs".to_owned(), blob(&bytes))]);
    let composefs = verity::digest(&bytes);
    let module =
        Module { name: None, arch: None, manifest: None, composefs, tree, blobs, oci: None, archives: Vec::new() };
    Ok(one(Form::Image, module))
}

fn tar(path: &Path) -> Result<Opened, Error> {
    let scratch = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let read = read_archive(path, scratch)?;
    let mut module = module(read.manifest, &read.image, read.image_digest)?;
    module.archives.push(path.to_owned());
    Ok(one(Form::Tar, module))
}

/// Reads and checks a `module.tar`; `scratch` is where a compressed one is unpacked to.
///
/// # Errors
/// When it cannot be read or is damaged.
pub(crate) fn read_archive(path: &Path, scratch: &Path) -> Result<Archive, Error> {
    let options = archive::Options { check_objects: true, scratch: scratch.to_owned(), limit: TAR_LIMIT };
    archive::read(path, &options).map_err(refused)
}

fn refused(error: composer::Error) -> Error {
    match error {
        composer::Error::Io { .. } | composer::Error::Image(ImageError::NoMemory { .. }) => error.into(),
        damaged => Error::refused("the module's files contradict each other").because(&damaged).hint(REBUILD),
    }
}

fn dist(path: &Path) -> Result<Opened, Error> {
    let file = |name: &str| read_file(&path.join(name), IMAGE_LIMIT).map_err(|error| incomplete(path, error));
    let (manifest, image) = (file("manifest.json")?, file("module.cfs")?);
    let claimed = String::from_utf8_lossy(&file("composefs.digest")?).trim().parse();
    let claimed = claimed.map_err(|error| {
        Error::refused(format!("{} holds no digest", path.join("composefs.digest").display()))
            .because(&error)
            .hint(REBUILD)
    })?;
    let blobs = [("manifest.json", blob(&manifest)), ("module.cfs", blob(&image))];
    let mut module = module(manifest, &image, claimed)?;
    module.blobs.extend(blobs.map(|(name, blob)| (name.to_owned(), blob)));
    let tar = path.join("module.tar");
    if tar.is_file() {
        let read = read_archive(&tar, path)?;
        if read.image_digest != module.composefs {
            return Err(mismatch("module.tar", &read.image_digest, &module.composefs));
        }
        module.archives.push(tar);
    }
    let mut indexes = BTreeMap::new();
    if path.join("oci").is_dir() {
        let opened = layout_at(&path.join("oci"))?;
        for other in opened.modules {
            if other.composefs != module.composefs {
                return Err(mismatch("oci/", &other.composefs, &module.composefs));
            }
            (module.arch, module.oci) = (other.arch, other.oci);
            module.blobs.extend(other.blobs);
            module.archives.extend(other.archives);
        }
        indexes = opened.indexes;
    }
    Ok(Opened { form: Form::Dist, modules: vec![module], indexes })
}

/// A file that `build` always writes is missing.
fn incomplete(dist: &Path, error: Error) -> Error {
    let is_input = error.kind == Kind::Input;
    error.hint(if is_input {
        format!("{} is not whole any more: fetch or build it again", dist.display())
    } else {
        String::new()
    })
}

fn mismatch(what: &str, found: &VerityDigest, wanted: &VerityDigest) -> Error {
    Error::refused(format!("{what} holds the image {found}, and module.cfs is {wanted}")).hint(REBUILD)
}

fn layout_at(path: &Path) -> Result<Opened, Error> {
    let Layout { indexes, manifests } = layout::read(path)?;
    let mut found: BTreeMap<Digest, layout::Manifest> = BTreeMap::new();
    for index in &indexes {
        found.extend(index.manifests.iter().map(|manifest| (manifest.digest, manifest.clone())));
    }
    for manifest in manifests {
        found.entry(manifest.digest).or_insert(manifest);
    }
    let modules = found
        .into_values()
        .filter(|manifest| manifest.artifact_type.as_deref() == Some(media::ARTIFACT))
        .map(layout_module)
        .collect::<Result<Vec<_>, _>>()?;
    if modules.is_empty() {
        return Err(Error::input(format!("the layout {} holds no module", path.display())));
    }
    let indexes = indexes.into_iter().map(|index| (index.tag.clone().unwrap_or_default(), index)).collect();
    Ok(Opened { form: Form::Layout, modules, indexes })
}

fn layout_module(manifest: layout::Manifest) -> Result<Module, Error> {
    let image = manifest.layers.iter().find(|layer| layer.media_type == media::COMPOSEFS);
    let image = image.ok_or_else(|| Error::refused("an artifact of the layout has no composefs image"))?;
    let claimed = manifest.annotations.get(media::annotation::FSVERITY).and_then(|hex| VerityDigest::from_hex(hex));
    let claimed = claimed.ok_or_else(|| Error::refused("an artifact of the layout names no fs-verity digest"))?;
    let (text, bytes) = (read_file(&manifest.config.path, IMAGE_LIMIT)?, read_file(&image.path, IMAGE_LIMIT)?);
    let mut module = module(text, &bytes, claimed)?;
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        module.blobs.insert(blob_name(blob), Blob { digest: blob.digest, size: blob.size });
        if [media::TAR, media::TAR_ZSTD].contains(&blob.media_type.as_str()) {
            module.archives.push(blob.path.clone());
        }
    }
    module.arch = manifest.arch;
    module.oci = Some(manifest);
    Ok(module)
}

/// What a blob of a layout is called: its title, or else its media type.
pub(crate) fn blob_name(blob: &layout::StoredBlob) -> String {
    blob.title.clone().unwrap_or_else(|| blob.media_type.clone())
}

fn module(manifest: Vec<u8>, image: &[u8], claimed: VerityDigest) -> Result<Module, Error> {
    let composefs = verity::digest(image);
    if claimed != composefs {
        return Err(Error::refused(format!(
            "module.cfs has the fs-verity digest {composefs}, and the files beside it say {claimed}"
        ))
        .hint(REBUILD));
    }
    let parsed = model::Manifest::parse(&manifest);
    let name = parsed.manifest.map(|manifest| manifest.name);
    let name = name.ok_or_else(|| Error::refused("manifest.json is no valid manifest").hint(REBUILD))?;
    let tree = image::read(image).map_err(refused)?;
    Ok(Module {
        name: Some(name),
        arch: None,
        manifest: Some(manifest),
        composefs,
        tree,
        blobs: BTreeMap::new(),
        oci: None,
        archives: Vec::new(),
    })
}

fn blob(bytes: &[u8]) -> Blob {
    Blob { digest: Digest::of(bytes), size: bytes.len() as u64 }
}

/// A list or other text of a dist directory; none when it is not there.
///
/// # Errors
/// When it cannot be read or is larger than any that a build writes.
pub(crate) fn read_text(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    if path.is_file() { read_file(path, TEXT_LIMIT).map(Some) } else { Ok(None) }
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    use std::io::Read;
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let mut bytes = Vec::new();
    let read = fs::File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if read as u64 > limit {
        return Err(Error::input(format!("{} is larger than any module can be", path.display())));
    }
    Ok(bytes)
}
