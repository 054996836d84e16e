//! The Packages indexes that apt fetched and checked, read once from front to back.
//!
//! Source of the format: Debian policy, chapter 5, and the wiki's "DebianRepository/Format".

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use model::Digest;
use model::archive::is_relative;
use model::package::{Package, PackageFields, is_package_name, is_version};
use model::resolution::DEB_LIMIT;

use super::Error;
use crate::deb822::{Dialect, Fault, Paragraph, Reader};
use crate::relation;

/// The largest index that is read, in bytes. Debian's largest has about 60 MiB.
const INDEX_LIMIT: u64 = 1 << 30;

/// One package of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) package: Package,
    /// Which of the settings' archives has it.
    pub(super) source: usize,
    pub(super) path: String,
    pub(super) size: u64,
    /// `None` where the index has none; then the package cannot be used.
    pub(super) sha256: Option<Digest>,
    pub(super) priority: String,
    pub(super) essential: bool,
    /// `Pre-Depends` and `Depends`.
    pub(super) depends: String,
    pub(super) provides: String,
}

/// Every package of all indexes.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) records: Vec<Record>,
    by_name: BTreeMap<String, Vec<usize>>,
    providers: BTreeMap<String, Vec<usize>>,
    by_path: BTreeMap<(usize, String), usize>,
}

impl Index {
    /// Adds all packages of the index `path`, which belongs to the archive `source`.
    pub(super) fn read(&mut self, path: &Path, source: usize) -> Result<(), Error> {
        let file = host::open::file(path)?;
        let mut input = BufReader::with_capacity(1 << 18, file.take(INDEX_LIMIT));
        self.read_from(&mut input, path, source)?;
        if input.get_ref().limit() == 0 {
            return Err(Error::Index { path: path.to_owned(), message: format!("it is over {INDEX_LIMIT} bytes") });
        }
        Ok(())
    }

    fn read_from(&mut self, input: &mut dyn BufRead, path: &Path, source: usize) -> Result<(), Error> {
        let mut reader = Reader::new(input, Dialect::Index);
        let wrong = |message| Error::Index { path: path.to_owned(), message };
        while let Some(paragraph) = reader.paragraph() {
            let paragraph = paragraph.map_err(|fault| match fault {
                Fault::Io(source) => Error::State(host::Error::io("read", path)(source)),
                fault @ Fault::Line { .. } => wrong(fault.to_string()),
            })?;
            self.push(record(paragraph, source).map_err(wrong)?);
        }
        Ok(())
    }

    fn push(&mut self, record: Record) {
        let number = self.records.len();
        for (name, _) in relation::provided(&record.provides) {
            self.providers.entry(name.to_owned()).or_default().push(number);
        }
        // apt takes the first archive that has a file, so that the first entry counts.
        self.by_path.entry((record.source, record.path.clone())).or_insert(number);
        self.by_name.entry(record.package.name.clone()).or_default().push(number);
        self.records.push(record);
    }

    /// Every package of this name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Record> {
        self.by_name.get(name).into_iter().flatten().map(|number| &self.records[*number])
    }

    /// The names of the packages that provide the virtual package `name`, sorted.
    pub(super) fn providers(&self, name: &str) -> Vec<String> {
        let numbers = self.providers.get(name).into_iter().flatten();
        let mut names: Vec<_> = numbers.map(|number| self.records[*number].package.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The package whose file is at `path` in the archive `source`.
    pub(super) fn at(&self, source: usize, path: &str) -> Option<&Record> {
        self.by_path.get(&(source, path.to_owned())).map(|number| &self.records[*number])
    }

    /// At most three names like `name`, the nearest first.
    pub(super) fn near(&self, name: &str) -> Vec<String> {
        near(name, self.by_name.keys().map(String::as_str))
    }
}

/// At most three of `names` that are like `name`, the nearest first.
///
/// A name is near when few letters differ, or when it is the given one with something added
/// (`redis` and `redis-server`).
pub(super) fn near<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let reach = (name.len() / 3).clamp(1, 3);
    let distance = |other: &str| {
        if other.len().abs_diff(name.len()) <= reach {
            let distance = strsim::osa_distance(name, other);
            return (distance <= reach).then_some(distance);
        }
        let longer = other.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'));
        longer.then(|| reach + other.len() - name.len())
    };
    let mut near: Vec<_> = names.filter_map(|other| distance(other).map(|distance| (distance, other))).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// The fields of a paragraph that count.
#[derive(Default)]
struct Fields<'a> {
    name: &'a str,
    version: &'a str,
    arch: &'a str,
    source: &'a str,
    path: &'a str,
    size: &'a str,
    sha256: &'a str,
    priority: &'a str,
    essential: &'a str,
    provides: &'a str,
    depends: String,
}

