//! Replays every case in which the filter and rsync ever differed, or that someone wanted to keep.
//! The expected lists are rsync's own; `peer_filter.rs` checks them against the binary.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[path = "filter-corpus/support.rs"]
mod support;

#[test]
fn every_kept_case_ships_what_rsync_ships() {
    let corpus = support::corpus();
    assert!(corpus.len() >= 20, "the corpus has {} cases only", corpus.len());
    for (path, case, shipped) in corpus {
        assert_eq!(support::pruned(&case.ours()), shipped, "{}", path.display());
    }
}
