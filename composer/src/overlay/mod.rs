//! A module's own files, laid over the tree.
//!
//! Names, contents, link targets and modes of the author's checkout reach the tree, and what the module's rules
//! say of owners and modes, which git does not keep. Users, times and attributes of the host do not, nor what
//! an ordinary umask leaves to others than the owner: a checkout is writable by its group on one host and not on
//! the next.

mod fault;
pub(crate) mod rules;

use std::collections::BTreeSet;
use std::path::PathBuf;

use host::{Dir, Fault, Links};
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::{Epoch, ImagePath};

pub use fault::OverlayFault;
pub use rules::{Names, Owner, Rule};

use crate::Error;
use crate::patterns::Budget;
use crate::scan::{self, Options, Source, XattrFilter};

/// What an overlay did to the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverlayReport {
    /// The paths that were not there before, directories too, sorted.
    pub added: Vec<ImagePath>,
    /// The files and links that took another's place, sorted.
    pub replaced: Vec<ImagePath>,
    /// The files and directories whose mode a rule gives, sorted.
    pub ruled: Vec<ImagePath>,
    /// The files and directories that may be written to by others in the checkout, and not in the tree, sorted.
    pub narrowed: Vec<ImagePath>,
    /// The files and directories with extended attributes, which stay out, and the names of these, sorted.
    pub attributes: Vec<(ImagePath, Vec<Box<[u8]>>)>,
    /// The patterns of the rules that take nothing of the overlay.
    pub idle: Vec<String>,
    /// The owners of rules whose names the tree does not know, each with its pattern.
    pub unknown: Vec<(String, String)>,
}

/// The attribute that every file of some hosts has, and that says nothing of the file.
const LABEL: &[u8] = b"security.selinux";
/// The bits of a mode that an ordinary umask may take away, or leave.
const OTHERS_WRITE: u16 = 0o022;
/// Set-user-id, set-group-id and sticky: no one has them by accident.
const SPECIAL: u16 = 0o7000;

/// The files of an overlay as they were when it was scanned. Whoever reads one reads what it was then, or
/// fails: what is hashed and what is shipped cannot be two things.
#[derive(Debug)]
pub struct Overlay {
    /// What the user calls its directory.
    path: PathBuf,
    /// None where the module has no overlay.
    files: Option<Tree<Source>>,
    rules: Vec<Rule>,
    /// Whether the rules say nothing of directories that the tree has already.
    is_of_elsewhere: bool,
}

impl Overlay {
    /// Scans the directory `name` of `module`; a missing one is an empty overlay.
    ///
    /// It may be a link to another directory of the module, but lead neither out of it nor to the module itself,
    /// so that nothing but the module's own files, and not its history or results, is shipped as the module's.
    /// Links in it stay links. What is mounted in it belongs to it: only who administers the machine can mount.
    ///
    /// # Errors
    /// When it is something else than a directory, or cannot be read.
    pub fn scan(module: &Dir, name: &str) -> Result<Self, Error> {
        let path = module.join(name);
        // None is kept; which there are is said.
        let options = Options { xattrs: XattrFilter::All };
        let files = open(module, name)?.map(|directory| scan::below(directory, &options)).transpose()?;
        Ok(Self { path, files, rules: Vec::new(), is_of_elsewhere: false })
    }

    /// Files that were scanned elsewhere; errors call them by `path`. Rules name them as `files` does, whatever links of the
    /// tree lead elsewhere, and say nothing of directories that the tree has already.
    #[must_use]
    pub fn of(path: PathBuf, files: Tree<Source>) -> Self {
        Self { path, files: Some(files), rules: Vec::new(), is_of_elsewhere: true }
    }

    /// The same with what the module says of owners and modes; where several rules take a file, the last one
    /// counts.
    #[must_use]
    pub fn with_rules(self, rules: Vec<Rule>) -> Self {
        Self { rules, ..self }
    }

    /// What the module says of owners and modes.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Fails where [`Overlay::scan`] would because of what `name` is: to be asked before work that takes long.
    ///
    /// # Errors
    /// As there.
    pub fn check(module: &Dir, name: &str) -> Result<(), Error> {
        open(module, name).map(drop)
    }

    /// What the user calls its directory.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The files as they were scanned; none where the module has no overlay.
    #[must_use]
    pub fn files(&self) -> Option<&Tree<Source>> {
        self.files.as_ref()
    }

    /// Lays the files over `tree`.
    ///
    /// New files and directories belong to root and keep their mode, but for the write permission of group and others
    /// where the mode has no set-id or sticky bit: that is the umask's. All have the time `epoch` and no
    /// extended attributes. A file over a regular file keeps that file's owner and is never more open than either,
    /// so that no overlay makes `/etc/shadow` readable. A directory over a directory changes nothing. What a rule
    /// says goes before all that. Leading directories that are symbolic links in the tree are followed: `lib/x` lands in
    /// `/usr/lib/x` where `/lib` is a link. Hard links in the overlay become files of their own.
    ///
    /// # Errors
    /// When the overlay holds a special file, would put a file in a directory's place or the other way
    /// round, or the patterns of the rules take too much work. The tree is then partly changed.
    pub fn apply(&self, tree: &mut Tree<Source>, epoch: Epoch) -> Result<OverlayReport, Error> {
        self.apply_with(tree, epoch, &Names::default())
    }

