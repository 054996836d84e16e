//! Paths that are shipped because the module's own packages or overlay provided them.

use std::collections::{BTreeMap, BTreeSet};

use model::ImagePath;

/// A set of paths that can be asked component by component.
#[derive(Debug, Clone, Default)]
pub(super) struct Owned {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    owned: bool,
    children: BTreeMap<Box<[u8]>, usize>,
}

/// A place in an [`Owned`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Owned {
    pub(super) fn new(paths: &BTreeSet<ImagePath>) -> Self {
        let mut nodes = vec![Node::default()];
        for path in paths {
            let mut at = 0;
            for name in path.components() {
                let fresh = nodes.len();
                at = *nodes[at].children.entry(Box::from(name)).or_insert(fresh);
                if at == fresh {
                    nodes.push(Node::default());
                }
            }
            nodes[at].owned = true;
        }
        Self { nodes }
    }

    /// The root; none when the set is empty.
    pub(super) fn root(&self) -> Option<Place> {
        (!self.nodes.is_empty()).then_some(Place(0))
    }

    /// The place of `name` below `place`.
    pub(super) fn below(&self, place: Place, name: &[u8]) -> Option<Place> {
        self.nodes[place.0].children.get(name).copied().map(Place)
    }

    /// The place of `path`.
    pub(super) fn find(&self, path: &ImagePath) -> Option<Place> {
        path.components().try_fold(self.root()?, |place, name| self.below(place, name))
    }

    /// Whether the path at `place` is in the set itself.
    pub(super) fn holds(&self, place: Place) -> bool {
        self.nodes[place.0].owned
    }

    /// Whether the set holds anything below `place`.
    pub(super) fn has_below(&self, place: Place) -> bool {
        !self.nodes[place.0].children.is_empty()
    }
}
