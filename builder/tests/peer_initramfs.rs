//! An initramfs that cpio packed and compressors compressed, read and compared with what went in.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use builder::initramfs::each_file;
use testkit::run;

fn files(disk: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    each_file(disk, &mut |path, _, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        assert!(found.insert(path.to_string(), bytes).is_none(), "{path} twice");
        Ok(())
    })
    .unwrap();
    found
}

/// Packs the directory `tree` by cpio, and the result by `compressor`.
fn packed(tree: &Path, form: &str, compressor: &str) -> Vec<u8> {
    let line =
        format!("set -o pipefail; find . -print0 | LC_ALL=C sort -z | cpio --quiet -0 -o -H {form} | {compressor}");
    run(Command::new("bash").args(["-euc", &line]).current_dir(tree)).stdout
}

#[test]
fn what_cpio_packs_is_read_back() {
    let tree = tempfile::tempdir().unwrap();
    let mut expected = BTreeMap::new();
    let mut random = testkit::Random::from_environment();
    fs::create_dir_all(tree.path().join("etc/deep")).unwrap();
    for number in 0..200 {
        let name = format!("etc/deep/{}{number}", "n".repeat(usize::try_from(random.below(40)).unwrap()));
        let size = usize::try_from(random.below(9000)).unwrap();
        let content = random.bytes(size);
        fs::write(tree.path().join(&name), &content).unwrap();
        expected.insert(format!("/{name}"), content);
    }
    symlink("deep", tree.path().join("etc/link")).unwrap();
    run(Command::new("mkfifo").arg(tree.path().join("etc/pipe")));
    for form in ["newc", "crc"] {
        let early = packed(tree.path(), form, "cat");
        for compressor in ["cat", "gzip", "xz", "xz --check=crc32", "zstd -19", "zstd --long=27"] {
            let disk = packed(tree.path(), form, compressor);
            assert_eq!(files(&disk), expected, "{form}, {compressor}");
        }
        let lz4 = [early.as_slice(), b"\x02\x21\x4c\x18"].concat();
        assert!(each_file(lz4.as_slice(), &mut |_, _, _| Ok(())).is_err());
    }
}
