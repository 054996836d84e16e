//! The forms of the database's files.

use model::ImagePath;
use model::package::{Package, PackageFields};

use super::{Alternative, BASE, Diversion, Error, Installed, Override, State};

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
pub(super) fn installed<'a>(package: Package, state: State, field: &dyn Fn(&str) -> Option<&'a str>) -> Installed {
    // `name:any (>= 1) [amd64]`: the name is what counts.
    let names = |list: &str, between: char| -> Vec<String> {
        let words = list.split(between).filter_map(|one| one.split([' ', ':', '(', '[', '\n']).find(|w| !w.is_empty()));
        words.map(str::to_owned).collect()
    };
    let lists = ["Pre-Depends", "Depends"].into_iter().filter_map(field);
    let depends = lists.flat_map(|list| list.split(',')).map(|group| names(group, '|'));
    Installed {
        package,
        state,
        multi_arch_same: field("Multi-Arch") == Some("same"),
        is_base: field("Essential") == Some("yes") || field("Priority") == Some("required"),
        depends: depends.filter(|group| !group.is_empty()).collect(),
        provides: names(field("Provides").unwrap_or_default(), ','),
        files: Vec::new(),
        conffiles: Vec::new(),
    }
}

/// Parses a status file.
///
/// # Errors
/// When a stanza lacks its name or has a state that dpkg does not know.
pub fn parse_status(bytes: &[u8]) -> Result<Vec<Installed>, Error> {
    let text = String::from_utf8_lossy(bytes);
    let mut packages = Vec::new();
    for (index, stanza) in text.split("\n\n").map(str::trim).filter(|stanza| !stanza.is_empty()).enumerate() {
        let error = |what| Error::Status { stanza: index + 1, what };
        // Folded lines begin with a blank, so no field's name matches in them.
        let field = |name: &str| {
            stanza.lines().find_map(|line| {
                let (field, value) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then_some(value.trim())
            })
        };
        let name = field("Package").filter(|name| !name.is_empty()).ok_or_else(|| error("it names no package"))?;
        let state = field("Status").and_then(State::parse).ok_or_else(|| error("its status is not known"))?;
        let version = field("Version").unwrap_or_default();
        let (source, source_version) = match field("Source").map(|source| (source, source.split_once(" ("))) {
            None => (name, version),
            Some((source, None)) => (source, version),
            Some((_, Some((source, version)))) => (source, version.trim_end_matches(')')),
        };
        let fields = PackageFields {
            name: name.to_owned(),
            arch: field("Architecture").unwrap_or_default().to_owned(),
            version: version.to_owned(),
            source: source.to_owned(),
            source_version: source_version.to_owned(),
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
