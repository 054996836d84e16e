//! Names of units: `ssh.service`, the template `getty@.service`, its instance `getty@tty1.service`.

use std::fmt;

/// The longest name, in bytes.
const MAX_NAME: usize = 255;

/// What a unit is, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitKind {
    /// `.service`
    Service,
    /// `.socket`
    Socket,
    /// `.target`
    Target,
    /// `.timer`
    Timer,
    /// `.path`
    Path,
    /// `.mount`
    Mount,
    /// `.automount`
    Automount,
    /// `.swap`
    Swap,
    /// `.slice`
    Slice,
    /// `.scope`
    Scope,
    /// `.device`
    Device,
}

/// The checked name of a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName {
    text: String,
    /// Where `@` is, where it is a template or an instance.
    at: Option<usize>,
    /// Where the last dot is.
    dot: usize,
    kind: UnitKind,
}

/// The text is no name of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a unit's name is at most 255 letters, digits and `:-_.\\@`, and ends in its kind, such as `.service`")]
pub struct ParseUnitNameError;

impl UnitKind {
    const ALL: [Self; 11] = [
        Self::Service,
        Self::Socket,
        Self::Target,
        Self::Timer,
        Self::Path,
        Self::Mount,
        Self::Automount,
        Self::Swap,
        Self::Slice,
        Self::Scope,
        Self::Device,
    ];

    /// The end of the names of such units, without the dot.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Socket => "socket",
            Self::Target => "target",
            Self::Timer => "timer",
            Self::Path => "path",
            Self::Mount => "mount",
            Self::Automount => "automount",
            Self::Swap => "swap",
            Self::Slice => "slice",
            Self::Scope => "scope",
            Self::Device => "device",
        }
    }
}

impl UnitName {
    /// Checks `text`.
    ///
    /// # Errors
    /// When it is no name of a unit.
    pub fn parse(text: &str) -> Result<Self, ParseUnitNameError> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        let dot = text.rfind('.').filter(|_| text.len() <= MAX_NAME && text.chars().all(is_word));
        let dot = dot.ok_or(ParseUnitNameError)?;
        let kind = UnitKind::ALL.into_iter().find(|kind| kind.suffix() == &text[dot + 1..]);
        let at = text[..dot].find('@');
        match kind {
            Some(kind) if at.unwrap_or(dot) > 0 => Ok(Self { text: text.to_owned(), at, dot, kind }),
            _ => Err(ParseUnitNameError),
        }
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> UnitKind {
        self.kind
    }

    /// The name without its kind.
    #[must_use]
    pub fn stem(&self) -> &str {
        &self.text[..self.dot]
    }

    /// The part before `@`, else the name without its kind.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.text[..self.at.unwrap_or(self.dot)]
    }

    /// The part after `@` of an instance; none of a template.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.at.map(|at| &self.text[at + 1..self.dot]).filter(|instance| !instance.is_empty())
    }

    /// Whether it is a template, which only its instances make a unit.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.at.is_some_and(|at| at + 1 == self.dot)
    }

    /// The template of an instance.
    #[must_use]
    pub fn template(&self) -> Option<Self> {
        let at = self.at?;
        self.instance()?;
        Self::parse(&format!("{}{}", &self.text[..=at], &self.text[self.dot..])).ok()
    }

    /// The instance `instance` of a template.
    #[must_use]
    pub fn with_instance(&self, instance: &str) -> Option<Self> {
        let at = self.at.filter(|_| self.is_template() && !instance.is_empty())?;
        Self::parse(&format!("{}{instance}{}", &self.text[..=at], &self.text[self.dot..])).ok()
    }

    /// The unit of another kind that has the same name; the template of that name when `is_template`.
    pub(super) fn beside(&self, kind: UnitKind, is_template: bool) -> Option<String> {
        let stem = if is_template { format!("{}@", self.prefix()) } else { self.stem().to_owned() };
        Self::parse(&format!("{stem}.{}", kind.suffix())).ok().map(|name| name.text)
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let read = |text: &str| {
            let name = UnitName::parse(text).unwrap();
            let template = name.template().map(|name| name.to_string());
            (name.prefix().to_owned(), name.instance().map(str::to_owned), name.is_template(), template)
        };
        assert_eq!(read("a.b.service"), ("a.b".to_owned(), None, false, None));
        assert_eq!(read("a@.socket"), ("a".to_owned(), None, true, None));
        assert_eq!(
            read("a@b@c.d.timer"),
            ("a".to_owned(), Some("b@c.d".to_owned()), false, Some("a@.timer".to_owned()))
        );
        let template = UnitName::parse("a@.service").unwrap();
        assert_eq!(template.with_instance("x").map(|name| name.to_string()).as_deref(), Some("a@x.service"));
        assert_eq!((template.with_instance(""), template.with_instance("a/b")), (None, None));
        assert_eq!(UnitName::parse("a.service").unwrap().with_instance("x"), None);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("{}.service", "a".repeat(248));
        for text in
            ["", "service", ".service", "@.service", "@x.service", "a b.service", "a/b.service", "a.conf", &long]
        {
            assert!(UnitName::parse(text).is_err(), "{text}");
        }
        assert!(UnitName::parse(&long[1..]).is_ok());
        for kind in UnitKind::ALL {
            assert_eq!(UnitName::parse(&format!("a.{}", kind.suffix())).map(|name| name.kind()), Ok(kind));
        }
    }
}
