//! Patterns and paths: the automaton that filters a tree agrees with the verdict on each single path.
//!
//! The input is lines: `-PATTERN` excludes, `+PATTERN` includes, anything else is a path of the tree, a
//! directory where it ends in a slash.

#![no_main]

use composer::filter::{Filter, Verdict};
use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat, Tree};
use libfuzzer_sys::fuzz_target;
use model::rules::{Field, Origin, Rule, Rules};
use model::{ImagePath, Pattern};

fn put(tree: &mut Tree<u64>, line: &[u8]) -> Option<()> {
    let stat = || Stat::root_owned(0o755, Mtime::default());
    let path = ImagePath::new(line).ok()?;
    let directory = || Kind::Directory(Entries::new());
    let mut here = NodeId::ROOT;
    for name in path.parent()?.components() {
        let there = tree.node(here).entries()?.get(name).copied();
        here = match there {
            Some(there) => there,
            None => {
                let id = tree.add(Node { stat: stat(), kind: directory() }).ok()?;
                tree.link(here, name, id).ok()?;
                id
            }
        };
    }
    let name = path.file_name()?;
    if tree.node(here).entries()?.contains_key(name) {
        return None;
    }
    let kind = if line.ends_with(b"/") { directory() } else { Kind::Regular(1) };
    let id = tree.add(Node { stat: stat(), kind }).ok()?;
    tree.link(here, name, id).ok().map(drop)
}

fuzz_target!(|bytes: &[u8]| {
    let mut rules = Rules::default();
    let mut tree = Tree::new(Stat::root_owned(0o755, Mtime::default()));
    for line in bytes.split(|byte| *byte == b'\n').take(60) {
        let (list, field, text) = match line {
            [b'-', text @ ..] => (&mut rules.excludes, Field::Mask, text),
            [b'+', text @ ..] => (&mut rules.includes, Field::FileSpec, text),
            path => {
                put(&mut tree, path);
                continue;
            }
        };
        let Some(pattern) = std::str::from_utf8(text).ok().and_then(|text| Pattern::parse(text).ok()) else { continue };
        let origin = Origin { module: "m".to_owned(), file: "manifest.yaml".into(), field, position: None };
        list.push(Rule { pattern, origin });
    }
    let filter = Filter::new(&rules, &tree).expect("few patterns are compiled");
    let selection = filter.apply(&tree).expect("it was compiled");
    for (path, _, node) in tree.walk() {
        let shipped = selection.tree.lookup(&path).is_some();
        let verdict = filter.verdict(&path, node.is_directory());
        match verdict {
            Verdict::Included(_) if !node.is_directory() => assert!(shipped, "{path}"),
            Verdict::Included(_) => {}
            Verdict::Excluded { rule, .. } => assert!(!shipped && rule < rules.excludes.len(), "{path}"),
            Verdict::NotNamed => assert!(!shipped, "{path}"),
        }
    }
});
