//! Archives that someone made to do harm.

use super::*;

/// What an entry of a forged archive is.
#[derive(Clone)]
struct Forged {
    name: Vec<u8>,
    kind: tar::EntryType,
    content: Vec<u8>,
}

fn file(name: &str, content: &[u8]) -> Forged {
    Forged { name: name.into(), kind: tar::EntryType::Regular, content: content.to_vec() }
}

fn directory(name: &str) -> Forged {
    Forged { name: name.into(), kind: tar::EntryType::Directory, content: Vec::new() }
}

fn forge(entries: &[Forged]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..entry.name.len()].copy_from_slice(&entry.name);
        header.set_entry_type(entry.kind);
        header.set_mode(if entry.name.ends_with(b"/") { 0o755 } else { 0o644 });
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

/// The content of the one object.
const OBJECT: [u8; 100] = [3; 100];

fn small() -> Made {
    make(&[OBJECT.to_vec()])
}

/// A good archive's entries, with one object.
fn good(made: &Made) -> Vec<Forged> {
    let digest = verity::digest(&made.image);
    let object = verity::digest(&OBJECT).object_path();
    vec![
        file(MANIFEST, b"{}"),
        file(DIGEST, digest_file(&digest).as_bytes()),
        file(IMAGE, &made.image),
        directory(OBJECTS),
        directory(&format!("{OBJECTS}{}/", &object[..2])),
        file(&format!("{OBJECTS}{object}"), &OBJECT),
    ]
}

/// What is said of an archive of these bytes; none when it is read.
fn refusal(bytes: &[u8]) -> Option<Error> {
    check(&mut &*bytes, Path::new("forged.tar")).err()
}

