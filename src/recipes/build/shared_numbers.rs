//! The numbers that a module and its neighbours give to accounts: one number for a name, and one name for a number.
//!
//! Known are those of `[accounts]` in `builder.toml` and of the tables of a fleet, of `module.lock`, of the sysusers.d files
//! of the overlay, of the files that a build wrote, and the proposals of a build of a closure without a lock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use host::{Dir, Links};
use model::closure::{AccountName, Accounts, Ids, Ship};
use model::record::{BuildRecord, Owners};
use model::sysusers::{self, Line};
use model::unit::AccountKind;
use model::{Diagnostic, FileName, Severity, shell};

use crate::error::{Error, Findings};
use crate::recipes::packages::lock;
use crate::recipes::results::record;
use crate::settings::{self, AccountTables, ModuleSettings};

/// Where a build leaves its record in a module.
const DIST: &str = "dist";
/// The finding's code.
const CODE: &str = "account-conflict";
/// The code where nothing is known that could be compared.
const UNKNOWN: &str = "accounts-unknown";
/// Where an overlay has its files of sysusers.d.
const SYSUSERS: [&str; 3] = ["rootfs/etc/sysusers.d", "rootfs/usr/local/lib/sysusers.d", "rootfs/usr/lib/sysusers.d"];

/// Numbers by kind and name.
type Numbers = BTreeMap<(AccountKind, String), u32>;

/// What is known besides the modules' own files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// The tables of the fleet.
    pub(crate) fleet: &'a AccountTables,
    /// Whether the files of the module's own last build count, which a build replaces.
    pub(crate) counts_build: bool,
}

/// Every account of the module in `own` that has another number in a neighbour or in the tables of a fleet, or whose number
/// another account has there. Each module has its manifest's name.
///
/// # Errors
/// When a lock, a record or a file of an overlay cannot be read.
pub(crate) fn conflicts(
    (own, file): (&ModuleSettings, &FileName),
    neighbours: &[(&ModuleSettings, &FileName)],
    Known { fleet, counts_build }: Known<'_>,
) -> Result<Vec<Diagnostic>, Error> {
    if neighbours.is_empty() && fleet.is_empty() {
        return Ok(Vec::new());
    }
    let given = fleet.numbers();
    let shared: Numbers = given.iter().flat_map(|(name, ids)| of_account(name, ids)).collect();
    let mut ours = Module::read(own)?;
    if !counts_build {
        ours.built.clear();
    }
    // A build takes the fleet's numbers in place of those of the lock.
    let mut all = ours.numbers(Some(&given));
    let mut found = findings(&ours.authored(), &shared, "the tables of the fleet", FLEET, file);
    // A build finds out its own.
    found.extend(ours.unknown(&own.directory, file).filter(|_| counts_build && !neighbours.is_empty()));
    all.extend(ours.built.clone());
    for (settings, other) in neighbours {
        let theirs = Module::read(settings)?;
        let hint = if ours.is_closure && theirs.is_closure { TABLES } else { CLOSURES };
        let mut numbers = theirs.numbers(None);
        numbers.extend(theirs.built.clone());
        found.extend(findings(&all, &numbers, other, hint, file));
        found.extend(theirs.unknown(&settings.directory, other));
        let others: Numbers =
            shared.iter().filter(|(key, _)| !all.contains_key(*key)).map(|(k, v)| (k.clone(), *v)).collect();
        found.extend(findings(&others, &numbers, other, FLEET, file));
    }
    Ok(found)
}

/// Fails where accounts to which the files of a build belong, or for which it proposes numbers, have other numbers in a
/// neighbour, before they are written.
///
/// # Errors
/// As [`conflicts`], and when there is one.
pub(crate) fn check_build(
    (owners, proposed): (&Owners, &Accounts),
    neighbours: &[&ModuleSettings],
    file: &FileName,
) -> Result<(), Error> {
    let mut ours = of_owners(owners);
    ours.extend(proposed.iter().flat_map(|(name, ids)| of_account(name, ids)));
    let mut diagnostics = Vec::new();
    for settings in neighbours.iter().filter(|_| !ours.is_empty()) {
        let theirs = Module::read(settings)?;
        let mut numbers = theirs.numbers(None);
        let hint = if theirs.is_closure && !proposed.is_empty() { TABLES } else { CLOSURES };
        numbers.extend(theirs.built);
        diagnostics.extend(findings(&ours, &numbers, &settings.directory.display().to_string(), hint, file));
    }
    if diagnostics.is_empty() {
        return Ok(());
    }
    let findings = Findings { diagnostics, ..Findings::default() };
    Err(Error::input("the module's files belong to numbers that mean others in its neighbours").findings(findings))
}

const TABLES: &str = "give each name one number in the whole fleet, in [accounts] of both builder.toml";
const FLEET: &str =
    "give the name the number of the table there, or the number to no other name, and build that module again";
const CLOSURES: &str = "write ship = \"closure\" into builder.toml of both: then a name has one number in the whole fleet, \
                        which [accounts] can say";

fn findings(ours: &Numbers, theirs: &Numbers, other: &str, hint: &str, file: &FileName) -> Vec<Diagnostic> {
    let messages = ours.iter().flat_map(|(account, number)| compare(account, *number, theirs));
    let finding =
        |message| Diagnostic::new(Severity::Error, CODE, format!("{message} in {other}"), hint).in_file(file.clone());
    messages.map(finding).collect()
}

