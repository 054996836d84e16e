//! Package archives: what may stand for one in settings, a lock or a record.
//!
//! The texts end in sources of apt, in argument lists, in URLs and in files of the local repository, whoever
//! wrote them. So there is one rule for each, and it leaves out whatever any of these could read otherwise.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// The longest URI of an archive, in bytes.
pub const URI_LIMIT: usize = 2048;

/// Why a text is no URI of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UriFault {
    /// Its scheme is none that packages are fetched by.
    Scheme,
    /// It holds something that it cannot hold, or is too long.
    Text,
    /// It leads up.
    Climbs,
    /// It names its host by an IPv6 address.
    Brackets,
    /// Its port is none.
    Port,
    /// It has no host, or no absolute path.
    Place,
    /// It holds a user name or a password.
    Credentials,
}

impl UriFault {
    /// What is wrong, as a sentence about the URI.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Scheme => "the URI begins with http:, https:, file: or copy:",
            Self::Text => "the URI holds a character that an archive's URI cannot hold",
            Self::Climbs => "the URI holds a `..` that an archive's URI cannot hold",
            Self::Brackets => "the URI names its host by an address in brackets",
            Self::Port => "the URI has a port that is no number from 1 to 65535",
            Self::Place => "the URI names no place",
            Self::Credentials => "the URI holds a user name or password, which would end up in the lock",
        }
    }

    /// What to do about it, for the URI `text`.
    #[must_use]
    pub fn hint(self, text: &str) -> &'static str {
        match self {
            Self::Scheme if !text.contains(':') => {
                "give a whole address, which begins with https:, http: or file: and the absolute path on this machine"
            }
            Self::Scheme => {
                "give an address that begins with https:, http: or file:; nothing is fetched by another way"
            }
            Self::Text if text.contains([' ', '\t']) => "write a blank in the address as %20",
            Self::Text if text.contains('#') => "leave out what stands behind the #: it names a part of a page",
            Self::Text => "leave out what is no letter, digit or common mark, or write it as % and two digits",
            Self::Climbs => "write the path as it is without the `..`",
            Self::Brackets => "give the host's name, or its IPv4 address",
            Self::Port => "give a port from 1 to 65535, or leave it out",
            Self::Place if text.starts_with(['f', 'c']) => "give the absolute path behind file:, as in file:/srv/tool",
            Self::Place => "name the host behind the scheme, as in https://downloads.example.org/tool",
            Self::Credentials => "leave out the user and the password: they would end up in the lock",
        }
    }
}

impl std::fmt::Display for UriFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for UriFault {}

/// The base URI of an archive in its one form: without slashes at its end, and with one slash after `file:`.
///
/// It holds nothing that apt's configuration or sources of either style could read otherwise, no way up
/// (also not as `%2e%2e`), and no credentials: it is written into the lock.
///
/// # Errors
/// When it is none.
pub fn uri(text: &str) -> Result<String, UriFault> {
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    if !["http", "https", "file", "copy"].contains(&scheme) {
        return Err(UriFault::Scheme);
    }
    let local = matches!(scheme, "file" | "copy");
    if !local && rest.starts_with("//[") {
        return Err(UriFault::Brackets);
    }
    let plain = |b: u8| b.is_ascii_graphic() && !b"\"'<>\\^`{|}[]#?$".contains(&b);
    let climbs = |text: &[u8]| text.split(|b| *b == b'/').any(|part| part == b"..");
    let decoded = decoded(rest).ok_or(UriFault::Text)?;
    if climbs(rest.as_bytes()) || climbs(&decoded) {
        return Err(UriFault::Climbs);
    }
    if text.len() > URI_LIMIT || !rest.bytes().all(plain) {
        return Err(UriFault::Text);
    }
    let rest = rest.trim_end_matches('/');
    // apt writes `file:///srv` as `file:/srv`, and so does the lock.
    let rest = if local && rest.starts_with("///") { &rest[2..] } else { rest };
    let authority = rest.strip_prefix("//").and_then(|rest| rest.split('/').next());
    if local && (!rest.starts_with('/') || authority.is_some()) || !local && authority.is_none_or(str::is_empty) {
        return Err(UriFault::Place);
    }
    if !local && authority.is_some_and(|authority| authority.contains('@')) {
        return Err(UriFault::Credentials);
    }
    let of_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if !local && authority.is_some_and(|authority| authority.starts_with('-') || !authority.bytes().all(of_host)) {
        return Err(UriFault::Text);
    }
    let port = authority.filter(|_| !local).and_then(|authority| authority.split_once(':')).map(|(_, port)| port);
    if port.is_some_and(|port| !is_port(port)) {
        return Err(UriFault::Port);
    }
    Ok(format!("{scheme}:{rest}"))
}

