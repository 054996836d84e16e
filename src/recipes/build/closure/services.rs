//! Which units a module means.

use builder::ownership::Ownership;
use model::package::Package;
use model::{ImagePath, Manifest};

/// Where packages' units are.
const UNITS: [&str; 2] = ["/usr/lib/systemd/system", "/etc/systemd/system"];

/// The names of the module's services, as their units have them.
pub(super) fn names(manifest: &Manifest) -> Vec<String> {
    let stem = |unit: String| unit.strip_suffix(".service").unwrap_or(&unit).to_owned();
    manifest.services.iter().map(|service| stem(service.value.unit())).collect()
}

/// The package that owns the unit with this file name.
pub(super) fn owner<'a>(unit: &str, ownership: &'a Ownership) -> Option<&'a Package> {
    UNITS.iter().find_map(|directory| {
        let path = ImagePath::new(format!("{directory}/{unit}")).ok()?;
        ownership.owner(&path)
    })
}
