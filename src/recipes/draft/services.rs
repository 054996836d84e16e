//! Services, from the units of a package.

use std::collections::{BTreeMap, BTreeSet};

use model::unit::{
    Command, DirectoryKind, EnvironmentFile, ListenKind, Unit, UnitKind, UnitName, Value, environment_of, expand,
};

use builder::rootfs::deb::DebKind;

use super::choice::Read;

/// The longest name of a service.
const MAX_NAME: usize = 63;

/// A service of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) name: String,
    /// The unit that it was read from.
    pub(super) unit: String,
    /// The unit's `Type=`.
    pub(super) kind: String,
    pub(super) start: String,
    pub(super) stop: Option<String>,
    pub(super) restart: &'static str,
    pub(super) user: Option<String>,
    pub(super) working_directory: Option<String>,
    pub(super) env: BTreeMap<String, String>,
    /// Ports with their protocols.
    pub(super) ports: BTreeSet<(u16, &'static str)>,
}

/// The services of a package, and what there is to say of its other units.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) services: Vec<Service>,
    pub(super) notes: Vec<String>,
}

/// The services that installing `package` starts: those of its units that are enabled then and run for long. Templates,
/// what a timer starts, and what runs once are none.
pub(super) fn of(package: &Read) -> Found {
    let units: Vec<Unit> = package.units().into_iter().map(|(name, bytes)| Unit::parse(Some(name), bytes)).collect();
    let timers = units.iter().filter(|unit| unit.name().is_some_and(|name| name.kind() == UnitKind::Timer));
    let helpers: BTreeSet<String> = timers.filter_map(|unit| unit.activates()?.known().map(str::to_owned)).collect();
    let enabled = Enabled::of(package);
    let mut found = Found::default();
    let (mut left, mut unsaid, mut off) = (Vec::new(), Vec::new(), Vec::new());
    for unit in &units {
        let Some(name) = unit.name().filter(|name| name.kind() == UnitKind::Service) else { continue };
        if unit.install().is_empty() || helpers.contains(name.as_str()) {
            continue;
        }
        if !enabled.has(name) {
            off.extend((!name.is_template()).then_some(name.as_str()));
            continue;
        }
        if name.is_template() || unit.service_type() == Some("oneshot") || unit.remains_after_exit() {
            left.push(name.as_str());
            continue;
        }
        match service(package, unit, name, &units) {
            Some(service) => found.services.push(service),
            None => unsaid.push(name.as_str()),
        }
    }
    if found.services.is_empty() {
        found.notes.extend(why_none(package, (&left, &unsaid), &off));
    }
    found
}

/// Why a package has no services, where it has something that is like one: units that run nothing for long (`left`), have a command
/// that `services` cannot hold (`unsaid`) or are `off` after its installation, or a start script of System V.
fn why_none(package: &Read, (left, unsaid): (&[&str], &[&str]), off: &[&str]) -> Option<String> {
    let name = &package.name;
    let scripts = package.texts.entries.iter().filter(|entry| entry.kind == DebKind::Regular);
    let mut scripts = scripts.map(|entry| entry.path.to_string()).filter(|path| path.starts_with("/etc/init.d/"));
    match (left, off) {
        _ if !unsaid.is_empty() => Some(format!(
            "the command of {} of {name} is none that `services` can hold, such as one of a shell: units are enabled as the package does it, and `services` is for you to fill",
            unsaid.join(", ")
        )),
        ([_, ..], _) => Some(format!(
            "{} of {name} runs no command of its own for long: units are enabled as the package does it, and `services` is for you to fill",
            left.join(", ")
        )),
        ([], [_, ..]) => Some(format!(
            "{} of {name} is off after its installation: a link to it in rootfs/etc/systemd/system/multi-user.target.wants has it started",
            off.join(", ")
        )),
        ([], []) if package.units().is_empty() => scripts.next().map(|script| {
            format!(
                "{name} has {script} and no unit: put one into rootfs/usr/lib/systemd/system, and name it in `services`"
            )
        }),
        ([], []) => None,
    }
}

/// Which units a package's script enables when it is installed.
struct Enabled(String);

impl Enabled {
    fn of(package: &Read) -> Self {
        let script = package.texts.scripts.get("postinst");
        Self(script.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default())
    }

    /// Whether the unit is enabled: where the script asks deb-systemd-helper `was-enabled`, which says yes at first, or calls
    /// `enable` by other means. What it asks for by `debian-installed` is left as it was. A script that speaks of no unit leaves it
    /// to the unit's `[Install]`.
    fn has(&self, name: &UnitName) -> bool {
        let speaks = ["deb-systemd-helper", "systemctl"].iter().any(|word| self.0.contains(word));
        if !speaks {
            return true;
        }
        let says = |verb: &str| self.0.lines().any(|line| says(line, verb, name.as_str()));
        (says("was-enabled") || says("enable")) && !says("debian-installed")
    }
}

/// Whether a line of a script gives the word `verb` and then the unit `name`.
fn says(line: &str, verb: &str, name: &str) -> bool {
    let words: Vec<&str> =
        line.split(|c: char| c.is_whitespace() || "'\";".contains(c)).filter(|word| !word.is_empty()).collect();
    let Some(at) = words.iter().position(|word| *word == verb) else { return false };
    let stem = name.strip_suffix(".service").unwrap_or(name);
    words[at + 1..].iter().any(|word| *word == name || *word == stem)
}

