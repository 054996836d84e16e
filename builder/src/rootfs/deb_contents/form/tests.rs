#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use testkit::Random;

use super::*;

fn number(random: &mut Random) -> u64 {
    let bits = random.bits();
    *random.pick(&[0, 1, bits, u64::MAX])
}

/// Names of all kinds of bytes.
fn path(random: &mut Random) -> ImagePath {
    let depth = random.below(4);
    let name = |random: &mut Random| {
        let length = usize::try_from(1 + random.below(12)).unwrap();
        random.bytes(length).into_iter().map(|byte| if b"\0/".contains(&byte) { b'x' } else { byte }).collect()
    };
    let names: Vec<Vec<u8>> = (0..depth).map(|_| name(random)).collect();
    ImagePath::new(names.join(&b'/')).unwrap_or_else(|_| ImagePath::root())
}

fn entry(random: &mut Random) -> DebEntry {
    let (major, minor) = (random.bits().to_be_bytes(), number(random).to_be_bytes());
    let (major, minor) = (u32::from(major[0]), u32::from_be_bytes(*minor.first_chunk().unwrap()));
    let kinds = [
        DebKind::Directory,
        DebKind::Regular,
        DebKind::Symlink(random.bytes(usize::try_from(major % 9).unwrap()).into()),
        DebKind::HardLink(path(random)),
        DebKind::CharDevice(major, minor),
        DebKind::BlockDevice(minor, major),
        DebKind::Fifo,
    ];
    let kind = random.pick(&kinds).clone();
    DebEntry {
        path: path(random),
        size: if kind == DebKind::Regular { number(random) } else { 0 },
        kind,
        mode: u16::try_from(random.below(0o10000)).unwrap(),
        uid: minor,
        gid: major,
        mtime: number(random),
    }
}

fn listing(random: &mut Random) -> DebContents {
    let control = Control::parse("Package: demo\nDepends: a, b\nDescription: ü\n more\n .\n").unwrap();
    let scripts = SCRIPTS.iter().filter(|_| random.one_in(2)).map(|name| (*name).to_owned()).collect();
    let conffiles = (0..random.below(4)).map(|_| path(random)).collect();
    let entries = (0..random.below(20)).map(|_| entry(random)).collect();
    DebContents { metadata: Metadata { control, maintainer_scripts: scripts, conffiles }, entries }
}

fn deb() -> Digest {
    Digest::of(b"a package")
}

/// The same bytes with the right sum.
fn summed(body: &[u8]) -> Vec<u8> {
    [body, Digest::of(body).as_bytes()].concat()
}

#[test]
fn what_was_written_is_read_and_belongs_to_one_package() {
    let mut random = Random::from_environment();
    for _ in 0..500 {
        let listing = listing(&mut random);
        let bytes = encode(&listing, &deb()).unwrap();
        assert_eq!(decode(&bytes, &deb()), Some(listing));
        assert_eq!(decode(&bytes, &Digest::of(b"another")), None);
    }
}

#[test]
fn damaged_bytes_are_as_good_as_none() {
    let mut random = Random::from_environment();
    for _ in 0..100 {
        let good = encode(&listing(&mut random), &deb()).unwrap();
        for length in [0, 1, 11, 44, good.len() - 1] {
            assert_eq!(decode(&good[..length], &deb()), None);
        }
        assert_eq!(decode(&[&good[..], &[0]].concat(), &deb()), None);
        for _ in 0..20 {
            let mut bad = good.clone();
            bad[usize::try_from(random.below(good.len() as u64)).unwrap()] ^= 1 << random.below(8);
            assert_eq!(decode(&bad, &deb()), None);
        }
    }
}

#[test]
fn bytes_with_a_right_sum_are_the_one_form_of_a_listing_or_none() {
    let mut random = Random::from_environment();
    let mut read = 0;
    for _ in 0..300 {
        let good = encode(&listing(&mut random), &deb()).unwrap();
        for _ in 0..20 {
            let mut body = good[..good.len() - SUM].to_vec();
            for _ in 0..=random.below(3) {
                body[44..].rotate_left(usize::from(random.one_in(8)));
                let place = 44 + usize::try_from(random.below(body.len() as u64 - 44)).unwrap();
                body[place] = random.bits().to_be_bytes()[0];
            }
            let bytes = summed(&body);
            if let Some(listing) = decode(&bytes, &deb()) {
                read += 1;
                assert_eq!(encode(&listing, &deb()).unwrap(), bytes);
            }
        }
    }
    assert!(read > 100, "only {read} of these were read");
}

