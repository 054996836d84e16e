//! Finding W: damage of every file in every form is a refusal, not the fault of the outside world.

use std::fs;
use std::path::{Path, PathBuf};

use super::{accepted, built, run};
use crate::small::Small;

/// A file that is damaged, and what is looked at then.
fn targets(small: &Small) -> Vec<(PathBuf, &'static str)> {
    let dist = small.path("m/dist");
    let mut targets: Vec<(PathBuf, &str)> =
        ["manifest.json", "module.cfs", "composefs.digest", "file-list.txt", "module.tar"]
            .into_iter()
            .map(|name| (dist.join(name), "m/dist"))
            .collect();
    for entry in fs::read_dir(dist.join("oci/blobs/sha256")).unwrap() {
        targets.push((entry.unwrap().path(), "m/dist/oci"));
    }
    for (name, source) in [("alone.tar", "module.tar"), ("alone.cfs", "module.cfs")] {
        fs::copy(dist.join(source), small.path(name)).unwrap();
        targets.push((small.path(name), name));
    }
    let mut layout = super::Forgery::new(small, "m/dist/oci");
    let layer = layout.layer("module.tar.zst").clone();
    fs::write(small.path("alone.tar.zst"), layout.blob(&layer)).unwrap();
    targets.push((small.path("alone.tar.zst"), "alone.tar.zst"));
    targets
}

fn is_refused(small: &Small, path: &Path, looked_at: &str, what: &str) {
    // Whatever the record says of it.
    super::record_again(&small.path("m/dist"));
    for arguments in [&["inspect", looked_at][..], &["diff", "--content", looked_at, "good.cfs"]] {
        let (code, text) = run(small, arguments);
        assert_eq!(code, 3, "{} {what}, {arguments:?}: {text}", path.display());
    }
}

/// Whether a compressed archive alone is refused, or is the module that it was: bits that a decoder of zstd does not
/// use are there, and nothing outside of a layout says what the compressed bytes should be.
fn is_refused_or_the_same(small: &Small, name: &str, good: &[(i32, String); 2], what: &str) {
    for (arguments, good) in [&["inspect", name][..], &["diff", "--content", name, "good.cfs"]].iter().zip(good) {
        let got = run(small, arguments);
        assert!(got.0 == 3 || got == *good, "{name} {what}, {arguments:?}: {got:?}, and before {good:?}");
    }
}

#[test]
fn what_is_cut_off_emptied_or_changed_is_refused() {
    let small = built();
    fs::copy(small.path("m/dist/module.cfs"), small.path("good.cfs")).unwrap();
    let mut random = testkit::Random::from_environment();
    for (path, looked_at) in targets(&small) {
        let good = fs::read(&path).unwrap();
        accepted(&small, looked_at);
        let before = [&["inspect", looked_at][..], &["diff", "--content", looked_at, "good.cfs"]]
            .map(|words| run(&small, words));
        fs::write(&path, b"").unwrap();
        is_refused(&small, &path, looked_at, "emptied");
        for length in [1, good.len() / 2, good.len() - 1] {
            fs::write(&path, &good[..length]).unwrap();
            is_refused(&small, &path, looked_at, &format!("cut to {length}"));
        }
        fs::write(&path, [&good[..], b"\0"].concat()).unwrap();
        is_refused(&small, &path, looked_at, "with a byte more");
        // Nothing in a file alone says whether another value of a file's owner, or of the manifest, was meant.
        let is_alone = ["alone.cfs", "alone.tar"].contains(&looked_at);
        for _ in 0..if is_alone { 0 } else { 6 } {
            let at = usize::try_from(random.below(good.len() as u64)).unwrap();
            let mut bad = good.clone();
            bad[at] ^= 1 << random.below(8);
            fs::write(&path, &bad).unwrap();
            let what = format!("changed at {at}");
            match looked_at {
                "alone.tar.zst" => is_refused_or_the_same(&small, looked_at, &before, &what),
                _ => is_refused(&small, &path, looked_at, &what),
            }
        }
        fs::write(&path, &good).unwrap();
        super::record_again(&small.path("m/dist"));
        accepted(&small, looked_at);
    }
}

#[test]
fn what_the_system_does_not_read_is_the_outside_world() {
    let small = built();
    // Nothing is at the first address of a process.
    for name in ["x", "x.tar", "x.tar.zst", "x.cfs"] {
        std::os::unix::fs::symlink("/proc/self/mem", small.path(name)).unwrap();
        let (code, text) = run(&small, &["inspect", name]);
        assert_eq!(code, 4, "{text}");
    }
}

/// 300 changed bits in each form that has no digest beside it: never a crash, never the outside world, and
/// what is read all the same says so by another name or another digest.
#[test]
fn changed_bits_are_refused_or_are_another_module() {
    let small = built();
    let truth = small.json(&["inspect", "m/dist/module.tar"]).1;
    let mut random = testkit::Random::from_environment();
    for name in ["module.tar", "module.cfs"] {
        let good = fs::read(small.path("m/dist").join(name)).unwrap();
        for _ in 0..150 {
            let mut bad = good.clone();
            let at = usize::try_from(random.below(bad.len() as u64)).unwrap();
            bad[at] ^= 1 << random.below(8);
            fs::write(small.path("mutant"), &bad).unwrap();
            let (code, text) = run(&small, &["inspect", "mutant", "--format", "json"]);
            assert!(code == 3 || code == 0, "{name} at {at}: {code} {text}");
            if code == 0 {
                let found: serde_json::Value = serde_json::from_str(&text).unwrap();
                let (found, truth) = (&found["modules"][0], &truth["modules"][0]);
                let is_another = found["composefs_digest"] != truth["composefs_digest"] || at < 4096;
                assert!(is_another, "{name} at {at}");
            }
        }
    }
}
