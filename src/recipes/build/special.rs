//! What a root file system that the user named may hold and packages do not: devices, and programs that
//! run with another user's rights.
//!
//! Such a root file system may come from anyone, and its modes ship as they are. From packages both are
//! Debian's decision, so that nothing is asked there.

use image::tree::{Kind, Node};
use model::{Diagnostic, ImagePath, Severity};

use crate::recipes::build::attributes::{self, Attributes};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::select::Selected;
use crate::recipes::results::path_list;

/// The code of the finding about devices.
pub(crate) const DEVICE: &str = "device-node";
/// The code of the finding about set-id files and file capabilities.
pub(crate) const RIGHTS: &str = "special-rights";

/// The most files that one finding names: each wants to be looked at.
const MAX_NAMED: usize = 50;
/// The bits that give a program another user or group.
const SET_ID: u16 = 0o6000;
/// The attribute that gives a program capabilities.
const CAPABILITY: &[u8] = b"security.capability";

/// The shipped devices and the shipped programs with rights of their own.
pub(crate) fn find(inputs: &Inputs, selected: &Selected) -> Vec<Diagnostic> {
    let (mut devices, mut packaged, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (path, _, node) in selected.selection.tree.walk() {
        match node.kind {
            Kind::CharDevice(_) | Kind::BlockDevice(_) => devices.push(path),
            // `authored` asks about the overlay's, and those of `[[file]]`.
            Kind::Regular(_) if has_rights(node) && !selected.is_authored(&path) => {
                match selected.ownership.is_owned(&path) {
                    true => packaged.push(path),
                    false => others.push(path),
                }
            }
            _ => {}
        }
    }
    let finding = |severity, code, paths: &[ImagePath], (one, many): (&str, &str), hint: &str| {
        let first = paths.first()?;
        let is = if paths.len() == 1 { one } else { many };
        let message = format!("{} {is}", path_list::some(paths, MAX_NAMED));
        let hint = format!("leave out what is not meant, by `{first}` in mask{hint}");
        Some(Diagnostic::new(severity, code, message, hint).in_file(inputs.file.clone()))
    };
    let rights = (
        "runs with rights of its own (set-user-id, set-group-id or capabilities)",
        "run with rights of their own (set-user-id, set-group-id or capabilities)",
    );
    let no_package = ", or pass it by --allow special-rights: no package installed it";
    [
        finding(
            Severity::Warning,
            DEVICE,
            &devices,
            ("is a device, which every node would have", "are devices, which every node would have"),
            ": a node makes its devices itself",
        ),
        finding(Severity::Warning, RIGHTS, &others, rights, no_package),
        finding(Severity::Note, RIGHTS, &packaged, rights, ""),
        not_kept(inputs, selected),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The extended attributes of what ships, as far as they are not kept: they say something of the machine where they were read.
fn not_kept(inputs: &Inputs, selected: &Selected) -> Option<Diagnostic> {
    let ships = |(path, _): &&Attributes| selected.selection.tree.lookup(path).is_some();
    let shipped: Vec<Attributes> = selected.dropped.iter().filter(ships).cloned().collect();
    let (_, message) = attributes::dropped("the root file system", &shipped)?;
    let hint = "have the node set what it needs: capabilities and access lists are kept";
    Some(Diagnostic::new(Severity::Note, attributes::CODE, message, hint).in_file(inputs.file.clone()))
}

fn has_rights<C>(node: &Node<C>) -> bool {
    node.stat.mode & SET_ID != 0 || node.stat.xattrs.iter().any(|(name, _)| &**name == CAPABILITY)
}
