//! The forms of the database's files.

use std::borrow::Cow;

use model::ImagePath;
use model::package::{Package, PackageFields};

use super::{Alternative, BASE, Diversion, Error, Installed, Override, State};
use crate::deb822::{Dialect, Reader};
use crate::relation::{alternatives, groups, provided};

/// One path a line, sorted; a blank line and flagged conffiles (`remove-on-upgrade /x`) are no path.
pub(super) fn paths(file: &ImagePath, bytes: &[u8]) -> Result<Vec<ImagePath>, Error> {
    let lines = bytes.split(|b| *b == b'\n').filter(|line| line.first() == Some(&b'/'));
    let parsed = lines.map(|line| {
        // dpkg writes the root as `/.`.
        ImagePath::new(line).map_err(|_| Error::Damaged { path: file.to_string(), what: "it holds an unusable path" })
    });
    let mut paths = parsed.collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// A package of which the fields are known and the files are not yet.
pub(super) fn installed<'a>(package: Package, state: State, field: &dyn Fn(&str) -> Option<Cow<'a, str>>) -> Installed {
    let is = |name: &str, value: &str| field(name).is_some_and(|found| found == value);
    let names = |group: &str| alternatives(group).map(|relation| relation.name.to_owned()).collect::<Vec<_>>();
    let lists: Vec<_> = ["Pre-Depends", "Depends"].into_iter().filter_map(field).collect();
    let depends = lists.iter().flat_map(|list| groups(list)).map(names);
    Installed {
        package,
        state,
        multi_arch_same: is("Multi-Arch", "same"),
        is_base: is("Essential", "yes") || is("Priority", "required"),
        depends: depends.filter(|group| !group.is_empty()).collect(),
        provides: provided(&field("Provides").unwrap_or_default()).map(|(name, _)| name.to_owned()).collect(),
        files: Vec::new(),
        conffiles: Vec::new(),
    }
}

/// Parses a status file.
///
/// # Errors
/// When a stanza is no paragraph of fields, lacks its name or has a state that dpkg does not know.
pub fn parse_status(bytes: &[u8]) -> Result<Vec<Installed>, Error> {
    let mut reader = Reader::new(bytes, Dialect::Index);
    let mut packages = Vec::new();
    while let Some(paragraph) = reader.paragraph() {
        let paragraph = paragraph.map_err(|fault| Error::StatusText { what: fault.to_string() })?;
        let error = |what| Error::Status { stanza: packages.len() + 1, what };
        let field = |name: &str| paragraph.text(name);
        let name = field("Package").filter(|name| !name.is_empty()).ok_or_else(|| error("it names no package"))?;
        let state = field("Status").and_then(|status| State::parse(&status));
        let state = state.ok_or_else(|| error("its status is not known"))?;
        let version = field("Version").unwrap_or_default();
        let source = field("Source").unwrap_or_else(|| name.clone());
        let (source, source_version) = match source.split_once(" (") {
            None => (&*source, &*version),
            Some((source, version)) => (source, version.trim_end_matches(')')),
        };
        let fields = PackageFields {
            source: source.to_owned(),
            source_version: source_version.to_owned(),
            name: name.into_owned(),
            arch: field("Architecture").unwrap_or_default().into_owned(),
            version: version.clone().into_owned(),
        };
        let package = Package::new(fields).map_err(|_| error("its name, architecture or version is none"))?;
        packages.push(installed(package, state, &field));
    }
    Ok(packages)
}

/// Three lines each: from, to, and the package or `:` for the administrator.
pub(super) fn parse_diversions(bytes: &[u8]) -> Result<Vec<Diversion>, Error> {
    let error = |what| Error::Damaged { path: format!("{BASE}/diversions"), what };
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    let (triples, []) = lines.as_chunks::<3>() else {
        return Err(error("its lines do not come in threes"));
    };
    let path = |line: &[u8]| ImagePath::new(line).map_err(|_| error("it holds an unusable path"));
    let diversion = |[from, to, by]: &[&[u8]; 3]| {
        let by = (*by != b":").then(|| String::from_utf8_lossy(by).into_owned());
        Ok(Diversion { from: path(from)?, to: path(to)?, by })
    };
    triples.iter().map(diversion).collect()
}

/// One a line: user, group, octal mode, path.
pub(super) fn parse_overrides(bytes: &[u8]) -> Result<Vec<Override>, Error> {
    let error = |what| Error::Damaged { path: format!("{BASE}/statoverride"), what };
    let text = String::from_utf8_lossy(bytes);
    let one = |line: &str| {
        let mut words = line.splitn(4, ' ');
        let (Some(user), Some(group), Some(mode), Some(path)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(error("a line has fewer than four words"));
        };
        let mode = u16::from_str_radix(mode, 8).map_err(|_| error("a mode is no octal number"))?;
        let path = ImagePath::new(path).map_err(|_| error("it holds an unusable path"))?;
        Ok(Override { path, user: user.to_owned(), group: group.to_owned(), mode })
    };
    text.lines().filter(|line| !line.is_empty()).map(one).collect()
}

/// A group's file: mode, link, then slaves (name and link) up to a blank line, then for each choice
/// its path, its priority and one path for each slave (empty where it has none).
pub(super) fn parse_alternative(file: &ImagePath, name: &[u8], bytes: &[u8]) -> Result<Alternative, Error> {
    let error = |what| Error::Damaged { path: file.to_string(), what };
    let path = |line: &[u8]| ImagePath::new(line).map_err(|_| error("it holds an unusable path"));
    let mut lines = bytes.split(|b| *b == b'\n');
    let mut next = || lines.next().ok_or_else(|| error("it ends early"));
    let automatic = match next()? {
        b"auto" => true,
        b"manual" => false,
        _ => return Err(error("it is neither automatic nor manual")),
    };
    let mut links = vec![path(next()?)?];
    while !next()?.is_empty() {
        links.push(path(next()?)?);
    }
    let mut choices = Vec::new();
    loop {
        let choice = next()?;
        if choice.is_empty() {
            break;
        }
        choices.push(path(choice)?);
        let _priority = next()?;
        for _ in 1..links.len() {
            let slave = next()?;
            if !slave.is_empty() {
                choices.push(path(slave)?);
            }
        }
    }
    Ok(Alternative { name: String::from_utf8_lossy(name).into_owned(), automatic, links, choices })
}
