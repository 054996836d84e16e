//! What a module lacks because a rule of its own keeps it out, or because it is a secret: no package and no `file_spec` mends
//! that.

use composer::filter::{Filter, Verdict};
use composer::scan::{self, Source};
use image::tree::Tree;
use model::rules::Rules;
use model::{FileName, ImagePath};
use node::trial::diagnosis::Lack;

use crate::recipes::trial::layers::Layers;
use crate::recipes::trial::tried_module::TriedModule;

/// The file that a rule of a manifest is said to stand in.
const MANIFEST: &str = "manifest.yaml";

/// What to do about the rule of `module` that keeps out what is missing, where there is one. The full tree says which paths
/// that might be; it is read for it, which only a service that is down is worth.
pub(crate) fn hint(layers: &Layers, module: &str, lack: &Lack) -> Option<String> {
    let tried = layers.modules.iter().find(|it| it.name == module)?;
    if let Some(hint) = of_left_out(tried, lack) {
        return Some(hint);
    }
    let full = layers.controls.iter().find(|full| full.of.as_ref().is_none_or(|name| name == module))?;
    let full = scan::rootfs(&full.path, &scan::Options::default()).ok()?;
    of_paths(tried, &full, &candidates(&full, module, lack))
}

/// What to do about a secret that was not shipped, and that nothing makes on the node.
fn of_left_out(tried: &TriedModule, lack: &Lack) -> Option<String> {
    let (Lack::Path { path } | Lack::Denied { path }) = lack else { return None };
    let path = ImagePath::new(path).ok()?;
    let secret = tried.unmade.iter().find(|secret| **secret == path)?;
    Some(format!(
        "it is a secret that an install script made, and no module ships it: say who makes it at first start, in [closure.secrets] of builder.toml: \"{secret}\" = {{ command = [...] }}"
    ))
}

/// The paths that would bring what is missing.
fn candidates(full: &Tree<Source>, module: &str, lack: &Lack) -> Vec<ImagePath> {
    match lack {
        Lack::Library { name, .. } => {
            let is_it = |path: &ImagePath| path.file_name() == Some(name.as_bytes());
            full.walk().map(|(path, ..)| path).filter(is_it).flat_map(|path| with_target(full, &path)).collect()
        }
        Lack::Path { path } | Lack::Program { path } | Lack::Denied { path } => {
            ImagePath::new(path).map(|path| with_target(full, &path)).unwrap_or_default()
        }
        Lack::User { .. } | Lack::Group { .. } => {
            ImagePath::new(format!("/usr/lib/sysusers.d/00-module-{module}.conf")).into_iter().collect()
        }
        Lack::Symbol { .. }
        | Lack::ReadOnly { .. }
        | Lack::AddressInUse { .. }
        | Lack::NotPermitted { .. }
        | Lack::LanguageModule { .. } => Vec::new(),
    }
}

/// The path and, where it leads to another one, that.
fn with_target(full: &Tree<Source>, path: &ImagePath) -> Vec<ImagePath> {
    let path = full.resolve_parent(path);
    let target = full.resolve(&path).and_then(|led| full.walk().find(|(_, id, _)| *id == led));
    let target = target.map(|(target, ..)| target).filter(|target| *target != path);
    [path].into_iter().chain(target).collect()
}

fn of_paths(tried: &TriedModule, full: &Tree<Source>, paths: &[ImagePath]) -> Option<String> {
    let file = FileName::from(MANIFEST);
    let rules = Rules::new(tried.manifest.lists(&file), &[]);
    let filter = Filter::new(&rules, full).ok()?;
    let is_shipped = |path: &ImagePath| tried.tree.lookup(path).is_some();
    paths.iter().filter(|path| !is_shipped(path)).find_map(|path| {
        let Verdict::Excluded { rule, .. } = filter.verdict(path, false) else { return None };
        let rule = rules.excludes.get(rule)?;
        // Its place in the canonical manifest of the results is none that its author knows.
        Some(format!("{path} is kept out by {} `{}` of {MANIFEST}: narrow it", rule.origin.field.key(), rule.pattern))
    })
}
