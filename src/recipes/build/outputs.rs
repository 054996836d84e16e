//! From the shipped tree to the files of `dist/`: image, digests, `module.tar`, lists, OCI layout.

use std::collections::BTreeMap;
use std::sync::Arc;

use composer::scan::Source;
use composer::seal::{self, DigestCache};
use host::{Links, Pinned};
use image::archive::{self, Parts, Place, Plan, Spool, Targets};
use image::object::{ObjectSink, Objects};
use image::store::Store;
use image::tree::Tree;
use image::{composefs, verity};
use model::manifest::Kind;
use model::observe::{Observer, Task, Unit};
use model::package::Package;
use model::{Digest, Epoch, Manifest, VerityDigest};
use oci::layout::{self, Artifact, Blob, Content, Written};
use oci::media;

use crate::error::Error;
use crate::recipes::build::contents::Contents;
use crate::recipes::build::inputs;
use crate::recipes::build::places;
use crate::recipes::build::record::{self, Record};
use crate::recipes::build::remembered;
use crate::recipes::build::request::{Compression, Request};
use crate::recipes::build::staging::{Output, Staging};
use crate::recipes::results::lists;

/// Everything that the outputs are made from.
pub(crate) struct Shipment<'a> {
    /// The manifest.
    pub(crate) manifest: &'a Manifest,
    /// What ships.
    pub(crate) tree: Tree<Source>,
    /// The packages of the root file system.
    pub(crate) packages: &'a [Package],
    /// What the overlay's files held when they were read for its digest.
    pub(crate) overlay: Contents,
    /// Every input.
    pub(crate) inputs: record::Inputs,
    /// What became of them on the way here.
    pub(crate) stages: record::Stages,
}

/// What was written.
#[derive(Debug)]
pub(crate) struct Outputs {
    /// The fs-verity digest of `module.cfs`.
    pub(crate) composefs: VerityDigest,
    /// The size of `module.cfs` in bytes.
    pub(crate) image_size: u64,
    /// The digest over every input.
    pub(crate) fingerprint: Digest,
    /// How many paths `file-list.txt` holds.
    pub(crate) files: usize,
    /// The bytes of all shipped files, each inode once.
    pub(crate) content_size: u64,
    /// How many files were not read, since an earlier build had read them.
    pub(crate) spared: usize,
    /// The OCI layout's digests, where one was asked for.
    pub(crate) oci: Option<Written>,
}

/// Where a build writes. What the paths of the request lead to is decided when this value is made.
#[derive(Debug)]
pub(crate) struct Destination {
    /// The output directory.
    pub(crate) output: Output,
    /// The object store, where one is wanted.
    objects: Option<Pinned>,
}

impl Destination {
    /// Finds where the build of `request` writes, and checks that it may. Writes nothing.
    ///
    /// # Errors
    /// When it may not.
    pub(crate) fn of(request: &Request) -> Result<Self, Error> {
        inputs::check_directory(&request.module)?;
        places::check(request)?;
        let objects = request.objects.as_deref().map(Pinned::new).transpose()?;
        Ok(Self { output: Output::new(&request.output)?, objects })
    }
}

impl From<Output> for Destination {
    fn from(output: Output) -> Self {
        Self { output, objects: None }
    }
}

/// Writes every output that `request` asks for to `destination`; all of them appear together.
pub(crate) fn write(
    shipment: Shipment<'_>,
    destination: &Destination,
    request: &Request,
    observer: &dyn Observer,
) -> Result<Outputs, Error> {
    let staging = Staging::new(&destination.output)?;
    let digests = request.remembered.as_ref().and_then(|remembered| remembered.open(&request.output, observer));
    // The objects are written once: into the store, or into a spool when no store is wanted.
    let spool = Spool::create(staging.directory())?;
    let store = destination.objects.as_ref().map(open_store).transpose()?;
    let (sink, objects): (&dyn ObjectSink, &dyn Objects) = match &store {
        Some(store) => (store, store),
        None => (&spool, &spool),
    };

    let content_size = reachable_size(&shipment.tree);
    let again = shipment.overlay.again(&shipment.tree);
    let sealed = seal::seal(shipment.tree, &[sink], digests.as_ref(), observer)?;
    shipment.overlay.check(&again, &sealed)?;
    let image = composefs::write(&sealed)?;
    let composefs = verity::digest(&image);
    let fingerprint = shipment.inputs.fingerprint(&composefs);

    let manifest = shipment.manifest.canonical_json();
    let files = lists::files(&sealed);
    staging.write("manifest.json", &manifest)?;
    staging.write("module.cfs", &image)?;
    staging.write("composefs.digest", archive::digest_file(&composefs).as_bytes())?;
    staging.write("file-list.txt", files.as_bytes())?;
    staging.write("package-list.txt", lists::packages(shipment.packages).as_bytes())?;

    let parts = Parts { manifest: &manifest, image: &image, image_digest: &composefs };
    let plan = Plan::new(&parts, &sealed, objects, shipment.inputs.epoch);
    let task = Task::start(observer, "write archives", None, Unit::Bytes);
    let archives = while_syncing(store.as_ref(), || write_archives(&plan, &staging, request))?;
    spool.check_sources()?;
    drop(task);
    let oci = request.emit_oci.then(|| {
        let _task = Task::start(observer, "write the OCI layout", None, Unit::Bytes);
        let annotations = annotations(shipment.manifest, request, &composefs, shipment.inputs.epoch, fingerprint);
        write_layout(&staging, &archives, request, &parts, annotations)
    });
    let oci = oci.transpose()?;
    let record = write_record(&staging, &archives, shipment.inputs, shipment.stages)?;
    staging.commit(record::FILE, observer)?;
    if let Some(remembered) = &request.remembered {
        remembered.know(&request.output, &record, observer);
    }
    let spared = digests.as_ref().map_or(0, DigestCache::spared);
    remembered::save(digests, observer);
    let (image_size, files) = (image.len() as u64, files.lines().count());
    Ok(Outputs { composefs, image_size, fingerprint, files, content_size, spared, oci })
}

