//! What is started: the units that modules enable, and the services that their manifests declare.

use std::collections::{BTreeMap, BTreeSet};

use composer::scan::Source;
use image::composefs::Entry;
use image::tree::{Kind, Tree};
use model::ImagePath;
use model::manifest::{DependencyKind, Method, Protocol, RestartPolicy, Service};
use node::trial::agent::{self, Restart};
use node::trial::own;
use serde_json::Value;

use crate::error::Error;
use crate::recipes::trial::layers::Layers;

/// Where units are, the one that counts first.
const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// The kinds of unit that are started for a module.
const KINDS: [&str; 5] = [".service", ".socket", ".timer", ".path", ".mount"];

/// The kinds of unit that are judged as parts of others.
const PARTS: [&str; 2] = [".service", ".socket"];

/// Something that is started and judged.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The unit, or the service's own name where it has none.
    pub(crate) name: String,
    /// The module that brings it.
    pub(crate) module: String,
    /// What the manifest declares of it.
    pub(crate) declared: Option<Service>,
    /// Whether a unit of systemd is started.
    pub(crate) is_unit: bool,
    /// The unit that it is a part of: the one that pulls it in when it is started.
    pub(crate) part_of: Option<String>,
}

impl Wanted {
    /// The ports that it has to listen on, with the protocol.
    pub(crate) fn ports(&self) -> BTreeSet<(Protocol, u16)> {
        let ports = self.declared.iter().flat_map(|service| &service.exposed_ports);
        ports.map(|port| (port.protocol.unwrap_or_default(), port.port.value)).collect()
    }
}

/// All that is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Services {
    /// In the order in which they are started; parts are behind all others.
    pub(crate) all: Vec<Wanted>,
    /// The units of the base, which are no parts of a module's.
    pub(crate) of_base: BTreeSet<String>,
}

impl Services {
    /// The names of the units.
    pub(crate) fn units(&self) -> Vec<String> {
        self.all.iter().filter(|wanted| wanted.is_unit).map(|wanted| wanted.name.clone()).collect()
    }

    /// Those of one module.
    pub(crate) fn of(&self, module: &str) -> Self {
        let all = self.all.iter().filter(|wanted| wanted.module == module).cloned().collect();
        Self { all, of_base: self.of_base.clone() }
    }

    /// Adds what `by` pulls in, as far as it is no unit of the base and not there yet; says whether there was any.
    pub(crate) fn add_parts(&mut self, by: &str, pulls: &[String]) -> bool {
        let Some(whole) = self.all.iter().find(|wanted| wanted.name == by && wanted.part_of.is_none()) else {
            return false;
        };
        let module = whole.module.clone();
        let is_known = |name: &str| self.all.iter().any(|wanted| wanted.name == name);
        let is_part = |name: &&String| {
            let template = template(name).is_some_and(|template| self.of_base.contains(&template));
            PARTS.iter().any(|kind| name.ends_with(kind))
                && !(template || self.of_base.contains(*name) || is_known(name) || own::is_of_a_machine(name))
        };
        let part = |name: &String| Wanted {
            name: name.clone(),
            module: module.clone(),
            declared: None,
            is_unit: true,
            part_of: Some(by.to_owned()),
        };
        let parts: Vec<Wanted> = pulls.iter().filter(is_part).map(part).collect();
        let is_any = !parts.is_empty();
        self.all.extend(parts);
        is_any
    }
}

