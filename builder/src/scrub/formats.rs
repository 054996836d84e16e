//! Forms of secrets and identifiers that are known by their content, whoever wrote them and wherever they are.

/// A form of a secret, or of an identifier of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A key of SSH: a private one in the form of the wire, or a public one in a line.
    SshKey,
    /// Parameters of a Diffie-Hellman exchange in PEM (RFC 7468), which take a while to find and are drawn at random.
    DhParameters,
    /// The statement of a key between a name server and who controls it (named.conf(5)).
    ControlKey,
    /// The private exponent of an RSA key in a file of settings.
    Exponent,
    /// A private key, or a store of such, in DER (X.690), or in OpenPGP's packets (RFC 9580, section 4).
    BinaryKey,
    /// Nothing but random bytes.
    RandomBytes,
    /// Nothing but one word of base64 or of hexadecimal digits that looks drawn.
    Token,
    /// Nothing but a UUID (RFC 9562, section 4), in a line: what the kernel draws at random for whoever asks.
    Uuid,
    /// The name of an iSCSI initiator (RFC 7143, 4.2.7), or the identifier of a host in a survey.
    HostName,
    /// A data base of Firebird ("on-disk structure", header page).
    FirebirdDatabase,
    /// An assignment of a password that was drawn at random, or a user with a hashed password as crypt(5) has it.
    Password,
}

/// The algorithms of keys of SSH (RFC 4253, 5656, 8709).
const ALGORITHMS: [&[u8]; 6] =
    [b"ssh-rsa", b"ssh-dss", b"ssh-ed25519", b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp521"];
/// How many bytes files of random bytes have.
const RANDOM_SIZES: std::ops::RangeInclusive<usize> = 32..=4096;
/// From how many on it can be any number; of fewer a whole number of words is drawn.
const ANY_SIZE: usize = 64;
const WORD: usize = 8;
/// How files begin that are compressed, and whose bytes look random: gzip, bzip2, xz, zstd, zip.
const COMPRESSED: [&[u8]; 5] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK"];
/// How what stands before a password ends.
const PASSWORD_NAMES: [&str; 9] =
    ["pass", "password", "passwd", "passphrase", "secret", "token", "secret_key", "api_key", "apikey"];
/// The shortest password that a program draws.
const PASSWORD_LENGTH: usize = 8;
/// The shortest and the longest token: 128 bits in hexadecimal digits, 4096 in base64.
const TOKEN_LENGTHS: std::ops::RangeInclusive<usize> = 32..=700;
/// The shortest hash of a password, without its kind.
const HASH_LENGTH: usize = 12;
/// The longest name of a kind of hash.
const HASH_NAME: usize = 20;
/// How packets of OpenPGP begin that hold a key: a secret one in the old form and in the new one, then a public one.
const OPENPGP_SECRET: [u8; 4] = [0x94, 0x95, 0x96, 0xc5];
const OPENPGP_PUBLIC: [u8; 4] = [0x98, 0x99, 0x9a, 0xc6];

impl Format {
    /// Whether a file that begins with `head` has it. Of a file that is no longer than what is looked at, `head` is the whole.
    pub(super) fn is_of(self, head: &[u8]) -> bool {
        match self {
            Self::SshKey => is_wire_key(head) || is_public_line(head),
            Self::DhParameters => has_line(head, |line| line == b"-----BEGIN DH PARAMETERS-----"),
            Self::ControlKey => is_control_key(head),
            Self::Exponent => has_line(head, |line| line.starts_with(b"pri_exp=0x")),
            Self::BinaryKey => is_der_key(head) || is_openpgp(head, &OPENPGP_SECRET),
            Self::RandomBytes => is_random(head),
            Self::Token => is_token(head),
            Self::Uuid => is_uuid(head),
            Self::HostName => has_line(head, |line| {
                [&b"InitiatorName=iqn."[..], b"InitiatorName=eui.", b"InitiatorName=naa.", b"MY_HOSTID="]
                    .iter()
                    .any(|begin| line.starts_with(begin))
            }),
            Self::FirebirdDatabase => is_firebird(head),
            Self::Password => has_password(head),
        }
    }
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii)
}

fn has_line(head: &[u8], is_it: impl Fn(&[u8]) -> bool) -> bool {
    lines(head).any(is_it)
}

fn is_wire_key(head: &[u8]) -> bool {
    wire_algorithm(head).is_some()
}

/// The algorithm that a string behind its length in four bytes (RFC 4251, 5) names.
pub(crate) fn wire_algorithm(head: &[u8]) -> Option<&[u8]> {
    let (length, rest) = head.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    rest.get(..length).filter(|name| ALGORITHMS.contains(name))
}

