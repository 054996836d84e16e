//! Paths in JSON, whether of an image or of the host: under their key where they are UTF-8, and else in
//! base64 under the key with `_base64` behind it.
//!
//! [`keys`] holds a function for each key, for `#[serde(flatten, serialize_with = "keys::output")]`. A
//! path without a key of its own, as in a list, is [`Alone`].

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::ImagePath;

/// What is written as a path: bytes, or none where there is no path.
pub trait Bytes {
    /// The bytes.
    fn bytes(&self) -> Option<&[u8]>;
}

impl Bytes for ImagePath {
    fn bytes(&self) -> Option<&[u8]> {
        Some(self.as_bytes())
    }
}

impl Bytes for Path {
    fn bytes(&self) -> Option<&[u8]> {
        Some(self.as_os_str().as_bytes())
    }
}

impl Bytes for PathBuf {
    fn bytes(&self) -> Option<&[u8]> {
        self.as_path().bytes()
    }
}

impl Bytes for Box<[u8]> {
    fn bytes(&self) -> Option<&[u8]> {
        Some(self)
    }
}

impl<T: Bytes + ?Sized> Bytes for &T {
    fn bytes(&self) -> Option<&[u8]> {
        (*self).bytes()
    }
}

impl<T: Bytes> Bytes for Option<T> {
    fn bytes(&self) -> Option<&[u8]> {
        self.as_ref()?.bytes()
    }
}

/// The bytes of a path as text, or in base64.
///
/// # Errors
/// The base64, where the path is no UTF-8.
fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| STANDARD.encode(bytes))
}

/// A path by itself: a string, or an object with the key `path_base64`.
#[derive(Debug, Clone, Copy)]
pub struct Alone<T>(pub T);

impl<T: Bytes> Serialize for Alone<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.bytes().map(text) {
            None => serializer.serialize_none(),
            Some(Ok(text)) => serializer.serialize_str(text),
            Some(Err(base64)) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("path_base64", &base64)?;
                map.end()
            }
        }
    }
}

/// The entry `name`, or `encoded` where the path is no UTF-8; nothing where there is no path.
fn entry<S: Serializer>(
    name: &'static str,
    encoded: &'static str,
    path: Option<&[u8]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    match path.map(text) {
        None => {}
        Some(Ok(text)) => map.serialize_entry(name, text)?,
        Some(Err(base64)) => map.serialize_entry(encoded, &base64)?,
    }
    map.end()
}

/// A function for each key that is the name of a path in some result.
pub mod keys {
    use serde::Serializer;

    use super::{Bytes, entry};

    macro_rules! keys {
        ($($name:ident)*) => {$(
            #[doc = concat!("`", stringify!($name), "`, or `", stringify!($name), "_base64`.")]
            ///
            /// # Errors
            /// When the serializer has one.
            pub fn $name<T: Bytes, S: Serializer>(path: &T, serializer: S) -> Result<S::Ok, S::Error> {
                entry(stringify!($name), concat!(stringify!($name), "_base64"), path.bytes(), serializer)
            }
        )*};
    }

    keys! { archive asked at cache directory file hard_link layout named output path target to value }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use std::ffi::OsStr;

    use super::*;

    #[derive(Serialize)]
    struct Result {
        first: u8,
        #[serde(flatten, serialize_with = "keys::output")]
        output: PathBuf,
        #[serde(flatten, serialize_with = "keys::file")]
        file: Option<PathBuf>,
        #[serde(flatten, serialize_with = "keys::at")]
        at: ImagePath,
        all: Vec<ImagePath>,
    }

    #[test]
    fn a_path_that_is_no_text_goes_by_another_key() {
        let json = |name: &[u8]| {
            let path = PathBuf::from(OsStr::from_bytes(name));
            let at = ImagePath::new(name).unwrap();
            let all = vec![at.clone()];
            serde_json::to_string(&Result { first: 1, output: path, file: None, at, all }).unwrap()
        };
        assert_eq!(json(b"/a\\\n"), r#"{"first":1,"output":"/a\\\n","at":"/a\\\n","all":["/a\\\n"]}"#);
        assert_eq!(
            json(b"/a\xff"),
            r#"{"first":1,"output_base64":"L2H/","at_base64":"L2H/","all":[{"path_base64":"L2H/"}]}"#
        );
    }
}
