//! Which of two Debian versions is newer.

use std::cmp::Ordering;

/// Compares two versions as dpkg does: deb-version(7).
///
/// The epoch counts first, then the upstream version, then the revision. A text that is no version
/// compares as one all the same, so that every list of packages can be sorted.
#[must_use]
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a_epoch, a_rest) = epoch(a);
    let (b_epoch, b_rest) = epoch(b);
    let (a_upstream, a_revision) = a_rest.rsplit_once('-').unwrap_or((a_rest, ""));
    let (b_upstream, b_revision) = b_rest.rsplit_once('-').unwrap_or((b_rest, ""));
    numbers(a_epoch.as_bytes(), b_epoch.as_bytes())
        .then_with(|| parts(a_upstream.as_bytes(), b_upstream.as_bytes()))
        .then_with(|| parts(a_revision.as_bytes(), b_revision.as_bytes()))
}

fn epoch(version: &str) -> (&str, &str) {
    version.split_once(':').unwrap_or(("", version))
}

/// Compares runs of other characters and runs of digits in turn.
fn parts(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let (a_word, a_rest) = split(a, |byte| !byte.is_ascii_digit());
        let (b_word, b_rest) = split(b, |byte| !byte.is_ascii_digit());
        let (a_number, a_next) = split(a_rest, |byte| byte.is_ascii_digit());
        let (b_number, b_next) = split(b_rest, |byte| byte.is_ascii_digit());
        let order = words(a_word, b_word).then_with(|| numbers(a_number, b_number));
        if order.is_ne() || (a_next.is_empty() && b_next.is_empty()) {
            return order;
        }
        (a, b) = (a_next, b_next);
    }
}

fn split(text: &[u8], belongs: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !belongs(*byte)).unwrap_or(text.len()))
}

/// `~` sorts before the end of the word, letters before everything else.
fn words(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |word: &[u8], at: usize| match word.get(at) {
        None => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    let orders = (0..a.len().max(b.len())).map(|at| weight(a, at).cmp(&weight(b, at)));
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Numbers of any length; no digits at all are zero.
fn numbers(a: &[u8], b: &[u8]) -> Ordering {
    let trimmed = |digits: &'_ [u8]| digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    let (a, b) = (&a[trimmed(a)..], &b[trimmed(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_dpkg_sorts_them() {
        // What `dpkg --compare-versions` says of each neighbouring pair: less.
        let ascending = [
            "~~",
            "~~a",
            "~",
            "",
            "1.0~beta1~svn1245",
            "1.0~beta1",
            "1.0",
            "1.0-1",
            "1.0-1+b1",
            "1.0-2",
            "1.0-10",
            "1.0a",
            "1.0+dfsg",
            "1.0.1",
            "1.9",
            "1.10",
            "a",
            "1:0.1",
            "2:0.0.0",
        ];
        for (index, older) in ascending.iter().enumerate() {
            assert_eq!(compare(older, older), Ordering::Equal);
            for newer in &ascending[index + 1..] {
                assert_eq!(compare(older, newer), Ordering::Less, "{older:?} {newer:?}");
                assert_eq!(compare(newer, older), Ordering::Greater, "{newer:?} {older:?}");
            }
        }
        for (a, b) in [("1.0", "0:1.0"), ("1.0", "1.00"), ("1.0", "1.0-0"), ("1.", "1.0")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a:?} {b:?}");
        }
        let long = "9".repeat(400);
        assert_eq!(compare(&long, &format!("1{long}")), Ordering::Less);
    }
}
