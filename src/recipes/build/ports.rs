//! Ports that two services of one node declare both, of one module or of two.

use model::manifest::{Port, Protocol};
use model::{Diagnostic, FileName, Manifest, Severity};

/// The finding's code.
const CODE: &str = "port-conflict";

/// Every port of a service of the manifest in `file` that another of its services, or one of a neighbour, declares, too. It is no
/// error: each may listen on an address of its own.
pub(crate) fn conflicts<'a>(
    (own, file): (&Manifest, &FileName),
    neighbours: &(impl Iterator<Item = (&'a Manifest, &'a FileName)> + Clone),
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (at, (service, port, field)) in ports(own).enumerate() {
        let same = |(_, other, _): &(&str, &Port, String)| key(other) == key(port);
        let before = ports(own).take(at).filter(|(other, ..)| *other != service).find(same);
        let of_neighbours = neighbours.clone().filter_map(|(neighbour, other_file)| {
            let (other, ..) = ports(neighbour).find(same)?;
            Some(format!("{other} of {} ({other_file})", neighbour.name))
        });
        let others = before.map(|(other, ..)| other.to_owned()).into_iter().chain(of_neighbours);
        for other in others {
            let (protocol, number) = key(port);
            let message = format!("{service} listens on {} {number}, and so does {other}", name(protocol));
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

    #[test]
    fn so_is_one_port_of_two_services_of_one_module() {
        let text = "schema_version: 1\nname: one\nfile_spec: [/a]\nservices:\n  - name: a\n    start_command: /a\n    exposed_ports: [{port: 80}, {port: 81}, {port: 80, protocol: udp}]\n  - name: b\n    start_command: /b\n    exposed_ports: [{port: 82}, {port: 80}]\n";
        let own = Manifest::parse(text.as_bytes()).manifest.unwrap();
        let found = conflicts((&own, &FileName::from("one.yaml")), &std::iter::empty());
        let told: Vec<_> = found.iter().map(|one| (one.message.as_str(), one.place())).collect();
        assert_eq!(told, [("b listens on tcp 80, and so does a", "one.yaml:10:40".to_owned())]);
    }

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
