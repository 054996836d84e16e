//! One build for several architectures: each becomes what a build for it alone becomes, in a directory of its own below the
//! output, and one layout holds them all (decision 28).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use host::{Dir, Links, staged};
use model::observe::{Event, Observer, Task, TaskId, Unit};
use model::path::json::keys;
use model::{Arch, Digest};
use oci::layout;
use serde::Serialize;

use crate::error::{Error, Findings, Reported};
use crate::recipes::build::inputs::{Inputs, read_for_build};
use crate::recipes::build::makeable;
use crate::recipes::build::outputs::{self, Destination, Shipment, Written};
use crate::recipes::build::record::{self, Output, Several};
use crate::recipes::build::request::{BuildRequest, Checks};
use crate::recipes::build::sinks::Outputs;
use crate::recipes::build::staging::Staging;
use crate::recipes::build::{Made, OciSummary, Prepared, Produced, UNCHANGED, prepare, selection, unchanged};

/// What a build for several architectures was asked to do.
#[derive(Debug)]
pub(crate) struct SeveralRequest {
    /// What is written for all together.
    pub(crate) outputs: Outputs,
    /// A build for each architecture, into its own directory and without a layout of its own. None is strict by itself:
    /// what is found for the others would not be said.
    pub(crate) each: Vec<BuildRequest>,
    /// What the user makes of findings.
    pub(crate) checks: Checks,
}

/// What was made. Its JSON is the result of `build --format json` for several architectures.
#[derive(Debug, Serialize)]
pub(crate) struct ProducedSeveral {
    /// The module's name.
    pub(crate) name: String,
    /// The directory with the results.
    #[serde(flatten, serialize_with = "keys::output")]
    pub(crate) output: PathBuf,
    /// What was made for each.
    pub(crate) architectures: Vec<Produced>,
    /// The OCI layout, where one was written.
    pub(crate) oci: Option<OciSummary>,
}

impl SeveralRequest {
    /// The same builds, each into its own directory below the output that all of them name.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn of(mut each: Vec<BuildRequest>) -> Result<Self, Error> {
        let first = each.first().ok_or_else(|| Error::bug("a build for no architecture"))?;
        let (whole, checks) = (first.outputs.clone(), first.checks.clone());
        for request in &mut each {
            request.checks.strict = false;
            request.outputs.directory = whole.directory.join(request.arch.debian());
            request.outputs.sinks.retain(|sink| !sink.is_common());
        }
        Ok(Self { outputs: whole, each, checks })
    }

    /// Any of the builds, for what is the same in all.
    pub(crate) fn any(&self) -> Result<&BuildRequest, Error> {
        self.each.first().ok_or_else(|| Error::bug("a build for no architecture"))
    }
}

/// Builds what `request` asks for. All of it appears together, or nothing does.
pub(crate) fn produce(request: &SeveralRequest, observer: &dyn Observer) -> Result<Reported<ProducedSeveral>, Error> {
    let once = Once::new(observer);
    let observer: &dyn Observer = &once;
    Reported::collect(|found| {
        let any = request.any()?;
        let destination = Destination::new(any, &request.outputs.directory)?;
        let inputs = read_for_build(&any.module, &request.checks, found)?;
        destination.output.check_module(&inputs.manifest.name, any.module.directory())?;
        let archs: Vec<Arch> = request.each.iter().map(|request| request.arch).collect();
        destination.output.check_results(&archs, &request.outputs)?;
        found.diagnostics.extend(makeable::note(any, &inputs, observer));
        let (shipments, made) = prepare_each(&inputs, request, found, observer)?;
        let (written, layout) = match unchanged(&shipments, request, observer) {
            Some(unchanged) => {
                observer.note(UNCHANGED);
                unchanged
            }
            None => write(shipments, &inputs, &destination, request, observer)?,
        };
        let each = request.each.iter().zip(made).zip(written);
        Ok(ProducedSeveral {
            name: inputs.manifest.name.clone(),
            output: request.outputs.directory.clone(),
            architectures: each
                .map(|((request, made), written)| made.produced(&inputs, request, written, observer))
                .collect::<Result<_, Error>>()?,
            oci: layout.map(|layout| OciSummary::of(&request.outputs.directory, layout)),
        })
    })
}

