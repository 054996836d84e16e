//! What the overlay's own files say in the checkout that an author may not mean, or that does not reach the image.

use builder::scrub;
use composer::filter::Verdict;
use image::tree::{Kind, Node};
use model::closure::{AccountName, Ship};
use model::document::nearest;
use model::{Diagnostic, FileName, ImagePath, Severity};
use net::url::redact;

use crate::error::Error;
use crate::recipes::build::attributes;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::select::Selected;
use crate::recipes::build::{secrets, special};
use crate::recipes::results::path_list;
use crate::settings::naming;

/// A file that its owner alone may read.
pub(crate) const CLOSED: &str = "overlay-closed";
/// A new file that no rule takes.
pub(crate) const LEFT: &str = "overlay-not-shipped";
/// What is said of such files.
pub(crate) const IS_LEFT: &str = "of the overlay is new and no rule takes it, so that it does not ship";
/// What to do about them.
pub(crate) const NAME_IT: &str = "name it in file_spec, or leave it out by mask";
/// Extended attributes, which are not kept.
pub(crate) const ATTRIBUTES: &str = "overlay-attributes";
/// A rule of `[overlay]` without a file, or with an owner that no one knows.
pub(crate) const RULE: &str = "overlay-rule";
/// Write permission of others, which is the umask's.
pub(crate) const WRITABLE: &str = "overlay-writable";

/// A program of `[[file]]` without a mode.
const FILE_MODE: &str = "file-mode";
/// A file of `[[file]]` that its owner alone may read.
const FILE_CLOSED: &str = "file-closed";
/// An owner of `[[file]]` that no one knows.
const FILE_OWNER: &str = "file-owner";

/// An archive of `[[file]]` that is not unpacked.
const FILE_PACKED: &str = "file-packed";

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
    let (files, brought) = (Files::of(selected)?, Files::brought(selected)?);
    let laid = &selected.laid;
    let is_ruled = |path: &&ImagePath| laid.ruled.binary_search(path).is_ok();
    let narrowed: Vec<ImagePath> = laid.narrowed.iter().filter(|path| !is_ruled(path)).cloned().collect();
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
            secrets::CODE,
            &brought.keys,
            "of [[file]] holds a private key, which every machine would share, and which its address gives to everyone",
            "leave it out by `include` or mask, or pass it by --allow possible-secret",
        ),
        warn(
            special::RIGHTS,
            &brought.special,
            "of [[file]] runs with rights of its own (set-user-id or set-group-id)",
            "leave it out by `include` or mask, or pass it by --allow special-rights",
        ),
        warn(
            FILE_CLOSED,
            &brought.closed,
            "of [[file]] is for its owner alone, who is root in the image where no `owner` is given",
            "leave it out by `include` or mask, or pass it by --allow file-closed",
        ),
        warn(
            CLOSED,
            &files.closed,
            "of the overlay is for its owner alone, who is root in the image where [overlay] gives no `owner`",
            "say so by `\"PATH\" = { mode = \"0600\" }` under [overlay] in builder.toml, since git does not keep it",
        ),
        warn(LEFT, &files.left, IS_LEFT, NAME_IT),
        finding(
            inputs,
            Severity::Note,
            WRITABLE,
            &narrowed,
            "of the overlay may be written to by others in the checkout, and not in the image",
            "give the mode under [overlay] in builder.toml where that is meant",
        ),
    ];
    found.extend(laid.attributes.iter().map(|(path, names)| Some(attributes(inputs, path, names))));
    found.extend(rules(inputs, selected).into_iter().map(Some));
    found.extend(fetched(inputs, selected)?.into_iter().map(Some));
    Ok(found.into_iter().flatten().collect())
}

/// The module's own settings, where the rules and the tables stand.
fn settings(inputs: &Inputs) -> FileName {
    inputs.file.beside(crate::settings::BUILDER_TOML)
}

/// What an author may not have meant by a table of `[[file]]`.
fn fetched(inputs: &Inputs, selected: &Selected) -> Result<Vec<Diagnostic>, Error> {
    let mut found = Vec::new();
    for file in &selected.files {
        let finding = |severity, code, (key, message): (&str, String), hint: &str| {
            let finding = Diagnostic::new(severity, code, message, hint).in_file(settings(inputs));
            match file.place(key) {
                Some(place) => finding.at(place.position).in_field(place.field).quoting(place.text),
                None => finding,
            }
        };
        let url = redact(&file.input.url);
        if let Some(path) = file.program_without_mode(&selected.selection.tree)? {
            let message = format!("{path} of [[file]] is a program that no one may run, since it has no `mode`");
            let hint = "add mode = \"0755\" to its table in builder.toml, or \"0644\" where it is not run";
            found.push(finding(Severity::Warning, FILE_MODE, ("destination", message), hint));
        }
        if let Some(form) = file.packed() {
            let message = format!("{url} looks like an archive, and is taken as it is");
            let hint = format!("add unpack = \"{form}\" where its files are meant");
            found.push(finding(Severity::Note, FILE_PACKED, ("url", message), &hint));
        }
        if let Some((severity, message)) = attributes::dropped(&url, &file.laid.attributes) {
            let hint = "give the service what it needs in its unit (AmbientCapabilities=, SupplementaryGroups=), or set them on the machine";
            found.push(finding(severity, attributes::CODE, ("unpack", message), hint));
        }
        found.extend(file.laid.unknown.iter().map(|(_, name)| {
            let message =
                format!("the owner of {url} is `{name}`, whom the root file system does not know: it is root's");
            finding(Severity::Warning, FILE_OWNER, ("owner", message), &owner_hint(name, inputs, selected))
        }));
    }
    Ok(found)
}

