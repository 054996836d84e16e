//! Which packages a root file system has without being asked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which packages a root file system has without being asked, in mmdebstrap's sense.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// Nothing; requested packages are unpacked, and no code of theirs runs.
    Extract,
    /// Nothing; requested packages are installed.
    Custom,
    /// Packages marked `Essential: yes`.
    Essential,
    /// The essential packages and apt.
    Apt,
    /// The essential packages and those of priority required.
    #[default]
    Minbase,
    /// As `Minbase`, and those of priority important.
    Important,
    /// As `Important`, and those of priority standard.
    Standard,
}

/// Why a text names no variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a variant: give extract, custom, essential, apt, minbase, important or standard")]
pub struct ParseVariantError {
    /// What was given.
    pub text: String,
}

impl Variant {
    /// Every variant, from the smallest to the largest.
    pub const ALL: [Self; 7] =
        [Self::Extract, Self::Custom, Self::Essential, Self::Apt, Self::Minbase, Self::Important, Self::Standard];

    /// The name that mmdebstrap knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Custom => "custom",
            Self::Essential => "essential",
            Self::Apt => "apt",
            Self::Minbase => "minbase",
            Self::Important => "important",
            Self::Standard => "standard",
        }
    }

    /// Whether the packages marked `Essential: yes` belong to it.
    #[must_use]
    pub fn has_essential(self) -> bool {
        !matches!(self, Self::Extract | Self::Custom)
    }

    /// The priorities whose packages belong to it.
    #[must_use]
    pub fn priorities(self) -> &'static [&'static str] {
        match self {
            Self::Extract | Self::Custom | Self::Essential | Self::Apt => &[],
            Self::Minbase => &["required"],
            Self::Important => &["required", "important"],
            Self::Standard => &["required", "important", "standard"],
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Variant {
    type Err = ParseVariantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|variant| variant.name() == text)
            .ok_or_else(|| ParseVariantError { text: crate::words::beginning(text) })
    }
}

impl Serialize for Variant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Variant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_has_the_packages_that_mmdebstrap_puts_into_it() {
        // The table of variants in mmdebstrap(1).
        let known: [(&str, bool, &[&str]); 7] = [
            ("extract", false, &[]),
            ("custom", false, &[]),
            ("essential", true, &[]),
            ("apt", true, &[]),
            ("minbase", true, &["required"]),
            ("important", true, &["required", "important"]),
            ("standard", true, &["required", "important", "standard"]),
        ];
        for (name, essential, priorities) in known {
            let variant: Variant = name.parse().unwrap();
            assert_eq!((variant.has_essential(), variant.priorities()), (essential, priorities), "{name}");
            assert_eq!((variant.to_string(), variant.name()), (name.to_owned(), name));
            let json = format!("\"{name}\"");
            assert_eq!(serde_json::to_string(&variant).unwrap(), json);
            assert_eq!(serde_json::from_str::<Variant>(&json).unwrap(), variant);
        }
        assert_eq!(Variant::ALL.map(Variant::name), known.map(|(name, ..)| name));
        assert_eq!("Minbase".parse::<Variant>().unwrap_err().text, "Minbase");
        assert!(serde_json::from_str::<Variant>("\"\"").is_err());
    }
}
