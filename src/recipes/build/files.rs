//! The files that a module takes from addresses, as layers over its root file system and below its overlay.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use builder::apt::lock::LockedFile;
use builder::files::{self, Ask};
use composer::overlay::{Names, Overlay, OverlayFault, OverlayReport, Rule};
use composer::placed::{self, Taken};
use composer::scan::{self, ArchiveFile, Options, Source, XattrFilter};
use host::Dir;
use image::tree::{Kind, Node, NodeId, Tree};
use model::file_input::{FileInput, FileInputFields, Unpack};
use model::observe::Observer;
use model::{Diagnostic, Epoch, ImagePath, Pattern};
use net::url::redact;

use crate::error::{Error, Findings};
use crate::recipes::build::downloads::{self, Downloads};
use crate::recipes::build::request::BuildRequest;
use crate::settings::{self, ModuleSettings};

/// The mode of a file that no one gives one.
const MODE: u16 = 0o644;

/// A file, or what of an archive is taken, ready to be laid over a tree.
#[derive(Debug)]
pub(crate) struct FetchedFile {
    /// What was asked for.
    pub(crate) input: FileInput,
    layer: Overlay,
    /// The files of the archive that `include` leaves out.
    left: Arc<[ImagePath]>,
}

impl FetchedFile {
    /// Its files at their places.
    pub(crate) fn files(&self) -> Option<&Tree<Source>> {
        self.layer.files()
    }
}

/// What became of a file in the tree.
#[derive(Debug)]
pub(crate) struct LaidFile {
    /// What was asked for.
    pub(crate) input: FileInput,
    /// Where its files are.
    pub(crate) laid: OverlayReport,
    /// The files of the archive that `include` leaves out, where they would be.
    left: Arc<[ImagePath]>,
    /// The settings that ask for it.
    settings: Arc<ModuleSettings>,
}

/// How names of archives end, and what `unpack` calls these.
const ARCHIVES: [(&str, &str); 11] = [
    (".tar", "tar"),
    (".tar.bz2", "tar"),
    (".tar.gz", "tar"),
    (".tar.xz", "tar"),
    (".tar.zst", "tar"),
    (".tbz", "tar"),
    (".tbz2", "tar"),
    (".tgz", "tar"),
    (".txz", "tar"),
    (".tzst", "tar"),
    (".zip", "zip"),
];

impl LaidFile {
    /// Where `key` of its table stands in the module's settings, or the table where it has no such key.
    pub(crate) fn place(&self, key: &str) -> Option<Diagnostic> {
        settings::naming::file(&self.settings, &self.input, key).diagnostics.pop()
    }

    /// Whether its archive has `path`, or something below it, and `include` leaves that out.
    pub(crate) fn leaves_out(&self, path: &ImagePath, tree: &Tree<Source>) -> bool {
        self.left.iter().any(|left| left.starts_with(path) || tree.resolve_parent(left).starts_with(path))
    }

    /// What `unpack` would say of an archive that is taken as it is, to a name that is none of an archive.
    pub(crate) fn packed(&self) -> Option<&'static str> {
        let form = |text: &str| {
            let text = text.to_ascii_lowercase();
            ARCHIVES.iter().find(|(end, _)| text.ends_with(end)).map(|(_, form)| *form)
        };
        let FileInputFields { url, destination, unpack, .. } = &*self.input;
        let found = url.split('?').find_map(form);
        found.filter(|_| unpack.is_none() && form(destination).is_none())
    }

    /// The file in `tree`, where the author gave it no mode and it looks like a program.
    pub(crate) fn program_without_mode(&self, tree: &Tree<Source>) -> Result<Option<ImagePath>, Error> {
        if self.input.mode.is_some() || self.input.unpack.is_some() {
            return Ok(None);
        }
        let is_program = |path: &&ImagePath| -> Result<bool, Error> {
            let node = tree.lookup(path).map(|id| tree.node(id));
            let Some(Kind::Regular(source)) = node.map(|node| &node.kind) else { return Ok(false) };
            let head = source.positioned()?.read_at(0, 4)?;
            Ok(head.starts_with(b"#!") || head == *b"\x7fELF")
        };
        for path in self.laid.added.iter().chain(&self.laid.replaced) {
            if is_program(&path)? {
                return Ok(Some(path.clone()));
            }
        }
        Ok(None)
    }
}

