//! Whether a word looks as if a program drew it at random, and not as if someone wrote it.
//!
//! Who writes a word stays in one class of characters for a while: letters of a word, digits of a number, a capital before small
//! letters. What was drawn changes from class to class nearly every second character.

/// How sure it is that a word was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Drawn {
    /// Words, names, numbers, templates.
    No,
    /// It mixes letters and digits, as names of versions and products do, too.
    Perhaps,
    /// As random generators write it.
    Surely,
}

/// The shortest word that a program draws.
const SHORTEST: usize = 8;
/// From how many characters on fewer changes are enough: chance makes few of them in a short word only.
const LONG: usize = 12;
/// The shortest word of hexadecimal digits: 64 bits.
const HEX: usize = 16;
/// The shortest and the longest word of base64 that stands alone: 128 bits, and 4096.
const BASE64: std::ops::RangeInclusive<usize> = 22..=700;
/// The most lines of a file of tokens.
const LINES: usize = 64;
/// What joins the words of a name, and is in base64, too.
const JOINTS: &str = "_-./+=";
/// Words of those who write what is to be replaced, or say that there is none.
const PLACEHOLDERS: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "change",
    "default",
    "example",
    "sample",
    "your",
    "replace",
    "insert",
    "enter",
    "disable",
    "required",
    "dummy",
    "placeholder",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Small,
    Large,
    Digit,
    Other,
}

impl Class {
    fn of(c: char) -> Self {
        match c {
            c if c.is_lowercase() => Self::Small,
            c if c.is_uppercase() => Self::Large,
            c if c.is_ascii_digit() => Self::Digit,
            _ => Self::Other,
        }
    }
}

/// How sure it is that `word` was drawn.
pub(super) fn drawn(word: &str) -> Drawn {
    let small = word.to_lowercase();
    if is_reference(word) || PLACEHOLDERS.iter().any(|placeholder| small.contains(placeholder)) {
        return Drawn::No;
    }
    if word.len() >= HEX && is_hex(word.as_bytes()) {
        return Drawn::Surely;
    }
    let classes: Vec<Class> = word.chars().filter(|c| !JOINTS.contains(*c)).map(Class::of).collect();
    let length = classes.len();
    let has = |class| classes.contains(&class);
    let has_letters = has(Class::Small) || has(Class::Large);
    if length < SHORTEST || !has_letters || distinct(word.as_bytes()) * 2 < length.min(16) {
        return Drawn::No;
    }
    // A capital before a small letter begins a word.
    let is_change = |pair: &&[Class]| pair[0] != pair[1] && pair != &[Class::Large, Class::Small];
    let changes = classes.windows(2).filter(is_change).count();
    let each = if length < LONG { 3 } else { 4 };
    match has(Class::Digit) || has(Class::Other) {
        true if changes * each >= length => Drawn::Surely,
        true if changes >= 3 && changes * 5 >= length => Drawn::Perhaps,
        false if length >= LONG && changes * 4 >= length => Drawn::Surely,
        _ => Drawn::No,
    }
}

/// Whether it is a path, an address, a variable or a template, which leads to the value, or several words.
fn is_reference(word: &str) -> bool {
    word.contains(char::is_whitespace)
        || word.starts_with(['/', '-', '$', '{', '%', '<', '@', '*', '~', '.'])
        || ["${", "{{", "$(", "://", "()"].iter().any(|part| word.contains(part))
}

/// Whether it is a word of hexadecimal digits that are neither a number nor a letter's word.
fn is_hex(word: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_hexdigit)
        && word.iter().any(u8::is_ascii_alphabetic)
        && word.iter().any(u8::is_ascii_digit)
        && distinct(word) >= 7
}

fn distinct(word: &[u8]) -> usize {
    word.iter().collect::<std::collections::BTreeSet<_>>().len()
}

