//! Whether the content of a file that no rule takes looks like a secret.

use model::ImagePath;

use super::drawn::Drawn;
use super::formats::Format;
use super::pattern::matches;
use super::private_key::holds_private_key;
use super::{names, packed, passwords, rules};

/// Words by which configuration names secrets.
const NAMES: [&str; 7] = ["pass", "secret", "key", "token", "cookie", "credential", "auth ="];
/// From how many letters and digits on a word that has both may be random.
const RANDOM: usize = 12;

/// Whether `content`, the beginning of a file, may be a secret: it is no text, names one, holds a word that looks random, or
/// nothing but a word or two. Lines of comments do not count: a template of keys has nothing else.
#[must_use]
pub fn may_hold_secret(content: &[u8]) -> bool {
    let Some(text) = std::str::from_utf8(content).ok().filter(|text| !text.contains('\0')) else { return true };
    let is_comment = |line: &&str| line.is_empty() || line.starts_with(['#', ';', '!']) || line.starts_with("//");
    let lines: Vec<String> =
        text.lines().map(str::trim).filter(|line| !is_comment(line)).map(str::to_lowercase).collect();
    if lines.is_empty() {
        return false;
    }
    let words = lines.iter().flat_map(|line| line.split_ascii_whitespace()).count();
    words <= 2
        || lines.iter().any(|line| NAMES.iter().any(|name| line.contains(name)) || line.split(is_joint).any(is_random))
}

/// From how many random bytes on a file is not one of the many small ones that look so.
const RANDOM_BYTES: usize = 32;

/// Whether a file that a maintainer script made, and that others may read, resembles a secret: by its content alone, which is too
/// little to leave it out.
#[must_use]
pub fn resembles_secret(path: &ImagePath, content: &[u8]) -> bool {
    let is_guessed = Format::RandomBytes.is_of(content) && content.len() >= RANDOM_BYTES
        || [Format::Uuid, Format::Token].iter().any(|format| format.is_of(content));
    rules::MADE.iter().any(|pattern| matches(pattern, path))
        && !names::say_public(path)
        && (is_guessed || passwords::password(content) != Drawn::No)
}

/// Whether the content is, or has in it, a private key or a store of keys, by a form that tells.
#[must_use]
pub fn holds_key(content: &[u8]) -> bool {
    let forms = [Format::SshKey, Format::ControlKey, Format::Exponent, Format::KeyLine, Format::BinaryKey];
    holds_private_key(content) || packed::holds_key(content) || forms.iter().any(|format| format.is_of(content))
}

fn is_joint(c: char) -> bool {
    !c.is_ascii_alphanumeric()
}

fn is_random(word: &str) -> bool {
    word.len() >= RANDOM
        && word.contains(|c: char| c.is_ascii_digit())
        && word.contains(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_and_a_table_of_rules_are_no_secrets() {
        for text in [
            "# 1 MD5 AVeryLongAndRandomPassword\n\n! x\n; y\n// z\n",
            "local all postgres peer\nhost all all 127.0.0.1/32 scram-sha-256\n",
            "[client]\nhost     = localhost\nuser     = root\n[mysql_upgrade]\nhost = localhost\n",
        ] {
            assert!(!may_hold_secret(text.as_bytes()), "{text}");
        }
        for text in [
            "hunter2\n",
            "user hunter2",
            "a line of words\npassword = x\n",
            "a line of words\nSecret: x\n",
            "some words with 3f2a9bc4d5e6f701 in them",
            "\u{0}\u{1}",
        ] {
            assert!(may_hold_secret(text.as_bytes()), "{text}");
        }
        assert!(may_hold_secret(b"\xff\xfe binary"));
    }
}