/// Passes on what an observer is told, and each note and warning once: most are the same for every architecture.
struct Once<'a> {
    observer: &'a dyn Observer,
    said: Mutex<BTreeSet<(String, String)>>,
}

impl<'a> Once<'a> {
    fn new(observer: &'a dyn Observer) -> Self {
        Self { observer, said: Mutex::default() }
    }
}

impl Observer for Once<'_> {
    fn event(&self, event: Event) {
        let said = match &event {
            Event::Note { text, .. } => Some((text.clone(), String::new())),
            Event::Warning { message, hint, .. } => Some((message.clone(), hint.clone())),
            Event::Begin { .. }
            | Event::Progress { .. }
            | Event::Total { .. }
            | Event::Item { .. }
            | Event::Done { .. } => None,
        };
        let is_new = |said| self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(said);
        if said.is_none_or(is_new) {
            self.observer.event(event);
        }
    }

    fn number(&self) -> TaskId {
        self.observer.number()
    }
}

/// Does everything but writing, for each architecture; what is found in several of them goes to `found` once.
fn prepare_each<'a>(
    inputs: &'a Inputs,
    request: &SeveralRequest,
    found: &mut Findings,
    observer: &dyn Observer,
) -> Result<(Vec<Shipment<'a>>, Vec<Made>), Error> {
    let (mut prepared, mut findings) = (Vec::new(), Vec::new());
    for request in &request.each {
        let mut own = Findings::default();
        match prepare(inputs, request, &mut own, observer) {
            Ok(one) => prepared.push(one),
            Err(error) => return Err(failed(error, (request.arch, own), findings, found)),
        }
        findings.push((request.arch, own));
    }
    merge_checked(findings, request, found)?;
    Ok(prepared.into_iter().map(|Prepared { shipment, made }| (shipment, made)).unzip())
}

/// The error that ended the work for one architecture; what was found for it and for those before goes to `found`.
pub(crate) fn failed(
    mut error: Error,
    (arch, mut own): (Arch, Findings),
    mut before: Vec<(Arch, Findings)>,
    found: &mut Findings,
) -> Error {
    own.extend(std::mem::take(&mut error.findings));
    before.push((arch, own));
    merge(before, found);
    error.about(arch)
}

/// As [`merge`], once all is known.
///
/// # Errors
/// When there is a warning for any architecture and warnings are errors.
pub(crate) fn merge_checked(
    each: Vec<(Arch, Findings)>,
    request: &SeveralRequest,
    found: &mut Findings,
) -> Result<(), Error> {
    let mut merged = Findings::default();
    merge(each, &mut merged);
    let checked = selection::check_strict(request.checks.strict, &merged.diagnostics);
    found.extend(merged);
    checked
}

/// Adds what was found for each architecture to `found`: once where it is the same for all, else with its architectures.
pub(crate) fn merge(each: Vec<(Arch, Findings)>, found: &mut Findings) {
    let count = each.len();
    let mut all: Vec<(model::Diagnostic, Vec<Arch>)> = Vec::new();
    for (arch, findings) in each {
        let Findings { diagnostics, sources, conflicts } = findings;
        found.extend(Findings { sources, conflicts, ..Findings::default() });
        for diagnostic in diagnostics {
            match all.iter_mut().find(|(known, _)| *known == diagnostic) {
                Some((_, archs)) => archs.push(arch),
                None => all.push((diagnostic, vec![arch])),
            }
        }
    }
    found.diagnostics.extend(all.into_iter().map(|(mut diagnostic, archs)| {
        if archs.len() < count {
            let names: Vec<&str> = archs.iter().map(|arch| arch.debian()).collect();
            diagnostic.message = format!("{} (for {})", diagnostic.message, names.join(", "));
        }
        diagnostic
    }));
}

/// What was written for each, and the layout of all where one is wanted.
type All = (Vec<Written>, Option<layout::Written>);

