//! How many user and group ids this process has: in a user namespace that someone else made, they may be too few for the files of
//! packages.

use std::path::Path;

/// The user ids and group ids that Debian's packages give to files and accounts begin at 0 and end
/// before this one.
const NEEDED: u64 = 1000;

/// The largest map of ids that is read, in bytes. The kernel takes 340 lines of 33 bytes.
const MAP_LIMIT: u64 = 1 << 16;

/// What root lacks in a user namespace such as that of `unshare --map-root-user`; none where files can get their owners.
#[must_use]
pub fn too_few_ids() -> Option<String> {
    for (map, kind) in [("/proc/self/uid_map", "user"), ("/proc/self/gid_map", "group")] {
        let count = mapped(&String::from_utf8(crate::open::read(Path::new(map), MAP_LIMIT).ok()?).ok()?);
        if count < NEEDED {
            return Some(format!(
                "this user namespace has the {kind} ids below {count} only, and packages need those below {NEEDED}; \
                 `unshare --map-root-user --map-auto` gives it more"
            ));
        }
    }
    None
}

/// How many ids there are from 0 on without a gap, by user_namespaces(7).
fn mapped(map: &str) -> u64 {
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
    let range = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let first = number(words.next())?;
        Some((first, first.saturating_add(number(words.nth(1))?)))
    };
    let mut ranges: Vec<(u64, u64)> = map.lines().filter_map(range).collect();
    ranges.sort_unstable();
    ranges.into_iter().fold(0, |end, (first, next)| if first <= end { end.max(next) } else { end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_counted_from_zero_to_the_first_gap() {
        assert_eq!(mapped("         0          0 4294967295\n"), 4_294_967_295);
        assert_eq!(mapped("0 1000 1\n"), 1);
        assert_eq!(mapped("1 100000 65536\n0 1000 1\n"), 65537);
        assert_eq!(mapped("0 1000 1\n5 100000 65536\n"), 1);
        assert_eq!(mapped("1 100000 65536\n"), 0);
        assert_eq!(mapped("nonsense\n"), 0);
    }
}
