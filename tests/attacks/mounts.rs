//! 5. Where file systems are mounted: results are written where it can be done, and nothing is lost.
//!
//! Each test mounts in a namespace of its own, which only root may make.

use std::fs;
use std::process::{Command, Output};

use crate::small::Small;

/// Runs `script` in a mount namespace of its own, with the program as `$MB`; none where nobody may mount.
fn mounted(small: &Small, script: &str) -> Option<Output> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-ec", script]).current_dir(small.path(""));
    unshare.env("HOME", small.path("home")).env("SOURCE_DATE_EPOCH", "1700000000");
    unshare.env("MB", env!("CARGO_BIN_EXE_module-builder"));
    let output = unshare.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    // A sandbox may allow root no mounts.
    (!err.contains("unshare failed") && !err.contains("mount:")).then_some(output)
}

/// The script ends well.
fn works(small: &Small, script: &str) {
    if let Some(output) = mounted(small, script) {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {out}{err}", output.status);
    }
}

#[test]
fn a_file_system_that_counts_no_blocks_is_written_to() {
    for mount in ["-t ramfs none", "-t tmpfs -o size=0 none"] {
        let small = Small::new();
        fs::create_dir(small.path("out")).unwrap();
        let build = "$MB build -q -C m --rootfs root --output ../out/dist; $MB inspect out/dist >&2";
        works(&small, &format!("mount {mount} out; {build}"));
    }
}