    /// The same, with rules that may name accounts of `names`, too, which the tree's own account files do not have.
    ///
    /// # Errors
    /// As [`Overlay::apply`].
    pub fn apply_with(&self, tree: &mut Tree<Source>, epoch: Epoch, names: &Names) -> Result<OverlayReport, Error> {
        let Some(files) = &self.files else { return Ok(OverlayReport::default()) };
        let mtime = Mtime { seconds: epoch.seconds(), nanoseconds: 0 };
        let report = OverlayReport::default();
        let mut layer = Layer { tree, mtime, overlay: self, laid: BTreeSet::new(), seen: Vec::new(), report };
        // Parents come first, so that links and directories of the overlay itself lead where they should.
        for (path, _, node) in files.walk().skip(1) {
            layer.lay(&path, node)?;
        }
        layer.apply_rules(names)?;
        let mut report = layer.report;
        for paths in [&mut report.added, &mut report.replaced, &mut report.ruled, &mut report.narrowed] {
            paths.sort_unstable();
        }
        report.attributes.sort_unstable();
        Ok(report)
    }
}

fn open(module: &Dir, name: &str) -> Result<Option<Dir>, Error> {
    let directory = match module.directory(name, Links::Below) {
        Err(error) if error.is_not_found() => return Ok(None),
        opened => opened?,
    };
    if directory.identity()? == module.identity()? {
        return Err(host::Error::Place { path: module.join(name), fault: Fault::Around }.into());
    }
    Ok(Some(directory))
}

struct Layer<'a> {
    tree: &'a mut Tree<Source>,
    mtime: Mtime,
    overlay: &'a Overlay,
    laid: BTreeSet<ImagePath>,
    /// Every path of the overlay where it is in the tree, and as the rules name it, in the order of the walk.
    seen: Vec<(ImagePath, ImagePath)>,
    report: OverlayReport,
}

