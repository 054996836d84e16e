//! Outputs of an earlier build that are what this one would write.
//!
//! The record beside them says what they were made from, but it vouches for nothing: it came with them. It is
//! trusted if this user's cache knows its sha256, which a build notes when its results are in place
//! ([`DigestCacheHandle`](crate::recipes::build::remembered::DigestCacheHandle)). Then what it says must be what this build has,
//! every output that is asked for must be there with its digest, and nothing else. Anything in doubt means
//! that the outputs are written.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use host::{Dir, Links};
use image::tree::Kind;
use model::observe::Observer;
use model::{Digest, VerityDigest};
use oci::layout::{self, Listed};

use crate::recipes::build::outputs::{self, Shipment, Written};
use crate::recipes::build::record::{self, BuildRecord, RootInput};
use crate::recipes::build::request::BuildRequest;
use crate::recipes::results::file_lists;

/// The outputs in `request`'s directory, where they are exactly what `shipment` would become.
pub(crate) fn find(shipment: &Shipment<'_>, request: &BuildRequest, observer: &dyn Observer) -> Option<Written> {
    let Shipment { inputs, stages, .. } = shipment;
    // The files of a given root file system count by size and time in the record, which is not enough.
    let bypass_cache = request.packages().is_none_or(|packages| packages.no_cache);
    if bypass_cache || request.outputs.objects().is_some() || matches!(inputs.rootfs, RootInput::Given { .. }) {
        return None;
    }
    let remembered = request.reuse.as_ref().filter(|remembered| !remembered.paranoid)?;
    let dist = Dir::open(&request.outputs.directory).ok()?;
    let bytes = dist.read(record::FILE, Links::Refuse, record::LIMIT).ok()?;
    if !remembered.knows(&request.outputs.directory, &Digest::of(&bytes), observer) {
        return None;
    }
    let record = record::parse(&bytes, &request.outputs.directory.join(record::FILE)).ok()?;
    if record.inputs != *inputs || record.stages != *stages || !is_whole(&record, &dist, (shipment, request))? {
        return None;
    }
    let text = |name: &str| String::from_utf8(intact(&record, &dist, name)?).ok();
    let composefs: VerityDigest = text("composefs.digest")?.trim().parse().ok()?;
    let oci =
        if request.outputs.has_layout() { Some(layout_of(&request.outputs.directory.join("oci"))?) } else { None };
    Some(Written {
        composefs,
        image_size: record.outputs.get("module.cfs")?.size,
        fingerprint: inputs.fingerprint(&composefs),
        files: file_lists::listed(&shipment.tree).len(),
        content_size: outputs::reachable_size(&shipment.tree),
        cache_hits: shipment.tree.walk().filter(|(_, _, node)| matches!(node.kind, Kind::Regular(_))).count(),
        oci,
    })
}

/// The largest list that is read whole.
const TEXT_LIMIT: u64 = 1 << 30;

/// Whether the directory holds every output that is asked for, each with its digest, and nothing else; none
/// where it cannot be read. The one that is read whole is checked when it is.
fn is_whole(record: &BuildRecord, dist: &Dir, (shipment, request): (&Shipment<'_>, &BuildRequest)) -> Option<bool> {
    let is_wanted = |name: &str| match name {
        "module.tar" => request.outputs.has_tar(),
        model::requirements::FILE => shipment.requirements.is_some(),
        name => request.outputs.has_layout() || !name.starts_with("oci/"),
    };
    let wanted: Vec<&str> = record::OUTPUTS.into_iter().filter(|name| is_wanted(name)).collect();
    if !record.outputs.keys().eq(wanted.iter()) {
        return Some(false);
    }
    let top = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = wanted.iter().map(|name| top(name)).chain([record::FILE.to_owned()]).collect();
    let found = dist.names().ok()?;
    if !found.iter().map(|name| name.to_string_lossy()).eq(names.iter().map(String::as_str)) {
        return Some(false);
    }
    let has_digest = |(name, output): (&String, &record::Output)| {
        let file = dist.file(name, Links::Refuse).ok()?;
        let (sha256, size) = host::hash::sha256(file).ok()?;
        Some((sha256, size) == (output.sha256, output.size))
    };
    let large = record.outputs.iter().filter(|(name, _)| !TEXTS.contains(&name.as_str()));
    Some(large.map(has_digest).all(|has| has == Some(true)))
}

/// The outputs whose text is needed.
const TEXTS: [&str; 1] = ["composefs.digest"];

/// The content of an output, if it has its digest.
fn intact(record: &BuildRecord, dist: &Dir, name: &str) -> Option<Vec<u8>> {
    let output = record.outputs.get(name)?;
    let bytes = dist.read(name, Links::Refuse, output.size.min(TEXT_LIMIT)).ok()?;
    (Digest::of(&bytes) == output.sha256).then_some(bytes)
}

/// The digests of the layout, every blob of which is hashed by the reader; none where there is something that
/// the layout does not list.
pub(crate) fn layout_of(directory: &Path) -> Option<layout::Written> {
    let layout = layout::read(directory).ok()?;
    let [index] = layout.indexes.as_slice() else { return None };
    let blobs = index.manifests.iter().flat_map(|listed| listed.blobs().chain([&listed.descriptor]));
    let blobs: BTreeSet<OsString> = blobs
        .chain([&index.descriptor])
        .map(|descriptor| descriptor.digest)
        .map(|digest| digest.hex().into())
        .collect();
    let oci = Dir::open(directory).ok()?;
    if oci.names().ok()? != ["blobs", "index.json", "oci-layout"]
        || oci.directory("blobs", Links::Refuse).ok()?.names().ok()? != ["sha256"]
        || !oci.directory("blobs/sha256", Links::Refuse).ok()?.names().ok()?.into_iter().eq(blobs)
    {
        return None;
    }
    let manifests =
        index.manifests.iter().map(|Listed { descriptor, .. }| Some((descriptor.arch()?, descriptor.digest)));
    Some(layout::Written { index: index.descriptor.digest, manifests: manifests.collect::<Option<_>>()? })
}
