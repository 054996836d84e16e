//! All that is known about one path.

use builder::ownership::Claim;
use std::path::{Path, PathBuf};

use composer::filter::{self, By, Verdict};
use composer::scan::Source;
use image::composefs::Stored;
use image::tree::{Kind, Tree};
use model::observe::Observer;
use model::path::json::keys;
use model::rules::Rule;
use model::{Digest, ImagePath};
use net::url::redact;
use serde::Serialize;

use crate::error::{Error, Reported};
use crate::recipes::build::closure::Standing;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::request::BuildRequest;
use crate::recipes::build::select::{self, Selected};
use crate::recipes::build::{obtained, origin};
use crate::recipes::results::artifact;

/// Why a path is in or out.
#[derive(Debug, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub(crate) enum Why {
    /// An include names it.
    Named {
        /// The include.
        rule: Rule,
    },
    /// The module has no `file_spec`, and its packages or its overlay own the path.
    Owned,
    /// It is a directory that no include names: shipped exactly when something below it is.
    Parent {
        /// How many names below it are shipped, directories not counted.
        files: usize,
    },
    /// An exclude keeps it out.
    Excluded {
        /// The exclude.
        rule: Rule,
        /// What the exclude takes: the path, or a directory above it.
        #[serde(flatten, serialize_with = "keys::at")]
        at: ImagePath,
        /// The neighbour that protects it, where the exclude is not the module's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        neighbour: Option<String>,
    },
    /// The closure of the module's packages is shipped, and this is what the path is to it.
    Closure {
        /// That.
        standing: Standing,
    },
    /// No rule names it.
    NotNamed,
    /// A scrub rule took it out of the root file system.
    Scrubbed,
    /// The archive of a `[[file]]` has it, and the patterns of `include` do not take it.
    NotIncluded {
        /// The address, without a password.
        url: String,
        /// The setting, such as `file[0].include`.
        setting: String,
        /// Where that stands.
        place: String,
    },
    /// The root file system does not have it.
    Missing {
        /// Paths that may have been meant.
        near: Vec<String>,
    },
    /// The image has it; the rules are not known.
    InImage,
    /// The image does not have it; the rules are not known.
    NotInImage {
        /// Paths that may have been meant.
        near: Vec<String>,
    },
}

/// What is at a path.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    /// `regular file`, `directory`, `symbolic link`...
    pub(crate) kind: &'static str,
    /// The size of a regular file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// The permission bits in octal.
    pub(crate) mode: String,
    /// The owner's number.
    pub(crate) uid: u32,
    /// The group's number.
    pub(crate) gid: u32,
    /// Where a link leads.
    #[serde(flatten, serialize_with = "keys::target")]
    pub(crate) target: Option<Box<[u8]>>,
}

/// A file from an address.
#[derive(Debug, Serialize)]
pub(crate) struct Fetched {
    /// The address, without a password.
    pub(crate) url: String,
    /// The sha256 of what is there.
    pub(crate) sha256: Digest,
}

/// A file of the module's overlay.
#[derive(Debug, Serialize)]
pub(crate) struct Laid {
    /// The file on the host, where it is at the path as it is written.
    #[serde(flatten, serialize_with = "keys::file")]
    pub(crate) file: Option<PathBuf>,
    /// Whether it took the place of a file of the root file system.
    pub(crate) replaces: bool,
}

/// A scrub rule that changed or removed a path.
#[derive(Debug, Serialize)]
pub(crate) struct ScrubRule {
    /// Its name.
    pub(crate) rule: &'static str,
    /// Why.
    pub(crate) because: &'static str,
}

/// A file that was moved out of the way.
#[derive(Debug, Serialize)]
pub(crate) struct Moved {
    /// Where it is instead.
    #[serde(flatten, serialize_with = "keys::to")]
    pub(crate) to: ImagePath,
    /// The package that asked for it; none for the administrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
}