impl Layer<'_> {
    fn lay(&mut self, path: &ImagePath, node: &Node<Source>) -> Result<(), Error> {
        let at = self.tree.resolve_parent(path);
        let before = self.tree.lookup(&at);
        self.note(path, &at, node);
        match &node.kind {
            Kind::Directory(_) => self.lay_directory(path, &at, before, node.stat.mode),
            Kind::Symlink(target) => {
                let stat = Stat::root_owned(0o777, self.mtime);
                self.lay_file(path, &at, before, Node { stat, kind: Kind::Symlink(target.clone()) })
            }
            Kind::Regular(source) => {
                let stat = self.file_stat(before, node.stat.mode);
                if before.is_none() {
                    self.narrow(&at, node.stat.mode, stat.mode);
                }
                self.lay_file(path, &at, before, Node { stat, kind: Kind::Regular(source.clone()) })
            }
            Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => {
                Err(self.fault(path, OverlayFault::Special))
            }
        }
    }

    /// Keeps what of the checkout's `node` at `path` does not reach `at`.
    fn note(&mut self, path: &ImagePath, at: &ImagePath, node: &Node<Source>) {
        // The links of a root file system say nothing of what a file from elsewhere is.
        let named = if self.overlay.is_of_elsewhere { path } else { at };
        self.seen.push((at.clone(), named.clone()));
        let names: Vec<Box<[u8]>> = node.stat.xattrs.keys().filter(|name| &***name != LABEL).cloned().collect();
        if !names.is_empty() {
            self.report.attributes.push((at.clone(), names));
        }
    }

    /// Gives the overlay's files what the rules say of them.
    fn apply_rules(&mut self, others: &Names) -> Result<(), Error> {
        if self.overlay.rules.is_empty() {
            return Ok(());
        }
        let names = Names::of(self.tree).and(others);
        let (mut used, mut budget) = (BTreeSet::new(), Budget::default());
        let added: BTreeSet<&ImagePath> = self.report.added.iter().chain(&self.report.replaced).collect();
        let mut seen = std::mem::take(&mut self.seen);
        seen.retain(|(at, _)| !self.overlay.is_of_elsewhere || added.contains(at));
        for (at, named) in seen {
            let Some(id) = self.tree.lookup(&at) else { continue };
            let is_directory = self.tree.node(id).is_directory();
            let is_link = matches!(self.tree.node(id).kind, Kind::Symlink(_));
            for (number, rule) in self.overlay.rules.iter().enumerate() {
                if !budget.takes(&rule.pattern, &named, is_directory)? {
                    continue;
                }
                used.insert(number);
                let stat = &mut self.tree.node_mut(id).stat;
                // Linux knows one mode of a link.
                if let Some(mode) = rule.mode.filter(|_| !is_link) {
                    stat.mode = mode;
                    self.report.ruled.push(at.clone());
                }
                match rule.owner.as_ref().map(|owner| names.resolve(owner)) {
                    Some(Ok((user, group))) => (stat.uid, stat.gid) = (user, group),
                    Some(Err(name)) => self.report.unknown.push((rule.pattern.to_string(), name)),
                    None => {}
                }
            }
        }
        self.report.ruled.dedup();
        self.report.unknown.sort_unstable();
        self.report.unknown.dedup();
        let idle = self.overlay.rules.iter().enumerate().filter(|(number, _)| !used.contains(number));
        self.report.idle = idle.map(|(_, rule)| rule.pattern.to_string()).collect();
        Ok(())
    }

    /// The mode that a new file or directory keeps.
    fn new_mode(mode: u16) -> u16 {
        if mode & SPECIAL == 0 { mode & !OTHERS_WRITE } else { mode & 0o7777 }
    }

    fn lay_directory(
        &mut self,
        path: &ImagePath,
        at: &ImagePath,
        before: Option<NodeId>,
        mode: u16,
    ) -> Result<(), Error> {
        // A link to a directory stays a link: what is below is laid through it.
        let leads_to = self.tree.resolve(at);
        if leads_to.is_some_and(|id| self.tree.node(id).is_directory()) {
            return Ok(());
        }
        if before.is_some() {
            return Err(self.fault(path, OverlayFault::OverFile { at: at.clone() }));
        }
        let stat = Stat::root_owned(Self::new_mode(mode), self.mtime);
        self.narrow(at, mode, stat.mode);
        self.put(path, at, Node { stat, kind: Kind::Directory(Entries::new()) })?;
        self.report.added.push(at.clone());
        Ok(())
    }

    fn lay_file(
        &mut self,
        path: &ImagePath,
        at: &ImagePath,
        before: Option<NodeId>,
        node: Node<Source>,
    ) -> Result<(), Error> {
        if before.is_some_and(|id| self.tree.node(id).is_directory()) {
            return Err(self.fault(path, OverlayFault::OverDirectory { at: at.clone() }));
        }
        // Walked in order, a path comes twice only through a link.
        if !self.laid.insert(at.clone()) {
            return Err(self.fault(path, OverlayFault::Twice { at: at.clone() }));
        }
        self.put(path, at, node)?;
        let list = if before.is_some() { &mut self.report.replaced } else { &mut self.report.added };
        list.push(at.clone());
        Ok(())
    }

    /// Owner and mode of a file with `mode` in the checkout. Over a regular file it keeps that file's owner, and
    /// is never more open than either. Attributes go, since a capability was meant for the old content.
    fn file_stat(&self, before: Option<NodeId>, mode: u16) -> Stat {
        match before.map(|id| self.tree.node(id)) {
            Some(Node { stat, kind: Kind::Regular(_) }) => {
                // With an access list the group's bits are the list's mask: without the list they would give the
                // group more than it had.
                let listed = stat.xattrs.contains_key(&b"system.posix_acl_access"[..]);
                let old = if listed { stat.mode & 0o1707 } else { stat.mode & 0o1777 };
                // The umask says nothing of the old file's group.
                let access = old & (mode | OTHERS_WRITE) & 0o666;
                // Whoever may read it may execute it, as `chmod +x` of a sane umask has it.
                let execute = if mode & 0o100 == 0 { old & 0o111 } else { old & 0o111 | (access & 0o444) >> 2 };
                let closed = mode & 0o444 == mode & 0o400;
                let execute = if closed { execute & mode & 0o100 } else { execute };
                // Set-id bits of the old file vouched for the old content.
                let mode = access | execute | (old | mode) & 0o1000 | mode & 0o6000;
                Stat { mode, uid: stat.uid, gid: stat.gid, ..Stat::root_owned(0, self.mtime) }
            }
            _ => Stat::root_owned(Self::new_mode(mode), self.mtime),
        }
    }

    /// Keeps that others may write to `at` in the checkout only.
    fn narrow(&mut self, at: &ImagePath, checkout: u16, kept: u16) {
        if checkout & OTHERS_WRITE & !kept != 0 {
            self.report.narrowed.push(at.clone());
        }
    }

    /// A new node at `at`, whose parent the overlay or the tree has made already.
    fn put(&mut self, path: &ImagePath, at: &ImagePath, node: Node<Source>) -> Result<(), Error> {
        let parent = at.parent().and_then(|parent| self.tree.lookup(&parent));
        let parent = parent.filter(|id| self.tree.node(*id).is_directory());
        let (Some(parent), Some(name)) = (parent, at.file_name()) else {
            return Err(self.fault(path, OverlayFault::OverFile { at: at.parent().unwrap_or_else(ImagePath::root) }));
        };
        let id = self.tree.add(node)?;
        self.tree.link(parent, name, id)?;
        Ok(())
    }

    fn fault(&self, path: &ImagePath, fault: OverlayFault) -> Error {
        use std::os::unix::ffi::OsStrExt;
        // An address is no directory in which the file is.
        let file: PathBuf = match self.overlay.is_of_elsewhere {
            true => format!("{path} of {}", self.overlay.path.display()).into(),
            false => self.overlay.path.join(std::ffi::OsStr::from_bytes(path.relative())),
        };
        Error::Overlay { file, fault }
    }
}

#[cfg(test)]
mod tests;
