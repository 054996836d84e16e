//! YAML text to a small tree in which every key and value knows its place.
//!
//! This reads the events of `granit-parser` and not a serde reader on top of it (`serde-saphyr`):
//! a `Deserialize` stops at the first error, gives no place to keys, and asks for a type before it
//! shows a scalar, so that neither "all errors at once" nor "a string where an integer belongs" can
//! be said well. The event parser is the one that serde-saphyr stands on and that its author keeps.
//!
//! Aliases share their target. The size that a tree would have if it were written out is counted as
//! it grows, so that neither memory nor later walks can be blown up by a few lines.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::scalar::{self, Scalar};
use crate::diagnostic::Position;

/// The largest document, in bytes: 1 MiB.
pub const MAX_BYTES: usize = 1 << 20;
/// The deepest nesting of lists and mappings, with aliases written out.
pub const MAX_DEPTH: usize = 64;
/// The most keys and values, with aliases written out.
pub const MAX_NODES: u64 = 100_000;
/// The longest key, in characters. YAML lets a key of one line have 1024 characters, escapes and all.
pub const MAX_KEY: usize = 128;

/// A range of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where it begins.
    pub position: Position,
    /// Byte offsets in the text that the parser saw: start, and one past the end.
    pub(super) span: (usize, usize),
}

/// A value with its place.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
    size: u64,
    height: usize,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Mapping(Vec<(Key, Rc<Node>)>),
}

/// A mapping's key: every scalar is read as its text.
#[derive(Debug)]
pub struct Key {
    /// The key as text.
    pub text: String,
    /// Where it stands.
    pub place: Place,
    /// Whether the key was written without quotes.
    pub(super) plain: bool,
}

impl Node {
    /// What the value is, for messages: `a list`.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) => scalar.kind(),
            Value::List(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// What is wrong with the text as YAML.
#[derive(Debug)]
pub(super) enum Fault {
    Syntax { place: Place, is_tab: bool, message: String },
    TooDeep { place: Place },
    TooManyNodes { place: Place, by_alias: bool },
    RecursiveAlias { place: Place },
    UnknownAlias { place: Place },
    SecondDocument { place: Place },
    Tag { place: Place, tag: String },
    ComplexKey { place: Place },
}

/// The tree, unless the text broke off, and everything that was found on the way.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) root: Option<Rc<Node>>,
    pub(super) faults: Vec<Fault>,
}

/// Reads the first document of `text`.
pub(super) fn read(text: &str) -> Document {
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
    };
    options.set_emit_comments(false);
    let mut builder =
        Builder { text, document: Document::default(), open: Vec::new(), anchors: HashMap::new(), nodes: 0 };
    let mut documents = 0;
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((Event::DocumentStart(..), span)) => {
                documents += 1;
                if documents > 1 {
                    builder.document.faults.push(Fault::SecondDocument { place: place(span) });
                    return builder.document;
                }
                Ok(())
            }
            Ok((event, span)) => builder.event(event, span),
            Err(error) => Err(syntax(text, &error)),
        };
        if let Err(fault) = step {
            builder.document.faults.push(fault);
            builder.document.root = None;
            return builder.document;
        }
    }
    builder.document
}

fn syntax(text: &str, error: &ScanError) -> Fault {
    let marker = error.marker();
    let start = marker.byte_offset().unwrap_or(text.len()).min(text.len());
    let rest = text.get(start..).unwrap_or_default();
    let end = start + rest.find(['\n', '\r']).unwrap_or(rest.len());
    let position = Position { line: narrow(marker.line()), column: narrow(marker.col() + 1) };
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return Fault::TooDeep { place: Place { position, span: (start, end) } };
    }
    let is_tab = matches!(
        error.kind(),
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInIndentation
            | ErrorKind::TabInPlainScalar
    );
    Fault::Syntax { place: Place { position, span: (start, end) }, is_tab, message: error.info() }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn place(span: Span) -> Place {
    Place {
        position: Position { line: narrow(span.start.line()), column: narrow(span.start.col() + 1) },
        span: span.byte_range().map_or((0, 0), |range| (range.start, range.end.max(range.start))),
    }
}

/// A list or mapping whose end has not come yet.
struct Open {
    anchor: usize,
    place: Place,
    size: u64,
    height: usize,
    content: Content,
}

enum Content {
    List(Vec<Rc<Node>>),
    Mapping { entries: Vec<(Key, Rc<Node>)>, key: KeyState },
}

/// What the next node of a mapping is.
enum KeyState {
    Key,
    Value(Key),
    /// The value of a key that cannot be used.
    Ignored,
}

