//! What the user calls a file of the host, in messages and in results.

use std::ffi::OsStr;
use std::fmt;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::path::json::Bytes;

/// A file of the host by the name that the user gave it. It reads as text; where the name is no UTF-8 its bytes
/// are kept beside the text, and stand in results.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    text: String,
    /// Only of a name that is no UTF-8.
    bytes: Option<Box<[u8]>>,
}

impl From<&Path> for FileName {
    fn from(path: &Path) -> Self {
        let bytes = path.to_str().is_none().then(|| Box::from(path.as_os_str().as_bytes()));
        Self { text: path.display().to_string(), bytes }
    }
}

impl From<&str> for FileName {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), bytes: None }
    }
}

impl FileName {
    /// The file `name` in the same directory.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        let bytes = self.bytes.as_deref().unwrap_or(self.text.as_bytes());
        Self::from(&*Path::new(OsStr::from_bytes(bytes)).with_file_name(name))
    }
}

impl Deref for FileName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Bytes for FileName {
    fn bytes(&self) -> Option<&[u8]> {
        Some(self.bytes.as_deref().unwrap_or(self.text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_as_text_and_keeps_its_bytes() {
        assert_eq!(&*FileName::from("m/manifest.yaml").beside("builder.toml"), "m/builder.toml");
        assert_eq!(&*FileName::from("manifest.yaml").beside("builder.toml"), "builder.toml");
        let odd = FileName::from(Path::new(OsStr::from_bytes(b"m\xff/manifest.yaml")));
        assert_eq!((&*odd, odd.bytes()), ("m\u{fffd}/manifest.yaml", Some(&b"m\xff/manifest.yaml"[..])));
        let plain = FileName::from("manifest.yaml");
        assert_eq!(plain, FileName::from(Path::new("manifest.yaml")));
        assert_eq!(plain.bytes(), Some(&b"manifest.yaml"[..]));
    }
}