/// Brings `files` into the cache, and unpacks those that are to be unpacked: an address, a sha256 or a form that is wrong is
/// better known to whoever writes a lock than to whoever builds from it. What the cache has is no reason not to ask: an address
/// that is among `known`, with this sha256, has to answer, and any other to give the file.
///
/// # Errors
/// When one cannot be had, or cannot be taken as it is asked for.
pub(crate) fn try_addresses(
    module: &ModuleSettings,
    files: Vec<FileInput>,
    known: &[LockedFile],
    downloads: &Downloads,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let is_known = |file: &FileInput| known.iter().any(|it| (&it.url, it.sha256) == (&file.url, file.sha256));
    let ask = |file: &FileInput| if is_known(file) { Ask::Answer } else { Ask::Whole };
    let asked: Vec<(FileInput, Ask)> = files.iter().map(|file| (file.clone(), ask(file))).collect();
    let opened = downloads.fetch_asking(module, &asked, observer)?;
    files.into_iter().zip(opened).try_for_each(|(input, file)| try_one(module, &input, file, downloads))
}

/// Tries whether `file` can be taken as `input` asks for it.
fn try_one(module: &ModuleSettings, input: &FileInput, file: File, downloads: &Downloads) -> Result<(), Error> {
    tree(module, input, file, downloads).map(drop)
}

/// Adds to `found` what is wrong with those files of `module` that the cache has: the others are not fetched for it.
pub(crate) fn check_cached(module: &ModuleSettings, downloads: &Downloads, found: &mut Findings) {
    for input in &module.files {
        let Some(file) = downloads.cached(input) else { continue };
        let Err(mut error) = try_one(module, input, file, downloads) else { continue };
        let cause = error.causes.pop().unwrap_or(error.message);
        for mut diagnostic in std::mem::take(&mut error.findings.diagnostics) {
            diagnostic.message = format!("{}: {cause}", diagnostic.message);
            diagnostic.hint = error.hint.clone().unwrap_or_default();
            found.diagnostics.push(diagnostic);
        }
        found.sources.extend(std::mem::take(&mut error.findings.sources));
    }
}

/// What the module of `request` asks for, for its architecture.
fn asked(request: &BuildRequest) -> Vec<FileInput> {
    request.module.settings.files_for(&[request.arch])
}

/// Whether the cache lacks files of the module of `request`.
pub(crate) fn are_missing(request: &BuildRequest) -> bool {
    !request.downloads.has_all(&asked(request))
}

/// The files of the module of `request` for its architecture, each with the sha256 that it must have.
///
/// # Errors
/// When one cannot be had or unpacked, or nothing of it is taken.
pub(crate) fn obtain(request: &BuildRequest, observer: &dyn Observer) -> Result<Vec<FetchedFile>, Error> {
    let module = &*request.module.settings;
    let inputs = asked(request);
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let opened = request.downloads.fetch(module, &inputs, observer)?;
    let file = |(input, file): (FileInput, File)| {
        let (tree, left) = tree(module, &input, file, &request.downloads)?;
        let rule = rule(&input)?;
        let layer = Overlay::of(PathBuf::from(redact(&input.url)), tree).with_rules(rule);
        Ok(FetchedFile { input, layer, left: left.into() })
    };
    inputs.into_iter().zip(opened).map(file).collect()
}

/// The time of the newest of `files`, in seconds since 1970, as far as archives say one.
pub(crate) fn newest(files: &[FetchedFile]) -> i64 {
    let trees = files.iter().filter_map(FetchedFile::files);
    trees
        .flat_map(Tree::walk)
        .map(|(_, _, node)| node)
        .filter(|node| !node.is_directory())
        .map(|node| node.stat.mtime.seconds)
        .max()
        .unwrap_or(0)
}

