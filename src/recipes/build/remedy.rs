//! What would bring a path that shipped files need and that is left out: a package first, else a pattern.

use std::collections::BTreeSet;

use composer::needs::Need;
use image::tree::{Entries, Node};
use model::closure::Ship;
use model::{Additions, ImagePath, Pattern};

use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::select::Selected;

/// The longest run of names that a hint has.
const MAX_NAMED: usize = 4;

/// What to add, and in which words.
pub(crate) struct Remedy {
    /// What to add; nothing where that would take away more than it brings.
    pub(crate) add: Additions,
    /// The same as the beginning of a hint.
    pub(crate) words: String,
}

/// Whether the files of the module's packages ship without being named, and would not once there was a `file_spec`.
pub(crate) fn has_default(inputs: &Inputs) -> bool {
    inputs.settings.closure.ship == Ship::Owned && inputs.manifest.file_spec.is_empty()
}

/// What would ship `missing`, which the root file system has and a shipped file needs as `name`.
pub(crate) fn of(inputs: &Inputs, selected: &Selected, missing: &[ImagePath], (need, name): (Need, &str)) -> Remedy {
    let name = Some(name).filter(|_| need == Need::Library);
    let patterns =
        |paths: &[&ImagePath]| -> BTreeSet<String> { paths.iter().map(|path| pattern(selected, path, name)).collect() };
    if !has_default(inputs) {
        let file_spec = patterns(&missing.iter().collect::<Vec<_>>());
        let of = owners(selected, missing);
        let of = if of.is_empty() { String::new() } else { format!(" (of {})", list(&of, "and", "")) };
        let words = format!("add {} to file_spec{of}", list(&file_spec, "and", "`"));
        return Remedy { add: Additions { file_spec, ..Additions::default() }, words };
    }
    let requests = inputs.manifest.requests();
    let is_new = |package: &String| requests.iter().all(|request| request.name != *package);
    let package = |path: &ImagePath| package(selected, path).filter(is_new);
    let package_spec: BTreeSet<String> = missing.iter().filter_map(package).collect();
    let rest: Vec<&ImagePath> = missing.iter().filter(|path| self::package(selected, path).is_none()).collect();
    if rest.is_empty() && !package_spec.is_empty() {
        let words = format!("add {} to package_spec", list(&package_spec, "and", "`"));
        return Remedy { add: Additions { package_spec, ..Additions::default() }, words };
    }
    let all: Vec<&ImagePath> = missing.iter().collect();
    let words = format!(
        "add {} to file_spec, which ends that all files of the named packages ship: name those there, too",
        list(&patterns(if rest.is_empty() { &all } else { &rest }), "and", "`")
    );
    Remedy { add: Additions { package_spec, ..Additions::default() }, words }
}

/// The packages that installed `paths`.
fn owners(selected: &Selected, paths: &[ImagePath]) -> BTreeSet<String> {
    paths.iter().filter_map(|path| package(selected, path)).collect()
}

/// The package that brings `path`: installed it, or is what the link of alternatives at it leads to.
fn package(selected: &Selected, path: &ImagePath) -> Option<String> {
    let owner = selected.ownership.owner(path).map(|package| package.name.clone());
    owner.or_else(|| selected.ownership.chosen_for(path))
}

/// `a`, `b` and 3 others.
fn list(names: &BTreeSet<String>, and: &str, quote: &str) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let shown: Vec<String> = names.iter().take(MAX_NAMED).map(|name| format!("{quote}{name}{quote}")).collect();
    match (more, shown.as_slice()) {
        (0, [first @ .., last]) if !first.is_empty() => format!("{} {and} {last}", first.join(", ")),
        (0, _) => shown.concat(),
        (_, _) => format!("{} {and} {more} others", shown.join(", ")),
    }
}

/// The pattern that ships `path`, in each version and for each architecture. `library` is the name by which it is needed.
pub(crate) fn pattern(selected: &Selected, path: &ImagePath, library: Option<&str>) -> String {
    let node = selected.whole.lookup(path).map(|id| selected.whole.node(id));
    let end = match node.and_then(Node::entries).map(Entries::is_empty) {
        None => "",
        Some(true) => "/",
        Some(false) => "/***",
    };
    let exact = escaped(&path.to_string(), is_wild(&path.to_string()));
    let general = general(&path.to_string(), library);
    let is_right = Pattern::parse(&general)
        .is_ok_and(|pattern| pattern.glob().test(path.relative(), node.is_some_and(Node::is_directory)).taken);
    format!("{}{end}", if is_right { general } else { exact })
}