/// Every account to which `[accounts]` of the module gives another number than a line of sysusers.d in its overlay.
pub(crate) fn disagreements(module: &ModuleSettings) -> Findings {
    let mut found = Findings::default();
    let declared = &module.closure.accounts;
    if declared.is_empty() {
        return found;
    }
    // An overlay that cannot be read is said where it is laid over the tree.
    let lines = overlay(&module.directory).unwrap_or_default();
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
        let named = settings::naming::entry(module, "account-number", &["accounts", name]);
        found.sources.extend(named.sources);
        found.diagnostics.extend(named.diagnostics.into_iter().map(|place| Diagnostic {
            message: message.clone(),
            hint: hint.to_owned(),
            ..place
        }));
    }
    found
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

/// What is known of the numbers of a module.
struct Module {
    declared: Accounts,
    locked: Accounts,
    is_closure: bool,
    /// Those of the lines of sysusers.d in the overlay.
    overlay: Numbers,
    /// Those of the last build, as far as no lock has them.
    built: Numbers,
    /// Whether the numbers are known that a build proposes for the accounts of packages.
    knows_proposals: bool,
}

impl Module {
    fn read(settings: &ModuleSettings) -> Result<Self, Error> {
        let ModuleSettings { directory: module, closure, .. } = settings;
        let is_closure = closure.ship == Ship::Closure;
        let mut overlay = Numbers::new();
        for OverlayLine { line, .. } in self::overlay(module)? {
            match line {
                Line::User { name, uid: Some(uid), group, .. } => {
                    if group.is_none() {
                        overlay.insert((AccountKind::Group, name.clone()), uid);
                    }
                    overlay.insert((AccountKind::User, name), uid);
                }
                Line::Group { name, gid: Some(gid), .. } => drop(overlay.insert((AccountKind::Group, name), gid)),
                Line::User { .. } | Line::Group { .. } | Line::Member { .. } => {}
            }
        }
        let locked = lock::read(module)?.map(|lock| lock.accounts).unwrap_or_default();
        // What a closure ships has the numbers of the tables, and of the lock where there is one with numbers.
        let built = if is_closure && !locked.is_empty() { None } else { built(module, closure.ship)? };
        Ok(Self {
            knows_proposals: !is_closure || !locked.is_empty() || built.is_some(),
            declared: closure.accounts.clone(),
            locked,
            is_closure,
            overlay,
            built: built.unwrap_or_default(),
        })
    }

    /// That it is not known which numbers the module in `directory` proposes for the accounts of its packages.
    fn unknown(&self, directory: &Path, file: &FileName) -> Option<Diagnostic> {
        let message = "the numbers are not known that a build proposes for the accounts of its packages: there is none in a \
                       module.lock, and no build";
        let hint = format!(
            "build it, and then check once more: `module-builder build -C {}`; with a module.lock its numbers stay",
            shell::word(directory)
        );
        let note = || Diagnostic::new(Severity::Note, UNKNOWN, message, hint).in_file(file.clone());
        (!self.knows_proposals).then(note)
    }

    /// Those that its files have or will have, without those of a build.
    fn numbers(&self, fleet: Option<&Accounts>) -> Numbers {
        let known = self.locked.iter().chain(fleet.into_iter().flat_map(Accounts::iter)).chain(self.declared.iter());
        // A table has names that no module asks for.
        let is_own = |name: &AccountName| self.locked.get(name).is_some() || self.declared.get(name).is_some();
        let known = known.filter(|(name, _)| is_own(name));
        let mut numbers: Numbers = known.flat_map(|(name, ids)| of_account(name, ids)).collect();
        numbers.extend(self.overlay.clone());
        numbers
    }

    /// Those that no table changes.
    fn authored(&self) -> Numbers {
        let mut numbers = self.overlay.clone();
        numbers.extend(self.built.clone());
        numbers
    }
}

fn of_account(name: &AccountName, ids: Ids) -> [((AccountKind, String), u32); 2] {
    [((AccountKind::User, name.to_string()), ids.uid), ((AccountKind::Group, name.to_string()), ids.gid)]
}

fn of_owners(owners: &Owners) -> Numbers {
    let of = |kind, names: &BTreeMap<AccountName, u32>| -> Numbers {
        names.iter().map(|(name, number)| ((kind, name.to_string()), *number)).collect()
    };
    let mut numbers = of(AccountKind::User, &owners.users);
    numbers.extend(of(AccountKind::Group, &owners.groups));
    numbers
}

/// The accounts to which the files of the module's last build belong, of every architecture, and those of its packages under
/// `ship = "closure"`; none where it was not built so.
fn built(module: &Path, ship: Ship) -> Result<Option<Numbers>, Error> {
    let dist = module.join(DIST);
    let several = record::Several::read(&dist.join(record::FILE))?;
    let directories: Vec<PathBuf> = match several {
        Some(several) => several.architectures().keys().map(|arch| dist.join(arch.debian())).collect(),
        None => vec![dist],
    };
    let mut numbers = None;
    for directory in directories {
        let record = record::read(&directory.join(record::FILE))?;
        if let Some(record) = record.filter(|record| record.inputs.closure.is_some() == (ship == Ship::Closure)) {
            numbers.get_or_insert_with(Numbers::new).extend(of_record(&record));
        }
    }
    Ok(numbers)
}

fn of_record(record: &BuildRecord) -> Numbers {
    let mut numbers = of_owners(&record.owners);
    let of_closure = record.inputs.closure.iter().flat_map(|closure| closure.accounts.iter());
    numbers.extend(of_closure.flat_map(|(name, ids)| of_account(name, ids)));
    numbers
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
