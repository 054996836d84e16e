//! 5. Where file systems are mounted: results are written where it can be done, and nothing is lost.
//!
//! Each test mounts in a namespace of its own, which only root may make.

use std::fs;
use std::process::{Command, Output};

use crate::small::Small;

/// Runs `script` in a mount namespace of its own, with the program as `$MB`; none where no one may mount.
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
        let build = "$MB build -q -C m --rootfs root --output out/dist; $MB inspect out/dist >&2";
        works(&small, &format!("mount {mount} out; {build}"));
    }
}

/// A mount point whose surroundings no one may write to.
const MOUNT_POINT: &str = "mkdir -p out m/dist; mount --bind m m; mount -o remount,bind,ro m; mount --bind out m/dist; \
                           build() { $MB build -q -C m --rootfs root \"$@\" > /dev/null; };";

#[test]
fn a_build_that_is_killed_in_a_mount_point_leaves_what_the_next_one_accepts() {
    if Command::new("strace").arg("-V").output().is_err() {
        return;
    }
    let small = Small::new();
    let script = "for when in 2 4 5 6 7 8 9 10 11 12 13; do build; \
        strace -f -qq -o /dev/null -e trace=unlinkat -e inject=unlinkat:signal=KILL:when=$when \
            $MB build -q -C m --rootfs root > /dev/null 2>&1 || true; \
        build || { echo killed at $when; find m/dist; exit 1; }; \
        $MB inspect m/dist > /dev/null; [ -z \"$(find m/dist -name '.*')\" ]; done";
    works(&small, &format!("{MOUNT_POINT} {script}"));
}

#[test]
fn an_output_that_an_overlay_has_from_below_is_replaced() {
    let small = Small::new();
    let script = "mkdir low up top; cp -a m root low; mount -t tmpfs none up; \
        (cd low; $MB build -q -C m --rootfs root > /dev/null); \
        for emit in tar oci tar,oci; do \
            mkdir up/u up/w; mount -t overlay -o lowerdir=low,upperdir=up/u,workdir=up/w,redirect_dir=off none top; cd top; \
            for i in 1 2; do echo $i > m/rootfs/etc/page.html; \
                case $emit in oci) rm -f m/dist/module.tar;; tar) rm -rf m/dist/oci;; esac; \
                $MB build -q -C m --rootfs root --emit $emit > /dev/null; $MB inspect m/dist > /dev/null; \
                [ -z \"$(find m/dist -name '.*')\" ]; [ $(ls -A m | wc -l) = 3 ]; \
                case $emit in oci) [ ! -e m/dist/module.tar ];; tar) [ ! -e m/dist/oci ];; *) [ -d m/dist/oci ];; esac; \
            done; \
            cd ..; umount top; rm -rf up/u up/w; done";
    works(&small, script);
}

#[test]
fn what_a_file_system_brings_to_its_mount_point_stays() {
    let small = Small::new();
    let script = "mkdir m/dist; mount -t tmpfs none m/dist; mkdir -m 700 m/dist/lost+found; echo x > m/dist/lost+found/1; \
        for emit in tar tar,oci; do $MB build -q -C m --rootfs root --emit $emit > /dev/null; \
            $MB inspect m/dist > /dev/null; $MB rebuild m/dist -C m --rootfs root > /dev/null; done; \
        [ $(cat m/dist/lost+found/1) = x ]; \
        ! { chown 1 m/dist/lost+found; $MB build -q -C m --rootfs root 2> err; }; grep -q dist/lost+found err; \
        umount m/dist; mkdir m/dist/lost+found; ! $MB build -q -C m --rootfs root 2> err; \
        grep -q dist/lost+found err; [ -d m/dist/lost+found ]";
    works(&small, script);
}
