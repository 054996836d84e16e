//! What was seen becomes findings and a report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use model::path::json::keys;
use model::{Diagnostic, ImagePath, Severity};
use node::trial::diagnosis::{self, Lack};
use node::trial::sockets::{self, Address, Difference};
use node::trial::units::State;
use serde::Serialize;

use crate::error::group;
use crate::recipes::trial::seen::{self, Control, InControl};
use crate::recipes::trial::tried_module::TriedModule;
use crate::recipes::trial::wanted::Wanted;
use crate::recipes::trial::watch::{self, Seen, Watched};
use crate::recipes::trial::whole;

/// The code of what fails in the full tree for the same reason.
pub(crate) const FAILS_IN_FULL_TREE: &str = "fails-in-full-tree";

/// How many of a service's last lines are reported.
const LINES: usize = 10;

/// What a trial came to.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Whether every service is up as it has to be.
    pub(crate) up: bool,
    /// Whether nothing is wrong with the modules: what is not up is not up in the full tree either, for the same reason.
    pub(crate) passed: bool,
    /// The modules, the lowest first.
    pub(crate) modules: Vec<String>,
    /// By whose privilege it ran: `root`, or `user-namespace`.
    pub(crate) privilege: &'static str,
    /// Whether the same was started in the full tree.
    pub(crate) compared: bool,
    /// Each service.
    pub(crate) services: Vec<ServiceReport>,
    /// All that was found, also about accounts and files; `file` is the module, and `field` the service.
    #[serde(serialize_with = "group::serialize")]
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Where the trees are, where they were to stay.
    #[serde(flatten, serialize_with = "keys::directory")]
    pub(crate) kept: Option<PathBuf>,
}

/// What a service came to.
#[derive(Debug, Serialize)]
pub(crate) struct ServiceReport {
    /// The unit, or the service's own name.
    pub(crate) name: String,
    /// The module that brings it.
    pub(crate) module: String,
    /// `unit` or `service`: whether systemd started it, or it was started as the platform's agent does.
    pub(crate) kind: &'static str,
    /// The unit that pulls it in, where it is a part of another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) part_of: Option<String>,
    /// What is the matter with it.
    #[serde(serialize_with = "seen::name")]
    pub(crate) state: State,
    /// Whether that is as it has to be.
    pub(crate) good: bool,
    /// How often it was started again.
    pub(crate) restarts: u32,
    /// Where it listens.
    pub(crate) listening: BTreeSet<Address>,
    /// What is wrong with it, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    /// What it said last, where something is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) log: Vec<String>,
    /// What its health check came to: `well`, or why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<String>,
    /// The same service in the full tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) control: Option<InControl>,
}

/// Judges every service, and what listens beyond them.
///
/// `kept_out` says what to do about the rule of a module that keeps out what a service lacks, where there is one.
pub(crate) fn judge(
    watched: &Watched,
    control: Option<&Control>,
    kept_out: &KeptOut<'_>,
) -> (Vec<ServiceReport>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let reports = watched.tried.all.iter().filter_map(|wanted| {
        let seen = watched.services.get(&wanted.name)?;
        let in_control = control.and_then(|control| control.services.get(&wanted.name));
        // A unit may name others that need not be there, or are for another case.
        let is_expected = seen.is_there && seen.state != State::Skipped || in_control.is_some_and(|it| it.is_good);
        if wanted.part_of.is_some() && !is_expected {
            return None;
        }
        let case = Case { wanted, seen, in_control, watched, kept_out };
        let mut findings = case.findings(control);
        let problem = findings.iter().find(|it| it.severity == Severity::Error).or(findings.first());
        let problem = problem.map(|finding| finding.message.clone());
        let is_bad = |it: &Diagnostic| it.severity == Severity::Error || it.code == FAILS_IN_FULL_TREE;
        let good = !findings.iter().any(is_bad);
        found.append(&mut findings);
        Some(case.report(problem, good))
    });
    let reports = reports.collect();
    // What is not up does not listen, which is said once.
    if let Some(control) = control.filter(|_| found.iter().all(|finding| finding.severity != Severity::Error)) {
        found.extend(whole::compare(watched, control));
    }
    (reports, found)
}

