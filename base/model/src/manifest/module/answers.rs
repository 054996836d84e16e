//! What the rest of the product asks of a manifest without knowing its fields.

use super::types::{Manifest, Service};
use crate::FileName;
use crate::diagnostic::Position;
use crate::document::Entry;
use crate::manifest::metadata::Metadata;
use crate::package::PackageRequest;
use crate::rules::Lists;
use crate::unit::{UnitKind, UnitName};

impl Manifest {
    /// The lists of patterns, as they stand in `file`.
    #[must_use]
    pub fn lists<'a>(&'a self, file: &'a FileName) -> Lists<'a> {
        let Self { name: module, mask, file_spec, protected_spec, dependency_spec, .. } = self;
        Lists { module, file, mask, file_spec, protected_spec, dependency_spec }
    }

    /// What people and registries are shown.
    #[must_use]
    pub fn metadata(&self) -> Metadata<'_> {
        Metadata {
            title: self.display_name.as_ref().unwrap_or(&self.name),
            description: self.description.as_deref(),
            license: self.license.as_deref(),
        }
    }

    /// The packages that it asks for.
    #[must_use]
    pub fn requests(&self) -> Vec<PackageRequest> {
        self.package_spec.iter().map(|entry| entry.value.clone()).collect()
    }

    /// Where it asks for a package.
    #[must_use]
    pub fn position_of(&self, request: &PackageRequest) -> Option<Position> {
        self.package_spec.iter().find(|entry| entry.value == *request).map(|entry| entry.position)
    }

    /// The snapshot of the archive that it pins.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Entry<String>> {
        self.build.apt_snapshot.as_ref()
    }

    /// Every command line that the node will run, with the field that holds it, such as
    /// `services[0].start_command`, in the order `init`, `services`.
    #[must_use]
    pub fn commands(&self) -> Vec<(String, String)> {
        self.command_entries().into_iter().map(|(field, command)| (field, command.value.clone())).collect()
    }

    /// As [`Manifest::commands`], with the place of each.
    #[must_use]
    pub fn command_entries(&self) -> Vec<(String, &Entry<String>)> {
        let init = [("start", &self.init.start), ("stop", &self.init.stop), ("restart", &self.init.restart)];
        let init = init.into_iter().filter_map(|(key, command)| Some((format!("init.{key}"), command.as_ref()?)));
        let services = self.services.iter().enumerate().flat_map(|(index, service)| {
            let (start, stop) = (Some(&service.value.start_command), service.value.stop_command.as_ref());
            let both = [("start_command", start), ("stop_command", stop)].into_iter();
            both.filter_map(move |(key, command)| Some((format!("services[{index}].{key}"), command?)))
        });
        init.chain(services).collect()
    }
}

impl Service {
    /// The unit that the service is where the module ships one: what `unit` of its metadata names, else that of its own
    /// name. A unit's name may have dots and capitals, a service's may not.
    #[must_use]
    pub fn unit(&self) -> String {
        self.named_unit().map_or_else(|| format!("{}.service", self.name.value), |name| name.to_string())
    }

    /// The unit that `unit` of its metadata names.
    #[must_use]
    pub fn named_unit(&self) -> Option<UnitName> {
        let named = self.metadata.get("unit").and_then(serde_json::Value::as_str);
        named.and_then(|name| UnitName::parse(name).ok()).filter(|name| name.kind() == UnitKind::Service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_the_unit_that_its_metadata_names_or_that_of_its_name() {
        let unit = |metadata: &str| {
            let text = format!(
                "schema_version: 1\nname: m\nservices: [{{name: a-b, start_command: /x, metadata: {metadata}}}]\n"
            );
            let manifest = Manifest::parse(text.as_bytes()).manifest;
            manifest
                .and_then(|manifest| manifest.services.first().map(|service| service.value.unit()))
                .unwrap_or_default()
        };
        let text =
            "schema_version: 1\nname: m\nservices:\n  - {name: a, start_command: /x, metadata: {unit: b.service}}\n";
        let position =
            Manifest::parse(text.as_bytes()).manifest.and_then(|manifest| manifest.services[0].value.unit_position);
        assert_eq!(position.map(|at| (at.line, at.column)), Some((4, 51)));
        assert_eq!(unit("{unit: A.b@c.service}"), "A.b@c.service");
        for none in ["{}", "{unit: 1}", "{unit: a.socket}", "{unit: ../x.service}", "{other: x.service}"] {
            assert_eq!(unit(none), "a-b.service", "{none}");
        }
    }
}
