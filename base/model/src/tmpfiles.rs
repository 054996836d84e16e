//! The lines of `tmpfiles.d(5)`: to whom a node gives what it makes.
//!
//! Pure and bounded, as [`crate::sysusers`] is: a line that systemd-tmpfiles would refuse says nothing here.

use crate::unit::AccountKind;

/// Where systemd-tmpfiles looks; a file in an earlier one hides those of its name in the later ones.
pub const DIRECTORIES: [&str; 3] = ["/etc/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d"];

/// The most bytes of one file that are read.
pub const MAX_BYTES: usize = 256 << 10;
/// The most lines of one file that count.
const MAX_LINES: usize = 4096;
/// Types whose user and group are not looked at: what removes, leaves out, links, or sets attributes.
const WITHOUT_OWNER: &str = "xXrRLtThHaAw";

/// The users and groups by name that the lines of a file give something to, in their order. Numbers, root, and names with
/// specifiers, which only the node knows, are left out, and so are lines that may fail (`-` behind the type).
#[must_use]
pub fn owners(bytes: &[u8]) -> Vec<(AccountKind, String)> {
    let lines = bytes[..bytes.len().min(MAX_BYTES)].split(|byte| *byte == b'\n').take(MAX_LINES);
    lines.filter_map(|line| of_line(std::str::from_utf8(line).ok()?)).flatten().collect()
}

fn of_line(line: &str) -> Option<impl Iterator<Item = (AccountKind, String)>> {
    let mut rest = line.trim_start();
    let kind = word(&mut rest).filter(|kind| !kind.starts_with('#') && !kind.contains('-'))?;
    let has_owner = kind.starts_with(|c: char| c.is_ascii_alphabetic() && !WITHOUT_OWNER.contains(c));
    // Path and mode.
    let (_, _) = (word(&mut rest)?, word(&mut rest)?);
    let (user, group) = (word(&mut rest), word(&mut rest));
    let named = [(AccountKind::User, user), (AccountKind::Group, group)];
    let named = named.into_iter().filter_map(|(kind, word)| Some((kind, name(&word?)?)));
    Some(named.filter(move |_| has_owner))
}

/// The name of an account in a field. A colon before it says that what is there already keeps its owner.
fn name(word: &str) -> Option<String> {
    let name = word.strip_prefix(':').unwrap_or(word);
    let is_name = !matches!(name, "" | "-" | "root") && !name.contains('%');
    (is_name && !name.bytes().all(|byte| byte.is_ascii_digit())).then(|| name.to_owned())
}

/// The next field of a line, without its quotes. None at the end, and where a quote does not end.
fn word(rest: &mut &str) -> Option<String> {
    let text = rest.trim_start();
    let (mut word, mut quote, mut end) = (String::new(), None, text.len());
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match (c, quote) {
            ('\\', _) => word.push(characters.next()?.1),
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_ascii_whitespace() => {
                end = at;
                break;
            }
            (c, _) => word.push(c),
        }
    }
    *rest = &text[end..];
    (end > 0 && quote.is_none()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_the_names_of_lines_that_make_something() {
        let user = |name: &str| (AccountKind::User, name.to_owned());
        let group = |name: &str| (AccountKind::Group, name.to_owned());
        let ask = |text: &str| owners(text.as_bytes());
        assert_eq!(ask("d /run/web 0755 web www -\n"), [user("web"), group("www")]);
        assert_eq!(ask("# d /run/web 0755 web web\n\n  f+ /run/a - :web :0 - x\n"), [user("web")]);
        assert_eq!(ask("d \"/run/a b\" 0755 \"web\" root\nz '/run/x y' - - adm\n"), [user("web"), group("adm")]);
        assert_eq!(ask("d /run/a\\ b 0755 web\n"), [user("web")]);
        assert_eq!(ask("d- /run/web 0755 web web\nd /run/web 0755 %u %g\nd /run/web\nd /run/web 0755 12 -\n"), []);
        assert_eq!(ask("L /run/l - web web - x\nr /run/x - web web\na /run/x - web - - u:web:r\n"), []);
        assert_eq!(ask("d \"/run/web 0755 web web\n"), [], "a quote that does not end");
        assert_eq!(ask("C! /run/web 0755 web - - /x\nv$ /srv/v 0755 - vm\n"), [user("web"), group("vm")]);
    }
}
