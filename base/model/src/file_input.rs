//! A file that a module takes from an address, as `builder.toml` asks for it and as a lock and a record hold it.

use serde::{Deserialize, Serialize};

use crate::checked::{Checked, Rules};
use crate::words::{acts, is_showable};
use crate::{Arch, Digest, ImagePath, Pattern, archive};

/// The most directories that [`Unpack::strip`] takes from a name.
pub const MOST_STRIPPED: u32 = 64;
/// The longest [`FileInputFields::destination`], in bytes: patterns for it are twice as long at most.
const MOST_DESTINATION: usize = 1024;
/// The longest query of an address, in bytes.
const MOST_QUERY: usize = 1024;

/// A file by its address and its sha256.
pub type FileInput = Checked<FileInputFields>;

/// What a [`FileInput`] is made of; only the check makes one of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileInputFields {
    /// The address, by http, https, or of this machine.
    pub url: String,
    /// The sha256 of its bytes.
    pub sha256: Digest,
    /// The architectures that it is for; none where it is for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<Arch>,
    /// Where it goes in the image: the file's path, or the directory of what is unpacked.
    pub destination: String,
    /// The mode of its files, in octal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Whose its files are, as `USER:GROUP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How it is unpacked, where it is an archive of which the files are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpack: Option<Unpack>,
}

/// How an archive is unpacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unpack {
    /// What it is.
    pub format: ArchiveFormat,
    /// How many directories are taken from the beginning of each name. What has no more names than that is left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub strip: u32,
    /// Patterns for what is taken, matched against the names that are left; everything where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveFormat {
    /// tar, also compressed by gzip, xz, zstd or bzip2.
    Tar,
    /// zip.
    Zip,
}

/// Which part of a [`FileInput`] is wrong, and what it has to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {part} of a file is wrong: {hint}")]
pub struct FileFault {
    /// The part, as its key is named.
    pub part: &'static str,
    /// How to write it.
    pub hint: String,
}

/// Checks an address that a file can be fetched from.
///
/// # Errors
/// A hint.
pub fn check_url(text: &str) -> Result<(), String> {
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    let is_query =
        query.len() <= MOST_QUERY && query.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&b));
    archive::uri(place).map_err(|fault| fault.hint(place).to_owned())?;
    if place.ends_with('/') {
        return Err("name the file: an address that ends in a slash is that of a directory".to_owned());
    }
    match is_query {
        true => Ok(()),
        false => Err(format!(
            "write what stands behind the ? without blanks and quotes, as % and two digits, in at most {MOST_QUERY} bytes"
        )),
    }
}

/// The path of a destination.
///
/// # Errors
/// A hint.
pub fn check_destination(text: &str) -> Result<ImagePath, String> {
    let is_plain = text.len() <= MOST_DESTINATION && !text.chars().any(acts) && !text.ends_with([' ', '\t']);
    ImagePath::new(text).ok().filter(|_| text.starts_with('/') && is_plain).ok_or_else(|| {
        format!(
            "give the whole path in the image, from `/`, without `..`: one line of at most {MOST_DESTINATION} bytes, \
             without a blank at its end"
        )
    })
}

impl Rules for FileInputFields {
    type Fault = FileFault;

    fn check(&self) -> Result<(), FileFault> {
        let Self { url, sha256: _, architectures: _, destination, mode, owner, unpack } = self;
        let fault = |part| move |hint: String| FileFault { part, hint };
        check_url(url).map_err(fault("url"))?;
        let path = check_destination(destination).map_err(fault("destination"))?;
        if path.is_root() && unpack.is_none() {
            return Err(fault("destination")("give the whole path in the image, from `/`".to_owned()));
        }
        let words = [("mode", mode), ("owner", owner)].into_iter();
        for (part, word) in words.filter_map(|(part, word)| Some((part, word.as_ref()?))) {
            if !is_showable(word) {
                return Err(fault(part)("it is one line of text".to_owned()));
            }
        }
        let Some(Unpack { format: _, strip, include }) = unpack else { return Ok(()) };
        if *strip > MOST_STRIPPED {
            return Err(fault("strip")(format!("give a number from 0 to {MOST_STRIPPED}")));
        }
        include.iter().try_for_each(|pattern| match Pattern::parse(pattern) {
            Ok(_) => Ok(()),
            Err(error) => Err(fault("include")(error.to_string())),
        })
    }
}

impl FileInputFields {
    /// Whether it is for `arch`.
    #[must_use]
    pub fn is_for(&self, arch: Arch) -> bool {
        self.architectures.is_empty() || self.architectures.contains(&arch)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn only_an_address_of_a_file_is_one() {
        for good in [
            "https://downloads.example.org/tool-1.2.tar.gz",
            "http://m.example.org:8080/a%20b",
            "https://h.example.org/get?name=tool&v=1.2",
            "file:/srv/tool",
        ] {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "tool.tar.gz",
            "ftp://h.example.org/x",
            "https://h.example.org/",
            "https://user:word@h.example.org/x",
            "https://h.example.org/a b",
            "https://h.example.org/../x",
            "https://h.example.org/x?a=\"b\"",
            "https://h.example.org/x#part",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_file_from_anywhere_says_is_checked() {
        let json = |destination: &str, more: &str| {
            let text = format!(
                "{{\"url\":\"https://h.example.org/x\",\"sha256\":\"{}\",\"destination\":\"{destination}\"{more}}}",
                Digest::of(b"x")
            );
            serde_json::from_str::<FileInput>(&text).map_err(|error| error.to_string())
        };
        assert!(json("/usr/bin/x", "").unwrap().is_for(Arch::Arm64));
        assert!(json("/opt", ",\"unpack\":{\"format\":\"zip\",\"strip\":1,\"include\":[\"/bin/**\"]}").is_ok());
        for (destination, more, part) in [
            ("/../x", "", "destination"),
            ("usr/bin/x", "", "destination"),
            ("/", "", "destination"),
            ("/a\\nb", "", "destination"),
            ("/a\\u001b[31m", "", "destination"),
            ("/a\\u202eb", "", "destination"),
            ("/a ", "", "destination"),
            (&"/a".repeat(513), "", "destination"),
            ("/x", ",\"mode\":\"a\\nb\"", "mode"),
            ("/x", ",\"unpack\":{\"format\":\"tar\",\"strip\":65}", "strip"),
            ("/x", ",\"unpack\":{\"format\":\"tar\",\"include\":[\"/../x\"]}", "include"),
        ] {
            let error = json(destination, more).unwrap_err();
            assert!(error.contains(&format!("the {part} of a file is wrong")), "{error}");
        }
        assert!(json("/x", ",\"unpack\":{\"format\":\"rar\"}").is_err());
    }
}
