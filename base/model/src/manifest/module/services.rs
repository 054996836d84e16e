//! `services` and the legacy `init`.

use std::collections::BTreeMap;

use serde_json::{Number, Value as Json};

use super::types::{DependencyKind, Health, Init, Port, Protocol, Service, ServiceDependency};
use super::{graph, keys, security};
use crate::document::{Check, Choice, Cursor, Entry, Scalar, Seen};

/// `init`.
pub(super) fn init(check: &mut Check<'_>, at: &Cursor<'_>) -> Init {
    let Some(object) = check.object(at, &keys::INIT) else { return Init::default() };
    // The platform's own template writes "" where there is no command.
    let mut command = |key| {
        let entry = object.get(key).and_then(|at| check.string(&at))?;
        (!entry.value.trim().is_empty()).then_some(entry)
    };
    Init { start: command("start"), stop: command("stop"), restart: command("restart") }
}

/// `services`, with what holds between them: names are unique, dependencies are declared, no cycle.
pub(super) fn services(check: &mut Check<'_>, at: &Cursor<'_>) -> Vec<Entry<Service>> {
    let items = check.list(at, "services");
    let mut services = Vec::new();
    let mut graph = graph::Graph::default();
    for item in &items {
        if let Some(service) = service(check, item, &mut graph) {
            services.push(Entry { value: service, position: item.position() });
        }
    }
    graph.check(check);
    services
}

fn service<'n>(check: &mut Check<'_>, at: &Cursor<'n>, graph: &mut graph::Graph<'n>) -> Option<Service> {
    let object = check.object(at, &keys::SERVICE)?;
    let name_at = object.required(check, "name");
    let name = name_at.as_ref().and_then(|at| service_name(check, at));
    let start = object.required(check, "start_command").and_then(|at| check.filled(&at));
    let health = object.get("health").and_then(|at| health(check, &at));
    let (dependencies, edges) = object.get("dependencies").map(|at| dependencies(check, &at)).unwrap_or_default();
    if let (Some(name), Some(at)) = (&name, name_at) {
        graph.add(name.value.clone(), at, health.is_some(), edges);
    } else {
        graph.add_nameless();
    }
    let mut line = |key| object.get(key).and_then(|at| check.line(&at)).map(|entry| entry.value);
    let (user, working_directory) = (line("user"), line("working_directory"));
    // Fields are read in the order in which they are written: the two that may be missing come last,
    // so that every other one is checked all the same.
    Some(Service {
        stop_command: object.get("stop_command").and_then(|at| check.filled(&at)),
        restart_policy: object.get("restart_policy").and_then(|at| check.choice(&at)),
        user,
        working_directory,
        env: object.get("env").map(|at| environment(check, &at)).unwrap_or_default(),
        exposed_ports: object.get("exposed_ports").map(|at| ports(check, &at)).unwrap_or_default(),
        capabilities: object
            .get("capabilities")
            .map(|at| security::capabilities(check, &at, false))
            .unwrap_or_default(),
        health,
        metadata: object.get("metadata").and_then(|at| check.opaque_map(&at)).unwrap_or_default(),
        unit_position: object.get("metadata").and_then(|at| Some(at.child("unit")?.position())),
        dependencies,
        name: name?,
        start_command: start?,
    })
}

/// `^[a-z0-9][a-z0-9-]{0,62}$`
fn is_service_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= 63 && text.bytes().next().is_some_and(plain) && text.bytes().all(|b| plain(b) || b == b'-')
}

