//! Forms of secrets and identifiers that are known by their content, whoever wrote them and wherever they are.

use super::drawn::{Drawn, is_token};
use super::{binary, passwords};

/// A form of a secret, or of an identifier of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A private key of SSH in the form of the wire.
    SshKey,
    /// Parameters of a Diffie-Hellman exchange in PEM (RFC 7468), which take a while to find and are drawn at random.
    DhParameters,
    /// The statement of a key between a name server and who controls it (named.conf(5)).
    ControlKey,
    /// The private exponent of an RSA key in a file of settings.
    Exponent,
    /// A private key as the value of a line, or of a tool that signs files.
    KeyLine,
    /// A private key, or a store of such, in a form of its own that is no text.
    BinaryKey,
    /// Nothing but random bytes.
    RandomBytes,
    /// Nothing but words of base64 or of hexadecimal digits that look drawn.
    Token,
    /// Nothing but a UUID (RFC 9562, section 4), in a line: what the kernel draws at random for whoever asks.
    Uuid,
    /// Such a UUID behind a name, or with a remark.
    NamedUuid,
    /// The name of an iSCSI initiator (RFC 7143, 4.2.7), or the identifier of a host in a survey.
    HostName,
    /// A data base of Firebird ("on-disk structure", header page).
    FirebirdDatabase,
    /// A password that was drawn at random, or the hash of one.
    Password,
    /// A word that was drawn, in a file of passwords.
    DrawnWord,
    /// An account with a hashed password, as in `/etc/shadow`.
    HashedAccount,
}

/// The algorithms of keys of SSH (RFC 4253, 5656, 8709).
const ALGORITHMS: [&[u8]; 6] =
    [b"ssh-rsa", b"ssh-dss", b"ssh-ed25519", b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp521"];
/// How keys of signify and minisign begin in base64: encrypted ones, and plain ones of minisign. Public keys and signatures begin otherwise.
const SIGNING_KEYS: [&str; 3] = ["RWRTY", "RWRCS", "RWQAAEIy"];
/// In base64, how the primes of RFC 3526 and RFC 7919 begin: sixty bits of ones, which chance does not make.
const PUBLIC_PRIME: &str = "//////////";
/// The most lines of a file that names a UUID.
const FEW: usize = 3;

impl Format {
    /// Whether a file that begins with `head` has it. Of a file that is no longer than what is looked at, `head` is the whole.
    pub(super) fn is_of(self, head: &[u8]) -> bool {
        match self {
            Self::SshKey => wire_algorithm(head).is_some(),
            Self::DhParameters => has_drawn_prime(head),
            Self::ControlKey => holds_control_key(head),
            Self::Exponent => has_line(head, |line| line.starts_with(b"pri_exp=0x")),
            Self::KeyLine => passwords::has_key(head) || is_signing_key(head),
            Self::BinaryKey => binary::is_key(head),
            Self::RandomBytes => binary::is_random(head),
            Self::Token => is_token(head),
            Self::Uuid => is_uuid(head),
            Self::NamedUuid => names_uuid(head),
            Self::HostName => has_line(head, |line| {
                [&b"InitiatorName=iqn."[..], b"InitiatorName=eui.", b"InitiatorName=naa.", b"MY_HOSTID="]
                    .iter()
                    .any(|begin| line.starts_with(begin))
            }),
            Self::FirebirdDatabase => is_firebird(head),
            Self::Password => passwords::password(head) == Drawn::Surely,
            Self::DrawnWord => passwords::has_drawn_word(head),
            Self::HashedAccount => passwords::has_hashed_account(head),
        }
    }
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii)
}

fn has_line(head: &[u8], is_it: impl Fn(&[u8]) -> bool) -> bool {
    lines(head).any(is_it)
}

/// The algorithm that a string behind its length in four bytes (RFC 4251, 5) names.
pub(crate) fn wire_algorithm(head: &[u8]) -> Option<&[u8]> {
    let (length, rest) = head.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    rest.get(..length).filter(|name| ALGORITHMS.contains(name))
}