fn problem_of(bytes: &[u8]) -> Option<Problem> {
    match refusal(bytes) {
        None => None,
        Some(Error::Archive { problem, .. }) => Some(problem),
        Some(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_good_archive_of_another_maker_is_the_same_bytes_and_is_read() {
    let made = small();
    let mut ours = std::fs::read(made.tar()).unwrap();
    assert_eq!(problem_of(&ours), None);
    assert_eq!(problem_of(&forge(&good(&made))), None);
    let mut entries = good(&made);
    entries[0].content = b"{\"name\":\"x\"}".to_vec();
    let theirs = forge(&entries);
    assert_eq!(ours.len(), theirs.len());
    // All but the times and what sums them up.
    for at in 0..ours.len() {
        if at % 512 >= 136 && at % 512 < 156 {
            ours[at] = theirs[at];
        }
    }
    assert!(ours == theirs);
}

#[test]
fn names_that_no_module_has_are_refused() {
    let made = small();
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
    ] {
        for at in [0, 3, 6] {
            let mut entries = good(&made);
            entries.insert(at, file(&name, b""));
            assert!(matches!(problem_of(&forge(&entries)), Some(Problem::UnknownEntry { .. })), "{name} {at}");
        }
    }
}

#[test]
fn wrong_types_are_refused() {
    use tar::EntryType as Type;
    let made = small();
    let all = [Type::Symlink, Type::Link, Type::Char, Type::Block, Type::Fifo, Type::Continuous, Type::GNUSparse];
    for kind in all.into_iter().chain([Type::Directory, Type::Regular, Type::new(0)]) {
        for index in 0..6 {
            let mut entries = good(&made);
            if entries[index].kind != kind {
                entries[index].kind = kind;
                let problem = problem_of(&forge(&entries));
                assert!(matches!(problem, Some(Problem::EntryType { .. })), "{kind:?} {index}: {problem:?}");
            }
        }
    }
    for kind in [Type::XHeader, Type::XGlobalHeader, Type::GNULongName, Type::GNULongLink] {
        for at in 0..=6 {
            for name in ["././@LongLink", "manifest.json"] {
                let mut entries = good(&made);
                entries.insert(at, Forged { name: name.into(), kind, content: b"manifest.json".into() });
                assert!(problem_of(&forge(&entries)).is_some(), "{kind:?}");
            }
        }
    }
}

#[test]
fn missing_double_and_swapped_entries_are_refused() {
    let made = small();
    for index in 0..6 {
        let mut entries = good(&made);
        let taken = entries.remove(index);
        let problem = problem_of(&forge(&entries));
        assert!(matches!(problem, Some(Problem::MissingEntry { .. } | Problem::Order { .. })), "{problem:?}");
        for at in 0..6 {
            let mut entries = entries.clone();
            entries.insert(at, taken.clone());
            assert_eq!(problem_of(&forge(&entries)).is_none(), at == index);
        }
        let mut entries = good(&made);
        entries.push(taken);
        assert!(matches!(problem_of(&forge(&entries)), Some(Problem::Unused { .. })));
    }
}

#[test]
fn digests_that_do_not_fit_are_refused() {
    let made = small();
    let mut entries = good(&made);
    entries[5].content = vec![4; 100];
    assert!(matches!(problem_of(&forge(&entries)), Some(Problem::ObjectDigest { .. })));
    entries[5].content = vec![3; 99];
    assert!(matches!(problem_of(&forge(&entries)), Some(Problem::Size { size: 100, found: 99, .. })));
    let mut entries = good(&made);
    entries[1].content = digest_file(&VerityDigest::new([0; 32])).into_bytes();
    assert!(matches!(problem_of(&forge(&entries)), Some(Problem::ImageDigest { .. })));
    let digest = verity::digest(&made.image).to_string();
    for text in ["", "sha256:00", "sha256:\n", &digest, &format!("{digest}\n\n"), &format!("{digest}\n\0")] {
        entries[1].content = text.into();
        assert!(matches!(problem_of(&forge(&entries)), Some(Problem::DigestText)), "{text:?}");
    }
    let mut entries = good(&made);
    let unused = [9; 200];
    entries.push(file(&format!("{OBJECTS}{}", verity::digest(&unused).object_path()), &unused));
    assert!(matches!(problem_of(&forge(&entries)), Some(Problem::Unused { .. })));
}

#[test]
fn an_image_that_is_written_in_another_way_is_refused() {
    let made = small();
    let tree = crate::composefs::read(&made.image).unwrap();
    let other = (0..made.image.len()).find_map(|at| {
        let mut other = made.image.clone();
        other[at] ^= 1;
        crate::composefs::read(&other).is_ok_and(|read| read == tree).then_some(other)
    });
    let other = other.unwrap();
    let mut entries = good(&made);
    entries[1].content = digest_file(&verity::digest(&other)).into_bytes();
    entries[2].content = other;
    assert!(matches!(refusal(&forge(&entries)), Some(Error::Image(_))));
}

#[test]
fn an_end_that_is_missing_or_followed_by_something_is_refused() {
    let made = small();
    let bytes = forge(&good(&made));
    for length in 0..bytes.len() {
        if length % 100 == 0 || bytes.len() - length < 3000 {
            assert!(refusal(&bytes[..length]).is_some(), "{length}");
        }
    }
    for more in [1, 512, 1024, 9216] {
        assert_eq!(problem_of(&[&bytes[..], &vec![0; more]].concat()), Some(Problem::End));
    }
    assert_eq!(problem_of(&[&bytes[..], &bytes].concat()), Some(Problem::End));
}

#[test]
fn huge_sizes_are_refused_before_anything_is_allocated() {
    let made = small();
    let good = good(&made);
    let mut at = 0;
    for entry in &good {
        for size in [u64::MAX, u64::MAX - 511, 1 << 62, 1 << 40, (4 << 20) + 1] {
            let mut bytes = forge(&good);
            let mut header = tar::Header::from_byte_slice(&bytes[at..at + 512]).clone();
            header.set_size(size);
            header.set_cksum();
            bytes[at..at + 512].copy_from_slice(header.as_bytes());
            let problem = problem_of(&bytes);
            let is_right = matches!(problem, Some(Problem::TooLarge { .. } | Problem::Size { .. } | Problem::End));
            assert!(is_right, "{size} {problem:?}");
        }
        at += 512 + entry.content.len().next_multiple_of(512);
    }
}

/// Makes the sum of the header at `at` good again.
fn sum(bytes: &mut [u8], at: usize) {
    let mut header = tar::Header::from_byte_slice(&bytes[at..at + 512]).clone();
    header.set_cksum();
    bytes[at..at + 512].copy_from_slice(header.as_bytes());
}

fn archive_of(bytes: &[u8]) -> Archive {
    check(&mut &*bytes, Path::new("good.tar")).unwrap()
}

#[test]
fn no_bit_of_a_header_and_of_the_padding_is_free() {
    let made = small();
    let bytes = std::fs::read(made.tar()).unwrap();
    let archive = archive_of(&bytes);
    let mut random = testkit::Random::from_environment();
    let mut fields = std::collections::BTreeSet::new();
    for index in 0..6 {
        let (at, end) = (archive.boundaries[index] as usize, archive.boundaries[index + 1] as usize);
        for byte in 0..512 {
            // What stands behind the image is reached only after it was read, which takes its time.
            for bit in if index == 0 { 0..8 } else { random.below(8)..9 }.take(if index == 0 { 8 } else { 1 }) {
                let mut mutant = bytes.clone();
                mutant[at + byte] ^= 1 << bit;
                if !(148..156).contains(&byte) {
                    sum(&mut mutant, at);
                }
                match check(&mut &*mutant, Path::new("mutant")) {
                    Err(Error::Archive { problem: Problem::Header { field, .. }, .. }) => drop(fields.insert(field)),
                    Err(_) => {}
                    // A longer manifest with zeros behind it, which is another one and no JSON.
                    Ok(read) if index == 0 && (124..136).contains(&byte) && read.manifest != archive.manifest => {}
                    Ok(_) => panic!("bit {bit} of byte {byte} of header {index} is free"),
                }
            }
        }
        let content = tar::Header::from_byte_slice(&bytes[at..at + 512]).entry_size().unwrap() as usize;
        let padding = at + 512 + content..end.min(bytes.len() - 1024);
        for byte in padding.step_by(if index == 0 { 1 } else { 97 }) {
            let mut mutant = bytes.clone();
            mutant[byte] = 1;
            assert!(matches!(problem_of(&mutant), Some(Problem::Padding { .. })));
        }
    }
    for field in ["mode", "owner", "group", "time", "checksum", "link target", "format", "name of the owner"] {
        assert!(fields.contains(field), "{field}: {fields:?}");
    }
    // The times of all entries together are another time.
    let mut other = bytes;
    for at in &archive.boundaries[..6] {
        let at = *at as usize;
        other[at + 146] ^= 1;
        sum(&mut other, at);
    }
    assert_ne!(archive_of(&other).epoch.seconds(), 1_700_000_000);
}

/// The archive as it is compressed, and frames of the zstd library's own making.
fn packed(made: &Made) -> Vec<u8> {
    let path = made.directory.path().join("packed");
    let digest = verity::digest(&made.image);
    let directory = made.dir();
    let place = Place { directory: &directory, name: "packed" };
    write(&made.plan(&digest), Targets { tar: None, packed: Some((place, LEVEL)) }).unwrap();
    std::fs::read(path).unwrap()
}

fn frame(bytes: &[u8], change: impl FnOnce(&mut zstd::bulk::Compressor<'_>)) -> Vec<u8> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).unwrap();
    compressor.include_checksum(true).unwrap();
    change(&mut compressor);
    compressor.compress(bytes).unwrap()
}

#[test]
fn frames_that_are_not_the_writers_are_refused() {
    let made = make(&[OBJECT.to_vec(), testkit::Random::from_environment().bytes(5 << 20)]);
    let good = packed(&made);
    let plain = std::fs::read(made.tar()).unwrap();
    assert_eq!(problem_of(&good), None);
    let fault = |bytes: &[u8]| match problem_of(bytes) {
        Some(Problem::Frame { fault }) => fault,
        other => panic!("{other:?}"),
    };
    let cut = cuts_of(&plain);
    let whole = |change: fn(&mut zstd::bulk::Compressor<'_>)| -> Vec<u8> {
        cut.iter().flat_map(|range| frame(&plain[range.clone()], change)).collect()
    };
    assert!(whole(|_| ()) == good);
    assert_eq!(problem_of(&whole(|one| one.set_compression_level(9).unwrap())), None, "the level is free");
    assert_eq!(fault(&whole(|one| one.include_checksum(false).unwrap())), FrameFault::Header);
    assert_eq!(fault(&whole(|one| one.include_contentsize(false).unwrap())), FrameFault::Header);
    assert_eq!(fault(&zstd::encode_all(&*plain, 3).unwrap()), FrameFault::Header);
    assert_eq!(fault(&frame(&plain, |_| ())), FrameFault::Cut);
    let halves: Vec<u8> = plain.chunks(1 << 19).flat_map(|part| frame(part, |_| ())).collect();
    assert_eq!(fault(&halves), FrameFault::Cut);
    let bytes: Vec<u8> = plain.chunks(1).take(9000).flat_map(|part| frame(part, |_| ())).collect();
    assert_eq!(fault(&bytes), FrameFault::Cut);
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
    assert_eq!(problem_of(&[&good[..], &skipped].concat()), Some(Problem::Frame { fault: FrameFault::Foreign }));
    assert!(problem_of(&[&skipped[..], &good].concat()).is_some());
    assert!(refusal(&[&good[..], &good].concat()).is_some());
    assert_eq!(fault(&[&good[..], &frame(b"", |_| ())].concat()), FrameFault::Cut);
    assert_eq!(problem_of(&[&good[..], &frame(b"x", |_| ())].concat()), Some(Problem::End));
    for more in [&b"x"[..], b"text after the end"] {
        assert_eq!(fault(&[&good[..], more].concat()), FrameFault::Foreign);
    }
    for length in (0..good.len()).step_by(good.len() / 50) {
        assert!(refusal(&good[..length]).is_some(), "{length}");
    }
}

fn cuts_of(plain: &[u8]) -> Vec<std::ops::Range<usize>> {
    let archive = archive_of(plain);
    frames::cuts(&archive.boundaries).iter().map(|cut| cut.start as usize..cut.end as usize).collect()
}

#[test]
fn what_unpacks_to_more_than_the_image_says_ends_at_once() {
    // A stream without end: whoever reads on to see how large it gets never comes back.
    struct Endless(std::io::Cursor<Vec<u8>>, Vec<u8>, u64);
    impl std::io::Read for Endless {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let mut count = self.0.read(out)?;
            if count == 0 {
                self.0 = std::io::Cursor::new(self.1.clone());
                count = self.0.read(out)?;
            }
            self.2 += count as u64;
            assert!(self.2 < 64 << 20, "it reads on and on");
            Ok(count)
        }
    }
    let made = small();
    let zeros = frame(&vec![0; 2 << 20], |_| ());
    for start in [Vec::new(), packed(&made)] {
        let mut input = Endless(std::io::Cursor::new(start), zeros.clone(), 0);
        assert!(check(&mut input, Path::new("endless")).is_err());
    }
}

#[test]
fn no_flipped_byte_makes_it_panic_or_give_other_content() {
    let mut random = testkit::Random::from_environment();
    let made = small();
    let plain = std::fs::read(made.tar()).unwrap();
    let manifest = plain.windows(12).position(|part| part == b"{\"name\":\"x\"}").unwrap();
    for original in [&plain, &packed(&made)] {
        for _ in 0..300 {
            let mut mutant = original.clone();
            for _ in 0..=random.below(3) {
                let at = usize::try_from(random.below(mutant.len() as u64)).unwrap();
                mutant[at] ^= 1 << random.below(8);
            }
            if let Ok(archive) = check(&mut &*mutant, Path::new("mutant")) {
                // Nothing but a manifest vouches for a manifest.
                let is_plain = mutant.starts_with(MANIFEST.as_bytes());
                assert!(
                    !is_plain || mutant[manifest..manifest + 12] != plain[manifest..manifest + 12] || mutant == plain
                );
                assert_eq!(archive.image, made.image);
                assert_eq!(archive.objects.len(), 1);
            }
        }
    }
}

#[test]
fn a_reading_error_is_one_of_the_outside_world() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(5))
        }
    }
    assert!(matches!(check(&mut Broken, Path::new("x")), Err(Error::Host(host::Error::Io { .. }))));
}
