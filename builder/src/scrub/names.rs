//! What the names in a path say of a file whose content alone says too little.

use model::ImagePath;

/// Words of files that hold a key or an identifier.
const KEYS: [&str; 34] = [
    "key",
    "keys",
    "keyfile",
    "keytab",
    "authkey",
    "authkeys",
    "hostkey",
    "privkey",
    "secretkey",
    "masterkey",
    "secret",
    "secrets",
    "cookie",
    "cookies",
    "seed",
    "token",
    "tokens",
    "salt",
    "nonce",
    "psk",
    "pass",
    "password",
    "passwd",
    "private",
    "uuid",
    "guid",
    "id",
    "hostid",
    "ident",
    "entropy",
    "stash",
    "credential",
    "credentials",
    "jwt",
];
/// Words of directories that hold keys.
const DIRECTORIES: [&str; 7] = ["private", "keys", "secrets", "tokens", "cookies", "credentials", "seeds"];
/// Words of files that hold passwords, among other words.
const PASSWORDS: [&str; 12] = [
    "secrets",
    "secret",
    "password",
    "passwords",
    "passwd",
    "pgpass",
    "netrc",
    "authkeys",
    "htpasswd",
    "htdigest",
    "credentials",
    "credential",
];
/// Words of files that hold what anyone may know, and looks drawn as well: digests, signatures, revisions, public keys.
const PUBLIC: [&str; 22] = [
    "pub",
    "public",
    "pubkey",
    "sig",
    "signature",
    "asc",
    "sum",
    "sums",
    "md",
    "sha",
    "shasum",
    "checksum",
    "checksums",
    "digest",
    "hash",
    "rev",
    "revision",
    "version",
    "commit",
    "release",
    "crt",
    "cert",
];

/// Whether the name of the file, or of a directory around it, says that it holds a key.
pub(super) fn say_key(path: &ImagePath) -> bool {
    let names: Vec<&[u8]> = path.components().collect();
    let Some((file, directories)) = names.split_last() else { return false };
    let is_in = |words: &[&str], name: &[u8]| has(words, name);
    !say_public(path)
        && (is_in(&KEYS, file) || directories.iter().skip(1).any(|directory| is_in(&DIRECTORIES, directory)))
}

/// Whether the file's name says that it holds passwords.
pub(super) fn say_passwords(path: &ImagePath) -> bool {
    has(&PASSWORDS, path.file_name().unwrap_or_default())
}

/// Whether the file's name says that anyone may know what is in it.
pub(super) fn say_public(path: &ImagePath) -> bool {
    has(&PUBLIC, path.file_name().unwrap_or_default())
}

fn has(wanted: &[&str], name: &[u8]) -> bool {
    words(name).iter().any(|word| wanted.contains(&word.as_str()))
}

/// The words of a name, in small letters: digits and joints divide them, and a capital that follows a small letter.
fn words(name: &[u8]) -> Vec<String> {
    let (mut words, mut last) = (vec![String::new()], b'_');
    for byte in name {
        if !byte.is_ascii_alphabetic() || last.is_ascii_lowercase() && byte.is_ascii_uppercase() {
            words.push(String::new());
        }
        if byte.is_ascii_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.push(char::from(byte.to_ascii_lowercase()));
        }
        last = *byte;
    }
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn a_name_says_what_is_in_a_file_by_whole_words() {
        let path = |text: &str| ImagePath::new(text).unwrap();
        for text in ["/etc/a/seed48", "/etc/a/secretKey", "/etc/a/.erlang.cookie", "/etc/a/host-id", "/etc/keys/a"] {
            assert!(say_key(&path(text)), "{text}");
        }
        for text in
            ["/etc/a/monkey", "/etc/a/key.pub", "/etc/a/config.md5", "/etc/a/id.sha256", "/etc/a/git-rev", "/keys/a"]
        {
            assert!(!say_key(&path(text)), "{text}");
        }
        assert!(say_passwords(&path("/etc/ppp/chap-secrets")) && !say_passwords(&path("/etc/secretary")));
    }
}
