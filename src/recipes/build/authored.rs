//! What the overlay's own files say in the checkout that an author may not mean, or that does not reach the image.

use builder::scrub;
use composer::filter::Verdict;
use image::tree::{Kind, Node};
use model::{Diagnostic, ImagePath, Severity};

use crate::error::Error;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::select::Selected;
use crate::recipes::build::{secrets, special};
use crate::recipes::results::path_list;

/// A file that its owner alone may read.
pub(crate) const CLOSED: &str = "overlay-closed";
/// A new file that no rule takes.
pub(crate) const LEFT: &str = "overlay-not-shipped";
/// Extended attributes, which are not kept.
pub(crate) const ATTRIBUTES: &str = "overlay-attributes";
/// A rule of `[overlay]` without a file, or with an owner that no one knows.
pub(crate) const RULE: &str = "overlay-rule";
/// Write permission of others, which is the umask's.
pub(crate) const WRITABLE: &str = "overlay-writable";

/// The most files that one finding names.
const MAX_NAMED: usize = 50;
const SET_ID: u16 = 0o6000;
/// Where a private key is looked for: PEM files may begin with remarks.
const HEAD: u64 = 64 << 10;

/// The findings about the files of the module's overlay.
///
/// # Errors
/// When one of them cannot be read.
pub(crate) fn find(inputs: &Inputs, selected: &Selected) -> Result<Vec<Diagnostic>, Error> {
    let files = Files::of(selected)?;
    let laid = &selected.laid;
    let warn =
        |code, paths: &[ImagePath], is: &str, hint: &str| finding(inputs, Severity::Warning, code, paths, is, hint);
    let mut found = vec![
        warn(
            secrets::CODE,
            &files.keys,
            "of the overlay holds a private key, which every machine would share",
            "bring it to the machine by other means, or pass it by --allow possible-secret",
        ),
        warn(
            special::RIGHTS,
            &files.special,
            "of the overlay runs with rights of its own (set-user-id or set-group-id)",
            "give the mode that is meant under [overlay] in builder.toml, or pass it by --allow special-rights",
        ),
        warn(
            CLOSED,
            &files.closed,
            "of the overlay is for its owner alone, who is root in the image",
            "say so by `\"PATH\" = { mode = \"0600\" }` under [overlay] in builder.toml, since git does not keep it",
        ),
        warn(
            LEFT,
            &files.left,
            "of the overlay is new and no rule takes it, so that it does not ship",
            "name it in file_spec, or leave it out by mask",
        ),
        finding(
            inputs,
            Severity::Note,
            WRITABLE,
            &laid.narrowed,
            "of the overlay may be written to by others in the checkout, and not in the image",
            "give the mode under [overlay] in builder.toml where that is meant",
        ),
    ];
    found.extend(laid.attributes.iter().map(|(path, names)| Some(attributes(inputs, path, names))));
    found.extend(rules(inputs, selected).into_iter().map(Some));
    Ok(found.into_iter().flatten().collect())
}

/// The overlay's files, by what is to be asked about them.
#[derive(Default)]
struct Files {
    keys: Vec<ImagePath>,
    special: Vec<ImagePath>,
    closed: Vec<ImagePath>,
    left: Vec<ImagePath>,
}

impl Files {
    fn of(selected: &Selected) -> Result<Self, Error> {
        let mut files = Self::default();
        for path in selected.laid.added.iter().chain(&selected.laid.replaced) {
            let Some(node) = selected.whole.lookup(path).map(|id| selected.whole.node(id)) else { continue };
            if selected.selection.tree.lookup(path).is_some() {
                files.shipped(path, node, selected)?;
            } else if !node.is_directory()
                && selected.laid.added.binary_search(path).is_ok()
                && matches!(selected.filter.verdict(path, false), Verdict::NotNamed)
            {
                files.left.push(path.clone());
            }
        }
        Ok(files)
    }

    fn shipped(
        &mut self,
        path: &ImagePath,
        node: &Node<composer::scan::Source>,
        selected: &Selected,
    ) -> Result<(), Error> {
        let Kind::Regular(source) = &node.kind else { return Ok(()) };
        let is_ruled = selected.laid.ruled.binary_search(path).is_ok();
        if is_private_key(source)? {
            self.keys.push(path.clone());
        } else if node.stat.mode & 0o077 == 0 && !is_ruled {
            self.closed.push(path.clone());
        }
        if node.stat.mode & SET_ID != 0 && !is_ruled {
            self.special.push(path.clone());
        }
        Ok(())
    }
}

/// Whether the beginning of a file shows that it holds a private key.
fn is_private_key(source: &composer::scan::Source) -> Result<bool, Error> {
    let length = usize::try_from(source.size().min(HEAD)).unwrap_or(0);
    Ok(scrub::holds_private_key(&source.positioned()?.read_at(0, length)?))
}

fn finding(
    inputs: &Inputs,
    severity: Severity,
    code: &'static str,
    paths: &[ImagePath],
    is: &str,
    hint: &str,
) -> Option<Diagnostic> {
    if paths.is_empty() {
        return None;
    }
    let message = format!("{} {is}", path_list::some(paths, MAX_NAMED));
    Some(Diagnostic::new(severity, code, message, hint).in_file(inputs.file.clone()))
}

fn attributes(inputs: &Inputs, path: &ImagePath, names: &[Box<[u8]>]) -> Diagnostic {
    let names: Vec<String> = names.iter().take(8).map(|name| model::path::escape(name)).collect();
    let message = format!("the extended attributes of {path} in the overlay are not kept: {}", names.join(", "));
    let hint = "remove them from the file, or set them on the machine";
    Diagnostic::new(Severity::Warning, ATTRIBUTES, message, hint).in_file(inputs.file.clone())
}

fn rules(inputs: &Inputs, selected: &Selected) -> Vec<Diagnostic> {
    let warning =
        |message, hint: &str| Diagnostic::new(Severity::Warning, RULE, message, hint).in_file(inputs.file.clone());
    let idle = selected.laid.idle.iter().map(|pattern| {
        let message = format!("the rule of `{pattern}` under [overlay] takes no file of the overlay");
        warning(message, "name a file below rootfs/ as it lies in the image, or remove the rule")
    });
    let unknown = |place: String, name: &str| {
        let message = format!("{place} names `{name}`, whom the root file system does not know");
        warning(
            message,
            "give the number, or have a package or the overlay bring the name in /etc/passwd and /etc/group",
        )
    };
    let of_overlay = selected.laid.unknown.iter();
    let of_overlay =
        of_overlay.map(|(pattern, name)| unknown(format!("the rule of `{pattern}` under [overlay]"), name));
    let of_files = selected.files.iter().flat_map(|file| {
        let place = format!("the owner of {} under [[file]]", file.input.destination);
        file.laid.unknown.iter().map(move |(_, name)| (place.clone(), name))
    });
    let of_files = of_files.map(|(place, name)| unknown(place, name));
    idle.chain(of_overlay).chain(of_files).collect()
}
