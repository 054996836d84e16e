//! `file-list.txt`, `file-list.json` and `package-list.txt` (docs/formats/artifact.md).

use std::borrow::Cow;

use image::composefs::Stored;
use image::diff::{self, Type};
use image::tree::{Entries, Kind, Node, Tree};
use model::package::Package;
use model::path::json::keys;
use model::{Digest, ImagePath, VerityDigest};
use serde::{Deserialize, Serialize};

/// What is listed of a tree, in the order of paths' bytes: everything but directories, which are shipped because of
/// what is in them, and a directory that is shipped empty.
pub(crate) fn listed<C>(tree: &Tree<C>) -> Vec<(ImagePath, &Node<C>)> {
    let is_listed = |path: &ImagePath, node: &Node<C>| !path.is_root() && node.entries().is_none_or(Entries::is_empty);
    let mut listed: Vec<_> = tree.walk().map(|(path, _, node)| (path, node)).collect();
    listed.retain(|(path, node)| is_listed(path, node));
    listed.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
    listed
}

/// The paths of `listed`, one a line, as `rsync --files-from` reads them; a directory ends in `/`. A name with a line
/// break cannot stand in it.
pub(crate) fn files<C>(listed: &[(ImagePath, &Node<C>)]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = Vec::with_capacity(listed.len());
    for (path, node) in listed {
        let path = path.as_bytes();
        if !path.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            let end: &[u8] = if node.is_directory() { b"/\n" } else { b"\n" };
            lines.push([path, end].concat());
        }
    }
    lines.sort_unstable();
    lines.concat()
}

/// What `file-list.json` says of a path and the image says as well.
#[derive(Debug, Serialize)]
struct Head<'a> {
    #[serde(flatten, serialize_with = "keys::path")]
    path: &'a ImagePath,
    kind: Type,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fsverity: Option<VerityDigest>,
}

/// What only the build knows of a path.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tail<'a> {
    /// The digest of a regular file's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<Digest>,
    /// Who brought it.
    pub(crate) from: From,
    /// The package that installed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) package: Option<Cow<'a, Package>>,
    /// The address that it was fetched from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<Cow<'a, str>>,
    /// The rule that takes it; none where the manifest has no `file_spec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<RuleName<'a>>,
}

/// Who brought a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum From {
    /// A package.
    Package,
    /// The module's overlay.
    Overlay,
    /// A file from an address.
    File,
    /// No one lists it: a maintainer script made it, or the given root file system had it.
    MaintainerScript,
    /// The build, for the node: accounts, directories in `/var`, links that enable units.
    Generated,
}

/// A rule of a manifest, wherever in its file it stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleName<'a> {
    /// The module whose manifest has it.
    pub(crate) module: Cow<'a, str>,
    /// The list's key.
    pub(crate) field: Cow<'a, str>,
    /// The pattern.
    pub(crate) pattern: Cow<'a, str>,
}

/// `file-list.json`: an array with an object for each of `listed`, one a line. `tail` says of each what only the build
/// knows.
pub(crate) fn entries<'a, C: Stored>(
    listed: &[(ImagePath, &Node<C>)],
    tail: impl Fn(&ImagePath, &Node<C>) -> Tail<'a>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = b"[\n".to_vec();
    for (number, (path, node)) in listed.iter().enumerate() {
        text.extend_from_slice(if number > 0 { b",\n" } else { b"" });
        text.append(&mut line(path, node, &tail(path, node))?);
    }
    text.extend_from_slice(if listed.is_empty() { b"]\n" } else { b"\n]\n" });
    Ok(text)
}

fn line<C: Stored>(path: &ImagePath, node: &Node<C>, tail: &Tail<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(&head(path, node))?;
    line.pop();
    line.push(b',');
    line.extend_from_slice(&serde_json::to_vec(tail)?[1..]);
    Ok(line)
}

fn head<'a, C: Stored>(path: &'a ImagePath, node: &Node<C>) -> Head<'a> {
    let (size, fsverity) = match &node.kind {
        Kind::Regular(content) => (Some(content.size()), diff::digest(content)),
        _ => (None, None),
    };
    Head { path, kind: Type::of(&node.kind), size, fsverity }
}

/// Checks that `text` is the `file-list.json` of `listed`. What only the build knows has a form, and no one here who
/// knows it, but for the sha256 of what the image itself holds.
///
/// # Errors
/// The number of the line that is another.
pub(crate) fn check_entries<C: Stored>(listed: &[(ImagePath, &Node<C>)], text: &[u8]) -> Result<(), usize> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut next = |wanted: &dyn Fn(&[u8]) -> bool, number: usize| {
        lines.next().filter(|line| wanted(line)).map(|_| ()).ok_or(number)
    };
    next(&|line| line == b"[", 1)?;
    for (index, (path, node)) in listed.iter().enumerate() {
        let comma: &[u8] = if index + 1 < listed.len() { b"," } else { b"" };
        let is_entry = |found: &[u8]| found.strip_suffix(comma).is_some_and(|found| is_line(found, path, node));
        next(&is_entry, index + 2)?;
    }
    next(&|line| line == b"]", listed.len() + 2)?;
    next(&|line| line.is_empty(), listed.len() + 3)?;
    if lines.next().is_some() { Err(listed.len() + 4) } else { Ok(()) }
}

