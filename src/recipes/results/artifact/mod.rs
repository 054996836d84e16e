//! A build's results as they are on disk, opened and checked: nothing that a file says of itself is
//! taken without having been recomputed, and every file is read once.

mod checks;
mod dist;
mod foreign;
mod layouts;
mod pulled;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use host::Dir;
use host::hash::Hashing;
use image::archive::{self, Archive};
use image::composefs::{self, Entry};
use image::tree::Tree;
use model::requirements::Requirements;
use model::{Arch, Digest, Epoch, VerityDigest};
use oci::layout;
use serde::Serialize;

use crate::error::Error;
use crate::recipes::results::damage::{REBUILD, misplaced};
use crate::recipes::results::record;

pub(crate) use foreign::{Others, print as dump};
pub(crate) use layouts::blob_name;
pub(crate) use pulled::archive_of as pulled_archive;

/// The largest list or other text of a dist directory that is read, in bytes.
pub(crate) const TEXT_LIMIT: u64 = 256 << 20;
/// The largest `manifest.json`; also what the reader of archives takes.
const MANIFEST_LIMIT: u64 = 4 << 20;

/// How a zstd frame begins (RFC 8878, section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// In which form results are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Form {
    /// The directory that `build` writes.
    #[serde(rename = "dist")]
    Dist,
    /// An OCI image layout.
    #[serde(rename = "layout")]
    Layout,
    /// The files of an artifact in one directory, as `oras pull` writes them.
    #[serde(rename = "pulled")]
    Pulled,
    /// A `module.tar`, compressed or not.
    #[serde(rename = "module.tar")]
    Tar,
    /// A composefs image alone.
    #[serde(rename = "module.cfs")]
    Image,
    /// The text form of an image, composefs-dump(5).
    #[serde(rename = "dump")]
    Dump,
}

/// What was found at a path.
#[derive(Debug)]
pub(crate) struct Artifact {
    /// Its form.
    pub(crate) form: Form,
    /// The modules in it: one, but for layouts of several architectures.
    pub(crate) modules: Vec<Module>,
    /// The image indexes of the layout by tag.
    pub(crate) indexes: BTreeMap<String, layout::ListedIndex>,
}

/// One module.
#[derive(Debug)]
pub(crate) struct Module {
    /// Its name; an image alone does not say it.
    pub(crate) name: Option<String>,
    /// Its architecture, where the results say it.
    pub(crate) arch: Option<Arch>,
    /// `manifest.json`; an image alone has none.
    pub(crate) manifest: Option<Vec<u8>>,
    /// What it asks of its node; modules that ship what their packages own do not say, and an archive alone does not.
    pub(crate) requirements: Option<Requirements>,
    /// The fs-verity digest of `module.cfs`, computed now.
    pub(crate) composefs: VerityDigest,
    /// What the image holds.
    pub(crate) tree: Tree<Entry>,
    /// The blobs: sha256 and size by name.
    pub(crate) blobs: BTreeMap<String, Blob>,
    /// The files of a dist directory that are no blobs of its layout.
    pub(crate) files: BTreeMap<String, Blob>,
    /// The OCI manifest, where there is a layout.
    pub(crate) oci: Option<layout::Listed>,
    /// Archives that hold the contents, the one that is read fastest first.
    pub(crate) archives: Vec<Archived>,
    /// What only an image or a dump has that no build made.
    pub(crate) others: Option<Others>,
    /// The dist directory, where it is in one.
    pub(crate) dist: Option<PathBuf>,
}

/// An archive of a module.
#[derive(Debug, Clone)]
pub(crate) struct Archived {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Whether it is compressed.
    pub(crate) is_compressed: bool,
    /// The time of its entries.
    pub(crate) epoch: Epoch,
    /// Its bytes.
    pub(crate) blob: Blob,
}

/// A blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Blob {
    /// The sha256 of its bytes.
    pub(crate) digest: Digest,
    /// Its length in bytes.
    pub(crate) size: u64,
}

