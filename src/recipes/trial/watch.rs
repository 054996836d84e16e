//! Services are started and watched until they stay as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use host::Dir;
use host::process::Invocation;
use model::manifest::{Health, Protocol};
use model::observe::Task;
use node::trial::accounts::Accounts;
use node::trial::agent::Supervised;
use node::trial::diagnosis::{self, Lack};
use node::trial::health;
use node::trial::sockets::{Address, Listening};
use node::trial::units::{State, Unit};
use node::trial::{Room, Trial, own};

use crate::error::Error;
use crate::recipes::trial::prepare::TEXT_LIMIT;
use crate::recipes::trial::wanted::{self, Services, Wanted};

/// How often is looked.
const PAUSE: Duration = Duration::from_millis(200);

/// How long is waited for what a service has to listen on, beyond the time that everything must stay as it is.
const PATIENCE: Duration = Duration::from_secs(15);

/// A service that was started again so often is not waited for.
const HOPELESS: u32 = 3;

/// How many of a service's last lines are kept.
const LINES: usize = 30;

/// How many lines of each of a service's own log files are looked at.
const LOG_FILE_LINES: usize = 8;

/// The unit that makes what tmpfiles.d asks for, and how many of its lines are looked at.
const TMPFILES: &str = "systemd-tmpfiles-setup.service";
const TMPFILES_LINES: usize = 500;

/// Where the tree's systemd is.
pub(crate) const MANAGER: &str = "/usr/lib/systemd/systemd";

/// The cgroup that systemd itself is in.
const MANAGER_CGROUP: &str = "/init.scope";

/// How services are watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long everything must stay as it is.
    pub(crate) settle: Duration,
    /// How long services may take until they are up.
    pub(crate) timeout: Duration,
    /// The monotonic clock.
    pub(crate) clock: fn() -> Instant,
}

/// What was seen of a service.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// What is the matter with it.
    pub(crate) state: State,
    /// Whether the tree has it at all.
    pub(crate) is_there: bool,
    /// Whether its unit is masked.
    pub(crate) is_masked: bool,
    /// How often it was started again.
    pub(crate) restarts: u32,
    /// Where it listens.
    pub(crate) listening: BTreeSet<Address>,
    /// What it lacks, where it is down.
    pub(crate) lack: Option<Lack>,
    /// How it ended, where it is down.
    pub(crate) end: String,
    /// Its last lines, where it is not up.
    pub(crate) log: Vec<String>,
    /// What it answered to its health check; none where it has none.
    pub(crate) health: Option<Result<(), String>>,
}

/// What was seen of all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched {
    /// By the name of the service, or of its unit.
    pub(crate) services: BTreeMap<String, Seen>,
    /// All that was started, with the parts that were found.
    pub(crate) tried: Services,
    /// Where anything listens.
    pub(crate) listening: BTreeSet<Address>,
    /// Where systemd itself listens for units that are started when they are asked for.
    pub(crate) by_manager: BTreeSet<Address>,
    /// The ports that the kernel gives to whoever asks for any.
    pub(crate) ephemeral: (u16, u16),
    /// What systemd-tmpfiles said.
    pub(crate) tmpfiles: Vec<String>,
}

/// One look at all services.
struct Look {
    units: BTreeMap<String, Unit>,
    is_started: bool,
    all: Vec<Listening>,
    held: BTreeMap<String, BTreeSet<Address>>,
}

/// Starts `services` in the room and watches them; `expected` is where each has to listen, as far as that is known.
///
/// # Errors
/// When the machine does not allow it, or the tree's systemd does not come up.
pub(crate) fn watch(
    room: &Room,
    services: &Services,
    has_manager: bool,
    expected: &BTreeMap<String, BTreeSet<Address>>,
    pace: Pace,
    task: &Task<'_>,
) -> Result<(Watched, Trial), Error> {
    let program = has_manager.then(|| Invocation::new(MANAGER).assign("--unit", own::TARGET));
    let mut run = Run {
        trial: Trial::start(room, program)?,
        services: services.clone(),
        has_manager,
        supervised: Vec::new(),
        tmpfiles: Vec::new(),
        pace,
        began: (pace.clock)(),
        was_up: false,
    };
    if !has_manager {
        // What the tree's systemd does by itself as the first process.
        let make = Invocation::new("systemd-tmpfiles").options(["--create", "--boot", "--exclude-prefix=/dev"]);
        let said = run.trial.run(make)?.stderr;
        run.tmpfiles =
            String::from_utf8_lossy(&said).lines().map(|line| model::path::escape(line.as_bytes())).collect();
    }
    task.item("wait for the services");
    run.wait_for_units()?;
    run.start_services(room)?;
    let look = run.wait_until_settled(expected, task)?;
    run.finish(look)
}

