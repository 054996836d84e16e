//! From the shipped tree to the files of `dist/`: image, digests, `module.tar`, lists, OCI layout.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use composer::hashing::{self, DigestCache};
use composer::scan::Source;
use host::{Dir, Links, Pinned};
use image::archive::{self, Parts, Plan, Spool};
use image::object::{ObjectSink, Objects};
use image::store::Store;
use image::tree::Tree;
use image::{composefs, verity};
use model::observe::{Observer, Task, Unit};
use model::package::Package;
use model::record::Owners;
use model::{Digest, Manifest, VerityDigest, requirements};
use oci::layout::{self, Artifact};

use crate::error::Error;
use crate::recipes::build::contents::Contents;
use crate::recipes::build::inputs;
use crate::recipes::build::origin::Origins;
use crate::recipes::build::places;
use crate::recipes::build::record;
use crate::recipes::build::remembered;
use crate::recipes::build::request::BuildRequest;
use crate::recipes::build::room;
use crate::recipes::build::sinks::Outputs;
use crate::recipes::build::sinks::{self, About};
use crate::recipes::build::staging::{self, Output, Staging};
use crate::recipes::results::file_lists;

/// Everything that the outputs are made from.
pub(crate) struct Shipment<'a> {
    /// The manifest.
    pub(crate) manifest: &'a Manifest,
    /// What ships.
    pub(crate) tree: Tree<Source>,
    /// The packages of the root file system.
    pub(crate) packages: Vec<Package>,
    /// What the overlay's files held when they were read for its digest.
    pub(crate) overlay: Contents,
    /// Every input.
    pub(crate) inputs: record::Inputs,
    /// What became of them on the way here.
    pub(crate) stages: record::Stages,
    /// What it asks of its node, where that is known.
    pub(crate) requirements: Option<Vec<u8>>,
    /// The accounts to which its files belong, as the build numbered them.
    pub(crate) owners: Owners,
    /// Where its files came from.
    pub(crate) origins: Origins<'a>,
}

/// What was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// The fs-verity digest of `module.cfs`.
    pub(crate) composefs: VerityDigest,
    /// The size of `module.cfs` in bytes.
    pub(crate) image_size: u64,
    /// The digest over every input.
    pub(crate) fingerprint: Digest,
    /// How many paths are listed.
    pub(crate) files: usize,
    /// The bytes of all shipped files, each inode once.
    pub(crate) content_size: u64,
    /// How many files were not read, since an earlier build had read them.
    pub(crate) cache_hits: usize,
    /// The OCI layout's digests, where one was asked for.
    pub(crate) oci: Option<layout::Written>,
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
    pub(crate) fn of(request: &BuildRequest) -> Result<Self, Error> {
        Self::new(request, &request.outputs.directory)
    }

    /// The same in `directory`.
    pub(crate) fn new(request: &BuildRequest, directory: &Path) -> Result<Self, Error> {
        inputs::check_directory(request.module.directory())?;
        places::check(request, directory)?;
        let objects = request.outputs.objects().map(staging::object_store).transpose()?;
        Ok(Self { output: Output::new(directory)?, objects })
    }

    /// The object store, where one is wanted.
    pub(crate) fn store(&self) -> Result<Option<Store>, Error> {
        let open = |path: &Pinned| Ok(Store::create(path.create()?)?);
        self.objects.as_ref().map(open).transpose()
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
    request: &BuildRequest,
    observer: &dyn Observer,
) -> Result<Written, Error> {
    room::check(&shipment.tree, &request.outputs, request.reuse.is_some())?;
    let name = shipment.manifest.name.clone();
    let staging = Staging::new(&destination.output)?;
    let store = destination.store()?;
    let mut module =
        write_module(shipment, staging.directory(), (store.as_ref(), &request.outputs), request, observer)?;
    if let Some(artifact) = module.artifact.take() {
        let _task = Task::start(observer, "write the OCI layout", None, Unit::Bytes);
        let layout = layout::write(staging.directory(), "oci", &request.outputs.artifact.tag, &[artifact])?;
        module.written.oci = Some(layout);
    }
    let record = module.write_record(staging.directory())?;
    request.module.settings.check_unchanged()?;
    staging.commit(record::FILE, (&name, request.module.directory()), observer)?;
    Ok(module.remember(record, request, observer))
}

/// A module whose files are written, but not yet its layout and its record.
pub(crate) struct Module {
    /// What was written.
    written: Written,
    /// What a layout takes of it, where one is wanted.
    pub(crate) artifact: Option<Artifact>,
    archives: archive::Written,
    inputs: record::Inputs,
    stages: record::Stages,
    owners: Owners,
    digests: Option<DigestCache>,
}