/// An algorithm, a blank, and what follows in base64, of which each begins with the length of the algorithm's name.
pub(super) fn is_public_line(head: &[u8]) -> bool {
    let mut words = head.splitn(3, |byte| *byte == b' ');
    let (algorithm, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    ALGORITHMS.contains(&algorithm) && key.starts_with(b"AAAA")
}

/// Whether parameters of Diffie-Hellman are there whose prime is not one that everyone uses.
fn has_drawn_prime(head: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(head) else { return false };
    let behind = |(at, label): (usize, &str)| text[at + label.len()..].split("-----").next().unwrap_or_default();
    text.match_indices("-----BEGIN DH PARAMETERS-----").map(behind).any(|prime| !prime.contains(PUBLIC_PRIME))
}

/// The second line of a key of signify(1) or minisign is the key in base64, behind a remark.
fn is_signing_key(head: &[u8]) -> bool {
    let mut lines = std::str::from_utf8(head).unwrap_or_default().lines();
    lines.next().is_some_and(|first| first.starts_with("untrusted comment:"))
        && lines.next().is_some_and(|key| SIGNING_KEYS.iter().any(|begin| key.starts_with(begin)))
}

/// Whether it is a statement `key` with an algorithm of HMAC, and nothing else but remarks.
pub(crate) fn is_control_key(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let is_remark = |line: &&str| line.starts_with('#') || line.starts_with("//");
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !is_remark(line)).collect();
    let text = lines.join("\n");
    text.trim_start().starts_with("key ") && text.matches('{').count() == 1 && holds_control_key(text.as_bytes())
}

/// Whether there is a statement `key NAME { algorithm hmac-...; secret ...; };`, whatever else.
fn holds_control_key(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let is_statement = |(at, word): (usize, &str)| {
        let is_first = text[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || ";}/".contains(c));
        let Some((name, rest)) = text[at + word.len()..].split_once('{') else { return false };
        let body = rest.split('}').next().unwrap_or_default();
        is_first && name.split_whitespace().count() == 1 && body.contains("algorithm hmac-") && body.contains("secret ")
    };
    text.match_indices("key ").any(is_statement)
}

/// Whether it is one UUID that was drawn and no more than the end of its line.
pub(crate) fn is_uuid(head: &[u8]) -> bool {
    is_drawn_uuid(head.strip_suffix(b"\n").unwrap_or(head))
}

/// Whether it is a UUID of version 4 and of the variant of RFC 9562: others are constants, or made from a time or a name.
fn is_drawn_uuid(text: &[u8]) -> bool {
    let is_digit = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36
        && text.iter().enumerate().all(is_digit)
        && text[14] == b'4'
        && matches!(text[19], b'8' | b'9' | b'a' | b'b' | b'A' | b'B')
}

/// Whether a few lines are all that there is, and one of them has such a UUID.
fn names_uuid(head: &[u8]) -> bool {
    let is_joint = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'-';
    let wanted: Vec<&[u8]> = lines(head).filter(|line| !line.is_empty() && !line.starts_with(b"#")).collect();
    wanted.len() <= FEW && wanted.iter().any(|line| line.split(is_joint).any(is_drawn_uuid))
}

