//! What a path is to a module that ships the closure of its packages.

use model::ImagePath;
use model::path::json::keys;
use serde::Serialize;

use super::{Closed, leads_to_documentation};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::select::Selected;
use builder::closure::{Part, State};

/// What a path is to such a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Standing {
    /// Every node has it.
    OfBase,
    /// A module has it over which this one is laid.
    OfModule {
        /// Its name.
        name: String,
    },
    /// A package owns it that the base lacks.
    Owned,
    /// A maintainer script made it, and the base lacks it.
    Made {
        /// The package, where it can be said.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// The build makes it for the node.
    Generated,
    /// The author brings it: by the overlay, or by `[[file]]`.
    Authored {
        /// Whether it is a file of the overlay.
        by_overlay: bool,
    },
    /// The node makes it in `/var`.
    InVar {
        /// Where its content is shipped; none of a directory or link.
        #[serde(flatten, serialize_with = "keys::file")]
        from: Option<ImagePath>,
    },
    /// Each machine makes it when it starts first.
    FirstStart,
    /// It is no part of a module.
    State {
        /// What it is.
        what: &'static str,
    },
    /// It is documentation, and the module ships none.
    Documentation,
    /// A link that enables a unit, which the module has elsewhere or not at all.
    Enables {
        /// The unit.
        unit: String,
        /// Where the link is shipped; none where the module does not mean the unit.
        #[serde(flatten, serialize_with = "keys::at")]
        at: Option<ImagePath>,
    },
}

impl Closed {
    /// What `path` is; none where it is not there.
    pub(crate) fn standing(&self, path: &ImagePath, selected: &Selected, inputs: &Inputs) -> Option<Standing> {
        if self.is_generated(path) {
            return Some(Standing::Generated);
        }
        if self.made.iter().any(|made| path.starts_with(made)) {
            return Some(Standing::FirstStart);
        }
        if self.form.in_var.contains(path) {
            return Some(Standing::InVar { from: self.form.moved.get(path).cloned() });
        }
        if let Some(link) = self.found.enablement.iter().find(|link| link.path == *path) {
            let at = link.shipped().map(|(at, _)| at).filter(|at| self.is_generated(at));
            return Some(Standing::Enables { unit: link.unit.clone(), at });
        }
        if selected.is_authored(path) && selected.selection.tree.lookup(path).is_some() {
            let laid = &selected.laid;
            let by_overlay = [&laid.added, &laid.replaced].iter().any(|paths| paths.binary_search(path).is_ok());
            return Some(Standing::Authored { by_overlay });
        }
        let lower = inputs.lower(selected.arch).iter().rev().find(|module| module.has(path));
        let of_base = selected.ownership.is_base(path);
        if let Some(module) = lower.filter(|_| of_base || self.left_to(path).is_some()) {
            return Some(Standing::OfModule { name: module.reference.name.clone() });
        }
        if of_base {
            return Some(Standing::OfBase);
        }
        match self.found.parts.get(path) {
            Some(_) if !inputs.settings.closure.documentation && leads_to_documentation(&selected.whole, path) => {
                Some(Standing::Documentation)
            }
            Some(Part::Owned) => Some(Standing::Owned),
            Some(Part::Made { by }) => Some(Standing::Made { by: by.clone() }),
            None => State::of(path).map(|state| Standing::State { what: state.name() }),
        }
    }
}
