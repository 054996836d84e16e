//! Units that the manifest's services name and that nothing brings.

use composer::needs::{self, Reach, World};
use model::document::nearest;
use model::{Diagnostic, Severity};

use crate::recipes::build::inputs::Inputs;

/// The finding's code, as of a unit that another one needs.
const CODE: &str = "needs-unit";

/// Every unit in the metadata of a service that no one has.
pub(crate) fn find(inputs: &Inputs, world: World<'_>) -> Vec<Diagnostic> {
    let requires = &inputs.manifest.dependencies.requires;
    let finding = |(index, service): (usize, &model::manifest::Service)| {
        let unit = service.named_unit()?;
        let field = format!("services[{index}].metadata.unit");
        let (message, hint) = match needs::reach_unit(world, &unit) {
            Reach::Met => return None,
            Reach::Dropped(paths) => {
                let path = paths.last().map(ToString::to_string).unwrap_or_default();
                let field = if inputs.manifest.file_spec.is_empty() { "protected_spec" } else { "file_spec" };
                (
                    format!("which is not shipped: {path}"),
                    format!("add `{path}` to {field}, or narrow what keeps it out"),
                )
            }
            Reach::Absent => ("which nothing ships".to_owned(), meant(&unit.to_string(), world)),
        };
        let severity = if requires.is_empty() { Severity::Warning } else { Severity::Note };
        let found = Diagnostic::new(severity, CODE, format!("{field} names {unit}, {message}"), hint);
        Some(found.in_file(inputs.file.clone()).at(service.unit_position).in_field(field).quoting(unit.to_string()))
    };
    let services = inputs.manifest.services.iter().map(|service| &service.value);
    services.enumerate().filter_map(finding).collect()
}

/// The service of a near name, where there is one.
fn meant(unit: &str, world: World<'_>) -> String {
    let names = needs::unit_names(world.whole);
    let names: Vec<&str> =
        names.iter().map(model::unit::UnitName::as_str).filter(|name| name.ends_with(".service")).collect();
    match nearest(unit, &names) {
        Some(near) => format!("did you mean {near}?"),
        None => {
            "add the package that has it to package_spec, put it into rootfs/usr/lib/systemd/system, or remove the key"
                .to_owned()
        }
    }
}
