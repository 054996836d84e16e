//! Archives that somebody made to do harm.

use std::path::Path;

use super::*;

/// What an entry of a forged archive is.
struct Forged {
    name: Vec<u8>,
    kind: tar::EntryType,
    content: Vec<u8>,
}

fn file(name: &str, content: &[u8]) -> Forged {
    Forged { name: name.into(), kind: tar::EntryType::Regular, content: content.to_vec() }
}

fn forge(entries: &[Forged]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..entry.name.len()].copy_from_slice(&entry.name);
        header.set_entry_type(entry.kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&entry.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// A good archive's entries, with one object.
fn good(made: &Made) -> Vec<Forged> {
    let object = [3; 100];
    let digest = verity::digest(&made.image);
    vec![
        file(MANIFEST, b"{}"),
        file(DIGEST, digest_file(&digest).as_bytes()),
        file(IMAGE, &made.image),
        file(&format!("{OBJECTS}{}", verity::digest(&object).object_path()), &object),
    ]
}

fn problem_of(made: &Made, bytes: &[u8]) -> Option<Problem> {
    let path = made.directory.path().join("forged.tar");
    std::fs::write(&path, bytes).unwrap();
    match read(&path, &options(made)) {
        Ok(_) => None,
        Err(Error::Archive { problem, .. }) => Some(problem),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_good_archive_of_another_maker_is_read() {
    let made = make(&[vec![3; 100]], 1);
    assert_eq!(problem_of(&made, &forge(&good(&made))), None);
}

#[test]
fn names_that_no_module_has_are_refused() {
    let made = make(&[vec![3; 100]], 1);
    let digits = "a".repeat(62);
    for name in [
        "etc/passwd".into(),
        "../manifest.json".into(),
        "./manifest.json".into(),
        "/manifest.json".into(),
        "manifest.json/".into(),
        "objects/../objects/aa/".into(),
        "objects/AA/".into(),
        "objects/aa".into(),
        "objects/aaa/".into(),
        format!("objects/aa/{}", digits.to_uppercase()),
        format!("objects/aa/{digits}a"),
        format!("objects/aa/{}", &digits[1..]),
        format!("objects//aa/{digits}"),
        String::new(),
    ] {
        let mut entries = good(&made);
        entries.push(file(&name, b""));
        assert!(matches!(problem_of(&made, &forge(&entries)), Some(Problem::UnknownEntry { .. })), "{name}");
    }
}

#[test]
fn wrong_types_are_refused() {
    use tar::EntryType as Type;
    let made = make(&[vec![3; 100]], 1);
    for kind in [Type::Symlink, Type::Link, Type::Char, Type::Block, Type::Fifo, Type::Directory, Type::GNUSparse] {
        for index in 0..4 {
            let mut entries = good(&made);
            entries[index].kind = kind;
            entries[index].content.clear();
            let problem = problem_of(&made, &forge(&entries));
            assert!(matches!(problem, Some(Problem::EntryType { .. })), "{kind:?} {index}: {problem:?}");
        }
    }
    for kind in [Type::XHeader, Type::XGlobalHeader, Type::GNULongName, Type::GNULongLink] {
        let mut entries = good(&made);
        entries.insert(0, Forged { name: b"././@LongLink".into(), kind, content: b"manifest.json".into() });
        assert!(problem_of(&made, &forge(&entries)).is_some(), "{kind:?}");
    }
    let mut entries = good(&made);
    entries.push(file("objects/aa/", b""));
    assert!(matches!(problem_of(&made, &forge(&entries)), Some(Problem::EntryType { .. })));
}

#[test]
fn missing_and_double_entries_are_refused() {
    let made = make(&[vec![3; 100]], 1);
    for index in 0..4 {
        let mut entries = good(&made);
        entries.remove(index);
        let problem = problem_of(&made, &forge(&entries));
        assert!(
            matches!(problem, Some(Problem::MissingEntry { .. } | Problem::MissingObject { size: 100, .. })),
            "{problem:?}"
        );
        let mut entries = good(&made);
        let double = file(std::str::from_utf8(&entries[index].name).unwrap(), &entries[index].content);
        entries.push(double);
        assert!(matches!(problem_of(&made, &forge(&entries)), Some(Problem::DuplicateEntry { .. })));
    }
}

#[test]
fn digests_that_do_not_fit_are_refused() {
    let made = make(&[vec![3; 100]], 1);
    let mut entries = good(&made);
    entries[3].content = vec![4; 100];
    assert!(matches!(problem_of(&made, &forge(&entries)), Some(Problem::ObjectDigest { .. })));
    entries[3].content = vec![3; 99];
    assert!(matches!(problem_of(&made, &forge(&entries)), Some(Problem::MissingObject { size: 100, .. })));
    let mut entries = good(&made);
    entries[1].content = digest_file(&VerityDigest::new([0; 32])).into_bytes();
    assert!(matches!(problem_of(&made, &forge(&entries)), Some(Problem::ImageDigest { .. })));
    for text in ["", "sha256:00", "sha256:\n"] {
        entries[1].content = text.into();
        assert!(matches!(problem_of(&made, &forge(&entries)), Some(Problem::DigestText)));
    }
    let mut entries = good(&made);
    let unused = [9; 200];
    entries.push(file(&format!("{OBJECTS}{}", verity::digest(&unused).object_path()), &unused));
    assert!(matches!(problem_of(&made, &forge(&entries)), Some(Problem::UnusedObject { .. })));
}

#[test]
fn an_end_that_is_missing_or_followed_by_something_is_refused() {
    let made = make(&[vec![3; 100]], 1);
    let bytes = forge(&good(&made));
    for cut in [1, 512, 513, 1024, 1025, 1500, 1537] {
        let path = made.directory.path().join("cut.tar");
        std::fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        assert!(read(&path, &options(&made)).is_err(), "{cut}");
    }
    let mut tail = bytes.clone();
    tail.extend_from_slice(&[0; 9216]);
    assert_eq!(problem_of(&made, &tail), None);
    tail.push(1);
    assert_eq!(problem_of(&made, &tail), Some(Problem::End));
    let mut tail = bytes;
    tail.resize(tail.len() + (2 << 20), 0);
    assert_eq!(problem_of(&made, &tail), Some(Problem::End));
}

#[test]
fn huge_sizes_are_refused_before_anything_is_allocated() {
    let made = make(&[vec![3; 100]], 1);
    for size in [u64::MAX, u64::MAX - 511, 1 << 62, 1 << 40, (4 << 20) + 1] {
        for index in 0..4 {
            let mut bytes = forge(&good(&made));
            let offsets = entry_offsets(&good(&made));
            let header = &mut bytes[offsets[index]..offsets[index] + 512];
            let mut changed = tar::Header::from_byte_slice(header).clone();
            changed.set_size(size);
            changed.set_cksum();
            header.copy_from_slice(changed.as_bytes());
            let path = made.directory.path().join("huge.tar");
            std::fs::write(&path, &bytes).unwrap();
            assert!(read(&path, &options(&made)).is_err(), "{size} {index}");
        }
    }
}

fn entry_offsets(entries: &[Forged]) -> Vec<usize> {
    let mut offset = 0;
    entries
        .iter()
        .map(|entry| {
            let this = offset;
            offset += 512 + entry.content.len().next_multiple_of(512);
            this
        })
        .collect()
}

#[test]
fn no_flipped_byte_makes_it_panic_or_give_other_content() {
    let mut random = testkit::Random::from_environment();
    let made = make(&[vec![3; 100]], 1);
    let bytes = forge(&good(&made));
    let packed = zstd::encode_all(&*bytes, 3).unwrap();
    let path = made.directory.path().join("mutant");
    for original in [&bytes, &packed] {
        for _ in 0..600 {
            let mut mutant = original.clone();
            for _ in 0..=random.below(3) {
                let at = usize::try_from(random.below(mutant.len() as u64)).unwrap();
                mutant[at] ^= 1 << random.below(8);
            }
            std::fs::write(&path, &mutant).unwrap();
            if let Ok(archive) = read(&path, &options(&made)) {
                assert_eq!(archive.image, made.image);
                assert_eq!(archive.objects.len(), 1);
            }
        }
    }
}

#[test]
fn what_is_no_regular_file_is_refused() {
    let made = make(&[vec![3; 100]], 1);
    assert!(read(made.directory.path(), &options(&made)).is_err());
    assert!(read(Path::new("/dev/zero"), &options(&made)).is_err());
    assert!(read(&made.directory.path().join("nothing"), &options(&made)).is_err());
}