fn service_name(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<Entry<String>> {
    let entry = check.string(at)?;
    if is_service_name(&entry.value) {
        return Some(entry);
    }
    let hint = "use a-z, 0-9 and `-`, a letter or digit first, at most 63 characters";
    check.error(at, "invalid-name", "this is no service name", hint);
    None
}

/// `env`: names that a process environment can hold, scalar values.
fn environment(check: &mut Check<'_>, at: &Cursor<'_>) -> BTreeMap<String, Json> {
    let mut env = BTreeMap::new();
    for (key, at) in check.mapping(at, "write `NAME: value` lines").unwrap_or_default() {
        if key.text.is_empty() || key.text.contains(['=', '\0']) || key.text.contains(char::is_control) {
            let message = "an environment variable's name is not empty and holds no `=` and no control character";
            check.error_at(key.place, at.field(), "invalid-name", message, "rename the variable");
        }
        if let Some(value) = environment_value(check, &at) {
            env.entry(key.text.clone()).or_insert(value);
        }
    }
    env
}

fn environment_value(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<Json> {
    match at.scalar() {
        Some(Scalar::String(text)) if text.contains('\0') => {
            check.string(at)?;
            None
        }
        Some(Scalar::String(text)) => Some(Json::String(text.clone())),
        Some(Scalar::Boolean(value)) => Some(Json::Bool(*value)),
        Some(Scalar::Integer(_)) => check.opaque(at),
        Some(Scalar::Float(number)) => {
            let value = Number::from_f64(*number)?;
            let written = check.written(at);
            if written != value.to_string() {
                let message = format!("the service sees `{value}`, not `{written}`");
                check.warn(at, "number-loses-digits", message, format!("put it in quotes: \"{written}\""));
            }
            Some(Json::Number(value))
        }
        _ => {
            check.wrong_type(
                at,
                "a string, number or boolean",
                "write a single value; put it in quotes if in doubt".to_owned(),
            );
            None
        }
    }
}

fn ports(check: &mut Check<'_>, at: &Cursor<'_>) -> Vec<Port> {
    let mut ports = Vec::new();
    let mut seen = Seen::new("duplicate-port", "the port");
    for item in check.list(at, "ports") {
        if item.scalar().is_some() {
            check.wrong_type(&item, "a mapping", "write `- port: 80`");
            continue;
        }
        let Some(object) = check.object(&item, &keys::PORT) else { continue };
        let number = object.required(check, "port");
        let port =
            number.as_ref().and_then(|at| check.integer(at, keys::PORT_NUMBER)).and_then(|n| u16::try_from(n).ok());
        let protocol = object.get("protocol").and_then(|at| check.choice(&at));
        let name = object.get("name").and_then(|at| check.line(&at)).map(|entry| entry.value);
        let (Some(at), Some(value)) = (number, port) else { continue };
        let word = Protocol::WORDS[protocol.unwrap_or_default() as usize].0;
        seen.note(check, &item, format!("{value}/{word}"));
        ports.push(Port { port: Entry { value, position: at.position() }, protocol, name });
    }
    ports
}

fn health(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<Health> {
    let object = check.object(at, &keys::HEALTH)?;
    if object.get("endpoint").is_none() {
        let message = "the health check has no endpoint";
        let hint = "say what is asked, such as `endpoint: http://127.0.0.1:80/`";
        check.warn(at, "no-endpoint", message, hint);
    }
    let endpoint = object.get("endpoint").and_then(|at| check.line(&at));
    let method = object.get("method").and_then(|at| check.choice(&at));
    let mut seconds = |key, bounds| u32::try_from(check.integer(&object.get(key)?, bounds)?).ok();
    Some(Health {
        endpoint,
        method,
        interval_seconds: seconds("interval_seconds", keys::INTERVAL),
        timeout_seconds: seconds("timeout_seconds", keys::INTERVAL),
        initial_delay_seconds: seconds("initial_delay_seconds", keys::DELAY),
    })
}

type Edges<'n> = Vec<graph::Edge<'n>>;

fn dependencies<'n>(check: &mut Check<'_>, at: &Cursor<'n>) -> (Vec<Entry<ServiceDependency>>, Edges<'n>) {
    let (mut dependencies, mut edges) = (Vec::new(), Vec::new());
    for item in check.list(at, "dependencies") {
        if matches!(item.scalar(), Some(Scalar::String(_))) {
            check.wrong_type(&item, "a mapping", "write `- service: NAME` and, below it, `kind: start_before`");
            continue;
        }
        let Some(object) = check.object(&item, &keys::DEPENDENCY) else { continue };
        let service_at = object.required(check, "service");
        let service = service_at.as_ref().and_then(|at| check.string(at));
        let kind = object.get("kind").and_then(|at| check.choice(&at));
        let (Some(at), Some(service)) = (service_at, service) else { continue };
        edges.push(graph::Edge {
            to: service.value.clone(),
            at,
            needs_health: kind == Some(DependencyKind::RequiresHealth),
        });
        let value = ServiceDependency { service: service.value, kind };
        dependencies.push(Entry { value, position: item.position() });
    }
    (dependencies, edges)
}
