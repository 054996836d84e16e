//! The file by which a node makes the accounts of a module (sysusers.d(5)).

use std::fmt::Write as _;

use model::closure::{AccountName, Accounts as Table};

use super::{Accounts, Added, User, asked};

/// The text of a sysusers.d file that makes the accounts of `added` with the numbers of `ids`, over those of `base`; empty
/// where there are none.
///
/// Groups stand before users: a user whose group is given by its number is not made where the group is not there, and
/// systemd-sysusers ends with 0 all the same. Members stand last.
#[must_use]
pub fn sysusers(added: &Added, base: &Accounts, ids: &Table) -> String {
    const HEAD: &str =
        "# Written by module-builder: the accounts of this module, with the numbers that its files have.\n";
    let mut text = String::new();
    for name in added.groups.keys() {
        if let Some(ids) = ids.get(name) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "g {name} {}", ids.gid);
        }
    }
    for (name, user) in &added.users {
        if let Some(own) = ids.get(name) {
            let group = group_of(user, added, base, ids);
            let _ = writeln!(
                text,
                "u {name} {}{group} {} {} {}",
                own.uid,
                quoted(&user.gecos),
                quoted(&user.home),
                quoted(&user.shell)
            );
        }
    }
    for (user, group) in &added.members {
        let _ = writeln!(text, "m {user} {group}");
    }
    text += &asked::lines(added, ids);
    if text.is_empty() { text } else { HEAD.to_owned() + &text }
}

/// The user's own group, as it stands behind the number.
fn group_of(user: &User, added: &Added, base: &Accounts, ids: &Table) -> String {
    let new = added.groups.iter().find(|(_, gid)| **gid == user.gid).and_then(|(name, _)| ids.get(name));
    match (new, base.group(user.gid)) {
        (Some(ids), _) => format!(":{}", ids.gid),
        (None, Some(name)) => format!(":{}", AccountName::as_str(name)),
        (None, None) => String::new(),
    }
}

/// A field of a line; an empty one is written as `-`.
fn quoted(field: &str) -> String {
    if field.is_empty() {
        return "-".to_owned();
    }
    // A `%` begins a specifier.
    let escaped: String = field
        .chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| match c {
            '%' => vec!['%', '%'],
            '"' | '\\' => vec!['\\', c],
            c => vec![c],
        })
        .collect();
    let is_plain = field.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c));
    if is_plain { escaped } else { format!("\"{escaped}\"") }
}
