//! Words of a command that someone is to paste into a shell.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::words::acts;

/// `path` as one word of a command line, which every POSIX shell reads as that path and any program takes for no option.
///
/// What is plain stays as it is. Bytes that cannot be shown, among them line breaks, are written by printf: `$'...'` would
/// be shorter, and dash does not know it. A substitution drops line breaks at its end, so that a path which ends in one
/// is given as that of a directory.
#[must_use]
pub fn word(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let mut path = bytes.to_owned();
    if bytes.starts_with(b"-") {
        path.splice(..0, *b"./");
    }
    match std::str::from_utf8(&path) {
        Ok(text) if text.chars().any(acts) => printed(&path),
        Ok(text) if !text.is_empty() && text.bytes().all(is_plain) => text.to_owned(),
        Ok(text) => format!("'{}'", text.replace('\'', r"'\''")),
        Err(_) => printed(&path),
    }
}

/// Whether no shell does anything with it, wherever it stands in a word.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&byte)
}

fn printed(path: &[u8]) -> String {
    let end = if path.ends_with(b"\n") { "/" } else { "" };
    let mut format = String::new();
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '%' => format.push_str("%%"),
                // What ends a word, or what an interactive shell acts on even here.
                c if r"\'!`$".contains(c) || c == '"' || acts(c) => {
                    octal(&mut format, c.encode_utf8(&mut [0; 4]).as_bytes())
                }
                c => format.push(c),
            }
        }
        octal(&mut format, chunk.invalid());
    }
    format!("\"$(printf '{format}{end}')\"")
}

fn octal(out: &mut String, bytes: &[u8]) {
    bytes.iter().for_each(|byte| out.push_str(&format!("\\{byte:03o}")));
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn shown(path: &[u8]) -> String {
        word(Path::new(OsStr::from_bytes(path)))
    }

    #[test]
    fn what_is_plain_stays_as_it_is() {
        for plain in [".", "web", "/srv/web-1.0/dist", "../a_b+c,d:e@f%g"] {
            assert_eq!(shown(plain.as_bytes()), plain);
        }
    }

    #[test]
    fn what_a_shell_acts_on_is_quoted() {
        for (path, wanted) in [
            ("", "''"),
            ("my web", "'my web'"),
            ("it's", r"'it'\''s'"),
            ("a;b", "'a;b'"),
            ("$(id)`id`", "'$(id)`id`'"),
            ("~root", "'~root'"),
            ("a*b?[c]", "'a*b?[c]'"),
            ("#x", "'#x'"),
            ("a=b", "'a=b'"),
            ("a\\b!", "'a\\b!'"),
            ("größe", "'größe'"),
        ] {
            assert_eq!(shown(path.as_bytes()), wanted);
        }
    }

    #[test]
    fn what_looks_like_an_option_is_none() {
        assert_eq!(shown(b"-rf"), "./-rf");
        assert_eq!(shown(b"--output=a b"), "'./--output=a b'");
        assert_eq!(shown(b"a/-b"), "a/-b");
    }

    #[test]
    fn what_cannot_be_shown_is_printed() {
        for (path, wanted) in [
            (&b"a\nb"[..], r#""$(printf 'a\012b')""#),
            (b"a\tb", r#""$(printf 'a\011b')""#),
            (b"a\xffb", r#""$(printf 'a\377b')""#),
            (b"100%\x1b\\'!$`\"", r#""$(printf '100%%\033\134\047\041\044\140\042')""#),
            (b"-\n", r#""$(printf './-\012/')""#),
            ("a\u{202e}b".as_bytes(), r#""$(printf 'a\342\200\256b')""#),
        ] {
            assert_eq!(shown(path), wanted);
        }
    }
}