fn record(paragraph: &Paragraph, source: usize) -> Result<Record, String> {
    let Fields {
        name,
        version,
        arch,
        source: source_field,
        path,
        size,
        sha256,
        priority,
        essential,
        provides,
        depends,
    } = Fields::of(paragraph)?;
    let wrong = |field: &str, value: &str| {
        let cut: String = value.chars().take(80).collect();
        format!("the field {field} of the package {name:?} is wrong: {cut:?}")
    };
    if !is_package_name(name) {
        return Err(wrong("Package", name));
    }
    if !is_version(version) {
        return Err(wrong("Version", version));
    }
    if arch.is_empty() || !arch.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(wrong("Architecture", arch));
    }
    if !is_relative(path) {
        return Err(wrong("Filename", path));
    }
    let size = size.parse().ok().filter(|size| *size <= DEB_LIMIT).ok_or_else(|| wrong("Size", size))?;
    let sha256 = match sha256 {
        "" => None,
        hex => Some(Digest::from_hex(hex).ok_or_else(|| wrong("SHA256", hex))?),
    };
    let (source_name, source_version) = source_of(name, version, source_field);
    if !is_package_name(source_name) || !is_version(source_version) {
        return Err(wrong("Source", source_field));
    }
    let fields = PackageFields {
        source: source_name.to_owned(),
        source_version: source_version.to_owned(),
        name: name.to_owned(),
        arch: arch.to_owned(),
        version: version.to_owned(),
    };
    Ok(Record {
        package: Package::new(fields).map_err(|fault| wrong("Package", &fault.to_string()))?,
        source,
        path: path.to_owned(),
        size,
        sha256,
        priority: priority.to_owned(),
        essential: essential == "yes",
        depends,
        provides: provides.to_owned(),
    })
}

/// `Source: name (version)`; the version only where it is not the binary's own.
fn source_of<'a>(name: &'a str, version: &'a str, field: &'a str) -> (&'a str, &'a str) {
    let (source, version) = match field.split_once('(') {
        Some((source, version)) => (source.trim(), version.trim_end_matches(')').trim()),
        None => (field, version),
    };
    (if source.is_empty() { name } else { source }, version)
}

impl<'a> Fields<'a> {
    /// In one pass, since a lock looks at a million fields.
    fn of(paragraph: &'a Paragraph) -> Result<Self, String> {
        let mut fields = Self::default();
        let mut lower = [0; "architecture".len()];
        for (name, value) in paragraph.fields() {
            // A longer name is none of these.
            let Some(lower) = lower.get_mut(..name.len()) else { continue };
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            let slot = match &*lower {
                b"package" => &mut fields.name,
                b"version" => &mut fields.version,
                b"architecture" => &mut fields.arch,
                b"source" => &mut fields.source,
                b"filename" => &mut fields.path,
                b"size" => &mut fields.size,
                b"sha256" => &mut fields.sha256,
                b"priority" => &mut fields.priority,
                b"essential" => &mut fields.essential,
                b"provides" => &mut fields.provides,
                // In the order of the file: the reasons in a lock follow it.
                b"depends" | b"pre-depends" => {
                    let comma = if fields.depends.is_empty() { "" } else { ", " };
                    fields.depends.extend([comma, text(name, value)?]);
                    continue;
                }
                _ => continue,
            };
            *slot = text(name, value)?;
        }
        Ok(fields)
    }
}

