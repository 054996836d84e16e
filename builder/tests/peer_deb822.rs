//! The reader of paragraphs against dpkg's own, over the host's database and the largest of its package lists.

#![allow(clippy::disallowed_methods, reason = "a test reads what the host and the test itself wrote")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use builder::deb822::{Dialect, Reader};
use builder::dpkg::{State, parse_status};
use testkit::run;

/// Fields of one line, which dpkg gives back as they are; of several; and in another letter case.
const FIELDS: [&str; 14] = [
    "Package",
    "Version",
    "Architecture",
    "Status",
    "Source",
    "Maintainer",
    "Section",
    "Priority",
    "Pre-Depends",
    "Depends",
    "Provides",
    "Homepage",
    "Conffiles",
    "tag",
];

/// What dpkg reads: for each package the values of `fields`.
fn dpkg(database: &Path, fields: &[&str]) -> BTreeSet<Vec<Vec<u8>>> {
    // What no text holds stands between.
    let format = fields.iter().map(|field| format!("${{{field}}}\u{1}")).collect::<String>() + "\u{2}";
    let mut query = Command::new("dpkg-query");
    let shown = run(query.arg("--admindir").arg(database).args(["-W", "-f", &format])).stdout;
    let row = |row: &[u8]| {
        row.split(|byte| *byte == 1).take(fields.len()).map(|value| value.trim_ascii_start().to_vec()).collect()
    };
    shown.split(|byte| *byte == 2).filter(|row| !row.is_empty()).map(row).collect()
}

/// What our reader reads, by name and architecture.
fn ours(status: &[u8], fields: &[&str]) -> BTreeMap<Vec<Vec<u8>>, Vec<Vec<u8>>> {
    let mut reader = Reader::new(status, Dialect::Index);
    let mut rows = BTreeMap::new();
    while let Some(paragraph) = reader.paragraph() {
        let paragraph = paragraph.unwrap();
        // dpkg gives a list back without the line break before it, a version without an epoch of zero, and what is
        // gone not at all.
        let get = |field: &&str| {
            let value = paragraph.get(field).unwrap_or_default().trim_ascii_start();
            value.strip_prefix(b"0:").unwrap_or(value).to_vec()
        };
        if get(&"Status").ends_with(b" not-installed") {
            continue;
        }
        rows.insert(["Package", "Architecture"].iter().map(get).collect(), fields.iter().map(get).collect());
    }
    rows
}

#[test]
fn the_hosts_database_is_what_dpkg_says() {
    let database = Path::new("/var/lib/dpkg");
    let status = fs::read(database.join("status")).unwrap();
    let wanted = dpkg(database, &FIELDS);
    assert!(wanted.len() > 100, "{}", wanted.len());
    let found: BTreeSet<_> = ours(&status, &FIELDS).into_values().collect();
    let differ: Vec<_> = found.symmetric_difference(&wanted).take(4).collect();
    assert!(differ.is_empty(), "{differ:?}");
    let fields = ["Package", "Architecture", "Version", "source:Package", "source:Version"];
    let found = parse_status(&status).unwrap().into_iter().filter(|installed| installed.state != State::NotInstalled);
    let found = found.map(|installed| {
        let builder::dpkg::Installed { package, .. } = installed;
        let fields = [&package.name, &package.arch, &package.version, &package.source, &package.source_version];
        fields.map(|field| field.as_bytes().to_vec()).to_vec()
    });
    assert_eq!(found.collect::<BTreeSet<_>>(), dpkg(database, &fields));
}

#[test]
fn a_package_list_of_debian_is_what_dpkg_says() {
    let mut targets = Command::new("apt-get");
    let targets = run(targets.args(["indextargets", "--format", "$(FILENAME)", "Created-By: Packages"])).stdout;
    let targets = String::from_utf8(targets).unwrap();
    let size = |file: &&str| fs::metadata(file).map_or(0, |metadata| metadata.len());
    let largest = targets.lines().max_by_key(size).expect("the host's apt has lists: run apt-get update");
    let list = run(Command::new("/usr/lib/apt/apt-helper").args(["cat-file", largest])).stdout;
    // A list becomes a database: with one version of each package, with a state, and without what dpkg takes in its
    // file of available packages only.
    let list = String::from_utf8(list).unwrap();
    let name = |paragraph: &str| paragraph.lines().next().unwrap_or_default().to_owned();
    let mut known = BTreeSet::new();
    let mut status = String::new();
    for paragraph in list.split("\n\n").filter(|paragraph| !paragraph.is_empty() && known.insert(name(paragraph))) {
        let is_for_lists =
            |line: &str| ["Filename:", "Size:", "MD5sum:", "SHA256:"].iter().any(|name| line.starts_with(name));
        for line in paragraph.lines().filter(|line| !is_for_lists(line)) {
            status.push_str(line);
            status.push('\n');
        }
        status.push_str("Status: install ok installed\n\n");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("info")).unwrap();
    fs::create_dir_all(folder.path().join("updates")).unwrap();
    fs::write(folder.path().join("status"), &status).unwrap();
    let wanted = dpkg(folder.path(), &FIELDS);
    assert!(wanted.len() > 1000, "{}", wanted.len());
    let found: BTreeSet<_> = ours(status.as_bytes(), &FIELDS).into_values().collect();
    let differ: Vec<_> = found.symmetric_difference(&wanted).take(4).collect();
    assert!(differ.is_empty(), "{differ:?}");
}
