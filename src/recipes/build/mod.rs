//! The recipe of `build`: from a module's repository to its artifact.

pub(crate) mod accounts;
mod attributes;
mod authored;
pub(crate) mod closure;
pub(crate) mod contents;
pub(crate) mod downloads;
pub(crate) mod dry_run;
pub(crate) mod empty;
pub(crate) mod files;
pub(crate) mod generators;
pub(crate) mod inputs;
mod known;
pub(crate) mod lints;
pub(crate) mod lower;
mod machine;
mod makeable;
pub(crate) mod named_units;
pub(crate) mod node_links;
pub(crate) mod obtained;
mod open_needs;
pub(crate) mod origin;
pub(crate) mod outputs;
pub(crate) mod overlay;
pub(crate) mod own_accounts;
pub(crate) mod places;
mod ports;
pub(crate) mod protected;
pub(crate) mod record;
pub(crate) mod remedy;
pub(crate) mod remembered;
pub(crate) mod request;
pub(crate) mod requirements;
mod room;
pub(crate) mod root;
pub(crate) mod secrets;
pub(crate) mod select;
pub(crate) mod selection;
pub(crate) mod several;
pub(crate) mod shared_numbers;
pub(crate) mod shipped_by;
pub(crate) mod sinks;
mod special;
mod stacked;
pub(crate) mod staging;
pub(crate) mod suggest;
pub(crate) mod unchanged;
pub(crate) mod unresolved;
pub(crate) mod untaken;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use builder::scrub::Scrubbed;
use model::closure::Accounts;
use model::observe::Observer;
use model::path::json::keys;
use model::{Arch, Digest, Epoch, VerityDigest};
use serde::Serialize;

use crate::error::{Error, Findings, Reported};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::known::Known;
use crate::recipes::build::origin::Origins;
use crate::recipes::build::outputs::{Destination, Shipment, Written};
use crate::recipes::build::overlay::OverlayRead;
use crate::recipes::build::record::{RootInput, Stages};
use crate::recipes::build::request::BuildRequest;
use crate::recipes::build::select::Selected;
use crate::recipes::build::selection::Seen;
use crate::recipes::results::counts::Counts;
use crate::settings::ModuleSettings;

use crate::recipes::build::root::{Root, RootSummary};

/// What a build made. Its JSON is the result of `build --format json`.
#[derive(Debug, Serialize)]
pub(crate) struct Produced {
    /// The module's name.
    pub(crate) name: String,
    /// The architecture.
    pub(crate) arch: Arch,
    /// The directory with the results.
    #[serde(flatten, serialize_with = "keys::output")]
    pub(crate) output: PathBuf,
    /// The fs-verity digest of `module.cfs`.
    pub(crate) composefs_digest: VerityDigest,
    /// The digest over every input.
    pub(crate) fingerprint: Digest,
    /// The one time of the build, in seconds since 1970.
    pub(crate) epoch: Epoch,
    /// How many paths `file-list.txt` holds.
    pub(crate) files: usize,
    /// How many files, links and directories are shipped.
    #[serde(skip)]
    pub(crate) counts: Counts,
    /// The bytes of the shipped files.
    pub(crate) content_size: u64,
    /// How many of the files were not read, since an earlier build had read them.
    pub(crate) files_not_read: usize,
    /// The size of `module.cfs` in bytes.
    pub(crate) image_size: u64,
    /// How many packages the root file system has.
    pub(crate) packages: usize,
    /// The root file system.
    pub(crate) rootfs: RootSummary,
    /// What was not shipped as it was, by rule.
    pub(crate) scrubbed: Vec<Scrubbed>,
    /// The OCI layout, where one was written.
    pub(crate) oci: Option<OciSummary>,
}

/// The digests of an OCI layout.
#[derive(Debug, Serialize)]
pub(crate) struct OciSummary {
    /// The layout.
    #[serde(flatten, serialize_with = "keys::layout")]
    pub(crate) layout: PathBuf,
    /// The digest of the image index.
    pub(crate) index_digest: Digest,
    /// The digest of each architecture's image manifest.
    pub(crate) manifests: BTreeMap<Arch, Digest>,
}

/// Builds what `request` asks for.
pub(crate) fn produce(request: &BuildRequest, observer: &dyn Observer) -> Result<Reported<Produced>, Error> {
    Reported::collect(|found| {
        let destination = Destination::of(request)?;
        let inputs = inputs::read_for_build(&request.module, &request.checks, found)?;
        found.diagnostics.extend(makeable::note(request, &inputs, observer));
        produce_from(&inputs, &destination, request, found, observer)
    })
}

/// The same from manifests that were read already. Findings go to `found`.
pub(crate) fn produce_from(
    inputs: &Inputs,
    destination: &Destination,
    request: &BuildRequest,
    found: &mut Findings,
    observer: &dyn Observer,
) -> Result<Produced, Error> {
    destination.output.check_module(&inputs.manifest.name, request.module.directory())?;
    destination.output.check_results(&[request.arch], &request.outputs)?;
    let Prepared { shipment, made } = prepare(inputs, request, found, observer)?;
    let written = match unchanged::find(&shipment, request, observer) {
        Some(written) => {
            observer.note(UNCHANGED);
            written
        }
        None => outputs::write(shipment, destination, request, observer)?,
    };
    made.produced(inputs, request, written, observer)
}

const UNCHANGED: &str = "nothing changed: the results are what this build would write";

/// What a build is about to write, with what its result says besides.
struct Prepared<'a> {
    shipment: Shipment<'a>,
    made: Made,
}

