//! No files of a crate know each other in a circle: whoever reads one of them can read what it stands on first.
//!
//! A file knows another where it names something by a path (`use`, or in the code) that leads there. A name that a
//! module only hands on (`pub use`, or a `use` that its children see) leads to the file where it comes from, so that
//! a circle cannot be hidden behind a `mod.rs`. Paths under `#[cfg(test)]` do not count.
//!
//! A `mod.rs` and what is below it are one house, and no arrow is drawn between a file and one that it stands in: a parent names
//! its children to declare them, and children use what their parent holds for all of them. Between any two
//! others, cousins or an uncle and a nephew, arrows count.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree, token_stream};

use super::{CRATES, is_punct, product_files, without_tests};

/// A module by the names that lead to it from the crate's root.
type Place = Vec<String>;

/// What one module says.
#[derive(Default)]
struct Module {
    /// Every path that it names.
    paths: BTreeSet<Vec<String>>,
    /// The names that `use` gives it, and the paths that they stand for.
    names: BTreeMap<String, Vec<String>>,
}

/// The modules of one crate, those within a file among them.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<Place, Module>,
    files: BTreeMap<Place, String>,
}

/// Which file knows which, and by what name.
type Arrows = BTreeMap<(String, String), String>;

impl Crate {
    /// `files` are paths from the crate's root and what stands there.
    fn read(files: Vec<(String, TokenStream)>) -> Self {
        let mut read = Self::default();
        for (path, tokens) in files {
            let mut place: Place = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            place.pop_if(|last| matches!(last.as_str(), "mod" | "lib" | "main"));
            read.files.insert(place.clone(), path);
            read.modules.entry(place.clone()).or_default();
            read.walk(&mut tokens.into_iter().peekable(), &place);
        }
        read
    }

