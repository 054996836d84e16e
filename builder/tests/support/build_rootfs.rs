//! Makes one root file system, for the peer tests: as another user, or to be killed on the way. It is also the
//! program that children of the tests are first, whose own `main` is not ours.
//!
//! Arguments: the cache's folder, the order (a resolution and its .debs as JSON), `root` or `unshare`; and where it is not
//! that of the tests, the epoch; and `from-nothing` to put what is made from nothing in the place of what there is.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    reason = "a panic is a failed test"
)]

use std::path::PathBuf;

use builder::apt::Resolution;
use builder::cache::Cache;
use builder::rootfs::{self, IsolationMode, Options};
use model::Epoch;
use model::observe::Silent;

fn main() {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(ended) = host::process::enter(&arguments) {
        eprint!("{}", ended.message);
        std::process::exit(ended.code.into());
    }
    // The strictest mask that a user may have: it must not reach the bytes.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let mut arguments = arguments.into_iter().skip(1);
    let mut next = || arguments.next().expect("three arguments: CACHE ORDER MODE");
    let (cache, order, mode) = (next(), next(), next());
    let (resolution, debs): (Resolution, Vec<PathBuf>) =
        serde_json::from_slice(&std::fs::read(order).unwrap()).unwrap();
    let mode = if mode == "root" { IsolationMode::Root } else { IsolationMode::Unshare };
    let seconds = arguments.next().map_or(EPOCH, |text| text.to_str().unwrap().parse().unwrap());
    let from_nothing = arguments.next().is_some_and(|word| word == "from-nothing");
    let options = Options { epoch: Epoch::from_seconds(seconds).unwrap(), mode, fresh: from_nothing, from_nothing };
    let rootfs = rootfs::build(&resolution, &debs, &options, &Cache::new(cache.into()), &Silent).unwrap();
    println!("archive {}", rootfs.archive.display());
}

/// The same as in the tests.
const EPOCH: i64 = 1_750_000_000;
