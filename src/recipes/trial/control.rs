//! The control run: the same services in the full tree, so that what cannot start there is not blamed on a module.

use std::collections::{BTreeMap, BTreeSet};

use host::Dir;
use model::observe::Task;
use node::trial::Form;
use node::trial::sockets::Address;
use node::trial::units::State;
use serde::Serialize;

use crate::error::Error;
use crate::recipes::trial::layers;
use crate::recipes::trial::prepare::{self, OnDisk};
use crate::recipes::trial::verdict;
use crate::recipes::trial::wanted::Services;
use crate::recipes::trial::watch::{self, Pace};

use composer::scan::Source;
use image::tree::Tree;
use model::ImagePath;

/// A service in the full tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct InControl {
    /// `up`, `done`, `waiting`, `skipped` or `down`.
    pub(crate) state: &'static str,
    /// Whether it is up, or did what it had to, and was started once.
    pub(crate) is_good: bool,
    /// Where it listens.
    pub(crate) listening: BTreeSet<Address>,
}

/// What was seen in the full tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    /// By the name of the service, or of its unit.
    pub(crate) services: BTreeMap<String, InControl>,
    /// The ports that the kernel gives to whoever asks for any.
    pub(crate) ephemeral: (u16, u16),
    /// Packages that the installed ones recommend, and that are not installed, where that is known.
    pub(crate) not_installed: Vec<String>,
}

/// Starts `services` in the full tree, which is written out below `directory`.
///
/// # Errors
/// When the tree cannot be written, or the machine does not allow it.
pub(crate) fn run(
    tree: &Tree<Source>,
    services: &Services,
    directory: &Dir,
    pace: Pace,
    task: &Task<'_>,
) -> Result<Control, Error> {
    let room = directory.create_directory("control", 0o755)?;
    {
        let task = layers::writing(task, "write the full tree", tree);
        layers::unpack_source(tree, &room.create_directory("tree", 0o755)?, &task)?;
    }
    let has_manager = ImagePath::new(watch::MANAGER).is_ok_and(|path| tree.resolve(&path).is_some());
    let on_disk = OnDisk { room, names: vec!["tree".into()], modules: 0, form: Form::Installed };
    let room = prepare::prepare(&on_disk, services, &mut Vec::new())?;
    let (watched, _trial) = watch::watch(&room, services, has_manager, &BTreeMap::new(), pace, task)?;
    let service = |seen: &watch::Seen| InControl {
        state: verdict::name(seen.state),
        is_good: matches!(seen.state, State::Up | State::Done) && seen.restarts == 0,
        listening: seen.listening.clone(),
    };
    // What only the module brings cannot be compared.
    let known = watched.services.iter().filter(|(_, seen)| seen.is_there);
    let seen = known.map(|(name, seen)| (name.clone(), service(seen))).collect();
    Ok(Control { services: seen, ephemeral: watched.ephemeral, not_installed: Vec::new() })
}