fn open_store(path: &Pinned) -> Result<Store, Error> {
    Ok(Store::create(path.create()?)?)
}

/// Does `work` while the store's objects are made durable: what waits for the disk and what computes do
/// not hinder each other.
fn while_syncing<T>(store: Option<&Store>, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let synced = store.map(|store| scope.spawn(|| store.sync()));
        let done = work()?;
        if let Some(synced) = synced {
            synced.join().map_err(|_| Error::bug("the thread that waits for the disk panicked"))??;
        }
        Ok(done)
    })
}

/// Records the build, last: what was written by then is part of the record. Gives the record's sha256.
fn write_record(
    staging: &Staging<'_>,
    archives: &archive::Written,
    inputs: record::Inputs,
    stages: record::Stages,
) -> Result<Digest, Error> {
    let mut outputs = BTreeMap::new();
    for name in record::OUTPUTS {
        if staging.directory().kind(name)?.is_some() {
            let known = (name == MODULE_TAR).then_some((archives.tar.sha256, archives.tar.size));
            let (sha256, size) = known.map_or_else(|| digest(staging, name), Ok)?;
            outputs.insert(name.to_owned(), record::Output { sha256, size });
        }
    }
    let record = Record::new(inputs, stages, outputs).to_json()?;
    staging.write(record::FILE, &record)?;
    Ok(Digest::of(&record))
}

fn digest(staging: &Staging<'_>, name: &str) -> Result<(Digest, u64), Error> {
    let file = staging.directory().file(name, Links::Refuse)?;
    host::hash::sha256(file).map_err(|error| Error::io("read", &staging.directory().join(name), &error))
}

const MODULE_TAR: &str = "module.tar";
const LAYER: &str = ".layer";

/// The bytes of the files that names lead to, each inode once.
pub(crate) fn reachable_size(tree: &Tree<Source>) -> u64 {
    let counts = tree.link_counts();
    let mut seen = vec![false; counts.len()];
    let mut size = 0;
    for (_, id, node) in tree.walk() {
        if let image::tree::Kind::Regular(source) = &node.kind
            && !std::mem::replace(&mut seen[id.index()], true)
        {
            size = source.size().saturating_add(size);
        }
    }
    size
}

/// Writes `module.tar`, and the layer where it is not that file.
fn write_archives(plan: &Plan<'_>, staging: &Staging<'_>, request: &Request) -> Result<archive::Written, Error> {
    let place = |name| Place { directory: staging.directory(), name };
    let packed = request.emit_oci && matches!(request.compression, Compression::Zstd);
    let plain = match (request.emit_tar, request.emit_oci && !packed) {
        (true, _) => Some(place(MODULE_TAR)),
        (false, true) => Some(place(LAYER)),
        (false, false) => None,
    };
    let packed = packed.then_some((place(LAYER), archive::LEVEL));
    Ok(archive::write(plan, Targets { tar: plain, packed })?)
}

fn write_layout(
    staging: &Staging<'_>,
    archives: &archive::Written,
    request: &Request,
    parts: &Parts<'_>,
    annotations: BTreeMap<String, String>,
) -> Result<Written, Error> {
    let blob = |media_type: &str, title: &str, content| Blob {
        media_type: media_type.to_owned(),
        title: Some(title.to_owned()),
        content,
    };
    let file = |name: &str, archive::Blob { sha256, size }| Content::File {
        directory: Arc::clone(staging.directory()),
        name: name.to_owned(),
        digest: sha256,
        size,
        is_moved: name == LAYER,
    };
    let tar = match (archives.packed, request.emit_tar) {
        (Some(packed), _) => blob(media::TAR_ZSTD, "module.tar.zst", file(LAYER, packed)),
        (None, true) => blob(media::TAR, MODULE_TAR, file(MODULE_TAR, archives.tar)),
        (None, false) => blob(media::TAR, MODULE_TAR, file(LAYER, archives.tar)),
    };
    let image = archive::Blob { sha256: Digest::of(parts.image), size: parts.image.len() as u64 };
    let artifact = Artifact {
        kind: Kind::Module,
        arch: request.arch,
        config: blob(media::CONFIG, "manifest.json", Content::Bytes(parts.manifest.to_vec())),
        layers: vec![tar, blob(media::COMPOSEFS, "module.cfs", file("module.cfs", image))],
        annotations,
    };
    Ok(layout::write(staging.directory(), "oci", &request.tag, &[artifact])?)
}

fn annotations(
    manifest: &Manifest,
    request: &Request,
    composefs: &VerityDigest,
    epoch: Epoch,
    fingerprint: Digest,
) -> BTreeMap<String, String> {
    use media::annotation as name;
    let about = manifest.metadata();
    let entries = [
        (name::FSVERITY, Some(composefs.hex())),
        (name::FINGERPRINT, Some(fingerprint.to_string())),
        (name::MODULE_ID, request.module_id.clone()),
        (name::BUILT_AT, Some(epoch.rfc3339())),
        (name::ALLOWED_LINTS, Some(request.allowed_lints()).filter(|lints| !lints.is_empty())),
        (name::CREATED, Some(epoch.rfc3339())),
        (name::TITLE, Some(about.title.to_owned())),
        (name::DESCRIPTION, about.description.map(str::to_owned)),
        (name::LICENSES, about.license.map(str::to_owned)),
    ];
    entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
