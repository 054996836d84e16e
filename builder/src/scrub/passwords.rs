//! Lines that hold a password, a hash of one, or a private key as a value.

use super::drawn::{Drawn, drawn};

/// What a secret is called, alone or as the last word of a name.
const NAMES: [&str; 28] = [
    "pass",
    "pwd",
    "psk",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "requirepass",
    "masterauth",
    "dbpass",
    "userpass",
    "rootpass",
    "adminpass",
    "smtppass",
    "bindpass",
    "keypass",
    "storepass",
    "apikey",
    "authkey",
    "secretkey",
    "accesskey",
    "encryptionkey",
    "sharedkey",
    "presharedkey",
    "signingkey",
    "apitoken",
];
/// No other word ends so.
const ENDINGS: [&str; 4] = ["password", "passwd", "passphrase", "secret"];
/// Which keys are secrets.
const KEYS: [&str; 16] = [
    "secret",
    "api",
    "auth",
    "encryption",
    "access",
    "shared",
    "preshared",
    "signing",
    "session",
    "master",
    "account",
    "crypt",
    "cookie",
    "hmac",
    "authentication",
    "private",
];
/// Kinds of hashes as crypt(5) and its like have them.
const HASHES: [&str; 17] = [
    "1", "2a", "2b", "2x", "2y", "5", "6", "7", "y", "gy", "md5", "sha1", "apr1", "argon2i", "argon2d", "argon2id",
    "scrypt",
];
/// Schemes of hashes (RFC 3112), by how they begin.
const SCHEMES: [&str; 9] = ["SSHA", "SHA", "SMD5", "MD5", "CRYPT", "PBKDF2", "ARGON2", "BLF-CRYPT", "CRAM-MD5"];
/// The shortest hash of a password, without its kind, and the longest name of a kind.
const HASH_LENGTH: usize = 12;
const HASH_NAME: usize = 20;
/// How many characters a hash of DES has (crypt(5)).
const DES: usize = 13;

/// How sure it is that a file holds a password that was drawn at random, or the hash of one.
pub(super) fn password(head: &[u8]) -> Drawn {
    let Some(text) = text(head) else { return Drawn::No };
    if is_table(&text) || lines(&text).any(has_hash) {
        return Drawn::Surely;
    }
    lines(&text)
        .map(|line| assigned(line, is_name).max(in_address(line)).max(identified(line)))
        .max()
        .unwrap_or(Drawn::No)
}

/// Whether a line gives a private key as a value: `PrivateKey = BASE64`, as WireGuard and the tools of DNSSEC write one.
pub(super) fn has_key(head: &[u8]) -> bool {
    let is_private = |words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.ends_with(&["private", "key"]) || words.ends_with(&["privatekey"])
    };
    text(head).is_some_and(|text| lines(&text).any(|line| assigned(line, is_private) == Drawn::Surely))
}

/// Whether a line has a word that was drawn, whatever is before it: in files whose name says that they hold passwords.
pub(super) fn has_drawn_word(head: &[u8]) -> bool {
    let is_joint = |c: char| c.is_whitespace() || "\"'`:;,=".contains(c);
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte);
    let is_drawn =
        |word: &str| word.len() >= HASH_LENGTH && word.bytes().all(is_of_word) && drawn(word) == Drawn::Surely;
    text(head).is_some_and(|text| lines(&text).any(|line| line.split(is_joint).any(is_drawn)))
}

/// Whether it is a table of accounts with a hash, such as `/etc/shadow`, of which a line has any kind of one.
pub(super) fn has_hashed_account(head: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(head) else { return false };
    lines(text).any(|line| {
        line.split_once(':')
            .is_some_and(|(name, rest)| !name.is_empty() && is_hash(rest.split(':').next().unwrap_or_default()))
    })
}

