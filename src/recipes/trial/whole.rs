//! All that listens in a trial, compared with all that does in the full trees: also what no judged service holds.

use std::collections::BTreeSet;

use model::{Diagnostic, Severity};
use node::trial::sockets::{self, Address};

use crate::recipes::trial::seen::Control;
use crate::recipes::trial::watch::Watched;

/// Ports on which something listens that did not in the full trees, or no longer does.
pub(crate) fn compare(watched: &Watched, control: &Control) -> Vec<Diagnostic> {
    let judged = watched.services.values().flat_map(|seen| &seen.listening);
    let judged_there = control.services.values().flat_map(|seen| &seen.listening);
    let (wider, missing) = beyond(
        (&watched.listening, &judged.chain(&watched.by_manager).collect()),
        (&control.listening, &judged_there.collect()),
        watched.ephemeral,
    );
    let mut found = Vec::new();
    // Where one module has no full tree, it may be the one that listens.
    if control.is_complete && !wider.is_empty() {
        let message = format!("something listens on {}, and nothing does in the full tree", shown(&wider));
        let hint = "see what holds it by --shell; what of its configuration is not shipped makes it listen elsewhere";
        found.push(Diagnostic::new(Severity::Error, "listens-wider", message, hint));
    }
    if !missing.is_empty() {
        let message = format!("nothing listens on {}, where something does in the full tree", shown(&missing));
        let hint = "see which unit starts it in the full tree, and what of that is not shipped";
        found.push(Diagnostic::new(Severity::Error, "listens-less", message, hint));
    }
    found
}

/// What listens more, and what less, in one run than in the other; of each run all that listens, and what of that was
/// compared already.
fn beyond(
    (all, judged): (&BTreeSet<Address>, &BTreeSet<&Address>),
    (all_there, judged_there): (&BTreeSet<Address>, &BTreeSet<&Address>),
    ephemeral: (u16, u16),
) -> (BTreeSet<Address>, BTreeSet<Address>) {
    // Sockets of the file system are compared service by service: many of the others are of the base, or of no one.
    let is_port = |address: &&Address| !matches!(address, Address::Unix(_));
    let others = all.iter().filter(|address| !judged.contains(address)).cloned().collect();
    let others_there = all_there.iter().filter(is_port).filter(|address| !judged_there.contains(address));
    let wider = sockets::compare(&others, all_there, ephemeral).wider;
    let missing = sockets::compare(all, &others_there.cloned().collect(), ephemeral).missing;
    (wider, missing)
}

fn shown(addresses: &BTreeSet<Address>) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_service_holds_counts_and_is_said_once() {
        let set = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<BTreeSet<Address>>();
        let there = set(&["tcp 127.0.0.1:80", "tcp 127.0.0.1:5432", "tcp 127.0.0.1:40000", "unix /run/helper"]);
        let judged_there = set(&["tcp 127.0.0.1:80"]);
        let found = |texts: &[&str], judged: &[&str]| {
            let (all, judged) = (set(texts), set(judged));
            let (wider, missing) =
                beyond((&all, &judged.iter().collect()), (&there, &judged_there.iter().collect()), (32768, 60999));
            (shown(&wider), shown(&missing))
        };
        let text = |wider: &str, missing: &str| (wider.to_owned(), missing.to_owned());
        // Port 80 was compared with its service, whatever came of it.
        assert_eq!(found(&[], &[]), text("", "tcp 127.0.0.1:5432"));
        assert_eq!(found(&["tcp 0.0.0.0:5432"], &["tcp 0.0.0.0:5432"]), text("", ""));
        assert_eq!(found(&["tcp 0.0.0.0:5432"], &[]), text("tcp 0.0.0.0:5432", ""));
        let all = ["tcp 127.0.0.1:5432", "udp 0.0.0.0:50000", "unix /run/other", "udp 0.0.0.0:53"];
        assert_eq!(found(&all, &["udp 0.0.0.0:53"]), text("", ""));
        assert_eq!(found(&all, &[]), text("udp 0.0.0.0:53", ""));
    }
}