fn text<'a>(name: &[u8], value: &'a [u8]) -> Result<&'a str, String> {
    std::str::from_utf8(value).map_err(|_| format!("a field {} is not UTF-8", model::path::escape(name)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::super::dependencies;
    use super::*;

    fn index(text: &str) -> Result<Index, Error> {
        let mut index = Index::default();
        index.read_from(&mut text.as_bytes(), Path::new("Packages"), 0).map(|()| index)
    }

    const DIGITS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn paragraph(name: &str, more: &str) -> String {
        format!(
            "Package: {name}\nVersion: 1:2-3\nArchitecture: all\nFilename: pool/{name}_2-3_all.deb\nSize: 12\nSHA256: {DIGITS}\n{more}Description: a\n Filename: forged\n"
        )
    }

    #[test]
    fn fields_are_read_and_continuation_lines_are_not() {
        let more =
            "Source: src (4.5)\nPriority: required\nEssential: yes\nPre-Depends: a\nDepends: b\nProvides: v (= 1), w\n";
        let index = index(&format!("{}\n\n{}", paragraph("one", more), paragraph("two", ""))).unwrap();
        assert_eq!(index.records.len(), 2);
        let one = index.at(0, "pool/one_2-3_all.deb").unwrap();
        assert_eq!((one.package.source.as_str(), one.package.source_version.as_str()), ("src", "4.5"));
        assert!(one.essential && one.depends == "a, b" && one.size == 12 && one.sha256.is_some());
        assert_eq!(index.providers("v"), ["one"]);
        let two = index.named("two").next().unwrap();
        assert_eq!((two.package.source.as_str(), two.package.source_version.as_str()), ("two", "1:2-3"));
    }

    #[test]
    fn odd_fields_count_as_for_apt() {
        let more = "pre-depends: a\nDEPENDS: b,\n c\nPriority: x\npriority: required\nA-name-without-an-end: y\n";
        let index = index(&paragraph("one", more)).unwrap();
        let one = index.named("one").next().unwrap();
        assert_eq!((one.depends.as_str(), one.priority.as_str()), ("a, b,\n c", "required"));
        let names = relation::groups(&one.depends).flat_map(dependencies::names).collect::<Vec<_>>();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn a_hostile_index_is_refused() {
        let good = paragraph("one", "");
        for (from, to) in [
            ("pool/one", "../one"),
            ("pool/one", "/etc/one"),
            ("pool/one", "pool//one"),
            ("Size: 12", "Size: -1"),
            ("Size: 12", "Size: 99999999999999999999"),
            ("Package: one", "Package: -o"),
            ("1:2-3", "1:2-3;id"),
            (DIGITS, "abc"),
            ("Architecture: all", "Architecture: a/b"),
            ("Size: 12", "no colon here"),
            ("Package: one", "Bundle: one"),
            ("Package: one", " Package: one"),
            ("Size: 12", "Size: 12\nSize: -1"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good);
            assert!(matches!(index(&text), Err(Error::Index { .. })), "{to}");
        }
    }

    #[test]
    fn no_damage_to_an_index_makes_the_reader_panic() {
        let more = "Source: src (4.5)\nPre-Depends: a:any (>= 1)\nDepends: b | c [amd64]\nProvides: v (= 1), w\n";
        let good = format!("{}\n{}", paragraph("one", more), paragraph("two", ""));
        let mut random = testkit::Random::from_environment();
        let mut read = 0;
        for _ in 0..20_000 {
            let mut bytes = good.clone().into_bytes();
            for _ in 0..=random.below(3) {
                let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                match random.below(3) {
                    0 => bytes[at] = *random.pick(b"\n :,|()[]=<>~/.-0a\xff"),
                    1 => bytes.truncate(at + 1),
                    _ => drop(bytes.splice(at..at, [b'\n'])),
                }
            }
            let mut index = Index::default();
            if index.read_from(&mut bytes.as_slice(), Path::new("Packages"), 0).is_err() {
                continue;
            }
            read += 1;
            let records: Vec<&Record> = index.records.iter().collect();
            for record in &records {
                assert!(is_relative(&record.path) && index.at(0, &record.path).is_some());
                assert!(index.named(&record.package.name).next().is_some());
                let groups = relation::groups(&record.depends);
                let _ = groups.map(|group| dependencies::satisfied(group, &records)).collect::<Vec<_>>();
                let _ = (index.near(&record.package.name), index.providers(&record.package.name));
            }
        }
        assert!(read > 1000, "only {read} damaged indexes were read");
    }

    #[test]
    fn near_names_are_found() {
        let text =
            ["nginx", "nginx-light", "redis-server", "python3", "g++", "zsh"].map(|n| paragraph(n, "")).join("\n");
        let index = index(&text).unwrap();
        assert_eq!(index.near("ngnix"), ["nginx"]);
        assert_eq!(index.near("redis"), ["redis-server"]);
        assert_eq!(index.near("pyhton3"), ["python3"]);
        assert!(index.near("postgresql").is_empty());
    }
}