/// Lays the files over `tree`, in their order. Their owners may have the names of `names`, too.
///
/// # Errors
/// When one would take a directory's place, or the other way round, or holds a device.
pub(crate) fn lay(
    files: &[FetchedFile],
    module: &Arc<ModuleSettings>,
    (tree, names): (&mut Tree<Source>, &Names),
    epoch: Epoch,
) -> Result<Vec<LaidFile>, Error> {
    let mut singles: BTreeMap<ImagePath, &FileInput> = BTreeMap::new();
    let mut all = Vec::new();
    for file in files {
        let laid = file.layer.apply_with(tree, epoch, names).map_err(|error| {
            let key = to_blame(&error, &file.input);
            in_settings(error.into(), module, &file.input, key)
        })?;
        if file.input.unpack.is_none() {
            // By way of a link two names may be one; of two that are spelt alike the settings have said so.
            if let Some((path, other)) = laid.replaced.iter().find_map(|path| Some((path, singles.get(path)?))) {
                let message = format!("{} and {} are one file, {path}", redact(&other.url), redact(&file.input.url));
                let error = Error::input(message).hint("give one of them another destination");
                return Err(in_settings(error, module, &file.input, "destination"));
            }
            singles.extend(laid.added.iter().chain(&laid.replaced).map(|path| (path.clone(), &file.input)));
        }
        let (input, left) = (file.input.clone(), Arc::clone(&file.left));
        all.push(LaidFile { input, laid, left, settings: Arc::clone(module) });
    }
    Ok(all)
}

/// The key of a table that is most to blame where its files cannot be laid over the tree: what is no file came with the archive.
fn to_blame(error: &composer::Error, input: &FileInput) -> &'static str {
    match (error, &input.unpack) {
        (composer::Error::Overlay { fault: OverlayFault::Special, .. }, Some(unpack)) if unpack.include.is_empty() => {
            "unpack"
        }
        (composer::Error::Overlay { fault: OverlayFault::Special, .. }, Some(_)) => "include",
        _ => "destination",
    }
}

/// Adds to `error` the place in the settings of `module` where `input` is asked for.
fn in_settings(mut error: Error, module: &ModuleSettings, input: &FileInput, key: &str) -> Error {
    error.findings.extend(settings::naming::file(module, input, key));
    error
}

/// The tree of `file`, and what of it `include` leaves out.
fn tree(
    module: &ModuleSettings,
    input: &FileInput,
    file: File,
    downloads: &Downloads,
) -> Result<(Tree<Source>, Vec<ImagePath>), Error> {
    let destination = ImagePath::new(input.destination.as_str()).map_err(|error| Error::bug(error.to_string()))?;
    let shown = PathBuf::from(redact(&input.url));
    let Some(unpack) = &input.unpack else {
        let source = Source::whole(ArchiveFile::new(shown, file)?);
        return Ok((placed::one(&destination, source, MODE)?, Vec::new()));
    };
    let Unpack { format, strip, include } = unpack;
    let scratch = Dir::open(&downloads.cache()?.temporary()?)?;
    let size = file.metadata().map_err(|error| Error::io("look at", &shown, &error))?.len();
    let tar = files::plain_tar(file, input, *format, &scratch).map_err(|error| downloads::failed(module, error))?;
    // No attribute is kept; which there are is said.
    let archive = scan::opened_archive(ArchiveFile::new(shown, tar)?, &Options { xattrs: XattrFilter::All });
    let archive = archive.map_err(|error| match error {
        composer::Error::Compressed { format, .. } => {
            let message = format!("what is compressed in it is compressed again, with {format}");
            downloads::failed(module, files::Error::other_form(input, message))
        }
        composer::Error::NotARootfs { .. } => {
            downloads::failed(module, files::Error::other_form(input, "it is no tar archive".to_owned()))
        }
        other => in_settings(other.into(), module, input, "unpack"),
    })?;
    let checked = files::check_unpacked(input, size, content_size(&archive));
    checked.map_err(|error| downloads::failed(module, error))?;
    let include: Vec<Pattern> = include
        .iter()
        .map(|text| Pattern::parse(text).map_err(|error| Error::bug(error.to_string())))
        .collect::<Result<_, _>>()?;
    let taken = placed::taken(&archive, *strip, &include, &destination);
    let Taken { tree, idle, left, twice } =
        taken.map_err(|error| in_settings(error.into(), module, input, "include"))?;
    if let Some(path) = twice {
        let message = format!("two files of {} become {path} by `strip = {strip}`", redact(&input.url));
        let error = Error::input(message).hint("write a smaller `strip`, or take one of them by `include`");
        return Err(in_settings(error, module, input, "strip"));
    }
    check_taken(input, &archive, &tree, &idle).map_err(|(key, error)| in_settings(error, module, input, key))?;
    Ok((tree, left))
}