/// All that is known about one path.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    /// The path as it was asked for.
    #[serde(flatten, serialize_with = "keys::asked")]
    pub(crate) asked: ImagePath,
    /// The same by its real name, with links of the tree followed in all components but the last.
    #[serde(flatten, serialize_with = "keys::path")]
    pub(crate) path: ImagePath,
    /// Whether the module ships it.
    pub(crate) shipped: bool,
    /// Why, or why not.
    #[serde(flatten)]
    pub(crate) why: Why,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<Found>,
    /// The packages that installed it.
    pub(crate) packages: Vec<Claim>,
    /// Whether it is there although no package and no overlay provided it.
    pub(crate) made_by_a_maintainer_script: bool,
    /// The alternatives group that the link belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alternative: Option<String>,
    /// Where a package's file of this name was moved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) moved: Option<Moved>,
    /// The file of `[[file]]` that brought it, below the overlay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fetched: Option<Fetched>,
    /// The overlay's part in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) overlay: Option<Laid>,
    /// The scrub rule that changed or removed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scrub: Option<ScrubRule>,
}

/// Explains `asked` by the module of `request`, built as far as the filter.
pub(crate) fn path(
    asked: ImagePath,
    request: &BuildRequest,
    observer: &dyn Observer,
) -> Result<Reported<Explained>, Error> {
    Reported::collect(|found| {
        let inputs = Inputs::read(&request.module, &request.checks, found)?;
        let (files, root) = obtained::obtain(request, &inputs, observer)?;
        let selected = select::root(request, &inputs, (&root, &files), observer)?;
        Ok(explain(asked, &inputs, &selected, selected.overlay.path()))
    })
}

/// Says of `asked` what the image in the build's results at `results` says.
pub(crate) fn in_image(asked: ImagePath, results: &Path) -> Result<Explained, Error> {
    let artifact::Artifact { mut modules, .. } = artifact::open(results)?;
    let (Some(artifact::Module { tree, .. }), true) = (modules.pop(), modules.is_empty()) else {
        return Err(Error::input(format!("{} holds modules of several architectures", results.display()))
            .hint("name the module.tar or the dist directory of one"));
    };
    let path = tree.resolve_parent(&asked);
    let found = found(&tree, &path, Stored::size);
    let why = match &found {
        Some(_) => Why::InImage,
        None => Why::NotInImage { near: filter::near(&tree, &path) },
    };
    let shipped = found.is_some();
    Ok(Explained { found, ..bare(asked, path, shipped, why) })
}

fn bare(asked: ImagePath, path: ImagePath, shipped: bool, why: Why) -> Explained {
    Explained {
        asked,
        path,
        shipped,
        why,
        found: None,
        packages: Vec::new(),
        made_by_a_maintainer_script: false,
        alternative: None,
        moved: None,
        fetched: None,
        overlay: None,
        scrub: None,
    }
}

fn explain(asked: ImagePath, inputs: &Inputs, selected: &Selected, overlay: &Path) -> Explained {
    let (whole, ownership) = (&selected.whole, &selected.ownership);
    let path = whole.resolve_parent(&asked);
    let found = found(whole, &path, Source::size);
    let scrubbed = selected.scrubbed.iter().find(|scrubbed| scrubbed.paths.contains(&path));
    let overlay = laid(selected, &path, overlay);
    let packages = ownership.claims(whole, &path);
    let alternative = ownership.alternative(whole, &path).map(|group| group.name.clone());
    let moved = ownership.diversion(whole, &path).map(|one| Moved { to: one.to.clone(), by: one.by.clone() });
    let why = match &found {
        None if scrubbed.is_some() => Why::Scrubbed,
        None => not_included(selected, &path).unwrap_or_else(|| Why::Missing { near: filter::near(whole, &path) }),
        Some(found) => why(inputs, selected, &path, found.kind == DIRECTORY),
    };
    let standing = selected.closed.as_ref().and_then(|closed| closed.standing(&path, selected, inputs));
    let is_computed = selected.fed.has(&path);
    let standing = if is_computed { Some(Standing::Generated) } else { standing };
    let why = match (why, standing) {
        (_, Some(standing @ Standing::Generated)) => Why::Closure { standing },
        (
            Why::Owned | Why::NotNamed | Why::Scrubbed | Why::Missing { .. } | Why::Parent { files: 0 },
            Some(standing),
        ) => Why::Closure { standing },
        (why, _) => why,
    };
    let shipped = selected.selection.tree.lookup(&path).is_some();
    let (_, _, file) = origin::of(ownership, (&selected.laid, &selected.fed), &selected.files, &path);
    let fetched = file.map(|file| Fetched { url: redact(&file.url), sha256: file.sha256 });
    let is_generated = is_computed || selected.closed.as_ref().is_some_and(|closed| closed.is_generated(&path));
    let is_brought = overlay.is_some() || fetched.is_some() || is_generated;
    let is_unclaimed = packages.is_empty() && !is_brought && found.is_some() && !path.is_root();
    Explained {
        made_by_a_maintainer_script: is_unclaimed && ownership.has_packages(),
        found,
        packages,
        alternative,
        moved,
        fetched,
        overlay,
        scrub: scrubbed.map(|scrubbed| ScrubRule { rule: scrubbed.rule, because: scrubbed.reason }),
        ..bare(asked, path, shipped, why)
    }
}

