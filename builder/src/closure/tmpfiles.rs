//! Lines of tmpfiles.d(5).

use model::ImagePath;

/// Whose something is, as a line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: String,
    pub(super) group: String,
}

/// The line that makes a directory. None where no line can hold its name.
pub(super) fn directory(path: &ImagePath, mode: u16, owner: &Owner) -> Option<String> {
    Some(format!("d {} {mode:04o} {} {} - -\n", word(path.as_bytes())?, owner.user, owner.group))
}

/// The line that copies a file of the factory to its place, where nothing is there.
pub(super) fn copy(path: &ImagePath, mode: u16, owner: &Owner, from: &ImagePath) -> Option<String> {
    let (path, from) = (word(path.as_bytes())?, argument(from.as_bytes()));
    Some(format!("C {path} {mode:04o} {} {} - {from}\n", owner.user, owner.group))
}

/// The line that copies a directory of the factory with what is in it, each with the mode and the owner that it has there:
/// those that a line names would be those of all of it.
pub(super) fn copy_as_it_is(path: &ImagePath, from: &ImagePath) -> Option<String> {
    Some(format!("C {} - - - - {}\n", word(path.as_bytes())?, argument(from.as_bytes())))
}

/// The line that makes a symbolic link, where nothing is there.
pub(super) fn link(path: &ImagePath, target: &[u8]) -> Option<String> {
    Some(format!("L {} - - - - {}\n", word(path.as_bytes())?, argument(target)))
}

/// The line that gives a file its access list. Its path is a pattern.
pub(super) fn access_list(path: &ImagePath, list: &str) -> Option<String> {
    let is_special = |byte: &u8| b"*?[\\".contains(byte);
    let pattern =
        path.as_bytes().iter().flat_map(|byte| [b'\\'].into_iter().filter(|_| is_special(byte)).chain([*byte]));
    Some(format!("a {} - - - - {list}\n", word(&pattern.collect::<Vec<_>>())?))
}

/// A path in a line: `%` begins a specifier, and what is not plain stands in quotes. Not every systemd-tmpfiles knows escapes
/// there besides those of a quote and of a backslash (252 does not), so that no path has a line break.
fn word(path: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(path).ok().filter(|text| !text.contains(char::is_control))?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,~=%".contains(c);
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '%' => "%%".to_owned(),
            '"' | '\\' => format!("\\{c}"),
            c => c.to_string(),
        })
        .collect();
    Some(if text.chars().all(is_plain) { escaped } else { format!("\"{escaped}\"") })
}

/// The argument of a line that copies or links: all that is left of the line but for blanks at its ends, `-` alone for none,
/// with C's escapes and specifiers and without quotes.
fn argument(bytes: &[u8]) -> String {
    let last = bytes.len().saturating_sub(1);
    let byte = |(at, byte): (usize, &u8)| match byte {
        b'%' => "%%".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b'-' if bytes.len() == 1 => "\\x2d".to_owned(),
        b' ' if at != 0 && at != last => " ".to_owned(),
        byte if byte.is_ascii_graphic() => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    };
    bytes.iter().enumerate().map(byte).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    fn path(text: &[u8]) -> ImagePath {
        ImagePath::new(text).unwrap()
    }

    #[test]
    fn a_name_stays_one_word_and_is_no_specifier() {
        let owner = Owner { user: "u".to_owned(), group: "g".to_owned() };
        let lines = [
            directory(&path(b"/var/lib/a b"), 0o2750, &owner),
            copy(&path(b"/var/50%/\"x\""), 0o644, &owner, &path(b"/usr/share/factory/var/50%/\"x\"")),
            copy_as_it_is(&path(b"/var/tr$y "), &path(b"/usr/share/factory/var/tr$y ")),
            access_list(&path(b"/var/a*[\\"), "u::rwx"),
        ];
        assert_eq!(
            lines.map(Option::unwrap).concat(),
            "d \"/var/lib/a b\" 2750 u g - -\n\
             C \"/var/50%%/\\\"x\\\"\" 0644 u g - /usr/share/factory/var/50%%/\"x\"\n\
             C \"/var/tr$y \" - - - - /usr/share/factory/var/tr$y\\x20\n\
             a \"/var/a\\\\*\\\\[\\\\\\\\\" - - - - u::rwx\n"
        );
        for bad in [&b"/var/\xff"[..], b"/var/a\nb", b"/var/\x01"] {
            assert_eq!(directory(&path(bad), 0o755, &owner), None);
        }
    }

    #[test]
    fn an_argument_is_the_rest_of_the_line() {
        for (target, argument) in [
            (&b"../x y"[..], "../x y"),
            (b"it's", "it's"),
            (b"'a\\b'", "'a\\\\b'"),
            (b"-", "\\x2d"),
            (b"--", "--"),
            (b" a ", "\\x20a\\x20"),
            (b"\n%h\xff", "\\x0a%%h\\xff"),
        ] {
            assert_eq!(link(&path(b"/var/l"), target), Some(format!("L /var/l - - - - {argument}\n")));
        }
    }
}