/// Files of the author's, by what is to be asked about them.
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
                let is_ruled = selected.laid.ruled.binary_search(path).is_ok();
                files.shipped(path, node, is_ruled)?;
            } else if !node.is_directory()
                && selected.laid.added.binary_search(path).is_ok()
                && matches!(selected.filter.verdict(path, false), Verdict::NotNamed)
            {
                files.left.push(path.clone());
            }
        }
        Ok(files)
    }

    /// Those that come from addresses. A mode that the author gave is meant.
    fn brought(selected: &Selected) -> Result<Self, Error> {
        let mut files = Self::default();
        for laid in selected.files.iter().map(|file| &file.laid) {
            for path in laid.added.iter().chain(&laid.replaced) {
                let node = selected.selection.tree.lookup(path).map(|id| selected.selection.tree.node(id));
                // A directory for root alone is as the archive has it, and what is in it ships with it.
                if let Some(node) = node.filter(|node| matches!(node.kind, Kind::Regular(_))) {
                    files.shipped(path, node, laid.ruled.binary_search(path).is_ok())?;
                }
            }
        }
        Ok(files)
    }

    fn shipped(&mut self, path: &ImagePath, node: &Node<composer::scan::Source>, is_ruled: bool) -> Result<(), Error> {
        let is_key = match &node.kind {
            Kind::Regular(source) => is_private_key(source)?,
            Kind::Directory(_) => false,
            _ => return Ok(()),
        };
        if is_key {
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

/// Whether the beginning of a file shows that it holds a private key, or a store of such.
fn is_private_key(source: &composer::scan::Source) -> Result<bool, Error> {
    let length = usize::try_from(source.size().min(HEAD)).unwrap_or(0);
    Ok(scrub::holds_key(&source.positioned()?.read_at(0, length)?))
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
    let names: Vec<String> = names.iter().take(attributes::MAX_NAMES).map(|name| model::path::escape(name)).collect();
    let message = format!("the extended attributes of {path} in the overlay are not kept: {}", names.join(", "));
    let hint = "remove them from the file, or set them on the machine";
    Diagnostic::new(Severity::Warning, ATTRIBUTES, message, hint).in_file(inputs.file.clone())
}

fn rules(inputs: &Inputs, selected: &Selected) -> Vec<Diagnostic> {
    let warning = |pattern: &str, message: String, hint: &str| {
        let place = naming::entry(&inputs.settings, RULE, &["overlay", pattern]).diagnostics.pop();
        let found = Diagnostic::new(Severity::Warning, RULE, message, hint).in_file(settings(inputs));
        // Without the file, which may have gone since, the rule is named all the same.
        match place {
            Some(place) => Diagnostic { position: place.position, span: place.span, ..found }
                .in_field(place.field)
                .quoting(place.text),
            None => found,
        }
    };
    let idle = selected.laid.idle.iter().map(|pattern| {
        let message = format!("the rule of `{pattern}` under [overlay] takes no file of the overlay");
        warning(pattern, message, "name a file below rootfs/ as it lies in the image, or remove the rule")
    });
    let unknown = selected.laid.unknown.iter().map(|(pattern, name)| {
        let message =
            format!("the rule of `{pattern}` under [overlay] names `{name}`, whom the root file system does not know");
        warning(pattern, message, &owner_hint(name, inputs, selected))
    });
    idle.chain(unknown).collect()
}

/// How the author gives `name` a number that every node knows.
fn owner_hint(name: &str, inputs: &Inputs, selected: &Selected) -> String {
    let assigned = selected.closed.iter().flat_map(|closed| closed.assigned.ids.iter().map(|(name, _)| name.as_str()));
    let of_base = selected.closed.iter().flat_map(|closed| closed.base.users.keys().map(AccountName::as_str));
    let known: Vec<&str> = assigned.chain(of_base).collect();
    let meant = nearest(name, &known).map(|near| format!("did you mean {near}? Else ")).unwrap_or_default();
    let file = format!("rootfs/usr/lib/sysusers.d/{}.conf", inputs.manifest.name);
    let table = &inputs.settings.closure.accounts;
    let number = AccountName::parse(name).ok().and_then(|name| table.propose(&name, |_| false));
    let number = match (inputs.settings.closure.ship, number) {
        // A build gives it a number.
        (Ship::Closure, _) | (_, None) => "-".to_owned(),
        (Ship::Owned, Some(number)) => number.to_string(),
    };
    format!("{meant}make it by a line `u {name} {number}` in {file}, or name one whom a package makes")
}
