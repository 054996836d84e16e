//! What apt-get's messages mean. They are read in the C locale, where they are stable enough that
//! an unknown one still ends in an error that shows them.

use super::{Error, MissingSuite, SignatureFault};

/// How many lines of apt's messages an error shows.
const TAIL_LINES: usize = 24;

/// The most of one line that an error shows, in characters.
const TAIL_WIDTH: usize = 400;

/// The errors and warnings among apt's messages, the last of them, without control characters.
pub(super) fn tail(output: &[u8]) -> String {
    let lines: Vec<String> = output
        .split(|b| *b == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .filter(|line| !line.is_empty())
        .map(|line| model::path::escape(line).chars().take(TAIL_WIDTH).collect())
        .collect();
    let telling = |line: &&String| ["E:", "W:", "Err:", "  "].iter().any(|start| line.starts_with(start));
    let mut kept: Vec<&str> = lines.iter().filter(telling).map(String::as_str).collect();
    if kept.is_empty() {
        kept = lines.iter().map(String::as_str).collect();
    }
    kept[kept.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// The error that `apt-get VERB` reports by its messages.
pub(super) fn error(verb: &'static str, output: &[u8]) -> Error {
    let text = String::from_utf8_lossy(output);
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    let log = tail(output);
    if has(&["No space left on device", "Disk quota exceeded", "don't have enough free space"]) {
        return Error::DiskFull { log };
    }
    // apt starts a program for each archive, which the limit ends (25 is SIGXFSZ).
    if has(&["received signal 25"]) {
        return Error::ListTooLarge { log };
    }
    if has(&["Permission denied", "Read-only file system"]) {
        return Error::Permission { log };
    }
    // apt goes on without a file that it was refused, and ends by calling the archive unsigned.
    if has(&["401  Unauthorized", "403  Forbidden", "407  Proxy", "Invalid response from proxy"]) {
        return Error::Denied { log };
    }
    // The words of GnuTLS in apt 2.6, and of OpenSSL in apt 3.
    if has(&["Certificate verification failed", "certificate verify failed"]) {
        return Error::Certificate { log };
    }
    if let Some(fault) = signature(&text) {
        return Error::Signature { fault, log };
    }
    if has(&["is expired (invalid since", "is not valid yet (invalid for"]) {
        return Error::Expired { log };
    }
    if has(&["Hash Sum mismatch", "File has unexpected size", "Hashes of expected file", "Hashes of received file"]) {
        return Error::IndexMismatch { log };
    }
    // What apt 3 says of a local index with another digest; it has words of its own for a missing one.
    let is_mute = |line: &str| line.starts_with("E: Failed to fetch copy:") && line.ends_with("  Undetermined Error");
    if text.lines().any(is_mute) {
        return Error::IndexMismatch { log };
    }
    if has(&[
        "Could not resolve",
        "Temporary failure resolving",
        "Something wicked happened resolving",
        "Could not connect",
        "Cannot initiate the connection",
        "Unable to connect",
        "Connection timed out",
        "Connection refused",
        "connection timed out",
        "Network is unreachable",
        "Connection failed",
        "Error reading from server",
        "Could not handshake",
        "SSL connection failed",
    ]) {
        return Error::Network { log, has_lists: false };
    }
    if has(&["does not have a Release file", "no longer has a Release file", "404  Not Found", "File not found"]) {
        return match release_not_taken(&text) {
            Some(archive) => Error::ReleaseNotTaken { archive, log },
            None => Error::SuiteMissing { missing: missing_suite(&text), log },
        };
    }
    if text.lines().any(is_failed_answer) {
        return Error::Network { log, has_lists: false };
    }
    if has(&[" is not signed.", " is no longer signed."]) {
        return Error::Signature { fault: SignatureFault::Missing, log };
    }
    Error::Apt { verb, log }
}

/// The archive of a server whose signed Release file came and was given up: apt asks for the older form then, and says of that alone
/// that it is not there. Of a file of this machine apt says `Get` before it looks.
fn release_not_taken(text: &str) -> Option<String> {
    let named = |line: &str, verb: &str| {
        let (_, rest) = line.strip_prefix(verb)?.split_once(' ')?;
        let name = rest.split(" [").next()?.strip_suffix(" InRelease").filter(|name| name.starts_with("http"))?;
        Some(model::path::escape(name.as_bytes()))
    };
    let came: Vec<String> = text.lines().filter_map(|line| named(line.trim_end(), "Get:")).collect();
    text.lines().filter_map(|line| named(line.trim_end(), "Ign:")).find(|name| came.contains(name))
}

/// The archive of which apt says that it has no such suite.
fn missing_suite(text: &str) -> Option<MissingSuite> {
    let (_, rest) = text.split_once("E: The repository '")?;
    let (name, after) = rest.split_once("' ")?;
    let is_missing = ["does not have a Release file", "no longer has a Release file"];
    let mut words = name.strip_suffix(" Release")?.split(' ');
    let (uri, suite) = (words.next()?.trim_end_matches('/').to_owned(), words.next()?.to_owned());
    let is_one = is_missing.iter().any(|words| after.starts_with(words)) && words.next().is_none();
    is_one.then_some(MissingSuite { uri, suite, component: None })
}

/// Whether a line says that a server answered with an error. Of some apt then says that the archive is
/// not signed, since it saw no signature.
fn is_failed_answer(line: &str) -> bool {
    let status = |word: &str| word.len() == 3 && matches!(word.parse(), Ok(400..=599));
    line.starts_with("E: Failed to fetch ") && line.split("  ").any(|part| status(part.trim()))
}

fn signature(text: &str) -> Option<SignatureFault> {
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    if has(&["BADSIG", "Clearsigned file isn't valid", "Bad signature", "Message has been manipulated"]) {
        Some(SignatureFault::Bad)
    } else if has(&["NO_PUBKEY", "Missing key ", "public key is not available", "Unknown signature key"]) {
        Some(SignatureFault::UnknownKey)
    } else if has(&["EXPKEYSIG", "REVKEYSIG", "EXPSIG", "KEYEXPIRED", "weak digest", "signatures were invalid"]) {
        Some(SignatureFault::Unfit)
    } else {
        None
    }
}

/// apt's explanation why packages cannot be installed together, if it gives one.
pub(super) fn unsatisfiable(stdout: &[u8], stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stdout);
    let reasons = String::from_utf8_lossy(stderr);
    let start = text.find("The following packages have unmet dependencies:");
    let solver = ["Unable to satisfy dependencies", "held broken packages"].iter().any(|n| reasons.contains(n));
    if start.is_none() && !solver {
        return None;
    }
    let lines = text[start.unwrap_or(text.len())..].lines().chain(reasons.lines());
    let shown = lines.filter(|line| !line.trim().is_empty()).take(60);
    Some(shown.map(|line| model::path::escape(line.as_bytes())).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn apts_messages_have_their_errors() {
        let kind = |text: &str| match error("update", text.as_bytes()) {
            Error::Network { .. } => "network".to_owned(),
            Error::Certificate { .. } => "certificate".to_owned(),
            Error::Denied { .. } => "denied".to_owned(),
            Error::SuiteMissing { missing: Some(missing), .. } => format!("suite {} {}", missing.uri, missing.suite),
            Error::SuiteMissing { missing: None, .. } => "suite".to_owned(),
            Error::ReleaseNotTaken { archive, .. } => format!("release {archive}"),
            Error::Signature { fault, .. } => format!("{fault:?}"),
            Error::Expired { .. } => "expired".to_owned(),
            Error::DiskFull { .. } => "full".to_owned(),
            Error::Permission { .. } => "permission".to_owned(),
            Error::IndexMismatch { .. } => "mismatch".to_owned(),
            Error::ListTooLarge { .. } => "large".to_owned(),
            other => format!("{other:?}"),
        };
        // Messages of apt 2.6 and 3.0, shortened.
        for (text, wanted) in [
            ("E: Failed to fetch http://m/InRelease  Could not resolve 'm'", "network"),
            ("E: The repository 'http://m nosuch Release' does not have a Release file.", "suite http://m nosuch"),
            ("Ign:1 http://m x InRelease\nErr:2 http://m x Release\n  404  Not Found [IP: 192.0.2.1 80]", "suite"),
            (
                "Get:1 file:/m x InRelease\nIgn:1 file:/m x InRelease\nErr:2 file:/m x Release\n  File not found - /m/dists/x/Release (2: No such file or directory)\nE: The repository 'file:/m x Release' does not have a Release file.",
                "suite file:/m x",
            ),
            (
                "Get:1 http://m x InRelease [1100 GB]\nIgn:1 http://m x InRelease\nErr:2 http://m x Release\n  404  Not Found [IP: 192.0.2.1 80]\nE: The repository 'http://m x Release' does not have a Release file.",
                "release http://m x",
            ),
            ("E: The repository 'file:/m x Release' is not signed.", "Missing"),
            (
                "W: GPG error: file:/m x InRelease: The following signatures were invalid: BADSIG 12\nE: The repository 'file:/m x InRelease' is not signed.",
                "Bad",
            ),
            (
                "W: GPG error: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 12\nE: The repository is not signed.",
                "UnknownKey",
            ),
            (
                "E: Sub-process sqv returned an error code (1), error message is: Missing key 12, which is needed to verify signature.",
                "UnknownKey",
            ),
            ("W: The following signatures were invalid: EXPKEYSIG 12", "Unfit"),
            (
                "E: Release file for file:/m/InRelease is expired (invalid since 5d). Updates for this repository will not be applied.",
                "expired",
            ),
            (
                "Err:1 https://m InRelease\n  Certificate verification failed: The certificate is NOT trusted. The certificate issuer is unknown.  Could not handshake: Error in the certificate verification.",
                "certificate",
            ),
            (
                "  SSL connection failed: error:0A000086:SSL routines::certificate verify failed / Success",
                "certificate",
            ),
            ("  SSL connection failed: error:0A00010B:SSL routines::wrong version number / Success", "network"),
            (
                "E: Failed to fetch http://m/InRelease  401  Unauthorized\nE: The repository is no longer signed.",
                "denied",
            ),
            ("  Invalid response from proxy: HTTP/1.1 407 Proxy Authentication Required", "denied"),
            (
                "E: Failed to fetch http://m/InRelease  400  Bad Request [IP: 192.0.2.1 80]\nE: The repository 'http://m x InRelease' is not signed.",
                "network",
            ),
            ("E: Failed to fetch http://m/InRelease  503  Service Unavailable [IP: 192.0.2.1 80]", "network"),
            ("E: Failed to fetch http://m/  4000  x\nE: The repository 'file:/m x Release' is not signed.", "Missing"),
            ("E: Failed to fetch copy:/m/dists/x/main/binary-amd64/Packages  Undetermined Error", "mismatch"),
            ("E: Method http has died unexpectedly!\nE: Sub-process http received signal 25.", "large"),
            ("E: Write error - write (28: No space left on device)", "full"),
            ("E: Could not open lock file - open (13: Permission denied)", "permission"),
            (
                "E: Failed to fetch http://m/Packages.xz  File has unexpected size (1 != 2). Mirror sync in progress?",
                "mismatch",
            ),
        ] {
            assert_eq!(kind(text), wanted, "{text}");
        }
        assert!(matches!(error("update", b"E: something else"), Error::Apt { verb: "update", .. }));
    }

    #[test]
    fn the_tail_is_bounded_and_plain() {
        let text = format!("{}E: \x1b[31mlast{}\n", "E: line\n".repeat(100), "x".repeat(1000));
        let tail = tail(text.as_bytes());
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(!tail.contains('\x1b') && tail.lines().all(|line| line.chars().count() <= TAIL_WIDTH));
    }
}
