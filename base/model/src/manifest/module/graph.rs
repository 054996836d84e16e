//! What holds between services: unique names, dependencies on declared services, no cycle.

use std::collections::HashMap;

use crate::document::{Check, Cursor, excerpt, nearest};

/// A dependency of one service on another.
pub(super) struct Edge<'n> {
    pub(super) to: String,
    pub(super) at: Cursor<'n>,
    pub(super) needs_health: bool,
}

struct Service<'n> {
    name: String,
    at: Cursor<'n>,
    has_health: bool,
    edges: Vec<Edge<'n>>,
}

/// The services with their names and dependencies.
#[derive(Default)]
pub(super) struct Graph<'n> {
    services: Vec<Service<'n>>,
    /// Whether a service has no usable name: then a dependency may well mean that one.
    nameless: bool,
}

impl<'n> Graph<'n> {
    pub(super) fn add(&mut self, name: String, at: Cursor<'n>, has_health: bool, edges: Vec<Edge<'n>>) {
        self.services.push(Service { name, at, has_health, edges });
    }

    pub(super) fn add_nameless(&mut self) {
        self.nameless = true;
    }

    /// Reports repeated names, unknown services and cycles.
    pub(super) fn check(&self, check: &mut Check<'_>) {
        let mut index: HashMap<&str, usize> = HashMap::new();
        for (number, service) in self.services.iter().enumerate() {
            if let Some(first) = index.get(service.name.as_str()) {
                let line = self.services[*first].at.position().line;
                let message = format!("the service name `{}` is taken by the service in line {line}", service.name);
                let hint = "give each service a name of its own";
                check.error(&service.at, "duplicate-service", message, hint);
            } else {
                index.insert(&service.name, number);
            }
        }
        let targets = self.targets(check, &index);
        self.cycles(check, &targets);
    }

    /// The services that each one depends on, by number; the edge's number comes with it.
    fn targets(&self, check: &mut Check<'_>, index: &HashMap<&str, usize>) -> Vec<Vec<(usize, usize)>> {
        let names: Vec<&str> = self.services.iter().take(200).map(|service| service.name.as_str()).collect();
        let mut targets = Vec::with_capacity(self.services.len());
        for service in &self.services {
            let mut known = Vec::new();
            for (number, edge) in service.edges.iter().enumerate() {
                let Some(&to) = index.get(edge.to.as_str()) else {
                    self.undeclared(check, edge, &names);
                    continue;
                };
                if edge.needs_health && !self.services[to].has_health {
                    let message = format!("`{}` has no health check that could be waited for", edge.to);
                    let hint = format!("give `{}` a `health`, or use `kind: start_before`", edge.to);
                    check.warn(&edge.at, "no-health", message, hint);
                }
                known.push((to, number));
            }
            targets.push(known);
        }
        targets
    }

    fn undeclared(&self, check: &mut Check<'_>, edge: &Edge<'_>, names: &[&str]) {
        if self.nameless {
            return;
        }
        let shown = excerpt(&edge.to);
        let hint = match nearest(&edge.to, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare the service in this manifest, or remove the dependency".to_owned(),
        };
        let message = format!("no service `{shown}` is declared here");
        check.error(&edge.at, "unknown-service", message, hint);
    }

    /// Walks depth first with a stack of its own; an edge back onto the path closes a cycle.
    fn cycles(&self, check: &mut Check<'_>, targets: &[Vec<(usize, usize)>]) {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            OnPath,
            Done,
        }
        let mut marks = vec![Mark::New; targets.len()];
        for start in 0..targets.len() {
            if marks[start] != Mark::New {
                continue;
            }
            let mut path = vec![(start, 0)];
            marks[start] = Mark::OnPath;
            while let Some((service, next)) = path.last_mut() {
                let service = *service;
                let Some(&(to, edge)) = targets[service].get(*next) else {
                    marks[service] = Mark::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                match marks[to] {
                    Mark::New => {
                        marks[to] = Mark::OnPath;
                        path.push((to, 0));
                    }
                    Mark::OnPath => {
                        let on_path: Vec<usize> = path.iter().map(|(service, _)| *service).collect();
                        self.cycle(check, &on_path, to, &self.services[service].edges[edge]);
                    }
                    Mark::Done => {}
                }
            }
        }
    }

    fn cycle(&self, check: &mut Check<'_>, path: &[usize], to: usize, edge: &Edge<'_>) {
        let from = path.iter().position(|service| *service == to).unwrap_or(0);
        let cycle = &path[from..];
        let mut chain: Vec<&str> = cycle.iter().take(20).map(|service| self.services[*service].name.as_str()).collect();
        if cycle.len() > 20 {
            chain.push("...");
        }
        chain.push(&self.services[to].name);
        let message = format!("the services wait for each other: {}", chain.join(" -> "));
        let hint = "remove one of these dependencies";
        check.error(&edge.at, "service-cycle", message, hint);
    }
}
