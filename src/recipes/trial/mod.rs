//! A trial of modules: laid over a base and started as on a node, compared with the full tree.

mod authored;
mod beneath;
mod common_base;
mod control;
mod layers;
mod masked;
mod prepare;
mod remembered;
pub(crate) mod request;
mod roots;
mod seen;
mod tried_module;
pub(crate) mod verdict;
mod wanted;
mod watch;
mod whole;

use std::path::PathBuf;

use host::{Dir, Scratch};
use model::Severity;
use model::observe::{Observer, Task, Unit};
use node::trial::diagnosis::Lack;
use node::trial::{Form, Trial, privilege};

use crate::environment::Environment;
use crate::error::{Error, Findings, Reported};
use crate::recipes::results::differ::{self, Built};
use crate::settings::Settings;
use control::ControlOptions;
use layers::Layers;
use prepare::OnDisk;
use request::TrialRequest;
use roots::Roots;
use tried_module::TriedModule;
use verdict::Report;
use wanted::Services;
use watch::Pace;

/// The beginning of the name of a run's directory.
const PREFIX: &str = ".module-builder-trial-";

/// Modules that were tried. What was started runs on until this is dropped.
pub(crate) struct Tried {
    /// What came of it.
    pub(crate) report: Report,
    /// Before the directory that it runs in.
    trial: Trial,
    scratch: Scratch,
}

impl Tried {
    /// Gives the terminal to a shell among what was started, until the shell ends.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn shell(&self) -> Result<(), Error> {
        Ok(self.trial.shell()?)
    }

    /// Ends all that was started, and leaves the trees on disk.
    pub(crate) fn keep(self) {
        let Self { trial, scratch, .. } = self;
        drop(trial);
        scratch.keep();
    }
}

/// Starts the modules over their base and says what came of it.
///
/// # Errors
/// When a module cannot be opened or is damaged, two of them contradict each other, or the machine cannot run a trial.
pub(crate) fn run(
    request: &TrialRequest,
    settings: &Settings,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<Reported<Tried>, Error> {
    Reported::collect(|findings| {
        let roots = layers::roots(request, settings, environment, observer)?;
        try_modules(request, &roots, observer, findings)
    })
}

fn try_modules(
    request: &TrialRequest,
    roots: &[Option<Roots>],
    observer: &dyn Observer,
    findings: &mut Findings,
) -> Result<Tried, Error> {
    let layers = {
        let task = Task::start(observer, "open the modules", None, Unit::Items);
        layers::choose(request, roots, &task)?
    };
    let built: Vec<Built<'_>> = layers.modules.iter().map(TriedModule::built).collect();
    let conflicts = differ::find(&built);
    if !conflicts.is_empty() {
        findings.diagnostics.extend(conflicts);
        return Err(Error::refused("the modules contradict each other"));
    }
    let has_manager = wanted::has(&layers, watch::MANAGER);
    let services = wanted::find(&layers, has_manager)?;
    if !has_manager && !services.units().is_empty() {
        return Err(Error::outside(format!("there is no {} to start {}", watch::MANAGER, services.units().join(", ")))
            .hint("name a base that has the package systemd"));
    }
    let scratch = Scratch::new(&Dir::open(&request.scratch)?, PREFIX)?;
    // Other users of the machine have no business in it, and those of the trees have to get through.
    scratch.dir().set_mode(0o711)?;
    let attempt = Attempt { request, layers: &layers, services: &services, has_manager };
    let (report, trial) = attempt.run(scratch.dir(), observer, findings)?;
    let kept = request.keep.then(|| scratch.path());
    Ok(Tried { report: Report { kept, ..report }, trial, scratch })
}

/// What is tried, with all that was found out about it.
struct Attempt<'a> {
    request: &'a TrialRequest,
    layers: &'a Layers,
    services: &'a Services,
    has_manager: bool,
}

impl Attempt<'_> {
    fn run(&self, directory: &Dir, observer: &dyn Observer, findings: &mut Findings) -> Result<(Report, Trial), Error> {
        let TrialRequest { settle, timeout, clock, .. } = *self.request;
        let pace = Pace { settle, timeout, clock };
        let control = {
            let task = Task::start(observer, "start the full tree", None, Unit::Items);
            let options = ControlOptions { pace, keep: self.request.keep, cache: self.request.cache.as_ref() };
            control::run_all(self.layers, self.services, directory, &options, &task)?
        };
        let mut services = self.services.clone();
        for (whole, part) in control.iter().flat_map(|control| &control.parts) {
            services.add_parts(whole, std::slice::from_ref(part));
        }
        let task = Task::start(observer, "start the modules", None, Unit::Items);
        let on_disk = write(self.layers, directory, &task)?;
        let room = prepare::prepare(&on_disk, self.services, &mut findings.diagnostics)?;
        let expected = verdict::expected(control.as_ref());
        let (watched, trial) = watch::watch(&room, &services, self.has_manager, &expected, pace, &task)?;
        let kept_out = |module: &str, lack: &Lack| masked::hint(self.layers, module, lack);
        let (services, found) = verdict::judge(&watched, control.as_ref(), &kept_out);
        findings.diagnostics.extend(found);
        findings.diagnostics.extend(verdict::tmpfiles(&watched, &self.layers.modules));
        let passed = findings.diagnostics.iter().all(|finding| finding.severity != Severity::Error);
        let up = passed && services.iter().all(|service| service.good);
        let modules = self.layers.modules.iter().map(|module| module.name.clone()).collect();
        let (privilege, compared) = (privilege::name(), control.is_some());
        let diagnostics = findings.diagnostics.clone();
        Ok((Report { up, passed, modules, privilege, compared, services, diagnostics, kept: None }, trial))
    }
}

/// Writes the layers out.
fn write(layers: &Layers, directory: &Dir, task: &Task<'_>) -> Result<OnDisk, Error> {
    let room = directory.create_directory("trial", 0o755)?;
    let mut names: Vec<PathBuf> = Vec::new();
    for (at, module) in layers.modules.iter().enumerate().rev() {
        task.item(&module.name);
        let name = format!("module-{at}");
        module.unpack(&room.create_directory(&name, 0o755)?)?;
        names.push(name.into());
    }
    let modules = names.len();
    let task = layers::writing(task, "write the base", &layers.base);
    layers::unpack_source(&layers.base, &room.create_directory("base", 0o755)?, &task)?;
    names.push("base".into());
    Ok(OnDisk { room, names, modules, form: Form::Node })
}