/// Opens a `dist/` directory, an OCI layout, a directory of pulled files, a `module.tar`, a `module.cfs` or another image, or a dump.
///
/// # Errors
/// When there is none of these, or its files contradict each other.
pub(crate) fn open(path: &Path) -> Result<Artifact, Error> {
    let found = stat(path)?;
    if found.is_file() {
        let file = host::open::file(path)?;
        return match form_of(&file, path)? {
            Some(Form::Image) => foreign::image(path),
            Some(Form::Dump) => foreign::dump(path),
            Some(Form::Tar) => tar(file, path),
            Some(Form::Dist | Form::Layout | Form::Pulled) | None => Err(unrecognised(path)),
        };
    }
    if !found.is_dir() {
        return Err(unrecognised(path));
    }
    let directory = Dir::open(path)?;
    // Without the right to read it, everything in it would seem to be missing.
    directory.names()?;
    let has = |name: &str| directory.kind(name).map(|kind| kind.is_some());
    if host::staged::is_unfinished(&directory) {
        return Err(dist::not_whole(
            &directory,
            "a build that was replacing its files did not come to its end".to_owned(),
        ));
    }
    if has("oci-layout")? || (has("index.json")? && has("blobs")?) {
        layouts::open(&directory)
    } else if let Some(archive) = pulled::archive_of(&directory)? {
        pulled::open(&directory, archive)
    } else if has("module.cfs")? {
        dist::open(&directory)
    } else if let Some(several) = dist::several(&directory)? {
        dist::open_several(&directory, &several)
    } else if has(record::FILE)? || has("composefs.digest")? {
        Err(dist::not_whole(&directory, "it has no module.cfs".to_owned()))
    } else if has("file-list.txt")? || lists_of_several(&directory)? {
        Err(Error::input(format!("{} holds the lists of a dry run only", path.display()))
            .hint("build the module without --dry-run to have an image"))
    } else {
        Err(unrecognised(path))
    }
}

/// Whether the directories of architectures are there, as a dry run for several leaves them.
fn lists_of_several(directory: &Dir) -> Result<bool, Error> {
    for arch in Arch::all() {
        if directory.kind(Path::new(arch.debian()).join("file-list.txt")).is_ok_and(|kind| kind.is_some()) {
            return Ok(directory.kind("manifest.json")?.is_some());
        }
    }
    Ok(false)
}

fn unrecognised(path: &Path) -> Error {
    let dist = path.join("dist");
    let hint = match dist.join("module.cfs").is_file() {
        true => format!("the module's results are in {}", dist.display()),
        false => "name what `build` wrote".to_owned(),
    };
    Error::input(format!(
        "{} is neither a dist directory, an OCI layout, a module.tar, a module.cfs nor a dump",
        path.display()
    ))
    .hint(hint)
}

/// What is at a path that the user named.
///
/// # Errors
/// When there is nothing, or one may not look.
pub(crate) fn stat(path: &Path) -> Result<fs::Metadata, Error> {
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

/// Whether a file begins as an image or as an archive does, or did before it was damaged: whoever has a
/// damaged file is reported so, and not that it is something else.
fn form_of(file: &File, path: &Path) -> Result<Option<Form>, Error> {
    /// Where the superblock of EROFS is, and what it begins with.
    const EROFS: (usize, [u8; 4]) = (1024, [0xe2, 0xe1, 0xf5, 0xe0]);
    let mut head = [0; 2048];
    let mut length = 0;
    while length < head.len() {
        match file.read_at(&mut head[length..], length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path, &error)),
        }
    }
    let head = &head[..length];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_named = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let is_image = composefs::is_image(head) || head.get(EROFS.0..EROFS.0 + 4) == Some(&EROFS.1);
    let is_zstd = head.iter().zip(ZSTD).filter(|(found, wanted)| **found == *wanted).count() > 2;
    let is_tar = head.get(257..262) == Some(b"ustar") || head.starts_with(b"manifest.json\0") || is_zstd;
    Ok(match (is_image, is_tar) {
        (true, _) => Some(Form::Image),
        (_, true) => Some(Form::Tar),
        _ if composefs::is_dump(head) => Some(Form::Dump),
        _ if is_named(&[".cfs"]) => Some(Form::Image),
        _ if is_named(&[".tar", ".tar.zst"]) => Some(Form::Tar),
        _ if is_named(&[".dump"]) => Some(Form::Dump),
        _ => None,
    })
}

fn one(form: Form, module: Module) -> Artifact {
    Artifact { form, modules: vec![module], indexes: BTreeMap::new() }
}

