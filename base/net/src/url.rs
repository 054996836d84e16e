//! What may be printed of a URL: no password in it ever is, wherever the URL came from.

/// What stands in the place of a user and a password.
const MASK: &str = "***";

/// `text` without secrets: the user and the password of every address in it are replaced, and so is what stands behind the
/// names by which credentials are sent ([`NAMES`]).
///
/// A password that holds a `/` makes no valid address; such a text is what a user gave by mistake,
/// and it is distinguished from an address with an `@` in its path by what should be the port.
#[must_use]
pub fn redact(text: &str) -> String {
    let text = without_credentials(text);
    // Most texts have none of the names.
    let lower = text.to_ascii_lowercase();
    if NAMES.iter().any(|(name, _)| lower.contains(name)) { without_named(&text, &lower) } else { text }
}

/// The names, in small letters, behind which a secret stands, each with what may follow the secret. A header's is the rest of
/// its line, where it is not quoted.
const NAMES: [(&str, &[char]); 5] = [
    ("authorization:", &['\r', '\n', '"', '\'']),
    ("bearer ", &[' ', '\t', '\r', '\n', '"', '\'', ',']),
    ("token=", &[' ', '\t', '\r', '\n', '"', '\'', '&', '#']),
    ("password=", &[' ', '\t', '\r', '\n', '"', '\'', '&', '#']),
    ("signature=", &[' ', '\t', '\r', '\n', '"', '\'', '&', '#']),
];

/// `text` without what stands behind [`NAMES`]; `lower` is the same in small letters.
fn without_named(text: &str, lower: &str) -> String {
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    let next = |from: usize| {
        let found =
            NAMES.iter().filter_map(|(name, ends)| Some((from + lower[from..].find(name)? + name.len(), *ends)));
        found.min_by_key(|(at, _)| *at)
    };
    while let Some((at, ends)) = next(from) {
        let secret = &text[at..];
        let blank = secret.len() - secret.trim_start_matches(' ').len();
        let length = secret[blank..].find(ends).unwrap_or(secret.len() - blank);
        out.push_str(&text[from..at + blank]);
        if length > 0 {
            out.push_str(MASK);
        }
        from = at + blank + length;
    }
    out + &text[from..]
}

fn without_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, word) = rest.split_at(at + 3);
        out.push_str(before);
        let end = word.find(|c: char| c.is_whitespace() || c.is_control() || "\"'`<>".contains(c));
        let word = &word[..end.unwrap_or(word.len())];
        // A further address in the same word is looked at in the next round.
        let word = &word[..word.find("://").unwrap_or(word.len())];
        match credentials(word) {
            Some(host) => out.extend([MASK, host]),
            None => out.push_str(word),
        }
        rest = &rest[before.len() + word.len()..];
    }
    out + rest
}

/// The address without what may be secret in it: user and password, query and fragment. A signed address has its signature
/// in the query.
#[must_use]
pub fn place(url: &str) -> String {
    redact(url.split(['?', '#']).next().unwrap_or_default())
}

/// The host of `url` with its port, without user and password.
#[must_use]
pub fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = credentials(rest).map_or(rest, |host| host.trim_start_matches('@'));
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// What follows the credentials in an address without its scheme, from the `@` on.
fn credentials(word: &str) -> Option<&str> {
    let authority = word.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some(at) = authority.rfind('@') {
        return Some(&word[at..]);
    }
    let port = authority.rsplit_once(':').map(|(_, port)| port)?;
    let is_port = port.bytes().all(|b| b.is_ascii_digit()) || port.ends_with(']');
    if is_port { None } else { word.rfind('@').map(|at| &word[at..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_without_credentials() {
        for (url, shown) in [
            ("http://mirror.example.org:80/a@b", "mirror.example.org:80"),
            ("https://user:secret@mirror.example.org/a", "mirror.example.org"),
            ("https://user:se/cret@mirror.example.org?a", "mirror.example.org"),
            ("http://[::1]:80/a", "[::1]:80"),
            ("mirror.example.org", "mirror.example.org"),
            ("", ""),
        ] {
            assert_eq!(host(url), shown);
        }
    }

    #[test]
    fn what_is_sent_as_credentials_is_replaced_to_its_end() {
        for (text, shown) in [
            ("Authorization: Basic dTpw\nHost: h", "Authorization: ***\nHost: h"),
            ("-H 'proxy-authorization:Bearer abc.def' x", "-H 'proxy-authorization:***' x"),
            ("a Bearer  abc, and more", "a Bearer  ***, and more"),
            (
                "https://h/?a=1&access_token=abc&X-Amz-Signature=d#e",
                "https://h/?a=1&access_token=***&X-Amz-Signature=***#e",
            ),
            ("TOKEN=", "TOKEN="),
            ("\u{c4}token=\u{e4}", "\u{c4}token=***"),
        ] {
            assert_eq!(redact(text), shown);
            assert_eq!(redact(shown), shown);
        }
        assert_eq!(place("https://u:p@h/a?token=b#c"), "https://***@h/a");
    }

    #[test]
    fn a_password_in_an_address_is_replaced_and_nothing_else() {
        for (text, shown) in [
            ("proxy = \"http://user:secret@proxy.example.org:3128\"", "proxy = \"http://***@proxy.example.org:3128\""),
            ("{\"a\":\"https://u:p@h/x\"} http://t@h", "{\"a\":\"https://***@h/x\"} http://***@h"),
            ("http://u:p@ss@h", "http://***@h"),
            ("http://u:p/w?d#@h", "http://***@h"),
            ("https://a:b@chttp://d:e@f", "https://***@chttp://***@f"),
            ("http://mirror.example.org:80/a@b", "http://mirror.example.org:80/a@b"),
            ("http://[::1]/a@b http://[::1]:80/a@b", "http://[::1]/a@b http://[::1]:80/a@b"),
            ("a@b file:///x@y ://", "a@b file:///x@y ://"),
            ("", ""),
        ] {
            assert_eq!(redact(text), shown);
            assert_eq!(redact(shown), shown);
        }
    }
}
