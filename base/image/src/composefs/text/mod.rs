//! The reader of dumps, composefs-dump(5): text of unknown origin becomes a tree, or an error with line and column.
//!
//! Every step takes time in proportion to the line it reads, but for finding a name in a directory, and
//! what comes out is not larger than some times the text: there are no budgets besides.

mod fields;
mod line;
mod links;

use std::collections::{BTreeMap, BTreeSet};

use host::memory;

use fields::{Fault, Field, Parsed};
use line::{Line, parse_line};
use links::Links;

use super::Entry;
use super::error::ImageError;
use super::form::{Form, drop_usual};
use super::format::DEPTH_LIMIT;
use super::survey::is_file_name;
use crate::Error;
use crate::tree::{Entries, Kind, Node, NodeId, Tree, TreeError};

/// The longest line in bytes: room for the longest of each field with every byte escaped.
const LINE_LIMIT: usize = 4 << 20;
/// What a link or an attribute takes until an image is written, in bytes, about: its text may be three letters.
const BESIDE: usize = 256;

/// The tree of a dump, and how C tools write it.
pub(super) fn parse(text: &[u8]) -> Result<(Tree<Entry>, Form), Error> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut reader: Option<Reader> = None;
    for (number, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let line = Field { bytes, column: 0 };
        let placed = |fault: Fault| fault.at(number);
        if bytes.len() > LINE_LIMIT {
            return Err(placed(line.fault(format!("the line has more than {LINE_LIMIT} bytes"))).into());
        }
        let parsed = parse_line(line).map_err(placed)?;
        match &mut reader {
            None => reader = Some(Reader::new(line, parsed).map_err(placed)?),
            Some(reader) => reader.add(number, line, parsed).map_err(|error| match error {
                Failure::Fault(fault) => fault.at(number),
                Failure::Tree(error) => error,
            })?,
        }
    }
    match reader {
        Some(reader) => reader.finish(),
        None => Err(ImageError::Dump { line: 1, column: 1, problem: "there is no line".to_owned() }.into()),
    }
}

/// Why a line cannot be added.
enum Failure {
    Fault(Fault),
    Tree(ImageError),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Fault {
    fn at(self, line: u64) -> ImageError {
        ImageError::Dump { line, column: self.column as u64 + 1, problem: self.problem }
    }
}

/// What a dump has said so far.
struct Reader {
    tree: Tree<Entry>,
    form: Form,
    /// The number of names that the line of each inode says.
    said: BTreeMap<NodeId, u32>,
    links: Links,
    /// How many links and attributes there are.
    parts: usize,
}

impl Reader {
    fn new(line: Field<'_>, parsed: Line) -> Parsed<Self> {
        match parsed {
            Line::Node(Node { stat, kind: Kind::Directory(_) }, path, _) if path == b"/" => {
                let tree = Tree::new(stat);
                Ok(Self { tree, form: Form::others(0), said: BTreeMap::new(), links: Links::default(), parts: 0 })
            }
            Line::Node(..) | Line::Link { .. } => Err(line.fault("the first line must be the directory /")),
        }
    }

    fn add(&mut self, number: u64, line: Field<'_>, parsed: Line) -> Result<(), Failure> {
        match parsed {
            Line::Link { path, target, column } => {
                self.count(1)?;
                let (directory, name) = self.place(line, &path, false)?;
                self.links.add(directory, name, links::Wanted { target, line: number, column });
            }
            Line::Node(node, path, more) => {
                self.count(node.stat.xattrs.len())?;
                let is_directory = node.is_directory();
                let (directory, name) = self.place(line, &path, is_directory)?;
                let id = self.tree.add(node).map_err(|error| match error {
                    TreeError::NoMemory { nodes } => Failure::Tree(ImageError::NoMemory { nodes }),
                    TreeError::TooManyNodes | TreeError::NotADirectory { .. } => line.fault(error.to_string()).into(),
                })?;
                self.tree.link(directory, &name, id).map_err(|error| line.fault(error.to_string()))?;
                if !is_directory {
                    self.said.insert(id, more.links);
                }
                if more.is_long {
                    self.form.long.insert(id);
                }
                self.links.first.insert(id, (directory, name));
            }
        }
        Ok(())
    }

    /// Counts links or attributes, and asks now and then whether there is memory for so many.
    fn count(&mut self, parts: usize) -> Result<(), Failure> {
        let before = self.parts / memory::STEP;
        self.parts = self.parts.saturating_add(parts);
        if self.parts / memory::STEP > before {
            let nodes = self.tree.node_count();
            memory::ask(self.parts.saturating_mul(BESIDE))
                .map_err(|_| Failure::Tree(ImageError::NoMemory { nodes }))?;
        }
        Ok(())
    }

    /// The directory in which `path` is, and its name there, which is still free.
    fn place(&self, line: Field<'_>, path: &[u8], is_directory: bool) -> Parsed<(NodeId, Box<[u8]>)> {
        let shown = || fields::shown(path, fields::SHOWN);
        let mut components = path.split(|byte| *byte == b'/').skip(1).filter(|name| !name.is_empty()).peekable();
        let mut directory = NodeId::ROOT;
        let mut depth = 1;
        while let Some(name) = components.next() {
            if components.peek().is_some() {
                let next = self.tree.node(directory).entries().and_then(|entries| entries.get(name));
                directory = *next.ok_or_else(|| line.fault(format!("the directory of {} is missing", shown())))?;
                depth += 1;
                continue;
            }
            if path.ends_with(b"/") || !is_file_name(name) {
                break;
            }
            let Some(entries) = self.tree.node(directory).entries() else {
                return Err(line.fault(format!("{} lies in something that is no directory", shown())));
            };
            if entries.contains_key(name) || self.links.has(directory, name) {
                return Err(line.fault(format!("{} is there a second time", shown())));
            }
            if is_directory && depth >= DEPTH_LIMIT {
                return Err(line.fault(format!("more than {} directories lie in one another", DEPTH_LIMIT - 1)));
            }
            return Ok((directory, name.into()));
        }
        Err(line.fault(format!("{} is no path of a file", shown())))
    }

    /// Resolves the hard links, and says how C tools write the tree.
    fn finish(self) -> Result<(Tree<Entry>, Form), Error> {
        let Self { mut tree, mut form, said, links, parts: _ } = self;
        let directories: BTreeSet<NodeId> = links.first.values().map(|(directory, _)| *directory).collect();
        let whiteouts = tree.nodes().filter(|node| matches!(node.kind, Kind::CharDevice(0))).count();
        form.version = u32::from(whiteouts > 0);
        form.homes = links.resolve(&mut tree)?;
        let counts = tree.link_counts();
        if whiteouts > 0 {
            links::mark_linked_whiteouts(&mut tree, &form, &counts);
            links::drop_marks(&mut tree, &form, &directories);
        }
        drop_usual(&mut form.homes, &tree);
        form.links = said.into_iter().filter(|(id, said)| counts[id.index()] != *said).collect();
        Ok((tree, form))
    }
}

/// An empty directory.
fn directory() -> Kind<Entry> {
    Kind::Directory(Entries::new())
}
