//! Ports that services of two modules of one node declare both.

use model::manifest::{Port, Protocol};
use model::{Diagnostic, FileName, Manifest, Severity};

/// The finding's code.
const CODE: &str = "port-conflict";

/// Every port of a service of the manifest in `file` that a service of a neighbour declares, too. It is no error: each may
/// listen on an address of its own.
pub(crate) fn conflicts<'a>(
    (own, file): (&Manifest, &FileName),
    neighbours: &(impl Iterator<Item = (&'a Manifest, &'a FileName)> + Clone),
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (service, port, field) in ports(own) {
        for (neighbour, other_file) in neighbours.clone() {
            let same = |(_, other, _): &(&str, &Port, String)| key(other) == key(port);
            let Some((other, ..)) = ports(neighbour).find(same) else { continue };
            let (protocol, number) = key(port);
            let message = format!(
                "{service} listens on {} {number}, and so does {other} of {} ({other_file})",
                name(protocol),
                neighbour.name
            );
            let hint = format!(
                "have one of the two listen on another port, or each on an address of its own, and let `build` pass it by --allow {CODE}"
            );
            let finding = Diagnostic::new(Severity::Warning, CODE, message, hint).in_file(file.clone());
            found.push(finding.at(Some(port.port.position)).in_field(field.as_str()).quoting(number.to_string()));
        }
    }
    found
}

/// All ports of the services, each with its service and its field.
fn ports(manifest: &Manifest) -> impl Iterator<Item = (&str, &Port, String)> {
    manifest.services.iter().enumerate().flat_map(|(at, service)| {
        let service = &service.value;
        let ports = service.exposed_ports.iter().enumerate();
        ports.map(move |(index, port)| {
            (service.name.value.as_str(), port, format!("services[{at}].exposed_ports[{index}].port"))
        })
    })
}

fn key(port: &Port) -> (Protocol, u16) {
    (port.protocol.unwrap_or_default(), port.port.value)
}

fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    fn module(name: &str, ports: &str) -> (Manifest, FileName) {
        let text = format!(
            "schema_version: 1\nname: {name}\nfile_spec: [/a]\nservices:\n  - name: {name}-d\n    start_command: /a\n    \
             exposed_ports: {ports}\n"
        );
        (Manifest::parse(text.as_bytes()).manifest.unwrap(), FileName::from(format!("{name}.yaml").as_str()))
    }

    #[test]
    fn one_port_of_two_modules_is_said_at_its_place_and_another_protocol_is_another_port() {
        let (own, file) = module("one", "[{port: 80}, {port: 53, protocol: udp}]");
        let others = [module("two", "[{port: 8080}, {port: 80}]"), module("three", "[{port: 53}]")];
        let found = conflicts((&own, &file), &others.iter().map(|(manifest, file)| (manifest, file)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].message, "one-d listens on tcp 80, and so does two-d of two (two.yaml)");
        assert_eq!(
            (found[0].place(), found[0].field.as_str()),
            ("one.yaml:7:28".to_owned(), "services[0].exposed_ports[0].port")
        );
    }
}
