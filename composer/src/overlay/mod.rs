//! A module's own files, laid over the tree.
//!
//! Names, contents, link targets and modes of the author's checkout reach the tree, and what the module's rules
//! say of owners and modes, which git does not keep. Users, times and attributes of the host do not, nor what
//! an ordinary umask leaves to others than the owner: a checkout is writable by its group on one host and not on
//! the next.

mod rules;

use std::collections::BTreeSet;
use std::path::PathBuf;

use host::{Dir, Fault, Links};
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::{Epoch, ImagePath};

pub use rules::{Owner, Rule};

use crate::Error;
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
/// Set-user-id, set-group-id and sticky: nobody has them by accident.
const SPECIAL: u16 = 0o7000;

/// Why a file of an overlay cannot be laid over the tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverlayFault {
    /// A directory of the tree has the file's name.
    #[error("it would replace the directory {at}")]
    OverDirectory {
        /// Where, inside the image.
        at: ImagePath,
    },
    /// Something that is no directory has the name of a directory of the overlay.
    #[error("it is a directory, but {at} is none and leads to none")]
    OverFile {
        /// Where, inside the image.
        at: ImagePath,
    },
    /// Two files of the overlay come to lie at one path, one of them through a symbolic link.
    #[error("another file of the overlay is already at {at}")]
    Twice {
        /// Where, inside the image.
        at: ImagePath,
    },
    /// A device, named pipe or socket, which git does not keep.
    #[error("it is neither a file, a directory nor a symbolic link")]
    Special,
}