/// Finds out what is started. `units` says whether systemd can be.
///
/// # Errors
/// When a service cannot be started at all.
pub(crate) fn find(layers: &Layers, has_manager: bool) -> Result<Services, Error> {
    let mut services = Services { all: Vec::new(), of_base: units_of(&layers.base) };
    let mut units: BTreeMap<String, usize> = BTreeMap::new();
    for module in &layers.modules {
        for unit in enabled(&module.tree, &layers.base) {
            units.entry(unit.clone()).or_insert_with(|| {
                let (name, module) = (unit, module.name.clone());
                services.all.push(Wanted { name, module, declared: None, is_unit: true, part_of: None });
                services.all.len() - 1
            });
        }
    }
    for module in &layers.modules {
        for service in in_order(&module.manifest.services.iter().map(|entry| &entry.value).collect::<Vec<_>>()) {
            let unit = service.unit();
            let declared = Some(service.clone());
            if let Some(at) = units.get(&unit) {
                services.all[*at].declared = declared;
            } else if has_manager && has_unit(layers, &unit) {
                units.insert(unit.clone(), services.all.len());
                let (name, module) = (unit, module.name.clone());
                services.all.push(Wanted { name, module, declared, is_unit: true, part_of: None });
            } else {
                let name = service.name.value.clone();
                if let Some(other) = services.all.iter().find(|other| !other.is_unit && other.name == name) {
                    return Err(Error::input(format!(
                        "{} and {} both declare the service {name}",
                        other.module, module.name
                    ))
                    .hint("give one of them another name"));
                }
                let module = module.name.clone();
                services.all.push(Wanted { name, module, declared, is_unit: false, part_of: None });
            }
        }
    }
    Ok(services)
}

/// The services, each behind those that it waits for. A manifest has no circle of them.
fn in_order<'a>(services: &[&'a Service]) -> Vec<&'a Service> {
    let mut ordered: Vec<&Service> = Vec::new();
    let mut left: Vec<&Service> = services.to_vec();
    while !left.is_empty() {
        let is_ready = |service: &&Service| {
            service.dependencies.iter().all(|needed| !left.iter().any(|other| other.name.value == needed.value.service))
        };
        let (ready, rest): (Vec<&Service>, Vec<&Service>) = left.iter().partition(|service| is_ready(service));
        if ready.is_empty() {
            ordered.extend(rest);
            break;
        }
        ordered.extend(ready);
        left = rest;
    }
    ordered
}

/// The units that links in a module enable, and that the base does not enable itself.
fn enabled(tree: &Tree<Entry>, base: &Tree<Source>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, _, node) in tree.walk() {
        let Some(parent) = path.parent() else { continue };
        let is_wants = parent.file_name().is_some_and(|name| name.ends_with(b".wants") || name.ends_with(b".requires"));
        let is_unit_directory =
            parent.parent().is_some_and(|at| UNITS.iter().any(|unit| at.as_bytes() == unit.as_bytes()));
        let is_link = matches!(node.kind, Kind::Symlink(_) | Kind::Regular(_));
        if !is_wants || !is_unit_directory || !is_link || base.lookup(&path).is_some() {
            continue;
        }
        let name = path.file_name().and_then(|name| std::str::from_utf8(name).ok());
        let is_tried = |name: &&str| KINDS.iter().any(|kind| name.ends_with(kind)) && !own::is_of_a_machine(name);
        found.extend(name.filter(is_tried).map(str::to_owned));
    }
    found
}

/// The names of all units that a tree has.
fn units_of(tree: &Tree<Source>) -> BTreeSet<String> {
    let names = |place: &&'static str| -> Vec<String> {
        let directory = ImagePath::new(*place).ok().and_then(|path| tree.resolve(&path));
        let Some(Kind::Directory(entries)) = directory.map(|id| &tree.node(id).kind) else { return Vec::new() };
        entries.keys().filter_map(|name| std::str::from_utf8(name).ok().map(str::to_owned)).collect()
    };
    UNITS.iter().flat_map(names).collect()
}

/// The template of an instance: `a@.service` of `a@b.service`.
fn template(unit: &str) -> Option<String> {
    let (name, rest) = unit.split_once('@')?;
    Some(format!("{name}@.{}", rest.rsplit_once('.')?.1))
}

/// Whether a layer has the unit.
fn has_unit(layers: &Layers, unit: &str) -> bool {
    layers.modules.iter().any(|module| in_tree(&module.tree, unit)) || in_tree::<Source>(&layers.base, unit)
}

