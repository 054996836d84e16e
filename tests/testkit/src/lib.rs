//! What the tests of several crates share: the peers that judge us, guards that clean up, and
//! randomness that can be repeated.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "this crate serves tests only: a panic is a failed test"
)]

pub mod elf;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A peer program, such as `rsync` or `mkcomposefs`, from the private folder that
/// `cargo xtask test` fills and names in `MODULE_BUILDER_PEERS`.
///
/// # Panics
/// When the folder or the program is missing: a test that cannot run fails.
#[must_use]
pub fn peer(name: &str) -> Command {
    let mut command = Command::new(peer_path(name));
    command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    command
}

/// Where the peer program `name` lies.
///
/// # Panics
/// When the folder or the program is missing.
#[must_use]
pub fn peer_path(name: &str) -> PathBuf {
    let folder = env::var_os("MODULE_BUILDER_PEERS")
        .expect("MODULE_BUILDER_PEERS is not set: run the tests by `cargo xtask test`, which installs the peers");
    let path = Path::new(&folder).join("bin").join(name);
    assert!(path.exists(), "the peer {} is missing: run `cargo xtask test`", path.display());
    path
}

/// A cache that outlives the test, so that packages are fetched and installed once. It lies with the peers, and not in the
/// program's own cache, which takes no directory that holds what it did not make.
///
/// # Panics
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
#[must_use]
pub fn warm_cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    base.expect("HOME is set").join("module-builder-xtask/test")
}

/// Runs `command` and gives back its output.
///
/// # Panics
/// When it cannot be started or fails; the message holds its standard error.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs `command` and gives back its standard output as text without the last line break.
///
/// # Panics
/// As [`run`].
pub fn stdout(command: &mut Command) -> String {
    String::from_utf8_lossy(&run(command).stdout).trim_end_matches('\n').to_owned()
}

/// A mounted file system, unmounted when the guard is dropped, even by a panic.
#[derive(Debug)]
pub struct Mounted(PathBuf);

impl Mounted {
    /// Runs the `mount` command with `arguments` and `target`, which must exist.
    ///
    /// # Panics
    /// When mounting fails.
    #[must_use]
    pub fn new(arguments: &[&str], target: &Path) -> Self {
        run(Command::new("mount").args(arguments).arg(target));
        Self(target.to_owned())
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let outcome = Command::new("umount").arg(&self.0).output();
        if !outcome.is_ok_and(|output| output.status.success()) {
            eprintln!("cannot unmount {}", self.0.display());
        }
    }
}

/// Repeatable randomness: splitmix64.
///
/// The seed comes from `MODULE_BUILDER_SEED` or from the process id and is printed, so that a
/// failing run can be repeated.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts from `MODULE_BUILDER_SEED`, or from a fresh seed, and prints it.
    #[must_use]
    pub fn from_environment() -> Self {
        let fresh = || {
            u64::from(std::process::id()) << 32
                | std::time::UNIX_EPOCH.elapsed().map_or(0, |d| u64::from(d.subsec_nanos()))
        };
        let seed = env::var("MODULE_BUILDER_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(fresh);
        eprintln!("seed: MODULE_BUILDER_SEED={seed}");
        Self(seed)
    }

    /// Starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which must not be zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit
    }

    /// The index of one of `bytes`, of which there must be one.
    ///
    /// # Panics
    /// When `bytes` is empty.
    pub fn place(&mut self, bytes: &[u8]) -> usize {
        assert!(!bytes.is_empty(), "nothing is left that could be damaged: keep one byte");
        usize::try_from(self.below(bytes.len() as u64)).expect("an index fits")
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(choices.len() as u64)).expect("an index fits");
        &choices[index]
    }

    /// `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 8);
        while bytes.len() < count {
            bytes.extend_from_slice(&self.bits().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_chores_keep_is_not_in_the_programs_own_cache() {
        let peers = env::var_os("MODULE_BUILDER_PEERS").map(PathBuf::from);
        for kept in peers.into_iter().chain([warm_cache()]) {
            assert!(kept.iter().all(|part| part != "module-builder"), "{}", kept.display());
        }
    }
}