/// The files of an overlay as they were when it was scanned. Whoever reads one reads what it was then, or
/// fails: what is hashed and what is shipped cannot be two things.
#[derive(Debug)]
pub struct Overlay {
    /// What the user calls its directory.
    path: PathBuf,
    /// None where the module has no overlay.
    files: Option<Tree<Source>>,
    rules: Vec<Rule>,
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
        Ok(Self { path, files, rules: Vec::new() })
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
    /// When the overlay holds a special file, or would put a file in a directory's place or the other way
    /// round. The tree is then partly changed.
    pub fn lay_over(&self, tree: &mut Tree<Source>, epoch: Epoch) -> Result<OverlayReport, Error> {
        let Some(files) = &self.files else { return Ok(OverlayReport::default()) };
        let mtime = Mtime { seconds: epoch.seconds(), nanoseconds: 0 };
        let report = OverlayReport::default();
        let mut layer = Layer { tree, mtime, overlay: self, laid: BTreeSet::new(), seen: Vec::new(), report };
        // Parents come first, so that links and directories of the overlay itself lead where they shall.
        for (path, _, node) in files.walk().skip(1) {
            layer.lay(&path, node)?;
        }
        layer.apply_rules();
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
    /// Every path of the overlay where it lies in the tree, in the order of the walk.
    seen: Vec<ImagePath>,
    report: OverlayReport,
}

impl Layer<'_> {
    fn lay(&mut self, path: &ImagePath, node: &Node<Source>) -> Result<(), Error> {
        let at = self.tree.resolve_parent(path);
        let before = self.tree.lookup(&at);
        self.note(&at, node);
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

    /// Keeps what of the checkout's `node` does not reach `at`.
    fn note(&mut self, at: &ImagePath, node: &Node<Source>) {
        self.seen.push(at.clone());
        let names: Vec<Box<[u8]>> = node.stat.xattrs.keys().filter(|name| &***name != LABEL).cloned().collect();
        if !names.is_empty() {
            self.report.attributes.push((at.clone(), names));
        }
    }

    /// Gives the overlay's files what the rules say of them.
    fn apply_rules(&mut self) {
        if self.overlay.rules.is_empty() {
            return;
        }
        let names = rules::Names::of(self.tree);
        let mut used = BTreeSet::new();
        for at in std::mem::take(&mut self.seen) {
            let Some(id) = self.tree.lookup(&at) else { continue };
            let is_directory = self.tree.node(id).is_directory();
            let is_link = matches!(self.tree.node(id).kind, Kind::Symlink(_));
            for (number, rule) in
                self.overlay.rules.iter().enumerate().filter(|(_, rule)| rule.takes(&at, is_directory))
            {
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
        // A link to a directory stays a link: what lies below is laid through it.
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
        // Walked in order, a path comes twice only by way of a link.
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
        let file: PathBuf = self.overlay.path.join(std::ffi::OsStr::from_bytes(path.relative()));
        Error::Overlay { file, fault }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn overlay(tree: &mut Tree<Source>, directory: &Path, epoch: Epoch) -> Result<OverlayReport, Error> {
        let (module, name) = Dir::parent_of(directory)?;
        Overlay::scan(&module, name.to_str().unwrap())?.lay_over(tree, epoch)
    }

    const OLD: Mtime = Mtime { seconds: 5, nanoseconds: 6 };

    fn tree() -> Tree<Source> {
        let mut tree = Tree::new(Stat::root_owned(0o755, OLD));
        for path in ["/usr", "/usr/lib", "/etc"] {
            add(&mut tree, path, Stat::root_owned(0o700, OLD), Kind::Directory(Entries::new()));
        }
        add(&mut tree, "/lib", Stat::root_owned(0o777, OLD), Kind::Symlink(Box::from(&b"usr/lib"[..])));
        let shadow = Stat { uid: 33, gid: 42, ..Stat::root_owned(0o4640, OLD) };
        add(&mut tree, "/etc/shadow", shadow, Kind::Regular(Source::Bytes(b"old"[..].into())));
        tree
    }

    fn add(tree: &mut Tree<Source>, path: &str, stat: Stat, kind: Kind<Source>) {
        let path = ImagePath::new(path).unwrap();
        let parent = tree.lookup(&path.parent().unwrap()).unwrap();
        let id = tree.add(Node { stat, kind }).unwrap();
        tree.link(parent, path.file_name().unwrap(), id).unwrap();
    }

    fn node<'t>(tree: &'t Tree<Source>, path: &str) -> &'t Node<Source> {
        tree.node(tree.lookup(&ImagePath::new(path).unwrap()).unwrap())
    }

    fn epoch() -> Epoch {
        Epoch::from_seconds(1000).unwrap()
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn names_contents_and_modes_reach_the_tree_and_the_umask_does_not() {
        let host = tempfile::tempdir().unwrap();
        let host = host.path();
        fs::create_dir_all(host.join("lib/new")).unwrap();
        fs::create_dir(host.join("etc")).unwrap();
        for (name, bits) in [("lib/new/run", 0o700), ("lib/new/conf", 0o666), ("etc/shadow", 0o755)] {
            fs::write(host.join(name), name).unwrap();
            mode(&host.join(name), bits);
        }
        fs::hard_link(host.join("lib/new/conf"), host.join("lib/new/same")).unwrap();
        symlink("../nowhere", host.join("etc/link")).unwrap();
        mode(&host.join("lib/new"), 0o2770);
        let mut tree = tree();
        let report = overlay(&mut tree, host, epoch()).unwrap();
        let names = |paths: &[ImagePath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
        let below = ["/etc/link", "/usr/lib/new", "/usr/lib/new/conf", "/usr/lib/new/run", "/usr/lib/new/same"];
        assert_eq!(names(&report.added), below);
        assert_eq!(names(&report.replaced), ["/etc/shadow"]);
        let new = Mtime { seconds: 1000, nanoseconds: 0 };
        for (path, mode) in
            [("/usr/lib/new", 0o2770), ("/usr/lib/new/conf", 0o644), ("/usr/lib/new/run", 0o700), ("/etc/link", 0o777)]
        {
            assert_eq!(node(&tree, path).stat, Stat::root_owned(mode, new), "{path}");
        }
        let shadow = node(&tree, "/etc/shadow");
        assert_eq!(shadow.stat, Stat { uid: 33, gid: 42, ..Stat::root_owned(0o750, new) });
        assert!(matches!(&shadow.kind, Kind::Regular(source) if source.read(99).unwrap() == b"etc/shadow"));
        assert_eq!(node(&tree, "/etc").stat, Stat::root_owned(0o700, OLD));
        assert!(matches!(node(&tree, "/lib").kind, Kind::Symlink(_)));
        let id = |path| tree.lookup(&ImagePath::new(path).unwrap());
        assert_ne!(id("/usr/lib/new/conf"), id("/usr/lib/new/same"));
    }

    #[test]
    fn the_mask_of_a_lost_access_list_does_not_become_the_groups_rights() {
        let host = tempfile::tempdir().unwrap();
        fs::create_dir(host.path().join("etc")).unwrap();
        fs::write(host.path().join("etc/shadow"), "new").unwrap();
        mode(&host.path().join("etc/shadow"), 0o644);
        let mut tree = tree();
        let id = tree.lookup(&ImagePath::new("/etc/shadow").unwrap()).unwrap();
        tree.node_mut(id).stat.xattrs.insert(Box::from(&b"system.posix_acl_access"[..]), Box::from(&b"list"[..]));
        overlay(&mut tree, host.path(), epoch()).unwrap();
        let stat = &node(&tree, "/etc/shadow").stat;
        assert_eq!((stat.mode, stat.uid, stat.gid, stat.xattrs.len()), (0o600, 33, 42, 0));
    }

    #[test]
    fn a_new_file_keeps_its_mode_but_for_the_umask() {
        for (bits, kept) in [
            (0o600, 0o600),
            (0o400, 0o400),
            (0o640, 0o640),
            (0o750, 0o750),
            (0o4755, 0o4755),
            (0o2755, 0o2755),
            (0o1777, 0o1777),
            (0o664, 0o644),
            (0o775, 0o755),
            (0o666, 0o644),
            (0o660, 0o640),
        ] {
            let host = tempfile::tempdir().unwrap();
            fs::create_dir(host.path().join("etc")).unwrap();
            fs::create_dir(host.path().join("etc/d")).unwrap();
            fs::write(host.path().join("etc/f"), "x").unwrap();
            mode(&host.path().join("etc/f"), bits);
            mode(&host.path().join("etc/d"), u32::from(kept) | 0o100);
            let mut tree = tree();
            let report = overlay(&mut tree, host.path(), epoch()).unwrap();
            assert_eq!(node(&tree, "/etc/f").stat.mode, kept, "{bits:o}");
            assert_eq!(node(&tree, "/etc/d").stat.mode, kept | 0o100, "{bits:o}");
            assert_eq!(report.narrowed.len(), usize::from(bits != u32::from(kept)), "{bits:o}");
        }
    }

    #[test]
    fn a_file_over_a_file_is_no_more_open_than_either() {
        for (old, bits, both) in [
            (0o644, 0o600, 0o600),
            (0o755, 0o600, 0o600),
            (0o755, 0o700, 0o700),
            (0o640, 0o644, 0o640),
            (0o600, 0o640, 0o600),
            (0o664, 0o644, 0o664),
            (0o644, 0o755, 0o755),
            (0o4755, 0o755, 0o755),
            (0o755, 0o4755, 0o4755),
        ] {
            let host = tempfile::tempdir().unwrap();
            fs::create_dir(host.path().join("etc")).unwrap();
            fs::write(host.path().join("etc/shadow"), "x").unwrap();
            mode(&host.path().join("etc/shadow"), bits);
            let mut tree = tree();
            let id = tree.lookup(&ImagePath::new("/etc/shadow").unwrap()).unwrap();
            tree.node_mut(id).stat.mode = old;
            overlay(&mut tree, host.path(), epoch()).unwrap();
            assert_eq!(node(&tree, "/etc/shadow").stat.mode, both, "{old:o} {bits:o}");
        }
    }

    #[test]
    fn a_rule_gives_owner_and_mode_and_the_last_one_counts() {
        let host = tempfile::tempdir().unwrap();
        fs::create_dir_all(host.path().join("etc/sudoers.d")).unwrap();
        for name in ["etc/sudoers.d/a", "etc/shadow", "etc/passwd"] {
            fs::write(host.path().join(name), "web:x:312:312::/:/bin/sh\n").unwrap();
        }
        symlink("shadow", host.path().join("etc/link")).unwrap();
        let rule = |pattern: &str, mode: &str, owner: &str| Rule::parse(pattern, &[("mode", mode), ("owner", owner)]);
        let rules = [
            rule("/etc/sudoers.d/***", "0750", "0:9"),
            rule("/etc/sudoers.d/*", "0440", "web:root"),
            rule("/etc/link", "0600", "5:6"),
            rule("/etc/shadow", "0600", "nobody-knows:0"),
            rule("/usr/**", "0600", "0:0"),
        ];
        let rules = rules.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
        let (module, name) = Dir::parent_of(host.path()).unwrap();
        let laid = Overlay::scan(&module, name.to_str().unwrap()).unwrap().with_rules(rules);
        let mut tree = tree();
        let report = laid.lay_over(&mut tree, epoch()).unwrap();
        let stat = |path| {
            let stat = &node(&tree, path).stat;
            (stat.mode, stat.uid, stat.gid)
        };
        assert_eq!(stat("/etc/sudoers.d"), (0o750, 0, 9));
        assert_eq!(stat("/etc/sudoers.d/a"), (0o440, 312, 0));
        assert_eq!(stat("/etc/link"), (0o777, 5, 6));
        assert_eq!(stat("/etc/shadow"), (0o600, 33, 42));
        assert_eq!(report.idle, ["/usr/**"]);
        assert_eq!(report.unknown, [("/etc/shadow".to_owned(), "nobody-knows".to_owned())]);
        assert_eq!(report.ruled.len(), 3);
    }

    #[test]
    fn a_missing_overlay_changes_nothing() {
        let mut changed = tree();
        let report = overlay(&mut changed, Path::new("/no-such-directory"), epoch()).unwrap();
        assert_eq!(report, OverlayReport::default());
        assert_eq!(changed.walk().count(), tree().walk().count());
    }

    #[test]
    fn what_cannot_lie_there_is_an_error() {
        let fault = |prepare: &dyn Fn(&Path)| {
            let host = tempfile::tempdir().unwrap();
            prepare(host.path());
            match overlay(&mut tree(), host.path(), epoch()) {
                Err(Error::Overlay { fault, .. }) => fault,
                other => panic!("{other:?}"),
            }
        };
        let at = |path| ImagePath::new(path).unwrap();
        let file_over = fault(&|host| fs::write(host.join("etc"), "x").unwrap());
        assert_eq!(file_over, OverlayFault::OverDirectory { at: at("/etc") });
        let directory_over = fault(&|host| fs::create_dir_all(host.join("etc/shadow")).unwrap());
        assert_eq!(directory_over, OverlayFault::OverFile { at: at("/etc/shadow") });
        let twice = fault(&|host| {
            for name in ["lib/x", "usr/lib/x"] {
                fs::create_dir_all(host.join(name).parent().unwrap()).unwrap();
                fs::write(host.join(name), "x").unwrap();
            }
        });
        assert_eq!(twice, OverlayFault::Twice { at: at("/usr/lib/x") });
        let socket = fault(&|host| drop(std::os::unix::net::UnixListener::bind(host.join("s")).unwrap()));
        assert_eq!(socket, OverlayFault::Special);
    }

    #[test]
    fn only_a_directory_of_the_module_is_an_overlay() {
        let host = tempfile::tempdir().unwrap();
        fs::create_dir(host.path().join("real")).unwrap();
        let path = host.path().join("rootfs");
        let refused = |make: &dyn Fn()| {
            let _ = fs::remove_file(&path);
            make();
            match overlay(&mut tree(), &path, epoch()) {
                Err(Error::Host(host::Error::Place { fault, .. })) => fault,
                other => panic!("{other:?}"),
            }
        };
        for target in ["/etc", "/", "..", "../..", "real/../..", "/proc/self/root", host.path().to_str().unwrap()] {
            assert_eq!(refused(&|| symlink(target, &path).unwrap()), Fault::Outside, "{target}");
        }
        for target in [".", "real/..", "./real/../"] {
            assert_eq!(refused(&|| symlink(target, &path).unwrap()), Fault::Around, "{target}");
        }
        assert_eq!(refused(&|| symlink("none", &path).unwrap()), Fault::Dangling);
        assert_eq!(refused(&|| symlink("rootfs", &path).unwrap()), Fault::Link);
        fs::write(host.path().join("file"), "x").unwrap();
        let to_file = refused(&|| symlink("file", &path).unwrap());
        assert_eq!(to_file, Fault::NotADirectory(host::error::Kind::File));
        fs::write(host.path().join("real/page"), "x").unwrap();
        fs::remove_file(&path).unwrap();
        symlink("real/../real", &path).unwrap();
        let mut tree = tree();
        let report = overlay(&mut tree, &path, epoch()).unwrap();
        assert_eq!(report.added, [ImagePath::new("/page").unwrap()]);
        fs::remove_file(&path).unwrap();
        let file = refused(&|| fs::write(&path, "x").unwrap());
        assert_eq!(file, host::Fault::NotADirectory(host::error::Kind::File));
        let socket = refused(&|| drop(std::os::unix::net::UnixListener::bind(&path).unwrap()));
        assert_eq!(socket, host::Fault::NotADirectory(host::error::Kind::Socket));
    }

    #[test]
    fn a_link_in_an_overlay_is_laid_as_a_link_and_one_that_comes_later_leads_nowhere() {
        let host = tempfile::tempdir().unwrap();
        let root = host.path().join("rootfs");
        fs::create_dir_all(root.join("srv/deep")).unwrap();
        fs::write(root.join("srv/deep/passwd"), "own").unwrap();
        symlink("/etc", root.join("out")).unwrap();
        let scanned = Overlay::scan(&Dir::open(host.path()).unwrap(), "rootfs").unwrap();
        fs::rename(root.join("srv/deep"), root.join("srv/away")).unwrap();
        symlink("/etc", root.join("srv/deep")).unwrap();
        let mut tree = tree();
        scanned.lay_over(&mut tree, epoch()).unwrap();
        assert!(matches!(&node(&tree, "/out").kind, Kind::Symlink(target) if &**target == b"/etc"));
        let Kind::Regular(source) = &node(&tree, "/srv/deep/passwd").kind else { panic!("it was a file") };
        assert!(matches!(source.read(1 << 20), Err(image::Error::ChangedMeanwhile { .. })));
        assert!(image::object::Origin::identity(source).is_none());
    }
}
