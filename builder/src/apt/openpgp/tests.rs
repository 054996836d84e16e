#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use super::*;

/// The primary key of Debian 12's release key, as the archive has it, and the name that gpg gives it.
const V4: &str =
    "0463ceb95316092b06010401da470f0101074077b674b2bc2e86507a24a16471fe075384924bfc5c45fc04416ceb72b7fa004a";
const V4_NAME: &str = "4D64FEC119C2029067D6E791F8D2585B8783D481";

/// The sample certificate of RFC 9580, appendix A.3.
const V6: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----

xioGY4d/4xsAAAAg+U2nu0jWCmHlZ3BqZYfQMxmZu52JGggkLq2EVD34laPCsQYf
GwoAAABCBYJjh3/jAwsJBwUVCg4IDAIWAAKbAwIeCSIhBssYbE8GCaaX5NUt+mxy
KwwfHifBilZwj2Ul7Ce62azJBScJAgcCAAAAAK0oIBA+LX0ifsDm185Ecds2v8lw
gyU2kCcUmKfvBXbAf6rhRYWzuQOwEn7E/aLwIwRaLsdry0+VcallHhSu4RN6HWaE
QsiPlR4zxP/TP7mhfVEe7XWPxtnMUMtf15OyA51YBM4qBmOHf+MZAAAAIIaTJINn
+eUBXbki+PSAld2nhJh/LVmFsS+60WyvXkQ1wpsGGBsKAAAALAWCY4d/4wKbDCIh
BssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce62azJAAAAAAQBIKbpGG2dWTX8
j+VjFM21J0hqWlEg+bdiojWnKfA5AQpWUWtnNwDEM0g12vYxoWM8Y81W+bHBw805
I8kWVkXU6vFOi+HWvv/ira7ofJu16NnoUkhclkUrk0mXubZvyl4GBg==
-----END PGP PUBLIC KEY BLOCK-----
";
const V6_NAME: &str = "CB186C4F0609A697E4D52DFA6C722B0C1F1E27C18A56708F6525EC27BAD9ACC9";

fn v4() -> Vec<u8> {
    hex::decode(V4).unwrap()
}

/// A packet in the old form with one byte of length.
fn old(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[0x80 | tag << 2, u8::try_from(body.len()).unwrap()], body].concat()
}

fn names(keyring: &[u8]) -> Vec<String> {
    fingerprints(keyring).unwrap().iter().map(ToString::to_string).collect()
}

fn armoured(bytes: &[u8]) -> String {
    format!("{BEGIN}\nVersion: x\n\n{}\n=abcd\n{END}\n", STANDARD.encode(bytes))
}