fn text(head: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    (!head.contains(&0)).then(|| String::from_utf8_lossy(head))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    let is_comment = |line: &&str| line.starts_with(['#', ';', '*', '!']) || line.starts_with("//") || line.is_empty();
    text.lines().map(str::trim).filter(move |line| !is_comment(line))
}

/// Whether every line is one of a table: `USER:HASH` of DES, `USER:REALM:MD5` (htdigest), `HOST:PORT:DATABASE:USER:PASSWORD`
/// (".pgpass"), `NAME:KEY` with a key of 64 bytes.
fn is_table(text: &str) -> bool {
    let is_line = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_hex = |word: &str| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        match fields.as_slice() {
            [_, key] if key.len() == 88 && key.ends_with("==") => drawn(key) == Drawn::Surely,
            [_, hash] => hash.len() == DES && hash.bytes().all(is_of_hash) && drawn(hash) == Drawn::Surely,
            [_, _, hash] => is_hex(hash),
            [_, port, _, _, password] => {
                (*port == "*" || !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
                    && drawn(password) == Drawn::Surely
            }
            _ => false,
        }
    };
    let mut all = lines(text).peekable();
    all.peek().is_some() && all.all(is_line)
}

fn is_of_hash(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"./".contains(&byte)
}

/// Whether the line has a hash of a kind that is known: `$KIND$SALT$HASH`, `{SCHEME}HASH`, `pbkdf2_KIND$ROUNDS$SALT$HASH`.
fn has_hash(line: &str) -> bool {
    let is_bound = |c: char| c.is_whitespace() || ":='\"`,>|!*".contains(c);
    line.char_indices().filter(|(at, _)| line[..*at].chars().next_back().is_none_or(is_bound)).any(|(at, _)| {
        let word = line[at..].split(|c: char| c.is_whitespace() || "'\"`<>:;".contains(c)).next().unwrap_or_default();
        is_known_hash(word)
    })
}

