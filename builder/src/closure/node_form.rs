//! What is shipped, in the form that a node can use: nothing in `/var`, which is the node's; units enabled among those of
//! the vendor; accounts by sysusers.d.

use image::tree::{Kind, Mtime, Node, Stat, Tree};
use model::ImagePath;

use super::at_path::put;
use super::form::{Form, NodeForm};
use super::{Error, var};

/// The mode of what is generated.
const MODE: u16 = 0o644;

/// Turns `tree`, which is shipped, into the form of a node. What is generated is put into `whole`, too, from which it was taken.
///
/// # Errors
/// When the tree holds no more inodes, or a directory of it is none.
pub fn node_form<C: From<Vec<u8>> + Clone>(
    tree: &mut Tree<C>,
    whole: &mut Tree<C>,
    form: &Form<'_, C>,
) -> Result<NodeForm, Error> {
    let mut done = NodeForm::default();
    let mtime = Mtime { seconds: form.epoch.seconds(), nanoseconds: 0 };
    let mut lines = var::take(tree, form, mtime, &mut done)?;
    lines.extend(var::directories(form, &mut done));
    lines.sort_unstable();
    lines.dedup();
    let mut texts = Vec::new();
    if !form.sysusers.is_empty() {
        texts.push((format!("/usr/lib/sysusers.d/00-module-{}.conf", form.name), form.sysusers.to_owned()));
    }
    if !lines.is_empty() {
        const HEAD: &str =
            "# Written by module-builder: what this module has in /var, where a node begins with nothing.\n";
        texts.push((format!("/usr/lib/tmpfiles.d/zz-module-{}.conf", form.name), HEAD.to_owned() + &lines.concat()));
    }
    let texts = texts.into_iter().filter_map(|(path, text)| Some((ImagePath::new(path).ok()?, text)));
    let regular = |text: String| (Kind::Regular(C::from(text.into_bytes())), MODE);
    let nodes = texts.chain(form.files.iter().cloned()).map(|(path, text)| (path, regular(text)));
    let links =
        form.links.iter().map(|(path, target)| (path.clone(), (Kind::Symlink(target.as_bytes().into()), 0o777)));
    for (path, (kind, mode)) in nodes.chain(links) {
        if (form.may_ship)(&path) {
            let node = Node { stat: Stat::root_owned(mode, mtime), kind };
            // What looks into the whole tree finds it there, too.
            put(whole, &path, node.clone(), mtime)?;
            put(tree, &path, node, mtime)?;
            done.generated.push(path);
        } else {
            done.masked.push(path);
        }
    }
    done.generated.sort_unstable();
    Ok(done)
}