fn write(
    shipments: Vec<Shipment<'_>>,
    inputs: &Inputs,
    destination: &Destination,
    request: &SeveralRequest,
    observer: &dyn Observer,
) -> Result<All, Error> {
    let staging = Staging::new(&destination.output)?;
    let (top, store) = (staging.directory(), destination.store()?);
    let (mut modules, mut artifacts) = (Vec::new(), Vec::new());
    for (request_of_one, shipment) in request.each.iter().zip(shipments) {
        let directory = Arc::new(top.create_directory(request_of_one.arch.debian(), 0o755)?);
        let sinks = (store.as_ref(), &request.outputs);
        let module = outputs::write_module(shipment, &directory, sinks, request_of_one, observer);
        let mut module = module.map_err(|error| error.about(request_of_one.arch))?;
        artifacts.extend(module.artifact.take());
        modules.push((directory, module));
    }
    let task = Task::start(observer, "write the OCI layout", None, Unit::Bytes);
    let tag = &request.outputs.artifact.tag;
    let layout = request.outputs.has_layout().then(|| layout::write(top, "oci", tag, &artifacts)).transpose()?;
    drop(task);
    let mut records = Vec::new();
    for (directory, module) in &modules {
        records.push(module.write_record(directory)?);
        staged::make_durable(directory)?;
    }
    staging.write("manifest.json", &inputs.manifest.canonical_json())?;
    let archs = request.each.iter().map(|request| request.arch);
    let common = Several::of(archs.zip(records.iter().copied()).collect(), common(top)?).to_json()?;
    staging.write(record::FILE, &common)?;
    request.any()?.module.settings.check_unchanged()?;
    staging.commit(record::FILE, (&inputs.manifest.name, request.any()?.module.directory()), observer)?;
    let each = request.each.iter().zip(modules).zip(records);
    let written = each.map(|((request, (_, module)), record)| module.remember(record, request, observer)).collect();
    if let Some(reuse) = request.each.iter().find_map(|request| request.reuse.as_ref()) {
        reuse.know(&request.outputs.directory, &Digest::of(&common), observer);
    }
    Ok((written, layout))
}

/// The files that all architectures have in common.
fn common(top: &Dir) -> Result<BTreeMap<String, Output>, Error> {
    let mut outputs = BTreeMap::new();
    for name in record::COMMON {
        if top.kind(name)?.is_some() {
            let (sha256, size) = outputs::digest(top, name)?;
            outputs.insert(name.to_owned(), Output { sha256, size });
        }
    }
    Ok(outputs)
}

/// The results that are there, where they are exactly what would be written.
fn unchanged(shipments: &[Shipment<'_>], request: &SeveralRequest, observer: &dyn Observer) -> Option<All> {
    let directory = &request.outputs.directory;
    let reuse = request.each.iter().find_map(|request| request.reuse.as_ref()).filter(|reuse| !reuse.paranoid)?;
    let dist = Dir::open(directory).ok()?;
    let bytes = dist.read(record::FILE, Links::Refuse, record::LIMIT).ok()?;
    if !reuse.knows(directory, &Digest::of(&bytes), observer) {
        return None;
    }
    let several = Several::parse(&bytes, &directory.join(record::FILE)).ok()??;
    let records = request.each.iter().map(|request| {
        let path = Path::new(request.arch.debian()).join(record::FILE);
        Some((request.arch, Digest::of(&dist.read(path, Links::Refuse, record::LIMIT).ok()?)))
    });
    if several != Several::of(records.collect::<Option<_>>()?, common(&dist).ok()?) || !is_alone(&dist, request)? {
        return None;
    }
    let each = request.each.iter().zip(shipments);
    let written =
        each.map(|(request, shipment)| unchanged::find(shipment, request, observer)).collect::<Option<_>>()?;
    let layout = match request.outputs.has_layout() {
        true => Some(unchanged::layout_of(&directory.join("oci"))?),
        false => None,
    };
    Some((written, layout))
}

/// Whether nothing but the results is in the directory.
fn is_alone(dist: &Dir, request: &SeveralRequest) -> Option<bool> {
    let mut names: Vec<&str> = request.each.iter().map(|request| request.arch.debian()).collect();
    names.extend([record::FILE, "manifest.json"]);
    names.extend(request.outputs.has_layout().then_some("oci"));
    names.sort_unstable();
    Some(dist.names().ok()?.iter().map(|name| name.to_string_lossy()).eq(names))
}
