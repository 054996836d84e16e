//! Where a value came from, and what looks like one and is none.

use std::fmt;

use model::Position;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is built in.
    Default,
    /// It was found out about the host.
    Host(String),
    /// A settings file.
    File {
        /// The file as it was opened.
        file: String,
        /// Where the value begins.
        position: Position,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// Several places, each of which gives a part.
    Several(Vec<Origin>),
}

impl Origin {
    /// This place and `other`.
    pub(super) fn and(self, other: Self) -> Self {
        let places = |origin| match origin {
            Self::Several(places) => places,
            one => vec![one],
        };
        let mut all = places(self);
        all.extend(places(other));
        Self::Several(all)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Host(what) => f.write_str(what),
            Self::File { file, position } => write!(f, "{file}:{position}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Several(places) => {
                for (number, place) in places.iter().enumerate() {
                    write!(f, "{}{place}", if number == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it came from.
    pub(crate) origin: Origin,
}

impl<T> Value<T> {
    pub(super) fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// Whether someone said so, and it was not built in or found out about the host.
    pub(crate) fn is_named(&self) -> bool {
        !matches!(self.origin, Origin::Default | Origin::Host(_))
    }
}

/// A variable that looks like a setting and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) message: String,
    pub(crate) hint: String,
}
