//! What requirements can say: nothing that no build would have written.

use std::fmt::Debug;

use super::{Account, FirstStartUnit, LeftOut, MOST_NAMED, OpenNeed, PackageVersion, RequirementsFields, VERSION};
use crate::archive::is_suite;
use crate::checked::Rules;
use crate::closure::{FirstStart, is_module_version};
use crate::manifest::is_module_name;
use crate::package::{is_package_name, is_version};
use crate::words::{acts, beginning, is_showable};

/// The longest name of something that is needed, in bytes: that of a path.
const LONGEST_NAME: usize = 4096;

/// What no build can have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(String);

fn fault<T>(text: String) -> Result<T, Fault> {
    Err(Fault(text))
}

impl Rules for RequirementsFields {
    type Fault = Fault;

    fn check(&self) -> Result<(), Fault> {
        let Self {
            schema_version,
            name,
            version,
            arch,
            base,
            requires,
            packages,
            accounts,
            secrets,
            data,
            units,
            needs,
            recommends,
        } = self;
        if *schema_version != VERSION {
            return fault(format!("the version is {VERSION}, and not {schema_version}"));
        }
        if !is_module_name(name) {
            return fault(format!("{:?} is no name of a module", beginning(name)));
        }
        if let Some(odd) = version.as_ref().filter(|version| !is_module_version(version)) {
            return fault(format!("{:?} is no version of a module", beginning(odd)));
        }
        if !is_suite(&base.suite) {
            return fault(format!("{:?} is no suite", beginning(&base.suite)));
        }
        let of_arch = |package: &PackageVersion| package.arch == "all" || package.arch == arch.debian();
        for (what, list) in [("base.packages", &base.packages), ("packages", packages)] {
            in_order(what, list, |package| &package.name)?;
            list.iter().try_for_each(|package| check_package(package, of_arch(package)))?;
        }
        in_order("requires", requires, |module| &module.name)?;
        in_order("accounts", accounts, |account| &account.name)?;
        accounts.iter().try_for_each(check_account)?;
        for (what, list) in [("secrets", secrets), ("data", data)] {
            in_order(what, list, |one| &one.path)?;
            list.iter().try_for_each(check_left_out)?;
        }
        for (what, list) in [
            ("units.enabled", &units.enabled),
            ("units.shipped", &units.shipped),
            ("units.not_enabled", &units.not_enabled),
        ] {
            in_order(what, list, |unit| unit)?;
            list.iter().try_for_each(|unit| check_unit(unit))?;
        }
        in_order("needs", needs, |need| (need.kind, &need.name))?;
        needs.iter().try_for_each(check_need)?;
        in_order("recommends", recommends, |name| name)?;
        match recommends.iter().find(|name| !is_package_name(name)) {
            Some(odd) => fault(format!("{:?} is no name of a package", beginning(odd))),
            None => Ok(()),
        }
    }
}

/// Checks that the entries are in order, each once.
fn in_order<'a, T, K: Ord + Debug>(what: &str, list: &'a [T], key: impl Fn(&'a T) -> K) -> Result<(), Fault> {
    match list.windows(2).find(|pair| key(&pair[0]) >= key(&pair[1])) {
        Some(pair) => {
            fault(format!("{what} is not in order, or holds {} twice", beginning(&format!("{:?}", key(&pair[1])))))
        }
        None => Ok(()),
    }
}

fn check_package(package: &PackageVersion, is_of_arch: bool) -> Result<(), Fault> {
    let PackageVersion { name, version, arch } = package;
    if is_package_name(name) && is_version(version) && is_of_arch {
        return Ok(());
    }
    fault(format!(
        "{:?} {:?} {:?} is no package of this architecture",
        beginning(name),
        beginning(version),
        beginning(arch)
    ))
}

fn check_account(account: &Account) -> Result<(), Fault> {
    match (account.uid, account.gid) {
        (None, None) => fault(format!("the account {} is neither a user nor a group", account.name)),
        (Some(_), _) | (None, Some(_)) => Ok(()),
    }
}

fn check_left_out(left_out: &LeftOut) -> Result<(), Fault> {
    let Some(FirstStartUnit { unit, command, user: _ }) = &left_out.made_by else { return Ok(()) };
    check_unit(unit)?;
    FirstStart::check(command).map_err(|error| Fault(format!("the command of {unit} is none: {error}")))
}

fn check_unit(unit: &str) -> Result<(), Fault> {
    if is_unit(unit) { Ok(()) } else { fault(format!("{:?} is no name of a unit", beginning(unit))) }
}

/// Whether something of this name can be needed.
#[must_use]
pub fn is_need(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(acts)
}

/// Whether `unit` can be the name of a unit's file.
#[must_use]
pub fn is_unit(unit: &str) -> bool {
    !unit.is_empty() && !unit.contains('/') && is_showable(unit)
}

fn check_need(need: &OpenNeed) -> Result<(), Fault> {
    let OpenNeed { kind: _, name, optional: _, count, by } = need;
    if !is_need(name) {
        return fault(format!("{:?} is no name of something that is needed", beginning(name)));
    }
    let named = u64::try_from(by.len()).unwrap_or(u64::MAX);
    if by.len() > MOST_NAMED || named > *count || (named < *count && by.len() < MOST_NAMED) {
        return fault(format!("{} files need {:?}, and {named} are named", count, beginning(name)));
    }
    in_order("the files that need it", by, |path| path)
}