/// A header page: its kind is 1, the size of pages is a power of two, and the version has the bit of Firebird's own.
fn is_firebird(head: &[u8]) -> bool {
    let half = |at: usize| head.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes);
    head.first() == Some(&1)
        && half(16).is_some_and(|size| size >= 1024 && size.is_power_of_two())
        && half(18).is_some_and(|version| version & 0x8000 != 0 && (10..=20).contains(&(version & 0x7fff)))
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
            F::KeyLine,
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

    fn random() -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..1024).map(|_| next()).collect()
    }

    #[test]
    fn each_form_is_known_by_what_is_in_it() {
        let mut firebird = vec![0; 1024];
        firebird[0] = 1;
        firebird[16..20].copy_from_slice(&[0, 0x20, 0x0d, 0x80]);
        let random = random();
        for (head, format) in [
            (&b"\0\0\0\x07ssh-rsa\0\0\0\x03\x01\0\x01"[..], Format::SshKey),
            (b"\0\0\0\x0bssh-ed25519\0\0\0\x40x", Format::SshKey),
            (b"text\n-----BEGIN DH PARAMETERS-----\nMII\n", Format::DhParameters),
            (b"key \"rndc-key\" {\n\talgorithm hmac-sha256;\n\tsecret \"x\";\n};\n", Format::ControlKey),
            (b"# made\nkey \"k\" {\n\talgorithm hmac-sha256;\n\tsecret \"x\";\n};\n", Format::ControlKey),
            (b"options { default-key k; };\nkey k { algorithm hmac-md5; secret \"x\"; };\n", Format::ControlKey),
            (b"[keys]\npub_exp=0x01\npri_exp=0x81,0x5b\n", Format::Exponent),
            (b"untrusted comment: signify secret key\nRWRCSwAAACo=\n", Format::KeyLine),
            (&random, Format::RandomBytes),
            (b"0b2c7c9e-5d0f-4c43-9a5e-2f3f8f0f7a11\n", Format::Uuid),
            (b"## made\nInitiatorName=iqn.1993-08.org.debian:01:1f5d\n", Format::HostName),
            (b"# id\nMY_HOSTID=\"0123456789abcdef0123456789abcdef\"\n", Format::HostName),
            (&firebird, Format::FirebirdDatabase),
            (b"password = Xy7kLm29\n", Format::Password),
            (&random[..32], Format::RandomBytes),
            (b"0123456789abcdef0123456789abcdef\n", Format::Token),
            (&der(&[2, 1, 0, 2, 1, 0]), Format::BinaryKey),
            (&der(&[&[2, 1, 0][..], &random].concat()), Format::BinaryKey),
            (&der(&[&[2, 1, 3][..], &random].concat()), Format::BinaryKey),
            (&[&[0x95, 0x01, 0x00, 4][..], &random].concat(), Format::BinaryKey),
        ] {
            assert_eq!(of(head), [format], "{}", String::from_utf8_lossy(head));
        }
        let wireguard = b"[Interface]\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n";
        assert_eq!(of(wireguard), [Format::KeyLine, Format::Password]);
        assert!(is_control_key(b"# made\nkey k { algorithm hmac-md5; secret \"x\"; };\n"));
        assert!(!is_control_key(b"options { default-key k; };\nkey k { algorithm hmac-md5; secret \"x\"; };\n"));
        for text in ["id=0b2c7c9e-5d0f-4c43-9a5e-2f3f8f0f7a11\n", "{\"id\": \"0b2c7c9e-5d0f-4c43-9a5e-2f3f8f0f7a11\"}"]
        {
            assert!(Format::NamedUuid.is_of(text.as_bytes()) && of(text.as_bytes()).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_only_resembles_is_none() {
        let random = random();
        let gzip: Vec<u8> = [&b"\x1f\x8b"[..], &[0xa5; 500]].concat();
        let counting: Vec<u8> = (0..200).collect();
        for head in [
            &b""[..],
            b"\0\0\0\x40ssh-rsa",
            b"ssh-rsa is an algorithm\n",
            b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI admin@example.org\n",
            b"-----BEGIN CERTIFICATE-----\n",
            // RFC 3526: everyone has it.
            b"-----BEGIN DH PARAMETERS-----\nMIIBCAKCAQEA///////////JD9qiIWjC\n-----END DH PARAMETERS-----\n",
            b"key x;\n",
            b"monkey k { algorithm hmac-md5; secret x; };\n",
            b"untrusted comment: minisign public key\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n",
            b"0b2c7c9e-5d0f-4c43-9a5e-2f3f8f0f7a11 x\n",
            b"0b2c7c9e-5d0f-4c43-9a5e_2f3f8f0f7a11\n",
            // The type of a partition, and no UUID.
            b"c12a7328-f81f-11d2-ba4b-00a0c93ec93b\n",
            b"00000000-0000-0000-0000-000000000000\n",
            &gzip,
            &counting[..50],
            b"InitiatorName=\n# MY_HOSTID=\n",
            b"/usr/share/Some/Path4/that/is/long/enough\n",
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
            for begin in
                [&b"\0\0\0\x07ssh-rsa password=$apr1$:key k { algorithm hmac-"[..], b"\x30\x82\x01\x30", b"\x05\x02\0"]
            {
                let mut text = begin.to_vec();
                text.truncate(usize::try_from(random.below(text.len() as u64)).unwrap_or(0));
                text.extend(&bytes);
                let _ = of(&text);
            }
        }
    }
}
