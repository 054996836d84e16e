//! The lines of `sysusers.d(5)`: which accounts a node makes.
//!
//! Pure and bounded, as [`crate::unit`] is: a line that systemd-sysusers would refuse says nothing here.

/// Where systemd-sysusers looks; a file in an earlier one hides those of its name in the later ones.
pub const DIRECTORIES: [&str; 3] = ["/etc/sysusers.d", "/usr/local/lib/sysusers.d", "/usr/lib/sysusers.d"];

/// The most bytes of one file that are read.
pub const MAX_BYTES: usize = 256 << 10;
/// The most lines of one file that count.
pub const MAX_LINES: usize = 4096;
/// The longest name of an account, as in Debian.
const MAX_NAME: usize = 32;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// `u`: a user, and a group of its name where no other is said.
    User {
        /// Its name.
        name: String,
        /// Its number, where the line says it.
        uid: Option<u32>,
        /// The number or name of its group, where the line says it.
        group: Option<String>,
        /// Whether the line leaves the number to the node.
        is_open: bool,
        /// Whether the user is locked (`u!`).
        is_locked: bool,
        /// What follows the number, as it is written: full name, home, shell.
        rest: String,
    },
    /// `g`: a group.
    Group {
        /// Its name.
        name: String,
        /// Its number, where the line says it.
        gid: Option<u32>,
        /// Whether the line leaves the number to the node.
        is_open: bool,
    },
    /// `m`: a user that is a member of a group. Both are made where they are missing.
    Member {
        /// The user's name.
        user: String,
        /// The group's name.
        group: String,
    },
}

/// The lines of a file of `sysusers.d`, in their order. `r` lines, which make no account, are left out, and so are
/// names with specifiers, which only the node knows.
#[must_use]
pub fn lines(bytes: &[u8]) -> Vec<Line> {
    numbered(bytes).into_iter().map(|(_, line)| line).collect()
}

/// The same, each with the number of the line that it stands in, from 1.
#[must_use]
pub fn numbered(bytes: &[u8]) -> Vec<(usize, Line)> {
    let text = bytes[..bytes.len().min(MAX_BYTES)].split(|byte| *byte == b'\n').enumerate();
    let read = |(number, text): (usize, &[u8])| Some((number + 1, line(std::str::from_utf8(text).ok()?)?));
    text.filter_map(read).take(MAX_LINES).collect()
}

fn line(text: &str) -> Option<Line> {
    let mut words = text.split_ascii_whitespace().map(|word| word.trim_matches('"'));
    let kind = words.next()?;
    let name = words.next().filter(|name| is_name(name))?.to_owned();
    let id = words.next().filter(|id| *id != "-");
    match kind {
        "u" | "u!" => {
            let (uid, group) = match id.and_then(|id| id.split_once(':')) {
                Some((uid, group)) => (Some(uid), Some(group.to_owned())),
                None => (id, None),
            };
            let is_open = uid.is_none_or(|uid| uid == "-");
            Some(Line::User {
                name,
                uid: number(uid),
                group,
                is_open,
                is_locked: kind == "u!",
                rest: after(text, 3).to_owned(),
            })
        }
        "g" => Some(Line::Group { name, gid: number(id), is_open: id.is_none() }),
        "m" => id.filter(|group| is_name(group)).map(|group| Line::Member { user: name, group: group.to_owned() }),
        _ => None,
    }
}

/// What follows the first `words` words of a line.
fn after(text: &str, words: usize) -> &str {
    (0..words).fold(text.trim(), |rest, _| {
        rest.find(|c: char| c.is_ascii_whitespace()).map_or("", |end| rest[end..].trim_start())
    })
}

/// A path stands for the number of its owner, which only the node knows.
fn number(id: Option<&str>) -> Option<u32> {
    let digits = id.filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|number| !matches!(*number, 0xffff | u32::MAX))
}

fn is_name(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins && text.len() <= MAX_NAME && text.bytes().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, uid: Option<u32>, group: Option<&str>) -> Line {
        let group = group.map(str::to_owned);
        let (is_open, is_locked, rest) = (false, false, String::new());
        Line::User { name: name.to_owned(), uid, group, is_open, is_locked, rest }
    }

    /// A user whose number the line leaves to the node.
    fn open(name: &str, group: Option<&str>) -> Line {
        let group = group.map(str::to_owned);
        Line::User { name: name.to_owned(), uid: None, group, is_open: true, is_locked: false, rest: String::new() }
    }

    #[test]
    fn users_groups_and_memberships_are_read() {
        let text = b"# c\nu redis 312 \"Redis\" /var/lib/redis\n u! _x 5:games\nu a /etc/passwd\nu b -:nogroup\ng c 7\ng d -\n\
                     m a c\nm a\nr - 500-900\nu %i -\nu 1a -\nx y -\nu \"q\" -\nu z\xff -\nu big 4294967295\n";
        let group = |name: &str, gid: Option<u32>| Line::Group { name: name.to_owned(), gid, is_open: gid.is_none() };
        let with = |line: Line, lock: bool, text: &str| match line {
            Line::User { name, uid, group, is_open, .. } => {
                Line::User { name, uid, group, is_open, is_locked: lock, rest: text.to_owned() }
            }
            other => other,
        };
        assert_eq!(
            lines(text),
            [
                with(user("redis", Some(312), None), false, "\"Redis\" /var/lib/redis"),
                with(user("_x", Some(5), Some("games")), true, ""),
                user("a", None, None),
                open("b", Some("nogroup")),
                group("c", Some(7)),
                group("d", None),
                Line::Member { user: "a".to_owned(), group: "c".to_owned() },
                open("q", None),
                user("big", None, None),
            ]
        );
        assert_eq!(numbered(b"\n# c\ng c 7\n"), [(3, group("c", Some(7)))]);
    }

    #[test]
    fn a_file_has_an_end() {
        assert_eq!(lines(&b"u a -\n".repeat(MAX_LINES + 1)).len(), MAX_LINES);
        let name = "a".repeat(MAX_NAME + 1);
        assert_eq!(lines(format!("u {name} -\nu {} -\n", &name[1..]).as_bytes()).len(), 1);
    }
}
