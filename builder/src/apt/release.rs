//! What a Release file says. Its signature was checked by apt before.

use model::Epoch;

use crate::deb822::{Dialect, Fault, Reader};

/// The fields of a Release file that the lock records or the solve needs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) date: Option<Epoch>,
    pub(super) valid_until: Option<Epoch>,
    pub(super) suite: String,
    pub(super) codename: String,
    pub(super) origin: String,
    pub(super) label: String,
    pub(super) components: Vec<String>,
    /// The indexes without a package, by their paths below the Release file. apt fetches none of them.
    pub(super) empty_indexes: Vec<String>,
}

/// Reads the first paragraph of `text`, inside an OpenPGP clear-signature frame or without one.
pub(super) fn parse(text: &str) -> Result<Release, Fault> {
    let mut reader = Reader::new(signed(text).as_bytes(), Dialect::Index);
    let Some(paragraph) = reader.paragraph().transpose()? else { return Ok(Release::default()) };
    let field = |name: &str| paragraph.text(name).unwrap_or_default();
    Ok(Release {
        date: parse_date(&field("Date")),
        valid_until: parse_date(&field("Valid-Until")),
        suite: field("Suite").into_owned(),
        codename: field("Codename").into_owned(),
        origin: field("Origin").into_owned(),
        label: field("Label").into_owned(),
        components: field("Components").split_ascii_whitespace().map(str::to_owned).collect(),
        empty_indexes: field("SHA256").lines().filter_map(empty_index).collect(),
    })
}

/// The path in a line of digest, size and path, where it is that of an index of no bytes.
fn empty_index(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, "0", path] = words.as_slice() else { return None };
    let path = path.strip_prefix("./").unwrap_or(path);
    (path == "Packages" || path.ends_with("/Packages")).then(|| path.to_owned())
}

/// What is inside the frame: it begins after the first empty line, and ends where the signature begins.
fn signed(text: &str) -> &str {
    if !text.starts_with("-----BEGIN PGP SIGNED MESSAGE-----") {
        return text;
    }
    let body = text.split_once("\n\n").map_or("", |(_, body)| body);
    body.split_once("\n-----BEGIN").map_or(body, |(body, _)| body)
}

/// Reads a date as RFC 5322 and Debian's Release files write it: `Sat, 12 Sep 2026 07:55:41 UTC`.
fn parse_date(text: &str) -> Option<Epoch> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, zone] = words.as_slice() else { return None };
    if !["UTC", "GMT", "+0000", "Z"].contains(zone) {
        return None;
    }
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = i64::try_from(MONTHS.iter().position(|name| name == month)?).ok()? + 1;
    let number = |text: &str, range: std::ops::RangeInclusive<i64>| {
        text.parse::<i64>().ok().filter(|value| range.contains(value))
    };
    let (day, year) = (number(day, 1..=31)?, number(year, 1970..=9999)?);
    let mut clock = time.split(':');
    let hour = number(clock.next()?, 0..=23)?;
    let minute = number(clock.next()?, 0..=59)?;
    let second = number(clock.next()?, 0..=60)?;
    Epoch::from_civil([year, month, day], [hour, minute, second]).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn dates_lead_back_to_their_texts() {
        for (text, wanted) in [
            ("Sat, 12 Sep 2026 07:55:41 UTC", Some("2026-09-12T07:55:41Z")),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some("2000-02-29T00:00:00Z")),
            ("Thu,  1 Jan 1970 00:00:00 +0000", Some("1970-01-01T00:00:00Z")),
            ("Fri, 31 Dec 2100 23:59:59 UTC", Some("2100-12-31T23:59:59Z")),
            ("Sat, 12 Sep 2026 07:55:41 +0200", None),
            ("Sat, 32 Sep 2026 07:55:41 UTC", None),
            ("12 Sep 2026", None),
            ("", None),
        ] {
            assert_eq!(parse_date(text).map(Epoch::rfc3339).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn the_first_paragraph_is_read_with_and_without_a_frame() {
        let plain = "Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: trixie\nDate: Sat, 12 Sep 2026 07:55:41 UTC\nComponents: main contrib\nSHA256:\n Suite: forged\n\nSuite: other\n";
        let release = parse(plain).unwrap();
        assert_eq!((release.suite.as_str(), release.codename.as_str()), ("stable", "trixie"));
        assert_eq!(release.components, ["main", "contrib"]);
        let framed =
            format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{plain}-----BEGIN PGP SIGNATURE-----\n");
        assert_eq!(parse(&framed).unwrap(), release);
        assert_eq!(parse("Suite: x\nValid-Until: soon\n").unwrap().valid_until, None);
    }

    #[test]
    fn indexes_without_a_package_are_known_by_their_size() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let text = format!(
            "Suite: x\nMD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 md5/Packages\nSHA256:\n {digest}        0 contrib/binary-amd64/Packages\n \
             {digest} 32 contrib/binary-amd64/Packages.xz\n {digest} 0 contrib/i18n/Translation-en\n {digest} 10 main/binary-amd64/Packages\n \
             {digest} 0 ./Packages\n 0\n"
        );
        assert_eq!(parse(&text).unwrap().empty_indexes, ["contrib/binary-amd64/Packages", "Packages"]);
    }

    #[test]
    fn no_damage_to_a_release_file_makes_the_reader_panic() {
        let good = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSuite: stable\n\
                    Date: Sat, 12 Sep 2026 07:55:41 UTC\nValid-Until: Tue, 29 Feb 2000 00:00:60 GMT\n\n";
        let mut random = testkit::Random::from_environment();
        for _ in 0..20_000 {
            let mut bytes = good.as_bytes().to_vec();
            for _ in 0..=random.below(4) {
                let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                bytes[at] = *random.pick(b"\n :-+0123456789Zx\xff");
            }
            let Ok(release) = parse(&String::from_utf8_lossy(&bytes)) else { continue };
            let dates = [release.date, release.valid_until].into_iter().flatten();
            assert!(dates.map(Epoch::rfc3339).all(|date| date.len() == 20));
        }
    }
}
