//! Names of content in a registry: `registry/repository`, then `:tag`, `@digest`, or both.
//!
//! Repository and tag are those of the OCI distribution specification 1.1, the host and its port those of docker's
//! reference grammar. Nothing is filled in: a name without a registry is refused, so that no default registry is
//! asked for what only a private one has.

use std::fmt;
use std::str::FromStr;

use model::Digest;

/// The longest `registry/repository` that registries take, in bytes.
const NAME_LIMIT: usize = 255;
/// How much of a text that is no reference is shown.
const SHOWN: usize = 300;

/// A text that names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A tag is not what registries accept: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
    #[error("{tag:?} is not a tag: use 1 to 128 of A-Z a-z 0-9 _ . - and begin with none of the last two")]
    Tag {
        /// What was given, cut to 300 characters.
        tag: String,
    },
    /// A text does not name content in a registry.
    #[error("{text:?} is not a reference such as registry.example.com/os/nginx:v1: {reason}")]
    Reference {
        /// What was given, cut to 300 characters.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// The longest tag, in bytes.
    pub const LIMIT: usize = 128;

    /// The tag's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut bytes = text.bytes();
        let begins = bytes.next().is_some_and(is_word);
        if begins && text.len() <= Self::LIMIT && bytes.all(|byte| is_word(byte) || matches!(byte, b'.' | b'-')) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed::Tag { tag: shown(text) })
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of some content in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry's host, with its port where one is given.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, where one is given.
    #[must_use]
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, where one is given. It decides: a tag beside it is for people.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }
}

impl FromStr for Reference {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let refused = |reason| Malformed::Reference { text: shown(text), reason };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse().map_err(|_| refused("what follows `@` is no sha256 digest"))?))
            }
            None => (text, None),
        };
        let (registry, path) = rest.split_once('/').ok_or_else(|| refused("it names no registry"))?;
        let (repository, tag) = match path.split_once(':') {
            Some((path, tag)) => (path, Some(tag.parse().map_err(|_| refused("what follows `:` is no tag"))?)),
            None => (path, None),
        };
        if !is_host(registry) {
            return Err(refused("it does not begin with a registry's host"));
        }
        if !repository.split('/').all(is_component) {
            return Err(refused("its repository is not written in a-z, 0-9 and single separators"));
        }
        if registry.len() + 1 + repository.len() > NAME_LIMIT {
            return Err(refused("registry and repository have more than 255 characters"));
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether the text is a host, with or without a port, that cannot be the first part of a repository.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rfind(':') {
        Some(at) if !text.ends_with(']') => (&text[..at], Some(&text[at + 1..])),
        _ => (text, None),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if !port.is_none_or(is_port) {
        return false;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(is_label) && (host.contains('.') || port.is_some() || host == "localhost")
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separators = text.split(|c: char| c.is_ascii() && is_word(c as u8));
    let ends_in_words = text.bytes().next().is_some_and(is_word) && text.bytes().last().is_some_and(is_word);
    ends_in_words && separators.all(|it| matches!(it, "" | "." | "_" | "__") || it.bytes().all(|byte| byte == b'-'))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
