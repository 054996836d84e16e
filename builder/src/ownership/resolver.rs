//! Real paths of a tree, through the links of its directories.

use std::collections::BTreeMap;

use image::tree::{Kind, Tree};
use model::ImagePath;

/// Resolves paths through the tree's links; directories repeat, so their answers are kept.
pub(super) struct Resolver<'a, C> {
    pub(super) tree: &'a Tree<C>,
    pub(super) parents: BTreeMap<ImagePath, ImagePath>,
}

impl<C> Resolver<'_, C> {
    pub(super) fn resolve(&mut self, path: &ImagePath) -> ImagePath {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return path.clone() };
        let tree = self.tree;
        let real = self.parents.entry(parent).or_insert_with_key(|parent| {
            // Any name below the directory resolves its directory.
            let child = parent.join(b"x").unwrap_or_else(|_| parent.clone());
            tree.resolve_parent(&child).parent().unwrap_or_else(ImagePath::root)
        });
        real.join(name).unwrap_or_else(|_| path.clone())
    }

    /// The real path that the link at the real path `path` names.
    pub(super) fn target(&mut self, path: &ImagePath) -> Option<ImagePath> {
        let Kind::Symlink(target) = &self.tree.node(self.tree.lookup(path)?).kind else { return None };
        // update-alternatives makes links to whole paths only.
        let target = ImagePath::new(&**target).ok().filter(|_| target.starts_with(b"/"));
        Some(self.resolve(&target?))
    }
}
