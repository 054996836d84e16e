//! Variables in a command line (`systemd.service(5)`, "Command lines").

use super::words::unquoted;

/// The arguments of a command, its variables replaced as systemd does it: a word `$NAME` by the words of the value, of which
/// there may be none; `${NAME}` in a word by the value as it is; `$$` by a dollar sign. One that `value` does not know is
/// empty.
#[must_use]
pub fn expand(words: &[String], value: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut out = Vec::new();
    for word in words {
        match word.strip_prefix('$').filter(|name| !name.starts_with(['{', '$'])) {
            Some(name) => out.extend(unquoted(&value(name).unwrap_or_default())),
            None => out.push(inside(word, value)),
        }
    }
    out
}

/// A word with the values of its `${NAME}`.
fn inside(word: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::new(), word);
    while let Some(at) = rest.find('$') {
        out += &rest[..at];
        let after = &rest[at + 1..];
        let named = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        rest = match (after.strip_prefix('$'), named) {
            (Some(rest), _) => {
                out.push('$');
                rest
            }
            (None, Some((name, rest))) => {
                out += &value(name).unwrap_or_default();
                rest
            }
            (None, None) => {
                out.push('$');
                after
            }
        };
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_what_systemd_makes_of_them() {
        let value = |name: &str| {
            let known = [("ONE", "-F 1"), ("QUOTED", "a 'b c' \"d\"  e"), ("EMPTY", ""), ("SLASH", r"a\ b")];
            known.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        let expanded =
            |words: &[&str]| expand(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), &value);
        assert_eq!(expanded(&["$ONE", "x${ONE}y", "${ONE}"]), ["-F", "1", "x-F 1y", "-F 1"]);
        assert_eq!(expanded(&["$QUOTED"]), ["a", "b c", "d", "e"]);
        assert_eq!(expanded(&["$SLASH"]), ["a b"]);
        // What is nowhere is nothing, and within a word the empty text.
        assert_eq!(expanded(&["$EMPTY", "$NOWHERE", "${NOWHERE}", "a${NOWHERE}b"]), ["", "ab"]);
        // A word that only begins with a variable is one of that whole name.
        assert_eq!(
            expanded(&["$ONE/x", "a$ONE", "$$ONE", "a$$", "$", "a${ONE", "a$"]),
            ["a$ONE", "$ONE", "a$", "a${ONE", "a$"]
        );
    }
}