/// What the image at `path` holds, however it is written.
///
/// # Errors
/// When it cannot be read or is damaged.
pub(crate) fn image(path: &Path) -> Result<Tree<Entry>, Error> {
    let bytes = host::open::read(path, archive::IMAGE_LIMIT).map_err(misplaced)?;
    composefs::read(&bytes).map_err(|error| refused(error, path))
}

fn tar(file: File, path: &Path) -> Result<Artifact, Error> {
    let (archive, archived) = check_archive(file, path)?;
    let name = checks::manifest(&archive.manifest, path)?;
    let module = Module::of(Some((name, archive.manifest)), archive.image_digest, archive.tree);
    Ok(one(Form::Tar, Module { archives: vec![archived], ..module }))
}

/// Reads a `module.tar` that is a file once, from its beginning to its end.
fn check_archive(file: File, path: &Path) -> Result<(Archive, Archived), Error> {
    let mut input = Hashing::new(file);
    let archive = archive::check(&mut input, path).map_err(|error| refused(error, path))?;
    let (digest, size) = input.finish().map_err(|error| Error::io("read", path, &error))?;
    let archived = archived(&archive, path, Blob { digest, size });
    Ok((archive, archived))
}

fn archived(archive: &Archive, path: &Path, blob: Blob) -> Archived {
    let Archive { is_compressed, epoch, .. } = *archive;
    Archived { path: path.to_owned(), is_compressed, epoch, blob }
}

impl Module {
    fn of(manifest: Option<(String, Vec<u8>)>, composefs: VerityDigest, tree: Tree<Entry>) -> Self {
        let (name, manifest) = manifest.unzip();
        Self {
            name,
            arch: None,
            manifest,
            requirements: None,
            composefs,
            tree,
            blobs: BTreeMap::new(),
            files: BTreeMap::new(),
            oci: None,
            archives: Vec::new(),
            others: None,
            dist: None,
        }
    }

    /// The module's contents, where an archive holds them; `scratch` is where a compressed one is unpacked to.
    ///
    /// # Errors
    /// When it cannot be read, or is not any more what it was.
    pub(crate) fn contents(&self, scratch: &Path) -> Result<Option<archive::Opened>, Error> {
        let Some(Archived { path, .. }) = self.archives.first() else { return Ok(None) };
        let file = host::open::file(path)?;
        let opened = archive::open(file, path, scratch).map_err(|error| match is_about(&error, scratch) {
            true => Error::from(error).hint(
                "a compressed archive is unpacked there: name a directory that can be written to by the variable TMPDIR",
            ),
            false => refused(error, path),
        })?;
        match opened.archive.image_digest == self.composefs {
            true => Ok(Some(opened)),
            false => Err(Error::outside(format!("{} was replaced while it was read", path.display()))
                .hint("let nothing write to it while it is read")),
        }
    }
}

/// Whether the system refused something at `place`, or below it.
fn is_about(error: &image::Error, place: &Path) -> bool {
    matches!(error, image::Error::Host(error) if error.path().starts_with(place))
}

/// An image or archive that cannot be read for what it is was damaged or forged, unless the system did not
/// give its bytes, or the memory for them.
fn refused(error: image::Error, path: &Path) -> Error {
    use image::Error as E;
    match &error {
        E::Host(_) | E::Image(composefs::ImageError::NoMemory { .. } | composefs::ImageError::Memory { .. }) => {
            error.into()
        }
        E::Image(_) => Error::refused(format!("{} holds no image as a build writes it", path.display()))
            .because(&error)
            .hint(REBUILD),
        E::ChangedMeanwhile { .. }
        | E::TooLarge { .. }
        | E::SourceChanged { .. }
        | E::MissingObject { .. }
        | E::Archive { .. }
        | E::Tree(_) => Error::refused(error.to_string()).hint(REBUILD),
    }
}

fn blob(bytes: &[u8]) -> Blob {
    Blob { digest: Digest::of(bytes), size: bytes.len() as u64 }
}

/// A list or other text that a build wrote; none when it is not there.
///
/// # Errors
/// When it cannot be read, is no regular file, or is larger than any that a build writes.
pub(crate) fn read_text(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    host::open::read_if_there(path, TEXT_LIMIT).map_err(misplaced)
}
