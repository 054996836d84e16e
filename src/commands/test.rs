//! `test`: whether a module works on its node.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use builder::cache::Cache;
use clap::Args;
use model::FileName;
use node::trial::privilege;
use node::trial::units::State;

use crate::commands::{Context, Module, RequiredModules, Verb};
use crate::error::{Error, Kind};
use crate::recipes::results::lower::{self, LowerRequest};
use crate::recipes::trial;
use crate::recipes::trial::request::TrialRequest;
use crate::recipes::trial::verdict::{Report, ServiceReport};
use crate::settings::{Flags, named_arch};
use crate::ui::clean;

/// Start modules over their base as a node does, and say what does not come up
///
/// The modules are laid over the base from their images, every file checked against its digest, in namespaces
/// and a cgroup of their own: no network but a loopback, /usr and /etc read-only, /var empty. Accounts, the
/// linker's cache and /var are made as on a node; then the base's systemd starts the units that the modules
/// enable and those of `services`, and a service without a unit is started as the platform's agent starts it.
/// Up is what is active, listens on its ports, passes its health check and was started once.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TestArgs {
    /// Modules' repositories, or what builds of them wrote; a later one lies over an earlier one [default: .]
    #[arg(value_name = "DIR|DIST")]
    pub(crate) modules: Vec<PathBuf>,
    /// The same as one DIR
    #[arg(short = 'C', long, value_name = "DIR", conflicts_with = "modules")]
    pub(crate) directory: Option<PathBuf>,
    /// The root file system that the modules are laid over: a directory or a tar [default: that of their builds]
    #[arg(long, value_name = "ROOTFS")]
    pub(crate) base: Option<PathBuf>,
    /// The full tree, with all packages installed: what fails there, too, is not the module's fault [default: that of a
    /// module's build]
    #[arg(long, value_name = "ROOTFS")]
    pub(crate) control: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) required: RequiredModules,
    /// Open a shell among the services when they were looked at
    #[arg(long)]
    pub(crate) shell: bool,
    /// Leave the trees on disk, and say where
    #[arg(long)]
    pub(crate) keep: bool,
    /// How long everything must stay as it is
    #[arg(long, value_name = "SECONDS", default_value = "2.5", value_parser = seconds)]
    pub(crate) settle: Duration,
    /// How long the services may take until they are up
    #[arg(long, value_name = "SECONDS", default_value = "90", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// Where downloads and root file systems are kept, and what services did in a full tree
    #[arg(long, value_name = "DIR", help_heading = "Speed and place")]
    pub(crate) cache_dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  module-builder test --base rootfs.tar
      Starts the module of this directory, as `build` left it in dist/.
  module-builder test redis chrony nginx --base rootfs.tar
      Three modules at once, as they lie over each other on a node.
  module-builder test redis --base rootfs.tar --control full.tar --format json
      Compares with the same services where all packages are installed.
  module-builder test redis --base rootfs.tar --shell
      Leads into the running trial when the services were looked at.

Exit codes: 0 all is up, 3 a service is not or listens otherwise, 4 this machine cannot run a trial.";

/// A number of seconds, with a fraction or without.
fn seconds(text: &str) -> Result<Duration, String> {
    /// A day.
    const MOST: f64 = 86_400.0;
    let number: f64 = text.parse().map_err(|_| "give a number of seconds, such as 2.5".to_owned())?;
    match (0.0..=MOST).contains(&number) {
        true => Duration::try_from_secs_f64(number).map_err(|error| error.to_string()),
        false => Err("give a number of seconds between 0 and a day".to_owned()),
    }
}

impl Verb for TestArgs {
    fn settings(&self) -> (Module, Flags) {
        (Module::None, Flags { cache_dir: self.cache_dir.clone(), ..Flags::default() })
    }