/// Whether a file holds nothing but words that were drawn: hexadecimal digits, base64, tokens of RFC 7519, each in a line, or base64
/// over several lines.
pub(super) fn is_token(head: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(head) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_word = |line: &&str| is_base64(line) && !is_identifier(line);
    let is_of_words = !lines.is_empty() && lines.len() <= LINES && lines.iter().all(is_word);
    is_of_words && (lines.iter().all(|line| is_drawn_alone(line)) || is_drawn_alone(&lines.concat()))
        || lines.len() == 1 && is_web_token(lines[0])
}

fn is_drawn_alone(word: &str) -> bool {
    word.len() >= HEX && is_hex(word.as_bytes()) && word.len() <= *BASE64.end()
        || BASE64.contains(&word.len()) && drawn(word) == Drawn::Surely
}

fn is_base64(word: &str) -> bool {
    let word = word.trim_end_matches('=');
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/_-".contains(&byte))
}

/// Whether it has the form of a UUID, which counts as such or not at all.
fn is_identifier(word: &str) -> bool {
    word.len() == 36 && word.split(['-', '_']).map(str::len).eq([8, 4, 4, 4, 12])
}

/// Three parts in base64, of which the first two are objects of JSON.
pub(super) fn is_web_token(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    matches!(parts.as_slice(), [first, second, third]
        if first.starts_with("eyJ") && second.starts_with("eyJ") && third.len() >= 20 && parts.iter().all(|part| is_base64(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_drew_is_told_from_words() {
        for word in [
            "Xy7kLm29QpRt5vBn",
            "aB3xYz0kQ",
            "Xy7kLm29",
            "hG7dKq2LmP1x",
            "kdj3HGd8sKqpLd93",
            "3f2a9bc4d5e6f701",
            "aB3!xY$z9#Qw7&",
            "django-insecure-a$8(z!q0&k3)x7@w_1^e5#r9+t2=y6*u4",
            "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=",
            "rl0uE4kBHt4k.",
        ] {
            assert_eq!(drawn(word), Drawn::Surely, "{word}");
        }
        for word in [
            "LocalNetOnly",
            "NorthWest",
            "Butterworth2",
            "ChangeMe",
            "YOUR_PASSWORD_1",
            "DefaultPassword",
            "MySecretPassword",
            "ReplaceMe",
            "jdbcPassword",
            "getPassphrase()",
            "readToken1",
            "Disabled1",
            "NoneRequired",
            "OAuth2Bearer",
            "KubernetesSecret",
            "CompatMode",
            "$host$request_uri00",
            "{template}abcdefghijklmnop",
            "${PASSWORD1}",
            "/etc/keys/Key1234",
            "changeit",
            "masterKeyOf",
            "OptionalNoVerify",
            "ENV_DB_PASSWORD1",
            "WinBind1",
            "Some-Long-Host-Name-42-in-the-Data-Center-A",
            "share/MyApp/Plugins/libFoo2/default_handler-x",
            "Net_Driver2_IntelGigabitEthernet82599Controller",
            "Release-2024-11-05-Stable-BuildNumber1234567",
            "scram-sha-256",
            "1234567890123456",
            "aaaaaaaa1a1a1a1a",
        ] {
            assert_eq!(drawn(word), Drawn::No, "{word}");
        }
        assert_eq!(drawn("vault1_lookup_Db"), Drawn::Perhaps);
    }

    #[test]
    fn a_token_is_all_that_is_in_its_file() {
        for text in [
            "0123456789abcdef0123456789abcdef\n",
            "3f2a9bc4d5e6f701",
            "3f2a9bc4d5e6f701aabbccdd\r\n4f2a9bc4d5e6f701aabbccdd\r\n",
            "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n",
            "yAnz5TF+lXXJte14tji3zg==\n",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.Zk3vQp8sT1vX4yZ7aB0cD3eF\n",
        ] {
            assert!(is_token(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "0000000000000000000000000000000a\n",
            "c12a7328-f81f-11d2-ba4b-00a0c93ec93b\n",
            "a-word-that-is-long-but-has-no-digit-in-it\n",
            "3f2a9bc4d5e6f701aabbccdd  /etc/x\n",
            "Some-Long-Host-Name-42-in-the-Data-Center-A\n",
        ] {
            assert!(!is_token(text.as_bytes()), "{text}");
        }
    }
}
