//! `/bin`, `/sbin` and `/lib*`, which are links on a node: a module that has something else there hides every program of the node.

use builder::rootfs::merged;
use composer::overlay::Overlay;
use composer::scan::Source;
use image::tree::{Kind, NodeId, Tree};

use crate::error::Error;
use crate::recipes::build::files::FetchedFile;

/// Those of the names that are links where the module is laid, given what its root file system `tree` is before the author's files
/// are laid over it: all of them where it was made from packages, else those that are links in it.
///
/// Where no package brings a link of a made tree, it gets one on the way to the author's files: a file below `/bin` would come
/// into a real one.
///
/// # Errors
/// When the tree holds no more inodes.
pub(super) fn of(
    tree: &mut Tree<Source>,
    is_made: bool,
    (overlay, files): (&Overlay, &[FetchedFile]),
) -> Result<Vec<&'static str>, Error> {
    if !is_made {
        let is_link = |name: &&str| matches!(top(tree, name), Some(Kind::Symlink(_)));
        return Ok(merged::ALIASES.into_iter().filter(is_link).collect());
    }
    let layers: Vec<&Tree<Source>> = files.iter().filter_map(FetchedFile::files).chain(overlay.files()).collect();
    for name in merged::ALIASES {
        if layers.iter().any(|layer| matches!(top(layer, name), Some(Kind::Directory(_)))) {
            merged::alias(tree, name).map_err(image::Error::from)?;
        }
    }
    Ok(merged::ALIASES.to_vec())
}

/// Fails where `shipped` has something else than its link at one of `links`.
///
/// # Errors
/// For the first of them.
pub(super) fn check(shipped: &Tree<Source>, links: &[&str]) -> Result<(), Error> {
    for name in links {
        let what = match top(shipped, name) {
            None => continue,
            Some(Kind::Symlink(target)) if is_its_own(target, name) => continue,
            Some(Kind::Symlink(_)) => "a link that leads elsewhere",
            Some(Kind::Directory(_)) => "a directory",
            Some(_) => "a file",
        };
        return Err(Error::input(format!(
            "/{name} would be {what} of the module: it hides the node's link to /usr/{name}, and with it all that is there"
        ))
        .hint(format!("put what is meant into /usr/{name}: in rootfs/usr/{name}, or by a destination there")));
    }
    Ok(())
}

fn top<'a>(tree: &'a Tree<Source>, name: &str) -> Option<&'a Kind<Source>> {
    let id = tree.node(NodeId::ROOT).entries()?.get(name.as_bytes())?;
    Some(&tree.node(*id).kind)
}

/// Whether the link `name` leads to the directory of its name in `/usr`.
fn is_its_own(target: &[u8], name: &str) -> bool {
    let target = target.strip_prefix(b"/").unwrap_or(target);
    target.strip_suffix(b"/").unwrap_or(target) == format!("usr/{name}").as_bytes()
}
