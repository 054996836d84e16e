//! A text of paragraphs, read in each way: what was read can be written and gives the same again, in one piece or in
//! many, and each relation in it is a part of its text.

#![no_main]

use std::io::BufReader;

use std::path::PathBuf;

use builder::apt::host_sources;
use builder::deb822::{Dialect, FIELD_LIMIT, Reader};
use builder::dpkg::parse_status;
use builder::relation::{Relation, alternatives, groups, provided};
use libfuzzer_sys::fuzz_target;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Each paragraph, or nothing for a damaged one. `piece` is how much is there at once.
fn read(bytes: &[u8], dialect: Dialect, piece: usize) -> Vec<Option<Fields>> {
    let mut reader = Reader::new(BufReader::with_capacity(piece, bytes), dialect);
    let mut all = Vec::new();
    while let Some(paragraph) = reader.paragraph() {
        let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
        all.push(paragraph.ok().map(|paragraph| paragraph.fields().map(owned).collect()));
    }
    all
}

fn write(fields: &Fields) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| [name.as_slice(), b": ", value, b"\n"].concat()).collect()
}

fuzz_target!(|bytes: &[u8]| {
    for dialect in [Dialect::Index, Dialect::Sources, Dialect::Control] {
        let all = read(bytes, dialect, 1 << 16);
        assert_eq!(read(bytes, dialect, 1), all);
        for fields in all.into_iter().flatten() {
            assert!((1..=FIELD_LIMIT).contains(&fields.len()));
            assert_eq!(read(&write(&fields), dialect, 1 << 16), [Some(fields)]);
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = parse_status(bytes);
    let files = ["x.sources", "x.list"].map(|name| (PathBuf::from(name), Ok(text.to_string())));
    let sources = host_sources(&files, &|_| Some(text.to_string()));
    assert!(sources.debian("trixie", None).archives.iter().all(|found| model::archive::uri(&found.uri).is_ok()));
    for relation in groups(&text).flat_map(alternatives) {
        assert!(!relation.name.is_empty() && relation.accepts(None) == relation.version.is_none());
        assert_eq!(Relation::parse(relation.name).map(|again| again.name), Some(relation.name));
        let _ = relation.accepts(Some("1:2~rc1-3"));
    }
    assert!(provided(&text).all(|(name, _)| text.contains(name)));
});
