//! The files that a module takes from addresses, as layers over its root file system and below its overlay.

use std::fs::File;
use std::path::PathBuf;

use builder::files;
use composer::overlay::{Overlay, OverlayReport, Rule};
use composer::placed::{self, Taken};
use composer::scan::{self, ArchiveFile, Options, Source, XattrFilter};
use host::Dir;
use image::tree::Tree;
use model::file_input::{FileInput, Unpack};
use model::observe::Observer;
use model::{Epoch, ImagePath, Pattern};
use net::url::redact;

use crate::error::Error;
use crate::recipes::build::downloads::Downloads;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::request::BuildRequest;
use crate::recipes::packages::lock;
use crate::settings;

/// The mode of a file that no one gives one.
const MODE: u16 = 0o644;

/// A file, or what of an archive is taken, ready to be laid over a tree.
#[derive(Debug)]
pub(crate) struct FetchedFile {
    /// What was asked for.
    pub(crate) input: FileInput,
    layer: Overlay,
}

/// What became of a file in the tree.
#[derive(Debug)]
pub(crate) struct LaidFile {
    /// What was asked for.
    pub(crate) input: FileInput,
    /// Where its files are.
    pub(crate) laid: OverlayReport,
}

/// The files of the module of `request` for its architecture, each with the sha256 that it must have.
///
/// # Errors
/// When the lock does not fit, one cannot be had or unpacked, or nothing of it is taken.
pub(crate) fn obtain(
    request: &BuildRequest,
    manifests: &Inputs,
    observer: &dyn Observer,
) -> Result<Vec<FetchedFile>, Error> {
    let mut inputs = settings::module_files(&request.module.directory)?;
    inputs.retain(|input| input.is_for(request.arch));
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(packages) = request.packages().filter(|packages| packages.recorded.is_none()) {
        // A lock that does not fit says so before anything is fetched.
        lock::resolution(&request.module.directory, packages, &manifests.manifest, &manifests.file)?;
    }
    let opened = request.downloads.fetch(&inputs, observer)?;
    let file = |(input, file): (FileInput, File)| {
        let tree = tree(&input, file, &request.downloads)?;
        let rule = rule(&input)?;
        let layer = Overlay::of(PathBuf::from(redact(&input.url)), tree).with_rules(rule);
        Ok(FetchedFile { input, layer })
    };
    inputs.into_iter().zip(opened).map(file).collect()
}

/// Lays the files over `tree`, in their order.
///
/// # Errors
/// When one would take a directory's place, or the other way round, or holds a device.
pub(crate) fn lay(files: &[FetchedFile], tree: &mut Tree<Source>, epoch: Epoch) -> Result<Vec<LaidFile>, Error> {
    let lay = |file: &FetchedFile| Ok(LaidFile { input: file.input.clone(), laid: file.layer.apply(tree, epoch)? });
    files.iter().map(lay).collect()
}

fn tree(input: &FileInput, file: File, downloads: &Downloads) -> Result<Tree<Source>, Error> {
    let destination = ImagePath::new(input.destination.as_str()).map_err(|error| Error::bug(error.to_string()))?;
    let shown = PathBuf::from(redact(&input.url));
    let Some(unpack) = &input.unpack else {
        let source = Source::whole(ArchiveFile::new(shown, file)?);
        return Ok(placed::one(&destination, source, MODE)?);
    };
    let Unpack { format, strip, include } = unpack;
    let scratch = Dir::open(&downloads.cache()?.temporary()?)?;
    let tar = files::plain_tar(file, input, *format, &scratch)?;
    let archive = scan::opened_archive(ArchiveFile::new(shown, tar)?, &Options { xattrs: XattrFilter::none() })?;
    let include: Vec<Pattern> = include
        .iter()
        .map(|text| Pattern::parse(text).map_err(|error| Error::bug(error.to_string())))
        .collect::<Result<_, _>>()?;
    let Taken { tree, idle } = placed::taken(&archive, *strip, &include, &destination)?;
    check_taken(input, &archive, &tree, &idle)?;
    Ok(tree)
}

/// Fails where nothing of an archive is taken, or nothing by one of its patterns.
fn check_taken(input: &FileInput, archive: &Tree<Source>, taken: &Tree<Source>, idle: &[Pattern]) -> Result<(), Error> {
    let has_files = |tree: &Tree<Source>| tree.walk().any(|(_, _, node)| !node.is_directory());
    if !has_files(archive) {
        return Err(Error::input(format!("{} holds no file", redact(&input.url)))
            .hint("name another file, or leave `unpack` out to take it as it is"));
    }
    let names = archive.walk().filter(|(_, _, node)| !node.is_directory()).take(3).map(|(path, ..)| path.to_string());
    let hint = format!("what is in it begins with {}", names.collect::<Vec<_>>().join(", "));
    let url = redact(&input.url);
    match idle.first() {
        Some(pattern) => {
            Err(Error::input(format!("the pattern `{pattern}` of `include` takes nothing of {url}")).hint(hint))
        }
        None if !has_files(taken) => {
            Err(Error::input(format!("nothing of {url} is taken: `strip` leaves no file")).hint(hint))
        }
        None => Ok(()),
    }
}

/// What the entry says of mode and owner.
fn rule(input: &FileInput) -> Result<Vec<Rule>, Error> {
    let keys = [("mode", &input.mode), ("owner", &input.owner)];
    let keys: Vec<(&str, &str)> = keys.into_iter().filter_map(|(key, word)| Some((key, word.as_deref()?))).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    // Of a file alone its directories are not meant.
    let pattern = if input.unpack.is_some() {
        format!("{}/***", input.destination.trim_end_matches('/'))
    } else {
        quoted(&input.destination)
    };
    let rule =
        Rule::parse(&pattern, &keys).map_err(|hint| Error::bug(format!("the owner of a file is wrong: {hint}")))?;
    Ok(vec![rule])
}

/// A path as a pattern that takes it alone.
fn quoted(path: &str) -> String {
    let escaped = |c: char| if "*?[\\".contains(c) { format!("\\{c}") } else { c.to_string() };
    // Without a wildcard a backslash is a backslash.
    if path.contains(['*', '?', '[']) { path.chars().map(escaped).collect() } else { path.to_owned() }
}
