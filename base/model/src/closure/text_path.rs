//! A path of the image that an author writes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ImagePath;
use crate::words::{beginning, is_showable};

/// A path of the image as text: what a settings file or a unit can hold, in one line, and nothing that acts on a terminal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TextPath(ImagePath);

/// Why a text is no such path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no path: give one of at most 256 bytes from `/`, without `..`, and not `/` itself")]
pub struct ParseTextPathError {
    /// The beginning of the text.
    pub text: String,
}

impl TextPath {
    /// Parses an absolute path.
    ///
    /// # Errors
    /// When it is not absolute, is the root, holds `..`, or cannot be shown in one line.
    pub fn parse(text: &str) -> Result<Self, ParseTextPathError> {
        let path = ImagePath::new(text).ok().filter(|path| *path != ImagePath::root());
        match path.filter(|_| text.starts_with('/') && !text.contains('\\') && is_showable(text)) {
            Some(path) => Ok(Self(path)),
            None => Err(ParseTextPathError { text: beginning(text) }),
        }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &ImagePath {
        &self.0
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
    }
}
