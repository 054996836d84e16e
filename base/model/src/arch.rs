//! Machine architectures, with their Debian, OCI and SBOM names in one table.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An architecture that Debian releases and OCI names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// 64-bit x86.
    Amd64,
    /// 64-bit ARM.
    Arm64,
    /// 32-bit ARM with hardware floating point, version 7.
    Armhf,
    /// 32-bit x86.
    I386,
    /// 64-bit little-endian POWER.
    Ppc64el,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit IBM Z.
    S390x,
}

struct Names {
    arch: Arch,
    debian: &'static str,
    oci: &'static str,
    oci_variant: Option<&'static str>,
    machine: &'static str,
}

const TABLE: [Names; 7] = [
    Names { arch: Arch::Amd64, debian: "amd64", oci: "amd64", oci_variant: None, machine: "x86_64" },
    Names { arch: Arch::Arm64, debian: "arm64", oci: "arm64", oci_variant: None, machine: "aarch64" },
    Names { arch: Arch::Armhf, debian: "armhf", oci: "arm", oci_variant: Some("v7"), machine: "armv7l" },
    Names { arch: Arch::I386, debian: "i386", oci: "386", oci_variant: None, machine: "i686" },
    Names { arch: Arch::Ppc64el, debian: "ppc64el", oci: "ppc64le", oci_variant: None, machine: "ppc64le" },
    Names { arch: Arch::Riscv64, debian: "riscv64", oci: "riscv64", oci_variant: None, machine: "riscv64" },
    Names { arch: Arch::S390x, debian: "s390x", oci: "s390x", oci_variant: None, machine: "s390x" },
];

/// Why a text names no architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an architecture that can be built")]
pub struct ParseArchError {
    /// What was given.
    pub text: String,
}

impl Arch {
    /// Every architecture, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|names| names.arch)
    }

    fn names(self) -> &'static Names {
        &TABLE[self as usize]
    }

    /// The name that dpkg uses: `amd64`, `arm64`, `armhf`.
    #[must_use]
    pub fn debian(self) -> &'static str {
        self.names().debian
    }

    /// `platform.architecture` of an OCI descriptor: `amd64`, `arm64`, `arm`.
    #[must_use]
    pub fn oci(self) -> &'static str {
        self.names().oci
    }

    /// `platform.variant` of an OCI descriptor, where OCI asks for one.
    #[must_use]
    pub fn oci_variant(self) -> Option<&'static str> {
        self.names().oci_variant
    }

    /// What `uname -m` prints on such a machine.
    #[must_use]
    pub fn machine(self) -> &'static str {
        self.names().machine
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.debian())
    }
}

impl FromStr for Arch {
    type Err = ParseArchError;

    /// Takes the Debian name, the OCI name or the machine name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        TABLE
            .iter()
            .find(|names| [names.debian, names.oci, names.machine].contains(&text))
            .map(|names| names.arch)
            .ok_or_else(|| ParseArchError { text: crate::words::beginning(text) })
    }
}

impl Serialize for Arch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.debian())
    }
}

impl<'de> Deserialize<'de> for Arch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_type_and_every_name_leads_back() {
        for arch in Arch::all() {
            assert_eq!(arch.names().arch, arch);
            for name in [arch.debian(), arch.oci(), arch.machine()] {
                assert_eq!(name.parse(), Ok(arch), "{name}");
            }
        }
        assert!("mips".parse::<Arch>().is_err());
    }

    #[test]
    fn every_architecture_has_the_names_that_others_know_it_by() {
        // dpkg's cputable, the GOARCH and GOARM of the image specification, and `uname -m`.
        let names = Arch::all().map(|arch| (arch.debian(), arch.oci(), arch.oci_variant(), arch.machine()));
        let known = [
            ("amd64", "amd64", None, "x86_64"),
            ("arm64", "arm64", None, "aarch64"),
            ("armhf", "arm", Some("v7"), "armv7l"),
            ("i386", "386", None, "i686"),
            ("ppc64el", "ppc64le", None, "ppc64le"),
            ("riscv64", "riscv64", None, "riscv64"),
            ("s390x", "s390x", None, "s390x"),
        ];
        assert_eq!(names.collect::<Vec<_>>(), known);
        assert_eq!(Arch::Ppc64el.to_string(), "ppc64el");
        assert_eq!(serde_json::to_string(&Arch::Armhf).unwrap(), "\"armhf\"");
        assert_eq!(serde_json::from_str::<Arch>("\"aarch64\"").unwrap(), Arch::Arm64);
        assert!(serde_json::from_str::<Arch>("\"mips\"").is_err());
        assert_eq!("mips".parse::<Arch>().unwrap_err().text, "mips");
    }
}