fn in_tree<C>(tree: &Tree<C>, unit: &str) -> bool {
    UNITS.iter().any(|place| {
        let path = ImagePath::new(format!("{place}/{unit}"));
        path.is_ok_and(|path| tree.lookup(&tree.resolve_parent(&path)).is_some())
    })
}

/// The places at which the text of a unit may be, the one that counts first.
pub(crate) fn places(unit: &str) -> Vec<String> {
    let names: Vec<String> = [Some(unit.to_owned()), template(unit)].into_iter().flatten().collect();
    let of_name = |name: &String| UNITS.map(|place| format!("{}/{name}", place.trim_start_matches('/')));
    names.iter().flat_map(of_name).collect()
}

/// Whether a program of the layers, or what a link there leads to, is at `path`.
pub(crate) fn has(layers: &Layers, path: &str) -> bool {
    let Ok(path) = ImagePath::new(path) else { return false };
    layers.modules.iter().any(|module| module.tree.lookup(&module.tree.resolve_parent(&path)).is_some())
        || layers.base.lookup(&layers.base.resolve_parent(&path)).is_some()
}

/// A declared service as it is started without a unit.
pub(crate) fn for_agent(service: &Service) -> agent::Service {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    agent::Service {
        name: service.name.value.clone(),
        command: agent::words(&service.start_command.value),
        user: service.user.clone(),
        directory: service.working_directory.clone(),
        environment: service.env.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        restart: match service.restart_policy.unwrap_or_default() {
            RestartPolicy::Never => Restart::Never,
            RestartPolicy::OnFailure => Restart::OnFailure,
            RestartPolicy::Always => Restart::Always,
        },
        capabilities: service.capabilities.iter().filter_map(|name| agent::capability(&name.value)).collect(),
    }
}

/// Which other services must be well before this one is started.
pub(crate) fn waits_for_health(service: &Service) -> Vec<String> {
    let needs = |kind: Option<DependencyKind>| kind == Some(DependencyKind::RequiresHealth);
    let needed = service.dependencies.iter().filter(|dependency| needs(dependency.value.kind));
    needed.map(|dependency| dependency.value.service.clone()).collect()
}

/// How a health check asks: the method of HTTP, or none for a connection.
pub(crate) fn method(method: Method) -> Option<&'static str> {
    match method {
        Method::Get => Some("GET"),
        Method::Post => Some("POST"),
        Method::Put => Some("PUT"),
        Method::Tcp => None,
    }
}

#[cfg(test)]
mod tests {
    use model::Manifest;

    use super::*;

    #[test]
    fn services_come_behind_those_that_they_wait_for() {
        let text = "schema_version: 1\nname: m\nservices:\n\
                    - {name: c, start_command: /c, dependencies: [{service: b, kind: requires_health}]}\n\
                    - {name: a, start_command: /a}\n\
                    - {name: b, start_command: \"/b 'x y'\", dependencies: [{service: a}], env: {N: 1, T: \"a b\"}, user: u}\n";
        let manifest = Manifest::parse(text.as_bytes()).manifest.unwrap();
        let services: Vec<&Service> = manifest.services.iter().map(|entry| &entry.value).collect();
        let names: Vec<&str> = in_order(&services).iter().map(|service| service.name.value.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(waits_for_health(services[0]), ["b"]);
        let agent = for_agent(services[2]);
        assert_eq!((agent.command, agent.restart), (vec!["/b".to_owned(), "x y".to_owned()], Restart::Always));
        assert_eq!(agent.environment, BTreeMap::from([("N".into(), "1".into()), ("T".into(), "a b".into())]));
    }

    #[test]
    fn a_template_is_where_its_instance_has_no_file() {
        let places = places("a@b.service");
        assert_eq!(places[0], "etc/systemd/system/a@b.service");
        assert_eq!(places.last().map(String::as_str), Some("lib/systemd/system/a@.service"));
        assert_eq!(super::places("a.service").len(), UNITS.len());
    }
}