fn service(package: &Read, unit: &Unit, name: &UnitName, units: &[Unit]) -> Option<Service> {
    let command = unit.commands_for("ExecStart").into_iter().next()?;
    let files = unit.environment_files().into_iter().flat_map(|file| variables(package, &file));
    let set: BTreeMap<String, String> = unit.environment().into_iter().chain(files).collect();
    let all: BTreeMap<String, String> = set.clone().into_iter().chain(directories(unit)).collect();
    let start = line(&command, &all)?;
    let stop = unit.commands_for("ExecStop").first().and_then(|command| line(command, &all));
    let stop = stop.filter(|line| !line.contains("MAINPID"));
    // A command with more rights gives them up itself.
    let user = unit.user().and_then(known).filter(|user| !command.is_privileged && user != "root" && user != "0");
    let working_directory = unit.working_directory().and_then(|directory| known(directory.path));
    let env = set.into_iter().filter(|(_, value)| is_plain(value)).collect();
    Some(Service {
        name: service_name(name.stem())?,
        unit: name.to_string(),
        kind: unit.service_type().unwrap_or("simple").to_owned(),
        start,
        stop,
        restart: restart(unit.restart()),
        user,
        working_directory: working_directory.filter(|path| path.starts_with('/')),
        env,
        ports: ports(name, units),
    })
}

/// The name of a unit as a service can have it.
fn service_name(stem: &str) -> Option<String> {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = stem.chars().map(word).take(MAX_NAME).collect();
    let name = name.trim_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// systemd's words for when a service is started again, in the manifest's three.
fn restart(policy: Option<&str>) -> &'static str {
    match policy {
        Some("always" | "on-success") => "always",
        Some("on-failure" | "on-abnormal" | "on-abort" | "on-watchdog") => "on-failure",
        _ => "never",
    }
}

fn known(value: Value) -> Option<String> {
    match value {
        Value::Known(text) if is_plain(&text) && !text.is_empty() => Some(text),
        Value::Known(_) | Value::Unknown(_) => None,
    }
}

/// Whether a text can stand on one line of the manifest.
fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// What the service manager itself sets for a command, by names or their beginnings. Only the node knows it.
const OF_THE_MANAGER: [&str; 12] = [
    "CREDENTIALS_DIRECTORY",
    "HOME",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_",
    "LOGNAME",
    "MAINPID",
    "MANAGERPID",
    "NOTIFY_SOCKET",
    "PATH",
    "SHELL",
    "USER",
];

/// The variables by which a service learns the directories that systemd makes for it (`systemd.exec(5)`).
fn directories(unit: &Unit) -> Vec<(String, String)> {
    const KINDS: [(DirectoryKind, &str); 5] = [
        (DirectoryKind::Runtime, "RUNTIME_DIRECTORY"),
        (DirectoryKind::State, "STATE_DIRECTORY"),
        (DirectoryKind::Cache, "CACHE_DIRECTORY"),
        (DirectoryKind::Logs, "LOGS_DIRECTORY"),
        (DirectoryKind::Configuration, "CONFIGURATION_DIRECTORY"),
    ];
    let value = |(kind, name): (DirectoryKind, &str)| {
        let paths: Vec<String> = unit.directories(kind).into_iter().filter_map(known).collect();
        (!paths.is_empty()).then(|| (name.to_owned(), paths.join(":")))
    };
    KINDS.into_iter().filter_map(value).collect()
}

/// The command line, as a shell would read it, with the values of `variables`: the command is run without one. None where only
/// the node knows a part of it.
fn line(command: &Command, variables: &BTreeMap<String, String>) -> Option<String> {
    let arguments = command.arguments.iter().map(|argument| argument.known().map(str::to_owned));
    let mut arguments = arguments.collect::<Option<Vec<String>>>()?;
    if !command.keeps_variables {
        let is_the_managers =
            |name: &str| OF_THE_MANAGER.iter().any(|one| name == *one || (one.ends_with('_') && name.starts_with(one)));
        arguments = expand(&arguments, &|name| match variables.get(name) {
            Some(value) => Some(value.clone()),
            None => is_the_managers(name).then(|| format!("${{{name}}}")),
        });
    }
    let mut words = vec![word(command.program.known()?)];
    words.extend(arguments.iter().map(|argument| word(argument)));
    let line = words.join(" ");
    is_plain(&line).then_some(line)
}

/// A word in quotes where it needs them.
fn word(text: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,${}".contains(c);
    if !text.is_empty() && text.chars().all(is_safe) {
        return text.to_owned();
    }
    match text.contains('\'') {
        false => format!("'{text}'"),
        true => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// The variables of a file that the package brings.
fn variables(package: &Read, file: &EnvironmentFile) -> Vec<(String, String)> {
    let path = file.path.known().unwrap_or_default();
    let found = package.texts.files.iter().find(|(other, _)| other.as_bytes() == path.as_bytes());
    found.map(|(_, bytes)| environment_of(bytes)).unwrap_or_default()
}

/// The ports that sockets open for the service.
fn ports(name: &UnitName, units: &[Unit]) -> BTreeSet<(u16, &'static str)> {
    let is_its = |unit: &&Unit| {
        let is_socket = unit.name().is_some_and(|name| name.kind() == UnitKind::Socket);
        // A socket that accepts connections itself starts another instance for each.
        let template = format!("{}@.service", name.stem());
        is_socket && unit.activates().and_then(known).is_some_and(|other| other == name.as_str() || other == template)
    };
    let listens = units.iter().filter(is_its).flat_map(Unit::listens);
    let port = |listen: model::unit::Listen| {
        let protocol = if listen.kind == ListenKind::Datagram { "udp" } else { "tcp" };
        listen.port().map(|port| (port, protocol))
    };
    listens.filter_map(port).collect()
}
