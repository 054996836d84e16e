//! What several targets need.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;

const BLOCK: usize = 512;

/// A directory of this process. No one removes it in the end, since libFuzzer leaves a process without
/// ado: `cargo xtask fuzz` names a directory for it that goes.
static SCRATCH: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a directory can be made"));

/// The directory of this process, for files in passing.
pub fn scratch() -> &'static Path {
    SCRATCH.path()
}

/// A file that holds `bytes`, until the next one of this name.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = scratch().join(name);
    fs::write(&path, bytes).expect("a file can be written");
    path
}

/// The same tar file with the right sum in each header, which chance alone never finds.
pub fn with_right_sums(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + BLOCK) {
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = tar::Header::from_byte_slice(block).entry_size().unwrap_or(0);
        let Some(next) = usize::try_from(size).ok().and_then(|size| size.checked_next_multiple_of(BLOCK)) else {
            break;
        };
        let Some(next) = next.checked_add(at + BLOCK) else { break };
        at = next;
    }
    tar
}
