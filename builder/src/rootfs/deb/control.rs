//! What a package says about itself: its control archive.

use std::fmt;
use std::io::Read;

use model::ImagePath;

use super::Reason;
use super::entries::each_entry;
use super::members::Package;
use crate::deb822::{Dialect, Reader};

/// The most bytes that a control archive may have when it is unpacked. The largest of Debian has
/// about 6 MiB.
pub(super) const CONTROL_LIMIT: u64 = 64 << 20;

/// The fields of a control file in their order, names as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    fields: Vec<(String, String)>,
}

impl Control {
    /// The value of a field, its case ignored as in dpkg. Lines of a folded value keep their
    /// leading blank and are separated by line breaks.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every field in its order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Parses one paragraph.
    ///
    /// # Errors
    /// When a line is neither a field nor the continuation of one, a field comes twice, there are too
    /// many, or a second paragraph follows.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut reader = Reader::new(text.as_bytes(), Dialect::Control);
        let paragraph = reader.paragraph().ok_or(Reason::Control { what: "it is empty" })??;
        let owned = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let fields = paragraph.fields().map(|(name, value)| (owned(name), owned(value))).collect();
        match reader.paragraph() {
            None => Ok(Self { fields }),
            Some(_) => Err(Reason::Control { what: "it has a second paragraph" }),
        }
    }
}

impl fmt::Display for Control {
    /// The paragraph as apt's indices hold it, with a line break at the end of each line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.iter().try_for_each(|(name, value)| {
            let blank = if value.is_empty() || value.starts_with('\n') { "" } else { " " };
            writeln!(f, "{name}:{blank}{value}")
        })
    }
}

/// What a package says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The control file.
    pub control: Control,
    /// The names of its maintainer scripts (`preinst`, `postinst`, `prerm`, `postrm`, `config`), sorted.
    pub maintainer_scripts: Vec<String>,
    /// The files that dpkg treats as configuration. Flagged entries (`remove-on-upgrade`) are left
    /// out: such a file is not shipped.
    pub conffiles: Vec<ImagePath>,
}

/// deb(5) and deb-postinst(5) and so on: the members of the control archive that are programs, sorted.
pub(in crate::rootfs) const SCRIPTS: [&str; 5] = ["config", "postinst", "postrm", "preinst", "prerm"];

pub(super) fn metadata(package: &mut Package<impl Read>) -> Result<Metadata, Reason> {
    let archive = package.open("control.tar", CONTROL_LIMIT)?;
    let mut metadata = Metadata::default();
    let mut found = false;
    each_entry(archive, &mut |item, content| {
        let path = ImagePath::new(&item.path)?;
        match path.relative() {
            b"control" if item.header.entry_type().is_file() => {
                metadata.control = Control::parse(&read_text(content)?)?;
                found = true;
            }
            b"conffiles" if item.header.entry_type().is_file() => {
                metadata.conffiles = parse_conffiles(&read_text(content)?)?;
            }
            name => metadata
                .maintainer_scripts
                .extend(SCRIPTS.iter().filter(|script| script.as_bytes() == name).map(|script| (*script).to_owned())),
        }
        Ok(())
    })?;
    if !found {
        return Err(Reason::Control { what: "it is missing" });
    }
    metadata.maintainer_scripts.sort();
    metadata.maintainer_scripts.dedup();
    Ok(metadata)
}

fn read_text(content: &mut dyn Read) -> Result<String, Reason> {
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    // Control files are UTF-8 by policy; a stray byte of an old changelog name hurts no one.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse_conffiles(text: &str) -> Result<Vec<ImagePath>, Reason> {
    let paths = text.lines().map(str::trim_end).filter(|line| line.starts_with('/'));
    paths.map(|line| Ok(ImagePath::new(line)?)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;
    use crate::deb822::FIELD_LIMIT;

    #[test]
    fn a_control_file_of_fields_without_end_is_refused() {
        let text = |count: usize| (0..count).map(|number| format!("F{number}: x\n")).collect::<String>();
        assert_eq!(Control::parse(&text(FIELD_LIMIT)).unwrap().fields().count(), FIELD_LIMIT);
        assert!(matches!(Control::parse(&text(FIELD_LIMIT + 1)), Err(Reason::ControlText(_))));
        // One byte for each name would be millions of names in the 64 MiB that are read.
        assert!(Control::parse(&text(1_000_000)).is_err());
    }
}