/// An algorithm, a blank, and what follows in base64, of which each begins with the length of the algorithm's name.
fn is_public_line(head: &[u8]) -> bool {
    let mut words = head.splitn(3, |byte| *byte == b' ');
    let (algorithm, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    ALGORITHMS.contains(&algorithm) && key.starts_with(b"AAAA")
}

/// Whether it is a statement `key` with an algorithm of HMAC.
pub(crate) fn is_control_key(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.trim_start().starts_with("key ") && text.contains("algorithm hmac-") && text.contains("secret ")
}

/// Whether it is one UUID and no more than the end of its line.
pub(crate) fn is_uuid(head: &[u8]) -> bool {
    let text = head.strip_suffix(b"\n").unwrap_or(head);
    let is_digit = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.iter().enumerate().all(is_digit)
}

/// Whether no byte is there much more often than the others, and the file says nothing of its form.
pub(crate) fn is_random(head: &[u8]) -> bool {
    let is_compressed = COMPRESSED.iter().any(|begin| head.starts_with(begin));
    let is_openpgp = is_openpgp(head, &OPENPGP_SECRET) || is_openpgp(head, &OPENPGP_PUBLIC);
    let is_short_of_words = head.len() < ANY_SIZE && !head.len().is_multiple_of(WORD);
    if !RANDOM_SIZES.contains(&head.len())
        || is_short_of_words
        || is_compressed
        || is_openpgp
        || sequence(head).is_some()
    {
        return false;
    }
    let mut counts = [0_usize; 256];
    head.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let most = counts.iter().max().copied().unwrap_or(0);
    // Half of random bytes have the highest bit; 64 of them are far from these bounds once in a million.
    let high = head.iter().filter(|byte| **byte >= 0x80).count();
    most <= head.len() / 16 + 4 && high * 5 >= head.len() && high * 5 <= head.len() * 4 && is_no_text(head)
}

/// What is in the sequence that is the whole file (X.690, 8.1.3 and 8.9).
fn sequence(head: &[u8]) -> Option<&[u8]> {
    let (length, rest) = match head {
        [0x30, length @ ..=0x7f, rest @ ..] => (usize::from(*length), rest),
        [0x30, 0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x30, 0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    (length == rest.len() && length > 0).then_some(rest)
}

/// Whether it is a key of PKCS#1 or PKCS#8 (version 0), of SEC 1 (version 1), or a store of PKCS#12 (version 3), each of which
/// begins with its version; a certificate or a public key begins with a sequence.
fn is_der_key(head: &[u8]) -> bool {
    sequence(head).is_some_and(|inside| matches!(inside, [0x02, 0x01, 0 | 1 | 3, _, ..]))
}

/// Whether it begins with a packet of one of `tags` and of version 4 or 6, which is no longer than the file.
fn is_openpgp(head: &[u8], tags: &[u8; 4]) -> bool {
    let Some((tag, rest)) = head.split_first().filter(|(tag, _)| tags.contains(tag)) else { return false };
    let (length, body): (usize, &[u8]) = match (tag & 0x40 != 0, tag & 3, rest) {
        (false, 0, [length, body @ ..]) | (true, _, [length @ ..=191, body @ ..]) => (usize::from(*length), body),
        (false, 1, [high, low, body @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), body),
        (false, 2, [_, _, high, low, body @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), body),
        (true, _, [first @ 192..=223, second, body @ ..]) => {
            ((usize::from(*first) - 192) * 256 + usize::from(*second) + 192, body)
        }
        _ => return false,
    };
    length <= body.len() && matches!(body, [3 | 4 | 6, ..])
}

/// Whether it is one word and no more than the end of its line, of hexadecimal digits or of base64 with letters large and small and
/// digits.
fn is_token(head: &[u8]) -> bool {
    let text = head.strip_suffix(b"\n").unwrap_or(head);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let has = |is: fn(&u8) -> bool| text.iter().any(is);
    let is_hex = text.iter().all(u8::is_ascii_hexdigit);
    let is_base64 = text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte))
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase);
    let distinct = text.iter().collect::<std::collections::BTreeSet<_>>().len();
    TOKEN_LENGTHS.contains(&text.len())
        && (is_hex && has(u8::is_ascii_alphabetic) || is_base64)
        && has(u8::is_ascii_digit)
        && distinct >= 8
        && !text.starts_with(b"/")
}

fn is_no_text(head: &[u8]) -> bool {
    std::str::from_utf8(head).is_err()
}

