//! Accounts that have the same number on every Debian (Debian Policy, section 9.2.2: those from 0 to 99, and nobody's), where
//! the package base-passwd makes them.

/// The users.
pub const USERS: [(&str, u32); 18] = [
    ("root", 0),
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("sync", 4),
    ("games", 5),
    ("man", 6),
    ("lp", 7),
    ("mail", 8),
    ("news", 9),
    ("uucp", 10),
    ("proxy", 13),
    ("www-data", 33),
    ("backup", 34),
    ("list", 38),
    ("irc", 39),
    ("_apt", 42),
    ("nobody", 65534),
];

/// The groups.
pub const GROUPS: [(&str, u32); 38] = [
    ("root", 0),
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("adm", 4),
    ("tty", 5),
    ("disk", 6),
    ("lp", 7),
    ("mail", 8),
    ("news", 9),
    ("uucp", 10),
    ("man", 12),
    ("proxy", 13),
    ("kmem", 15),
    ("dialout", 20),
    ("fax", 21),
    ("voice", 22),
    ("cdrom", 24),
    ("floppy", 25),
    ("tape", 26),
    ("sudo", 27),
    ("audio", 29),
    ("dip", 30),
    ("www-data", 33),
    ("backup", 34),
    ("operator", 37),
    ("list", 38),
    ("irc", 39),
    ("src", 40),
    ("shadow", 42),
    ("utmp", 43),
    ("video", 44),
    ("sasl", 45),
    ("plugdev", 46),
    ("staff", 50),
    ("games", 60),
    ("users", 100),
    ("nogroup", 65534),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test reads what the package has")]
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    /// Needs the package, which every Debian has.
    #[test]
    fn they_are_those_of_base_passwd() {
        for (file, all) in [("passwd", &USERS[..]), ("group", &GROUPS[..])] {
            let text = std::fs::read_to_string(format!("/usr/share/base-passwd/{file}.master")).unwrap();
            let read = |line: &str| {
                let mut fields = line.split(':');
                Some((fields.next()?.to_owned(), fields.nth(1)?.parse::<u32>().ok()?))
            };
            let read: Vec<(String, u32)> = text.lines().filter_map(read).collect();
            // Another release may have dropped one, and gives its number to no other.
            for (name, number) in &read {
                let ours = all.iter().find(|(other, _)| other == name).map(|(_, number)| *number);
                assert!(ours.is_none_or(|ours| ours == *number), "{name}");
            }
            assert!(read.len() > 15 && all.iter().filter(|(name, _)| read.iter().any(|(r, _)| r == name)).count() > 15);
        }
    }
}
