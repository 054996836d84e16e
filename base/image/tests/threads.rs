//! How many threads there are, which is decided once for a process: so this file has one test.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

#[test]
fn there_are_as_many_threads_as_jobs_and_they_are_counted_once() {
    image::use_threads(3).unwrap();
    assert_eq!(rayon::current_num_threads(), 3);
    image::use_threads(4).unwrap_err();
    assert_eq!(rayon::current_num_threads(), 3);
}
