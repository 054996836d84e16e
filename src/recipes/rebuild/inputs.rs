//! The inputs of a build that is repeated: as they were recorded, or said to be others.

use std::path::{Path, PathBuf};

use builder::apt;
use composer::scan;
use host::Dir;
use model::observe::Observer;
use model::{Digest, Epoch};

use super::{Target, Wanted};
use crate::environment::Environment;
use crate::error::{Error, Findings, Kind};
use crate::recipes::build::downloads::Downloads;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::lower::LowerSource;
use crate::recipes::build::overlay::OverlayRead;
use crate::recipes::build::record::{self, RootInput};
use crate::recipes::build::request::{BuildRequest, Checks, ModuleSource, RootSource};
use crate::recipes::build::sinks::Sink;
use crate::recipes::build::sinks::{ArtifactOptions, Outputs};
use crate::recipes::packages::download;
use crate::recipes::packages::request::Packages;
use crate::recipes::results::compare::json;
use crate::settings::{AccountTables, Settings};

/// Everything that the request of the second build is made from.
pub(super) struct RebuildRequest<'a> {
    /// What the first build left.
    pub(super) target: &'a Target,
    /// What the user asked for.
    pub(super) wanted: &'a Wanted,
    /// Where the second build goes.
    pub(super) output: &'a Path,
    /// Where the neighbours' manifests can be meanwhile.
    pub(super) scratch: &'a Dir,
}

impl RebuildRequest<'_> {
    /// The request of the recorded build.
    pub(super) fn request(&self, settings: &Settings, environment: &Environment) -> Result<BuildRequest, Error> {
        let inputs = &self.target.record.inputs;
        let options = &inputs.options;
        let artifact = ArtifactOptions {
            compression: options.compression,
            tag: options.tag.clone(),
            module_id: options.module_id.clone(),
            version: options.version.clone(),
        };
        let sinks = [options.emit_tar.then_some(Sink::Tar), options.emit_oci.then_some(Sink::Layout)].into_iter();
        Ok(BuildRequest {
            module: ModuleSource {
                neighbours: self.neighbours()?,
                // What the first build took of such tables is in the lock.
                fleet: AccountTables::default(),
                lower: LowerSource {
                    modules: self.wanted.modules.clone(),
                    archs: vec![inputs.arch],
                    scratch: environment.scratch(),
                },
                settings: settings.of_module(&self.target.module)?,
            },
            arch: inputs.arch,
            epoch: Some(inputs.epoch),
            root: self.root(settings, environment)?,
            downloads: Downloads::new(settings, environment, self.wanted.offline),
            outputs: Outputs { directory: self.output.to_owned(), sinks: sinks.flatten().collect(), artifact },
            checks: Checks { strict: false, allowed: options.allow.iter().cloned().collect() },
            reuse: None,
        })
    }

    fn root(&self, settings: &Settings, environment: &Environment) -> Result<RootSource, Error> {
        let inputs = &self.target.record.inputs;
        let recorded = match (&inputs.rootfs, &self.wanted.rootfs) {
            (RootInput::Given { .. }, Some(path)) => return Ok(RootSource::Given(path.clone())),
            (RootInput::Given { .. }, None) => {
                return Err(Error::input("the build took a root file system that the user named, not packages")
                    .hint("name the same one by --rootfs PATH: paths of the host are not recorded"));
            }
            (RootInput::Packages(_), Some(_)) => {
                return Err(Error::usage("the build took packages, so there is no --rootfs to name"));
            }
            (RootInput::Packages(recorded), None) => recorded,
        };
        let resolution = &recorded.resolution;
        let mut packages = Packages::new(settings, resolution.arch, environment)?.offline(self.wanted.offline);
        packages.settings.suite.clone_from(&resolution.suite);
        packages.settings.components.clone_from(&recorded.components);
        packages.settings.variant = resolution.variant;
        packages.no_cache = true;
        packages.recorded = Some(resolution.clone());
        Ok(RootSource::Packages(Box::new(packages)))
    }

    /// The neighbours' manifests as files: they were recorded whole.
    fn neighbours(&self) -> Result<Vec<PathBuf>, Error> {
        let write = |(number, neighbour): (usize, &serde_json::Value)| {
            let name = format!("neighbour-{number}.json");
            self.scratch.write(&name, neighbour.to_string().as_bytes(), 0o600)?;
            Ok(self.scratch.join(name))
        };
        self.target.record.inputs.neighbours.iter().enumerate().map(write).collect()
    }
}

/// Reads the manifests and checks what can be checked before the build: what is not as it was recorded
/// is named. Findings go to `found`.
pub(super) fn check(
    recorded: &record::Inputs,
    request: &BuildRequest,
    found: &mut Findings,
    observer: &dyn Observer,
) -> Result<Inputs, Error> {
    let (inputs, others) = changes(recorded, request, found, observer)?;
    let mut changed: Vec<String> = other_tool(recorded).into_iter().chain(others).collect();
    changed.extend(other_root(recorded, request)?);
    if !changed.is_empty() {
        return Err(not_the_same(&changed));
    }
    fetch(request, observer)?;
    Ok(inputs)
}