/// What to do about the rule of the module of that name that keeps out what a service lacks.
pub(crate) type KeptOut<'a> = dyn Fn(&str, &Lack) -> Option<String> + 'a;

struct Case<'a> {
    wanted: &'a Wanted,
    seen: &'a Seen,
    in_control: Option<&'a InControl>,
    watched: &'a Watched,
    kept_out: &'a KeptOut<'a>,
}

impl Case<'_> {
    fn report(&self, problem: Option<String>, good: bool) -> ServiceReport {
        let Self { wanted, seen, in_control, .. } = self;
        let skip = seen.log.len().saturating_sub(LINES);
        ServiceReport {
            name: wanted.name.clone(),
            module: wanted.module.clone(),
            kind: if wanted.is_unit { "unit" } else { "service" },
            part_of: wanted.part_of.clone(),
            state: seen.state,
            good,
            restarts: seen.restarts,
            listening: seen.listening.clone(),
            log: if problem.is_some() { seen.log[skip..].to_vec() } else { Vec::new() },
            problem,
            health: seen.health.as_ref().map(|health| health.as_ref().err().map_or("well".to_owned(), Clone::clone)),
            control: in_control.cloned(),
        }
    }

    fn finding(&self, severity: Severity, code: &'static str, what: &str, hint: impl Into<String>) -> Diagnostic {
        let message = format!("{} {what}", self.wanted.name);
        Diagnostic::new(severity, code, message, hint)
            .in_file(self.wanted.module.as_str())
            .in_field(self.wanted.name.as_str())
    }

    /// What is wrong with it; in the full tree it may be wrong, too, which is not the module's fault.
    fn findings(&self, control: Option<&Control>) -> Vec<Diagnostic> {
        let mut found: Vec<Diagnostic> = self.of_state().into_iter().collect();
        if found.iter().any(|finding| finding.severity == Severity::Error) {
            return self.excused(found, control);
        }
        if !found.is_empty() {
            return found;
        }
        found.extend(self.of_ports());
        found.extend(self.of_health());
        if let Some(in_control) = self.in_control.filter(|it| it.is_good) {
            found.extend(self.of_listening(&in_control.listening));
        }
        found
    }

    fn of_state(&self) -> Option<Diagnostic> {
        let seen = self.seen;
        match seen.state {
            State::Up | State::Done if seen.restarts == 0 => self.untried(),
            State::Up | State::Done => {
                let lack = seen.lack.as_ref().map_or_else(String::new, |lack| format!(": {lack}"));
                let what = format!("was started again {} times{lack}", seen.restarts);
                Some(self.finding(Severity::Error, "service-restarts", &what, self.hint()))
            }
            State::Waiting => {
                let hint = "give it more time by --timeout, or see in its last lines what it waits for";
                Some(self.finding(Severity::Error, "service-waiting", "is still being started", hint))
            }
            // A unit that only a link enables may well have a condition; a declared one has to run.
            // What is made once was made before the unit was started again.
            State::Skipped if self.wanted.part_of.is_some() => None,
            State::Skipped => {
                let what = match (seen.is_masked, diagnosis::condition(&seen.log)) {
                    (true, _) => "was not started: its unit is masked".to_owned(),
                    (false, Some(condition)) => {
                        format!("was not started: a condition of its unit does not hold here, {condition}")
                    }
                    (false, None) => "was not started: a condition of its unit does not hold here".to_owned(),
                };
                match self.wanted.declared {
                    Some(_) => Some(self.finding(Severity::Error, "service-skipped", &what, self.unskipped())),
                    None => Some(self.finding(Severity::Note, "service-skipped", &what, "")),
                }
            }
            State::Down if self.seen.is_there || self.wanted.part_of.is_none() => {
                let why = seen.lack.as_ref().map_or_else(|| self.end(), ToString::to_string);
                Some(self.finding(Severity::Error, "service-down", &format!("is down: {why}"), self.hint()))
            }
            State::Down => {
                let by = self.wanted.part_of.as_deref().unwrap_or_default();
                let what = format!("is not there, and in the full tree it is started with {by}");
                let hint =
                    "see what makes it: a generator by what is in /etc or /var, or a link in a directory of units";
                Some(self.finding(Severity::Error, "service-down", &what, hint))
            }
        }
    }

    /// What to do about a unit that was passed over.
    fn unskipped(&self) -> &'static str {
        match self.seen.is_masked {
            true => "remove what hides it in a directory of units: a link to /dev/null, or an empty file",
            false => "ship what the condition asks for, or take the condition away by a drop-in",
        }
    }

    /// A socket that systemd holds for a service which nothing asked for: whether that can start is not known.
    fn untried(&self) -> Option<Diagnostic> {
        let stem = self.wanted.name.strip_suffix(".socket")?;
        let service = self.watched.services.get(&format!("{stem}.service"));
        if service.is_some_and(|seen| matches!(seen.state, State::Up | State::Done)) {
            return None;
        }
        let what = "is listened on, and its service was not started, since nothing asked for it: that it can start is not shown";
        Some(self.finding(Severity::Note, "socket-untried", what, "name the service in `services`, and it is started"))
    }

    /// How it ended, and what it said last.
    fn end(&self) -> String {
        let said = diagnosis::last_words(&self.wanted.name, &self.seen.log);
        let end = if self.seen.end.is_empty() { "it ended" } else { &self.seen.end };
        said.map_or_else(|| end.to_owned(), |said| format!("{end}: {said}"))
    }

    /// What to do about what it lacks.
    fn hint(&self) -> String {
        use Lack as L;
        let lack = self.seen.lack.as_ref();
        if let Some(hint) = lack.and_then(|lack| (self.kept_out)(&self.wanted.module, lack)) {
            return hint;
        }
        if let Some(holder) = self.holder_of_its_port() {
            return format!("{holder} has it: let one of the two listen elsewhere");
        }
        let hint = match &self.seen.lack {
            Some(L::Library { .. } | L::LanguageModule { .. }) => {
                "add the package that brings it to package_spec, or its path to file_spec"
            }
            Some(L::Symbol { .. }) => "build the module against the base that it is laid over",
            Some(L::User { .. } | L::Group { .. }) => {
                "ship a file in /usr/lib/sysusers.d that makes it, or let the base have it"
            }
            Some(L::Program { .. }) => "add the package that brings it to package_spec, or its path to file_spec",
            Some(L::Path { path }) if path.starts_with("/var/") => {
                "ship a file in /usr/lib/tmpfiles.d that makes it: on a node /var is empty at first"
            }
            Some(L::Path { path }) if path.starts_with("/run/") => {
                "ship a file in /usr/lib/tmpfiles.d that makes it, or set RuntimeDirectory= in the unit"
            }
            Some(L::Path { .. }) => "ship it, or correct the path that names it",
            Some(L::Denied { .. }) => "let it belong to the user that the service runs as: in the overlay by [overlay]",
            Some(L::ReadOnly { path }) if path.starts_with("/proc/") || path.starts_with("/sys/") => {
                "try it on a machine: a trial may not change the settings of the kernel that it shares"
            }
            Some(L::ReadOnly { .. }) => "let the service write below /var or /run",
            Some(L::AddressInUse { .. }) => "let one of the two services listen elsewhere",
            Some(L::NotPermitted { .. }) => "a trial may not change the machine's clock, kernel and devices",
            None => "see its last lines",
        };
        hint.to_owned()
    }

    /// A service that is not up in the full tree either, for the same reason, is not the module's fault.
    fn excused(&self, found: Vec<Diagnostic>, control: Option<&Control>) -> Vec<Diagnostic> {
        // How a service without a unit is started is the module's own word.
        let Some(in_control) = self.in_control.filter(|it| !it.is_good && self.wanted.is_unit) else { return found };
        let cause = self.seen.lack.as_ref().map(Lack::cause);
        if cause != in_control.cause {
            let other = in_control.cause.as_deref().unwrap_or(in_control.state.name());
            let also = |finding: Diagnostic| {
                let message = format!("{}; the full tree fails too, and not so: {other}", finding.message);
                Diagnostic { message, ..finding }
            };
            return found.into_iter().map(also).collect();
        }
        let also = |finding: Diagnostic| {
            let message = format!(
                "{}; it fails in the full tree too ({}): not the module's fault",
                finding.message,
                in_control.state.name()
            );
            let recommended = control.map(|control| control.not_installed.join(", "));
            // Of a condition it is known what it asks for.
            let recommended = recommended.filter(|names| !names.is_empty() && self.seen.state != State::Skipped);
            let hint = recommended.map_or_else(
                || "a service that cannot start here is not proven either way".to_owned(),
                |names| format!("one of the packages that are only recommended may be what it needs: {names}"),
            );
            Diagnostic { severity: Severity::Warning, code: FAILS_IN_FULL_TREE, message, hint, ..finding }
        };
        found.into_iter().map(also).collect()
    }

    /// The services that have nothing to do with this one, with what was seen of them.
    fn others(&self) -> impl Iterator<Item = (&str, &Seen)> {
        let whole = |wanted: &'_ Wanted| wanted.part_of.clone().unwrap_or_else(|| wanted.name.clone());
        let own = whole(self.wanted);
        let all = self.watched.tried.all.iter().filter(move |other| whole(other) != own);
        all.filter_map(|other| Some((other.name.as_str(), self.watched.services.get(&other.name)?)))
    }

    /// Another service that listens on one of the ports that are declared for this one, where this one found its address in use.
    fn holder_of_its_port(&self) -> Option<&str> {
        self.seen.lack.as_ref().filter(|lack| matches!(lack, Lack::AddressInUse { .. }))?;
        let ports = self.wanted.ports();
        self.others()
            .find(|(_, seen)| ports.iter().any(|port| watch::listens(&seen.listening.iter().collect(), *port)))
            .map(|(name, _)| name)
    }

    fn of_ports(&self) -> Vec<Diagnostic> {
        // What another service of the trial holds is not this one's; what no service holds may be, as what systemd opened for it.
        let theirs: BTreeSet<&Address> = self.others().flat_map(|(_, seen)| &seen.listening).collect();
        let open = self.watched.listening.iter().filter(|address| !theirs.contains(address));
        let all: BTreeSet<&Address> = open.chain(&self.seen.listening).collect();
        let ports = self.wanted.ports();
        let closed = ports.iter().filter(|port| !watch::listens(&all, **port));
        let finding = |(protocol, port): &(model::manifest::Protocol, u16)| {
            let word = serde_json::to_value(protocol).unwrap_or_default();
            let what = format!("does not listen on port {port} ({})", word.as_str().unwrap_or_default());
            let holder =
                self.others().find(|(_, seen)| watch::listens(&seen.listening.iter().collect(), (*protocol, *port)));
            let (what, hint) = match holder {
                Some((name, _)) => (
                    format!("{what}: {name} does"),
                    format!("declare the port for {name}, or correct the configuration of one of the two"),
                ),
                None => (what, "correct exposed_ports, or the service's configuration".to_owned()),
            };
            self.finding(Severity::Error, "port-closed", &what, hint)
        };
        closed.map(finding).collect()
    }

    fn of_health(&self) -> Option<Diagnostic> {
        let why = self.seen.health.as_ref()?.as_ref().err()?;
        let hint = "correct the endpoint in `health`, or what keeps the service from answering";
        Some(self.finding(Severity::Error, "health-failed", &format!("does not pass its health check: {why}"), hint))
    }

    /// Where it listens otherwise than in the full tree.
    fn of_listening(&self, control: &BTreeSet<Address>) -> Vec<Diagnostic> {
        let Difference { wider, missing } = sockets::compare(&self.seen.listening, control, self.watched.ephemeral);
        let shown =
            |addresses: &BTreeSet<Address>| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        // What another process holds for it, such as systemd, is there all the same.
        let missing: BTreeSet<Address> = missing.difference(&self.watched.listening).cloned().collect();
        let mut found = Vec::new();
        if !wider.is_empty() {
            let what = format!("listens on {}, and in the full tree on {} only", shown(&wider), shown(control));
            let hint = "its configuration is not shipped: ship what a maintainer script made below /etc";
            found.push(self.finding(Severity::Error, "listens-wider", &what, hint));
        }
        if !missing.is_empty() {
            let what = format!("does not listen on {}, where it does in the full tree", shown(&missing));
            let hint = "see what of its configuration is not shipped";
            found.push(self.finding(Severity::Error, "listens-less", &what, hint));
        }
        found
    }
}