/// Writes the files of a module to `directory`, its objects to `store`, and what else `outputs` ask for.
pub(crate) fn write_module(
    shipment: Shipment<'_>,
    directory: &Arc<Dir>,
    (store, outputs): (Option<&Store>, &Outputs),
    request: &BuildRequest,
    observer: &dyn Observer,
) -> Result<Module, Error> {
    let digests = request.reuse.as_ref().and_then(|reuse| reuse.open(&request.outputs.directory, observer));
    // The objects are written once: into the store, or into a spool when no store is wanted.
    let spool = Spool::create(directory)?;
    let (sink, objects): (&dyn ObjectSink, &dyn Objects) = match store {
        Some(store) => (store, store),
        None => (&spool, &spool),
    };
    let content_size = reachable_size(&shipment.tree);
    let again = shipment.overlay.again(&shipment.tree);
    let hashed = hashing::hash_files(shipment.tree, &[sink], digests.as_ref(), observer)?;
    shipment.overlay.check(&again, &hashed)?;
    let image = composefs::write(&hashed)?;
    let composefs = verity::digest(&image);
    let (inputs, stages, owners) = (shipment.inputs, shipment.stages, shipment.owners);
    let about = About {
        arch: request.arch,
        allowed: &request.checks.allowed,
        manifest: shipment.manifest,
        epoch: inputs.epoch,
        fingerprint: inputs.fingerprint(&composefs),
    };

    let manifest = shipment.manifest.canonical_json();
    let listed = file_lists::listed(&hashed);
    let write = |name: &str, content: &[u8]| directory.write(name, content, 0o644);
    write("manifest.json", &manifest)?;
    write("module.cfs", &image)?;
    write("composefs.digest", archive::digest_file(&composefs).as_bytes())?;
    write("file-list.txt", &file_lists::files(&listed))?;
    let entries = file_lists::entries(&listed, |path, node| shipment.origins.tail(path, node));
    write("file-list.json", &entries.map_err(|error| Error::bug("a file cannot be listed").because(&error))?)?;
    write("package-list.txt", file_lists::packages(&shipment.packages).as_bytes())?;

    shipment.requirements.iter().try_for_each(|bytes| write(requirements::FILE, bytes))?;
    let parts = Parts { manifest: &manifest, image: &image, image_digest: &composefs };
    let plan = Plan::new(&parts, &hashed, objects, inputs.epoch);
    let task = Task::start(observer, "write archives", None, Unit::Bytes);
    let archives = while_syncing(store, || outputs.write_archives(&plan, directory))?;
    spool.check_sources()?;
    drop(task);
    let files = (&archives, &parts, shipment.requirements);
    let artifact = outputs.has_layout().then(|| sinks::artifact(outputs, directory, files, &about));
    let written = Written {
        composefs,
        image_size: image.len() as u64,
        fingerprint: about.fingerprint,
        files: listed.len(),
        content_size,
        cache_hits: digests.as_ref().map_or(0, DigestCache::hits),
        oci: None,
    };
    Ok(Module { written, artifact, archives, inputs, stages, owners, digests })
}

impl Module {
    /// Records the build in `directory`, last: what was written by then is part of the record. Gives the record's sha256.
    pub(crate) fn write_record(&self, directory: &Dir) -> Result<Digest, Error> {
        let mut outputs = BTreeMap::new();
        for name in record::OUTPUTS {
            if directory.kind(name)?.is_some() {
                let tar = self.archives.tar;
                let known = (name == "module.tar").then_some((tar.sha256, tar.size));
                let (sha256, size) = known.map_or_else(|| digest(directory, name), Ok)?;
                outputs.insert(name.to_owned(), record::Output { sha256, size });
            }
        }
        let record = record::to_json(self.inputs.clone(), self.stages.clone(), outputs, self.owners.clone())?;
        directory.write(record::FILE, &record, 0o644)?;
        Ok(Digest::of(&record))
    }

    /// Remembers what is in place now, for the next build.
    pub(crate) fn remember(self, record: Digest, request: &BuildRequest, observer: &dyn Observer) -> Written {
        if let Some(reuse) = &request.reuse {
            reuse.know(&request.outputs.directory, &record, observer);
        }
        remembered::save(self.digests, observer);
        self.written
    }
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

/// The sha256 and the size of a file that was written.
pub(crate) fn digest(directory: &Dir, name: &str) -> Result<(Digest, u64), Error> {
    let file = directory.file(name, Links::Refuse)?;
    host::hash::sha256(file).map_err(|error| Error::io("read", &directory.join(name), &error))
}

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