/// That the root file system which the user names is not the recorded one.
pub(super) fn other_root(recorded: &record::Inputs, request: &BuildRequest) -> Result<Option<String>, Error> {
    match &recorded.rootfs {
        RootInput::Given { listing } => given(listing, recorded.epoch, request),
        RootInput::Packages(_) => Ok(None),
    }
}

/// That another version of this program made the build.
pub(super) fn other_tool(recorded: &record::Inputs) -> Option<String> {
    let differs = recorded.tool != record::tool();
    differs.then(|| format!("the tool: it was {}, and this is {}", recorded.tool, record::tool()))
}

/// Reads the manifests and names what else is not as it was recorded, as far as it is known before the build.
pub(super) fn changes(
    recorded: &record::Inputs,
    request: &BuildRequest,
    found: &mut Findings,
    observer: &dyn Observer,
) -> Result<(Inputs, Vec<String>), Error> {
    let mut changed = Vec::new();
    let inputs = Inputs::read(&request.module, &request.checks, found)?;
    let manifest = Digest::of(&inputs.manifest.canonical_json());
    if recorded.manifest != manifest {
        changed.push(difference("manifest.yaml", &recorded.manifest, &manifest));
    }
    let overlay = OverlayRead::of(&request.module.overlay()?, recorded.epoch, observer)?.digest;
    if overlay != recorded.overlay {
        changed.push(difference("the overlay rootfs/", &recorded.overlay, &overlay));
    }
    if recorded.files != request.module.settings.files_for(&[recorded.arch]) {
        changed.push("the files of [[file]] in builder.toml".to_owned());
    }
    let lower = inputs.lower(recorded.arch).iter().map(|module| &module.reference);
    if !recorded.lower.iter().eq(lower) {
        changed.push("the modules that it is laid over".to_owned());
    }
    if recorded.scrub != builder::scrub::version() {
        changed.push(difference("the scrub rules", &recorded.scrub, &builder::scrub::version()));
    }
    let rules = record::rules(&inputs.rules);
    // The rules follow from the manifests: they are named only when those are the same.
    if recorded.rules != rules && changed.is_empty() {
        changed.push(difference("the rules", &recorded.rules, &rules));
    }
    Ok((inputs, changed))
}

fn given(listing: &Digest, epoch: Epoch, request: &BuildRequest) -> Result<Option<String>, Error> {
    let RootSource::Given(path) = &request.root else { return Ok(None) };
    let now = record::tree_digest(&scan::rootfs(path, &scan::Options::default())?, epoch);
    Ok((*listing != now).then(|| difference(&format!("the root file system {}", path.display()), listing, &now)))
}

/// The exact packages, from the cache or from where they were.
fn fetch(request: &BuildRequest, observer: &dyn Observer) -> Result<(), Error> {
    let Some((packages, resolution)) = request.packages().and_then(|it| Some((it, it.recorded.as_ref()?))) else {
        return Ok(());
    };
    download::fetch(resolution, packages, observer).map(|_| ()).map_err(|error| {
        let names: Vec<String> = match &error {
            apt::Error::Fetch { failures } => failures.iter().map(|failure| failure.package.clone()).collect(),
            _ => return error.into(),
        };
        let missing = Error::input(format!("recorded packages are no longer available: {}", names.join(", ")))
            .because(&error)
            .hint("a snapshot archive keeps packages; so does the cache of the machine that built them");
        let error = Error::from(error);
        // Other bytes than were recorded are not the same as none.
        if error.kind == Kind::Refused { error } else { missing }
    })
}

/// Checks the inputs that only the second build knows, and gives the programs that made the root
/// file system if they are others: such a build may still come out the same, and usually does.
pub(super) fn same(old: &record::Inputs, new: &record::Inputs) -> Result<Vec<String>, Error> {
    if old == new {
        return Ok(Vec::new());
    }
    let json = |inputs: &record::Inputs| {
        serde_json::to_value(inputs).map_err(|error| Error::bug("cannot write a record's inputs").because(&error))
    };
    let text = |value: Option<serde_json::Value>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
    // The key follows from the others.
    let changes = json::compare(&json(old)?, &json(new)?).into_iter().filter(|change| change.pointer != "/rootfs/key");
    let (mut changed, mut programs) = (Vec::new(), Vec::new());
    for change in changes {
        let (before, after) = (text(change.before), text(change.after));
        match change.pointer.strip_prefix("/rootfs/tools/") {
            Some(name) => programs.push(format!("{name} was {before}, and is {after}")),
            None => changed.push(format!("{}: it was {before}, and is {after}", change.pointer)),
        }
    }
    if changed.is_empty() { Ok(programs) } else { Err(not_the_same(&changed)) }
}

fn difference(what: &str, before: &Digest, now: &Digest) -> String {
    format!("{what}: it was {before}, and is {now}")
}

pub(super) fn not_the_same(changed: &[String]) -> Error {
    let mut error = Error::input(match changed.len() {
        1 => "an input is not what the build was made from, so nothing was compared".to_owned(),
        count => format!("{count} inputs are not what the build was made from, so nothing was compared"),
    });
    error.causes = changed.to_vec();
    error.hint("bring the inputs back, for example from version control, or build anew and compare with `diff`")
}