/// Whether `found` is what [`line`] gives for some [`Tail`].
fn is_line<C: Stored>(found: &[u8], path: &ImagePath, node: &Node<C>) -> bool {
    let Ok(mut head) = serde_json::to_vec(&head(path, node)) else { return false };
    head.pop();
    head.push(b',');
    let Some(rest) = found.strip_prefix(head.as_slice()) else { return false };
    let rest = [b"{", rest].concat();
    let Ok(tail) = serde_json::from_slice::<Tail<'_>>(&rest) else { return false };
    let inline = match &node.kind {
        Kind::Regular(content) => Some(content.inline()),
        _ => None,
    };
    let is_digest = match (inline, tail.sha256) {
        (None, None) | (Some(None), Some(_)) => true,
        (Some(Some(content)), Some(sha256)) => sha256 == Digest::of(content),
        (None, Some(_)) | (Some(_), None) => false,
    };
    let is_from =
        (tail.from == From::Package) == tail.package.is_some() && (tail.from == From::File) == tail.url.is_some();
    is_digest && is_from && serde_json::to_vec(&tail).is_ok_and(|again| again == rest)
}

/// `package<TAB>version<TAB>arch`, sorted in the C locale.
pub(crate) fn packages(packages: &[Package]) -> String {
    let mut lines: Vec<String> =
        packages.iter().map(|package| format!("{}\t{}\t{}", package.name, package.version, package.arch)).collect();
    lines.sort_unstable();
    lines.into_iter().fold(String::new(), |text, line| text + &line + "\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use composer::hashing::Hashed;
    use image::tree::{Mtime, NodeId, Stat};
    use model::package::PackageFields;

    use super::*;

    fn tree() -> Tree<Hashed> {
        let stat = || Stat::root_owned(0o755, Mtime::default());
        let mut tree = Tree::new(stat());
        let full = tree.add(Node { stat: stat(), kind: Kind::Directory(Entries::new()) }).unwrap();
        let empty = tree.add(Node { stat: stat(), kind: Kind::Directory(Entries::new()) }).unwrap();
        let file = tree.add(Node { stat: stat(), kind: Kind::Regular(Hashed::of(b"x")) }).unwrap();
        let link = tree.add(Node { stat: stat(), kind: Kind::Symlink(b"a b".as_slice().into()) }).unwrap();
        tree.link(NodeId::ROOT, b"etc", full).unwrap();
        tree.link(NodeId::ROOT, b"var", empty).unwrap();
        for name in [&b"a b"[..], b"#\\n", b"\xff\n", b"\xff"] {
            tree.link(full, name, file).unwrap();
        }
        tree.link(full, b"l", link).unwrap();
        tree
    }

    fn list(tree: &Tree<Hashed>) -> Vec<u8> {
        let text = str::to_owned;
        let fields = PackageFields {
            name: text("web"),
            version: text("1"),
            arch: text("amd64"),
            source: text("w"),
            source_version: text("1"),
        };
        let package = Package::new(fields).unwrap();
        let rule = || RuleName { module: "m".into(), field: "file_spec".into(), pattern: "/**".into() };
        let tail = |path: &ImagePath, node: &Node<Hashed>| {
            let is_file = matches!(node.kind, Kind::Regular(_));
            Tail {
                sha256: is_file.then(|| Digest::of(b"x")),
                from: if path.as_bytes().ends_with(b"b") { From::Package } else { From::Overlay },
                package: path.as_bytes().ends_with(b"b").then_some(Cow::Borrowed(&package)),
                url: None,
                rule: Some(rule()),
            }
        };
        entries(&listed(tree), tail).unwrap()
    }

    #[test]
    fn names_are_raw_and_those_with_a_line_break_stand_in_json_only() {
        let tree = tree();
        assert_eq!(files(&listed(&tree)), b"/etc/#\\n\n/etc/a b\n/etc/l\n/etc/\xff\n/var/\n");
        let json: serde_json::Value = serde_json::from_slice(&list(&tree)).unwrap();
        let path = |entry: &serde_json::Value| match &entry["path"] {
            serde_json::Value::Null => format!("base64 {}", entry["path_base64"].as_str().unwrap()),
            path => path.as_str().unwrap().to_owned(),
        };
        let paths: Vec<String> = json.as_array().unwrap().iter().map(path).collect();
        assert_eq!(paths, ["/etc/#\\n", "/etc/a b", "/etc/l", "base64 L2V0Yy//", "base64 L2V0Yy//Cg==", "/var"]);
        assert_eq!(json[1]["package"]["name"], "web");
        assert_eq!(json[2]["kind"], "symlink");
        assert_eq!(json[5]["kind"], "directory");
    }

    #[test]
    fn a_list_is_checked_against_the_image() {
        let tree = tree();
        let (listed, text) = (listed(&tree), String::from_utf8(list(&tree)).unwrap());
        assert_eq!(check_entries(&listed, text.as_bytes()), Ok(()));
        let forged = [
            ("\"size\":1", "\"size\":2", 2),
            ("a b", "a c", 3),
            ("symlink", "file", 4),
            ("\"from\":\"package\"", "\"from\":\"overlay\"", 3),
            ("\"from\":\"package\",", "\"from\":\"package\",\"more\":1,", 3),
            (&Digest::of(b"x").to_string(), &Digest::of(b"y").to_string(), 2),
            ("\"from\"", " \"from\"", 2),
            ("},\n", "}\n", 2),
            ("\n]\n", "\n]\n\n", 10),
            ("\n]\n", "\n]", 9),
        ];
        for (from, to, line) in forged {
            assert!(text.contains(from), "{from}");
            assert_eq!(check_entries(&listed, text.replacen(from, to, 1).as_bytes()), Err(line), "{from}");
        }
        let none: [(ImagePath, &Node<Hashed>); 0] = [];
        assert_eq!(check_entries(&none, b"[\n]\n"), Ok(()));
    }
}