/// That the author leaves it out of an archive.
fn not_included(selected: &Selected, path: &ImagePath) -> Option<Why> {
    let file = selected.files.iter().find(|file| file.leaves_out(path, &selected.whole))?;
    let place = file.place("include")?;
    Some(Why::NotIncluded { url: redact(&file.input.url), setting: place.field.clone(), place: place.place() })
}

fn why(inputs: &Inputs, selected: &Selected, path: &ImagePath, is_directory: bool) -> Why {
    let (own, rules) = (&inputs.manifest.name, &inputs.rules);
    let parent = || Why::Parent {
        files: match selected.selection.tree.lookup(path) {
            Some(_) => files_below(&selected.selection.tree, path),
            None => 0,
        },
    };
    match selected.filter.verdict(path, is_directory) {
        Verdict::Excluded { rule, at } => match rules.excludes.get(rule).cloned() {
            Some(rule) => {
                let neighbour = Some(rule.origin.module.clone()).filter(|module| module != own);
                Why::Excluded { rule, at, neighbour }
            }
            None => Why::NotNamed,
        },
        Verdict::Included(By::Rule(rule)) => {
            rules.includes.get(rule).cloned().map_or(Why::NotNamed, |rule| Why::Named { rule })
        }
        Verdict::Included(By::Owned) => Why::Owned,
        Verdict::Included(By::Parent) => parent(),
        // A directory above something that is shipped by a pattern such as `/**/x`.
        Verdict::NotNamed if selected.selection.tree.lookup(path).is_some() => parent(),
        Verdict::NotNamed => Why::NotNamed,
    }
}

fn files_below(tree: &Tree<Source>, path: &ImagePath) -> usize {
    tree.walk().filter(|(other, _, node)| !node.is_directory() && other.starts_with(path)).count()
}

const DIRECTORY: &str = "directory";

fn found<C>(tree: &Tree<C>, path: &ImagePath, size: impl Fn(&C) -> u64) -> Option<Found> {
    let node = tree.node(tree.lookup(path)?);
    let kind = match &node.kind {
        Kind::Directory(_) => DIRECTORY,
        Kind::Regular(_) => "regular file",
        Kind::Symlink(_) => "symbolic link",
        Kind::CharDevice(_) => "character device",
        Kind::BlockDevice(_) => "block device",
        Kind::Fifo => "named pipe",
        Kind::Socket => "socket",
    };
    let (size, target) = match &node.kind {
        Kind::Regular(content) => (Some(size(content)), None),
        Kind::Symlink(target) => (None, Some(target.clone())),
        _ => (None, None),
    };
    let stat = &node.stat;
    Some(Found { kind, size, mode: format!("{:04o}", stat.mode), uid: stat.uid, gid: stat.gid, target })
}

fn laid(selected: &Selected, path: &ImagePath, overlay: &Path) -> Option<Laid> {
    use std::os::unix::ffi::OsStrExt;
    let replaces = selected.laid.replaced.binary_search(path).is_ok();
    if !replaces && selected.laid.added.binary_search(path).is_err() {
        return None;
    }
    let file = overlay.join(std::ffi::OsStr::from_bytes(path.relative()));
    Some(Laid { file: file.symlink_metadata().is_ok().then_some(file), replaces })
}