    fn walk(&mut self, tokens: &mut Peekable<token_stream::IntoIter>, place: &Place) {
        while let Some(token) = tokens.next() {
            match token {
                // `use<'a>` in a type imports nothing.
                TokenTree::Ident(word) if word == "use" && !tokens.peek().is_some_and(|next| is_punct(next, '<')) => {
                    let mut tree = Vec::new();
                    use_tree(tokens, &[], &mut tree);
                    let module = self.modules.entry(place.clone()).or_default();
                    module.paths.extend(tree.iter().map(|(_, path)| path.clone()));
                    module.names.extend(tree);
                }
                TokenTree::Ident(word) if word == "mod" => {
                    let Some(name) = tokens.next() else { return };
                    if let Some(TokenTree::Group(body)) = tokens.peek() {
                        let inner = [place.as_slice(), &[name.to_string()]].concat();
                        self.modules.entry(inner.clone()).or_default();
                        self.walk(&mut body.stream().into_iter().peekable(), &inner);
                        tokens.next();
                    }
                }
                // `pub(in crate::x)` says who may look, and names nothing of theirs.
                TokenTree::Ident(word) if word == "pub" => {
                    tokens.next_if(
                        |next| matches!(next, TokenTree::Group(by) if by.delimiter() == Delimiter::Parenthesis),
                    );
                }
                TokenTree::Ident(word) => {
                    let mut path = vec![word.to_string()];
                    while is_separator(tokens) {
                        match tokens.next() {
                            Some(TokenTree::Ident(next)) => path.push(next.to_string()),
                            // `Vec::<T>::new`: what is behind the arguments belongs to what is before them.
                            _ => break,
                        }
                    }
                    if path.len() > 1 {
                        self.modules.entry(place.clone()).or_default().paths.insert(path);
                    }
                }
                TokenTree::Group(group) => self.walk(&mut group.stream().into_iter().peekable(), place),
                // `<T as Trait>::Name` and `::name` begin with nothing of ours.
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    if tokens.next_if(|next| is_punct(next, ':')).is_some() {
                        tokens.next_if(|next| matches!(next, TokenTree::Ident(_)));
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// The module where `path`, said at `place`, ends; none where it leads out of the crate or is of the standard library.
    fn find(&self, place: &[String], path: &[String], hops: u8) -> Option<Place> {
        let hops = hops.checked_sub(1)?;
        let (mut here, mut rest) = (place.to_vec(), path);
        match path.first()?.as_str() {
            "crate" => (here, rest) = (Vec::new(), &path[1..]),
            "self" | "super" => {}
            _ => return self.step(&here, path, hops),
        }
        while let Some(word) = rest.first().filter(|word| matches!(word.as_str(), "self" | "super")) {
            if word == "super" {
                here.pop()?;
            }
            rest = &rest[1..];
        }
        if rest.is_empty() { Some(here) } else { self.step(&here, rest, hops).or(Some(here)) }
    }

    /// Follows `path` from the module `here`; none where its first name is none that `here` knows.
    fn step(&self, here: &[String], path: &[String], hops: u8) -> Option<Place> {
        let (name, rest) = path.split_first()?;
        let child = [here, std::slice::from_ref(name)].concat();
        if self.modules.contains_key(&child) {
            return if rest.is_empty() { Some(child) } else { self.step(&child, rest, hops).or(Some(child)) };
        }
        let stands_for = self.modules.get(here)?.names.get(name)?;
        self.find(here, &[stands_for, rest].concat(), hops)
    }

    /// The file that holds the module.
    fn file<'a>(&'a self, place: &'a [String]) -> Option<(&'a [String], &'a str)> {
        (0..=place.len()).rev().find_map(|length| {
            let file = self.files.get(&place[..length])?;
            Some((&place[..length], file.as_str()))
        })
    }

    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (place, module) in &self.modules {
            for path in &module.paths {
                let Some(found) = self.find(place, path, HOPS) else { continue };
                let (Some((from, from_file)), Some((to, to_file))) = (self.file(place), self.file(&found)) else {
                    continue;
                };
                if !from.starts_with(to) && !to.starts_with(from) {
                    arrows.entry((from_file.to_owned(), to_file.to_owned())).or_insert_with(|| path.join("::"));
                }
            }
        }
        arrows
    }
}

/// How many `use` a name is followed through. Names that stand for themselves (`use image;`) would have no end.
const HOPS: u8 = 16;

/// Whether `::` is next; then it is taken.
fn is_separator(tokens: &mut Peekable<token_stream::IntoIter>) -> bool {
    let mut ahead = tokens.clone();
    let is = (0..2).all(|_| ahead.next().is_some_and(|token| is_punct(&token, ':')));
    if is {
        *tokens = ahead;
    }
    is
}

/// Each name that the rest of a `use` gives, with the path that it stands for. What `*` gives has no name.
fn use_tree(tokens: &mut Peekable<token_stream::IntoIter>, before: &[String], names: &mut Vec<(String, Vec<String>)>) {
    let (mut path, mut name) = (before.to_vec(), None);
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "as" => name = tokens.next().map(|word| word.to_string()),
            TokenTree::Ident(word) if word == "self" && !before.is_empty() => name = before.last().cloned(),
            TokenTree::Ident(word) => {
                path.push(word.to_string());
                name = path.last().cloned();
            }
            TokenTree::Group(group) => {
                use_tree(&mut group.stream().into_iter().peekable(), &path, names);
                name = None;
            }
            TokenTree::Punct(punct) if matches!(punct.as_char(), ',' | ';') => {
                let path = std::mem::replace(&mut path, before.to_vec());
                names.extend(name.take().map(|name| (name, path)));
                if punct.as_char() == ';' {
                    return;
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == '*' => name = Some("*".to_owned()),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    names.extend(name.map(|name| (name, path)));
}

/// Every circle, as the arrows within it: `from -> to (name)`.
fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let mut known: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        known.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = known.keys().map(|file| (*file, reached(&known, file))).collect();
    let (mut circles, mut seen) = (Vec::new(), BTreeSet::new());
    for (file, others) in &reached {
        let leads_back = |other: &&&str| reached.get(**other).is_some_and(|back| back.contains(file));
        let circle: BTreeSet<&str> = others.iter().filter(leads_back).copied().collect();
        if seen.contains(file) || circle.is_empty() {
            continue;
        }
        let is_within = |(from, to): &(String, String)| circle.contains(&**from) && circle.contains(&**to);
        let within = arrows.iter().filter(|(arrow, _)| is_within(arrow));
        circles.push(within.map(|((from, to), name)| format!("{from} -> {to} ({name})")).collect());
        seen.extend(circle);
    }
    circles
}

/// The files that `file` knows, and those that these know.
fn reached<'a>(known: &BTreeMap<&str, Vec<&'a str>>, file: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(from) = open.pop() {
        let next = known.get(from).into_iter().flatten();
        open.extend(next.copied().filter(|to| reached.insert(*to)));
    }
    reached
}

#[test]
fn no_files_of_a_crate_know_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut all, mut count) = (Vec::new(), 0);
    for folder in CRATES {
        let arrows = Crate::read(product_files(&root.join(folder))).arrows();
        count += arrows.len();
        all.extend(circles(&arrows).into_iter().map(|circle| format!("{folder}:\n    {}", circle.join("\n    "))));
    }
    assert!(count > 1000, "too few arrows to be the whole picture: {count}");
    assert!(all.is_empty(), "move what the files of a circle share to a file of its own:\n{}", all.join("\n"));
}