/// A listing of one directory, in pieces: everything before the configuration files, these, the entry.
fn pieces() -> [Vec<u8>; 3] {
    let control = Control::parse("Package: demo").unwrap();
    let entry = DebEntry {
        path: ImagePath::new("/etc").unwrap(),
        kind: DebKind::Directory,
        size: 0,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: 1,
    };
    let metadata = Metadata { control, ..Metadata::default() };
    let bytes = encode(&DebContents { metadata, entries: vec![entry] }, &deb()).unwrap();
    // Magic, version and .deb; the control file's text; the scripts.
    let (head, rest) = bytes[..bytes.len() - SUM].split_at(44 + 4 + "Package: demo\n".len() + 1);
    let (conffiles, entry) = rest.split_at(4);
    [head.to_vec(), conffiles.to_vec(), entry.to_vec()]
}

#[test]
fn what_no_package_lists_is_refused_although_the_sum_is_right() {
    let [head, none, entry] = pieces();
    let reads = |parts: &[&[u8]]| decode(&summed(&parts.concat()), &deb()).is_some();
    assert!(reads(&[&head, &none, &entry]));
    assert!(reads(&[&head, &none]), "a package may be empty");

    let changed = |bytes: &[u8], place: usize, to: u8| {
        let mut bytes = bytes.to_vec();
        bytes[place] = to;
        bytes
    };
    let last = head.len() - 1;
    assert!(!reads(&[&changed(&head, 0, b'M'), &none, &entry]), "another kind of file");
    assert!(!reads(&[&changed(&head, 11, 2), &none, &entry]), "a version that is not known");
    assert!(!reads(&[&changed(&head, last, 1 << SCRIPTS.len()), &none, &entry]), "a script that is not known");
    assert!(!reads(&[&changed(&head, 48, b'\n'), &none, &entry]), "a control file that is none");
    assert!(!reads(&[&changed(&head, 48, 0xff), &none, &entry]), "a control file that is no text");
    assert!(!reads(&[&changed(&head, 57, b' '), &none, &entry]), "a control file in another form");
    assert!(!reads(&[&head, &[0xff; 4], &entry]), "four billion configuration files");
    assert!(!reads(&[&head, &none, &changed(&entry, 0, b'x')]), "an unknown kind");
    assert!(!reads(&[&head, &none, &changed(&entry, 1, 0o20)]), "a mode of more than twelve bits");
    let at = entry.len() - "/etc".len();
    assert!(!reads(&[&head, &none, &changed(&entry, at - 4, 0xff)]), "a text of four billion bytes");
    for (place, byte) in [(at, b'x'), (at + 1, b'/'), (at + 3, b'/'), (at + 2, 0)] {
        assert!(!reads(&[&head, &none, &changed(&entry, place, byte)]), "a path that is not normalised");
    }
    let up = [&entry[..at - 4], &[0, 0, 0, 3], b"/.."].concat();
    assert!(!reads(&[&head, &none, &up]), "a path that leaves the root");
    assert!(!reads(&[&head, &none, &entry[..entry.len() - 1]]), "an entry that ends early");
    assert!(!reads(&[&head, &none, &entry, b"d"]), "half an entry");
}

#[test]
fn the_form_of_a_version_stays() {
    use crate::rootfs::deb::tests::Deb;
    let mut package = Deb::new("demo", "1:2.0-1");
    package.suffix = "";
    package.scripts = vec![("./postinst", "#!/bin/sh\n"), ("./conffiles", "/etc/demo.conf\n")];
    package.files = vec![("./etc/demo.conf", b"a=1\n"), ("./usr/bin/demo", b"x")];
    package.links = vec![("./usr/bin/other", "demo")];
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), package.bytes()).unwrap();
    let listing = crate::rootfs::deb::listing(file.path(), &Digest::of(&package.bytes())).unwrap();
    let bytes = encode(&listing, &deb()).unwrap();
    assert_eq!(
        (VERSION, Digest::of(&bytes).hex().as_str()),
        (1, "c7e7618bdb200a0541337854f57d738cdf6f0bee13fcbc5ac6c7ddedf2c7de31"),
        "what is kept of this package changed: raise VERSION, so that nobody reads what was kept before"
    );
}
