//! A root file system is written out, generators run in it, and what they wrote is taken.

use std::collections::BTreeMap;

use builder::cache::Cache;
use builder::generators::Word;
use composer::scan::{self, Source};
use host::process::Invocation;
use host::{Dir, Scratch};
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use model::observe::{Observer, Task, Unit};
use model::{Epoch, ImagePath};
use node::trial::{Form, Room, own};
use node::unpack;

use super::{Wanted, is_same};
use crate::error::Error;

/// How the names of temporary directories begin.
const PREFIX: &str = ".module-builder-generators-";
/// The directory of the root file system in a room.
const WHOLE: &str = "whole";
/// The largest file that a generator may write: all locales of Debian take 224 MB.
const FILE_LIMIT: u64 = 512 << 20;

/// A generator, its program, and the arguments of that.
pub(super) type Run = (Wanted, ImagePath, &'static [Word]);

/// What generators wrote.
#[derive(Debug, Clone)]
pub(super) struct Computed {
    /// The files and links that the root file system does not have in this form.
    pub(super) files: Tree<Source>,
    /// Those that failed.
    pub(super) failures: Vec<Failure>,
}

/// A generator that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Its place in the list of those that were run.
    pub(super) index: usize,
    /// The last line that it said.
    pub(super) said: String,
}

/// Runs each of `all` in `whole`, in their order.
///
/// # Errors
/// When the tree cannot be written out, or the machine does not allow a room.
pub(super) fn run(
    all: &[Run],
    whole: &Tree<Source>,
    cache: &Cache,
    epoch: Epoch,
    observer: &dyn Observer,
) -> Result<Computed, Error> {
    let task = Task::start(observer, "compute files from others", None, Unit::Items);
    let scratch = Scratch::new(&Dir::open(&cache.temporary()?)?, PREFIX)?;
    let directory = scratch.dir().create_directory("room", 0o755)?;
    task.item("the root file system");
    write(whole, &directory.create_directory(WHOLE, 0o755)?)?;
    let layer = own::layer(&[], &BTreeMap::new());
    let mut room = Room::new(&directory, vec![WHOLE.into()], &layer, Form::Installed)?;
    let mut failures = Vec::new();
    for (index, (wanted, program, words)) in all.iter().enumerate() {
        task.item(wanted.generator.name);
        let invocation = invocation(wanted, program, words).variable("SOURCE_DATE_EPOCH", epoch.seconds().to_string());
        let said = match room.prepare(invocation)? {
            Some(captured) if captured.status.success() => continue,
            Some(captured) => last_line(&captured.stderr, &captured.stdout),
            None => "it is not there".to_owned(),
        };
        failures.push(Failure { index, said });
    }
    let files = written(&room, all, whole)?;
    Ok(Computed { files, failures })
}

fn invocation(wanted: &Wanted, program: &ImagePath, words: &[Word]) -> Invocation {
    let invocation = Invocation::of_tree(program.as_bytes());
    words.iter().fold(invocation, |invocation, word| match word {
        Word::Text(text) if text.starts_with('-') => invocation.option(text),
        Word::Text(_) | Word::Place | Word::Name => invocation.operand(word.text(&wanted.place)),
    })
}

fn last_line(stderr: &[u8], stdout: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().lines().last().unwrap_or_default().to_owned();
    let said = Some(text(stderr)).filter(|said| !said.is_empty()).unwrap_or_else(|| text(stdout));
    model::path::escape(said.as_bytes())
}

/// Writes `tree` into an empty directory. Everything belongs to who runs this: to the programs in it that is root.
fn write(tree: &Tree<Source>, into: &Dir) -> Result<(), Error> {
    let mut tree = tree.clone();
    unpack::disown(&mut tree);
    unpack::unpack(&tree, into, &mut |path, source, out| {
        let mut content = source.open()?;
        let written = unpack::copy(&mut content, out, path)?;
        content.check()?;
        if written == source.size() { Ok(()) } else { Err(node::Error::Digest { path: path.clone() }) }
    })?;
    Ok(())
}

/// What of the files that were written is an output of one of `all`, and not in `whole` in this form.
fn written(room: &Room, all: &[Run], whole: &Tree<Source>) -> Result<Tree<Source>, Error> {
    let made = scan::directory(&room.made_directory(), &scan::Options::default())?;
    let mut files = Tree::new(Stat::root_owned(0o755, Mtime::default()));
    for (path, _, node) in made.walk().skip(1) {
        let is_output = all.iter().any(|(wanted, ..)| wanted.generator.writes(&wanted.place, &path));
        let kind = match &node.kind {
            Kind::Regular(source) if is_output => Kind::Regular(Source::from(source.read(FILE_LIMIT)?)),
            Kind::Symlink(target) if is_output => Kind::Symlink(target.clone()),
            _ => continue,
        };
        let before = whole.lookup(&path).map(|id| &whole.node(id).kind);
        if before.map(|before| is_same(before, &kind)).transpose()? != Some(true) {
            put(&mut files, &path, kind, node.stat.mode)?;
        }
    }
    Ok(files)
}

/// Puts a file of root's at `path`, with the directories around it.
pub(super) fn put(tree: &mut Tree<Source>, path: &ImagePath, kind: Kind<Source>, mode: u16) -> Result<(), Error> {
    let mut add = |at: NodeId, name: &[u8], kind, mode| {
        let there = tree.node(at).entries().and_then(|entries| entries.get(name).copied());
        if let Some(id) = there {
            return Ok(id);
        }
        let id = tree.add(Node { stat: Stat::root_owned(mode, Mtime::default()), kind }).map_err(image::Error::from)?;
        tree.link(at, name, id).map_err(image::Error::from)?;
        Ok::<NodeId, Error>(id)
    };
    let mut at = NodeId::ROOT;
    let parent = path.parent().unwrap_or_else(ImagePath::root);
    for name in parent.components() {
        at = add(at, name, Kind::Directory(Entries::new()), 0o755)?;
    }
    add(at, path.file_name().unwrap_or_default(), kind, mode)?;
    Ok(())
}