/// The circles of a crate of `files`, given by path and text.
fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let read = |(path, text): &(&str, &str)| ((*path).to_owned(), without_tests(text).0);
    circles(&Crate::read(files.iter().map(read).collect()).arrows())
}

#[test]
fn a_made_up_circle_is_found_in_every_spelling() {
    let main = ("lib.rs", "mod a; mod b; pub use a::A; pub(crate) use b::{B as Bee, inner::Deep};");
    let b = ("b.rs", "pub struct B; pub mod inner { pub struct Deep; } fn f(a: crate::a::A) {}");
    let back = "b.rs -> a.rs (crate::a::A)".to_owned();
    for (text, name) in [
        ("use crate::b::B;", "crate::b::B"),
        ("use super::{b::{self}};", "super::b"),
        ("use crate::{b as other, std};", "crate::b"),
        ("fn f() { super::b::go::<u8>() }", "super::b::go"),
        ("fn f() -> Vec<crate::b::B> { vec![] }", "crate::b::B"),
        ("macro_rules! m { () => { $crate::b::B } }", "crate::b::B"),
        ("use super::b::inner::Deep;", "super::b::inner::Deep"),
        ("mod part { use super::super::b::B; }", "super::super::b::B"),
        // Through what only hands it on.
        ("use crate::Bee;", "crate::Bee"),
        ("use super::Deep;", "super::Deep"),
    ] {
        let expected = [vec![format!("a.rs -> b.rs ({name})"), back.clone()]];
        assert_eq!(circles_of(&[main, ("a.rs", text), b]), expected, "{text}");
    }
}

#[test]
fn circles_are_found_across_rooms_and_one_by_one() {
    let files = [
        ("lib.rs", "mod one; mod two; mod three; mod p; mod q;"),
        ("one/mod.rs", "mod deep;"),
        ("one/deep.rs", "use crate::two::Two;"),
        ("two.rs", "use crate::three;"),
        ("three.rs", "fn f() { super::one::deep::go() }"),
        ("p.rs", "use super::q::Q; use super::two::Two;"),
        ("q.rs", "use super::p::P;"),
    ];
    let three = [
        "one/deep.rs -> two.rs (crate::two::Two)",
        "three.rs -> one/deep.rs (super::one::deep::go)",
        "two.rs -> three.rs (crate::three)",
    ];
    let two = ["p.rs -> q.rs (super::q::Q)", "q.rs -> p.rs (super::p::P)"];
    assert_eq!(circles_of(&files), [three.to_vec(), two.to_vec()]);
}

#[test]
fn a_house_with_its_parent_tests_and_other_names_are_no_circle() {
    let main = ("lib.rs", "mod a; mod b;");
    let b = ("b.rs", "use crate::a::A;");
    for text in [
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "//! crate::b::B\nfn f() -> &'static str { \"crate::b::B\" }",
        "pub(in crate::b) fn f() {}",
        "use b::B; fn f(b: std::b::B) -> impl Sized + use<'_> {}",
        "fn f() { <u8 as b::B>::b::c() }",
    ] {
        assert!(circles_of(&[main, ("a.rs", text), b]).is_empty(), "{text}");
    }
    let parent = ("a/mod.rs", "mod child; pub use child::Child; pub struct A;");
    assert!(circles_of(&[main, parent, ("a/child.rs", "use super::A; use crate::a;"), b]).is_empty());
    // An uncle is no parent.
    let uncle = ("b.rs", "use crate::a::Child;");
    let found = circles_of(&[main, parent, ("a/child.rs", "use crate::b;"), uncle]);
    assert_eq!(found, [["a/child.rs -> b.rs (crate::b)", "b.rs -> a/child.rs (crate::a::Child)"]]);
}
