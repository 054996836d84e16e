//! A path of the image that an author writes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ImagePath;
use crate::words::{acts, beginning, is_showable};

/// A path of the image as text: what a settings file or a unit can hold, in one line, and nothing that acts on a terminal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TextPath(ImagePath);

/// Why a text is no such path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTextPathError {
    /// It is none, or too long.
    #[error("{0:?} is no path: give one of at most 256 bytes from `/`, without `..`, and not `/` itself")]
    Path(String),
    /// It has a character that no settings file, unit or message can hold as it is.
    #[error("{text:?} has {what}: no line of a unit holds such a path, so give it another name")]
    Character {
        /// The beginning of the text.
        text: String,
        /// What it has.
        what: &'static str,
    },
}

impl TextPath {
    /// Parses an absolute path.
    ///
    /// # Errors
    /// When it is not absolute, is the root, holds `..`, or cannot be shown in one line.
    pub fn parse(text: &str) -> Result<Self, ParseTextPathError> {
        if let Some(what) = text.chars().find_map(unfit) {
            return Err(ParseTextPathError::Character { text: beginning(text), what });
        }
        let path = ImagePath::new(text).ok().filter(|path| *path != ImagePath::root());
        match path.filter(|_| text.starts_with('/') && is_showable(text)) {
            Some(path) => Ok(Self(path)),
            None => Err(ParseTextPathError::Path(beginning(text))),
        }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &ImagePath {
        &self.0
    }
}

/// What a character is that cannot be in such a path.
fn unfit(c: char) -> Option<&'static str> {
    match c {
        '\\' => Some("a backslash"),
        c if c.is_control() => Some("a control character"),
        c if acts(c) => Some("a character that is not seen or changes the order of others"),
        _ => None,
    }
}

impl fmt::Display for TextPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for TextPath {
    type Error = ParseTextPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<TextPath> for String {
    fn from(path: TextPath) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back_as_it_was_written() {
        for text in ["/etc/x", "/usr/share/ä b"] {
            assert_eq!(TextPath::parse(text).map(String::from).as_deref(), Ok(text));
        }
        for text in ["", "/", "x", "/a/../b", "/a\nb", "/\u{202e}", "/a\\x"] {
            assert!(TextPath::parse(text).is_err(), "{text:?}");
        }
        for (text, what) in
            [("/a\\x", "a backslash"), ("/a\tb", "a control character"), ("/a\u{7f}", "a control character")]
        {
            assert!(
                TextPath::parse(text).is_err_and(|error| error.to_string().contains(&format!(" has {what}: "))),
                "{text:?}"
            );
        }
    }
}
