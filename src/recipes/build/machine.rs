//! Files of the author's that belong to one machine, or that no node sees.

use image::tree::Kind;
use model::{Diagnostic, ImagePath, Severity};

use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::select::Selected;
use crate::recipes::results::path_list;

/// The finding's code.
const CODE: &str = "machine-file";
/// The most files that one finding names.
const MAX_NAMED: usize = 3;
/// What makes a machine this one and no other.
const IDENTITY: [&str; 3] = ["/etc/machine-id", "/var/lib/dbus/machine-id", "/var/lib/systemd/random-seed"];
/// What each machine says of itself and its network.
const OWN: [&str; 4] = ["/etc/hostname", "/etc/hosts", "/etc/mailname", "/etc/resolv.conf"];
/// What a node mounts something of its own over.
const RUN_TIME: [&str; 5] = ["/dev/", "/proc/", "/run/", "/sys/", "/tmp/"];
/// What stands in a machine-id that each machine is to make itself (machine-id(5)).
const UNSET: u64 = "uninitialized\n".len() as u64;

/// The findings about such files.
pub(crate) fn find(inputs: &Inputs, selected: &Selected) -> Vec<Diagnostic> {
    let all = selected.files.iter().map(|file| &file.laid).chain([&selected.laid]);
    let mut paths: Vec<&ImagePath> = all.flat_map(|laid| laid.added.iter().chain(&laid.replaced)).collect();
    paths.sort_unstable();
    paths.dedup();
    let is_shipped = |path: &ImagePath| {
        let place = selected.closed.as_ref().and_then(|closed| closed.form.moved.get(path)).unwrap_or(path);
        let id = selected.selection.tree.lookup(place)?;
        Some(selected.selection.tree.node(id)).filter(|node| !node.is_directory())
    };
    let of = |is_it: &dyn Fn(&str) -> bool| -> Vec<ImagePath> {
        let named = paths.iter().filter(|path| is_it(&String::from_utf8_lossy(path.as_bytes())));
        let set = |path: &&&ImagePath| {
            is_shipped(path).is_some_and(|node| match &node.kind {
                Kind::Regular(source) => source.size() > UNSET || !is_identity(&path.to_string()),
                Kind::Directory(_)
                | Kind::Symlink(_)
                | Kind::CharDevice(_)
                | Kind::BlockDevice(_)
                | Kind::Fifo
                | Kind::Socket => true,
            })
        };
        named.filter(set).map(|path| (*path).clone()).collect()
    };
    let groups = [
        (
            of(&is_identity),
            "every machine would be one and the same",
            "remove it from rootfs/: each machine makes its own when it starts first",
        ),
        (
            of(&|path| OWN.contains(&path)),
            "every machine has its own",
            "remove it from rootfs/ and have the machine's own set-up write it, or pass it by --allow machine-file where \
             the whole fleet has the same",
        ),
        (
            of(&|path| RUN_TIME.iter().any(|place| path.starts_with(place))),
            "no node sees it: what a node mounts there hides it",
            "have a line of tmpfiles.d or RuntimeDirectory= of the unit make it when the node starts",
        ),
    ];
    let groups = groups.into_iter().filter(|(paths, ..)| !paths.is_empty());
    let finding = |(paths, why, hint): (Vec<ImagePath>, &str, &str)| {
        let is = if paths.len() == 1 { "is" } else { "are" };
        let message = format!("{} {is} shipped, and {why}", path_list::some(&paths, MAX_NAMED));
        Diagnostic::new(Severity::Warning, CODE, message, hint).in_file(inputs.file.clone())
    };
    groups.map(finding).collect()
}

fn is_identity(path: &str) -> bool {
    IDENTITY.contains(&path)
}
