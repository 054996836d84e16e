//! Outputs of an earlier build that are what this one would write.
//!
//! The record beside them says what they were made from; when that is what this build has, and every
//! file still has its digest, writing them again would only cost time. Anything in doubt means that
//! the outputs are written.

use std::fs;
use std::path::Path;

use composer::tree::Kind;
use model::VerityDigest;
use oci::layout::{self, Written};

use crate::pipeline::outputs::{self, Outputs, Shipment};
use crate::pipeline::record::{self, Record, RootInput};
use crate::pipeline::request::Request;

/// The outputs in `request`'s directory, where they are exactly what `shipment` would become.
pub(crate) fn find(shipment: &Shipment<'_>, request: &Request) -> Option<Outputs> {
    let (inputs, stages) = &shipment.recorded;
    // The files of a given root file system count by size and time in the record, which is not enough.
    let paranoid = request.remembered.as_ref().is_some_and(|remembered| remembered.paranoid);
    if paranoid || request.objects.is_some() || matches!(inputs.rootfs, RootInput::Given { .. }) {
        return None;
    }
    let record = Record::read(&request.output.join(record::FILE)).ok()??;
    if record.inputs != *inputs || record.stages != *stages || !is_intact(&record, &request.output) {
        return None;
    }
    let text = |name: &str| fs::read_to_string(request.output.join(name)).ok();
    let composefs: VerityDigest = text("composefs.digest")?.trim().parse().ok()?;
    let oci = if request.emit_oci { Some(written(&request.output.join("oci"))?) } else { None };
    Some(Outputs {
        composefs,
        image_size: record.outputs.get("module.cfs")?.size,
        fingerprint: shipment.fingerprint.clone().digest_with(&composefs),
        files: text("file-list.txt")?.lines().count(),
        content_size: outputs::reachable_size(&shipment.tree),
        spared: shipment.tree.walk().filter(|(_, _, node)| matches!(node.kind, Kind::Regular(_))).count(),
        oci,
    })
}

fn is_intact(record: &Record, directory: &Path) -> bool {
    record.outputs.iter().all(|(name, output)| {
        layout::digest(&directory.join(name)).is_ok_and(|found| found == (output.sha256, output.size))
    })
}

/// The digests of the layout, every blob of which is hashed by the reader.
fn written(directory: &Path) -> Option<Written> {
    let layout = layout::read(directory).ok()?;
    let [index] = layout.indexes.as_slice() else { return None };
    let manifests = index.manifests.iter().map(|manifest| Some((manifest.arch?, manifest.digest)));
    Some(Written { index: index.digest, manifests: manifests.collect::<Option<_>>()? })
}
