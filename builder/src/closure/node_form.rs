//! What is shipped, in the form that a node can use: nothing in `/var`, which is the node's; units enabled among those of
//! the vendor; accounts by sysusers.d.

use std::collections::{BTreeMap, BTreeSet};

use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::{Epoch, ImagePath};

use super::tmpfiles::Owner;
use super::{Error, var};

/// The mode of what is generated.
const MODE: u16 = 0o644;

/// Names of numbers, as the node will have them.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// Of users.
    pub users: BTreeMap<u32, String>,
    /// Of groups.
    pub groups: BTreeMap<u32, String>,
}

impl Named {
    /// The names of the user and of the group of an inode; their numbers where they have none.
    #[must_use]
    pub fn of(&self, stat: &Stat) -> (String, String) {
        let Owner { user, group } = self.owner(stat);
        (user, group)
    }

    pub(super) fn owner(&self, stat: &Stat) -> Owner {
        let name = |names: &BTreeMap<u32, String>, id: u32| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        Owner { user: name(&self.users, stat.uid), group: name(&self.groups, stat.gid) }
    }
}

/// What a module's tree is turned into the form of a node with.
pub struct Form<'a, C> {
    /// The module's name, which generated files have in theirs.
    pub name: &'a str,
    /// The base, whose directories in `/var` the node has.
    pub base: &'a Tree<C>,
    /// Names of numbers.
    pub named: &'a Named,
    /// The text of the sysusers.d file; empty where there are no accounts.
    pub sysusers: &'a str,
    /// Links, each with its target: what enables units, and what stands for secrets.
    pub links: &'a [(ImagePath, String)],
    /// Further files with their contents: units of the first start.
    pub files: &'a [(ImagePath, String)],
    /// Directories in `/var` besides those of the tree.
    pub directories: &'a [(ImagePath, Stat)],
    /// Whether what is generated may be at a path.
    pub may_ship: &'a dyn Fn(&ImagePath) -> bool,
    /// The time of what is generated.
    pub epoch: Epoch,
}

/// What became of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeForm {
    /// What was added to it.
    pub generated: Vec<ImagePath>,
    /// What would have been, had it been allowed.
    pub masked: Vec<ImagePath>,
    /// What the node makes in `/var`.
    pub in_var: BTreeSet<ImagePath>,
    /// Where files of `/var` are in it, by the place that they have on the node.
    pub moved: BTreeMap<ImagePath, ImagePath>,
    /// What of `/var` no line of tmpfiles.d can make: devices, pipes, sockets, names that are no line of text, capabilities,
    /// and what systemd-tmpfiles finds no safe way to.
    pub lost: Vec<ImagePath>,
}

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

/// Puts `node` at `path`, with the directories around it.
fn put<C>(tree: &mut Tree<C>, path: &ImagePath, node: Node<C>, mtime: Mtime) -> Result<(), Error> {
    let id = tree.add(node)?;
    link_at(tree, path, id, mtime)
}

pub(super) fn link_at<C>(tree: &mut Tree<C>, path: &ImagePath, id: NodeId, mtime: Mtime) -> Result<(), Error> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let mut at = NodeId::ROOT;
    for name in parent.components() {
        let there = tree.node(at).entries().and_then(|entries| entries.get(name).copied());
        at = match there {
            Some(id) => id,
            None => {
                let stat = Stat::root_owned(0o755, mtime);
                let new = tree.add(Node { stat, kind: Kind::Directory(Entries::new()) })?;
                tree.link(at, name, new)?;
                new
            }
        };
    }
    tree.link(at, name, id)?;
    Ok(())
}
