//! Lines of tmpfiles.d(5).

use model::ImagePath;

/// Whose something is, as a line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: String,
    pub(super) group: String,
}

/// The line that makes a directory. None where its name is no text, which no line can hold.
pub(super) fn directory(path: &ImagePath, mode: u16, owner: &Owner) -> Option<String> {
    Some(format!("d {} {mode:04o} {} {} - -\n", word(path.as_bytes())?, owner.user, owner.group))
}

/// The line that copies a file of the factory to its place, where nothing is there.
pub(super) fn copy(path: &ImagePath, mode: u16, owner: &Owner, from: &ImagePath) -> Option<String> {
    let (path, from) = (word(path.as_bytes())?, word(from.as_bytes())?);
    Some(format!("C {path} {mode:04o} {} {} - {from}\n", owner.user, owner.group))
}

/// The line that makes a symbolic link, where nothing is there.
pub(super) fn link(path: &ImagePath, target: &[u8]) -> Option<String> {
    Some(format!("L {} - - - - {}\n", word(path.as_bytes())?, word(target)?))
}

/// A path in a line: `%` begins a specifier, and what is not plain stands in quotes with C's escapes.
fn word(path: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(path).ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,~=%".contains(c);
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '%' => "%%".to_owned(),
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\x{:02x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    Some(if text.chars().all(is_plain) { escaped } else { format!("\"{escaped}\"") })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn a_name_stays_one_word_and_is_no_specifier() {
        let path = |text: &str| ImagePath::new(text).unwrap();
        let owner = Owner { user: "u".to_owned(), group: "g".to_owned() };
        let lines = [
            directory(&path("/var/lib/a b"), 0o2750, &owner),
            copy(&path("/var/50%/\"x\""), 0o644, &owner, &path("/usr/share/factory/var/a\nb")),
            link(&path("/var/l"), b"../x y"),
            directory(&ImagePath::new(b"/var/\xff").unwrap(), 0o755, &owner),
        ];
        assert_eq!(
            lines,
            [
                Some("d \"/var/lib/a b\" 2750 u g - -\n".to_owned()),
                Some("C \"/var/50%%/\\\"x\\\"\" 0644 u g - \"/usr/share/factory/var/a\\x0ab\"\n".to_owned()),
                Some("L /var/l - - - - \"../x y\"\n".to_owned()),
                None,
            ]
        );
    }
}
