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
    /// Nothing but random bytes.
    RandomBytes,
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
/// Files of random bytes have from 16 to 4096 of them.
const RANDOM_SIZES: std::ops::RangeInclusive<usize> = 64..=4096;
/// How files begin that are compressed, and whose bytes look random: gzip, bzip2, xz, zstd, zip.
const COMPRESSED: [&[u8]; 5] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK"];
/// How what stands before a password ends.
const PASSWORD_NAMES: [&str; 5] = ["pass", "password", "passwd", "passphrase", "secret"];
/// The shortest password that a program draws.
const PASSWORD_LENGTH: usize = 8;
/// How hashed passwords begin that stand in files of users (crypt(5), and Apache's own).
const HASHES: [&str; 8] = ["$apr1$", "$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$"];

impl Format {
    /// Whether a file that begins with `head` has it. Of a file that is no longer than what is looked at, `head` is the whole.
    pub(super) fn is_of(self, head: &[u8]) -> bool {
        match self {
            Self::SshKey => is_wire_key(head) || is_public_line(head),
            Self::DhParameters => has_line(head, |line| line == b"-----BEGIN DH PARAMETERS-----"),
            Self::ControlKey => is_control_key(head),
            Self::Exponent => has_line(head, |line| line.starts_with(b"pri_exp=0x")),
            Self::RandomBytes => is_random(head),
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
    if !RANDOM_SIZES.contains(&head.len()) || COMPRESSED.iter().any(|begin| head.starts_with(begin)) {
        return false;
    }
    let mut counts = [0_usize; 256];
    head.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let most = counts.iter().max().copied().unwrap_or(0);
    // Half of random bytes have the highest bit; 64 of them are far from these bounds once in a million.
    let high = head.iter().filter(|byte| **byte >= 0x80).count();
    most <= head.len() / 16 + 4 && high * 5 >= head.len() && high * 5 <= head.len() * 4 && is_no_text(head)
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

/// A line `NAME:HASH`, as for basic authentication.
fn is_user_with_hash(line: &str) -> bool {
    line.split_once(':').is_some_and(|(name, hash)| {
        !name.is_empty() && !hash.contains(':') && HASHES.iter().any(|begin| hash.starts_with(begin))
    })
}

/// A line `NAME = VALUE`, in which the name ends as those of passwords do, and the value looks drawn: one word of letters and
/// digits, or of letters large and small.
fn is_drawn(line: &str) -> bool {
    let Some((name, value)) = line.split_once('=') else { return false };
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
            F::RandomBytes,
            F::Uuid,
            F::HostName,
            F::FirebirdDatabase,
            F::Password,
        ];
        all.into_iter().filter(|format| format.is_of(head)).collect()
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
            (b"backup:$apr1$salt$hash\n", Format::Password),
        ] {
            assert_eq!(of(head), [format], "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn what_only_resembles_is_none() {
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
            b"root:*:20000:0:99999:7:::\nx:$y$j9T$salt$hash:20000:0:99999:7:::\n",
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
