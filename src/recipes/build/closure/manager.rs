//! What a module has for systemd, over a base that does not have it.

use std::collections::BTreeSet;
use std::path::Path;

use composer::needs;
use composer::scan::Source;
use host::{Dir, Links};
use image::tree::Tree;
use model::closure::Ship;
use model::resolution::Variant;
use model::{Diagnostic, FileName, ImagePath, Manifest, Severity, sysusers, tmpfiles, unit};

use super::BaseRoot;
use crate::error::Error;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::packages::lock;
use crate::recipes::results::path_list;
use crate::settings::{self, BUILDER_TOML, ClosureSettings, ModuleSettings};

/// The finding's code.
const CODE: &str = "base-without-systemd";
/// The most files that one finding names.
const MAX_NAMED: usize = 3;
/// The package, by whose name a lock says that the base has it.
const PACKAGE: &str = "systemd";
/// Who reads what.
const READERS: [(&str, &[&str]); 2] =
    [("systemd-sysusers", &sysusers::DIRECTORIES), ("systemd-tmpfiles", &tmpfiles::DIRECTORIES)];
/// The service manager's program.
const MANAGER: &str = "/usr/lib/systemd/systemd";

/// Says what `tree`, which ships, has for programs that neither it nor `base` nor a module between has.
pub(super) fn missing(tree: &Tree<Source>, base: &BaseRoot, inputs: &Inputs) -> Option<Diagnostic> {
    let below = inputs.lower(base.arch);
    let has_path = |path: &ImagePath| {
        [tree, &base.tree].iter().any(|tree| tree.resolve(path).is_some())
            || below.iter().any(|module| module.has(path))
    };
    let has = |path: &str| ImagePath::new(path).is_ok_and(|path| has_path(&path));
    let (mut programs, mut paths) = (Vec::new(), BTreeSet::new());
    for (program, directories) in READERS {
        let found: Vec<ImagePath> = directories.iter().flat_map(|directory| files(tree, directory)).collect();
        if !found.is_empty() && !has(&format!("/usr/bin/{program}")) {
            programs.push(program);
            paths.extend(found);
        }
    }
    if !has(MANAGER) {
        let names = needs::unit_names(tree);
        let shipped = inputs.manifest.services.iter().map(|service| service.value.unit());
        let units: Vec<String> = shipped.filter(|unit| names.iter().any(|name| name.as_str() == unit)).collect();
        if !units.is_empty() {
            programs.push("systemd");
            paths
                .extend(units.iter().filter_map(|unit| ImagePath::new(format!("/usr/lib/systemd/system/{unit}")).ok()));
        }
    }
    let paths: Vec<ImagePath> = paths.into_iter().collect();
    let what = path_list::some(&paths, MAX_NAMED);
    (!programs.is_empty())
        .then(|| finding(&programs.join(", "), &what, Severity::Warning, &inputs.settings, &inputs.file))
}

fn files(tree: &Tree<Source>, directory: &str) -> Vec<ImagePath> {
    let Ok(directory) = ImagePath::new(directory) else { return Vec::new() };
    let entries = tree.lookup(&directory).and_then(|id| tree.node(id).entries()).into_iter().flatten();
    entries.filter(|(name, _)| name.ends_with(b".conf")).filter_map(|(name, _)| directory.join(name).ok()).collect()
}

fn finding(programs: &str, what: &str, severity: Severity, module: &ModuleSettings, file: &FileName) -> Diagnostic {
    let message = format!("the base has no {programs}, for which the module has {what}");
    let hint = "write packages = [\"systemd\", \"dbus\"] under [base] of builder.toml, and run `module-builder lock` where there is a lock";
    let place = settings::naming::entry(module, CODE, &["base"]).diagnostics.pop();
    let file = place.as_ref().and_then(|place| place.file.clone()).unwrap_or_else(|| file.beside(BUILDER_TOML));
    let found = Diagnostic::new(severity, CODE, message, hint).in_file(file);
    match place {
        Some(place) => Diagnostic { span: place.span, ..found.at(place.position).in_field("base").quoting(place.text) },
        None => found,
    }
}

/// The same from the module's files alone. With a lock it is known which packages the base has; without one it is a note.
///
/// # Errors
/// When the lock cannot be read.
pub(crate) fn declared(
    module: &ModuleSettings,
    manifest: &Manifest,
    file: &FileName,
) -> Result<Option<Diagnostic>, Error> {
    let ClosureSettings { ship, base, .. } = &module.closure;
    if *ship == Ship::Owned {
        return Ok(None);
    }
    let Some(what) = for_systemd(&module.directory, manifest) else { return Ok(None) };
    let found = |severity| Some(finding("systemd", &what, severity, module, file));
    if let Some(lock) = lock::read(&module.directory)? {
        let mut packages = lock.resolutions.iter().flat_map(|resolution| &resolution.packages);
        let has = packages.any(|one| one.package.name == PACKAGE);
        return Ok(if has { None } else { found(Severity::Warning) });
    }
    // Packages that no one resolved yet may bring what their own units need.
    let is_small = what.starts_with("rootfs")
        && base.packages.is_empty()
        && matches!(
            base.variant,
            Variant::Essential | Variant::Apt | Variant::Minbase | Variant::Extract | Variant::Custom
        );
    Ok(if is_small { found(Severity::Note) } else { None })
}

/// What of the module's own files is for systemd.
fn for_systemd(module: &Path, manifest: &Manifest) -> Option<String> {
    let directory = Dir::open(module).ok()?;
    let places = READERS.iter().flat_map(|(_, places)| *places).chain(&unit::DIRECTORIES);
    let mut there = places.filter(|place| directory.directory(format!("rootfs{place}"), Links::Below).is_ok());
    let named = || {
        let named = manifest.services.iter().find_map(|service| service.value.named_unit());
        named.map(|unit| format!("the unit {unit} of services"))
    };
    there.next().map(|place| format!("rootfs{place}")).or_else(named)
}