    fn run(self, context: &Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Tries the modules.
fn run(args: TestArgs, context: &Context) -> Result<(), Error> {
    let Context { ui, settings, environment, .. } = context;
    if args.shell && !node::trial::has_terminal() {
        return Err(Error::usage("--shell needs a terminal").hint("start it from one, or leave --shell away"));
    }
    if !privilege::is_enough() {
        return as_root_of_a_namespace(context);
    }
    privilege::check_ids()?;
    let TestArgs { mut modules, directory, base, control, required, shell, keep, settle, timeout, cache_dir: _ } = args;
    if modules.is_empty() {
        modules.push(directory.unwrap_or_else(|| PathBuf::from(".")));
    }
    if !required.modules.is_empty() {
        modules = with_required(&modules, &required, context)?;
    }
    let request = TrialRequest {
        modules,
        base,
        control,
        cache: settings.cache_dir.value.as_deref().map(|cache| Cache::new(environment.absolute(cache))),
        settle,
        timeout,
        keep,
        scratch: environment.scratch(),
        arch: named_arch(environment.machine),
        clock: environment.clock,
    };
    let tried = ui.reported(trial::run(&request, settings, environment, ui)?);
    ui.result(&describe(&tried.report), &tried.report)?;
    let passed = tried.report.passed;
    if shell {
        tried.shell()?;
    }
    if keep {
        tried.keep();
    }
    if passed { Ok(()) } else { Err(Error::shown(Kind::Refused)) }
}

/// The modules, each after those over which it was laid.
fn with_required(modules: &[PathBuf], required: &RequiredModules, context: &Context) -> Result<Vec<PathBuf>, Error> {
    let arch = named_arch(context.environment.machine).ok_or_else(|| {
        Error::usage("this machine's architecture is not one that can be built")
            .hint("name the modules without --modules")
    })?;
    let scratch = context.environment.scratch();
    let requires: (&[_], &FileName) = (&[], &FileName::from(Path::new("manifest.yaml")));
    let request =
        LowerRequest { name: None, arch, base: None, requires, modules: &required.modules, scratch: &scratch };
    lower::stacked(modules, &request)
}

/// Runs the same again where a user is root. What it has to say it says itself.
fn as_root_of_a_namespace(context: &Context) -> Result<(), Error> {
    let Context { ui, environment, .. } = context;
    ui.note("not run as root: the trial runs in a user namespace");
    let status = privilege::run_again(&environment.arguments, &environment.variables)?;
    let kinds = [Kind::Input, Kind::Usage, Kind::Refused, Kind::Outside, Kind::Differences, Kind::Bug];
    match status.code() {
        Some(0) => Ok(()),
        code => {
            let kind = kinds.into_iter().find(|kind| code == Some(i32::from(kind.code())));
            Err(Error::shown(kind.unwrap_or(Kind::Outside)))
        }
    }
}

fn describe(report: &Report) -> String {
    let mut text = String::new();
    for service in &report.services {
        describe_service(&mut text, service);
    }
    let _ = writeln!(text, "{}: {}", clean(&report.modules.join(", ")), summary(report));
    if let Some(kept) = &report.kept {
        let _ = writeln!(text, "the trees are in {}", clean(&kept.display().to_string()));
    }
    text
}

/// How many are up, and why the others are not.
fn summary(report: &Report) -> String {
    let all = &report.services;
    let is_up = |service: &&ServiceReport| service.good && service.state != State::Skipped;
    let (count, up) = (all.len(), all.iter().filter(is_up).count());
    if !report.passed {
        return format!("not up, {up} of {count} are");
    }
    if count == 0 {
        return "nothing to start, and what a node prepares went well".to_owned();
    }
    let names = |of: &dyn Fn(&ServiceReport) -> bool| {
        let names: Vec<String> = all.iter().filter(|service| of(service)).map(|service| clean(&service.name)).collect();
        names.join(", ")
    };
    let skipped = names(&|service| service.good && service.state == State::Skipped);
    let unproven = names(&|service| !service.good);
    let mut text = format!("up, {up} of {count}");
    if !skipped.is_empty() {
        text += &format!("; not started, by a condition: {skipped}");
    }
    if !unproven.is_empty() {
        text += &format!("; not proven, since it fails in the full tree too: {unproven}");
    }
    text
}

fn describe_service(text: &mut String, service: &ServiceReport) {
    let listening: Vec<String> = service.listening.iter().map(|address| clean(&address.to_string())).collect();
    // What runs, and is not well, is no sight to be called up.
    let state = if service.state == State::Up && !service.good { "faulty" } else { service.state.name() };
    let _ = writeln!(text, "{state:<8} {}  {}", clean(&service.name), listening.join(", "));
    if let Some(problem) = &service.problem {
        let _ = writeln!(text, "         {}", clean(problem));
    }
    for line in &service.log {
        let _ = writeln!(text, "         | {}", clean(line));
    }
    if let Some(control) = &service.control
        && service.problem.is_some()
    {
        let _ = writeln!(text, "         in the full tree: {}", control.state.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_number_of_a_day_at_most() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        for wrong in ["", "x", "-1", "1e9", "NaN", "inf"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
