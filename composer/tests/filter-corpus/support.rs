//! Cases of the filter that several test programs share: a small tree, a rule list, and what is shipped.

#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use composer::filter::{Filter, Selection};
use image::Tree;
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat};
use model::path::escape;
use model::rules::{Field, Origin, Rule, Rules};
use model::{ImagePath, Pattern};
use serde_json::{Value, json};

/// Shipped names: relative paths, those of directories with a slash behind them.
pub(crate) type Names = BTreeSet<Vec<u8>>;

/// One entry of a small tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Directory(Vec<u8>),
    File(Vec<u8>),
    Symlink(Vec<u8>, Vec<u8>),
}

impl Entry {
    /// From `dir/`, `link -> target` or `file`.
    pub(crate) fn new(text: &str) -> Self {
        match text.split_once(" -> ") {
            Some((path, target)) => Self::Symlink(path.into(), target.into()),
            None if text.ends_with('/') => Self::Directory(text.trim_end_matches('/').into()),
            None => Self::File(text.into()),
        }
    }

    pub(crate) fn path(&self) -> &[u8] {
        match self {
            Self::Directory(path) | Self::File(path) | Self::Symlink(path, _) => path,
        }
    }

    fn kind(&self) -> Kind<()> {
        match self {
            Self::Directory(_) => Kind::Directory(Entries::new()),
            Self::File(_) => Kind::Regular(()),
            Self::Symlink(_, target) => Kind::Symlink(target.as_slice().into()),
        }
    }
}

/// A tree and rules. Directories come before what they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) entries: Vec<Entry>,
    pub(crate) excludes: Vec<String>,
    pub(crate) includes: Vec<String>,
}

impl Case {
    pub(crate) fn new(entries: &[&str], excludes: &[&str], includes: &[&str]) -> Self {
        let strings = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let mut all: Vec<Entry> = Vec::new();
        for entry in entries {
            let entry = Entry::new(entry);
            let slashes = entry.path().iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            for end in slashes {
                let parent = Entry::Directory(entry.path()[..end].to_vec());
                if !all.contains(&parent) {
                    all.push(parent);
                }
            }
            if !all.contains(&entry) {
                all.push(entry);
            }
        }
        Self { entries: all, excludes: strings(excludes), includes: strings(includes) }
    }

    pub(crate) fn tree(&self) -> Tree<()> {
        let stat = Stat::root_owned(0o755, Mtime::default());
        let mut tree = Tree::new(stat.clone());
        for entry in &self.entries {
            let path = ImagePath::new(entry.path()).unwrap();
            let parent = tree.lookup(&path.parent().unwrap()).unwrap();
            let id = tree.add(Node { stat: stat.clone(), kind: entry.kind() }).unwrap();
            tree.link(parent, path.file_name().unwrap(), id).unwrap();
        }
        tree
    }

    /// Makes the tree below `directory`.
    pub(crate) fn write(&self, directory: &Path) {
        fs::create_dir_all(directory).unwrap();
        for entry in &self.entries {
            let path = directory.join(OsStr::from_bytes(entry.path()));
            match entry {
                Entry::Directory(_) => fs::create_dir(path).unwrap(),
                Entry::File(_) => fs::write(path, "").unwrap(),
                Entry::Symlink(_, target) => std::os::unix::fs::symlink(OsStr::from_bytes(target), path).unwrap(),
            }
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        let rules = |list: &[String], field: Field| {
            let rule = |text: &String| Rule {
                pattern: Pattern::parse(text).unwrap(),
                origin: Origin { module: "m".into(), file: "manifest.yaml".into(), field, position: None },
            };
            list.iter().map(rule).collect()
        };
        Rules { excludes: rules(&self.excludes, Field::Mask), includes: rules(&self.includes, Field::FileSpec) }
    }

    pub(crate) fn select(&self) -> Selection<()> {
        let tree = self.tree();
        Filter::new(&self.rules(), &tree).unwrap().apply(&tree).unwrap()
    }

    /// What our filter ships.
    pub(crate) fn ours(&self) -> Names {
        names(&self.select().tree)
    }

    pub(crate) fn to_json(&self, shipped: &Names) -> String {
        let entry = |entry: &Entry| match entry {
            Entry::Directory(path) => json!({"directory": escape(path)}),
            Entry::File(path) => json!({"file": escape(path)}),
            Entry::Symlink(path, target) => json!({"symlink": escape(path), "target": escape(target)}),
        };
        let shipped: Vec<String> = shipped.iter().map(|name| escape(name)).collect();
        let value = json!({
            "tree": self.entries.iter().map(entry).collect::<Vec<_>>(),
            "excludes": self.excludes, "includes": self.includes, "shipped": shipped,
        });
        serde_json::to_string_pretty(&value).unwrap() + "\n"
    }

    pub(crate) fn from_json(text: &str) -> (Self, Names) {
        let value: Value = serde_json::from_str(text).unwrap();
        let list = |key: &str| -> Vec<String> { serde_json::from_value(value[key].clone()).unwrap() };
        let bytes = |value: &Value| value.as_str().map(unescape);
        let entry = |value: &Value| match (bytes(&value["directory"]), bytes(&value["file"])) {
            (Some(path), _) => Entry::Directory(path),
            (_, Some(path)) => Entry::File(path),
            _ => Entry::Symlink(bytes(&value["symlink"]).unwrap(), bytes(&value["target"]).unwrap()),
        };
        let entries = value["tree"].as_array().unwrap().iter().map(entry).collect();
        let shipped = list("shipped").iter().map(|name| unescape(name)).collect();
        (Self { entries, excludes: list("excludes"), includes: list("includes") }, shipped)
    }
}

pub(crate) fn names<C>(tree: &Tree<C>) -> Names {
    let name = |path: &ImagePath, node: &Node<C>| {
        [path.relative(), if node.is_directory() { &b"/"[..] } else { b"" }].concat()
    };
    let root = tree.node(NodeId::ROOT);
    assert!(root.is_directory());
    tree.walk().skip(1).map(|(path, _, node)| name(&path, node)).collect()
}

/// Without the directories that hold nothing but directories.
pub(crate) fn pruned(names: &Names) -> Names {
    let holds = |directory: &[u8]| names.iter().any(|name| !name.ends_with(b"/") && name.starts_with(directory));
    names.iter().filter(|name| !name.ends_with(b"/") || holds(name)).cloned().collect()
}

/// Undoes [`escape`].
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after.first()) {
            (b'\\', Some(b'x')) => {
                out.push(u8::from_str_radix(std::str::from_utf8(&after[1..3]).unwrap(), 16).unwrap());
                rest = &after[3..];
            }
            (b'\\', _) => {
                out.push(b'\\');
                rest = &after[1..];
            }
            (byte, _) => out.push(*byte),
        }
    }
    out
}

/// The corpus files with their cases.
pub(crate) fn corpus() -> Vec<(PathBuf, Case, Names)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(corpus_directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension() == Some(OsStr::new("json")));
    files.sort();
    let read = |path: PathBuf| {
        let (case, shipped) = Case::from_json(&fs::read_to_string(&path).unwrap());
        (path, case, shipped)
    };
    files.into_iter().map(read).collect()
}

pub(crate) fn corpus_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filter-corpus")
}