/// A header page: its kind is 1, the size of pages is a power of two, and the version has the bit of Firebird's own.
fn is_firebird(head: &[u8]) -> bool {
    let half = |at: usize| head.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes);
    head.first() == Some(&1)
        && half(16).is_some_and(|size| size >= 1024 && size.is_power_of_two())
        && half(18).is_some_and(|version| version & 0x8000 != 0 && (10..=20).contains(&(version & 0x7fff)))
}

fn has_password(head: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(head) else { return false };
    let is_comment = |line: &str| line.starts_with(['#', ';', '*', '!']) || line.starts_with("//");
    let lines = text.lines().map(str::trim).filter(|line| !is_comment(line));
    lines.into_iter().any(|line| is_user_with_hash(line) || is_drawn(line))
}

/// A line `NAME:HASH`, as for basic authentication, or with what else a table of users has behind the next colon.
fn is_user_with_hash(line: &str) -> bool {
    line.split_once(':').is_some_and(|(name, rest)| {
        let hash = rest.split(':').next().unwrap_or_default();
        !name.is_empty() && is_hash(hash)
    })
}

/// Whether it is a hashed password: `$KIND$...` as crypt(5) and its like have it, or `{SCHEME}...` (RFC 3112).
pub(super) fn is_hash(text: &str) -> bool {
    let is_kind = |kind: &str| {
        (1..=HASH_NAME).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let of_crypt = text.strip_prefix('$').and_then(|rest| rest.split_once('$'));
    let of_scheme = text.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    let of_word = |c: char| c.is_ascii_alphanumeric() || "$./+=,-_".contains(c);
    [of_crypt, of_scheme]
        .into_iter()
        .flatten()
        .any(|(kind, hash)| is_kind(kind) && hash.len() >= HASH_LENGTH && hash.chars().all(of_word))
}

/// A line `NAME = VALUE` or `NAME: VALUE`, in which the name ends as those of passwords do, and the value looks drawn: one word of letters and
/// digits, or of letters large and small.
fn is_drawn(line: &str) -> bool {
    let Some((name, value)) = line.split_once(['=', ':']) else { return false };
    let is_joint = |c: char| c.is_whitespace() || "'\"`;,[](){}>".contains(c);
    let name = name.trim_matches(is_joint).to_ascii_lowercase();
    let value = value.trim_matches(is_joint);
    let value = value.split(is_joint).next().unwrap_or_default();
    let of_word = |c: char| c.is_ascii_alphanumeric() || "+/_-=".contains(c);
    let has = |is: fn(&char) -> bool| value.chars().any(|c| is(&c));
    let (digit, small) = (has(char::is_ascii_digit), has(char::is_ascii_lowercase));
    let large = has(char::is_ascii_uppercase);
    PASSWORD_NAMES.iter().any(|end| name.ends_with(end))
        && value.len() >= PASSWORD_LENGTH
        && value.chars().all(of_word)
        && !value.starts_with(['/', '-'])
        && (digit && (small || large) || small && large)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(head: &[u8]) -> Vec<Format> {
        use Format as F;
        let all = [
            F::SshKey,
            F::DhParameters,
            F::ControlKey,
            F::Exponent,
            F::BinaryKey,
            F::RandomBytes,
            F::Token,
            F::Uuid,
            F::HostName,
            F::FirebirdDatabase,
            F::Password,
        ];
        all.into_iter().filter(|format| format.is_of(head)).collect()
    }

    /// A sequence of DER.
    fn der(inside: &[u8]) -> Vec<u8> {
        let length = u16::try_from(inside.len()).unwrap_or(0).to_be_bytes();
        [&[0x30, 0x82][..], &length, inside].concat()
    }

    #[test]
    fn each_form_is_known_by_what_is_in_it() {
        let mut firebird = vec![0; 1024];
        firebird[0] = 1;
        firebird[16..20].copy_from_slice(&[0, 0x20, 0x0d, 0x80]);
        let random: Vec<u8> = (0..1024_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
        for (head, format) in [
            (&b"\0\0\0\x07ssh-rsa\0\0\0\x03\x01\0\x01"[..], Format::SshKey),
            (b"\0\0\0\x0bssh-ed25519\0\0\0\x40x", Format::SshKey),
            (b"ecdsa-sha2-nistp256 AAAAE2VjZHNh root@build\n", Format::SshKey),
            (b"text\n-----BEGIN DH PARAMETERS-----\nMII\n", Format::DhParameters),
            (b"key \"rndc-key\" {\n\talgorithm hmac-sha256;\n\tsecret \"x\";\n};\n", Format::ControlKey),
            (b"[keys]\npub_exp=0x01\npri_exp=0x81,0x5b\n", Format::Exponent),
            (&random, Format::RandomBytes),
            (b"0b2c7c9e-5d0f-4c43-9a5e-2f3f8f0f7a11\n", Format::Uuid),
            (b"## made\nInitiatorName=iqn.1993-08.org.debian:01:1f5d\n", Format::HostName),
            (b"# id\nMY_HOSTID=\"0123456789abcdef0123456789abcdef\"\n", Format::HostName),
            (&firebird, Format::FirebirdDatabase),
            (b"Director {\n  Password = \"aB3xYz0kQ\"\n}\n", Format::Password),
            (b"dbc_dbpass='hG7dKq2LmP1x'\n", Format::Password),
            (b"<?php\n$cfg['blowfish_secret'] = 'kdj3HGd8sKqpLd93';\n", Format::Password),
            (b"ISC_PASSWD=masterKeyOf\n", Format::Password),
            (b"backup:$apr1$salt$hashed-word\n", Format::Password),
            (b"admin:$7$101$salt$hashed==\n", Format::Password),
            (b"x:{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n", Format::Password),
            (b"x:$y$j9T$salt$hash.word:20000:0:99999:7:::\n", Format::Password),
            (b"db:\n  password: Xy7kLm29QpRt5vBn\n", Format::Password),
            (b"{ \"password\": \"Xy7kLm29QpRt5vBn\", }\n", Format::Password),
            (b"password = Xy7kLm29\n", Format::Password),
            (b"secret_token = 3f2a9bc4d5e6f701aabbccdd\n", Format::Password),
            (&random[..32], Format::RandomBytes),
            (b"0123456789abcdef0123456789abcdef\n", Format::Token),
            (b"yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n", Format::Token),
            (&der(&[2, 1, 0, 2, 1, 0]), Format::BinaryKey),
            (&der(&[&[2, 1, 0][..], &random].concat()), Format::BinaryKey),
            (&der(&[&[2, 1, 3][..], &random].concat()), Format::BinaryKey),
            (&[&[0x95, 0x01, 0x00, 4][..], &random].concat(), Format::BinaryKey),
        ] {
            assert_eq!(of(head), [format], "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn what_only_resembles_is_none() {
        let random: Vec<u8> = (0..1024_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
        let gzip: Vec<u8> = [&b"\x1f\x8b"[..], &[0xa5; 500]].concat();
        let counting: Vec<u8> = (0..200).collect();
        for head in [
            &b""[..],
            b"\0\0\0\x40ssh-rsa",
            b"ssh-rsa is an algorithm\n",
            b"-----BEGIN CERTIFICATE-----\n",
            b"key x;\n",
            b"0b2c7c9e-5d0f-4c43-9a5e-2f3f8f0f7a11 x\n",
            b"0b2c7c9e-5d0f-4c43-9a5e_2f3f8f0f7a11\n",
            &gzip,
            "größer ".repeat(40).as_bytes(),
            &vec![0; 1024],
            &[0xff; 256],
            &counting[..50],
            b"InitiatorName=\n# MY_HOSTID=\n",
            b"PasswordAuthentication yes\nPermitEmptyPasswords = no\n",
            b"password_encryption = scram-sha-256\n",
            b"# password = Xy12345678\n; secret = Xy12345678\n",
            b"secret = /etc/keys/Key1234\npassword = ${PASSWORD1}\n",
            b"password = changeit\nsecret =\n",
            b"password\t[success=1 default=ignore]\tpam_unix.so obscure yescrypt\n",
            b"root:*:20000:0:99999:7:::\nx:!:20000:0:99999:7:::\n",
            b"passwd:         files systemd\nshadow: files\n",
            b"echo: $HOME$PATH\n",
            b"0000000000000000000000000000000a\n",
            &random[..33],
            b"/usr/share/Some/Path4/that/is/long/enough\n",
            b"a-word-that-is-long-but-has-no-digit-in-it\n",
            // A certificate, and a public keyring.
            &der(&[&[0x30, 3, 2, 1, 0][..], &random].concat()),
            &[&[0x99, 0x01, 0x00, 4][..], &random].concat(),
        ] {
            assert_eq!(of(head), [], "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic() {
        let mut random = testkit::Random::from_environment();
        for _ in 0..20_000 {
            let length = usize::try_from(random.below(300)).unwrap_or(0);
            let bytes: Vec<u8> = (0..length).map(|_| random.bits().to_le_bytes()[0]).collect();
            let _ = of(&bytes);
            let mut text = b"\0\0\0\x07ssh-rsa password=$apr1$:key algorithm hmac-".to_vec();
            text.truncate(usize::try_from(random.below(text.len() as u64)).unwrap_or(0));
            text.extend(bytes);
            let _ = of(&text);
        }
    }
}
