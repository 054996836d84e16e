//! By whose privilege a build runs: chosen, and tried before anything is made.

use std::path::Path;

use super::Error;
use super::plan::{self, Privilege};
use host::process::{self, Invocation};

/// By whose privilege to build.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IsolationMode {
    /// Root's where the process is root's, else a user namespace.
    #[default]
    Auto,
    /// Root's.
    Root,
    /// A user namespace. The bytes are the same.
    Unshare,
}

/// The user ids and group ids that Debian's packages give to files and accounts begin at 0 and end
/// before this one.
const NEEDED: u64 = 1000;

/// The largest map of ids that is read, in bytes. The kernel takes 340 lines of 33 bytes.
const MAP_LIMIT: u64 = 1 << 16;

/// By whose privilege to build. What is chosen is tried first, so that a refusal is distinguished from a
/// failure of the build itself.
pub(super) fn choose(mode: IsolationMode) -> Result<Privilege, Error> {
    let root = rustix::process::geteuid().is_root();
    let (name, privilege) = match mode {
        IsolationMode::Root if !root => {
            return Err(Error::NoPrivilege { tried: "root", what: "the process is not root's".to_owned() });
        }
        IsolationMode::Auto if !root => ("unshare", Privilege::User),
        IsolationMode::Auto | IsolationMode::Root => ("root", Privilege::Root),
        IsolationMode::Unshare => ("unshare", Privilege::User),
    };
    let refused = if privilege == Privilege::Root { lacking() } else { None };
    let refused = refused.map_or_else(|| probe(privilege), |what| Ok(Some(what)))?;
    refused.map_or(Ok(privilege), |what| Err(Error::NoPrivilege { tried: name, what }))
}

/// What root lacks in a user namespace that someone else made, such as that of `unshare --map-root-user`.
fn lacking() -> Option<String> {
    for (map, kind) in [("/proc/self/uid_map", "user"), ("/proc/self/gid_map", "group")] {
        let count = mapped(&String::from_utf8(host::open::read(Path::new(map), MAP_LIMIT).ok()?).ok()?);
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

/// Tries to make the namespaces; gives what was said when it cannot be done.
fn probe(privilege: Privilege) -> Result<Option<String>, Error> {
    let captured = process::capture(&plan::by(privilege, Invocation::isolated(plan::HOSTNAME)))?;
    if captured.status.success() {
        return Ok(None);
    }
    let said = model::path::escape(String::from_utf8_lossy(&captured.stderr).trim().as_bytes());
    Ok(Some(if said.is_empty() { captured.status.to_string() } else { said }))
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