struct Builder<'a> {
    text: &'a str,
    document: Document,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    nodes: u64,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let at = place(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let scalar = self.scalar(&text, plain, tag.as_deref(), at);
                let node = Node { value: Value::Scalar(scalar), place: at, size: 1, height: 0 };
                self.complete(node, anchor, Some((text.into_owned(), plain)))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", at);
                self.start(anchor, at, Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", at);
                self.start(anchor, at, Content::Mapping { entries: Vec::new(), key: KeyState::Key })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::UnresolvedAlias(_) => {
                self.document.faults.push(Fault::UnknownAlias { place: at });
                let node = Node { value: Value::Scalar(Scalar::Broken), place: at, size: 1, height: 0 };
                self.complete(node, 0, None)
            }
            _ => Ok(()),
        }
    }

    fn scalar(&mut self, text: &str, plain: bool, tag: Option<&Tag>, place: Place) -> Scalar {
        match tag.map(|tag| (tag, tag.core_suffix())) {
            None if plain => scalar::resolve(text),
            None => Scalar::String(text.to_owned()),
            Some((_, Some("str"))) => Scalar::String(text.to_owned()),
            Some((tag, Some(kind @ ("null" | "bool" | "int" | "float")))) => {
                let scalar = scalar::resolve(text);
                if !scalar.has_tag(kind) {
                    self.document.faults.push(Fault::Tag { place, tag: tag.original() });
                    return Scalar::Broken;
                }
                scalar
            }
            // The non-specific tag: a string, whatever it looks like.
            Some((tag, None)) if tag.original() == "!" => Scalar::String(text.to_owned()),
            Some((tag, _)) => {
                self.document.faults.push(Fault::Tag { place, tag: tag.original() });
                Scalar::Broken
            }
        }
    }

    fn check_tag(&mut self, tag: Option<&Tag>, wanted: &str, place: Place) {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(wanted) && tag.original() != "!") {
            self.document.faults.push(Fault::Tag { place, tag: tag.original() });
        }
    }

    fn start(&mut self, anchor: usize, place: Place, content: Content) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault::TooDeep { place });
        }
        self.open.push(Open { anchor, place, size: 1, height: 1, content });
        Ok(())
    }

    fn end(&mut self, end: Place) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Mapping { entries, .. } => Value::Mapping(entries),
        };
        let span = (open.place.span.0, self.trim_end(open.place.span.0, end.span.1));
        let place = Place { position: open.place.position, span };
        self.complete(Node { value, place, size: open.size, height: open.height }, open.anchor, None)
    }

    /// A block's end is where the next thing begins; the blanks between are no part of it.
    fn trim_end(&self, start: usize, end: usize) -> usize {
        self.text.get(start..end).map_or(start, |text| start + text.trim_end().len())
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Fault> {
        let Some(target) = self.anchors.get(&anchor).cloned() else {
            return Err(Fault::RecursiveAlias { place });
        };
        let text = match &target.value {
            Value::Scalar(Scalar::String(text)) => Some((text.clone(), false)),
            _ => None,
        };
        self.grow(target.size, place, true)?;
        self.attach(target, place, text)
    }

    fn complete(&mut self, node: Node, anchor: usize, text: Option<(String, bool)>) -> Result<(), Fault> {
        let place = node.place;
        self.grow(1, place, false)?;
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(node, place, text)
    }

    fn grow(&mut self, size: u64, place: Place, by_alias: bool) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(size);
        if self.nodes > MAX_NODES { Err(Fault::TooManyNodes { place, by_alias }) } else { Ok(()) }
    }

    fn attach(&mut self, node: Rc<Node>, place: Place, text: Option<(String, bool)>) -> Result<(), Fault> {
        let depth = self.open.len();
        let Some(open) = self.open.last_mut() else {
            self.document.root.get_or_insert(node);
            return Ok(());
        };
        if depth + node.height > MAX_DEPTH {
            return Err(Fault::TooDeep { place });
        }
        open.size = open.size.saturating_add(node.size);
        open.height = open.height.max(node.height + 1);
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Mapping { entries, key } => match std::mem::replace(key, KeyState::Key) {
                KeyState::Key => {
                    *key = match text.filter(|(text, _)| text.chars().count() <= MAX_KEY) {
                        Some((text, plain)) => KeyState::Value(Key { text, place, plain }),
                        None => {
                            self.document.faults.push(Fault::ComplexKey { place });
                            KeyState::Ignored
                        }
                    }
                }
                KeyState::Value(key) => entries.push((key, node)),
                KeyState::Ignored => {}
            },
        }
        Ok(())
    }
}
