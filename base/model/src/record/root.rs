//! Where the root file system came from, read in two passes: an enum with a tag inside would be kept in memory as
//! a tree of values first, whatever it holds.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::Packages;
use crate::Digest;

/// Where the root file system came from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum RootInput {
    /// The user named it: a path of the host, which is not recorded.
    Given {
        /// The digest over names, sizes, modes, owners and times of everything in it.
        listing: Digest,
    },
    /// Debian packages.
    Packages(Box<Packages>),
}

/// The key of the tag.
const TAG: &str = "from";

impl<'de> Deserialize<'de> for RootInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Tag {
            from: From,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum From {
            Given,
            Packages,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Given {
            listing: Digest,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let text = text.get();
        let Tag { from } = serde_json::from_str(text).map_err(|error| without_place(&error))?;
        Ok(match from {
            From::Given => {
                let Given { listing } = untagged(text).map_err(|error| without_place(&error))?;
                Self::Given { listing }
            }
            From::Packages => {
                Self::Packages(Box::new(untagged::<Packages>(text).map_err(|error| without_place(&error))?))
            }
        })
    }
}

/// The error without its place, which counts from the beginning of a part.
fn without_place<E: serde::de::Error>(error: &serde_json::Error) -> E {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    E::custom(text.strip_suffix(&place).unwrap_or(&text))
}

/// What the mapping in `text` holds beside its tag.
fn untagged<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Untagged(PhantomData))
}

struct Untagged<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for Untagged<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what a root file system was made from")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(WithoutTag(map)))
    }
}

/// A mapping without its tag.
struct WithoutTag<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutTag<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        loop {
            match self.0.next_key::<String>()? {
                Some(key) if key == TAG => drop(self.0.next_value::<IgnoredAny>()?),
                Some(key) => return seed.deserialize(key.into_deserializer()).map(Some),
                None => return Ok(None),
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}
