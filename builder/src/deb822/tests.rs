#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::io::BufReader;

use super::*;

/// Each paragraph as `name=value` with `;` between, or its fault.
fn read(text: impl AsRef<[u8]>, dialect: Dialect) -> Vec<String> {
    // Few bytes at a time, so that a line comes in pieces.
    let mut reader = Reader::new(BufReader::with_capacity(3, text.as_ref()), dialect);
    let mut all = Vec::new();
    while let Some(paragraph) = reader.paragraph() {
        all.push(match paragraph {
            Ok(paragraph) => {
                let field = |(name, value): (&[u8], &[u8])| format!("{}={}", name.escape_ascii(), value.escape_ascii());
                paragraph.fields().map(field).collect::<Vec<_>>().join(";")
            }
            Err(fault) => fault.to_string(),
        });
    }
    all
}

#[test]
fn each_form_of_a_text_has_its_paragraphs() {
    use Dialect::{Control, Index, Sources};
    let cases: &[(&str, Dialect, &[&str])] = &[
        ("", Index, &[]),
        ("\n\n\n", Control, &[]),
        ("A: b", Control, &["A=b"]),
        ("\n\nA: b\n\n\n\nC: d\n\n", Index, &["A=b", "C=d"]),
        ("A:b \n\nA:\n\nA:\t b\t\n", Index, &["A=b", "A=", "A=b"]),
        ("A: b: c\n d:e\n .\n\tf  \n", Control, &["A=b: c\\n d:e\\n .\\n\\tf  "]),
        ("A:\n /x 1\n", Control, &["A=\\n /x 1"]),
        // Lines that end as another system's do. The line between is as empty for apt, and not for dpkg.
        ("A: b\r\n\r\nC: d\r\n", Index, &["A=b", "C=d"]),
        // apt: the last counts. dpkg: an error.
        ("A: b\na: c\n", Index, &["A=b;a=c"]),
        ("A: b\na: c\n\nD: e\n", Control, &["line 2 has a field that comes twice", "D=e"]),
        // apt and dpkg: no end of a paragraph. dpkg warns besides.
        ("A: b\n \t\nC: d\n", Index, &["A=b\\n \\t;C=d"]),
        ("A: b\n \nC: d\n", Control, &["line 2 holds nothing but blanks"]),
        (" \t\nA: b\n", Sources, &["A=b"]),
        (" x\nA: b\n", Index, &["line 1 continues no field"]),
        ("A: b\nrubbish\nC: d\n x\n\nE: f\n", Index, &["line 2 has no colon", "E=f"]),
        (": b\n", Index, &["line 1 has no usable name of a field"]),
        ("A : b\n-C: d\n", Index, &["A=b;-C=d"]),
        ("A : b\n", Control, &["line 1 has no usable name of a field"]),
        ("-A: b\n", Control, &["line 1 has no usable name of a field"]),
        ("#A: b\n#c\n", Index, &["line 2 has no colon"]),
        ("#c\nA: b\n# c\n d\n#\n\n#c\n\n#c", Sources, &["A=b\\n d"]),
        ("A: b#c\n #d\n", Sources, &["A=b#c\\n #d"]),
        ("A: \0b\n", Control, &["A=\\x00b"]),
        ("A\0: b\n", Control, &["line 1 has no usable name of a field"]),
    ];
    for (text, dialect, wanted) in cases {
        assert_eq!(read(text, *dialect), *wanted, "{text:?} {dialect:?}");
    }
    assert_eq!(read(b"A: \xf6\nB\xf6: c\n", Index), ["A=\\xf6;B\\xf6=c"]);
}

#[test]
fn a_field_is_found_in_any_case_and_the_last_counts() {
    let mut reader = Reader::new(&b"Package: a\nVERSION: 1\nversion: 2\nX: \xf6"[..], Dialect::Index);
    let paragraph = reader.paragraph().unwrap().unwrap();
    assert_eq!(paragraph.get("package"), Some(&b"a"[..]));
    assert_eq!(paragraph.get("Version"), Some(&b"2"[..]));
    assert_eq!((paragraph.text("x").unwrap().as_ref(), paragraph.get("Y")), ("\u{fffd}", None));
    assert!(reader.paragraph().is_none() && reader.paragraph().is_none());
}

#[test]
fn a_long_field_is_read_and_one_without_end_is_not() {
    let long = |size| format!("A: {}\n\nB: c\n", "x".repeat(size)).into_bytes();
    let first = |text: &[u8]| Reader::new(text, Dialect::Control).paragraph().unwrap().map(|found| found.text.len());
    assert_eq!(read(long(2 << 20), Dialect::Index)[0].len(), (2 << 20) + 2);
    // The name and its end count, too.
    assert_eq!(first(&long(PARAGRAPH_LIMIT - 3)).unwrap(), PARAGRAPH_LIMIT + 1);
    let fault = "line 1 is in a paragraph of more than 64 MiB";
    assert_eq!(first(&long(PARAGRAPH_LIMIT - 2)).unwrap_err().to_string(), fault);
    let mut endless = Reader::new(BufReader::new(io::repeat(b'x')), Dialect::Index);
    assert_eq!(endless.paragraph().unwrap().unwrap_err().to_string(), fault);
    assert!(endless.paragraph().is_none());
    // In many lines, too.
    let mut endless = Reader::new(BufReader::new((&b"A: b\n"[..]).chain(Lines)), Dialect::Index);
    assert!(endless.paragraph().unwrap().unwrap_err().to_string().ends_with("more than 64 MiB"));
    let fields = |count: usize| (0..count).map(|number| format!("F{number}:\n")).collect::<String>();
    assert!(read(fields(FIELD_LIMIT), Dialect::Index)[0].ends_with("F999="));
    assert_eq!(read(fields(FIELD_LIMIT + 1), Dialect::Index), ["line 1001 is in a paragraph of more than 1000 fields"]);
}

/// Continued lines without end.
struct Lines;

impl io::Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let whole = buffer.len() - buffer.len() % 4;
        buffer[..whole].chunks_exact_mut(4).for_each(|line| line.copy_from_slice(b" xy\n"));
        Ok(whole)
    }
}

#[test]
fn what_cannot_be_read_ends_the_reading() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let mut reader = Reader::new(BufReader::new((&b"A: b\n\nC: d"[..]).chain(Broken)), Dialect::Index);
    assert!(reader.paragraph().unwrap().is_ok());
    assert!(matches!(reader.paragraph(), Some(Err(Fault::Io(_)))));
    assert!(reader.paragraph().is_none());
}

#[test]
fn no_damage_makes_the_reader_panic_or_stop_early() {
    let good = b"# c\nA: b\n c\n .\n\nPackage: x\r\nDepends: y\n \n\n\n-D: e\nF : g\n\tz\n";
    let mut random = testkit::Random::from_environment();
    for _ in 0..20_000 {
        let mut bytes = good.to_vec();
        for _ in 0..=random.below(4) {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            bytes[at] = *random.pick(b"\n \t\r:#-.a\0\xff");
        }
        let end = *random.pick(&[&b"\n\nLast: z"[..], b"\n\nLast: z\n"]);
        bytes.extend(end);
        for dialect in [Dialect::Index, Dialect::Sources, Dialect::Control] {
            assert_eq!(read(&bytes, dialect).last().unwrap(), "Last=z", "{}", bytes.escape_ascii());
        }
    }
}
