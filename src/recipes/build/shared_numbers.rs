//! The numbers that a module and its neighbours give to accounts: one number for a name, and one name for a number.
//!
//! Known are those of `[accounts]` in `builder.toml`, of `module.lock`, and of the sysusers.d files of the overlay.

use std::collections::BTreeMap;
use std::path::Path;

use host::{Dir, Links};
use model::closure::AccountName;
use model::sysusers::{self, Line};
use model::unit::AccountKind;
use model::{Diagnostic, FileName, Severity};

use crate::error::{Error, Findings};
use crate::recipes::packages::lock;
use crate::settings;

/// The finding's code.
const CODE: &str = "account-conflict";
/// Where an overlay has its files of sysusers.d.
const SYSUSERS: [&str; 3] = ["rootfs/etc/sysusers.d", "rootfs/usr/local/lib/sysusers.d", "rootfs/usr/lib/sysusers.d"];

/// Numbers by kind and name.
type Numbers = BTreeMap<(AccountKind, String), u32>;

/// Every account of the module in `own` that has another number in a neighbour, or whose number another account has
/// there. Each neighbour is a directory with its manifest's name.
///
/// # Errors
/// When settings, a lock or a file of an overlay cannot be read.
pub(crate) fn conflicts(
    (own, file): (&Path, &FileName),
    neighbours: &[(&Path, &FileName)],
) -> Result<Vec<Diagnostic>, Error> {
    if neighbours.is_empty() {
        return Ok(Vec::new());
    }
    let ours = numbers(own)?;
    let mut found = Vec::new();
    for (directory, other) in neighbours {
        let theirs = numbers(directory)?;
        let messages = ours.iter().flat_map(|(account, number)| compare(account, *number, &theirs));
        let hint = "give each name one number in the whole fleet, in [accounts] of both builder.toml";
        let finding = |message: String| {
            Diagnostic::new(Severity::Error, CODE, format!("{message} in {other}"), hint).in_file(file.clone())
        };
        found.extend(messages.map(finding));
    }
    Ok(found)
}

/// Every account to which `[accounts]` of the module gives another number than a line of sysusers.d in its overlay.
///
/// # Errors
/// When the settings cannot be read.
pub(crate) fn disagreements(module: &Path) -> Result<Findings, Error> {
    let mut found = Findings::default();
    let declared = settings::module_closure(module)?.accounts;
    if declared.is_empty() {
        return Ok(found);
    }
    // An overlay that cannot be read is said where it is laid over the tree.
    let lines = overlay(module).unwrap_or_default();
    for OverlayLine { file, number, line } in &lines {
        let (name, said) = match line {
            Line::User { name, uid: Some(uid), .. } => (name, (AccountKind::User, *uid)),
            Line::Group { name, gid: Some(gid), .. } => (name, (AccountKind::Group, *gid)),
            Line::User { .. } | Line::Group { .. } | Line::Member { .. } => continue,
        };
        let Some(ids) = AccountName::parse(name).ok().and_then(|name| declared.get(&name)) else { continue };
        let (kind, theirs) = said;
        let ours = if kind == AccountKind::User { ids.uid } else { ids.gid };
        if ours == theirs {
            continue;
        }
        let message = format!("[accounts] gives {name} the number {ours}, and {file}:{number} gives it {theirs}");
        let hint = "give it one number: change one of the two, or write `-` in the place of the line's number";
        let named = settings::naming::entry(module, &["accounts", name]);
        found.sources.extend(named.sources);
        found.diagnostics.extend(named.diagnostics.into_iter().map(|place| Diagnostic {
            code: "account-number",
            message: message.clone(),
            hint: hint.to_owned(),
            ..place
        }));
    }
    Ok(found)
}

fn compare((kind, name): &(AccountKind, String), number: u32, theirs: &Numbers) -> Vec<String> {
    let word = match kind {
        AccountKind::User => "user",
        AccountKind::Group => "group",
    };
    let mut found = Vec::new();
    if let Some(other) = theirs.get(&(*kind, name.clone())).filter(|other| **other != number) {
        found.push(format!("the {word} {name} has the number {number}, and {other}"));
    }
    let others = theirs.iter().filter(|((of, other), id)| of == kind && other != name && **id == number);
    found
        .extend(others.map(|((_, other), _)| format!("the {word} {name} has the number {number}, and so has {other}")));
    found
}

fn numbers(module: &Path) -> Result<Numbers, Error> {
    let mut numbers = Numbers::new();
    let locked = lock::read(module)?.map(|lock| lock.accounts).unwrap_or_default();
    let declared = settings::module_closure(module)?.accounts;
    for (name, ids) in locked.iter().chain(declared.iter()) {
        numbers.insert((AccountKind::User, name.to_string()), ids.uid);
        numbers.insert((AccountKind::Group, name.to_string()), ids.gid);
    }
    for OverlayLine { line, .. } in overlay(module)? {
        match line {
            Line::User { name, uid: Some(uid), group, .. } => {
                if group.is_none() {
                    numbers.insert((AccountKind::Group, name.clone()), uid);
                }
                numbers.insert((AccountKind::User, name), uid);
            }
            Line::Group { name, gid: Some(gid), .. } => drop(numbers.insert((AccountKind::Group, name), gid)),
            Line::User { .. } | Line::Group { .. } | Line::Member { .. } => {}
        }
    }
    Ok(numbers)
}

/// A line of a file of the overlay.
struct OverlayLine {
    /// The file, below the module.
    file: String,
    /// The number of the line, from 1.
    number: usize,
    line: Line,
}

/// The lines of the overlay's files of sysusers.d.
fn overlay(module: &Path) -> Result<Vec<OverlayLine>, Error> {
    let module = Dir::open(module)?;
    let mut lines = Vec::new();
    for place in SYSUSERS {
        let directory = match module.directory(place, Links::Below) {
            Ok(directory) => directory,
            // Most modules have none.
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        };
        let mut names = directory.names()?;
        names.sort();
        for name in names.iter().filter(|name| name.as_encoded_bytes().ends_with(b".conf")) {
            let limit = sysusers::MAX_BYTES as u64;
            if let Some(bytes) = directory.read_if_there(name, Links::Below, limit)? {
                let file = model::path::escape(format!("{place}/{}", name.to_string_lossy()).as_bytes());
                let read = sysusers::numbered(&bytes).into_iter();
                lines.extend(read.map(|(number, line)| OverlayLine { file: file.clone(), number, line }));
            }
        }
    }
    Ok(lines)
}
