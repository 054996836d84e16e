//! What services did in a full tree, as data: what a trial is compared with.

use std::collections::{BTreeMap, BTreeSet};

use node::trial::sockets::Address;
use node::trial::units::State;
use serde::{Serialize, Serializer};

/// A service in the full tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct InControl {
    /// What was the matter with it.
    #[serde(serialize_with = "name")]
    pub(crate) state: State,
    /// Whether it is up, or did what it had to, and was started once.
    pub(crate) is_good: bool,
    /// What it lacks, where it is not good and that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// Where it listens.
    pub(crate) listening: BTreeSet<Address>,
}

/// What was seen in the full tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Control {
    /// By the name of the service, or of its unit.
    pub(crate) services: BTreeMap<String, InControl>,
    /// The units that those pulled in, by the one that did, where they were good.
    pub(crate) parts: Vec<(String, String)>,
    /// Where anything listens but systemd itself, which does for units that no one may have asked for.
    pub(crate) listening: BTreeSet<Address>,
    /// Whether the services of all modules were started so.
    pub(crate) is_complete: bool,
    /// The ports that the kernel gives to whoever asks for any.
    pub(crate) ephemeral: (u16, u16),
    /// Packages that the installed ones recommend, and that are not installed, where that is known.
    pub(crate) not_installed: Vec<String>,
}

impl Control {
    /// Adds what was seen in another full tree.
    pub(crate) fn merge(&mut self, other: Self) {
        for (name, seen) in other.services {
            self.services.entry(name).or_insert(seen);
        }
        self.parts.extend(other.parts);
        self.listening.extend(other.listening);
        self.not_installed.extend(other.not_installed);
    }
}

/// A state by its name: `up`, `done`, `waiting`, `skipped` or `down`.
///
/// # Errors
/// The serializer's.
pub(crate) fn name<S: Serializer>(state: &State, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.name())
}
