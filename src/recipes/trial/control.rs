//! The control run: the same services in the full tree, so that what cannot start there is not blamed on a module.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use builder::cache::Cache;
use host::{Dir, Scratch};
use model::observe::Task;
use node::trial::Form;
use node::trial::diagnosis::Lack;
use node::trial::units::State;

use crate::error::Error;
use crate::recipes::trial::authored;
use crate::recipes::trial::layers::{self, FullTree, Layers};
use crate::recipes::trial::prepare::{self, OnDisk};
use crate::recipes::trial::remembered::Remembered;
use crate::recipes::trial::seen::{Control, InControl};
use crate::recipes::trial::tried_module::TriedModule;
use crate::recipes::trial::wanted::{Services, Wanted};
use crate::recipes::trial::watch::{self, Pace};

use composer::scan::{self, Source};
use image::composefs::Entry;
use image::tree::Tree;
use model::ImagePath;

/// How the full trees are tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ControlOptions<'a> {
    /// How services are watched.
    pub(crate) pace: Pace,
    /// Whether the trees stay on disk.
    pub(crate) keep: bool,
    /// Where is kept what services did in a full tree.
    pub(crate) cache: Option<&'a Cache>,
}

/// Starts the services of the modules in their full trees, one after the other; each tree is written out below `directory`,
/// and stays there only where `keep` says so. None where there is no full tree.
///
/// # Errors
/// When a tree cannot be read or written, or the machine does not allow it.
pub(crate) fn run_all(
    layers: &Layers,
    services: &Services,
    directory: &Dir,
    options: &ControlOptions<'_>,
    task: &Task<'_>,
) -> Result<Option<Control>, Error> {
    let ControlOptions { pace, keep, cache } = *options;
    let mut all: Option<Control> = None;
    for full in &layers.controls {
        task.item(full.path.display().to_string());
        let own = full.of.as_ref().map(|module| services.of(module));
        let module = layers.modules.iter().find(|module| full.of.as_ref() == Some(&module.name));
        let over = module.and_then(|module| Some((module, authored::of(module)?)));
        let tree = (&*full.path, over.as_ref().map(|(_, part)| authored::digest(part)));
        let known = Remembered::of(tree, own.as_ref().unwrap_or(services), pace.settle, cache);
        // What is kept on disk has to be made.
        if let Some(seen) = known.as_ref().filter(|_| !keep).and_then(Remembered::get) {
            task.note("the services in the full tree are known from an earlier run");
            merge(&mut all, seen);
            continue;
        }
        let scratch = Scratch::new(directory, "control-")?;
        scratch.dir().set_mode(0o711)?;
        let tree = scan::rootfs(&full.path, &scan::Options::default())?;
        let seen = run((&tree, over), own.as_ref().unwrap_or(services), scratch.dir(), pace, task)?;
        let seen = Control { not_installed: not_installed(full, layers, &tree), ..seen };
        if keep {
            scratch.keep();
        }
        if let Some(known) = &known {
            known.put(&seen);
        }
        merge(&mut all, seen);
    }
    let has_control = |module: &TriedModule| {
        layers.controls.iter().any(|full| full.of.as_ref().is_none_or(|name| *name == module.name))
    };
    let is_complete = layers.modules.iter().all(has_control);
    Ok(all.map(|all| Control { is_complete, ..all }))
}

/// Adds what was seen in one more full tree.
fn merge(all: &mut Option<Control>, seen: Control) {
    match all {
        Some(all) => all.merge(seen),
        None => *all = Some(seen),
    }
}

/// What the packages of the modules whose full tree it is recommend, and it lacks.
fn not_installed(full: &FullTree, layers: &Layers, tree: &Tree<Source>) -> Vec<String> {
    let own = layers.modules.iter().filter(|module| full.of.as_ref().is_none_or(|name| *name == module.name));
    let packages = own.flat_map(|module| &module.manifest.package_spec);
    builder::dpkg::not_installed(tree, &packages.map(|package| package.value.name.as_str()).collect())
}

/// Starts `services` in the full tree, which is written out into `room`, under what the author of a module brought besides
/// packages.
fn run(
    (tree, over): (&Tree<Source>, Option<(&TriedModule, Tree<Entry>)>),
    services: &Services,
    room: &Dir,
    pace: Pace,
    task: &Task<'_>,
) -> Result<Control, Error> {
    {
        let task = layers::writing(task, "write the full tree", tree);
        layers::unpack_source(tree, &room.create_directory("tree", 0o755)?, &task)?;
    }
    let mut names: Vec<PathBuf> = vec!["tree".into()];
    let mut own: BTreeSet<String> = BTreeSet::new();
    if let Some((module, mut part)) = over {
        authored::fit(&mut part, tree);
        authored::write(module, &part, &room.create_directory("authored", 0o755)?)?;
        names.insert(0, "authored".into());
        own.extend(services.all.iter().filter(|it| authored::brings(&part, it)).map(|it| it.name.clone()));
    }
    let has_manager = ImagePath::new(watch::MANAGER).is_ok_and(|path| tree.resolve(&path).is_some());
    let on_disk = OnDisk { room: room.try_clone()?, names, modules: 0, form: Form::Installed };
    let room = prepare::prepare(&on_disk, services, &mut Vec::new())?;
    let (watched, _trial) = watch::watch(&room, services, has_manager, &BTreeMap::new(), pace, task)?;
    let is_good = |seen: &watch::Seen| matches!(seen.state, State::Up | State::Done) && seen.restarts == 0;
    let service = |seen: &watch::Seen| InControl {
        state: seen.state,
        is_good: is_good(seen),
        cause: seen.lack.as_ref().filter(|_| !is_good(seen)).map(Lack::cause),
        listening: seen.listening.clone(),
    };
    // What only the module brings cannot be compared, and what its author brought is no one else's fault.
    let is_known = |name: &String, seen: &watch::Seen| seen.is_there && (is_good(seen) || !own.contains(name));
    let known = watched.services.iter().filter(|(name, seen)| is_known(name, seen));
    let seen = known.map(|(name, seen)| (name.clone(), service(seen))).collect();
    let part = |wanted: &Wanted| Some((wanted.part_of.clone()?, wanted.name.clone()));
    let good = watched.tried.all.iter().filter(|wanted| watched.services.get(&wanted.name).is_some_and(is_good));
    Ok(Control {
        services: seen,
        parts: good.filter_map(part).collect(),
        listening: watched.listening.difference(&watched.by_manager).cloned().collect(),
        is_complete: true,
        ephemeral: watched.ephemeral,
        not_installed: Vec::new(),
    })
}