/// What is known of a build before it writes.
struct Made {
    root: Root,
    epoch: Epoch,
    scrubbed: Vec<Scrubbed>,
    packages: usize,
    counts: Counts,
    /// Numbers of accounts that no table has.
    proposed: Accounts,
}

/// Does everything but writing. Findings go to `found`.
fn prepare<'a>(
    inputs: &'a Inputs,
    request: &BuildRequest,
    found: &mut Findings,
    observer: &dyn Observer,
) -> Result<Prepared<'a>, Error> {
    let (files, root) = obtained::obtain(request, inputs, observer)?;

    let selected = select::root(request, inputs, (&root, &files), observer)?;
    // A build whose results may be there already is not refused for want of room.
    let is_first = !request.outputs.directory.join(record::FILE).exists();
    if is_first {
        // Before the whole, whose files can be left out by other means.
        selected.overlay.files().map_or(Ok(()), room::overlay)?;
        room::check(&selected.selection.tree, &request.outputs, request.reuse.is_some())?;
    }
    let lints::Found { diagnostics: lints, needs } = lints_of(inputs, &selected, &root)?;
    let owners = accounts::owners(&selected)?;
    let neighbours: Vec<&ModuleSettings> = inputs.neighbours.iter().map(|neighbour| &neighbour.settings).collect();
    let proposed = selected.closed.as_ref().map(|closed| closed.assigned.proposed.clone()).unwrap_or_default();
    shared_numbers::check_build((&owners, &proposed), &neighbours, &inputs.file)?;
    stacked::check(inputs, &selected, &neighbours, request.arch)?;
    selection::report(inputs, (&selected, Seen::All), lints, &request.checks, found)?;
    require_numbers(request, inputs, &selected)?;

    let requirements = requirements::of(&selected, &root, inputs, request, needs)?;
    let Selected { epoch, ownership, scrubbed, overlay, laid, files, fed, filter, selection, stages, closed, .. } =
        selected;
    let overlay = OverlayRead::of(&overlay, epoch, observer)?;
    let inputs_of_files = files.iter().map(|file| file.input.clone()).collect();
    let known = record::Known {
        overlay: overlay.digest,
        files: inputs_of_files,
        closure: closed.as_ref().map(|closed| closed.input(inputs)),
        epoch,
        rootfs: root_input(&root, &stages),
    };
    let packages = ownership.packages();
    let counts = Counts::of(&selection.tree);
    let made = Made { root, epoch, scrubbed, packages: packages.len(), counts, proposed };
    let shipment = Shipment {
        manifest: &inputs.manifest,
        tree: selection.tree,
        packages,
        overlay: overlay.contents,
        inputs: record::inputs(request, inputs, known)?,
        stages,
        requirements,
        owners,
        origins: Origins { ownership, laid, files, fed, filter, rules: &inputs.rules, closed },
    };
    Ok(Prepared { shipment, made })
}

/// Everything that the author should know of what ships, but for what the rules did.
fn lints_of(inputs: &Inputs, selected: &Selected, root: &Root) -> Result<lints::Found, Error> {
    let mut found = lints::find(inputs, selected, Known::Contents)?;
    if root.made.is_none() {
        found.diagnostics.extend(special::find(inputs, selected));
    }
    if selected.closed.is_some() && root.is_unpacked() {
        found.diagnostics.push(closure::scripts_not_run(inputs));
    }
    Ok(found)
}

/// Checks that no number of an account is new where the lock may not change.
fn require_numbers(request: &BuildRequest, inputs: &Inputs, selected: &Selected) -> Result<(), Error> {
    let proposed = selected.closed.as_ref().map(|closed| &closed.assigned.proposed);
    match proposed.filter(|_| request.packages().is_some_and(|packages| packages.locked)) {
        Some(proposed) => closure::numbers::require_locked(proposed, inputs),
        None => Ok(()),
    }
}

/// What the record says of the root file system.
fn root_input(root: &Root, stages: &Stages) -> RootInput {
    let Some(made) = &root.made else {
        return RootInput::Given { listing: stages.rootfs };
    };
    RootInput::Packages(Box::new(record::Packages {
        key: made.key,
        tools: made.record.inputs.tools.clone(),
        components: made.components.clone(),
        resolution: made.resolution.clone(),
    }))
}

impl Made {
    /// The result of a build, when it is written: the lock gets the numbers that it gave to accounts.
    fn produced(
        self,
        inputs: &Inputs,
        request: &BuildRequest,
        written: Written,
        observer: &dyn Observer,
    ) -> Result<Produced, Error> {
        closure::numbers::remember(request.module.directory(), &self.proposed, observer)?;
        Ok(Produced {
            name: inputs.manifest.name.clone(),
            arch: request.arch,
            output: request.outputs.directory.clone(),
            composefs_digest: written.composefs,
            fingerprint: written.fingerprint,
            epoch: self.epoch,
            files: written.files,
            counts: self.counts,
            content_size: written.content_size,
            files_not_read: written.cache_hits,
            image_size: written.image_size,
            packages: self.packages,
            rootfs: self.root.summary(),
            scrubbed: self.scrubbed,
            oci: written.oci.map(|layout| OciSummary::of(&request.outputs.directory, layout)),
        })
    }
}

impl OciSummary {
    fn of(output: &Path, written: oci::layout::Written) -> Self {
        Self { layout: output.join("oci"), index_digest: written.index, manifests: written.manifests }
    }
}
