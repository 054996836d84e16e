//! Specifiers: `%i` and its like (`systemd.unit(5)`, "Specifiers").

use std::fmt;

use super::name::UnitName;

/// The longest value that is resolved, in bytes; a longer one is unknown.
const MAX_VALUE: usize = 64 << 10;

/// A text of a unit with its specifiers replaced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// What it is on every node.
    Known(String),
    /// The text as it is written: only the node knows what it becomes.
    Unknown(String),
}

impl Value {
    /// The text, where it is known.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(text) => Some(text),
            Self::Unknown(_) => None,
        }
    }

    /// The same with its text changed by `change`.
    pub(super) fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Known(text) => Self::Known(change(text)),
            Self::Unknown(text) => Self::Unknown(text),
        }
    }
}

/// As it is known, or as it is written.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(text) | Self::Unknown(text) => f.write_str(text),
        }
    }
}

/// Replaces the specifiers of `text`, which stands in the unit `name`.
pub(super) fn resolve(text: &str, name: Option<&UnitName>) -> Value {
    known(text, name).map_or_else(|| Value::Unknown(text.to_owned()), Value::Known)
}

fn known(text: &str, name: Option<&UnitName>) -> Option<String> {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            // A percent sign at the end stands for itself.
            '%' => match rest.next() {
                Some(specifier) => out.push_str(&meaning(specifier, name)?),
                None => out.push('%'),
            },
            c => out.push(c),
        }
        if out.len() > MAX_VALUE {
            return None;
        }
    }
    Some(out)
}

/// What a specifier is in a unit of the system. None where only the node knows.
fn meaning(specifier: char, name: Option<&UnitName>) -> Option<String> {
    let fixed = match specifier {
        '%' => "%",
        't' => "/run",
        'S' => "/var/lib",
        'C' => "/var/cache",
        'L' => "/var/log",
        'E' => "/etc",
        'T' => "/tmp",
        'V' => "/var/tmp",
        'h' => "/root",
        'u' | 'g' => "root",
        'U' | 'G' => "0",
        _ => return of_name(specifier, name?),
    };
    Some(fixed.to_owned())
}

fn of_name(specifier: char, name: &UnitName) -> Option<String> {
    // A template's instance is decided when it is enabled; a unit that is neither has an empty one.
    let instance = if name.is_template() { None } else { Some(name.instance().unwrap_or_default()) };
    let last = name.prefix().rsplit('-').next().unwrap_or_default();
    match specifier {
        'n' => (!name.is_template()).then(|| name.as_str().to_owned()),
        'N' => (!name.is_template()).then(|| name.stem().to_owned()),
        'p' => Some(name.prefix().to_owned()),
        'P' => unescape(name.prefix()),
        'i' => instance.map(str::to_owned),
        'I' => unescape(instance?),
        'j' => Some(last.to_owned()),
        'J' => unescape(last),
        'f' => unescape(name.instance().or_else(|| (!name.is_template()).then_some(name.prefix()))?)
            .map(|path| if path.starts_with('/') { path } else { format!("/{path}") }),
        _ => None,
    }
}

/// Takes back what `systemd-escape` did: `-` is a slash, `\x2d` a byte.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        match byte {
            b'-' => out.push(b'/'),
            b'\\' => {
                let digits = after.strip_prefix(b"x").and_then(|digits| digits.get(..2))?;
                let digits = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &after[3..];
                continue;
            }
            byte => out.push(*byte),
        }
        rest = after;
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, name: &str) -> Value {
        resolve(text, UnitName::parse(name).ok().as_ref())
    }

    fn known(text: &str) -> Value {
        Value::Known(text.to_owned())
    }

    #[test]
    fn what_the_name_says_is_known() {
        let unit = r"a-b\x2dc@x-y\x20z.service";
        for (text, wanted) in [
            ("%n", unit),
            ("%N", r"a-b\x2dc@x-y\x20z"),
            ("%p", r"a-b\x2dc"),
            ("%P", "a/b-c"),
            ("%i", r"x-y\x20z"),
            ("%I", "x/y z"),
            ("%j", r"b\x2dc"),
            ("%J", "b-c"),
            ("%f", "/x/y z"),
            ("%S/%p/%%/100%", r"/var/lib/a-b\x2dc/%/100%"),
        ] {
            assert_eq!(read(text, unit), known(wanted), "{text}");
        }
        assert_eq!((read("<%i>", "a.service"), read("%f", "a-b.service")), (known("<>"), known("/a/b")));
    }

    #[test]
    fn what_only_the_node_knows_stays_as_it_is_written() {
        for (text, name) in [("%H", "a.service"), ("x%i", "a@.service"), ("%n", "a@.service"), ("%p", "no name")] {
            assert_eq!(read(text, name), Value::Unknown(text.to_owned()), "{text}");
        }
        for damaged in [r"a@\x2.service", r"a@\xzz.service", r"a@\y20.service", r"a@\xff.service"] {
            assert_eq!(read("%I", damaged), Value::Unknown("%I".to_owned()), "{damaged}");
        }
        assert_eq!(read("%h%t", "no name"), known("/root/run"));
    }

    #[test]
    fn a_value_has_an_end() {
        let name = format!("{}.service", "a".repeat(240));
        assert!(matches!(read(&"%n".repeat(1000), &name), Value::Unknown(_)));
    }
}