/// States, processes, restarts and addresses.
#[derive(PartialEq)]
struct Fixed {
    units: Vec<(State, u32, u32)>,
    own: Vec<(u32, bool)>,
    held: Vec<BTreeSet<Address>>,
}

struct Run {
    trial: Trial,
    services: Services,
    has_manager: bool,
    supervised: Vec<Supervised>,
    tmpfiles: Vec<String>,
    pace: Pace,
    began: Instant,
    /// Whether the first process has said of any unit what is the matter with it.
    was_up: bool,
}

impl Run {
    fn now(&self) -> Duration {
        (self.pace.clock)().duration_since(self.began)
    }

    fn check_alive(&mut self) -> Result<(), Error> {
        match self.trial.ended()? {
            None => Ok(()),
            Some(said) if self.was_up => Err(Error::refused(format!("the system ended while its services ran: {said}"))
                .hint("something in it stops or restarts the machine (`systemctl poweroff`, FailureAction= or SuccessAction= of a unit): see which by trying fewer modules")),
            Some(said) => Err(Error::outside(format!("the trial's first process ended: {said}"))
                .hint("see whether the base's systemd runs in a container at all")),
        }
    }

    /// Waits until systemd has done all that it was asked for, or the time is over.
    fn wait_for_units(&mut self) -> Result<(), Error> {
        while self.has_manager && self.now() < self.pace.timeout {
            self.check_alive()?;
            if self.look()?.is_started {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Starts what has no unit, each when those are well that it waits for.
    fn start_services(&mut self, room: &Room) -> Result<(), Error> {
        let services = self.services.clone();
        let own: Vec<&Wanted> = services.all.iter().filter(|wanted| !wanted.is_unit).collect();
        if own.is_empty() {
            return Ok(());
        }
        let text = |path| -> Result<String, Error> { Ok(self.trial.read(path, TEXT_LIMIT)?.unwrap_or_default()) };
        let accounts = Accounts::parse(&text("etc/passwd")?, &text("etc/group")?);
        let logs = Dir::open(room.directory())?.create_directory("logs", 0o700)?;
        for wanted in own {
            let Some(declared) = &wanted.declared else { continue };
            for needed in wanted::waits_for_health(declared) {
                let other =
                    services.all.iter().find(|other| other.declared.as_ref().is_some_and(|it| it.name.value == needed));
                if let Some(other) = other {
                    self.health(other)?;
                }
            }
            let started = Supervised::start(&self.trial, wanted::for_agent(declared), &accounts, &logs)?;
            self.supervised.push(started);
        }
        Ok(())
    }

    fn look(&mut self) -> Result<Look, Error> {
        for service in &mut self.supervised {
            service.look(&self.trial)?;
        }
        let mut units = self.units()?;
        let mut has_more = false;
        for (name, unit) in &units {
            has_more |= self.services.add_parts(name, &unit.pulls);
        }
        if has_more {
            units = self.units()?;
        }
        self.was_up |= self.has_manager && !units.is_empty();
        let target = units.remove(own::TARGET);
        let is_started = !self.has_manager || target.is_some_and(|it| it.active == "active" || it.active == "failed");
        let all = self.trial.listening()?;
        let of_unit = units.iter().map(|(name, unit)| (name.clone(), self.trial.held_by(&unit.cgroup, &all)));
        let own = self.supervised.iter();
        let of_own = own.map(|it| (it.name().to_owned(), self.trial.held_by(&it.cgroup(&self.trial), &all)));
        let held = of_unit.chain(of_own).collect();
        Ok(Look { units, is_started, all, held })
    }

    /// What systemd says of the units and of the target that starts them; nothing while it does not answer yet.
    fn units(&self) -> Result<BTreeMap<String, Unit>, Error> {
        let mut asked = self.services.units();
        asked.push(own::TARGET.to_owned());
        Ok(if self.has_manager { self.trial.units(&asked)?.unwrap_or_default() } else { BTreeMap::new() })
    }

    /// Looks until nothing has changed for as long as was asked for, and what is expected is there or is not to come.
    fn wait_until_settled(
        &mut self,
        expected: &BTreeMap<String, BTreeSet<Address>>,
        task: &Task<'_>,
    ) -> Result<Look, Error> {
        let started = self.now();
        let mut last = self.look()?;
        let mut since = self.now();
        loop {
            thread::sleep(PAUSE);
            self.check_alive()?;
            let look = self.look()?;
            let now = self.now();
            if self.fixed(&look) != self.fixed(&last) {
                since = now;
            }
            let waiting: Vec<String> = self.waiting(&look, expected);
            if let Some(name) = waiting.first() {
                task.item(format!("wait for {name}"));
            }
            last = look;
            let limit = self.pace.timeout.min(started + self.pace.settle + PATIENCE);
            let is_quiet = now.saturating_sub(since) >= self.pace.settle;
            if is_quiet && (waiting.is_empty() || now >= limit) || now >= self.pace.timeout + self.pace.settle {
                return Ok(last);
            }
        }
    }

    /// What must not change any more.
    fn fixed(&self, look: &Look) -> Fixed {
        // What is started again and again never stays as it is.
        let is_hopeless = |name: &str| look.units.get(name).is_some_and(|unit| unit.restarts >= HOPELESS);
        let units = look.units.values().filter(|unit| unit.restarts < HOPELESS);
        Fixed {
            units: units.map(|unit| (unit.state(), unit.main_process, unit.restarts)).collect(),
            own: self.supervised.iter().map(|service| (service.restarts, service.is_over)).collect(),
            held: look.held.iter().filter(|(name, _)| !is_hopeless(name)).map(|(_, held)| held.clone()).collect(),
        }
    }

    /// The services that are still being started, or do not listen yet where they have to.
    fn waiting(&self, look: &Look, expected: &BTreeMap<String, BTreeSet<Address>>) -> Vec<String> {
        let all: BTreeSet<&Address> = look.all.iter().map(|found| &found.address).collect();
        let is_waiting = |wanted: &&Wanted| {
            let unit = look.units.get(&wanted.name);
            let state = unit.map(Unit::state);
            if unit.is_some_and(|unit| unit.restarts >= HOPELESS) || matches!(state, Some(State::Down | State::Skipped))
            {
                return false;
            }
            let misses = expected.get(&wanted.name).into_iter().flatten().any(|address| !all.contains(address));
            let lacks = wanted.ports().iter().any(|port| !listens(&all, *port));
            state == Some(State::Waiting) || misses || lacks
        };
        self.services.all.iter().filter(is_waiting).map(|wanted| wanted.name.clone()).collect()
    }

    /// Asks a service how it is, as often as its manifest says, until it is well or the time for it is over.
    fn health(&mut self, wanted: &Wanted) -> Result<Option<Result<(), String>>, Error> {
        let Some(declared) = &wanted.declared else { return Ok(None) };
        let Some(Health { endpoint: Some(endpoint), method, interval_seconds, timeout_seconds, initial_delay_seconds }) =
            &declared.health
        else {
            return Ok(None);
        };
        let seconds = |given: &Option<u32>, default: u32| Duration::from_secs(given.unwrap_or(default).into());
        let port = declared.exposed_ports.first().map(|port| port.port.value);
        let is_url = endpoint.value.starts_with('/') || endpoint.value.contains("://");
        let method = method.map_or(is_url.then_some("GET"), wanted::method);
        let check = match health::check(&endpoint.value, method, port, seconds(timeout_seconds, 5)) {
            Ok(check) => check,
            Err(why) => return Ok(Some(Err(why))),
        };
        let begun = self.now();
        let limit = begun + seconds(initial_delay_seconds, 0) + PATIENCE;
        loop {
            let answer = health::ask(self.trial.process(), &check);
            if answer.is_ok() || self.now() >= limit.min(self.pace.timeout.max(begun)) {
                return Ok(Some(answer));
            }
            for service in &mut self.supervised {
                service.look(&self.trial)?;
            }
            thread::sleep(seconds(interval_seconds, 1).min(Duration::from_secs(1)));
        }
    }

    fn finish(mut self, look: Look) -> Result<(Watched, Trial), Error> {
        let mut services = BTreeMap::new();
        let tried = self.services.clone();
        for wanted in &tried.all {
            let mut seen = if wanted.is_unit { self.of_unit(wanted, &look) } else { self.of_own(wanted) };
            seen.listening = look.held.get(&wanted.name).cloned().unwrap_or_default();
            if matches!(seen.state, State::Up | State::Done) {
                seen.health = self.health(wanted)?;
            }
            services.insert(wanted.name.clone(), seen);
        }
        let range = self.trial.read("proc/sys/net/ipv4/ip_local_port_range", 128)?.unwrap_or_default();
        let mut numbers = range.split_ascii_whitespace().filter_map(|word| word.parse().ok());
        let ephemeral = (numbers.next().unwrap_or(32768), numbers.next().unwrap_or(60999));
        let by_manager = self.trial.held_by(MANAGER_CGROUP, &look.all);
        let listening = look.all.into_iter().map(|found| found.address).collect();
        if self.has_manager {
            self.tmpfiles = self.trial.journal(TMPFILES, TMPFILES_LINES);
        }
        Ok((Watched { services, tried, listening, by_manager, ephemeral, tmpfiles: self.tmpfiles }, self.trial))
    }

    fn of_unit(&self, wanted: &Wanted, look: &Look) -> Seen {
        let unit = look.units.get(&wanted.name).cloned().unwrap_or_default();
        let state = match look.units.contains_key(&wanted.name) {
            // No condition keeps out what was never begun: something that it requires is not there, or failed.
            true if unit.is_untried() && wanted.part_of.is_none() => State::Down,
            true => unit.state(),
            false => State::Waiting,
        };
        let is_good = matches!(state, State::Up | State::Done);
        let mut log = if is_good && unit.restarts == 0 { Vec::new() } else { self.trial.journal(&wanted.name, LINES) };
        let mut lack = if is_good { None } else { diagnosis::of_unit(&unit, &log) };
        if !is_good && lack.is_none() {
            lack = self.in_log_files(&wanted.name, &mut log);
        }
        let end = match (unit.load.as_str(), unit.by_signal, unit.status) {
            ("not-found", ..) => "there is no such unit".to_owned(),
            ("masked", ..) => "it is masked".to_owned(),
            ("loaded", ..) if unit.is_untried() => {
                "it was not started: a unit that it requires is not there, or failed".to_owned()
            }
            ("loaded", true, signal) => format!("signal {signal} ended it"),
            ("loaded", false, 0) if unit.result == "resources" => {
                // What systemd could not get for it, it says itself.
                diagnosis::refusal(&wanted.name, &log).unwrap_or_else(|| unit.result.clone())
            }
            ("loaded", false, 0) if !unit.result.is_empty() && unit.result != "success" => unit.result.clone(),
            ("loaded", false, 0) => format!("it is {} ({})", unit.active, unit.sub),
            ("loaded", false, status) => format!("it ended with {status}"),
            (other, ..) => format!("its unit is {other}"),
        };
        let (is_there, is_masked, restarts) = (unit.load != "not-found", unit.load == "masked", unit.restarts);
        Seen { state, is_there, is_masked, restarts, listening: BTreeSet::new(), lack, end, log, health: None }
    }

    /// What the service's own log files say that it lacks; their last lines are added to `log`.
    fn in_log_files(&self, name: &str, log: &mut Vec<String>) -> Option<Lack> {
        let lines = self.trial.log_files(name, LOG_FILE_LINES);
        let lack = diagnosis::of_lines(&lines);
        log.extend(lines);
        lack
    }

    fn of_own(&self, wanted: &Wanted) -> Seen {
        let found = self.supervised.iter().find(|service| service.name() == wanted.name);
        let log = found.map(|service| service.log(LINES)).unwrap_or_default();
        let (restarts, ended, is_over) = found.map_or((0, None, true), |it| (it.restarts, it.ended, it.is_over));
        let state = match (is_over, ended) {
            (true, Some(status)) if status.success() && restarts == 0 => State::Done,
            (true, _) => State::Down,
            (false, _) => State::Up,
        };
        let is_good = matches!(state, State::Up | State::Done);
        let missing = found.and_then(Supervised::missing_user).map(|name| Lack::User { name: name.to_owned() });
        let mut log = log;
        let mut lack = if is_good && restarts == 0 { None } else { missing.or_else(|| diagnosis::of_lines(&log)) };
        if !is_good && lack.is_none() {
            lack = self.in_log_files(&wanted.name, &mut log);
        }
        // The agent follows the process that it started.
        let is_daemon =
            ended.is_some_and(|status| status.success()) && found.is_some_and(|it| it.leaves_others(&self.trial));
        let end = match ended {
            Some(_) if is_daemon => {
                "its command ended and left a daemon behind: it has to stay in the foreground".to_owned()
            }
            Some(status) => format!("it ended with {status}"),
            None => String::new(),
        };
        let log = if is_good && restarts == 0 { Vec::new() } else { log };
        let (is_there, is_masked, listening) = (true, false, BTreeSet::new());
        Seen { state, is_there, is_masked, restarts, listening, lack, end, log, health: None }
    }
}

/// Whether anything listens on the port, on whichever address.
pub(crate) fn listens(all: &BTreeSet<&Address>, (protocol, port): (Protocol, u16)) -> bool {
    all.iter().any(|address| match (protocol, address) {
        (Protocol::Tcp, Address::Tcp(address)) | (Protocol::Udp, Address::Udp(address)) => address.port() == port,
        // The kernel's list of these is another one, which many kernels do not have.
        (Protocol::Sctp, _) => true,
        _ => false,
    })
}