#[test]
fn known_keys_have_their_known_names() {
    assert_eq!(names(&old(6, &v4())), [V4_NAME]);
    assert_eq!(names(V6.as_bytes()), [V6_NAME]);
    // Version 5: as 6, with another mark before it.
    let body = [&[5][..], &v4()[1..]].concat();
    let marked = [&[0x9a, 0, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat();
    let hash = model::Digest::of(&marked).hex().to_uppercase();
    assert_eq!(names(&old(6, &body)), [hash]);
}

#[test]
fn every_form_of_length_gives_the_same_key() {
    let body = v4();
    let length = u8::try_from(body.len()).unwrap();
    for head in [
        &[0x98, length][..],
        &[0x99, 0, length],
        &[0x9a, 0, 0, 0, length],
        &[0xc6, length],
        &[0xc6, 255, 0, 0, 0, length],
    ] {
        assert_eq!(names(&[head, &body].concat()), [V4_NAME], "{head:?}");
    }
    // Two bytes stand for 192 to 8383.
    let long = [&body[..], &[0; 300]].concat();
    assert_eq!(long.len(), 351);
    let name = |head: &[u8]| names(&[head, &long[..]].concat());
    assert_eq!(name(&[0xc6, 192, 159]), name(&[0x9a, 0, 0, 1, 95]));
}

#[test]
fn keys_are_sorted_named_once_and_only_primary_ones() {
    let key = old(6, &v4());
    let other = old(6, &[&v4()[..], b"x"].concat());
    let rest =
        [old(13, b"a user"), old(2, b"signature"), old(14, &v4()[1..]), old(12, b"t"), vec![0xc0 | 60, 1, 7]].concat();
    let keyring = [&other, &rest, &key, &rest, &other].map(Vec::as_slice).concat();
    let mut wanted = [names(&key), names(&other)].concat();
    wanted.sort();
    assert_eq!(names(&keyring), wanted);
    let text = format!("{}\n{}", armoured(&key), armoured(&other));
    assert_eq!(names(text.as_bytes()), wanted);
    assert_eq!(names(text.replace('\n', "\r\n").as_bytes()), wanted);
}

#[test]
fn what_is_no_keyring_is_refused_with_its_reason() {
    let key = old(6, &v4());
    let after = |more: &[u8]| fingerprints(&[&key[..], more].concat()).unwrap_err();
    assert_eq!(fingerprints(b""), Err(KeyringFault::Empty));
    assert_eq!(fingerprints(&old(13, b"x")), Err(KeyringFault::Empty));
    assert_eq!(fingerprints(b"\0\0\0\x20\x01\x01\0\x02KBXf"), Err(KeyringFault::NotOpenPgp), "a keybox of GnuPG");
    assert_eq!(after(b"\x80\0"), KeyringFault::NotOpenPgp);
    assert_eq!(after(b"\x98"), KeyringFault::Truncated);
    assert_eq!(after(b"\x98\x05abcd"), KeyringFault::Truncated);
    assert_eq!(after(b"\xc6\xff\xff\xff\xff\xff"), KeyringFault::Truncated);
    assert_eq!(after(b"\x9b\x04"), KeyringFault::Unbounded, "the old form without a length");
    assert_eq!(after(b"\xc6\xe1\x04"), KeyringFault::Unbounded, "the new form in parts");
    assert_eq!(after(&old(5, &v4())), KeyringFault::Private);
    assert_eq!(after(&old(11, b"a message")), KeyringFault::Packet(11));
    assert_eq!(after(&old(6, &[&[3], &v4()[1..]].concat())), KeyringFault::Version(3));
    assert_eq!(after(&old(6, &[4, 0, 0, 0, 0, 22])), KeyringFault::Key);
    let long = [&[0x9a, 0, 1, 0, 0, 4], &[0; 0xffff][..]].concat();
    assert_eq!(after(&long), KeyringFault::Key, "version 4 has two bytes for the length");
}

#[test]
fn damaged_armour_is_refused() {
    let good = armoured(&old(6, &v4()));
    for (from, to) in [
        ("\n\n", "\n"),
        (END, ""),
        ("PUBLIC KEY", "PRIVATE KEY"),
        ("Version: x", "Version x"),
        ("=abcd", "=ab"),
        ("=abcd", "!bcd"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good);
        assert!(matches!(fingerprints(text.as_bytes()), Err(KeyringFault::Armour(_))), "{from:?} {to:?}");
    }
    assert!(matches!(fingerprints(format!("{good}more").as_bytes()), Err(KeyringFault::Armour(_))));
    assert!(matches!(fingerprints(b"-----BEGIN\xff"), Err(KeyringFault::Armour(_))));
}

#[test]
fn a_fingerprint_has_one_form() {
    let good = [V4_NAME, V6_NAME];
    assert!(good.iter().all(|name| Fingerprint::parse(name).is_some_and(|parsed| parsed.to_string() == **name)));
    for bad in ["", &V4_NAME[1..], &V4_NAME.to_lowercase(), &V4_NAME.replace('4', "G"), &format!("{V4_NAME} ")] {
        assert_eq!(Fingerprint::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn no_mutation_makes_the_reader_panic() {
    let mut random = testkit::Random::from_environment();
    let binary = [old(6, &v4()), old(13, b"a user"), old(14, &v4())].concat();
    for sound in [armoured(&binary).into_bytes(), V6.as_bytes().to_vec(), binary] {
        for _ in 0..20_000 {
            let mut bytes = sound.clone();
            for _ in 0..=random.below(3) {
                let index = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                bytes[index] = random.bits().to_le_bytes()[0];
            }
            if random.one_in(4) {
                bytes.truncate(usize::try_from(random.below(bytes.len() as u64)).unwrap());
            }
            let _ = fingerprints(&bytes);
        }
    }
}