/// Whether `text` is a port, in digits alone.
fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// The directory of this machine that the archive at `uri` is; none for a server's.
#[must_use]
pub fn local_path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file:").or_else(|| uri.strip_prefix("copy:"))?;
    Some(PathBuf::from(OsString::from_vec(decoded(rest)?)))
}

/// The text without its percent signs; `None` when one of these means a slash or a control character, or
/// nothing at all.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = tail.split_at_checked(2)?;
        let byte = hex::decode(digits).ok()?.pop().filter(|byte| !byte.is_ascii_control() && *byte != b'/')?;
        bytes.push(byte);
        rest = after;
    }
    Some(bytes)
}

/// The URL of the file at `path` below the archive `uri`. Everything but letters, digits and a few marks is
/// percent-encoded: some object stores read a bare `+` as a blank.
#[must_use]
pub fn url(uri: &str, path: &str) -> String {
    let mut url = format!("{uri}/");
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02x}"));
        }
    }
    url
}

/// Whether `path` is relative, without empty, `.` or `..` components and odd characters.
#[must_use]
pub fn is_relative(path: &str) -> bool {
    // Indexes of small archives write `./name.deb`; apt joins it as it stands.
    let path = path.strip_prefix("./").unwrap_or(path);
    path.len() <= 4096
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

/// Whether `path` is relative and names a Debian package, which nothing but an archive has.
#[must_use]
pub fn is_deb_path(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_deb = name.rsplit_once('.').is_some_and(|(name, end)| !name.is_empty() && DEBS.contains(&end));
    is_deb && is_relative(path)
}

/// How the names of packages end: those for systems, for the installer, and with debugging symbols.
const DEBS: [&str; 3] = ["deb", "udeb", "ddeb"];

/// Whether `text` is a suite or code name, such as `trixie` or `trixie-security`.
#[must_use]
pub fn is_suite(text: &str) -> bool {
    is_component(text) && !text.ends_with('/')
}

/// The longest path of a flat archive, in bytes.
const FLAT_LIMIT: usize = 256;

/// Whether `text` is the path of a flat archive below its URI: `/`, `./`, or a relative path that ends in a slash, such as
/// `bookworm-cran40/`. Such an archive has no components (sources.list(5)).
#[must_use]
pub fn is_flat(text: &str) -> bool {
    let Some(path) = text.strip_suffix('/') else { return false };
    let path = path.strip_prefix("./").unwrap_or(path);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/+:~".contains(&b);
    let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.starts_with(['-', '~']);
    let is_below = || path.len() <= FLAT_LIMIT && path.bytes().all(is_plain) && path.split('/').all(is_part);
    ["/", "./"].contains(&text) || is_below()
}

/// Whether `text` is what stands behind the URI of an archive: a suite, or the path of a flat archive.
#[must_use]
pub fn is_place(text: &str) -> bool {
    is_suite(text) || is_flat(text)
}

/// Whether `text` is a component, such as `main` or `non-free-firmware`.
#[must_use]
pub fn is_component(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/+".contains(&b))
        && !text.split('/').any(|part| part == "..")
}

/// Whether `text` is `YYYYMMDDTHHMMSSZ`: a date of the Gregorian calendar and a time of day without leap seconds.
#[must_use]
pub fn is_snapshot(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return false;
    }
    let number = |range: std::ops::Range<usize>| {
        let digits = &bytes[range];
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    };
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(4..6), number(6..8)) else { return false };
    let (Some(hour), Some(minute), Some(second)) = (number(9..11), number(11..13), number(13..15)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    year >= 1970 && (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_has_one_form() {
        for (text, wanted) in [
            ("http://mirror.example.org/debian/", "http://mirror.example.org/debian"),
            ("https://mirror.example.org:8443", "https://mirror.example.org:8443"),
            ("file:///srv/archive//", "file:/srv/archive"),
            ("copy:/srv/my%20archive", "copy:/srv/my%20archive"),
        ] {
            assert_eq!(uri(text).as_deref(), Ok(wanted));
            assert_eq!(uri(wanted).as_deref(), Ok(wanted), "it is its own form");
        }
    }

    #[test]
    fn what_could_be_read_otherwise_is_no_uri() {
        for (text, fault) in [
            ("", UriFault::Scheme),
            ("ftp://mirror.example.org/debian", UriFault::Scheme),
            ("-oDir=/x:http://mirror.example.org", UriFault::Scheme),
            ("http:/debian", UriFault::Place),
            ("http:///debian", UriFault::Place),
            ("file:relative", UriFault::Place),
            ("file://host/srv", UriFault::Place),
            ("file:/", UriFault::Place),
            ("http://user:word@mirror.example.org/debian", UriFault::Credentials),
            ("http://mirror.example.org/a b", UriFault::Text),
            ("http://mirror.example.org/a\nSuites: x", UriFault::Text),
            ("http://mirror.example.org/a#b", UriFault::Text),
            ("http://mirror.example.org/a?b", UriFault::Text),
            ("http://mirror.example.org/a/../b", UriFault::Climbs),
            ("file:/srv/%2e%2e/etc", UriFault::Climbs),
            ("file:/srv/.%2E/etc", UriFault::Climbs),
            ("file:/srv/a%2f..%2fetc", UriFault::Text),
            ("file:/srv/a%0ab", UriFault::Text),
            ("file:/srv/a%00", UriFault::Text),
            ("file:/srv/a%", UriFault::Text),
            ("file:/srv/a%zz", UriFault::Text),
            ("http://[::1]/debian", UriFault::Brackets),
            ("http://h.example.org:0/debian", UriFault::Port),
            ("http://h.example.org:99999/debian", UriFault::Port),
            ("http://h.example.org:/debian", UriFault::Port),
            ("http://h.example.org:+80/debian", UriFault::Text),
            ("http://h.example.org:80:80", UriFault::Port),
            ("http://a,b/debian", UriFault::Text),
            ("http://-x/debian", UriFault::Text),
            ("http://mirrör.example.org/debian", UriFault::Text),
        ] {
            assert_eq!(uri(text), Err(fault), "{text:?}");
        }
        assert_eq!(uri(&format!("file:/{}", "a".repeat(URI_LIMIT))), Err(UriFault::Text));
    }

    #[test]
    fn suites_and_components_are_plain_words() {
        for text in ["trixie", "trixie-security", "bookworm/updates", "non-free-firmware", "7.0"] {
            assert!(is_suite(text) && is_component(text), "{text}");
        }
        for text in ["", "-o", "--simulate", "../x", "a/../b", "a b", "a\nb", "a,b", "[trusted=yes]", "ä", "/x", "."] {
            assert!(!is_suite(text) && !is_component(text), "{text:?}");
        }
        assert!(!is_suite("trixie/") && !is_suite(&"a".repeat(65)));
    }

    #[test]
    fn the_path_of_a_flat_archive_ends_in_a_slash_and_stays_below_the_uri() {
        for text in ["/", "./", "deb/", "./deb/", "debian12/x86_64/", "core:/stable:/v1.30/deb/", "bookworm-cran40/"] {
            assert!(is_flat(text) && is_place(text) && !is_suite(text), "{text}");
        }
        for text in
            ["", ".", "deb", "//", "/deb/", "../", "a/../", "a//", ".//", "-o/", "a b/", "a\nb/", "a\"/", "[x]/", "~/"]
        {
            assert!(!is_flat(text), "{text:?}");
        }
        let long = |length: usize| format!("{}/", "a".repeat(length));
        assert!(is_flat(&long(FLAT_LIMIT)) && !is_flat(&long(FLAT_LIMIT + 1)));
        assert!(is_place("trixie-security") && !is_place("-o"));
    }

    #[test]
    fn packages_lie_below_their_archive() {
        assert!(is_deb_path("pool/main/g/g++-14_1:2~rc1_amd64.deb") && is_deb_path("./x.udeb"));
        for path in [
            "shadow",
            ".deb",
            "a/.deb",
            "/etc/x.deb",
            "../x.deb",
            "a/../x.deb",
            "a//x.deb",
            "./././x.deb",
            "a b.deb",
            "a\\b.deb",
            "a\nb.deb",
            "ä.deb",
            "x.deb/",
        ] {
            assert!(!is_deb_path(path), "{path:?}");
        }
        assert!(!is_deb_path(&format!("{}.deb", "a".repeat(5000))));
        // A percent sign is one of the path's own, so that nothing can mean a way up.
        assert_eq!(url("file:/srv", "%2e%2e/x.deb"), "file:/srv/%252e%252e/x.deb");
    }

    #[test]
    fn snapshots_are_real_dates() {
        for text in ["20240229T235959Z", "20000229T000000Z", "20261231T120000Z"] {
            assert!(is_snapshot(text), "{text}");
        }
        for text in [
            "20230229T000000Z",
            "21000229T000000Z",
            "20241301T000000Z",
            "20240001T000000Z",
            "20240431T000000Z",
            "20240101T240000Z",
            "20240101T006000Z",
            "20240101T000060Z",
            "2024-01-01T00:00:00Z",
            "20240101T000000",
            "",
            "2024010１T00000Z",
        ] {
            assert!(!is_snapshot(text), "{text}");
        }
    }

    #[test]
    fn a_snapshot_is_a_moment() {
        assert!(is_snapshot("20250520T000000Z"));
        for wrong in ["20250520", "20251320T000000Z", "20250532T000000Z", "20250520T240000Z", "2025052+T000000Z"] {
            assert!(!is_snapshot(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_snapshot_has_an_hour_and_a_day_that_exist() {
        for (text, fits) in [
            ("20250101T000000Z", true),
            ("20251231T235959Z", true),
            ("20250001T000000Z", false),
            ("20251301T000000Z", false),
            ("20250100T000000Z", false),
            ("20250132T000000Z", false),
            ("20250101T240000Z", false),
            ("20250101T006000Z", false),
            ("20250101T000060Z", false),
            ("20250101 000000Z", false),
            ("20250101T000000z", false),
            ("20250101T000000Z ", false),
            ("2025010+T000000Z", false),
            ("20250101T00000+Z", false),
            ("20250101T00+000Z", false),
        ] {
            assert_eq!(is_snapshot(text), fits, "{text}");
        }
    }

    #[test]
    fn the_longest_names_are_taken_and_longer_ones_are_not() {
        let long = |length: usize| "a".repeat(length);
        assert!(is_component(&long(64)) && is_suite(&long(64)) && !is_component(&long(65)));
        assert!(is_component("a-._/+") && is_component("a/") && !is_suite("a/") && !is_component(".a"));
        assert!(is_relative(&long(4096)) && !is_relative(&long(4097)));
        assert!(is_relative(&format!("./{}", long(4096))));
        assert!(!is_relative("") && !is_relative("a/") && !is_relative("a/./b") && !is_relative("a/../b"));
        assert!(is_deb_path("a.deb") && is_deb_path("a.udeb") && is_deb_path("a.ddeb") && !is_deb_path("a.xdeb"));
        let uri_of = |length: usize| uri(&format!("file:/{}", long(length - 6)));
        assert!(uri_of(URI_LIMIT).is_ok() && uri_of(URI_LIMIT + 1).is_err());
    }

    #[test]
    fn a_local_archive_has_a_path_and_a_server_has_none() {
        assert_eq!(local_path("file:/srv/my%20archive"), Some(PathBuf::from("/srv/my archive")));
        assert_eq!(local_path("copy:/srv"), Some(PathBuf::from("/srv")));
        assert_eq!(local_path("http://mirror.example.org/debian"), None);
        assert_eq!(local_path("file:/srv%2fx"), None);
        assert_eq!(url("http://mirror.example.org", "a/b-c_d.e~f"), "http://mirror.example.org/a/b-c_d.e~f");
        assert_eq!(url("http://mirror.example.org", "g++:1"), "http://mirror.example.org/g%2b%2b%3a1");
    }

    #[test]
    fn each_fault_of_a_uri_has_a_hint_of_its_own() {
        for (text, words) in [
            ("ftp://h.example.org/x", "begins with https:"),
            ("tool.tar", "a whole address"),
            ("../tool.tar", "a whole address"),
            ("http://[::1]:80/x", "IPv4"),
            ("https://h.example.org/a/../x", "without the `..`"),
            ("http:///x", "name the host"),
            ("file:x", "absolute path behind file:"),
            ("https://u:p@h.example.org/x", "leave out the user"),
            ("https://h.example.org/a b", "%20"),
            ("https://h.example.org/x#y", "behind the #"),
            ("https://h.example.org/x{y}", "% and two digits"),
            ("https://h.example.org:99999/x", "a port from 1"),
        ] {
            let hint = uri(text).map_err(|fault| fault.hint(text)).unwrap_err();
            assert!(hint.contains(words), "{text}: {hint}");
        }
        assert!(uri("https://h.example.org:65535/x").is_ok() && uri("file:/srv/a:b").is_ok());
    }

    #[test]
    fn each_fault_of_a_uri_says_another_thing() {
        let text = |fault: UriFault| fault.to_string();
        assert!(text(UriFault::Scheme).contains("http:") && text(UriFault::Text).contains("character"));
        assert!(text(UriFault::Place).contains("no place") && text(UriFault::Credentials).contains("password"));
        for (text, fault) in [
            ("http://u@h/x", UriFault::Credentials),
            ("http://h/u@x", UriFault::Scheme),
            ("file:/u@x", UriFault::Scheme),
            ("http://-h", UriFault::Text),
            ("file:/-h", UriFault::Scheme),
            ("file://h", UriFault::Place),
            ("http:h", UriFault::Place),
        ] {
            // What has no fault of its own is taken.
            assert_eq!(uri(text).err(), Some(fault).filter(|fault| *fault != UriFault::Scheme), "{text}");
        }
    }
}