fn is_known_hash(word: &str) -> bool {
    let is_salted = |kind: &str| HASHES.contains(&kind) || kind.starts_with("pbkdf2");
    let of_crypt = word.strip_prefix('$').and_then(|rest| rest.split_once('$'));
    let of_scheme = word.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    of_crypt.is_some_and(|(kind, hash)| is_salted(kind) && hash.contains('$') && is_hash(word))
        || of_scheme.is_some_and(|(kind, _)| SCHEMES.iter().any(|scheme| kind.starts_with(scheme)) && is_hash(word))
        || word.starts_with("pbkdf2_") && word.matches('$').count() == 3
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

/// How sure it is that the line gives one of the names a value that was drawn. A name may be a word of an assignment, an attribute or
/// an element of XML, a key of JSON, an argument before another one, or a word before a blank.
fn assigned(line: &str, is_it: impl Fn(&[String]) -> bool) -> Drawn {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let mut best = Drawn::No;
    let mut from = 0;
    while let Some(start) = line[from..].find(is_of_name).map(|at| from + at) {
        let end = line[start..].find(|c| !is_of_name(c)).map_or(line.len(), |length| start + length);
        // What is behind a slash is a part of a path.
        if !line[..start].ends_with('/') && is_it(&words(&line[start..end])) {
            best = best.max(value(&line[end..]).map_or(Drawn::No, drawn));
        }
        from = end;
    }
    best
}

/// The value that follows a name: what is between quotes, else a word. A word with brackets is an expression of a program; behind a
/// blank alone, one with joints is a name or a version.
fn value(rest: &str) -> Option<&str> {
    let value = rest.trim_start_matches(|c: char| c.is_whitespace() || "'\"`=:,>[]".contains(c));
    let between = &rest[..rest.len() - value.len()];
    let quote = between.chars().next_back()?;
    if let Some((quoted, _)) = value.split_once(quote).filter(|_| "'\"`".contains(quote)) {
        return Some(quoted);
    }
    let is_end = |c: char| c.is_whitespace() || "'\"`;,<>".contains(c);
    let word = value.split(is_end).next()?;
    let is_none = if between.trim().is_empty() { "()[]{}\\.-_:" } else { "()[]{}\\" };
    (!word.contains(|c| is_none.contains(c))).then_some(word)
}

/// The words of a name, in small letters: they are divided by joints, and where a capital follows a small letter.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last_is_small = false;
    for c in name.chars() {
        let is_joint = !c.is_ascii_alphanumeric();
        if is_joint || last_is_small && c.is_ascii_uppercase() {
            words.push(String::new());
        }
        if !is_joint && let Some(word) = words.last_mut() {
            word.push(c.to_ascii_lowercase());
        }
        last_is_small = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn is_name(words: &[String]) -> bool {
    let is_of = |names: &[&str], word: &str| names.contains(&word);
    match words {
        [.., last] if is_of(&NAMES, last) || ENDINGS.iter().any(|end| last.ends_with(end)) => true,
        [.., of, key] if key == "key" => is_of(&KEYS, of),
        [.., of, key, base] => key == "key" && base == "base" && of == "secret",
        _ => false,
    }
}

/// A password in an address: `SCHEME://USER:PASSWORD@HOST`.
fn in_address(line: &str) -> Drawn {
    let password = |rest: &str| {
        let place = rest.split(|c: char| c.is_whitespace() || "'\"`/<>".contains(c)).next().unwrap_or_default();
        place.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).map_or(Drawn::No, |(_, word)| drawn(word))
    };
    line.match_indices("://").map(|(at, mark)| password(&line[at + mark.len()..])).max().unwrap_or(Drawn::No)
}

/// A password of SQL: `IDENTIFIED BY 'PASSWORD'`.
fn identified(line: &str) -> Drawn {
    const BY: &str = "identified by ";
    let at = line.to_ascii_lowercase().find(BY);
    at.and_then(|at| line.get(at + BY.len() - 1..)).and_then(value).map_or(Drawn::No, drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_wherever_configuration_may_have_it() {
        for text in [
            "Director {\n  Password = \"aB3xYz0kQ\"\n}\n",
            "dbc_dbpass='hG7dKq2LmP1x'\n",
            "<?php\n$cfg['blowfish_secret'] = 'kdj3HGd8sKqpLd93';\n",
            "backup:$apr1$salt$hashed-word\n",
            "admin:$7$101$salt$hashed==\n",
            "x:{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n",
            "x:$y$j9T$salt$hash.word:20000:0:99999:7:::\n",
            "admin:$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$c2FsdHNhbHQx\n",
            "users:\n  admin:\n    hash: \"$2y$10$abcdefghijklmnopqrstuuN5pQ8sT1vX4yZ7aB0cD3eF6gH9jK2mN\"\n",
            "admin:pbkdf2_sha256$260000$abcdef$yAnz5TF+lXXJte14tji3zg==\n",
            "admin:rl0uE4kBHt4k.\n",
            "admin:realm:0b2c7c9e5d0f4c439a5e2f3f8f0f7a11\n",
            "localhost:5432:db:app:Xy7kLm29QpRt5vBn\n",
            "machine h login app password Xy7kLm29QpRt5vBn\n",
            "db:\n  password: Xy7kLm29QpRt5vBn\n",
            "{ \"password\": \"Xy7kLm29QpRt5vBn\", }\n",
            "secret_token = 3f2a9bc4d5e6f701aabbccdd\n",
            "password = \"aB3!xY$z9#Qw7&\"\n",
            "pwd = Xy7kLm29QpRt5vBn\n",
            "port 6379\nrequirepass Xy7kLm29QpRt5vBn\n",
            "<admin-password>Xy7kLm29QpRt5vBn</admin-password>\n",
            "<user name=\"a\" password=\"Xy7kLm29QpRt5vBn\"/>\n",
            "DATABASE_URL=postgres://app:Xy7kLm29QpRt5vBn@localhost/db\n",
            "CREATE USER app IDENTIFIED BY 'Xy7kLm29QpRt5vBn';\n",
            "define('AUTH_KEY', 'Xy7kLm29QpRt5vBnXy7kLm29QpRt5vBn');\n",
            "SECRET_KEY = 'django-insecure-a$8(z!q0&k3)x7@w_1^e5#r9+t2=y6*u4'\n",
            "aws_secret_access_key = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3f\n",
            "api-key=3f2a9bc4d5e6f701aabbccdd\n",
            "encryptionKey: 3f2a9bc4d5e6f701aabbccdd\n",
            "network={\n psk=\"Xy7kLm29QpRt5vBn\"\n}\n",
            ": PSK \"Xy7kLm29QpRt5vBn\"\n",
            "TOKEN=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.Zk3vQp8sT1vX4yZ7aB0cD3eF\n",
            "SECRET_KEY_BASE=3f2a9bc4d5e6f701aabbccdd3f2a9bc4d5e6f701\n",
        ] {
            assert_eq!(password(text.as_bytes()), Drawn::Surely, "{text}");
        }
    }

    #[test]
    fn a_name_or_a_value_that_only_resembles_is_none() {
        for text in [
            "proxy_bypass = Xy7kLm29QpRt5vBn\ncompass = Xy7kLm29QpRt5vBn\nfilter_highpass: Xy7kLm29QpRt5vBn\n",
            "public_key = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3f\nPublicKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3f\n",
            "password = ChangeMe\ndb_password = \"YOUR_PASSWORD_1\"\npassphrase = getPassphrase()\n",
            "jdbc.password=jdbcPassword\ngrant_token = OAuth2Bearer\nsecret: KubernetesSecret\n",
            "default:$host$request_uri00\nx:{template}abcdefghijklmnop\nlog:$remote$requestline1234\n",
            "passwd 1:4.13+dfsg1-1+b1\nsecret libSecret1-0.20.5-3\n",
            "Conffiles:\n /etc/pam.d/passwd eaf2ad85b5ccd06cceb19a3e75f40c63\n",
            "token = page['T0ken'].n3xt(a1)\n$password = $q1->{pW9}[3]{x2};\n",
            "password\t[success=1 default=ignore]\tpam_unix.so obscure yescrypt\n",
            "passwd:         files systemd\nshadow: files\n",
            "PasswordAuthentication yes\npassword_encryption = scram-sha-256\n",
            "# password = Xy12345678\n; secret = Xy12345678\n// token: Xy7kLm29QpRt5vBn\n",
            "secret = /etc/keys/Key1234\npassword = ${PASSWORD1}\nsecret =\n",
            "url = https://example.org/a:b@c\nip = http://app:word@host\n",
            "root:*:20000:0:99999:7:::\nx:!:20000:0:99999:7:::\n",
            "echo: $HOME$PATH\n",
            "APT::Sandbox::User \"root\";\n",
            "secret = \"a phrase of 4 Words\"\n",
        ] {
            assert_eq!(password(text.as_bytes()), Drawn::No, "{text}");
        }
    }

    #[test]
    fn a_private_key_is_known_as_the_value_of_a_line() {
        let key = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
        for name in ["PrivateKey = ", "PrivateKey: ", "private_key: ", "  privateKey=\""] {
            assert!(has_key(format!("[Interface]\n{name}{key}\n").as_bytes()), "{name}");
        }
        for line in ["PublicKey = ", "PresharedKeys = ", "# PrivateKey = ", "Private-key-format: v1.3\nkey="] {
            assert!(!has_key(format!("{line}{key}\n").as_bytes()), "{line}");
        }
        assert!(has_drawn_word(b"app * Xy7kLm29QpRt5vBn *\n") && !has_drawn_word(b"app * some-words-for-that *\n"));
    }
}
