//! Files that are no text: forms of keys, forms of other things, and bytes that have no form at all.

/// How many bytes files of random bytes have.
const RANDOM_SIZES: std::ops::RangeInclusive<usize> = 16..=8192;
/// How files begin whose bytes look random and are none: compressed, encoded, or of a program.
const MAGIC: [&[u8]; 33] = [
    b"\x1f\x8b",
    b"\x1f\x9d",
    b"\x1f\xa0",
    b"BZh",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"LZIP",
    b"PK",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
    b"\x5d\0\0",
    b"\x78\x01",
    b"\x78\x5e",
    b"\x78\x9c",
    b"\x78\xda",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"\0\0\x01\0",
    b"OggS",
    b"fLaC",
    b"ID3",
    b"\x7fELF",
    b"\0asm",
    b"wOFF",
    b"wOF2",
    b"\xde\x12\x04\x95",
    b"\x95\x04\x12\xde",
    b"SQLite format 3\0",
    b"%PDF",
    b"GVariant",
];
/// How stores of keys begin: tor's keys, a volume of LUKS, what age encrypted, a table of keys of Kerberos (each has one form only).
const STORES: [&[u8]; 4] =
    [b"== ed25519v1-secret", b"LUKS\xba\xbe", b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----"];
/// How expressions begin that gpg-agent keeps.
const EXPRESSIONS: [&[u8]; 4] =
    [b"(11:private-key", b"(21:protected-private-key", b"Key: (private-key", b"Key: (protected-private-key"];
/// Java's own stores, and the object identifiers by which they encrypt a private key: a store of certificates has none.
const JAVA: [&[u8]; 2] = [b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"];
const JAVA_KEYS: [&[u8]; 2] = [b"\x2b\x06\x01\x04\x01\x2a\x02\x11\x01\x01", b"\x2b\x06\x01\x04\x01\x2a\x02\x13\x01"];
/// Ways to encrypt a key by a password (RFC 8018, RFC 7292), as an algorithm begins with its identifier.
const BY_PASSWORD: [&[u8]; 2] =
    [b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05", b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01"];
/// Sizes of digests, with which a private part of a TPM begins.
const DIGESTS: [u16; 4] = [20, 32, 48, 64];
/// Tags of packets of OpenPGP (RFC 9580, 5): keys that are secret, and those with which other messages begin.
const SECRET_TAGS: [u8; 2] = [5, 7];
const OTHER_TAGS: [u8; 4] = [1, 2, 3, 6];
/// More in a file than chance makes: see [`is_random`].
const SIGMAS: f64 = 6.0;

/// Whether it is a private key in DER (X.690), or in OpenPGP's packets (RFC 9580, 4), or a store of keys.
pub(super) fn is_key(head: &[u8]) -> bool {
    is_der_key(head) || is_openpgp(head, &SECRET_TAGS) || is_store(head)
}

fn is_store(head: &[u8]) -> bool {
    let begins = |all: &[&[u8]]| all.iter().any(|begin| head.starts_with(begin));
    let has = |part: &[u8]| memchr::memmem::find(head, part).is_some();
    begins(&STORES)
        || begins(&EXPRESSIONS)
        || begins(&JAVA) && JAVA_KEYS.iter().any(|id| has(id))
        || is_keytab(head)
        || is_sealed(head)
}

/// A table of Kerberos's keys (0x0502 and the size of the first entry), or the stash of a master key: a kind of encryption, and a
/// length that is that of the rest.
fn is_keytab(head: &[u8]) -> bool {
    match head {
        [5, 2, size @ ..] => size.split_first_chunk::<4>().is_some_and(|(size, rest)| {
            usize::try_from(u32::from_be_bytes(*size)).is_ok_and(|size| size >= 16 && size <= rest.len())
        }),
        [1..=32, 0, size @ ..] => size.split_first_chunk::<4>().is_some_and(|(size, rest)| {
            usize::try_from(u32::from_le_bytes(*size)).is_ok_and(|size| size >= 16 && size == rest.len())
        }),
        _ => false,
    }
}

/// The private part of a key of a TPM: its size, and the size of the digest that it begins with (TPM 2.0, "TPM2B_PRIVATE").
fn is_sealed(head: &[u8]) -> bool {
    let half = |at: usize| head.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes);
    let (Some(size), Some(digest)) = (half(0), half(2)) else { return false };
    let size = usize::from(size);
    (size + 2..=size + 4).contains(&head.len()) && size > 64 && DIGESTS.contains(&digest)
}

/// The sequences that are the whole file, each by what is in it (X.690, 8.1.3 and 8.9).
fn sequences(head: &[u8]) -> Vec<&[u8]> {
    let (mut all, mut rest) = (Vec::new(), head);
    while !rest.is_empty() {
        let Some((inside, after)) = sequence(rest) else { return Vec::new() };
        all.push(inside);
        rest = after;
    }
    all
}

/// What is in the sequence at the beginning, and what is behind it.
fn sequence(head: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match head {
        [0x30, length @ ..=0x7f, rest @ ..] => (usize::from(*length), rest),
        [0x30, 0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x30, 0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// Whether it is a key of PKCS#1 or PKCS#8 (version 0), of SEC 1 (version 1), or a store of PKCS#12 (version 3), each of which
/// begins with its version, or an encrypted key of PKCS#8, which begins with the way of its encryption. A certificate begins with a
/// sequence of its own, a public key with another algorithm.
fn is_der_key(head: &[u8]) -> bool {
    let is_encrypted = |inside: &[u8]| {
        sequence(inside)
            .is_some_and(|(way, rest)| BY_PASSWORD.iter().any(|id| way.starts_with(id)) && rest.first() == Some(&0x04))
    };
    let all = sequences(head);
    all.first().is_some_and(|inside| matches!(inside, [0x02, 0x01, 0 | 1 | 3, _, ..]) || is_encrypted(inside))
}

/// Whether it begins with a packet of one of `tags` and of a version that there is, which is no longer than the file.
fn is_openpgp(head: &[u8], tags: &[u8]) -> bool {
    let Some((first, rest)) = head.split_first().filter(|(first, _)| **first & 0x80 != 0) else { return false };
    let is_new = first & 0x40 != 0;
    let tag = if is_new { first & 0x3f } else { first >> 2 & 0x0f };
    let (length, body): (usize, &[u8]) = match (is_new, first & 3, rest) {
        (false, 0, [length, body @ ..]) | (true, _, [length @ ..=191, body @ ..]) => (usize::from(*length), body),
        (false, 1, [high, low, body @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), body),
        (false, 2, [_, _, high, low, body @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), body),
        (true, _, [first @ 192..=223, second, body @ ..]) => {
            ((usize::from(*first) - 192) * 256 + usize::from(*second) + 192, body)
        }
        _ => return false,
    };
    tags.contains(&tag) && length <= body.len() && matches!(body, [3..=6, ..])
}

/// Whether the file says what it is, by its beginning or by its structure.
fn has_form(head: &[u8]) -> bool {
    let is_byte_code = head.get(2..4) == Some(b"\r\n") && head.get(5..8) == Some(&[0, 0, 0]);
    MAGIC.iter().any(|begin| head.starts_with(begin))
        || is_byte_code
        || head.get(257..262) == Some(b"ustar")
        || is_key(head)
        || is_openpgp(head, &OTHER_TAGS)
        || !sequences(head).is_empty()
}

/// Whether it is nothing but random bytes: the file says nothing of its form, is no text, and
/// - no byte, and no step from a byte to the next, is there much more often than others,
/// - half of the bytes have the highest bit, which 64 of them miss by that much once in a million,
/// - there are as many different bytes as chance makes, neither fewer (text, numbers) nor more (a table),
/// - no column of numbers of 4 or 8 bytes is nearly constant, as that of their exponents or signs is.
pub(crate) fn is_random(head: &[u8]) -> bool {
    let length = head.len();
    if !RANDOM_SIZES.contains(&length) || has_form(head) || std::str::from_utf8(head).is_ok() {
        return false;
    }
    let high = head.iter().filter(|byte| **byte >= 0x80).count();
    let steps: Vec<u8> = head.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    let most = |bytes: &[u8]| counts(bytes).into_iter().max().unwrap_or(0);
    let bound = length / 16 + 4;
    most(head) <= bound
        && most(&steps) <= bound
        && high * 5 >= length
        && high * 5 <= length * 4
        && is_as_diverse_as_chance(head)
        && [4, 8].into_iter().all(|width| has_no_constant_column(head, width))
}

fn counts(bytes: &[u8]) -> [usize; 256] {
    let mut counts = [0; 256];
    bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    counts
}

/// Of n random bytes a value is missing with the chance q = (255/256)^n; so 256 (1 - q) are there, with a variance of about
/// 256 (q - (1 + n/256) q²).
fn is_as_diverse_as_chance(head: &[u8]) -> bool {
    let mut missing = 1.0_f64;
    head.iter().for_each(|_| missing *= 255.0 / 256.0);
    let length = f64::from(u16::try_from(head.len()).unwrap_or(u16::MAX));
    let variance = 256.0 * (missing - (1.0 + length / 256.0) * missing * missing);
    let there = counts(head).iter().filter(|count| **count > 0).count();
    let there = f64::from(u16::try_from(there).unwrap_or(u16::MAX));
    (there - 256.0 * (1.0 - missing)).abs() <= SIGMAS * variance.max(0.0).sqrt() + 1.0
}

fn has_no_constant_column(head: &[u8], width: usize) -> bool {
    let rows = head.len() / width;
    let most = if rows < 5 { 1 } else { (rows / 2).min(128) };
    rows < 4
        || !head.len().is_multiple_of(width)
        || (0..width).all(|column| {
            let column: Vec<u8> = head.iter().skip(column).step_by(width).copied().collect();
            counts(&column).iter().filter(|count| **count > 0).count() > most
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(length: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..length).map(|_| next()).collect()
    }

    fn behind(begin: &[u8], length: usize) -> Vec<u8> {
        [begin, &random(length)].concat()
    }

    #[test]
    fn random_bytes_of_any_size_are_known_and_nothing_with_a_form_is() {
        for length in [16, 20, 24, 31, 32, 33, 40, 48, 63, 64, 65, 128, 256, 512, 1024, 4096, 4097, 8192] {
            assert!(is_random(&random(length)), "{length}");
        }
        for begin in MAGIC {
            assert!(!is_random(&behind(begin, 300)), "{}", String::from_utf8_lossy(begin));
        }
        let doubles: Vec<u8> =
            [2.502_90_f64, 3.605_55, 1.618_03, 0.577_21, 1.202_05].iter().flat_map(|one| one.to_le_bytes()).collect();
        let table: Vec<u8> = (0..=255_u8).map(|at| at.wrapping_mul(7)).collect();
        // Each byte once: chance makes 162 different ones of 256.
        let mut permuted: Vec<u8> = (0..=255).collect();
        let order = random(256);
        for (at, with) in order.iter().enumerate() {
            permuted.swap(at, usize::from(*with));
        }
        let ranges: Vec<u8> = (0x60..0x70).chain(0xa0..0xb0).collect();
        let mut tar = random(1024);
        tar[257..262].copy_from_slice(b"ustar");
        for other in [
            doubles,
            table,
            permuted,
            ranges,
            tar,
            behind(b"\xa7\r\r\n\x01\0\0\0", 300),
            // A signature and a message for a password of OpenPGP, two certificates in one file.
            behind(b"\x89\x01\x33\x04", 400),
            behind(b"\x8c\x0d\x04\x09", 80),
            [behind(b"\x30\x82\x01\x2e\x30\x00", 300), behind(b"\x30\x82\x01\x2e\x30\x00", 300)].concat(),
            "größer ".repeat(40).into_bytes(),
            vec![0; 1024],
            vec![0xff; 256],
        ] {
            assert!(!is_random(&other), "{}", String::from_utf8_lossy(&other));
        }
    }

    #[test]
    fn a_store_of_keys_is_known_by_its_form_and_a_store_of_certificates_is_none() {
        let jks = behind(b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x01\0\0\0\x01", 40);
        let encrypted = [&b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d\x04\x20"[..], &random(32)].concat();
        let length = u8::try_from(encrypted.len()).unwrap_or(0);
        for key in [
            [&jks[..], JAVA_KEYS[0], &random(900)].concat(),
            behind(b"== ed25519v1-secret: type0 ==\0\0\0", 64),
            behind(b"LUKS\xba\xbe\0\x02", 4000),
            behind(b"age-encryption.org/v1\n-> X25519 abc\n", 100),
            behind(b"\0\x80\0\x20", 126),
            behind(b"\x05\x02\0\0\0\x40\0\x02\0\x0bEXAMPLE.ORG", 80),
            behind(b"\x12\0\x20\0\0\0", 32),
            behind(b"(11:private-key(3:ecc(5:curve7:Ed25519)", 64),
            [&[0x30, length][..], &encrypted].concat(),
        ] {
            assert!(is_key(&key) && !is_random(&key), "{}", String::from_utf8_lossy(&key));
        }
        for other in [jks, behind(b"\x30\x82\x01\x2c", 300), behind(b"\x99\x01\x00\x04", 300), random(64)] {
            assert!(!is_key(&other), "{}", String::from_utf8_lossy(&other));
        }
    }
}
