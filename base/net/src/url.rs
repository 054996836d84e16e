//! What may be printed of a URL: no password in it ever is, wherever the URL came from.

/// What stands in the place of a user and a password.
const MASK: &str = "***";

/// `text` with the user and the password of every address in it replaced.
///
/// A password that holds a `/` makes no valid address; such a text is what a user gave by mistake,
/// and it is told from an address with an `@` in its path by what should be the port.
#[must_use]
pub fn redact(text: &str) -> String {
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