fn is_wild(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn escaped(text: &str, is_wild: bool) -> String {
    let escape = |c: char| if is_wild && "*?[\\".contains(c) { format!("\\{c}") } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// `path` with `*` in the place of versions and of the architecture.
fn general(path: &str, library: Option<&str>) -> String {
    let names: Vec<&str> = path.split('/').collect();
    let last = names.len().saturating_sub(1);
    let parts: Vec<Vec<Part<'_>>> = names
        .iter()
        .enumerate()
        .map(|(at, name)| match (at == last, library) {
            (true, library) => of_file(name, library),
            (false, _) => of_directory(name),
        })
        .collect();
    let is_wild = is_wild(path) || parts.iter().flatten().any(|part| *part == Part::Any);
    let text = |part: &Part<'_>| match part {
        Part::Text(text) => escaped(text, is_wild),
        Part::Any => "*".to_owned(),
    };
    parts.iter().map(|name| name.iter().map(text).collect::<String>()).collect::<Vec<_>>().join("/")
}

/// A part of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Any,
}

fn of_directory(name: &str) -> Vec<Part<'_>> {
    let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    // As in `x86_64-linux-gnu`, and `arm-linux-gnueabihf`.
    let is_arch = name.split_once("-linux-gnu").is_some_and(|(cpu, _)| !cpu.is_empty() && !cpu.contains('-'));
    if is_arch || (is_number && name.bytes().any(|byte| byte.is_ascii_digit())) {
        return vec![Part::Any];
    }
    unversioned(name)
}

/// A library keeps the number of its interface, which is what it is needed by.
fn of_file<'a>(name: &'a str, library: Option<&str>) -> Vec<Part<'a>> {
    if let Some(needed) = library.filter(|needed| name.starts_with(needed) && needed.contains(".so")) {
        return vec![Part::Text(&name[..needed.len()]), Part::Any];
    }
    let Some(at) = name.find(".so.") else { return unversioned(name) };
    let number = name[at + 4..].bytes().take_while(u8::is_ascii_digit).count();
    if number == 0 {
        return unversioned(name);
    }
    vec![Part::Text(&name[..at + 4 + number]), Part::Any]
}

/// `name` with `*` in the place of numbers with dots between them.
fn unversioned(name: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let run = rest[start..].bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let version = rest[start..start + run].trim_end_matches('.');
        let (head, tail) = rest.split_at(start + version.len());
        if version.contains('.') {
            parts.push(Part::Text(&head[..start]));
            parts.push(Part::Any);
        } else {
            parts.push(Part::Text(head));
        }
        rest = tail;
    }
    parts.push(Part::Text(rest));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_no_version_and_no_architecture() {
        let of = |path: &str| general(path, None);
        assert_eq!(of("/usr/bin/redis-check-rdb"), "/usr/bin/redis-check-rdb");
        assert_eq!(of("/usr/lib/x86_64-linux-gnu/libz.so.1.3.1"), "/usr/lib/*/libz.so.1*");
        assert_eq!(of("/usr/lib/postgresql/17/bin/postgres"), "/usr/lib/postgresql/*/bin/postgres");
        assert_eq!(of("/usr/lib/python3.13/os.py"), "/usr/lib/python*/os.py");
        assert_eq!(of("/usr/lib/arm-linux-gnueabihf/libfoo-1.2.so"), "/usr/lib/*/libfoo-*.so");
        assert_eq!(of("/usr/share/man/man1/x.1"), "/usr/share/man/man1/x.1");
        assert_eq!(of("/srv/a[1]"), "/srv/a\\[1]");
        assert_eq!(of("/opt/1.2/a\\b"), "/opt/*/a\\\\b");
        assert_eq!(of("/usr/share/\u{fc}1.2.\u{fc}"), "/usr/share/\u{fc}*.\u{fc}");
        let library = |path: &str, name: &str| general(path, Some(name));
        assert_eq!(library("/usr/lib/x86_64-linux-gnu/libssl.so.3", "libssl.so.3"), "/usr/lib/*/libssl.so.3*");
        assert_eq!(library("/usr/lib/a/libfoo-1.2.so", "libfoo.so.1"), "/usr/lib/a/libfoo-*.so");
        assert_eq!(library("/usr/lib/a/libdb-5.3.so", "libdb-5.3.so"), "/usr/lib/a/libdb-5.3.so*");
    }
}