/// The bytes of all files of `tree`, each once however many names it has.
fn content_size(tree: &Tree<Source>) -> u64 {
    let mut seen = BTreeSet::new();
    let size = |(_, id, node): (ImagePath, NodeId, &Node<Source>)| match &node.kind {
        Kind::Regular(source) if seen.insert(id) => source.size(),
        _ => 0,
    };
    tree.walk().map(size).fold(0, u64::saturating_add)
}

/// Fails where nothing of an archive is taken, or nothing by one of its patterns: with the key that is to blame.
fn check_taken(
    input: &FileInput,
    archive: &Tree<Source>,
    taken: &Tree<Source>,
    idle: &[Pattern],
) -> Result<(), (&'static str, Error)> {
    let has_files = |tree: &Tree<Source>| tree.walk().any(|(_, _, node)| !node.is_directory());
    // As `include` names them, where anything is left of a name.
    let strip = input.unpack.as_ref().map_or(0, |unpack| usize::try_from(unpack.strip).unwrap_or(usize::MAX));
    let stripped = |path: &ImagePath| {
        let rest = path.components().skip(strip).try_fold(ImagePath::root(), |at, name| at.join(name)).ok();
        rest.filter(|rest| !rest.is_root()).unwrap_or_else(|| path.clone())
    };
    let files = archive.walk().filter(|(_, _, node)| !node.is_directory()).take(3);
    let names: Vec<String> = files.map(|(path, ..)| stripped(&path).to_string()).collect();
    let url = redact(&input.url);
    let (key, message) = match idle.first() {
        _ if names.is_empty() => {
            let hint = "name another file, or leave `unpack` out to take it as it is";
            return Err(("unpack", Error::input(format!("{url} holds no file")).hint(hint)));
        }
        Some(pattern) => ("include", format!("the pattern `{pattern}` of `include` takes nothing of {url}")),
        None if !has_files(taken) => ("strip", format!("nothing of {url} is taken: `strip` leaves no file")),
        None => return Ok(()),
    };
    Err((key, Error::input(message).hint(format!("what is in it begins with {}", names.join(", ")))))
}

/// What the entry says of mode and owner.
fn rule(input: &FileInput) -> Result<Vec<Rule>, Error> {
    let keys = [("mode", &input.mode), ("owner", &input.owner)];
    let keys: Vec<(&str, &str)> = keys.into_iter().filter_map(|(key, word)| Some((key, word.as_deref()?))).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let path = ImagePath::new(input.destination.as_str()).map_err(|error| Error::bug(error.to_string()))?;
    let pattern = quoted(&path, input.unpack.is_some());
    let rule =
        Rule::parse(&pattern, &keys).map_err(|hint| Error::bug(format!("the owner of a file is wrong: {hint}")))?;
    Ok(vec![rule])
}

/// A path as a pattern that takes it, and what is in it where that is meant: of a file alone its directories are not.
fn quoted(path: &ImagePath, is_deep: bool) -> String {
    let text = String::from_utf8_lossy(path.as_bytes());
    let text = text.trim_end_matches('/');
    let end = if is_deep { "/***" } else { "" };
    // Without a wildcard a backslash is a backslash.
    if !is_deep && !text.contains(['*', '?', '[']) {
        return text.to_owned();
    }
    let escaped = |c: char| if "*?[\\".contains(c) { format!("\\{c}") } else { c.to_string() };
    text.chars().map(escaped).collect::<String>() + end
}
