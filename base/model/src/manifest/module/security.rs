//! `security`, and the Linux capabilities that services name too.

use super::keys::{self, CAPABILITIES};
use super::types::Security;
use crate::document::{Check, Cursor, Entry, Seen, excerpt, nearest};

/// `security`.
pub(super) fn security(check: &mut Check<'_>, at: &Cursor<'_>) -> Security {
    let Some(object) = check.object(at, &keys::SECURITY) else { return Security::default() };
    let mut profile = |key| object.get(key).and_then(|at| profile(check, &at));
    let (selinux_profile, apparmor_profile, seccomp_profile) =
        (profile("selinux_profile"), profile("apparmor_profile"), profile("seccomp_profile"));
    let security = Security {
        capabilities: object.get("capabilities").map(|at| capabilities(check, &at, true)).unwrap_or_default(),
        selinux_profile,
        apparmor_profile,
        seccomp_profile,
        egress_allow: object.get("egress_allow").map(|at| egress(check, &at)).unwrap_or_default(),
        privileged: object.get("privileged").and_then(|at| check.boolean(&at)),
        user_namespace: object.get("user_namespace").and_then(|at| check.boolean(&at)),
    };
    let confines = !security.capabilities.is_empty()
        || [&security.selinux_profile, &security.apparmor_profile, &security.seccomp_profile]
            .iter()
            .any(|profile| profile.is_some());
    if let (Some(true), true, Some(at)) = (security.privileged, confines, object.get("privileged")) {
        let message = "a privileged module has every capability and no profile, whatever else stands here";
        let hint = "remove `privileged`, or remove the capabilities and profiles";
        check.warn(&at, "privileged", message, hint);
    }
    security
}

/// A list of capability names. For a service the format gives no rule, so that an unknown name
/// there is only warned about.
pub(super) fn capabilities(check: &mut Check<'_>, at: &Cursor<'_>, strict: bool) -> Vec<Entry<String>> {
    let mut capabilities = Vec::new();
    let mut seen = Seen::new("duplicate-capability", "the capability");
    for item in check.list(at, "capabilities") {
        let Some(entry) = check.string(&item) else { continue };
        if CAPABILITIES.contains(&entry.value.as_str()) {
            seen.note(check, &item, entry.value.clone());
            capabilities.push(entry);
            continue;
        }
        let upper = entry.value.trim().to_uppercase();
        let wanted = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
        let hint = match nearest(&wanted, &CAPABILITIES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write a name from capabilities(7), such as `CAP_NET_BIND_SERVICE`".to_owned(),
        };
        let message = format!("Linux knows no capability `{}`", excerpt(&entry.value));
        if strict {
            check.error(&item, "unknown-capability", message, hint);
        } else {
            check.warn(&item, "unknown-capability", message, hint);
            capabilities.push(entry);
        }
    }
    capabilities
}

/// A path in the module's repository; null says that there is no profile.
fn profile(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<Entry<String>> {
    if at.is_null() {
        return None;
    }
    let entry = check.line(at)?;
    let path = &entry.value;
    let problem = if path.starts_with('/') {
        Some("the profile's path starts at the root of the machine")
    } else if path.split('/').any(|component| component == "..") {
        Some("the profile's path leaves the repository")
    } else if path.len() > 4096 || path.ends_with('/') || path.trim() != path {
        Some("this is no path of a file")
    } else {
        None
    };
    let Some(problem) = problem else { return Some(entry) };
    let hint = "write a path inside the module's repository, such as `security/profile.json`";
    check.error(at, "invalid-path", problem, hint);
    None
}

fn egress(check: &mut Check<'_>, at: &Cursor<'_>) -> Vec<Entry<String>> {
    let mut allowed = Vec::new();
    let mut seen = Seen::new("duplicate-egress", "the destination");
    for item in check.list(at, "destinations") {
        let Some(entry) = check.string(&item) else { continue };
        match egress_problem(&entry.value) {
            None => {
                seen.note(check, &item, entry.value.clone());
                allowed.push(entry);
            }
            Some((problem, hint)) => {
                check.error(&item, "invalid-egress", problem, hint);
            }
        }
    }
    allowed
}

/// What is wrong with `host` or `host:port`: a host is a name, an IPv4 address, or an IPv6 address
/// in brackets.
fn egress_problem(text: &str) -> Option<(&'static str, &'static str)> {
    if text.contains("://") {
        return Some(("a destination is no URL", "write `host:port` only, such as `example.org:443`"));
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').unwrap_or((rest, "?"));
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Some(("this is no IPv6 address in brackets", "write it like `[2001:db8::1]:443`"));
        }
        match rest.strip_prefix(':') {
            _ if rest.is_empty() => (None, None),
            Some(port) => (None, Some(port)),
            None => return Some(("something other than `:port` follows the address", "write `[address]:port`")),
        }
    } else if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some(("an IPv6 address needs brackets", "write it like `[2001:db8::1]:443`"));
    } else {
        text.split_once(':').map_or((Some(text), None), |(host, port)| (Some(host), Some(port)))
    };
    if host.is_some_and(|host| !is_host(host)) {
        return Some(("this is no host name and no address", "write `host:port`, such as `example.org:443`"));
    }
    let number =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    if port.is_some_and(|port| !number(port)) {
        return Some(("the port is no number from 1 to 65535", "write the port's number, or leave `:port` out"));
    }
    None
}

/// RFC 1123, 2.1: labels of letters, digits and inner hyphens, 63 characters each and 253 in all.
/// A text of digits and dots alone must be an IPv4 address.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return text.parse::<std::net::Ipv4Addr>().is_ok();
    }
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_hosts_with_ports() {
        for text in ["example.org", "example.org:443", "10.0.0.1:53", "[2001:db8::1]", "[::1]:80", "db-1:5432"] {
            assert_eq!(egress_problem(text), None, "{text}");
        }
        for text in [
            "",
            ":443",
            "example.org:",
            "example.org:0",
            "example.org:65536",
            "example.org:+1",
            "https://example.org",
            "*.example.org",
            "::1",
            "[::1",
            "[::1]80",
            "[x]:1",
            "10.0.0.256:1",
            "a b",
            "-a",
            "a..b",
            "10.0.0.0/8",
        ] {
            assert!(egress_problem(text).is_some(), "{text}");
        }
    }
}
