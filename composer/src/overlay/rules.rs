//! What a module's author says of owners and modes in the overlay, by pattern: git keeps neither.

use std::collections::BTreeMap;
use std::fmt;

use image::tree::{Kind, Tree};
use model::{ImagePath, Pattern};

use crate::scan::Source;

/// The largest `/etc/passwd` that is read for names.
const MAX_NAMES: u64 = 1 << 20;
/// The longest name of a user, as in Debian.
const MAX_NAME: usize = 32;

/// The owner and mode of the overlay's files that a pattern takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which files.
    pub pattern: Pattern,
    /// Their mode, the set-id and sticky bits too.
    pub mode: Option<u16>,
    /// Their owner.
    pub owner: Option<Owner>,
}

/// A user and a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    user: Id,
    group: Id,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    Number(u32),
    Name(String),
}

impl Rule {
    /// A rule from a pattern and its keys.
    ///
    /// # Errors
    /// A hint.
    pub fn parse(pattern: &str, keys: &[(&str, &str)]) -> Result<Self, String> {
        let pattern = Pattern::parse(pattern).map_err(|error| format!("write a path or pattern: {error}"))?;
        let mut rule = Self { pattern, mode: None, owner: None };
        for (key, value) in keys {
            match *key {
                "mode" => rule.mode = Some(mode(value)?),
                "owner" => rule.owner = Some(Owner::parse(value)?),
                _ => return Err(format!("`{key}` is no key of a rule: give `mode` or `owner`")),
            }
        }
        match (&rule.mode, &rule.owner) {
            (None, None) => Err("give `mode` or `owner`, as in { mode = \"0440\", owner = \"root:root\" }".to_owned()),
            _ => Ok(rule),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pattern.as_str())?;
        if let Some(mode) = self.mode {
            write!(f, " mode={mode:04o}")?;
        }
        self.owner.as_ref().map_or(Ok(()), |owner| write!(f, " owner={owner}"))
    }
}

fn mode(text: &str) -> Result<u16, String> {
    let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = u16::from_str_radix(text, 8).ok().filter(|_| is_octal);
    mode.ok_or_else(|| "give a mode as three or four octal digits, such as \"0440\"".to_owned())
}

impl Owner {
    fn parse(text: &str) -> Result<Self, String> {
        let (user, group) = text.split_once(':').unwrap_or((text, "root"));
        match (Id::parse(user), Id::parse(group)) {
            (Some(user), Some(group)) => Ok(Self { user, group }),
            _ => Err("give an owner as \"USER:GROUP\", by names or numbers, such as \"root:root\"".to_owned()),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.user, self.group)
    }
}

impl Id {
    fn parse(text: &str) -> Option<Self> {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            // The last number means "no change" to the system.
            let number = text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten();
            return number.filter(|number| *number != u32::MAX).map(Self::Number);
        }
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let starts = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let is_name = starts && text.len() <= MAX_NAME && text.bytes().all(letters);
        is_name.then(|| Self::Name(text.to_owned()))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The numbers of users and groups by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Of users.
    pub users: BTreeMap<String, u32>,
    /// Of groups.
    pub groups: BTreeMap<String, u32>,
}

impl Names {
    /// These, and those of `others` that these do not have.
    pub(super) fn and(mut self, others: &Self) -> Self {
        let add = |all: &mut BTreeMap<String, u32>, others: &BTreeMap<String, u32>| {
            for (name, number) in others {
                all.entry(name.clone()).or_insert(*number);
            }
        };
        add(&mut self.users, &others.users);
        add(&mut self.groups, &others.groups);
        self
    }

    /// Those of `/etc/passwd` and `/etc/group`. What cannot be read holds no name.
    pub(super) fn of(tree: &Tree<Source>) -> Self {
        Self { users: numbers(tree, b"/etc/passwd"), groups: numbers(tree, b"/etc/group") }
    }

    /// The numbers of `owner`, or the name that the tree does not know.
    pub(super) fn resolve(&self, owner: &Owner) -> Result<(u32, u32), String> {
        let find = |id: &Id, names: &BTreeMap<String, u32>| match id {
            Id::Number(number) => Ok(*number),
            Id::Name(name) if name == "root" => Ok(0),
            Id::Name(name) => names.get(name).copied().ok_or_else(|| name.clone()),
        };
        Ok((find(&owner.user, &self.users)?, find(&owner.group, &self.groups)?))
    }
}

/// The numbers by name in a file of the form of `/etc/passwd`; of several lines for one name the first counts, as the C library
/// has it. What cannot be read holds no name.
pub(crate) fn numbers(tree: &Tree<Source>, path: &[u8]) -> BTreeMap<String, u32> {
    let source = ImagePath::new(path).ok().and_then(|path| tree.resolve(&path)).map(|id| &tree.node(id).kind);
    let Some(Kind::Regular(source)) = source else { return BTreeMap::new() };
    let text = source.read(MAX_NAMES).unwrap_or_default();
    let line = |line: &str| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        Some((name.to_owned(), number.parse().ok()?))
    };
    String::from_utf8_lossy(&text).lines().rev().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn a_rule_says_a_mode_an_owner_or_both() {
        let rule = |keys: &[(&str, &str)]| Rule::parse("/etc/*", keys).map(|rule| rule.to_string());
        assert_eq!(rule(&[("mode", "0440"), ("owner", "root:7")]).unwrap(), "/etc/* mode=0440 owner=root:7");
        assert_eq!(rule(&[("mode", "755")]).unwrap(), "/etc/* mode=0755");
        assert_eq!(rule(&[("owner", "_chrony")]).unwrap(), "/etc/* owner=_chrony:root");
        for wrong in ["", "8", "0888", "44", "04440", "+44", "u=r"] {
            assert!(rule(&[("mode", wrong)]).is_err(), "{wrong}");
        }
        for wrong in ["", ":", "root:", "-x", "-1", "4294967295", "1x", "a:b:c", "a b"] {
            assert!(rule(&[("owner", wrong)]).is_err(), "{wrong}");
        }
        assert!(rule(&[]).is_err() && rule(&[("group", "root")]).is_err());
        assert!(Rule::parse("etc", &[("mode", "0440")]).is_err());
    }
}
