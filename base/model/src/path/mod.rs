//! Paths inside an image.

pub mod json;

use std::fmt;

use serde::{Serialize, Serializer};

/// An absolute, normalised path inside an image: bytes, never a path of the host.
///
/// It starts with `/`, has no empty, `.` or `..` component, no NUL and no trailing slash (the root
/// itself is `/`). Components are at most 255 bytes long. File names are bytes, not text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePath(Box<[u8]>);

/// Why some bytes are no path inside an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImagePathError {
    /// A component is `..`, which could leave the image.
    #[error("the path {path} holds `..`")]
    ParentComponent {
        /// The path, with unusual bytes escaped.
        path: String,
    },
    /// The path holds a NUL byte, which no Linux file name can hold.
    #[error("the path {path} holds a NUL byte")]
    Nul {
        /// The path, with unusual bytes escaped.
        path: String,
    },
    /// A component is longer than Linux allows.
    #[error("the path {path} has a component of over 255 bytes")]
    ComponentTooLong {
        /// The path, with unusual bytes escaped.
        path: String,
    },
}

impl ImagePath {
    /// The root of the image, `/`.
    #[must_use]
    pub fn root() -> Self {
        Self(Box::from(&b"/"[..]))
    }

    /// Normalises `bytes`, relative or absolute (`./usr//bin/` becomes `/usr/bin`).
    ///
    /// # Errors
    /// When a component is `..` or too long, or a byte is NUL.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, ImagePathError> {
        let bytes = bytes.as_ref();
        let path = || escape(bytes);
        if bytes.contains(&0) {
            return Err(ImagePathError::Nul { path: path() });
        }
        let mut normal = Vec::with_capacity(bytes.len() + 1);
        for component in bytes.split(|b| *b == b'/') {
            match component {
                b"" | b"." => continue,
                b".." => return Err(ImagePathError::ParentComponent { path: path() }),
                long if long.len() > 255 => return Err(ImagePathError::ComponentTooLong { path: path() }),
                name => {
                    normal.push(b'/');
                    normal.extend_from_slice(name);
                }
            }
        }
        if normal.is_empty() {
            normal.push(b'/');
        }
        Ok(Self(normal.into_boxed_slice()))
    }

    /// The bytes, starting with `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        &*self.0 == b"/"
    }

    /// The components, from the root down; none for `/`.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|c| !c.is_empty())
    }

    /// The last component; none for `/`.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The directory that holds this path; none for `/`.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|b| *b == b'/').unwrap_or(0).max(1);
        Some(Self(Box::from(&self.0[..end])))
    }

    /// This path with one more component.
    ///
    /// # Errors
    /// When `name` is no single valid component.
    pub fn join(&self, name: &[u8]) -> Result<Self, ImagePathError> {
        let mut bytes = self.0.to_vec();
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        Self::new(bytes)
    }

    /// Whether this path is `ancestor` or is below it.
    #[must_use]
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        ancestor.is_root()
            || (self.0.starts_with(&ancestor.0) && matches!(self.0.get(ancestor.0.len()), None | Some(b'/')))
    }

    /// The path without its leading slash, as tar archives and host joins want it; empty for `/`.
    #[must_use]
    pub fn relative(&self) -> &[u8] {
        &self.0[1..]
    }
}

/// Prints `bytes` with everything but printable ASCII and valid UTF-8 escaped as `\xNN`.
///
/// The result has no control characters, so that a file name cannot write to a terminal.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if c.is_control() => c.to_string().bytes().for_each(|b| out.push_str(&format!("\\x{b:02x}"))),
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
    }
    out
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0))
    }
}

impl fmt::Debug for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImagePath({self})")
    }
}

impl Serialize for ImagePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json::Alone(self).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    #[test]
    fn paths_are_normalised() {
        for (given, wanted) in [("", "/"), ("/", "/"), ("./usr//bin/", "/usr/bin"), ("/etc/./passwd", "/etc/passwd")] {
            assert_eq!(path(given).to_string(), wanted);
        }
    }

    #[test]
    fn paths_that_could_leave_the_image_are_refused() {
        assert!(matches!(ImagePath::new("/a/../b"), Err(ImagePathError::ParentComponent { .. })));
        assert!(matches!(ImagePath::new(b"/a\0"), Err(ImagePathError::Nul { .. })));
        assert!(matches!(ImagePath::new("x".repeat(256)), Err(ImagePathError::ComponentTooLong { .. })));
        assert!(path("/etc").join(b"..").is_err());
    }

    #[test]
    fn relatives_are_found() {
        assert_eq!(path("/usr/bin").parent(), Some(path("/usr")));
        assert_eq!(path("/usr").parent(), Some(path("/")));
        assert_eq!(path("/").parent(), None);
        assert_eq!(path("/usr/bin").file_name(), Some(&b"bin"[..]));
        assert!(path("/usr/bin").starts_with(&path("/usr")));
        assert!(!path("/usrlocal").starts_with(&path("/usr")));
        assert_eq!(path("/usr/bin").relative(), b"usr/bin");
    }

    #[test]
    fn odd_names_are_printed_without_control_characters() {
        assert_eq!(ImagePath::new(b"/a\x1b[31m\xff\n").unwrap().to_string(), "/a\\x1b[31m\\xff\\x0a");
    }
}