/// How systemd-tmpfiles begins its remark about a path such as `/var/run/x`.
const LEGACY: &str = "Line references path below legacy directory";

/// Lines of the modules' tmpfiles.d that could not be followed, by what systemd-tmpfiles said. That an account is missing
/// which a service lacks is said of the service.
pub(crate) fn tmpfiles(watched: &Watched, modules: &[TriedModule]) -> Vec<Diagnostic> {
    let lacking = watched.services.values().filter_map(|seen| match &seen.lack {
        Some(Lack::User { name } | Lack::Group { name }) => Some(format!("'{name}'")),
        _ => None,
    });
    let lacking: Vec<String> = lacking.collect();
    let is_said = |line: &&String| lacking.iter().any(|name| line.contains(name));
    let finding = |module: &TriedModule, message: String, hint: &str| {
        Diagnostic::new(Severity::Warning, "tmpfiles-failed", message, hint).in_file(module.name.as_str())
    };
    let of_line = |line: &String| {
        let (place, what) = line.split_once(": ")?;
        // It follows the line all the same, at the path that it was moved to.
        if what.starts_with(LEGACY) {
            return None;
        }
        let path = ImagePath::new(place.rsplit_once(':')?.0).ok()?;
        let module = modules.iter().find(|module| module.tree.lookup(&path).is_some())?;
        let hint = "correct the line: a user that it names has to be made by sysusers.d before";
        Some(finding(module, format!("systemd-tmpfiles cannot follow {place}: {what}"), hint))
    };
    // What goes wrong while a line is followed is said of the path, not of the line.
    let of_path = |line: &String| {
        let named = in_factory(line);
        let has = |module: &&TriedModule| named.iter().any(|path| module.tree.lookup(path).is_some());
        let has_lines = |module: &&TriedModule| {
            ImagePath::new("/usr/lib/tmpfiles.d").is_ok_and(|path| module.tree.lookup(&path).is_some())
        };
        let is_unsafe = line.starts_with("Detected unsafe path transition ");
        let module = modules.iter().find(has).or_else(|| modules.iter().find(has_lines).filter(|_| is_unsafe))?;
        let hint = "let what is in a directory of an account belong to that account, or let root own the directory";
        let hint =
            if is_unsafe { hint } else { "see what is at that path already, and who owns the directories around it" };
        Some(finding(module, format!("systemd-tmpfiles cannot make what the module has in /var: {line}"), hint))
    };
    // That two files ask for the same is usual, and the first counts.
    let is_failure = |line: &&String| !line.contains("Duplicate line ") && !is_said(line);
    let of_module = |line: &String| if line.starts_with('/') { of_line(line) } else { of_path(line) };
    watched.tmpfiles.iter().filter(is_failure).filter_map(of_module).collect()
}

/// Where a module would have what a line says of paths in `/var`.
fn in_factory(line: &str) -> Vec<ImagePath> {
    let words = line.split_ascii_whitespace().map(|word| word.trim_matches(|c| "\"'`:,.".contains(c)));
    let names = words.filter(|word| word.starts_with("/var/"));
    names.filter_map(|word| ImagePath::new(format!("/usr/share/factory{word}")).ok()).collect()
}

/// Where each service has to listen, by what it did in the full tree.
pub(crate) fn expected(control: Option<&Control>) -> BTreeMap<String, BTreeSet<Address>> {
    let Some(control) = control else { return BTreeMap::new() };
    let good = control.services.iter().filter(|(_, service)| service.is_good);
    let of = |service: &InControl| {
        let nothing = BTreeSet::new();
        // What does not change from one start to the next.
        sockets::compare(&nothing, &service.listening, control.ephemeral).missing
    };
    good.map(|(name, service)| (name.clone(), of(service))).collect()
}

#[cfg(test)]
mod tests;
